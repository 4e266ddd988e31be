"""BFM 2009, on files that the tests write themselves."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import scipy.io
import torch

from phiz.errors import HeadError
from phiz.face import bfm
from phiz.face.bfm import Bfm
from phiz.face.coeffs import Sizes, neutral
from phiz.face.morphable import MorphableModel
from phiz.face.supplied import SuppliedHead
from phiz.graphics import camera, rotation

Fields = dict[str, npt.NDArray[np.generic]]


@pytest.fixture
def fields(miniature: SuppliedHead) -> Fields:
    """Return the arrays of a Basel file for the egg of the miniature head, in decimetres."""
    chance = np.random.default_rng(0)
    triangles = miniature.triangles[miniature.parts < 13].numpy()
    count = int(triangles.max()) + 1
    front = np.flatnonzero(miniature.mean[:count, 2] > 0)
    place = np.full(count, -1)
    place[front] = np.arange(len(front))
    inner = place[triangles][(place[triangles] >= 0).all(axis=1)]
    return {
        "meanshape": (10 * miniature.mean[:count].double().numpy() + [0.5, 0, 0]).reshape(1, -1),
        "idBase": 0.01 * chance.standard_normal((3 * count, 80)),
        "exBase": 0.01 * chance.standard_normal((3 * count, 64)),
        "meantex": chance.uniform(100, 200, (1, 3 * count)),
        "texBase": chance.standard_normal((3 * count, 80)),
        "tri": triangles.astype(np.float64) + 1,
        "keypoints": miniature.landmark_vertices.numpy().astype(np.float64)[None] + 1,
        "skinmask": (miniature.skin_mask[:count].numpy()[None] > 0).astype(np.uint8),
        "frontmask2_idx": front.astype(np.float64)[:, None] + 1,
        "tri_mask2": inner.astype(np.float64) + 1,
    }


def _read(folder: Path, fields: Fields) -> Bfm:
    scipy.io.savemat(folder / "model.mat", fields, do_compression=True)
    return bfm.read(folder / "model.mat")


def test_it_is_a_head_model_like_any_other(tmp_path: Path, fields: Fields) -> None:
    model = _read(tmp_path, fields)
    assert isinstance(model, MorphableModel)
    assert (model.sizes.identity, model.sizes.expression, model.sizes.texture) == (80, 64, 80)


def test_the_mean_shape_is_centred(tmp_path: Path, fields: Fields) -> None:
    model = _read(tmp_path, fields)
    assert model.vertices(neutral(model.sizes)).mean(dim=1).abs().max() < 1e-6


def test_the_vector_and_the_face_are_one(tmp_path: Path) -> None:
    vector = torch.randn(4, 257, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(bfm.to_vector(bfm.from_vector(vector)), vector, atol=1e-6, rtol=1e-6)


def test_the_zero_vector_is_the_neutral_face() -> None:
    face = bfm.from_vector(torch.zeros(1, 257))
    expected = neutral(Sizes(identity=80, expression=64, texture=80))
    for field in dataclasses.fields(face):
        assert torch.equal(getattr(face, field.name), getattr(expected, field.name)), field.name


def test_the_light_of_each_channel_stands_together_in_the_vector() -> None:
    face = bfm.from_vector(torch.arange(257.0)[None])
    assert face.light[0, 1:, 1].tolist() == list(range(237, 245))


def test_what_the_vector_cannot_hold_is_refused() -> None:
    face = bfm.from_vector(torch.zeros(1, 257))
    with pytest.raises(ValueError, match="jaw, neck or gaze"):
        bfm.to_vector(dataclasses.replace(face, jaw=torch.ones(1, 3)))
    with pytest.raises(ValueError, match="modes"):
        bfm.to_vector(dataclasses.replace(face, expression=torch.zeros(1, 52)))


def test_the_published_camera_is_one_of_ours(tmp_path: Path, fields: Fields) -> None:
    model = _read(tmp_path, fields)
    face = bfm.from_vector(0.3 * torch.randn(2, 257, generator=torch.Generator().manual_seed(2)))
    points = model.vertices(face)
    x, y = bfm.project(bfm.to_camera(points, face)).unbind(-1)
    turn = rotation.from_euler(face.rotation).transpose(1, 2)
    world = bfm.DECIMETRE * points @ turn + face.translation[:, None]
    eye = torch.tensor([[0.0, 0.0, 1.0]]).expand(2, 3)
    focal = torch.full((2,), bfm.FOCAL / (bfm.PICTURE / 2))
    ours = camera.Camera(
        world_from_camera=camera.look_at(eye, torch.zeros(2, 3)),
        intrinsics=camera.intrinsics_from_focal(focal),
    )
    pixels = camera.to_pixels(camera.project(ours, world)[..., :2], bfm.PICTURE, bfm.PICTURE)
    expected = torch.stack([x, bfm.PICTURE - y], dim=-1)
    torch.testing.assert_close(pixels, expected, atol=2e-3, rtol=1e-5)


def test_triangles_of_the_front_lie_in_front_and_are_real(tmp_path: Path, fields: Fields) -> None:
    model = _read(tmp_path, fields)
    real = {tuple(row) for row in model.triangles.tolist()}
    assert {tuple(row) for row in model.front_triangles.tolist()} <= real
    assert (model.mean[model.front_triangles][..., 2] > model.mean[:, 2].mean() - 0.1).all()


def test_normals_are_not_weighted_by_area(tmp_path: Path, fields: Fields) -> None:
    model = _read(tmp_path, fields)
    vertices = model.vertices(neutral(model.sizes))
    expected = torch.zeros_like(vertices[0])
    for a, b, c in model.triangles.tolist():
        p, q, r = vertices[0, [a, b, c]]
        across = torch.linalg.cross(p - q, q - r)
        expected[[a, b, c]] += across / across.norm()
    expected = expected / expected.norm(dim=-1, keepdim=True)
    torch.testing.assert_close(model.normals(vertices)[0], expected, atol=1e-5, rtol=0)


def test_every_part_can_be_followed_back_to_the_coefficients(tmp_path: Path, fields: Fields) -> None:
    model = _read(tmp_path, fields)
    vector = (0.1 * torch.randn(1, 257, generator=torch.Generator().manual_seed(3))).requires_grad_()
    face = bfm.from_vector(vector)
    seen = bfm.project(model.landmarks(bfm.to_camera(model.vertices(face), face)))
    (seen.square().mean() + model.lit_colours(face).square().mean()).backward()  # type: ignore[no-untyped-call]
    assert vector.grad is not None
    assert (vector.grad != 0).all()


def test_a_file_without_a_field_is_refused(tmp_path: Path, fields: Fields) -> None:
    with pytest.raises(HeadError, match="exBase"):
        _read(tmp_path, {name: array for name, array in fields.items() if name != "exBase"})


@pytest.mark.parametrize("name", ["idBase", "meantex", "skinmask", "keypoints", "tri"])
def test_a_field_of_the_wrong_size_is_named(tmp_path: Path, fields: Fields, name: str) -> None:
    with pytest.raises(HeadError, match=name):
        _read(tmp_path, {**fields, name: fields[name][:, :-1] if name != "idBase" else fields[name][:-1]})


def test_vertices_that_do_not_exist_are_refused(tmp_path: Path, fields: Fields) -> None:
    with pytest.raises(HeadError, match="tri"):
        _read(tmp_path, {**fields, "tri": fields["tri"] - np.float64(1)})
