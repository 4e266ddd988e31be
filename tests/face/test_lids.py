"""Shut lids are told from their points, whatever the size of the face and the eyes."""

from __future__ import annotations

import pytest
import torch

from phiz.face import lids
from phiz.face.points import LEFT_EYE, RIGHT_EYE
from phiz.train.marked_people import mean_points


def face(left: float, right: float, size: float = 50.0) -> torch.Tensor:
    """Return the 68 points of a face with eyes so far open, as a share of the mean face's."""
    points = mean_points()[:68].clone()
    for eye, share in ((LEFT_EYE, left), (RIGHT_EYE, right)):
        own = points[list(eye)]
        middle = own[[0, 3], 1].mean()
        points[list(eye), 1] = middle + share * (own[:, 1] - middle)
    return points * size + 100


def test_a_blink_is_whole_and_each_eye_is_told_apart() -> None:
    frames = [face(1, 1)] * 6 + [face(0.05, 1), face(1, 0.05), face(0.05, 0.05)]
    found = lids.closures(torch.stack(frames))
    assert found[:6].abs().max() == 0
    assert found[6].tolist() == pytest.approx([1, 0], abs=1e-3)
    assert found[7].tolist() == pytest.approx([0, 1], abs=1e-3)
    assert found[8].tolist() == pytest.approx([1, 1], abs=1e-3)


def test_narrowed_eyes_and_eyes_that_are_always_narrow_do_not_blink() -> None:
    assert lids.closures(torch.stack([face(1, 1)] * 5 + [face(0.7, 0.7)])).abs().max() < 1e-3
    assert lids.closures(torch.stack([face(0.3, 0.3)] * 5)).abs().max() == 0


def test_gaps_do_not_depend_on_the_size_of_the_face() -> None:
    small, large = (lids.gaps(face(1, 0.5, size)[None]) for size in (20.0, 90.0))
    torch.testing.assert_close(small, large, atol=1e-4, rtol=0)
    assert 0.3 < float(small[0, 1] / small[0, 0]) < 0.7
