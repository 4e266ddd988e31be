"""Results are there whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from phiz.errors import DataError
from phiz.prepare.store import STALE_S, Store, key_of


def test_what_was_written_is_read(tmp_path: Path) -> None:
    store = Store(folder=tmp_path)
    key = key_of("picture", 1)
    assert store.read(key) is None
    store.write(key, {"reason": ""}, {".jpg": b"crop"})
    found = store.read(key)
    assert found is not None
    assert found["reason"] == ""
    assert store.path(key, ".jpg").read_bytes() == b"crop"


def test_names_follow_from_all_facts() -> None:
    keys = {key_of("a", 1), key_of("a", 2), key_of("a", 1, {}), key_of("b", 1)}
    assert len(keys) == 4
    assert key_of({"a": 1, "b": 2}) == key_of({"b": 2, "a": 1})


@pytest.mark.parametrize("harm", ["cut", "no part", "short part", "nonsense", "list"])
def test_damaged_results_count_as_missing(harm: str, tmp_path: Path) -> None:
    store = Store(folder=tmp_path)
    key = key_of(harm)
    store.write(key, {"reason": ""}, {".jpg": b"crop"})
    path, part = store.path(key), store.path(key, ".jpg")
    if harm == "cut":
        path.write_bytes(path.read_bytes()[:10])
    elif harm == "no part":
        part.unlink()
    elif harm == "short part":
        part.write_bytes(b"cro")
    else:
        path.write_text("[1]" if harm == "list" else "\x00", encoding="utf-8")
    assert store.read(key) is None


def test_only_old_half_written_files_are_swept_up(tmp_path: Path) -> None:
    store = Store(folder=tmp_path)
    store.write(key_of(1), {})
    old, new = (store.path(key_of(1)).with_name(f".{name}.part.json") for name in ("old", "new"))
    for path in (old, new):
        path.touch()
    os.utime(old, (0, old.stat().st_mtime - 2 * STALE_S))
    store.sweep()
    assert new.exists()
    assert not old.exists()
    assert store.read(key_of(1)) is not None


def test_a_full_or_forbidden_disk_is_told(tmp_path: Path) -> None:
    key = key_of(1)
    store = Store(folder=tmp_path)
    store.path(key).mkdir(parents=True)  # where the file should go
    with pytest.raises((DataError, Exception), match="folder"):
        store.write(key, {})
