from __future__ import annotations

import importlib
import io
import itertools
import json
import os
import signal
import subprocess
import sys
import tarfile
import textwrap
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phiz.console import Console
from phiz.errors import DataError
from phiz.world.data import tars
from phiz.world.data.reading import Tally, epoch_order, read_shards
from phiz.world.data.writing import Index, Shard, read_index, write_shards

HERE = Path(__file__).parent
QUIET = Console(quiet=True, errors=io.StringIO())


@pytest.fixture
def toys(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(HERE))  # worker processes get the same path
    return importlib.import_module("toy_pictures")


def write(toys: ModuleType, folder: Path, count: int = 23, per_shard: int = 5, **others: object) -> Index:
    settings = {"make": toys.Toy(), "recipe": {"seed": 1, "sizes": (32, 32)}, "console": QUIET, **others}
    return write_shards(folder=folder, count=count, per_shard=per_shard, **settings)


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def index_of(count: int, per_shard: int) -> Index:
    firsts = range(0, count, per_shard)
    sizes = [min(per_shard, count - first) for first in firsts]
    shards = tuple(
        Shard(name=f"{i:06d}.tar", first=first, last=first + size - 1, count=size, sha256="")
        for i, (first, size) in enumerate(zip(firsts, sizes, strict=True))
    )
    return Index(recipe={}, count=count, per_shard=per_shard, shards=shards)


def test_one_and_two_workers_write_the_same_bytes(toys: ModuleType, tmp_path: Path) -> None:
    write(toys, tmp_path / "one")
    write(toys, tmp_path / "two", processes=2)
    assert content(tmp_path / "one") == content(tmp_path / "two")


def test_a_killed_run_goes_on_and_ends_with_the_same_bytes(toys: ModuleType, tmp_path: Path) -> None:
    fuse = tmp_path / "fuse"
    fuse.touch()
    script = f"""
        import io
        from pathlib import Path
        from toy_pictures import Toy
        from phiz.console import Console
        from phiz.world.data.writing import write_shards
        write_shards(Toy(fatal=13, fuse=Path({str(fuse)!r})), Path({str(tmp_path / "killed")!r}), count=23,
            per_shard=5, recipe={{"seed": 1, "sizes": [32, 32]}}, console=Console(quiet=True))
    """
    paths = os.pathsep.join(path for path in sys.path if path)
    killed = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], env={**os.environ, "PYTHONPATH": paths}, check=False
    )
    assert killed.returncode == -signal.SIGKILL
    assert [shard.name for shard in read_index(tmp_path / "killed").shards] == ["000000.tar", "000001.tar"]
    assert (tmp_path / "killed" / ".000002.part.tar").exists()
    with pytest.raises(DataError, match="10 of 23 samples are there"):
        next(read_shards(tmp_path / "killed", seed=0))
    write(toys, tmp_path / "killed")
    write(toys, tmp_path / "whole")
    assert content(tmp_path / "killed") == content(tmp_path / "whole")


def test_finished_shards_are_not_made_again(toys: ModuleType, tmp_path: Path) -> None:
    write(toys, tmp_path)
    before = {path.name: path.stat().st_mtime_ns for path in tmp_path.glob("*.tar")}
    write(toys, tmp_path, make=toys.fail_at_five)
    assert {path.name: path.stat().st_mtime_ns for path in tmp_path.glob("*.tar")} == before


@pytest.mark.parametrize("harm", ["flip", "cut", "remove"])
def test_a_harmed_shard_is_found_and_made_anew(harm: str, toys: ModuleType, tmp_path: Path) -> None:
    write(toys, tmp_path)
    whole = content(tmp_path)
    path = tmp_path / "000002.tar"
    data = bytearray(path.read_bytes())
    data[2000] ^= 1
    if harm == "remove":
        path.unlink()
    else:
        path.write_bytes(data if harm == "flip" else data[:3000])
    warned = io.StringIO()
    write(toys, tmp_path, console=Console(quiet=True, errors=warned))
    assert content(tmp_path) == whole
    assert "000002.tar is missing or damaged" in warned.getvalue()


def test_a_set_can_grow_and_equals_one_made_at_once(toys: ModuleType, tmp_path: Path) -> None:
    write(toys, tmp_path / "grown", count=13)
    write(toys, tmp_path / "grown", count=23)
    write(toys, tmp_path / "at_once", count=23)
    assert content(tmp_path / "grown") == content(tmp_path / "at_once")


def test_another_recipe_is_refused(toys: ModuleType, tmp_path: Path) -> None:
    write(toys, tmp_path)
    with pytest.raises(DataError, match="its seed is 1, you ask for 2"):
        write(toys, tmp_path, recipe={"seed": 2, "sizes": (32, 32)})
    with pytest.raises(DataError, match="its per_shard is 5, you ask for 6"):
        write(toys, tmp_path, per_shard=6)
    with pytest.raises(DataError, match="meant for 23 samples, more than 9"):
        write(toys, tmp_path, count=9)


def test_tar_files_of_others_are_left_alone(toys: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "000000.tar").write_bytes(b"precious")
    with pytest.raises(DataError, match="Choose an empty folder"):
        write(toys, tmp_path)
    assert content(tmp_path) == {"000000.tar": b"precious"}


def test_a_damaged_index_is_explained(toys: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "index.json").write_text('{"format": 1, "count": ')
    with pytest.raises(DataError, match="is damaged"):
        write(toys, tmp_path)


def test_a_failing_sample_keeps_what_is_finished_and_leaves_no_half_shard(
    toys: ModuleType, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match="five is right out"):
        write(toys, tmp_path, make=toys.fail_at_five)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["000000.tar", "index.json"]


def test_any_tar_program_reads_a_shard(toys: ModuleType, tmp_path: Path) -> None:
    write(toys, tmp_path)
    with tarfile.open(tmp_path / "000004.tar") as tar:
        names = tar.getnames()
        assert {member.mtime for member in tar} == {0}
        assert tar.extractfile("00000020.jpg").read() == toys.Toy()(20)["jpg"]  # type: ignore[union-attr]
    assert names[:3] == ["00000020.jpg", "00000020.json", "00000020.crc32"]
    assert [m.name for m in tars.scan(tmp_path / "000004.tar")] == names


def test_what_is_read_is_what_was_made(toys: ModuleType, tmp_path: Path) -> None:
    write(toys, tmp_path)
    for sample in read_shards(tmp_path, seed=3):
        assert sample.files == toys.Toy()(sample.number)


@pytest.mark.parametrize("mix", [0, 1, 3, 100])
@pytest.mark.parametrize(("world", "of_workers"), [(1, 1), (2, 1), (3, 2)])
def test_all_readers_together_get_each_sample_once(
    mix: int, world: int, of_workers: int, toys: ModuleType, tmp_path: Path
) -> None:
    write(toys, tmp_path)
    numbers = [
        sample.number
        for rank, worker in itertools.product(range(world), range(of_workers))
        for sample in read_shards(
            tmp_path, seed=7, rank=rank, world=world, worker=worker, of_workers=of_workers, mix=mix
        )
    ]
    assert sorted(numbers) == list(range(23))


@given(
    count=st.integers(1, 40),
    per_shard=st.integers(1, 9),
    seed=st.integers(0, 2**32),
    epoch=st.integers(0, 5),
    mix=st.integers(0, 5),
)
@settings(max_examples=50, deadline=None, derandomize=True)
def test_an_epoch_is_a_permutation(count: int, per_shard: int, seed: int, epoch: int, mix: int) -> None:
    order = epoch_order(index_of(count, per_shard), seed=seed, epoch=epoch, mix=mix)
    assert sorted(order) == list(range(count))


def test_the_order_never_changes() -> None:
    # A golden: a run that is resumed after an upgrade has to meet the same samples.
    assert epoch_order(index_of(12, 3), seed=5, epoch=1, mix=2).tolist() == ORDER
    assert epoch_order(index_of(12, 3), seed=5, epoch=2, mix=2).tolist() != ORDER


ORDER = [5, 4, 8, 3, 6, 7, 9, 11, 0, 10, 1, 2]


@pytest.mark.parametrize("seen", [0, 1, 11, 23])
def test_going_on_equals_never_having_stopped(seen: int, toys: ModuleType, tmp_path: Path) -> None:
    write(toys, tmp_path)

    def take(count: int, seen: int = 0, **reader: int) -> list[int]:
        samples = read_shards(tmp_path, seed=4, epoch=2, seen=seen, repeat=True, **reader)  # type: ignore[arg-type]
        return [sample.number for sample in itertools.islice(samples, count)]

    whole = take(60)
    assert take(60 - seen, seen) == whole[seen:]
    # Three readers take turns in that same order, wherever they begin, also across epochs.
    streams = [take(10, seen, rank=rank, world=3) for rank in range(3)]
    first = (2 * 23 + seen) % 3
    merged = [streams[(first + i) % 3][i // 3] for i in range(30)]
    assert merged == whole[seen : seen + 30]


def test_damaged_samples_are_skipped_and_counted(toys: ModuleType, tmp_path: Path) -> None:
    write(toys, tmp_path)
    path = tmp_path / "000001.tar"
    members = {m.name: m for m in tars.scan(path)}
    data = bytearray(path.read_bytes())
    data[members["00000006.jpg"].offset + 100] ^= 0xFF  # content
    data[members["00000008.json"].offset - 400] ^= 0xFF  # header
    path.write_bytes(data)
    tally = Tally()
    numbers = {sample.number for sample in read_shards(tmp_path, seed=0, tally=tally)}
    assert numbers == set(range(23)) - {6, 8}
    assert (tally.read, tally.damaged, sorted(tally.numbers)) == (21, 2, [6, 8])


def test_a_truncated_shard_loses_only_what_is_gone(toys: ModuleType, tmp_path: Path) -> None:
    write(toys, tmp_path)
    path = tmp_path / "000000.tar"
    end = next(m for m in tars.scan(path) if m.name == "00000003.jpg").offset
    path.write_bytes(path.read_bytes()[: end + 10])
    tally = Tally()
    assert {sample.number for sample in read_shards(tmp_path, seed=0, tally=tally)} == set(range(23)) - {3, 4}
    assert tally.damaged == 2


def test_a_set_without_a_good_sample_does_not_go_round_forever(toys: ModuleType, tmp_path: Path) -> None:
    write(toys, tmp_path, count=4)
    (tmp_path / "000000.tar").write_bytes(b"\0" * 4096)
    with pytest.raises(DataError, match="all are damaged"):
        next(read_shards(tmp_path, seed=0, repeat=True))


def test_reading_what_is_no_data_set_is_explained(toys: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"has no index\.json"):
        next(read_shards(tmp_path, seed=0))
    write(toys, tmp_path)
    (tmp_path / "000003.tar").unlink()
    with pytest.raises(DataError, match=r"000003\.tar is missing"):
        list(read_shards(tmp_path, seed=0))
    with pytest.raises(ValueError, match="cannot have been seen"):
        next(read_shards(tmp_path, seed=0, seen=24))


def test_the_index_says_what_is_there(toys: ModuleType, tmp_path: Path) -> None:
    index = write(toys, tmp_path)
    assert [(s.first, s.last, s.count) for s in index.shards][-2:] == [(15, 19, 5), (20, 22, 3)]
    assert json.loads((tmp_path / "index.json").read_text())["recipe"] == {"seed": 1, "sizes": [32, 32]}
    assert read_index(tmp_path) == index
