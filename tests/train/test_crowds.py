"""Crowds show people where their truth says; what is no face is none."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import seeing_fixtures
import torch

from phiz.errors import DataError
from phiz.face.points import five_points
from phiz.train import crowd_parts, crowds, photo_changes
from phiz.train.crowd_people import Person, open_people
from phiz.train.crowds import MOST, CrowdConfig, Sort

SIDE = 96


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return seeing_fixtures.write_people(tmp_path_factory.mktemp("people") / "shards", count=3)


@pytest.fixture(scope="module")
def people(folder: Path) -> list[Person]:
    source = open_people(folder, remembered=2)
    found = [source.read(number) for number in range(source.count)]
    assert source.read(0) is found[0]
    assert source.read(2) is not found[2]
    return found


def everybody(people: list[Person]) -> Iterator[Person]:
    return itertools.cycle(people)


def test_the_same_chance_makes_the_same_crowd_and_truth_is_whole(people: list[Person]) -> None:
    sorts: set[int] = set()
    for seed in range(30):
        one, same = (
            crowds.crowd(
                everybody(people).__next__,
                crowds.PHOTOS,
                photo_changes.PHOTO,
                SIDE,
                np.random.default_rng(seed),
            )
            for _ in range(2)
        )
        assert torch.equal(one.image, same.image)
        assert torch.equal(one.boxes, same.boxes)
        assert one.image.shape == (3, SIDE, SIDE)
        assert one.image.dtype == torch.uint8
        assert one.boxes.shape == (MOST, 4)
        sorts |= set(one.sorts.tolist())
    assert sorts == {Sort.NOTHING, Sort.FACE, Sort.EITHER}


def test_a_lone_face_is_where_the_truth_says(people: list[Person]) -> None:
    """A person without a picture but a dot at the nose shows the dot at the truth's nose."""
    person = people[0]
    dot = torch.zeros_like(person.picture)
    dot[3] = 255
    x, y = person.landmarks[30].round().long().tolist()
    dot[:3, y - 2 : y + 2, x - 2 : x + 2] = 255
    config = CrowdConfig(close=1.0, empty=0.0, hanging=0.0, cover=0.0, bars=0.0)
    for seed in range(8):
        shown = crowds.crowd(
            lambda: Person(dot, person.landmarks),
            config,
            photo_changes.NONE,
            SIDE,
            np.random.default_rng(seed),
        )
        bright = shown.image[0].float()
        nose = shown.points[0, 2]
        if shown.sorts[0] != Sort.FACE or not bool(((nose > 4) & (nose < SIDE - 4)).all()):
            continue
        steps = torch.arange(SIDE) + 0.5
        seen = torch.stack([(bright.sum(0) * steps).sum(), (bright.sum(1) * steps).sum()]) / bright.sum()
        assert float((seen - nose).norm()) < 3


def test_nobody_is_nobody(people: list[Person]) -> None:
    config = CrowdConfig(close=0.0, empty=1.0, bars=0.0)
    shown = crowds.crowd(
        everybody(people).__next__, config, photo_changes.NONE, SIDE, np.random.default_rng(0)
    )
    assert not shown.sorts.any()


@pytest.mark.parametrize(
    ("turn", "hidden", "sort"),
    [(0, 0.0, Sort.FACE), (60, 0.0, Sort.EITHER), (120, 0.0, Sort.NOTHING), (0, 1.0, Sort.NOTHING)],
)
def test_what_lies_or_is_hidden_is_not_looked_for(
    people: list[Person], turn: float, hidden: float, sort: Sort
) -> None:
    landmarks = people[0].landmarks - people[0].landmarks.mean(0)
    five = five_points(landmarks)
    down = five[3:].mean(0) - five[:2].mean(0)
    angle = math.radians(turn) - math.atan2(float(-down[0]), float(down[1]))
    c, s = math.cos(angle), math.sin(angle)
    turned = landmarks @ torch.tensor([[c, s], [-s, c]]) + SIDE / 2
    _, found = crowds.sort_of(turned, torch.full((1, SIDE, SIDE), hidden), SIDE)
    assert found == sort


def test_four_quarter_turns_lead_back(people: list[Person]) -> None:
    person = people[1]
    turned = crowd_parts.quarter_turned(person, 4)
    assert torch.equal(turned.picture, person.picture)
    torch.testing.assert_close(turned.landmarks, person.landmarks)
    once = crowd_parts.quarter_turned(person, 1)
    x, y = person.landmarks[30].long().tolist()
    new_x, new_y = once.landmarks[30]
    assert torch.equal(once.picture[:, int(new_y), math.ceil(float(new_x)) - 1], person.picture[:, y, x])


def test_somebody_without_a_face_has_the_same_outline(people: list[Person]) -> None:
    person = people[0]
    hidden = crowd_parts.faceless(person, np.random.default_rng(0))
    assert torch.equal(hidden.picture[3], person.picture[3])
    x, y = person.landmarks[30].long().tolist()
    assert not torch.equal(hidden.picture[:3, y, x], person.picture[:3, y, x])
    assert torch.equal(hidden.picture[:3, 0], person.picture[:3, 0])


def test_bars_are_of_one_colour_and_are_told(people: list[Person]) -> None:
    picture = torch.rand(3, 40, 40, generator=torch.Generator().manual_seed(0))
    for seed in range(6):
        shown, mask = crowd_parts.barred(picture, np.random.default_rng(seed))
        assert torch.equal(shown * (1 - mask), picture * (1 - mask))
        inside = shown[:, mask[0] > 0]
        assert not inside.numel() or float(inside.max() - inside.min()) < 1e-6


def test_what_is_enlarged_is_not_the_face(people: list[Person]) -> None:
    person = people[0]
    low, high = person.landmarks.amin(0).long().tolist(), person.landmarks.amax(0).ceil().long().tolist()
    marked = person.picture.clone()
    marked[:3] = 0
    marked[0, low[1] : high[1], low[0] : high[0]] = 255
    for seed in range(10):
        part = crowd_parts.enlarged(Person(marked, person.landmarks), 32, np.random.default_rng(seed))
        if float(part[1:].max()) == 0:  # no clutter for want of room
            assert float(part[0].mean()) < 0.05


def test_what_cannot_be_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="1 to 6 people"):
        CrowdConfig(most=7)
    with pytest.raises(ValueError, match="between 0 and 1"):
        CrowdConfig(close=0.9, empty=0.2)
    with pytest.raises(DataError, match="there are no shards"):
        open_people(tmp_path)
