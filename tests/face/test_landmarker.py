"""The built-in networks find the points of a painted face, in any part of a picture."""

from __future__ import annotations

import pickle

import pytest
import torch
from face.painted_sitter import sitter

from phiz.errors import MediaError
from phiz.face import landmarker, lids
from phiz.face.candidates import FoundFace
from phiz.face.fit_points import Landmarker
from phiz.face.landmarker import BuiltInLandmarker
from phiz.face.landmarks import DENSE, SPARSE
from phiz.face.network_files import CLOSEUP, DETECTOR, LANDMARKS
from phiz.face.points import five_points

MOST = 0.06
"""Of the distance of the eyes: the mean error of landmarks on a plain portrait."""


@pytest.fixture(autouse=True)
def weights() -> None:
    if not all(kind.built_in.is_file() for kind in (LANDMARKS, DETECTOR, CLOSEUP)):
        pytest.skip("no built-in networks")


def apart(found: torch.Tensor, truth: torch.Tensor) -> float:
    five = five_points(sitter().landmarks68)
    return float((found - truth).norm(dim=-1).mean() / (five[1] - five[0]).norm())


def test_points_lie_where_the_painted_face_has_them() -> None:
    found = landmarker.built_in().points(sitter().image)
    assert apart(found.sparse[0], sitter().landmarks68) < MOST
    assert apart(found.dense[0], sitter().landmarks478) < MOST
    assert float(found.score[0]) > 0.9


def test_shut_eyes_are_seen_to_be_shut() -> None:
    open_, shut = (lids.gaps(landmarker.built_in().points(sitter(x).image).sparse) for x in (0.0, 1.0))
    true_open, true_shut = (lids.gaps(sitter(x).landmarks68[None]) for x in (0.0, 1.0))
    assert float((shut / open_).max()) < 0.4  # without a closer look 0.96
    assert float(((shut / open_) - (true_shut / true_open)).abs().max()) < 0.2


@pytest.mark.parametrize("quarters", [1, 2])
def test_lying_and_hanging_faces_are_found_too(quarters: int) -> None:
    shown = sitter().image.rot90(quarters, (1, 2))
    found = landmarker.built_in().points(shown).sparse[0]
    x, y = (sitter().landmarks68 - 128).unbind(1)
    truth = torch.stack([y, -x] if quarters == 1 else [-x, -y], dim=1) + 128
    assert apart(found, truth) < MOST


def test_a_small_face_in_a_large_picture_is_found() -> None:
    picture = torch.full((3, 500, 700), 0.2)
    picture[:, 200:456, 400:656] = sitter().image
    found = landmarker.built_in().points(picture).sparse[0]
    assert apart(found, sitter().landmarks68 + torch.tensor([400.0, 200.0])) < MOST


def test_it_is_a_landmarker_and_travels_without_its_networks() -> None:
    made = landmarker.built_in()
    assert isinstance(made, Landmarker)
    points = made.find(sitter().image)
    assert points.xy.shape == (1, DENSE, 2)
    assert bool((points.sigma > 0).all())
    again = pickle.loads(pickle.dumps(made))
    assert torch.equal(again.find(sitter().image).xy, points.xy)
    assert len(pickle.dumps(made)) < 2000


def test_no_face_is_said() -> None:
    with pytest.raises(MediaError, match="no face found"):
        landmarker.built_in().find(torch.zeros(3, 128, 128))


class Mistaken:
    """A detector that takes a wall for a face."""

    looks_for, trusted = "It looks for walls", 0.5

    def smallest(self, height: int, width: int) -> float:
        return 1.0

    def find(self, picture: torch.Tensor) -> list[FoundFace]:
        five = torch.tensor([[30.0, 40], [60, 40], [45, 60], [35, 75], [55, 75]])
        return [FoundFace(box=torch.tensor([20.0, 30, 70, 90]), points=five, score=0.9)]


def test_points_of_what_is_no_face_are_not_given() -> None:
    with pytest.raises(MediaError, match="a face was found, but not its points"):
        BuiltInLandmarker(detector=Mistaken()).find(torch.zeros(3, 128, 128))
    assert SPARSE == 68
