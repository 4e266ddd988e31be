"""Pictures are dropped for what is wrong with them, and for nothing else."""

from __future__ import annotations

import pytest
import torch
from prepare import known_people as people
from torch.nn import functional

from phiz.face import align
from phiz.face.candidates import FoundFace
from phiz.face.landmarks import COUNT, FacePoints
from phiz.media import image
from phiz.prepare import judge
from phiz.prepare.judge import REASONS, Limits

GOOD = {
    "sure": 0.99, "small": 1.0, "outside": 0.0, "seen": 0.95,
    "brightness": 0.5, "clipped": 0.02, "sharp": 0.5,
}  # fmt: skip


def _face(size: float) -> FoundFace:
    return FoundFace(box=torch.tensor([0.0, 0.0, size, size]), points=torch.zeros(5, 2), score=0.9)


def test_one_face_is_wanted_and_small_ones_behind_do_not_count() -> None:
    limits = Limits()
    assert judge.wrong_with_faces([], limits) == "no face"
    assert judge.wrong_with_faces([_face(100)], limits) == ""
    assert judge.wrong_with_faces([_face(30), _face(100)], limits) == ""
    assert judge.wrong_with_faces([_face(60), _face(100)], limits) == "several faces"


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("sure", 0.3, "points unsure"),
        ("small", 0.4, "too small"),
        ("outside", 0.1, "cut by the edge"),
        ("seen", 0.4, "cut by the edge"),
        ("brightness", 0.05, "too dark"),
        ("brightness", 0.95, "too bright"),
        ("clipped", 0.6, "too bright"),
        ("sharp", 0.2, "blurred"),
    ],
)
def test_each_measure_has_its_limit(name: str, value: float, reason: str) -> None:
    assert judge.wrong_with_crop(GOOD, Limits()) == ("", "")
    found, detail = judge.wrong_with_crop({**GOOD, name: value}, Limits())
    assert found == reason
    assert detail
    assert reason in REASONS


def test_turned_heads_and_bad_fits_are_dropped() -> None:
    limits = Limits()
    assert judge.wrong_with_fit(0.1, -0.9, 1.0, limits) == ("", "")
    assert judge.wrong_with_fit(0.1, -1.2, 1.0, limits)[0] == "extreme pose"
    assert judge.wrong_with_fit(0.8, 0.0, 1.0, limits)[0] == "extreme pose"
    assert judge.wrong_with_fit(0.0, 0.0, 0.2, limits)[0] == "no fit"


def test_sharpness_falls_with_blur_along_any_axis() -> None:
    crop = _crop(0)
    sharp = judge.sharpness(crop)
    moved = crop[None]
    for _ in range(2):
        moved = functional.avg_pool2d(moved, (1, 15), stride=1, padding=(0, 7))
    moved = moved[0]
    soft = functional.avg_pool2d(functional.avg_pool2d(moved[None], (15, 1), 1, (7, 0)), (15, 1), 1, (7, 0))[
        0
    ]
    assert sharp > 0.5
    assert judge.sharpness(soft) < 0.3
    assert judge.sharpness(moved) < 0.3
    assert judge.sharpness(moved.mT) < 0.3
    assert judge.sharpness(torch.zeros(3, 64, 64)) == 0


def test_hashes_know_a_picture_again_and_tell_others_apart() -> None:
    crop = _crop(5)
    worse = image.decode(image.encode(crop, ".jpg", quality=70))
    darker = 0.8 * (crop + 1) - 1
    same = [_apart(crop, other) for other in (worse, darker)]
    assert max(same) <= Limits().duplicate
    assert min(_apart(crop, _crop(number)) for number in (0, 7)) > 40
    assert len(judge.perceptual_hash(crop)) == 64


def test_points_beyond_the_edge_are_counted() -> None:
    shot = people.painted(0)
    xy = shot.faces[0] * people.SIDE
    points = FacePoints(xy=xy[None], sigma=torch.ones(1, COUNT), score=torch.tensor([0.9]))
    crop = align.ffhq(shot.picture, points.sparse[0], 64)
    found = judge.measured(shot.picture, points, crop, shrunk=0.5)
    assert found["outside"] == 0
    assert found["small"] == pytest.approx(2 * judge.measured(shot.picture, points, crop)["small"])
    narrow = shot.picture[:, :, : int(xy[:, 0].mean())]
    assert judge.measured(narrow, points, crop)["outside"] > 0.3


@pytest.mark.parametrize("wrong", [{"sharp": 1.5}, {"small": -1.0}, {"yaw_deg": -1.0}])
def test_senseless_limits_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="--limits"):
        Limits(**wrong)  # type: ignore[arg-type]


def _crop(number: int) -> torch.Tensor:
    shot = people.painted(number)
    return align.ffhq(shot.picture, shot.faces[0][:68] * people.SIDE, 128).picture


def _apart(one: torch.Tensor, other: torch.Tensor) -> int:
    bits = int(judge.perceptual_hash(one), 16) ^ int(judge.perceptual_hash(other), 16)
    return bits.bit_count()
