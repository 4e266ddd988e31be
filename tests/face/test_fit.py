"""Fitting as a whole: known faces come back, and the fit knows how well."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from face.fit_truth import ANYHOW, SIZE, shape_error_mm, truth, turned_by_deg

from phiz import checkpoint
from phiz.errors import CheckpointError, DataError
from phiz.face import fit as fitting
from phiz.face import fit_draw
from phiz.face.coeffs import neutral
from phiz.face.fit import Fit, FitConfig
from phiz.face.fit_points import Landmarks
from phiz.face.fit_surface import anchors478
from phiz.face.head import Head
from phiz.face.supplied import SuppliedHead
from phiz.graphics.shade import directional_light


def test_faces_come_back_from_exact_points(head: Head) -> None:
    one = truth(head, 4)
    found = fitting.fit(head, one.seen(), one.sizes)
    assert found.point_error.max() < 0.2
    assert turned_by_deg(one, found).max() < 2.0
    mean = replace(found, face=neutral(head.sizes, 4))
    assert shape_error_mm(one, found).mean() < 0.4 * shape_error_mm(one, mean).mean()


def test_heads_are_found_any_way_they_are_turned(head: Head) -> None:
    one = truth(head, 12, most=ANYHOW)
    found = fitting.fit(head, one.seen(1.0), one.sizes)
    assert turned_by_deg(one, found).max() < 7.0
    assert found.agreeing.min() > 0.9


def test_points_that_are_wrong_by_far_do_no_harm(head: Head) -> None:
    one = truth(head, 6, most=ANYHOW)
    points = one.seen(1.0)
    wrong = torch.rand(points.xy.shape[:2], generator=torch.Generator().manual_seed(1)) < 0.3
    xy = torch.where(wrong[..., None], points.xy.flip(1) + 40, points.xy)
    found = fitting.fit(head, replace(points, xy=xy), one.sizes)
    assert turned_by_deg(one, found).max() < 8.0
    assert found.agreeing.max() < 0.85


def test_another_head_model_is_fitted_as_well(miniature: SuppliedHead) -> None:
    one = truth(miniature, 4, most=ANYHOW)
    found = fitting.fit(miniature, one.seen(0.2), one.sizes)
    assert turned_by_deg(one, found).max() < 3.0
    assert found.point_error.max() < 0.5


def test_dense_points_tell_more_and_irises_do_not_count(head: Head) -> None:
    few = truth(head, 4)
    many = truth(head, 4, anchors=anchors478(head))
    dense = many.seen(1.0)
    astray = dense.xy.clone()
    astray[:, 468:] += 50.0
    found = fitting.fit(head, replace(dense, xy=astray), many.sizes)
    sparse = fitting.fit(head, few.seen(1.0), few.sizes)
    assert shape_error_mm(many, found).mean() < shape_error_mm(few, sparse).mean()


def test_a_known_field_of_view_is_kept(head: Head) -> None:
    one = truth(head, 1)
    found = fitting.fit(head, one.seen(1.0), one.sizes, config=FitConfig(field_of_view_deg=30.0))
    half = torch.rad2deg(torch.atan(1 / found.camera.intrinsics[0, 0, 0]))
    torch.testing.assert_close(2 * half, torch.tensor(30.0))
    assert found.deviation["focal"][0] == 0


def test_a_batch_gives_what_each_gives_alone(head: Head) -> None:
    one = truth(head, 3, most=ANYHOW)
    points = one.seen(1.0)
    together = fitting.fit(head, points, one.sizes)
    again = fitting.fit(head, points, one.sizes)
    assert torch.equal(together.face.identity, again.face.identity)
    alone = fitting.fit(head, points[1:2], one.sizes[1:2])
    torch.testing.assert_close(alone.face.rotation, together.face.rotation[1:2], atol=1e-3, rtol=0)


def test_wider_pictures_have_their_own_camera(head: Head) -> None:
    one = truth(head, 1)
    points = one.seen(0.5)
    wide = replace(points, xy=points.xy + torch.tensor([64.0, 0.0]))
    found = fitting.fit(head, wide, [(SIZE, SIZE + 128)])
    square = fitting.fit(head, points, one.sizes)
    torch.testing.assert_close(found.face.rotation, square.face.rotation, atol=1e-4, rtol=0)
    ratio = found.camera.intrinsics[0, 1, 1] / found.camera.intrinsics[0, 0, 0]
    torch.testing.assert_close(ratio, torch.tensor((SIZE + 128) / SIZE))


def test_a_first_guess_is_taken_up(head: Head) -> None:
    one = truth(head, 2)
    found = fitting.fit(head, one.seen(), one.sizes, start=(one.face, one.camera))
    assert turned_by_deg(one, found).max() < 1.0
    assert (found.camera.intrinsics[:, 0, 0] / one.camera.intrinsics[:, 0, 0] - 1).abs().max() < 0.35


def test_uncertain_points_make_uncertain_fits(head: Head) -> None:
    one = truth(head, 2)
    sure, unsure = (fitting.fit(head, one.seen(sigma=s), one.sizes) for s in (0.5, 4.0))
    assert (unsure.deviation["rotation"] > sure.deviation["rotation"]).all()
    assert (unsure.covariance.diagonal(dim1=1, dim2=2) > 0).all()


def test_errors_are_as_large_as_the_fit_says(head: Head) -> None:
    one = truth(head, 24)
    found = fitting.fit(head, one.seen(1.0), one.sizes)
    spread = torch.rad2deg(found.deviation["rotation"].norm(dim=1))
    ratio = (turned_by_deg(one, found).square().mean() / spread.square().mean()).sqrt()
    assert 0.5 < ratio < 2.0


def test_colours_give_light_and_skin_and_a_better_shape(head: Head) -> None:
    one = truth(head, 3)
    lamp = directional_light(torch.tensor([[0.6, 0.3, 0.74]]), torch.tensor([[0.5, 0.45, 0.4]]))
    face = replace(one.face, light=one.face.light * 0.6 + lamp)
    drawn, shown = fit_draw.draw(head, face, one.camera, SIZE, SIZE)
    found = fitting.fit(head, one.seen(1.0), one.sizes, list(drawn))
    redrawn, _ = fit_draw.draw(head, found.face, found.camera, SIZE, SIZE)
    assert found.colour_error.max() < 0.02
    assert fit_draw.colour_error(redrawn, drawn, shown).max() < 0.04
    blind = fitting.fit(head, one.seen(1.0), one.sizes, list(drawn), config=FitConfig(photo=None))
    assert shape_error_mm(one, found).mean() < 0.85 * shape_error_mm(one, blind).mean()
    assert blind.colour_error.isnan().all()


def test_a_fit_is_kept_in_a_file(head: Head, tmp_path: Path) -> None:
    one = truth(head, 2)
    found = fitting.fit(head, one.seen(1.0), one.sizes)
    found[:1].save(tmp_path / "a.safetensors", {"picture": "a.jpg"})
    again = Fit.load(tmp_path / "a.safetensors")
    assert again.model == head.name
    assert torch.equal(again.face.identity, found.face.identity[:1])
    assert torch.equal(again.camera.intrinsics, found.camera.intrinsics[:1])
    assert torch.equal(again.deviation["rotation"], found.deviation["rotation"][:1])
    assert checkpoint.read_about(tmp_path / "a.safetensors").config["picture"] == "a.jpg"


def test_a_file_that_lacks_something_is_refused(tmp_path: Path) -> None:
    checkpoint.save(tmp_path / "a.safetensors", kind="fit", config={"model": "phiz"}, tensors={})
    with pytest.raises(CheckpointError, match="Fit the picture anew"):
        Fit.load(tmp_path / "a.safetensors")


def test_too_few_points_are_refused(head: Head) -> None:
    one = truth(head, 1)
    sigma = torch.full((1, 68), torch.inf)
    sigma[:, :5] = 1.0
    with pytest.raises(DataError, match="fewer than"):
        fitting.fit(head, Landmarks(xy=one.xy, sigma=sigma), one.sizes)


def test_points_of_other_pictures_are_refused(head: Head) -> None:
    one = truth(head, 2)
    with pytest.raises(ValueError, match="as many pictures"):
        fitting.fit(head, one.seen(), one.sizes[:1])
