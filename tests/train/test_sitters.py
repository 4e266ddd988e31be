"""Portraits come in an exact order, with what is known about them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from phiz.errors import DataError
from phiz.train import pictures, sitters
from phiz.train.sitters import Sitters


@pytest.fixture
def people(few_portraits: Path) -> Sitters:
    return Sitters(few_portraits)


def test_everybody_sits_once_an_epoch(people: Sitters) -> None:
    people.people = 7
    seats = np.concatenate([people.seating(3, step, 4) for step in range(7)])
    for epoch in range(4):
        assert sorted(seats[7 * epoch : 7 * epoch + 7]) == list(range(7))
    assert people.seating(3, 1, 4).tolist() == seats[4:8].tolist()
    assert people.seating(4, 1, 4).tolist() != seats[4:8].tolist()


def test_views_of_a_person_stand_together_and_take_turns(people: Sitters, few_portraits: Path) -> None:
    raw = np.load(few_portraits / "images.npy")
    first, second = (people.batch(np.array([1, 0]), 1, turn=k) for k in range(2))
    both = people.batch(np.array([1, 0]), 2)
    for part, row in zip(both.images, (2, 3, 0, 1), strict=True):
        torch.testing.assert_close(part, torch.from_numpy(raw[row]).permute(2, 0, 1).float() / 127.5 - 1)
    torch.testing.assert_close(first.images, both.images[::2])
    torch.testing.assert_close(second.images, both.images[1::2])
    assert both.codes.shape == (2, people.code_size)
    assert both.backgrounds.shape == (4, people.background_size)
    assert both.camera.batch == 4


def test_depths_are_those_of_a_head_at_the_middle(people: Sitters) -> None:
    sitting = people.batch(np.array([0]), 2)
    inside = sitting.depth[sitting.alpha > 0.99]
    assert bool(((inside > 0.8) & (inside < 1.2)).all())
    assert float(sitting.depth[sitting.alpha == 0].abs().max()) == 0


def test_a_smaller_sitting_shows_the_means_of_pixels(people: Sitters) -> None:
    sitting = people.batch(np.array([0]), 1)
    small = sitting.at(16)
    torch.testing.assert_close(small.images, torch.nn.functional.avg_pool2d(sitting.images, 2))
    assert small.labels.shape == (1, 16, 16)
    assert sitting.at(32) is sitting


def test_groups_are_the_choices_at_the_end_of_a_code(people: Sitters) -> None:
    lengths, bias = people.groups()
    assert sum(lengths) == len(bias) < people.code_size
    kinds = people.index["layout"]["categories"]
    assert kinds[0]["start"] == people.code_size - sum(lengths)


def test_an_unfinished_folder_lends_the_people_it_has(few_portraits: Path, tmp_path: Path) -> None:
    folder = tmp_path / "half"
    shutil.copytree(few_portraits, folder)
    index = json.loads((folder / "index.json").read_text())
    (folder / "index.json").write_text(json.dumps({**index, "done": 1}))
    with pytest.raises(DataError, match="1 people so far, not 2"):
        Sitters(folder)
    assert Sitters(folder, people=1).people == 1


def test_portraits_are_pictures_as_well(few_portraits: Path) -> None:
    source = pictures.open_source(few_portraits)
    assert isinstance(source, sitters.PortraitSource)
    assert (source.count, source.labels) == (4, 0)
    raw = np.load(few_portraits / "images.npy")
    assert np.array_equal(source.read(3).image.permute(1, 2, 0).numpy(), raw[3])
    assert "portrait 3" in source.name(3)
    assert not sitters.are_portraits(few_portraits.parent)
