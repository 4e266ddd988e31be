"""The inside of a mouth shows where lips are open, and nowhere else."""

from __future__ import annotations

import pytest
import torch
from avatar_fixtures import making

from phiz.animate import acting
from phiz.animate.mouth import Mouth
from phiz.avatar.avatar import Avatar
from phiz.avatar.rig import Rig
from phiz.face.head import Head
from phiz.face.morphable import Part
from phiz.graphics import camera as cameras
from phiz.world import portrait


@pytest.fixture(scope="module")
def mouth(someone: Avatar, our_head: Head) -> Mouth:
    return Mouth.of(Rig.of(someone, our_head))


def moved(mouth: Mouth, **weights: float) -> torch.Tensor:
    head = mouth.rig.head
    assert isinstance(head, Head)
    return mouth.rig.vertices(acting.faces(mouth.rig.rest, making(head, **weights), head))


def test_a_shut_mouth_changes_no_pixel(mouth: Mouth, someone: Avatar) -> None:
    grey = torch.zeros(1, 3, 128, 128)
    assert torch.equal(mouth.painted(grey.clone(), someone.camera, moved(mouth)), grey)


def test_an_open_one_shows_between_the_lips(mouth: Mouth, someone: Avatar) -> None:
    points = moved(mouth, jawOpen=0.7)
    found = mouth.painted(torch.ones(1, 3, 128, 128), someone.camera, points)
    rows, columns = torch.nonzero((found[0] < 0.9).any(0), as_tuple=True)
    assert len(rows) > 80
    lips = cameras.to_screen(someone.camera, points[:, mouth.lips], 128, 128)[0]
    assert lips[:, 1].min() < rows.min()
    assert rows.max() < lips[:, 1].max()
    assert lips[:, 0].min() < columns.min()
    assert columns.max() < lips[:, 0].max()


def test_it_gets_darker_behind_the_lips_and_teeth_are_the_palest(mouth: Mouth) -> None:
    head = mouth.rig.head
    colours = mouth.colours(moved(mouth, jawOpen=0.5))[0].mean(-1)
    bright = {part: colours[torch.unique(head.triangles[head.parts == part])] for part in Part}
    assert float(bright[Part.UPPER_TEETH].quantile(0.9)) > float(bright[Part.TONGUE].max())
    assert float(bright[Part.MOUTH].min()) < -0.6


def test_a_mouth_outside_the_picture_is_left_out(mouth: Mouth) -> None:
    aside = portrait.view_camera(torch.tensor([0.0]), torch.zeros(1))
    box = torch.tensor([[-1.0, -1.0, 0.0, -0.5]])
    grey = torch.zeros(1, 3, 64, 64)
    assert torch.equal(mouth.painted(grey.clone(), cameras.crop(aside, box), moved(mouth, jawOpen=0.7)), grey)
