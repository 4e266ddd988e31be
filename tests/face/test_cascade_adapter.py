"""OpenCV's cascade as a detector, where it is installed; and what one is told where it is not."""

from __future__ import annotations

import sys
import types

import pytest
import torch
from face.painted_sitter import sitter

from phiz.errors import MissingError
from phiz.face import candidates, cascade_adapter, points
from phiz.face.candidates import Detector
from phiz.face.cascade_adapter import Cascade


@pytest.fixture(scope="module")
def detector() -> Cascade:
    pytest.importorskip("cv2", reason="OpenCV is optional")
    try:
        return cascade_adapter.loaded()
    except MissingError as error:
        pytest.skip(str(error))


def test_points_follow_the_eyes() -> None:
    guessed = torch.tensor(cascade_adapter.PLACES) * 100
    turn = torch.tensor([[0.0, -1.0], [1.0, 0.0]])
    moved = guessed @ turn.T * 1.5 + 7
    found = cascade_adapter.through_eyes(guessed, moved[:2])
    torch.testing.assert_close(found, moved)


def test_average_places_are_symmetric() -> None:
    places = torch.tensor(cascade_adapter.PLACES)
    torch.testing.assert_close(places[[0, 3], 0] + places[[1, 4], 0], torch.ones(2))


@pytest.mark.parametrize("module", [None, types.ModuleType("cv2")])
def test_without_it_one_is_told_how_to_get_it(
    module: types.ModuleType | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither where there is no OpenCV, nor where it is a version without cascades."""
    monkeypatch.setitem(sys.modules, "cv2", module)
    with pytest.raises(MissingError, match="opencv-python-headless<5"):
        cascade_adapter.loaded()


def test_a_painted_face_is_found_where_it_is(detector: Cascade) -> None:
    assert isinstance(detector, Detector)
    face = candidates.choose(candidates.search(sitter().image, detector))
    true = points.five_points(sitter().landmarks68)
    assert (face.points - true).norm(dim=1).max() / (true[1] - true[0]).norm() < 0.35
    assert face.are_points_guessed
    assert 0 < face.score <= 1


def test_large_pictures_are_shrunk_first_and_the_face_stays_in_place(detector: Cascade) -> None:
    small = candidates.choose(candidates.search(sitter().image, detector))
    large = torch.nn.functional.interpolate(sitter().image[None], scale_factor=5, mode="bilinear")[0]
    found = candidates.choose(candidates.search(large, detector))
    assert detector.smallest(1280, 1280) == 2 * cascade_adapter.SMALLEST_FACE
    assert (found.box / 5 - small.box).abs().max() < 0.1 * small.size


def test_lying_pictures_are_turned(detector: Cascade) -> None:
    lying = candidates.search(sitter().image.rot90(1, (1, 2)), detector)
    assert lying.quarters == 3


def test_nobody_is_found_where_nobody_is(detector: Cascade) -> None:
    assert candidates.search(torch.zeros(3, 64, 64), detector).faces == ()
