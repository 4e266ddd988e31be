from __future__ import annotations

import io
import json
import math
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from phiz.console import Console
from phiz.errors import DataError
from phiz.face.coeffs import FaceCoeffs, Sizes, neutral
from phiz.graphics import camera as cameras
from phiz.graphics.camera import Camera
from phiz.media import audio
from phiz.world.data import guide, layout


@dataclass(frozen=True, kw_only=True)
class Painted:
    """A picture from random numbers, with the fields that painting gives."""

    image: Tensor
    labels: Tensor
    depth: Tensor
    normals: Tensor
    albedo: Tensor
    alpha: Tensor
    landmarks68: Tensor
    landmarks_visible: Tensor
    landmarks478: Tensor
    coeffs: FaceCoeffs
    camera: Camera
    identity: int


def painted(seed: int = 0, side: int = 24) -> Painted:
    random = torch.Generator().manual_seed(seed)

    def uniform(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=random)

    covered = uniform(side, side) > 0.3
    face = neutral(Sizes(identity=4, expression=5, texture=3))
    face = replace(face, expression=uniform(1, 5), rotation=uniform(1, 3), neck=0.3 * uniform(1, 3))
    coarse = uniform(1, 3, 4, 4) * 2 - 1
    return Painted(
        image=torch.nn.functional.interpolate(coarse, size=(side, side), mode="bilinear")[0],
        labels=(uniform(side, side) * 19).to(torch.uint8),
        depth=torch.where(covered, 0.5 + 2 * uniform(side, side), torch.inf),
        normals=torch.nn.functional.normalize(uniform(3, side, side) - 0.5, dim=0) * covered,
        albedo=uniform(3, side, side),
        alpha=(uniform(side, side) * 4).round() / 4,
        landmarks68=uniform(68, 2) * side,
        landmarks_visible=(uniform(68) > 0.5).float(),
        landmarks478=torch.zeros(0, 2),
        coeffs=face,
        camera=cameras.from_fov(cameras.orbit(uniform(1), uniform(1), 2.0), 0.3),
        identity=7_000_000_001,
    )


def test_labels_come_back_as_exactly_as_their_files_allow() -> None:
    picture = painted()
    back = layout.decode(layout.encode(picture, basis="toy"))
    assert torch.equal(back["labels"], picture.labels)
    far = picture.depth.isinf()
    assert torch.equal(back["depth"].isinf(), far)
    assert (back["depth"] - picture.depth)[~far].abs().max() <= 0.51 * layout.DEPTH_UNIT
    assert (back["normals"] - picture.normals).abs().max() < 0.01
    assert torch.equal(back["normals"].norm(dim=0) > 0.5, picture.normals.norm(dim=0) > 0.5)
    assert (back["albedo"] - picture.albedo).abs().max() < 0.006
    assert (back["alpha"] - picture.alpha).abs().max() < 0.003
    assert (back["image"] - picture.image).abs().mean() < 0.03


def test_what_is_known_about_a_picture_comes_back_as_float32() -> None:
    picture = painted(3)
    face, camera, facts = layout.decode_facts(layout.encode(picture, basis="toy"))
    for name in ("identity", "expression", "rotation", "neck", "gaze", "light"):
        torch.testing.assert_close(getattr(face, name), getattr(picture.coeffs, name), rtol=1e-6, atol=1e-7)
    torch.testing.assert_close(camera.world_from_camera, picture.camera.world_from_camera)
    torch.testing.assert_close(torch.tensor(facts["landmarks68"]), picture.landmarks68)
    assert (facts["identity"], facts["basis"], facts["size"]) == (7_000_000_001, "toy", [24, 24])


def test_the_same_picture_gives_the_same_bytes() -> None:
    assert layout.encode(painted(5), basis="toy") == layout.encode(painted(5), basis="toy")


def test_a_head_that_looks_into_the_camera_has_no_rotation() -> None:
    yaw, pitch = torch.tensor([0.4]), torch.tensor([-0.2])
    camera = cameras.from_fov(cameras.orbit(yaw, pitch, 2.0), 0.3)
    face = neutral(Sizes(identity=1, expression=1, texture=1))
    face = replace(face, rotation=torch.stack([pitch, yaw, torch.zeros(1)], dim=1))
    turned, placed = layout.head_pose(face, camera)
    torch.testing.assert_close(turned, torch.zeros(3), atol=1e-6, rtol=0)
    torch.testing.assert_close(placed, torch.tensor([0.0, 0.0, -2.0]), atol=1e-6, rtol=0)


def test_the_guides_folders_hold_what_was_painted(tmp_path: Path) -> None:
    def make(number: int) -> dict[str, bytes]:
        return layout.encode(painted(number), basis="toy")

    folder = tmp_path / "people"
    quiet = Console(quiet=True, errors=io.StringIO())
    people = guide.write_guide(make, folder, count=6, per_person=3, seed=0, console=quiet)
    assert people == 2
    assert sorted(str(p.relative_to(folder)) for p in folder.rglob("*.*")) == [
        "audio/0001/00001.wav",
        "audio/0002/00001.wav",
        *(f"images/000{p}/0000{f}.jpg" for p in (1, 2) for f in (1, 2, 3)),
        *(f"metadata/{kind}.json" for kind in ("expressions", "landmarks", "poses")),
    ]
    assert (folder / "images/0002/00001.jpg").read_bytes() == make(3)["jpg"]
    about = json.loads((folder / "metadata/expressions.json").read_text())
    assert about["header"]["basis"] == "toy"
    torch.testing.assert_close(torch.tensor(about["frames"]["0002/00001"]), painted(3).coeffs.expression[0])
    assert len(audio.read(folder / "audio/0001/00001.wav")) == round(3 / 25 * 16_000)
    with pytest.raises(DataError, match="not empty"):
        guide.write_guide(make, folder, count=6, per_person=3, seed=0, console=quiet)


@pytest.mark.parametrize("seed", [0, 1])
def test_a_murmur_is_voiced_and_stays_in_range(seed: int) -> None:
    voice = guide.murmur(1.0, seed=seed)
    assert len(voice) == 16_000
    assert 0.2 < float(voice.abs().max()) <= 0.5
    lags = range(16_000 // 240, 16_000 // 80)  # a pitch between 80 and 240 Hz repeats
    piece = voice[4000:6000]
    alike = max(float(torch.dot(piece, voice[4000 - lag : 6000 - lag])) for lag in lags)
    assert alike > 0.5 * float(piece.square().sum())
    assert torch.equal(voice, guide.murmur(1.0, seed=seed))
    assert math.isclose(float(guide.murmur(0.0, seed=seed).sum()), 0.0)
