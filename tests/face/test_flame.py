"""FLAME on a file of its shape with made-up numbers, against a slow and plain version."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from safetensors.numpy import save_file
from scipy.spatial.transform import Rotation

from phiz.errors import HeadError
from phiz.face import flame
from phiz.face.coeffs import FaceCoeffs, neutral
from phiz.face.flame import Flame
from phiz.face.morphable import MorphableModel, Part
from phiz.face.supplied import SuppliedHead

Fields = dict[str, npt.NDArray[np.generic]]

EXPRESSIONS = 6


@pytest.fixture
def fields(miniature: SuppliedHead) -> Fields:
    """Return arrays of FLAME's names and shapes for the egg of the miniature head."""
    chance = np.random.default_rng(0)
    mean, triangles = miniature.mean.numpy(), miniature.triangles.numpy().astype(np.uint32)
    count = len(mean)
    joints = np.array(
        [[0, -0.09, 0], [0, -0.06, 0], [0, -0.01, 0.01], [0.03, 0.03, 0.06], [-0.03, 0.03, 0.06]]
    )
    apart = np.linalg.norm(mean[:, None] - joints, axis=2)
    weights = np.exp(-((apart / 0.02) ** 2)) + 1e-6
    for joint, part in ((3, Part.LEFT_EYE), (4, Part.RIGHT_EYE)):
        own = np.unique(triangles[miniature.parts.numpy() == int(part)])
        weights[own] = np.eye(5)[joint]
    nearest = np.exp(-((apart / 0.02) ** 2))
    points = miniature.landmark_vertices.numpy()[17:]
    faces = np.array([np.flatnonzero((triangles == point).any(axis=1))[0] for point in points])
    return {
        "v_template": mean.astype(np.float64),
        "f": triangles,
        "shapedirs": 0.002 * chance.standard_normal((count, 3, flame.SHAPE_MODES + EXPRESSIONS)),
        "posedirs": 0.0002 * chance.standard_normal((count, 3, 36)),
        "J_regressor": (nearest / nearest.sum(axis=0)).T,
        "weights": weights / weights.sum(axis=1, keepdims=True),
        "lmk_faces_idx": faces,
        "lmk_bary_coords": (triangles[faces] == points[:, None]).astype(np.float64),
    }


@pytest.fixture
def model(tmp_path: Path, fields: Fields, miniature: SuppliedHead) -> Flame:
    np.savez(tmp_path / "flame.npz", **fields)  # type: ignore[arg-type]
    return flame.read(tmp_path / "flame.npz", miniature.landmarks(miniature.mean[None])[0])


def _face(model: Flame, batch: int = 2) -> FaceCoeffs:
    chance = torch.Generator().manual_seed(5)

    def some(*shape: int) -> torch.Tensor:
        return 0.4 * torch.randn(batch, *shape, generator=chance)

    return dataclasses.replace(
        neutral(model.sizes, batch),
        identity=some(model.sizes.identity),
        expression=some(model.sizes.expression),
        jaw=some(3),
        neck=some(3),
        gaze=some(2, 2),
    )


def _plain(fields: Fields, face: FaceCoeffs, row: int) -> npt.NDArray[np.float64]:
    """Return the surface of one face, one vertex and one joint at a time."""
    modes = np.asarray(fields["shapedirs"], np.float64)
    identity, expression = face.identity[row].double().numpy(), face.expression[row].double().numpy()
    shaped = fields["v_template"] + modes[:, :, : flame.SHAPE_MODES] @ identity
    joints = fields["J_regressor"] @ shaped
    (left_yaw, left_pitch), (right_yaw, right_pitch) = face.gaze[row].tolist()
    angles = [(0, 0, 0), face.neck[row].tolist(), face.jaw[row].tolist()]
    angles += [(left_pitch, left_yaw, 0), (right_pitch, right_yaw, 0)]
    turns = [Rotation.from_euler("xyz", angle).as_matrix() for angle in angles]
    bent = np.concatenate([(turn - np.eye(3)).reshape(-1) for turn in turns[1:]])
    shaped = shaped + modes[:, :, flame.SHAPE_MODES :] @ expression + fields["posedirs"] @ bent
    result = np.zeros_like(shaped)
    for vertex, point in enumerate(shaped):
        for joint in range(5):
            moved, at = point, joint
            while at >= 0:
                moved = turns[at] @ (moved - joints[at]) + joints[at]
                at = flame.PARENTS[at]
            result[vertex] += float(fields["weights"][vertex, joint]) * moved
    return np.asarray(result)


def test_it_is_a_head_model_like_any_other(model: Flame) -> None:
    assert isinstance(model, MorphableModel)


def test_the_surface_is_that_of_the_plain_version(model: Flame, fields: Fields) -> None:
    face = _face(model)
    for row, surface in enumerate(model.vertices(face)):
        expected = torch.from_numpy(_plain(fields, face, row)).float()
        torch.testing.assert_close(surface, expected, atol=2e-6, rtol=0)


def test_at_rest_nothing_moves(model: Flame) -> None:
    torch.testing.assert_close(model.vertices(neutral(model.sizes))[0], model.mean, atol=1e-7, rtol=0)


def test_a_gaze_to_the_left_turns_the_left_eye_to_the_left(model: Flame, miniature: SuppliedHead) -> None:
    rest = neutral(model.sizes)
    turned = dataclasses.replace(rest, gaze=torch.tensor([[[0.3, 0.0], [0.0, 0.0]]]))
    quiet = Flame.vertices(model, rest)[0]
    moved = Flame.vertices(model, turned)[0] - quiet
    eye = torch.unique(model.triangles[miniature.parts == int(Part.LEFT_EYE)])
    front = eye[quiet[eye, 2].argmax()]
    assert moved[front, 0] > 0
    other = torch.unique(model.triangles[miniature.parts == int(Part.RIGHT_EYE)])
    # Correctives of the made-up file move a little everywhere; the other eye does not turn.
    assert moved[other].norm(dim=-1).max() < 0.2 * moved[front, 0]


def test_the_skull_moves_with_the_neck_alone(model: Flame) -> None:
    face = _face(model)
    still = dataclasses.replace(face, jaw=torch.zeros(2, 3), gaze=torch.zeros(2, 2, 2))
    torch.testing.assert_close(model.skull(face), model.skull(still))
    torch.testing.assert_close(model.skull(neutral(model.sizes)), torch.eye(4)[None], atol=1e-6, rtol=0)


def test_landmarks_are_those_of_the_file_and_the_nearest_on_the_jaw(
    model: Flame, miniature: SuppliedHead
) -> None:
    found = model.landmarks(model.mean[None])
    torch.testing.assert_close(found, miniature.landmarks(miniature.mean[None]), atol=1e-6, rtol=0)


def test_all_68_landmarks_of_a_file_are_taken_as_they_are(tmp_path: Path, fields: Fields) -> None:
    chance = np.random.default_rng(1)
    shares = chance.dirichlet(np.ones(3), 68)
    faces = chance.integers(0, len(fields["f"]), (1, 68))
    full = {**fields, "full_lmk_faces_idx": faces, "full_lmk_bary_coords": shares[None]}
    np.savez(tmp_path / "flame.npz", **full)  # type: ignore[arg-type]
    model = flame.read(tmp_path / "flame.npz")
    corners = np.asarray(fields["v_template"])[np.asarray(fields["f"])[faces[0]]]
    expected = torch.from_numpy((corners * shares[:, :, None]).sum(axis=1)).float()
    torch.testing.assert_close(model.landmarks(model.mean[None])[0], expected, atol=1e-6, rtol=0)


def test_safetensors_are_as_good_as_npz(
    tmp_path: Path, fields: Fields, model: Flame, miniature: SuppliedHead
) -> None:
    save_file({k: np.ascontiguousarray(v) for k, v in fields.items()}, tmp_path / "flame.safetensors")
    other = flame.read(tmp_path / "flame.safetensors", miniature.landmarks(miniature.mean[None])[0])
    face = _face(model)
    assert torch.equal(other.vertices(face), model.vertices(face))


def test_a_pickle_is_not_even_opened(tmp_path: Path) -> None:
    (tmp_path / "generic_model.pkl").write_bytes(b"\x80\x04.")
    with pytest.raises(HeadError, match=r"docs/heads\.md"):
        flame.read(tmp_path / "generic_model.pkl")


def test_objects_inside_an_archive_are_refused(tmp_path: Path, fields: Fields) -> None:
    np.savez(tmp_path / "flame.npz", **{**fields, "v_template": np.array([{}], object)})  # type: ignore[arg-type]
    with pytest.raises(HeadError, match="cannot be read"):
        flame.read(tmp_path / "flame.npz")


@pytest.mark.parametrize("name", [*flame.WANTED, "lmk_faces_idx"])
def test_what_is_missing_is_named(tmp_path: Path, fields: Fields, name: str) -> None:
    rest = {k: v for k, v in fields.items() if k != name}
    np.savez(tmp_path / "flame.npz", **rest)  # type: ignore[arg-type]
    with pytest.raises(HeadError, match=name):
        flame.read(tmp_path / "flame.npz")


def test_51_landmarks_alone_need_another_head(tmp_path: Path, fields: Fields) -> None:
    np.savez(tmp_path / "flame.npz", **fields)  # type: ignore[arg-type]
    with pytest.raises(HeadError, match="full_lmk_faces_idx"):
        flame.read(tmp_path / "flame.npz")


@pytest.mark.parametrize("name", ["shapedirs", "posedirs", "weights", "J_regressor", "lmk_bary_coords"])
def test_arrays_that_do_not_fit_are_named(
    tmp_path: Path, fields: Fields, miniature: SuppliedHead, name: str
) -> None:
    np.savez(tmp_path / "flame.npz", **{**fields, name: fields[name][:-1]})  # type: ignore[arg-type]
    with pytest.raises(HeadError, match=name):
        flame.read(tmp_path / "flame.npz", miniature.landmarks(miniature.mean[None])[0])
