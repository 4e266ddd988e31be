"""People as they truly are: faces, sides and framings that one asks for are what is painted."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from phiz.face import warp
from phiz.face.points import lips_open
from phiz.metrics import talking, truth
from phiz.metrics.truth import Sitter

SIZE = 64


@pytest.fixture(scope="module")
def sitter() -> Sitter:
    return truth.sitting(7)


def test_who_rests_looks_the_same_in_every_frame(sitter: Sitter) -> None:
    found = truth.painted(sitter, truth.resting(sitter, 2), SIZE)
    assert torch.equal(found.pictures[0], found.pictures[1])
    assert found.pictures.shape == (2, 3, SIZE, SIZE)
    assert bool((found.face <= (found.person > 0).float()).all())
    assert 0.05 < float(found.face.mean()) < float(found.person.mean()) < 1


def test_lips_part_where_the_jaw_drops(sitter: Sitter) -> None:
    motion = truth.resting(sitter, 2)
    expression = motion.expression.clone()
    expression[1, sitter.head.expression_names.index("jawOpen")] = 1
    found = truth.painted(sitter, replace(motion, expression=expression), SIZE)
    shut, wide = lips_open(found.points).tolist()
    assert wide > shut + 0.2
    assert float(found.inside[1].sum()) > float(found.inside[0].sum()) + 20
    mouth = talking.box_around(found.points[:, list(talking.MOUTH)], SIZE)[1:]
    change = found.pictures.diff(dim=0).abs().mean(1, keepdim=True)
    assert float((change * mouth).sum() / mouth.sum()) > 5 * float((change * (1 - mouth)).mean())


def test_a_view_from_the_left_shows_the_left_ear(sitter: Sitter) -> None:
    found = truth.painted(sitter, truth.resting(sitter, 2), SIZE, (-0.5, 0.5))
    nose, jaw = found.points[:, 30, 0], found.points[:, [0, 16], 0].mean(1)
    assert float((nose - jaw)[0]) > 3
    assert float((nose - jaw)[1]) < -3


def test_the_middle_of_a_photo_is_the_portrait(sitter: Sitter) -> None:
    motion = truth.resting(sitter, 1)
    portrait = truth.painted(sitter, motion, SIZE)
    photo = truth.painted(sitter, motion, SIZE, is_photo=True)
    assert photo.pictures.shape[-1] == truth.FINE * SIZE
    scale = truth.FINE / truth.WIDE
    edge = (truth.FINE - scale) / 2 * SIZE
    crop = truth.cut(photo, warp.scaling(scale, scale, edge, edge)[None], SIZE)
    torch.testing.assert_close(crop.points, portrait.points, atol=1e-3, rtol=0)
    assert float((crop.face - portrait.face).abs().mean()) < 0.04
    shifted = crop.pictures.roll(4, dims=-1)
    here, there = ((one - portrait.pictures).square().mean() for one in (crop.pictures, shifted))
    assert float(here) < 0.4 * float(there)
