"""Faces drawn before the fixed camera stand where they are told to, and losses pull them towards photos."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import regress_fixtures
import torch
from torch import Tensor

from phiz.errors import UsageError
from phiz.face import bfm, fit_published
from phiz.face.coeffs import FaceCoeffs, neutral
from phiz.face.head import Head
from phiz.train import regress_photos, regress_truth
from phiz.train.regress_config import PhotoWeights
from phiz.train.regress_photos import draw, photo_losses, recognition_crops
from phiz.train.regress_told import Crops

SIZE = 48


@pytest.fixture(scope="module")
def head() -> Head:
    return regress_fixtures.own_head()


@pytest.fixture(scope="module")
def face(head: Head) -> FaceCoeffs:
    place = regress_truth.middle(head)
    mean = neutral(head.sizes, 2)
    turn = torch.tensor([[0.0, 0.3, 0.1], [0.1, -0.2, 0.0]])
    return replace(mean, rotation=turn, translation=place.expand(2, 3).clone())


def crops_of(head: Head, face: FaceCoeffs) -> Crops:
    """Return photos that show exactly these faces."""
    drawn = draw(head, face, SIZE, front_only=False)
    ones = torch.ones(2, 1, SIZE, SIZE)
    return Crops(pictures=drawn.picture, skin=ones, landmarks=drawn.marks, counts=torch.ones(2, 68))


def mean_colour(pictures: Tensor) -> Tensor:
    """Stand in for a recogniser: who somebody is, is what colours the parts of the crop have."""
    return torch.nn.functional.avg_pool2d(pictures, 28).flatten(1)


def test_a_face_is_drawn_around_its_landmarks(head: Head, face: FaceCoeffs) -> None:
    drawn = draw(head, face, SIZE, front_only=True)
    inner = (drawn.marks[:, 17:] * (SIZE / 224)).long()
    for covered, marks in zip(drawn.covered[:, 0], inner, strict=True):
        assert covered[marks[:, 1], marks[:, 0]].float().mean() > 0.9
    whole = draw(head, face, SIZE, front_only=False)
    assert bool((whole.covered | ~drawn.covered).all())
    assert int(whole.covered.sum()) > 1.3 * int(drawn.covered.sum())  # hair, ears and neck
    assert torch.equal(whole.picture, drawn.picture)


def test_the_basel_model_is_drawn_as_its_published_fitting_draws_it(goldens: Path) -> None:
    path = goldens / "bfm" / "BFM_model_front.mat"
    if not path.is_file():
        pytest.skip("no Basel model at hand")
    model = bfm.read(path)
    face = replace(neutral(model.sizes), rotation=torch.tensor([[0.1, 0.4, 0.0]]))
    drawn = draw(model, face, 224, front_only=False)
    points = fit_published.before_camera(model.vertices(face), face, model)
    torch.testing.assert_close(drawn.marks, fit_published.project(points, model, 224), atol=1e-3, rtol=0)
    expected, covered = fit_published.render(points, model.lit_colours(face), model.triangles, 224)
    assert torch.equal(covered, drawn.covered[:, 0])
    torch.testing.assert_close(drawn.picture.movedim(1, -1), expected, atol=1e-3, rtol=0)
    assert len(regress_photos.front(model)) == len(model.front_triangles)


def test_the_face_that_a_photo_shows_costs_only_what_is_unlikely_about_it(
    head: Head, face: FaceCoeffs
) -> None:
    found = photo_losses(head, face, crops_of(head, face), PhotoWeights(), mean_colour)
    assert set(found) == {"photo", "landmark", "coefficients", "gamma", "reflectance", "perceptual"}
    assert float(found["photo"]) == pytest.approx(1.92e-3, rel=0.01)  # the root of the tiny number
    assert float(found["landmark"]) == pytest.approx(0, abs=1e-9)
    assert float(found["perceptual"]) == pytest.approx(0, abs=1e-6)
    assert float(found["coefficients"]) == 0


def test_every_loss_has_a_slope_that_leads_back(head: Head, face: FaceCoeffs) -> None:
    crops = crops_of(head, face)
    moved = replace(
        face,
        rotation=(face.rotation + 0.05).requires_grad_(),
        light=(face.light * 0.8).requires_grad_(),
        texture=torch.full_like(face.texture, 0.3).requires_grad_(),
        identity=torch.full_like(face.identity, 0.2).requires_grad_(),
    )
    leaves = [moved.rotation, moved.light, moved.texture, moved.identity]
    found = photo_losses(head, moved, crops, PhotoWeights(), mean_colour)
    for name in ("photo", "perceptual"):
        slopes = torch.autograd.grad(found[name], leaves, retain_graph=True)
        assert all(bool(slope.isfinite().all() and slope.any()) for slope in slopes), name
    slope = torch.autograd.grad(found["landmark"], moved.rotation)[0]
    nearer = replace(moved, rotation=moved.rotation.detach() - 1e-3 * slope / slope.norm())
    less = photo_losses(head, nearer, crops, PhotoWeights(), mean_colour)
    assert bool(less["landmark"] < found["landmark"])


def test_losses_without_weight_are_left_out(head: Head, face: FaceCoeffs) -> None:
    weights = PhotoWeights(perceptual=0, gamma=0)
    found = photo_losses(head, face, crops_of(head, face), weights, None, front_only=False)
    assert set(found) == {"photo", "landmark", "coefficients", "reflectance"}
    with pytest.raises(UsageError, match=r"--photo.perceptual 0"):
        photo_losses(head, face, crops_of(head, face), PhotoWeights(), None)


def test_skin_masks_decide_which_colours_count(head: Head, face: FaceCoeffs) -> None:
    crops = crops_of(head, face)
    wrong = replace(crops, pictures=1 - crops.pictures)
    hidden = replace(wrong, skin=torch.zeros_like(crops.skin))
    weights = PhotoWeights(perceptual=0)
    assert float(photo_losses(head, face, wrong, weights, None)["photo"]) > 0.1
    assert float(photo_losses(head, face, hidden, weights, None)["photo"]) == 0


def test_recognisers_see_faces_upright(head: Head, face: FaceCoeffs) -> None:
    crops = crops_of(head, face)
    upright = recognition_crops(crops.pictures, crops.landmarks)
    assert upright.shape == (2, 3, 112, 112)
    assert float(upright.min()) >= -1
    beside = recognition_crops(crops.pictures, crops.landmarks + 500)
    assert bool((beside == -1).all())  # nothing there is black
