"""Opening a sound or video for reading, with everything that can go wrong said in plain words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av
from av.container import InputContainer
from av.stream import Stream

from phiz.errors import MediaError

_TEXT_ART = frozenset(("tty", "bin", "adf", "idf", "xbin"))  # FFmpeg would film the letters of a text


@contextmanager
def opened(path: Path | str, what: str) -> Iterator[InputContainer]:
    """Yield an open container; trouble with the file, then or later, becomes a `MediaError`.

    `what` names the thing the user thinks of, "sound" or "video".
    """
    path = Path(path)
    _refuse_hopeless(path, what)
    with explained(path, what), av.open(str(path), metadata_errors="replace") as container:
        if container.format.name in _TEXT_ART:
            raise MediaError(f"{path} is a text, not a {what}. Name a sound or video file.")
        yield container


def refuse_undecodable(stream: Stream, path: Path, what: str) -> None:
    """Raise a `MediaError` if nothing here can decode the stream; older PyAVs would crash on it."""
    if getattr(stream, "codec_context", None) is None:
        raise MediaError(
            f"The {what} in {path} is cut short, or of a kind that cannot be decoded here. "
            "Convert it to mp4 or wav, or copy it again."
        )


@contextmanager
def explained(path: Path, what: str) -> Iterator[None]:
    """Turn what FFmpeg raises inside the block into a `MediaError` about `path`."""
    try:
        yield
    except (av.error.InvalidDataError, av.error.DecoderNotFoundError) as error:
        raise MediaError(
            f"{path} is damaged, cut short or no {what} at all. Play it elsewhere to check; "
            "if it plays, convert it to mp4 or wav, otherwise copy or record it again."
        ) from error
    except (av.error.FFmpegError, OSError) as error:
        reason = getattr(error, "strerror", None) or error
        raise MediaError(
            f"{path}: the {what} failed ({reason}). Check the folder, its permissions and the space left."
        ) from error


def _refuse_hopeless(path: Path, what: str) -> None:
    if path.is_dir():
        raise MediaError(f"{path} is a folder, not a {what}. Name one file in it.")
    if not path.exists():
        raise MediaError(f"There is no {what} at {path}. Check the name and the folder.")
    if path.stat().st_size == 0:
        raise MediaError(f"{path} is empty (0 bytes). Copy or record it again.")
