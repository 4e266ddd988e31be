"""Where heads stand and what is likely of them, before and after points are seen."""

from __future__ import annotations

import torch
from face.fit_truth import SIZE, truth

from phiz.face import fit_geometry, fit_solve
from phiz.face.fit_geometry import Given
from phiz.face.fit_solve import POSE
from phiz.face.fit_surface import anchors68
from phiz.face.head import Head
from phiz.face.supplied import SuppliedHead
from phiz.graphics import rotation


def _given(model: Head | SuppliedHead, focal: float | None = None) -> Given:
    one = truth(model, 2)
    return Given(
        model=model,
        anchors=anchors68(model),
        xy=one.xy.double(),
        sigma=torch.ones(2, 68, dtype=torch.float64),
        centre=torch.full((2, 2), SIZE / 2, dtype=torch.float64),
        focal=None if focal is None else torch.full((2,), focal, dtype=torch.float64),
        nu=4.0,
    )


def test_the_mean_head_stands_nearly_right(head: Head) -> None:
    one = truth(head, 2)
    state = fit_geometry.stand(_given(head))
    apart = rotation.angle_between(state.turn, rotation.from_euler(one.face.rotation.double()))
    assert torch.rad2deg(apart).max() < 8
    assert not state.shape.any()


def test_solving_is_never_worse_than_standing(head: Head) -> None:
    given = _given(head)
    start = fit_geometry.stand(given)
    prior = fit_geometry.prior_of(given, start)
    end = fit_geometry.solve(given)
    before, after = (fit_solve.total(s, [fit_geometry.marks(given, s), prior]) for s in (start, end))
    assert (after < before).all()


def test_a_known_focal_length_stays(miniature: SuppliedHead) -> None:
    found = fit_geometry.solve(_given(miniature, 700.0))
    torch.testing.assert_close(found.focal.exp(), torch.full((2,), 700.0, dtype=torch.float64))


def test_named_expressions_stay_between_nothing_and_all(head: Head) -> None:
    given = _given(head)
    found = fit_geometry.solve(given)
    expression = found.shape[:, head.sizes.identity :]
    assert expression.min() >= 0
    assert expression.max() <= 1
    prior = fit_geometry.prior_of(given, found)
    identity, smile = prior.precision[POSE, POSE], prior.precision[-1, -1]
    assert smile > identity


def test_the_world_stands_a_metre_before_the_camera(head: Head) -> None:
    state = fit_geometry.stand(_given(head))
    face = fit_geometry.face_of(head, state)
    torch.testing.assert_close(
        1 - face.translation[:, 2].double(), state.place[:, 2].exp(), atol=1e-5, rtol=0
    )
    turned = rotation.from_euler(face.rotation)
    torch.testing.assert_close(turned.double(), state.turn, atol=1e-5, rtol=0)
