"""Closer looks at eyes and mouth: the same for both eyes, and heeded as far as they are sure."""

from __future__ import annotations

import pytest
import torch

from phiz.face import closeup, landmarks, warp
from phiz.face.closeup import LEFT_EYE, MOUTH, RIGHT_EYE, TINY, CloseupConfig, CloseupNet
from phiz.face.landmarks import COUNT, SPARSE, FacePoints
from phiz.train import marked_people

SIZE = 100


def network(sure: float, score: float = 10.0) -> CloseupNet:
    """Return networks that tell the mean face, with this width's logarithm and score."""
    made = CloseupNet(TINY)
    mean = marked_people.mean_points()
    for one, part in ((made.eye, RIGHT_EYE), (made.mouth, MOUTH)):
        frame = closeup.frame_of(part, mean[None, :SPARSE])
        one.begin(warp.apply(warp.invert(frame[0]), mean[list(part.numbers)]))
        torch.nn.init.zeros_(one.tell.weight)
        count = one.config.count
        with torch.no_grad():
            one.tell.bias[2 * count : -1] = sure - landmarks.FIRST_LOG
            one.tell.bias[-1] = score
    return made.eval().requires_grad_(False)


def face(off: float = 0.0) -> FacePoints:
    """Return the mean face in a picture, with points that lie beside by so many pixels."""
    xy = marked_people.mean_points() * 30 + SIZE / 2
    torch.manual_seed(0)
    away = torch.randn(COUNT, 2) * off
    return FacePoints(xy=(xy + away)[None], sigma=torch.full((1, COUNT), 1.0), score=torch.ones(1))


def picture() -> torch.Tensor:
    return torch.rand(1, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(1)) * 2 - 1


def test_frames_lie_about_their_parts_and_the_left_eye_is_seen_in_a_mirror() -> None:
    points = face()
    for part in (RIGHT_EYE, LEFT_EYE, MOUTH):
        frame = closeup.frame_of(part, points.sparse)
        inside = warp.apply(warp.invert(frame[0]), points.xy[0, list(part.numbers)])
        assert float(inside.abs().max()) < 0.9
        assert (float(torch.linalg.det(frame[0, :, :2])) < 0) == part.is_mirrored
    right, left = (
        warp.apply(warp.invert(closeup.frame_of(part, points.sparse)[0]), points.xy[0, list(part.numbers)])
        for part in (RIGHT_EYE, LEFT_EYE)
    )
    torch.testing.assert_close(right, left, atol=0.03, rtol=0)  # the mean head is its own mirror image


def test_a_sure_closer_look_is_taken_and_an_unsure_one_is_not() -> None:
    found = face(off=0.8)
    sure = closeup.refined(network(-6.0), picture(), found)
    unsure = closeup.refined(network(1.0), picture(), found)
    numbers = list(MOUTH.numbers)
    truth = face().xy[0, numbers]
    before, after = ((some.xy[0, numbers] - truth).norm(dim=1).mean() for some in (found, sure))
    assert float(after) < 0.6 * float(before)  # what is left is the frame's own error
    assert float(sure.sigma[0, numbers].max()) < 0.2
    torch.testing.assert_close(unsure.xy, found.xy, atol=0.05, rtol=0)
    assert torch.equal(unsure.sigma, found.sigma)


def test_what_shows_no_eye_changes_nothing() -> None:
    found = face(off=0.8)
    blind = closeup.refined(network(-6.0, score=-30.0), picture(), found)
    torch.testing.assert_close(blind.xy, found.xy, atol=1e-4, rtol=0)


def test_other_points_stay() -> None:
    found = face(off=0.5)
    refined = closeup.refined(network(-6.0), picture(), found)
    others = sorted(set(range(COUNT)) - {n for part in (RIGHT_EYE, LEFT_EYE, MOUTH) for n in part.numbers})
    assert torch.equal(refined.xy[:, others], found.xy[:, others])
    assert torch.equal(refined.score, found.score)


def test_sizes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="an eye has 27 points, a mouth 60"):
        CloseupConfig(eye=TINY.mouth, mouth=TINY.mouth)
