"""Fitting a person who was painted: hair, hard light and all."""

from __future__ import annotations

import torch
from face.painted_sitter import sitter

from phiz.face import fit as fitting
from phiz.face import fit_draw
from phiz.face.fit_points import Landmarks
from phiz.face.head import Head
from phiz.graphics import rotation

SIZE = 256


def test_a_painted_person_is_fitted(head: Head) -> None:
    painted = sitter()
    points = Landmarks(xy=painted.landmarks68[None], sigma=torch.ones(1, 68))
    found = fitting.fit(head, points, [(SIZE, SIZE)], [painted.image])
    drawn, shown = fit_draw.draw(head, found.face, found.camera, SIZE, SIZE)
    assert found.point_error[0] < 1.0
    assert fit_draw.colour_error(drawn, painted.image[None], shown)[0] < 0.12
    true = rotation.from_euler(painted.coeffs.rotation) @ rotation.from_euler(painted.coeffs.neck)
    apart = rotation.angle_between(true, rotation.from_euler(found.face.rotation))
    assert torch.rad2deg(apart)[0] < 4.0
