"""What FFmpeg says in numbers becomes words that tell what to do."""

from __future__ import annotations

from pathlib import Path

import av
import pytest

from phiz.errors import MediaError
from phiz.media.opening import explained, opened


def test_a_file_that_is_no_sound_is_refused_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("nothing to hear here\n" * 99)
    with pytest.raises(MediaError, match=r"notes\.txt is a text"), opened(tmp_path / "notes.txt", "sound"):
        pytest.fail("a text was opened as a sound")


def test_trouble_inside_the_block_is_explained_as_well() -> None:
    with pytest.raises(MediaError, match=r"film\.mp4.*No space left"), explained(Path("film.mp4"), "video"):
        raise OSError(28, "No space left on device")
    with pytest.raises(MediaError, match="again"), explained(Path("film.mp4"), "video"):
        raise av.error.InvalidDataError(1, "Invalid data", "film.mp4")


def test_errors_of_our_own_pass_unchanged() -> None:
    with pytest.raises(ZeroDivisionError), explained(Path("film.mp4"), "video"):
        raise ZeroDivisionError
