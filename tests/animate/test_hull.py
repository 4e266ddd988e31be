"""What floats beside a head is not there; what hangs together with it is."""

from __future__ import annotations

import pytest
import torch

from phiz.animate import hull
from phiz.avatar.avatar import Avatar
from phiz.avatar.rig import Rig
from phiz.face.head import Head
from phiz.generator.config import TINY
from phiz.generator.generator import Generator

SPAN = 2.0


def blocks(*corners: tuple[int, int, int]) -> torch.Tensor:
    cells = torch.zeros(16, 16, 16, dtype=torch.bool)
    for z, y, x in corners:
        cells[z : z + 3, y : y + 3, x : x + 3] = True
    return cells


def test_islands_are_left_out_and_what_touches_the_head_stays() -> None:
    head = torch.tensor([[0.0, 0.0, 0.0]])  # the middle: cell 8
    found = hull.connected(blocks((7, 7, 7), (7, 7, 10), (1, 1, 1)), head, SPAN)
    assert bool(found[8, 8, 12])
    assert bool(found[6, 6, 6])  # one cell around
    assert not found[:5, :5, :5].any()


def test_a_head_in_empty_space_keeps_its_own_cells() -> None:
    found = hull.connected(torch.zeros(8, 8, 8, dtype=torch.bool), torch.tensor([[0.3, 0.3, 0.3]]), SPAN)
    assert int(found.sum()) == 27
    assert int(hull.connected(torch.zeros(8, 8, 8).bool(), torch.full((1, 3), 5.0), SPAN).sum()) == 0


@pytest.fixture(scope="module")
def head(someone: Avatar, our_head: Head) -> torch.Tensor:
    return Rig.of(someone, our_head).still


def test_a_person_keeps_the_head_and_loses_the_corners(someone: Avatar, head: torch.Tensor) -> None:
    generator, person = someone.generator, someone.prepare()
    cleared = hull.cleared(generator, person, head)
    taken = cleared.field.taken
    assert taken is not None
    assert 0.05 < float(taken.cells.float().mean()) < 0.5
    inside = head[head.abs().amax(1) < taken.span / 2]
    assert bool(taken.holds(inside).all())
    corner = torch.full((1, 1, 3), 0.49 * taken.span)
    beyond = torch.full((1, 1, 3), 0.51 * taken.span)
    for place in (corner, beyond):
        assert float(generator.density(cleared, place)) == 0
    points = inside[::50][None]
    assert torch.equal(generator.density(cleared, points), generator.density(person, points))


def test_fields_without_planes_stay_as_they_are() -> None:
    generator = Generator(TINY).eval()
    with torch.no_grad():
        person = generator.prepare(torch.zeros(1, TINY.styles, TINY.w_size))
    assert hull.cleared(generator, person, torch.zeros(4, 3)) is person
