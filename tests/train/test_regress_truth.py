"""The fixed camera sees true faces where crops show them; mirrors do what mirrors do."""

from __future__ import annotations

import functools
from dataclasses import replace

import pytest
import torch
from plain_head import plain_head

from phiz.errors import UsageError
from phiz.face import align, head
from phiz.face.bfm import FOCAL, PICTURE
from phiz.face.coeffs import FaceCoeffs, neutral
from phiz.face.head import Head
from phiz.graphics import rotation
from phiz.train import regress_truth as truth


@functools.lru_cache(maxsize=1)
def model() -> Head:
    if not head.BUILT_IN.is_file():
        pytest.skip("no head model")
    return head.built_in()


def somebody(count: int = 2) -> FaceCoeffs:
    chance = torch.Generator().manual_seed(3)
    sizes = model().sizes
    return replace(
        neutral(sizes, count),
        identity=0.7 * torch.randn(count, sizes.identity, generator=chance),
        expression=0.3 * torch.rand(count, sizes.expression, generator=chance),
        gaze=0.2 * torch.randn(count, 2, 2, generator=chance),
    )


def fixed(turn: torch.Tensor, place: torch.Tensor) -> torch.Tensor:
    """Return the projection of the fixed camera of points of figures that stand somewhere."""
    whole = torch.cat([rotation.from_euler(turn), place[:, :, None]], dim=2).double()
    flip = whole.new_tensor([[1.0, 0, 0], [0, -1, 0], [0, 0, -1]])
    seen = flip @ whole
    seen[:, 2, 3] += truth.EYE
    inner = seen.new_tensor([[FOCAL, 0, 112], [0, FOCAL, 112], [0, 0, 1]])
    return inner @ seen


@torch.no_grad()
def test_a_pose_before_the_fixed_camera_comes_back() -> None:
    face = somebody()
    turn = torch.tensor([[0.1, -0.5, 0.2], [-0.3, 0.9, -0.1]])
    place = torch.tensor([[0.01, -0.02, -0.1], [0.0, 0.03, 0.2]])
    vertices = torch.arange(0, model().mean.shape[0], 97)
    found = truth.truth_of(model(), face, fixed(turn, place), vertices)
    angle = rotation.angle_between(rotation.from_euler(found.face.rotation), rotation.from_euler(turn))
    assert float(angle.max()) < 1e-4
    torch.testing.assert_close(found.face.translation, place, atol=1e-5, rtol=0)
    shown = truth.project(truth.stand(found.surface, found.face))
    torch.testing.assert_close(shown, found.shown, atol=1e-2, rtol=0)
    assert torch.equal(found.face.identity, face.identity)


@torch.no_grad()
def test_a_bowed_neck_is_part_of_the_turn() -> None:
    face = replace(somebody(), neck=torch.tensor([[0.1, 0.3, 0.0], [0.0, -0.2, 0.1]]))
    still = torch.zeros(2, 3)
    found = truth.truth_of(model(), face, fixed(still, still), torch.arange(0, 4000, 97))
    assert not found.face.neck.any()
    expected = rotation.from_euler(face.neck)
    angle = rotation.angle_between(rotation.from_euler(found.face.rotation), expected)
    assert float(angle.max()) < 1e-3


@torch.no_grad()
def test_points_that_face_the_camera_are_near_to_it() -> None:
    face = somebody(1)
    vertices = torch.arange(len(model().mean))
    still = torch.zeros(1, 3)
    found = truth.truth_of(model(), face, fixed(still, still), vertices)
    forward = model().normals(model().vertices(face))[0, :, 2]
    assert float(found.nearness[0][forward > 0.95].min()) > 0.6
    assert float(found.nearness[0][forward < -0.9].max()) < 0


@torch.no_grad()
def test_in_a_mirror_everything_is_mirrored() -> None:
    face = replace(somebody(), neck=torch.tensor([[0.1, 0.3, 0.05], [0.0, -0.2, 0.1]]))
    mirror = truth.mirror_of(model())
    flipped = truth.mirrored(face, mirror)
    ours = model().vertices(flipped)
    theirs = model().vertices(face)[:, model().mirror] * torch.tensor([-1.0, 1.0, 1.0])
    apart = (ours - theirs).norm(dim=-1)
    assert float(apart.mean()) < 1e-4
    assert float(apart.max()) < 1.5e-3
    again = truth.mirrored(flipped, mirror)
    torch.testing.assert_close(again.expression, face.expression)
    torch.testing.assert_close(again.identity, face.identity)


def test_the_yardstick_measures_what_the_model_says() -> None:
    stick = truth.yardstick(model(), 100)
    still = neutral(model().sizes)
    points = stick.at(still.identity, still.expression)
    assert points.shape == (1, 168, 3)
    surface = model().vertices(still)
    torch.testing.assert_close(points[:, :68], model().landmarks(surface))
    torch.testing.assert_close(points[:, 68:], surface[:, stick.vertices])
    assert stick.colours(still.texture).shape == (1, 100, 3)


@torch.no_grad()
def test_a_network_begins_where_crops_have_the_mean_face() -> None:
    place = truth.middle(model())
    marks = truth.project(model().landmarks(model().vertices(neutral(model().sizes))) + place)
    frame = align.regression_frame(marks[0], PICTURE, PICTURE)
    assert frame.scale == pytest.approx(1, abs=0.01)
    assert max(abs(corner) for corner in frame.corner) <= 1
    assert abs(float(place[0])) < 1e-4


def test_models_without_a_mirror_are_told_to_leave_it() -> None:
    with pytest.raises(UsageError, match=r"--world-crop\.mirror 0"):
        truth.mirror_of(plain_head())  # type: ignore[arg-type]
