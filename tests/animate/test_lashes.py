"""Lids that close get a dark line where they meet; open ones get none."""

from __future__ import annotations

import pytest
import torch
from avatar_fixtures import making

from phiz.animate import acting
from phiz.animate.lashes import Lashes
from phiz.avatar.avatar import Avatar
from phiz.avatar.rig import Rig
from phiz.face.head import Head
from phiz.graphics import camera as cameras
from phiz.graphics.camera import Camera
from phiz.world import portrait

SIZE = 128


@pytest.fixture(scope="module")
def lashes(someone: Avatar, our_head: Head) -> Lashes:
    return Lashes.of(Rig.of(someone, our_head))


def drawn(lashes: Lashes, camera: Camera, **weights: float) -> torch.Tensor:
    """Return what the lines take from a white picture."""
    head = lashes.rig.head
    assert isinstance(head, Head)
    face = acting.faces(lashes.rig.rest, making(head, **weights), head)
    white = torch.ones(1, 3, SIZE, SIZE)
    return 1 - lashes.painted(white, camera, lashes.rig.vertices(face), face.expression)[0]


def test_open_eyes_have_no_line(lashes: Lashes, someone: Avatar) -> None:
    assert float(drawn(lashes, someone.camera, eyeBlinkLeft=0.2, eyeBlinkRight=0.3).max()) == 0


def test_a_closed_eye_has_a_line_along_its_lids(lashes: Lashes, someone: Avatar) -> None:
    dark = drawn(lashes, someone.camera, eyeBlinkLeft=1.0)
    rows, columns = torch.nonzero(dark.mean(0) > 0.2, as_tuple=True)
    assert len(rows) > 10
    head = lashes.rig.head
    assert isinstance(head, Head)
    face = acting.faces(lashes.rig.rest, making(head, eyeBlinkLeft=1.0), head)
    edge = lashes.rig.vertices(face)[:, lashes.edges[0][:, 0]]
    places = cameras.to_screen(someone.camera, edge, SIZE, SIZE)[0]
    assert float(places[:, 0].min()) - 2 < columns.min()
    assert columns.max() < float(places[:, 0].max()) + 2
    assert columns.max() - columns.min() > 3 * (rows.max() - rows.min())  # a line, not a blot


def test_the_line_comes_with_the_lids(lashes: Lashes, someone: Avatar) -> None:
    strength = [float(drawn(lashes, someone.camera, eyeBlinkRight=x).sum()) for x in (0.4, 0.6, 0.9)]
    assert 0 < strength[0] < strength[1] < strength[2]


def test_eyes_seen_from_the_side_have_none(lashes: Lashes) -> None:
    aside = portrait.view_camera(torch.tensor([1.5]), torch.zeros(1))
    assert float(drawn(lashes, aside, eyeBlinkLeft=1.0, eyeBlinkRight=1.0).max()) < 0.2
