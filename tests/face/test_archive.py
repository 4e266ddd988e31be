"""Arrays out of a numpy archive."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from phiz.errors import HeadError
from phiz.face import archive


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_arrays_come_back_by_name(tmp_path: Path, save: object) -> None:
    assert callable(save)
    save(tmp_path / "a.npz", x=np.arange(5), y=np.array(["a", "bc"]))
    found = archive.read(tmp_path / "a.npz")
    assert set(found) == {"x", "y"}
    np.testing.assert_array_equal(found["x"], np.arange(5))


def test_objects_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=np.array([{}], object))
    with pytest.raises(HeadError, match="cannot be read"):
        archive.read(tmp_path / "a.npz")


@pytest.mark.parametrize("is_compressed", [False, True])
def test_damage_anywhere_gives_our_error_or_the_arrays(tmp_path: Path, is_compressed: bool) -> None:
    path = tmp_path / "a.npz"
    (np.savez_compressed if is_compressed else np.savez)(path, x=np.arange(20))
    whole = path.read_bytes()
    for place in range(0, len(whole), 5):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x55]) + whole[place + 1 :])
        try:
            archive.read(path)
        except HeadError:
            continue


def test_a_file_cut_short_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, x=np.arange(20))
    whole = path.read_bytes()
    for length in range(0, len(whole), 11):
        path.write_bytes(whole[:length])
        with pytest.raises(HeadError, match="cannot be read"):
            archive.read(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(HeadError, match=r"none\.npz"):
        archive.read(tmp_path / "none.npz")
