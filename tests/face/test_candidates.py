"""Faces are found however the picture lies, numbered as one sees them, and their absence is explained."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from phiz.errors import MediaError, UsageError
from phiz.face import candidates
from phiz.face.candidates import Detector, FoundFace

FACE = torch.tensor([[3.0, 4.0], [7.0, 4.0], [5.0, 6.0], [4.0, 8.0], [6.0, 8.0]])
"""The five points of a painted face, from its upper left corner."""
SHADES = (0.2, 0.4, 0.6, 0.8, 1.0)


class DotDetector:
    """Finds faces painted as five dots of five shades; sure of those whose eyes are level."""

    looks_for = "a test looks for dots"
    trusted = 0.9

    def smallest(self, height: int, width: int) -> float:
        return 0.05 * max(height, width)

    def find(self, picture: Tensor) -> list[FoundFace]:
        found = []
        dots = [((picture[0] - shade).abs() < 0.01).nonzero().flip(1) + 0.5 for shade in SHADES]
        for points in torch.stack(dots, dim=1):
            x, y = (points[1] - points[0]).tolist()
            box = torch.cat([points.amin(dim=0) - 2, points.amax(dim=0) + 2])
            score = 0.95 if x > 0 and y == 0 else 0.5
            found.append(FoundFace(box=box, points=points, score=score, landmarks=points[:2]))
        return found


def painted(*corners: tuple[int, int], size: tuple[int, int] = (40, 60)) -> Tensor:
    picture = torch.zeros(3, *size)
    for left, top in corners:
        for (x, y), shade in zip(FACE.int().tolist(), SHADES, strict=True):
            picture[:, top + y, left + x] = shade
    return picture


def face(left: float, top: float, side: float, score: float = 0.5) -> FoundFace:
    box = torch.tensor([left, top, left + side, top + side], dtype=torch.float32)
    return FoundFace(box=box, points=FACE + box[:2], score=score)


def test_a_detector_is_whatever_finds_faces() -> None:
    assert isinstance(DotDetector(), Detector)
    assert not isinstance(object(), Detector)


@pytest.mark.parametrize("quarters", range(4))
def test_a_lying_picture_is_turned_and_its_points_are_turned_back(quarters: int) -> None:
    upright = painted((11, 22))
    lying = upright.rot90(quarters, (1, 2))
    found = candidates.search(lying, DotDetector())
    assert found.quarters == (4 - quarters) % 4
    (only,) = found.faces
    for (x, y), shade in zip(only.points.tolist(), SHADES, strict=True):
        assert lying[0, int(y), int(x)] == shade
    assert only.landmarks is not None
    assert torch.equal(only.landmarks, only.points[:2])
    left, top, right, bottom = only.box.tolist()
    assert left == only.points[:, 0].min() - 2
    assert bottom == only.points[:, 1].max() + 2
    assert (right > left) & (bottom > top)


@pytest.mark.parametrize("quarters", range(4))
def test_turning_back_undoes_turning(quarters: int) -> None:
    picture = torch.arange(3 * 5 * 7.0).reshape(3, 5, 7)
    turned = picture.rot90(quarters, (1, 2))
    rows, columns = torch.meshgrid(*(torch.arange(n) + 0.5 for n in turned.shape[1:]), indexing="ij")
    places = torch.stack([columns.flatten(), rows.flatten()], dim=1)
    back = candidates.warp.apply(candidates.turned_back(5, 7, quarters), places).long()
    assert torch.equal(picture[:, back[:, 1], back[:, 0]], turned.flatten(1))


def test_faces_are_counted_from_the_left_and_the_largest_is_meant() -> None:
    found = candidates.search(painted((30, 5), (2, 20), (45, 20)), DotDetector())
    lefts = [float(one.box[0]) for one in found.faces]
    assert lefts == sorted(lefts)
    assert candidates.choose(found, 3) is found.faces[2]
    sizes = candidates.Search(
        faces=(face(0, 0, 5), face(20, 0, 9), face(40, 0, 7)), quarters=0, looked_for=""
    )
    assert candidates.choose(sizes) is sizes.faces[1]


@pytest.mark.parametrize("number", [0, -1, 3])
def test_a_number_that_nobody_has_is_refused_with_the_list(number: int) -> None:
    found = candidates.search(painted((2, 2), (30, 5)), DotDetector())
    with pytest.raises(UsageError, match=r"face 1 is .* pixels wide around .*face 2"):
        candidates.choose(found, number)


def test_without_a_face_one_is_told_what_was_looked_for_and_what_to_try() -> None:
    found = candidates.search(torch.zeros(3, 40, 60), DotDetector())
    with pytest.raises(MediaError) as caught:
        candidates.choose(found, name="holiday.jpg")
    for words in ("holiday.jpg", "looks for dots", "at least 3 pixels", "60 x 40", "upside down", "closer"):
        assert words in str(caught.value)


def test_doubles_go_and_the_surest_stays() -> None:
    weak, strong, other = face(0, 0, 10, 0.5), face(1, 1, 10, 0.9), face(30, 0, 10, 0.7)
    assert candidates.without_doubles([weak, other, strong]) == [strong, other]


def test_overlap_is_shared_area_over_joint_area() -> None:
    assert candidates.overlap(face(0, 0, 10), face(0, 0, 10)) == pytest.approx(1)
    assert candidates.overlap(face(0, 0, 10), face(5, 0, 10)) == pytest.approx(50 / 150)
    assert candidates.overlap(face(0, 0, 10), face(10, 0, 10)) == 0
    assert candidates.overlap(face(0, 0, 0), face(0, 0, 0)) == 0
