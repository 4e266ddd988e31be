"""Numbers about faces that talk: they are exact where the truth is known."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from phiz.face.points import eyes_apart, lips_open
from phiz.metrics import talking


def _face(frames: int = 1) -> Tensor:
    """Return points whose eyes are 40 pixels apart, 20 wide and 8 high; the mouth is 30 wide and shut."""
    points = torch.zeros(frames, 68, 2)
    for first, middle in ((36, 30.0), (42, 70.0)):
        across = torch.tensor([-10.0, -4, 4, 10, 4, -4])
        down = torch.tensor([0.0, -4, -4, 0, 4, 4])
        points[:, first : first + 6] = torch.stack([middle + across, 40 + down], dim=1)
    points[:, 48:60, 0] = torch.linspace(35, 65, 12)
    points[:, 60:68, 0] = torch.tensor([40.0, 45, 50, 55, 60, 55, 50, 45])
    points[:, 48:, 1] = 80
    return points


def test_eyes_are_the_measure() -> None:
    points = _face()
    assert float(eyes_apart(points)) == pytest.approx(40)
    off = points + torch.tensor([4.0, 0.0])
    assert float(talking.points_off(off, points)) == pytest.approx(0.1)
    lips = points.clone()
    lips[:, 48:, 1] += 8
    assert float(talking.points_off(lips, points, talking.MOUTH)) == pytest.approx(0.2)
    assert float(talking.points_off(lips, points)) == pytest.approx(0.2 * 20 / 68)
    assert float(talking.points_off(lips, points, talking.EYES[0] + talking.EYES[1])) == 0


def test_lips_and_lids_open_as_far_as_they_are_apart() -> None:
    points = _face(2)
    points[1, 61:64, 1] -= 5
    points[1, 65:68, 1] += 5
    torch.testing.assert_close(lips_open(points), torch.tensor([0.0, 0.25]))
    points[1, [37, 38, 43, 44], 1] = 44.0  # upper lids on the lower ones
    torch.testing.assert_close(talking.lids_open(points), torch.tensor([0.4, 0.0]))
    torch.testing.assert_close(talking.lids_open(3 * points), talking.lids_open(points))


def test_a_box_reaches_a_little_beyond_its_points() -> None:
    points = torch.tensor([[[10.0, 20.0], [30.0, 24.0]]])
    box = talking.box_around(points, 64, margin=0.25)[0, 0]
    rows, columns = box.nonzero().T
    assert (int(columns.min()), int(columns.max())) == (5, 34)
    assert (int(rows.min()), int(rows.max())) == (15, 28)
    assert float(box.sum()) == 30 * 14


def test_only_what_rests_in_truth_can_flicker() -> None:
    truth = torch.zeros(3, 3, 32, 32)
    truth[1, :, :, :8] = 0.5  # comes and goes
    drawn = truth.clone()
    drawn[1] += 2 / 127.5
    found = talking.flicker(drawn, truth)
    torch.testing.assert_close(found.change, torch.full((2,), 2.0), atol=1e-3, rtol=0)
    torch.testing.assert_close(found.resting, torch.full((2,), (32 - 8 - 3) / 32))
    assert float(talking.flicker(truth, truth).change.max()) == 0
    left = torch.zeros(3, 1, 32, 32)
    left[..., :8] = 1
    assert math.isnan(float(talking.flicker(drawn, truth, left).change[0]))


def test_what_is_too_bright_is_told_in_steps() -> None:
    truth, where = torch.zeros(2, 3, 8, 8), torch.zeros(2, 1, 8, 8)
    where[0, :, :4] = 1
    drawn = truth.clone()
    drawn[:, :, :4] = 10 / 127.5
    found = talking.brighter(drawn, truth, where)
    assert float(found[0]) == pytest.approx(10)
    assert math.isnan(float(found[1]))


def test_half_of_a_change_is_half_of_it() -> None:
    truth = torch.randn(1, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    everywhere = torch.ones(1, 1, 16, 16)
    half = talking.followed(truth / 2, truth, everywhere)
    assert float(half.share) == pytest.approx(0.5)
    assert float(half.correlation) == pytest.approx(1)
    nothing = talking.followed(0 * truth, truth, everywhere)
    assert float(nothing.share) == float(nothing.correlation) == 0
    against = talking.followed(-truth, truth, everywhere)
    assert float(against.correlation) == pytest.approx(-1)


def test_somebody_is_known_among_others() -> None:
    crowd = torch.randn(6, 40, generator=torch.Generator().manual_seed(1))
    found = talking.known(crowd[[2, 4]], crowd, 2)
    assert found.nearest.tolist() == [True, False]
    assert float(found.likeness[0]) == pytest.approx(1, abs=1e-5)
    assert float(found.likeness[1]) < 0.5
    moved = talking.known(3 * crowd[[2]] + 5, 3 * crowd + 5, 2)
    torch.testing.assert_close(moved.likeness, found.likeness[:1])
