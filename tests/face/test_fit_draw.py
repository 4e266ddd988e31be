"""Fitted faces as pictures."""

from __future__ import annotations

from dataclasses import replace

import torch
from face.fit_truth import SIZE, truth

from phiz.face import fit_draw
from phiz.face.head import Head


def test_a_face_is_drawn_where_its_points_are(head: Head) -> None:
    one = truth(head, 1)
    awake = replace(one.face, expression=torch.zeros_like(one.face.expression))
    drawn, shown = fit_draw.draw(head, awake, one.camera, SIZE, SIZE)
    nose = one.xy[0, 30].long()
    assert shown[0, nose[1], nose[0]]
    assert not shown[0, 0, 0]
    assert drawn[0, :, 0, 0].tolist() == [-1.0, -1.0, -1.0]
    eye = one.xy[0, 36:42].mean(0).long()
    assert not shown[0, eye[1], eye[0]]


def test_the_error_of_colours_is_their_distance_inside_the_mask() -> None:
    picture = torch.zeros(1, 3, 4, 4)
    other = picture.clone()
    other[:, 0, :2] = 0.6
    mask = torch.zeros(1, 4, 4, dtype=torch.bool)
    mask[:, :2] = True
    torch.testing.assert_close(fit_draw.colour_error(other, picture, mask), torch.tensor([0.3]))
    assert fit_draw.colour_error(other, picture, ~mask)[0] == 0


def test_a_preview_shows_points_and_face_side_by_side() -> None:
    picture, drawn = torch.zeros(3, 8, 8), torch.ones(3, 8, 8)
    mask = torch.zeros(8, 8, dtype=torch.bool)
    mask[6:] = True
    both = fit_draw.overlay(picture, drawn, mask, torch.tensor([[4.0, 4.0], [-9.0, 90.0]]))
    assert both.shape == (3, 8, 16)
    assert both[1, 4, 4] == 1
    assert both[0, 7, 15] == 1
    assert both[0, 0, 15] == 0
