"""Labelled pictures come in one exact order, with the same changes, however many read them."""

from __future__ import annotations

import contextlib
import itertools
from pathlib import Path

import pytest
import torch
from parse_fixtures import write_faces

from phiz.console import Console
from phiz.errors import DataError
from phiz.train import photo_changes
from phiz.train.labelled_stream import LabelledBatch, StreamConfig, labelled_stream
from phiz.train.ordered_stream import draw


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_faces(tmp_path_factory.mktemp("people") / "data", count=5)


def config(data: Path, workers: int = 0, seed: int = 0) -> StreamConfig:
    return StreamConfig(
        data=data,
        size=48,
        crop=32,
        changes=photo_changes.PHOTO,
        classes=19,
        mirrored=((2, 3),),
        workers=workers,
        seed=seed,
    )


def batches(
    count: int, data: Path, batch: int = 2, workers: int = 0, seed: int = 0, **where: int
) -> list[LabelledBatch]:
    made = labelled_stream(config(data, workers, seed), batch=batch, console=Console(quiet=True), **where)
    with contextlib.closing(made) as stream:
        return list(itertools.islice(stream, count))


def test_everybody_comes_once_an_epoch_in_an_order_of_its_own() -> None:
    items = list(itertools.islice(draw(5, seed=3), 15))
    assert [item.place for item in items] == list(range(15))
    epochs = [[item.number for item in items[k : k + 5]] for k in (0, 5, 10)]
    assert all(sorted(one) == list(range(5)) for one in epochs)
    assert len({tuple(one) for one in epochs}) > 1
    assert [i.number for i in itertools.islice(draw(5, seed=4), 15)] != [i.number for i in items]
    assert list(itertools.islice(draw(5, seed=3, first=7, step=3), 2)) == [items[7], items[10]]


def test_a_stream_goes_on_where_another_stopped(people: Path) -> None:
    whole = batches(4, people)
    rest = batches(2, people, seen=4)
    for ours, theirs in zip(rest, whole[2:], strict=True):
        assert torch.equal(ours.images, theirs.images)
        assert torch.equal(ours.labels, theirs.labels)
    assert not torch.equal(whole[0].images, batches(1, people, seed=1)[0].images)


def test_processes_and_workers_share_one_order(people: Path) -> None:
    whole = batches(2, people, batch=4)
    parts = [batches(2, people, batch=2, workers=rank, rank=rank, world=2) for rank in (0, 1)]
    for step, batch in enumerate(whole):
        assert torch.equal(batch.images[0::2], parts[0][step].images)
        assert torch.equal(batch.images[1::2], parts[1][step].images)
        assert torch.equal(batch.labels[1::2], parts[1][step].labels)


def test_the_same_picture_is_changed_otherwise_each_time(people: Path) -> None:
    made = batches(2, people, batch=5)
    first = [item.number for item in itertools.islice(draw(5, seed=0), 10)]
    again = first.index(first[0], 1) - 5
    assert not torch.equal(made[0].images[0], made[1].images[again])


def test_a_set_of_which_nothing_can_be_read_is_refused(tmp_path: Path) -> None:
    folder = write_faces(tmp_path / "data", count=2)
    for path in (folder / "images").iterdir():
        path.write_bytes(b"nothing")
    with pytest.raises(DataError, match="none of the 2 pictures can be read"):
        batches(1, folder)


def test_places_that_cannot_be_are_refused(people: Path) -> None:
    with pytest.raises(ValueError, match="no rank 2 of 2"):
        batches(1, people, rank=2, world=2)
