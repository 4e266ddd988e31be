from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from phiz.console import Console
from phiz.errors import DataError, PhizError, UsageError
from phiz.prepare.check import CheckConfig, check
from phiz.world.data.shards import ShardsConfig, read_shards, shards_verb


def digests(folder: Path) -> dict[str, str]:
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(folder.glob("*.tar"))}


def config(folder: Path, **changes: object) -> ShardsConfig:
    return ShardsConfig(
        **{"output": folder, "count": 4, "size": 32, "per_shard": 2, "per_person": 2, "workers": 1, **changes}
    )


def test_people_come_as_shards_with_the_same_bytes_each_time(tmp_path: Path) -> None:
    told = shards_verb(config(tmp_path / "a"), Console(quiet=True))
    shards_verb(config(tmp_path / "b"), Console(quiet=True))
    assert told["pictures"] == 4
    assert told["people"] == 2
    assert told["shards"] == 2
    assert digests(tmp_path / "a") == digests(tmp_path / "b")
    numbers = [sample.number for sample in read_shards(tmp_path / "a", seed=0, epoch=0)]
    assert sorted(numbers) == [0, 1, 2, 3]


def test_another_seed_is_refused_in_the_same_folder(tmp_path: Path) -> None:
    shards_verb(config(tmp_path, count=2), Console(quiet=True))
    with pytest.raises(PhizError):
        shards_verb(config(tmp_path, count=2, seed=1), Console(quiet=True))


def test_the_guides_layout_passes_the_check(tmp_path: Path) -> None:
    shards_verb(
        config(tmp_path / "talkers", layout="guide", count=16, size=32, per_person=16), Console(quiet=True)
    )
    wanted = CheckConfig(data=tmp_path / "talkers", side=32, minimum=16, workers=1)
    summary = check(wanted, Console(quiet=True))
    assert summary["errors"] == 0, summary["problems"]


def test_a_count_that_leaves_somebody_short_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="multiple"):
        shards_verb(config(tmp_path, layout="guide", count=5, per_person=2), Console(quiet=True))


def test_a_missing_data_set_says_so(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not exist"):
        check(CheckConfig(data=tmp_path / "nowhere"), Console(quiet=True))
