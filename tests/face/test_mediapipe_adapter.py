"""MediaPipe as a detector, where it is installed; and what one is told where it is not."""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator

import pytest
import torch
from face.painted_sitter import sitter

from phiz.errors import MissingError
from phiz.face import candidates, head, mediapipe_adapter, points
from phiz.face.candidates import Detector
from phiz.face.mediapipe_adapter import MediaPipe


@pytest.fixture(scope="module")
def detector() -> Iterator[MediaPipe]:
    pytest.importorskip("mediapipe", reason="MediaPipe is optional")
    try:
        starting = mediapipe_adapter.started()
        found = starting.__enter__()
    except MissingError as error:
        pytest.skip(str(error))
    yield found
    starting.__exit__(None, None, None)


def test_478_points_become_68_where_our_head_has_them() -> None:
    """Both layouts lie on our head. Inner parts agree to millimetres; outlines run along one curve only."""
    model = head.built_in()
    found = mediapipe_adapter.to_68(model.landmarks478(model.mean[None]))
    apart = (found - model.landmarks(model.mean[None]))[0].norm(dim=1) * 1000
    assert apart[list(points.RIGHT_EYE + points.LEFT_EYE)].max() < 2
    assert apart[list(points.OUTER_LIPS + points.INNER_LIPS)].max() < 5
    assert apart[list(points.NOSE)].max() < 5
    assert apart[list(points.RIGHT_BROW + points.LEFT_BROW)].max() < 5


def test_the_table_is_its_own_mirror_image() -> None:
    model = head.built_in()
    marks = mediapipe_adapter.to_68(model.landmarks478(model.mean[None]))[0]
    flipped = marks[list(points.MIRROR_68)] * torch.tensor([-1.0, 1.0, 1.0])
    assert (flipped - marks).norm(dim=1).max() < 1e-3


def test_a_face_is_outlined_by_its_points() -> None:
    marks = torch.rand(478, 2, generator=torch.Generator().manual_seed(0)) * 100
    face = mediapipe_adapter.face_of(marks, 0.7)
    left, top, right, bottom = face.box.tolist()
    assert (left, bottom) == (float(marks[:, 0].min()), float(marks[:, 1].max()))
    assert right > left
    assert bottom > top
    assert torch.equal(face.points[2], marks[4])


def test_without_it_one_is_told_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mediapipe", None)
    with pytest.raises(MissingError, match=r"pip install --no-deps mediapipe==0\.10\.21"):
        mediapipe_adapter.started().__enter__()


def test_later_versions_and_wrong_companions_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Later versions have no `solutions`; another protobuf makes the start itself fail."""
    later = types.ModuleType("mediapipe")
    monkeypatch.setitem(sys.modules, "mediapipe", later)
    with pytest.raises(MissingError, match="another version"):
        mediapipe_adapter.started().__enter__()

    def fail(**options: object) -> None:
        raise AttributeError("'FieldDescriptor' object has no attribute 'label'")

    broken = types.SimpleNamespace(FaceDetection=fail, FaceMesh=fail)
    monkeypatch.setattr(
        later, "solutions", types.SimpleNamespace(face_detection=broken, face_mesh=broken), raising=False
    )
    with pytest.raises(MissingError, match=r"protobuf.*pip install"):
        mediapipe_adapter.started().__enter__()


def test_a_painted_face_is_found_where_it_is(detector: MediaPipe) -> None:
    assert isinstance(detector, Detector)
    picture = sitter()
    found = candidates.search(picture.image, detector)
    face = candidates.choose(found)
    true = points.five_points(picture.landmarks68)
    span = (true[1] - true[0]).norm()
    assert len(found.faces) == 1
    assert (face.points - true).norm(dim=1).max() / span < 0.15
    assert (face.points[:2] - true[:2]).norm(dim=1).max() / span < 0.08


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_lying_pictures_are_turned(detector: MediaPipe, quarters: int) -> None:
    upright = candidates.choose(candidates.search(sitter().image, detector))
    lying = candidates.search(sitter().image.rot90(quarters, (1, 2)), detector)
    assert lying.quarters == 4 - quarters
    back = candidates.turned_back(256, 256, quarters)
    assert (candidates.choose(lying).moved(back).points - upright.points).abs().max() < 0.1


def test_a_small_face_is_looked_at_closely(detector: MediaPipe) -> None:
    """Only the far-sighted network sees it."""
    small = torch.nn.functional.interpolate(sitter().image[None], (150, 150), mode="area")[0]
    large = torch.nn.functional.pad(small, (300, 550, 700, 150), value=0.1)
    true = points.five_points(sitter().landmarks68) * 150 / 256 + torch.tensor([300.0, 700.0])
    face = candidates.choose(candidates.search(large, detector))
    assert (face.points - true).norm(dim=1).max() / (true[1] - true[0]).norm() < 0.2


def test_nobody_is_found_where_nobody_is(detector: MediaPipe) -> None:
    assert candidates.search(torch.zeros(3, 64, 64), detector).faces == ()
