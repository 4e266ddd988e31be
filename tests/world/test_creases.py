"""Where a face folds: in which places, how deep, and nowhere else."""

from __future__ import annotations

import pytest
import torch
from jaxtyping import Float
from plain_head import plain_head
from torch import Tensor

from phiz.world.body import creases
from phiz.world.body.creases import FRONT, HALF_WIDTH, HIGH, LOW, NAMES, SIZE

HEAD = plain_head()
LEFT_EYE_CORNERS, RIGHT_EYE_CORNERS = (42, 45), (39, 36)


def landmarks() -> Float[Tensor, "68 3"]:
    """Return the plain head's points, with eyes, nose and mouth as wide as a face has them."""
    marks = HEAD.landmarks(HEAD.points[None])[0].clone()
    for inner, outer in (LEFT_EYE_CORNERS, RIGHT_EYE_CORNERS):
        side = torch.sign(marks[inner, 0])
        marks[inner, 0], marks[outer, 0] = side * 0.017, side * 0.046
    marks[31, 0], marks[35, 0], marks[48, 0], marks[54, 0] = -0.015, 0.015, -0.025, 0.025
    return marks


MARKS = landmarks()
DRAWN = creases.creases(MARKS)


def spots(count: int = 4000) -> Float[Tensor, "n 3"]:
    random = torch.Generator().manual_seed(3)
    low, high = torch.tensor([-0.1, -0.14, 0.0]), torch.tensor([0.1, 0.14, 0.12])
    return low + (high - low) * torch.rand(count, 3, generator=random)


def depth_at(name: str, *points: tuple[float, float]) -> Tensor:
    """Return the heights of one kind of crease at (x, y) on the front of the face."""
    rest = torch.tensor([[x, y, 0.1] for x, y in points])
    return DRAWN.at(rest)[:, NAMES.index(name)]


def test_the_middle_of_a_pixel_has_the_pixels_height() -> None:
    random = torch.Generator().manual_seed(0)
    row, column = torch.randint(0, SIZE, (2, 200), generator=random)
    x = ((column + 0.5) * 2 / SIZE - 1) * HALF_WIDTH
    y = HIGH - (row + 0.5) * (HIGH - LOW) / SIZE
    found = DRAWN.at(torch.stack([x, y, torch.full_like(x, 0.1)], dim=-1))
    torch.testing.assert_close(found, DRAWN.maps[:, row, column].T, atol=2e-3, rtol=0)


def test_there_are_no_creases_beside_or_behind_the_face() -> None:
    points = spots()
    x, y, z = points.unbind(-1)
    away = (z <= FRONT) | (x.abs() > 1.01 * HALF_WIDTH) | (y > HIGH + 0.001) | (y < LOW - 0.001)
    assert away.any()
    assert DRAWN.at(points)[away].abs().max() == 0


def test_the_same_face_gets_the_same_pictures() -> None:
    assert creases.creases(MARKS.clone()) is DRAWN


def test_creases_move_with_the_face(monkeypatch: pytest.MonkeyPatch) -> None:
    size, rows = 96, 6
    monkeypatch.setattr(creases, "SIZE", size)
    shift = rows * (HIGH - LOW) / size
    here = MARKS - torch.tensor([0.0, 0.0005, 0.0])  # a face of its own: other sizes are not kept for it
    before, after = (creases.creases(marks).maps for marks in (here, here + torch.tensor([0.0, shift, 0.0])))
    still = [k for k, name in enumerate(NAMES) if name != "lips"]  # furrows end in a hard edge
    torch.testing.assert_close(after[still, :-rows], before[still, rows:], atol=0.04, rtol=0)


def test_lines_that_a_face_has_twice_are_mirrored() -> None:
    for name in ("eyes", "fold", "frown"):
        picture = DRAWN.maps[NAMES.index(name)]
        torch.testing.assert_close(picture, picture.flip(1), atol=1e-5, rtol=0)
        assert picture.min() < -0.3


def test_lines_are_grooves_with_low_shoulders() -> None:
    for name in ("brow", "eyes", "fold", "frown"):
        picture = DRAWN.maps[NAMES.index(name)]
        assert bool(torch.isfinite(picture).all())
        assert -2.5 < float(picture.min()) < -0.5
        assert 0 < float(picture.max()) < -float(picture.min())


def test_each_kind_of_line_lies_where_it_is_named_after() -> None:
    y, x = torch.meshgrid(
        HIGH - (torch.arange(SIZE) + 0.5) * (HIGH - LOW) / SIZE,
        ((torch.arange(SIZE) + 0.5) * 2 / SIZE - 1) * HALF_WIDTH,
        indexing="ij",
    )
    deep = {name: DRAWN.maps[k] < 0.4 * DRAWN.maps[k].min() for k, name in enumerate(NAMES)}
    brows, lids = MARKS[17:27, 1].max(), MARKS[36:48, 1].mean()
    assert y[deep["brow"]].min() > brows
    assert x[deep["eyes"]].abs().min() > 0.015
    assert (y[deep["eyes"]] - lids).abs().max() < 0.03
    assert y[deep["fold"]].max() < MARKS[31:36, 1].mean() + 0.012
    assert y[deep["fold"]].min() > MARKS[48, 1] - 0.025
    assert x[deep["frown"]].abs().max() < 0.010
    assert (y[deep["lips"]] - MARKS[[62, 66], 1].mean()).abs().max() < 0.023


def test_bags_under_the_eyes_lie_below_the_eyes() -> None:
    low = float(MARKS[[40, 41, 46, 47], 1].min())
    middle = (0.017 + 0.046) / 2
    below = depth_at("eyes", *[(middle, low - 0.001 * k) for k in range(14)])
    above = depth_at("eyes", *[(middle, low + 0.002 + 0.001 * k) for k in range(14)])
    assert below.min() < -0.2
    assert above.min() > -0.05
