"""Samples of a finished data set of shards by number, in any order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from phiz.errors import DataError, MediaError
from phiz.world.data import tars
from phiz.world.data.writing import Index, read_index


@dataclass(frozen=True, kw_only=True)
class ShardSamples:
    """Shards whose tables of contents are read when first needed, in each process anew."""

    folder: Path
    index: Index

    def files(self, number: int) -> Mapping[str, bytes]:
        """Return the files of a sample, none where it is damaged; raise a `MediaError` without its shard."""
        place = number // self.index.per_shard
        path = self.folder / self.index.shards[place].name
        try:
            if place not in self._tables:
                self._tables[place] = tars.samples_of(path)
            with path.open("rb") as file:
                return tars.read_sample(file, self._tables[place].get(number, {})) or {}
        except OSError as error:
            raise MediaError(f"cannot read {path}: {error.strerror}. Write the data set again.") from error

    def __getstate__(self) -> Mapping[str, object]:
        return {"folder": self.folder, "index": self.index}

    @cached_property
    def _tables(self) -> dict[int, dict[int, dict[str, tars.Member]]]:
        return {}


def finished(folder: Path, *, what: str = "samples") -> Index:
    """Return the index of a folder of shards, all of which are there."""
    index = read_index(folder)
    there = sum(shard.count for shard in index.shards)
    if there < index.count:
        raise DataError(
            f"{folder} is not finished: {there} of {index.count} {what} are there. "
            "Run the command that makes it again; it goes on where it stopped."
        )
    return index
