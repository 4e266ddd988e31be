"""Crops about faces, points back in the picture, and a network that begins with the mean face."""

from __future__ import annotations

import math

import pytest
import torch

from phiz.face import landmarks, warp
from phiz.face.candidates import FoundFace
from phiz.face.landmarks import COUNT, DENSE, SPARSE, TINY, LandmarkConfig, LandmarkNet
from phiz.face.points import five_points
from phiz.layers.folding import folded
from phiz.train.marked_people import mean_points


def network(seed: int = 0) -> LandmarkNet:
    with torch.random.fork_rng():
        torch.random.set_rng_state(torch.Generator().manual_seed(seed).get_state())
        made = LandmarkNet(TINY)
        made.begin(mean_points())
    return made.eval().requires_grad_(False)


def face(turn: float = 0.0, scale: float = 50.0, at: tuple[float, float] = (80.0, 60.0)) -> torch.Tensor:
    """Return the 68 points of the mean face, turned clockwise, in pixels."""
    c, s = math.cos(turn), math.sin(turn)
    return mean_points()[:SPARSE] @ torch.tensor([[c, s], [-s, c]]) * scale + torch.tensor(at)


def test_a_new_network_tells_the_mean_face_and_doubts_it() -> None:
    xy, logs, is_face = network()(torch.rand(2, 3, 32, 32) * 2 - 1)
    assert xy.shape == (2, COUNT, 2)
    assert float((xy - mean_points()).abs().max()) < 0.2
    assert float((logs.exp() - 0.1).abs().max()) < 0.05
    assert is_face.shape == (2,)


def test_a_folded_network_tells_the_same() -> None:
    plain = network()
    plain.norm.running_mean.fill_(0.3)
    crops = torch.rand(2, 3, 32, 32) * 2 - 1
    for ours, theirs in zip(folded(plain)(crops), plain(crops), strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("turn", [0.0, 0.7, -2.5])
def test_frames_stand_upright_around_the_face(turn: float) -> None:
    points = face(turn)
    frame = landmarks.frame_around(points[None])
    inside = warp.apply(warp.invert(frame), points[None].double())[0]
    low, high = inside.amin(0), inside.amax(0)
    torch.testing.assert_close(low + high, torch.zeros(2, dtype=torch.float64), atol=1e-6, rtol=0)
    assert float((high - low).max()) == pytest.approx(2 / landmarks.AROUND, abs=1e-6)
    five = five_points(inside)
    down = five[3:].mean(0) - five[:2].mean(0)
    assert float(down[0]) == pytest.approx(0, abs=1e-6)
    assert float(down[1]) > 0
    assert float(torch.linalg.det(frame[0, :, :2])) > 0  # no mirror image


def test_frames_of_found_faces_are_about_those_of_their_points() -> None:
    points = face(0.0)
    box = torch.cat([points.amin(0), points.amax(0)])
    found = FoundFace(box=box, points=five_points(points), score=1.0)
    torch.testing.assert_close(
        landmarks.frame_of(found), landmarks.frame_around(points[None])[0], atol=0.5, rtol=0
    )


def test_points_come_back_to_the_picture_with_their_deviations() -> None:
    made = network()
    picture = torch.rand(1, 3, 120, 160) * 2 - 1
    near, far = (landmarks.frame_around(face(0.4, scale)[None]) for scale in (25.0, 50.0))
    one, other = (landmarks.locate(made, picture, frame) for frame in (near, far))
    assert one.sparse.shape == (1, SPARSE, 2)
    assert one.dense.shape == (1, DENSE, 2)
    assert float((one.sparse - face(0.4, 25.0)).norm(dim=-1).max()) < 8
    ratio = other.sigma.mean() / one.sigma.mean()
    assert float(ratio) == pytest.approx(2, rel=0.1)
    assert 0 <= float(one.score[0]) <= 1
    assert one[:1].xy.shape == one.xy.shape


def test_a_second_look_is_at_a_better_crop() -> None:
    made = network()
    picture = torch.rand(1, 3, 120, 160) * 2 - 1
    frame = landmarks.frame_around(face(0.3, 30.0)[None])
    first = landmarks.locate(made, picture, frame)
    second = landmarks.locate(made, picture, frame, looks=2)
    again = landmarks.locate(made, picture, landmarks.frame_around(first.sparse))
    assert torch.equal(second.xy, again.xy)


def test_a_crop_shows_its_part_of_the_picture() -> None:
    steps = torch.linspace(-1, 1, 100)
    picture = torch.stack([steps.expand(80, -1), torch.linspace(-1, 1, 80)[:, None].expand(-1, 100)])[None]
    frame = torch.tensor([[[20.0, 0, 50], [0, 20.0, 40]]], dtype=torch.float64)
    crop = landmarks.cut(picture, frame, 32)[0]
    assert crop.shape == (2, 32, 32)
    assert float(crop[0].mean()) == pytest.approx(0, abs=0.02)
    assert float(crop[0, :, -1].mean()) == pytest.approx(0.4, abs=0.03)
    assert float(crop[1, 0].mean()) == pytest.approx(-0.5, abs=0.03)


def test_points_that_coincide_still_make_a_frame() -> None:
    frame = landmarks.frame_around(torch.full((1, SPARSE, 2), 7.0))
    assert bool(frame.isfinite().all())


def test_sizes_that_cannot_be_are_refused() -> None:
    with pytest.raises(ValueError, match="multiple of 16"):
        LandmarkConfig(size=100)
    with pytest.raises(ValueError, match="positive"):
        LandmarkConfig(hidden=0)
