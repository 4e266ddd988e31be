"""Faces cut out of pictures, and the points of them that the camera sees."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from face.fit_truth import SIZE, truth

from phiz.face import fit_draw, fit_geometry, fit_photometry
from phiz.face.fit_geometry import Given
from phiz.face.fit_photometry import PhotoConfig
from phiz.face.fit_shading import LIGHTS, paint_prior, with_slopes
from phiz.face.fit_solve import State
from phiz.face.fit_surface import anchors68
from phiz.face.head import Head
from phiz.graphics import camera as cameras
from phiz.graphics import rotation

SMALL = PhotoConfig(size=96, samples=400)


@pytest.fixture(scope="module")
def scene(head: Head) -> tuple[Given, State, torch.Tensor]:
    """Return exact points, the true state and the drawing of one face."""
    one = truth(head, 1)
    given = Given(
        model=head,
        anchors=anchors68(head),
        xy=one.xy.double(),
        sigma=torch.ones(1, 68, dtype=torch.float64),
        centre=torch.full((1, 2), SIZE / 2, dtype=torch.float64),
        focal=None,
        nu=4.0,
    )
    eye = one.camera.position
    place = (one.face.translation - eye).double()
    mean, _ = paint_prior(head.sizes.texture, place)
    state = State(
        turn=rotation.from_euler(one.face.rotation.double()),
        place=torch.cat([place[:, :2], (-place[:, 2:]).log()], dim=1),
        focal=(one.camera.intrinsics[:, 0, 0].double() * SIZE / 2).log(),
        shape=torch.cat([one.face.identity, one.face.expression], dim=1).double(),
        paint=torch.cat([mean[None, :LIGHTS], one.face.texture.double()], dim=1),
    )
    drawn, _ = fit_draw.draw(head, one.face, one.camera, SIZE, SIZE)
    return given, state, drawn


def test_a_state_says_where_the_points_show(scene: tuple[Given, State, torch.Tensor]) -> None:
    given, state, _ = scene
    seen, _ = fit_geometry.marks(given, state).errors(state)
    torch.testing.assert_close(seen.xy, given.xy, atol=0.02, rtol=0)


def test_the_cut_holds_the_face_and_knows_where_it_was(scene: tuple[Given, State, torch.Tensor]) -> None:
    given, state, _ = scene
    ramp = torch.arange(SIZE).float().expand(3, SIZE, SIZE) / SIZE * 2 - 1
    cut = fit_photometry.cut_out(given, state, [ramp], 64)
    assert cut.picture.shape == (1, 3, 64, 64)
    inside = (given.xy - cut.corner[:, None]) * cut.scale[:, None, None]
    assert (inside > 0).all()
    assert (inside < 64).all()
    middle = float(cut.picture[0, 0, 32, 32]) * SIZE
    expected = float(cut.corner[0, 0] + 32.5 / cut.scale[0])
    assert abs(middle + 0.5 - expected) < 1.0


def test_a_face_beyond_the_picture_is_cut_out_with_black(scene: tuple[Given, State, torch.Tensor]) -> None:
    given, state, drawn = scene
    away = replace(state, place=state.place + torch.tensor([0.1, 0.0, 0.0]))
    cut = fit_photometry.cut_out(given, away, [drawn[0]], 64)
    assert cut.picture.isfinite().all()
    assert (cut.picture[0, :, :, -1] == 0).all()
    gone = replace(state, place=state.place + torch.tensor([1e6, 0.0, 0.0]))
    assert fit_photometry.cut_out(given, gone, [drawn[0]], 64).picture.shape == (1, 3, 64, 64)


def test_true_colours_are_hardly_wrong(scene: tuple[Given, State, torch.Tensor]) -> None:
    given, state, drawn = scene
    image = with_slopes(drawn / 2 + 0.5)
    term = fit_photometry.shading(given, state, image, SMALL)
    assert term.mean_distance(state)[0] < 0.01
    dark = replace(state, paint=torch.zeros_like(state.paint))
    assert term.mean_distance(dark)[0] > 0.2
    assert float(term.weight.sum()) == pytest.approx(SMALL.evidence, rel=1e-4)


def test_a_face_that_nobody_sees_has_no_colours(scene: tuple[Given, State, torch.Tensor]) -> None:
    given, state, drawn = scene
    gone = replace(state, place=state.place + torch.tensor([1e3, 0.0, 0.0]))
    term = fit_photometry.shading(given, gone, with_slopes(drawn / 2 + 0.5), SMALL)
    assert not term.weight.any()
    assert term.cost(gone)[0] == 0
    assert term.quadratic(gone).bend.isfinite().all()


def test_refining_a_true_face_leaves_it_nearly_there(scene: tuple[Given, State, torch.Tensor]) -> None:
    given, state, drawn = scene
    bare = replace(state, paint=state.paint[:, :0])
    found, error = fit_photometry.refine(given, bare, [drawn[0]], SMALL)
    assert error[0] < 0.02
    assert torch.rad2deg(rotation.angle_between(found.turn, state.turn))[0] < 1.0
    camera = fit_geometry.face_of(given.model, found)
    assert camera.light.shape == (1, 9, 3)
    assert cameras.intrinsics_from_focal(found.focal.exp()).isfinite().all()
