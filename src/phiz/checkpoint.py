"""A kind, a config and tensors in one safetensors file; and how any file is written: whole or not at all.

Everything phiz needs to know about a file stands under one key of the safetensors metadata, as JSON:
``{"config": ..., "format": 1, "kind": "motion"}``. One key, because safetensors keeps several in no
certain order and the same content should always give the same bytes.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from phiz.errors import CheckpointError, UsageError

FORMAT = 1
"""Version of the layout; a reader refuses files of a later one."""

METADATA_KEY = "phiz"
SUFFIX = ".safetensors"
LONGEST_HEADER = 100_000_000
"""What safetensors itself allows."""


@dataclass(frozen=True, kw_only=True)
class About:
    """What a file says about itself, without its tensors."""

    kind: str
    config: dict[str, Any]
    shapes: dict[str, tuple[int, ...]]


@dataclass(frozen=True, kw_only=True)
class Saved:
    """The whole content of a file."""

    kind: str
    config: dict[str, Any]
    tensors: dict[str, Tensor]


def save(path: Path, *, kind: str, config: Mapping[str, object], tensors: Mapping[str, Tensor]) -> None:
    """Write tensors, what they are (`kind`) and how to use them (`config`, plain JSON) to one file."""
    about = {"format": FORMAT, "kind": kind, "config": config}
    try:
        text = json.dumps(about, sort_keys=True, allow_nan=False, default=_plain)
    except (TypeError, ValueError) as error:
        raise ValueError(f"the config of a checkpoint has to be plain, finite JSON: {error}") from error
    with atomic(path) as temporary:
        mode = stat.S_IMODE(temporary.stat().st_mode)
        save_file(_separate(tensors), temporary, metadata={METADATA_KEY: text})
        temporary.chmod(mode)  # safetensors puts a file of its own there, readable to its owner alone


def load(path: Path, *, kind: str) -> Saved:
    """Return what `save` wrote, on the CPU; refuse a file of another kind."""
    about = read_about(path)
    if about.kind != kind:
        raise CheckpointError(f"{path} holds {about.kind!r}, not {kind!r}. Give a file that holds {kind!r}.")
    try:
        tensors = load_file(path)
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path} is damaged ({error}). Copy or make it anew.") from error
    return Saved(kind=about.kind, config=about.config, tensors=tensors)


def read_about(path: Path) -> About:
    """Return the kind, the config and the shapes of a file without reading its tensors."""
    header = _read_header(path)
    metadata = header.pop("__metadata__", None)
    text = metadata.get(METADATA_KEY) if isinstance(metadata, dict) else None
    if text is None:
        raise CheckpointError(
            f"{path} is a safetensors file, but phiz did not write it. Weights of other projects "
            "have to be imported first; see docs/cli.md."
        )
    try:
        about = json.loads(text)
        version = int(about["format"])
        if version > FORMAT:
            raise CheckpointError(
                f"{path} has format {version}; this phiz reads up to {FORMAT}. Install a newer phiz."
            )
        shapes = {name: tuple(entry["shape"]) for name, entry in header.items()}
        return About(kind=str(about["kind"]), config=dict(about["config"]), shapes=shapes)
    except (KeyError, TypeError, ValueError) as error:
        raise _damaged(path, f"its description cannot be read: {error}") from error


@contextlib.contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Yield an empty file beside `path`; it takes the place of `path` if the block succeeds.

    Its name keeps the suffix of `path`, for encoders that choose a format by it. The data is on the
    disk before the rename, so that a crash leaves the old file or the new one, never half of one. An
    old file's permissions stay. Folders on the way are made.
    """
    target = path.resolve() if path.is_symlink() else path
    mode = _mode_of(target)
    temporary = target.with_name(f".{target.stem}-{secrets.token_hex(4)}.part{target.suffix}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}. Choose another place.") from error
    try:
        yield temporary
        if mode is not None:
            temporary.chmod(mode)
        _to_disk(temporary)
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _to_disk(target.parent)


def digest(path: Path) -> str:
    """Return the SHA-256 of a file as 64 hexadecimal digits."""
    total = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while chunk := file.read(1 << 20):
                total.update(chunk)
    except OSError as error:
        raise CheckpointError(f"cannot read {path}: {error.strerror}.") from error
    return total.hexdigest()


def _plain(value: object) -> str:
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} is not plain JSON")


def _separate(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors on the CPU, none sharing memory with another (safetensors insists)."""
    seen: set[int] = set()
    separate = {}
    for name in sorted(tensors):
        tensor = tensors[name].detach().to("cpu").contiguous()
        memory = tensor.untyped_storage().data_ptr()
        separate[name] = tensor.clone() if memory in seen else tensor
        seen.add(memory)
    return separate


def _mode_of(target: Path) -> int | None:
    """Return the permissions of an ordinary file, None where there is nothing yet."""
    try:
        status = target.stat()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UsageError(f"cannot write {target}: {error.strerror}. Choose another place.") from error
    if stat.S_ISDIR(status.st_mode):
        raise UsageError(f"{target} is a folder. Name a file in it.")
    if not stat.S_ISREG(status.st_mode):
        # Renaming onto a device or a pipe would put a plain file in its place.
        raise UsageError(f"{target} is not an ordinary file. Name one that may be replaced.")
    return stat.S_IMODE(status.st_mode)


def _to_disk(path: Path) -> None:
    if path.is_dir() and os.name == "nt":
        return  # Windows cannot open a folder
    handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _read_header(path: Path) -> dict[str, Any]:
    """Return the JSON in front of the tensors, after making sure that the file is all there."""
    if path.is_dir():
        raise CheckpointError(f"{path} is a folder, not a file. Name a {SUFFIX} file in it.")
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            start = file.read(16)
            length = int.from_bytes(start[:8], "little")
            if start[8:9] != b"{" or length > LONGEST_HEADER:
                raise _foreign(path, start, size)
            file.seek(8)
            text = file.read(length)
    except FileNotFoundError:
        raise CheckpointError(f"there is no file {path}. Check the name, or make it first.") from None
    except OSError as error:
        raise CheckpointError(f"cannot read {path}: {error.strerror}.") from error
    return _checked_header(path, text, length, size)


def _checked_header(path: Path, text: bytes, length: int, size: int) -> dict[str, Any]:
    if len(text) < length:
        raise _damaged(path, "it ends too early")
    try:
        header: dict[str, Any] = json.loads(text)
        ends = [entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__"]
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise _damaged(path, f"its header cannot be read: {error}") from error
    expected = 8 + length + max(ends, default=0)
    if size != expected:
        raise _damaged(path, f"it should have {expected} bytes and has {size}")
    return header


def _damaged(path: Path, why: str) -> CheckpointError:
    return CheckpointError(f"{path} is damaged: {why}. Copy or make it anew.")


def _foreign(path: Path, start: bytes, size: int) -> CheckpointError:
    """Return an error that says what a file is that is no safetensors file."""
    if size == 0:
        return _damaged(path, "it is empty")
    if start.startswith(b"version https://"):
        return CheckpointError(
            f"{path} is only a pointer to a file in Git LFS. Fetch the file itself with: git lfs pull"
        )
    if start.startswith(b"PK\x03\x04") or (start[0] == 0x80 and start[1:2] in (b"\2", b"\3", b"\4", b"\5")):
        return CheckpointError(
            f"{path} is a pickle (a torch .pt or .pkl file), which could run any code when loaded; "
            f"phiz reads {SUFFIX} only. Import it first; see docs/cli.md."
        )
    if size < 9:
        return _damaged(path, "it ends too early")
    return CheckpointError(f"{path} is not a {SUFFIX} file. Give a file that phiz wrote.")
