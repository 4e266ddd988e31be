"""Data sets as tar shards, written by many processes: the same bytes on every run.

A folder holds ``000000.tar``, ``000001.tar``, ... (see `phiz.world.data.tars`) and ``index.json``, which
says what was asked for (the recipe) and which shards are finished, with their checksums.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from phiz import checkpoint
from phiz.console import Console
from phiz.errors import DataError
from phiz.world.data import tars, workers

FORMAT = 1
INDEX = "index.json"


@dataclass(frozen=True, kw_only=True)
class Shard:
    """A finished tar of samples `first` to `last`."""

    name: str
    first: int
    last: int
    count: int
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Index:
    """What a folder of shards holds, or will hold."""

    recipe: Mapping[str, object]
    """What the samples are made from: plain JSON; another recipe means other samples."""
    count: int
    per_shard: int
    shards: tuple[Shard, ...] = ()
    """Those that are finished."""


def write_shards(
    make: tars.Make,
    folder: Path,
    *,
    count: int,
    per_shard: int = 1000,
    recipe: Mapping[str, object],
    processes: int = 1,
    console: Console,
) -> Index:
    """Write samples 0 to `count` - 1 and return what the folder holds then.

    Run again after an interruption, this keeps the shards that are finished and whole, makes the
    others, and ends with the same bytes as if nothing had happened, with any number of processes.
    """
    if count < 1 or per_shard < 1:
        raise ValueError(f"count and per_shard must be positive, not {count} and {per_shard}")
    index = _resume(folder, Index(recipe=_plain(recipe), count=count, per_shard=per_shard), console)
    _save(folder, index)
    done = {shard.name for shard in index.shards}
    missing = [task for task in _tasks(make, folder, index) if _final(task).name not in done]
    finished = workers.spread(tars.make_shard, missing, workers=min(processes, max(len(missing), 1)))
    try:
        with contextlib.closing(finished):
            for task in console.progress(finished, total=len(missing), label="shards"):
                index = _commit(folder, index, task)
    finally:
        for task in missing:  # what was made but not yet counted when something went wrong
            task.path.unlink(missing_ok=True)
    return index


def read_index(folder: Path) -> Index:
    """Return what a folder of shards says about itself."""
    path = folder / INDEX
    try:
        about = json.loads(path.read_text(encoding="utf-8"))
        if about["format"] > FORMAT:
            raise DataError(f"{path} has format {about['format']}, newer than this phiz. Upgrade it.")
        return Index(
            recipe=about["recipe"],
            count=int(about["count"]),
            per_shard=int(about["per_shard"]),
            shards=tuple(Shard(**shard) for shard in about["shards"]),
        )
    except FileNotFoundError:
        raise DataError(f"{folder} is no data set of shards: it has no {INDEX}. Check the folder.") from None
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}.") from error
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{path} is damaged ({error}). Restore it, or start in a new folder.") from error


def _resume(folder: Path, wanted: Index, console: Console) -> Index:
    """Return `wanted` with those shards that the folder has already and that are whole."""
    if not (folder / INDEX).exists():
        if folder.is_dir() and any(folder.glob("*.tar")):
            raise DataError(f"{folder} holds tar files, but no {INDEX}. Choose an empty folder.")
        return wanted
    found = read_index(folder)
    _refuse_other(folder, found, wanted)
    expected = {_final(task).name: task.count for task in _tasks(_nothing, folder, wanted)}
    whole = []
    for shard in console.progress(found.shards, label="checking finished shards"):
        if expected.get(shard.name) != shard.count:
            continue  # the last shard of a set that is growing
        path = folder / shard.name
        if path.is_file() and checkpoint.digest(path) == shard.sha256:
            whole.append(shard)
        else:
            console.warn(f"{path} is missing or damaged; it is made anew")
    return Index(recipe=wanted.recipe, count=wanted.count, per_shard=wanted.per_shard, shards=tuple(whole))


def _refuse_other(folder: Path, found: Index, wanted: Index) -> None:
    there = {**found.recipe, "per_shard": found.per_shard}
    asked = {**wanted.recipe, "per_shard": wanted.per_shard}
    differ = [key for key in sorted({*there, *asked}) if there.get(key) != asked.get(key)]
    if differ:
        key = differ[0]
        raise DataError(
            f"{folder} holds other data: its {key} is {there.get(key)!r}, you ask for {asked.get(key)!r}. "
            "Choose another folder, or ask for the same again."
        )
    if wanted.count < found.count:
        raise DataError(
            f"{folder} is meant for {found.count} samples, more than {wanted.count}. Ask for at least "
            f"{found.count}, or choose another folder."
        )


def _tasks(make: tars.Make, folder: Path, index: Index) -> Iterator[tars.Task]:
    for number, first in enumerate(range(0, index.count, index.per_shard)):
        yield tars.Task(
            make=make,
            path=folder / f".{number:06d}.part.tar",
            first=first,
            count=min(index.per_shard, index.count - first),
        )


def _final(task: tars.Task) -> Path:
    return task.path.with_name(task.path.name[1:].replace(".part", ""))


def _commit(folder: Path, index: Index, task: tars.Task) -> Index:
    """Give a finished shard its name and write it into the index, in this order."""
    path = _final(task)
    shard = Shard(
        name=path.name,
        first=task.first,
        last=task.first + task.count - 1,
        count=task.count,
        sha256=checkpoint.digest(task.path),
    )
    task.path.replace(path)
    shards = tuple(sorted((*index.shards, shard), key=lambda one: one.first))
    index = Index(recipe=index.recipe, count=index.count, per_shard=index.per_shard, shards=shards)
    _save(folder, index)
    return index


def _save(folder: Path, index: Index) -> None:
    text = json.dumps({"format": FORMAT, **asdict(index)}, indent=1, sort_keys=True)
    with checkpoint.atomic(folder / INDEX) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")


def _plain(recipe: Mapping[str, object]) -> dict[str, Any]:
    """Return a recipe as it comes back from a file (tuples become lists), to compare like with like."""
    plain: dict[str, Any] = json.loads(json.dumps(dict(recipe), sort_keys=True, allow_nan=False))
    return plain


def _nothing(number: int) -> Mapping[str, bytes]:
    raise AssertionError(f"sample {number} was not to be made")
