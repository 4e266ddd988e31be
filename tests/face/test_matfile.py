"""The reader of MATLAB files, against the writer of scipy and against damage."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import scipy.io

from phiz.errors import HeadError
from phiz.face import matfile

DTYPES = ("f8", "f4", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8")


@pytest.mark.parametrize("is_compressed", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
def test_numbers_come_back_as_they_were_written(tmp_path: Path, dtype: str, is_compressed: bool) -> None:
    values = np.arange(2 * 3 * 4).reshape(2, 3, 4).astype(dtype)
    arrays = {"many": values, "x": values[:1, :1, 0], "empty": values[:0, 0]}
    scipy.io.savemat(tmp_path / "a.mat", arrays, do_compression=is_compressed)
    found = matfile.read(tmp_path / "a.mat")
    assert set(found) == set(arrays)
    for name, array in arrays.items():
        np.testing.assert_array_equal(found[name], array)
        assert found[name].dtype == array.dtype


def test_what_is_no_array_of_numbers_is_passed_over(tmp_path: Path) -> None:
    strange = {"text": "hello", "cell": np.array([1, "b"], object), "deep": {"a": 1}, "z": np.array([[1j]])}
    scipy.io.savemat(tmp_path / "a.mat", {**strange, "plain": np.array([[7.0]])})
    assert {name: float(array.item()) for name, array in matfile.read(tmp_path / "a.mat").items()} == {
        "plain": 7
    }


@pytest.mark.parametrize("is_compressed", [False, True])
def test_a_file_cut_short_is_refused_wherever_it_ends(tmp_path: Path, is_compressed: bool) -> None:
    path = tmp_path / "a.mat"
    scipy.io.savemat(path, {"a": np.arange(30.0)}, do_compression=is_compressed)
    whole = path.read_bytes()
    for length in (*range(0, 128, 9), *range(129, len(whole), 7)):
        path.write_bytes(whole[:length])
        with pytest.raises(HeadError):
            matfile.read(path)


def test_flipped_bytes_never_end_in_another_error(tmp_path: Path) -> None:
    path = tmp_path / "a.mat"
    scipy.io.savemat(path, {"a": np.arange(6.0), "b": np.arange(4)})
    whole = path.read_bytes()
    for place in range(128, len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x7F]) + whole[place + 1 :])
        try:
            matfile.read(path)
        except HeadError:
            continue


def test_an_array_that_claims_too_much_is_not_unpacked(tmp_path: Path) -> None:
    scipy.io.savemat(tmp_path / "a.mat", {"a": np.arange(3.0)})
    header = (tmp_path / "a.mat").read_bytes()[:128]
    bomb = zlib.compress(struct.pack("<II", 14, 0x7FFFFFFF) + bytes(1 << 20))
    (tmp_path / "a.mat").write_bytes(header + struct.pack("<II", 15, len(bomb)) + bomb)
    with pytest.raises(HeadError, match="claims"):
        matfile.read(tmp_path / "a.mat")


@pytest.mark.parametrize(
    ("start", "hint"),
    [
        (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
        (b"\x89HDF\r\n\x1a\n", "-v7"),
        (b"MATLAB 7.3 MAT-file", "-v7"),
        (b"MATLAB 5.0 MAT-file".ljust(124) + b"\x01\x00MI", "big endian"),
        (b"something else".ljust(200), "not a MATLAB 5 file"),
        (b"", "not a MATLAB 5 file"),
    ],
)
def test_files_of_other_kinds_are_named(tmp_path: Path, start: bytes, hint: str) -> None:
    (tmp_path / "a.mat").write_bytes(start)
    with pytest.raises(HeadError, match=hint):
        matfile.read(tmp_path / "a.mat")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(HeadError, match=r"none\.mat"):
        matfile.read(tmp_path / "none.mat")
