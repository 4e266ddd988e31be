"""Samples by number, from shards that are all there."""

from __future__ import annotations

import io
import json
import pickle
from pathlib import Path

import pytest

from phiz.console import Console
from phiz.errors import DataError, MediaError
from phiz.world.data import shard_samples
from phiz.world.data.shard_samples import ShardSamples
from phiz.world.data.writing import write_shards


def _made(number: int) -> dict[str, bytes]:
    return {"txt": str(number).encode()}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    quiet = Console(quiet=True, errors=io.StringIO())
    write_shards(_made, tmp_path, count=5, per_shard=2, recipe={}, processes=1, console=quiet)
    return tmp_path


def test_samples_come_in_any_order_and_in_other_processes(folder: Path) -> None:
    found = ShardSamples(folder=folder, index=shard_samples.finished(folder))
    assert [found.files(number) for number in (4, 0, 3)] == [_made(4), _made(0), _made(3)]
    assert pickle.loads(pickle.dumps(found)).files(1) == _made(1)


def test_damage_is_nothing_and_a_missing_shard_is_told(folder: Path) -> None:
    found = ShardSamples(folder=folder, index=shard_samples.finished(folder))
    first, last = sorted(folder.glob("*.tar"))[::2]
    data = bytearray(first.read_bytes())
    data[512] ^= 255  # the only byte of sample 0
    first.write_bytes(data)
    last.unlink()
    assert found.files(0) == {}
    assert found.files(1) == _made(1)
    with pytest.raises(MediaError, match="cannot read"):
        found.files(4)


def test_what_is_not_finished_is_refused(folder: Path) -> None:
    path = folder / "index.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "count": 9}))
    with pytest.raises(DataError, match="5 of 9 clips are there"):
        shard_samples.finished(folder, what="clips")
