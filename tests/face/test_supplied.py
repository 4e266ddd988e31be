"""The head of a folder: a miniature one always, the real one where it is at hand."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch

from phiz.errors import HeadError
from phiz.face import supplied
from phiz.face.coeffs import neutral
from phiz.face.correspond import nearest
from phiz.face.morphable import ARKIT_NAMES, REGIONS, Part, region
from phiz.face.supplied import SuppliedHead

Arrays = dict[str, npt.NDArray[np.generic]]


def test_the_neutral_face_is_the_mean_in_metres(miniature: SuppliedHead, miniature_arrays: Arrays) -> None:
    vertices = miniature.vertices(neutral(miniature.sizes, 2))
    expected = torch.from_numpy(np.asarray(miniature_arrays["v"], np.float32)) * 0.01
    torch.testing.assert_close(vertices, expected.expand(2, -1, -1))


def test_modes_add_up(miniature: SuppliedHead) -> None:
    rest = neutral(miniature.sizes)
    chance = torch.Generator().manual_seed(0)
    first = dataclasses.replace(rest, identity=torch.randn(1, 4, generator=chance))
    second = dataclasses.replace(rest, expression=torch.rand(1, miniature.sizes.expression, generator=chance))
    both = dataclasses.replace(first, expression=second.expression)
    mean = miniature.vertices(rest)
    moved = miniature.vertices(first) - mean + miniature.vertices(second) - mean
    torch.testing.assert_close(miniature.vertices(both) - mean, moved, atol=1e-7, rtol=1e-4)


def test_a_name_split_in_two_moves_both_halves(miniature: SuppliedHead, miniature_arrays: Arrays) -> None:
    assert "browInnerUp" in miniature.expression_names
    assert "mouthSmileLeft" in miniature.expression_names
    theirs = list(miniature_arrays["expr_names"])
    halves = [theirs.index("browInnerUp_L"), theirs.index("browInnerUp_R")]
    moved = np.asarray(miniature_arrays["expr_q"])[halves].astype(np.float32).sum(axis=0) * 1e-4
    mode = miniature.expression_modes[miniature.expression_names.index("browInnerUp")]
    torch.testing.assert_close(mode, torch.from_numpy(moved) * 0.01, atol=1e-7, rtol=1e-5)


def test_names_stand_in_the_order_of_arkit(miniature: SuppliedHead) -> None:
    places = [ARKIT_NAMES.index(name) for name in miniature.expression_names]
    assert places == sorted(places)


def test_a_smile_on_the_left_moves_the_left(miniature: SuppliedHead) -> None:
    mode = miniature.expression_modes[miniature.expression_names.index("mouthSmileLeft")]
    assert miniature.mean[mode.norm(dim=-1).argmax(), 0] > 0


def test_landmarks_lie_on_the_surface(miniature: SuppliedHead) -> None:
    points = miniature.landmarks(miniature.mean[None])
    assert nearest(points[0], miniature.mean)[1].max() < 1e-6


def test_regions_and_masks_are_weights(miniature: SuppliedHead) -> None:
    for weights in (miniature.regions, miniature.skin_mask, miniature.lip_mask):
        assert 0 <= float(weights.min()) <= float(weights.max()) <= 1
    assert not ((miniature.skin_mask > 0) & (miniature.lip_mask > 0.5)).any()


def test_brows_lie_on_their_own_sides(miniature: SuppliedHead) -> None:
    assert (miniature.mean[region(miniature, "left_brow") > 0, 0] > 0).all()
    assert (miniature.mean[region(miniature, "right_brow") > 0, 0] < 0).all()


def test_eyeballs_know_where_they_look(miniature: SuppliedHead) -> None:
    for part in (Part.LEFT_EYE, Part.RIGHT_EYE):
        own = torch.unique(miniature.triangles[miniature.parts == int(part)])
        torch.testing.assert_close(miniature.eye_local[own].norm(dim=-1), torch.ones(len(own)))


def test_a_folder_without_the_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(HeadError, match=r"no head\.npz"):
        supplied.read(tmp_path)


def test_a_file_that_is_no_archive_is_refused(tmp_path: Path) -> None:
    (tmp_path / "head.npz").write_bytes(b"not a zip at all")
    with pytest.raises(HeadError, match="cannot be read"):
        supplied.read(tmp_path)


def test_an_archive_that_ends_too_early_is_refused(tmp_path: Path, miniature_folder: Path) -> None:
    whole = (miniature_folder / "head.npz").read_bytes()
    (tmp_path / "head.npz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(HeadError, match="cannot be read"):
        supplied.read(tmp_path)


def test_missing_arrays_are_named(tmp_path: Path) -> None:
    np.savez(tmp_path / "head.npz", v=np.zeros((3, 3)))
    with pytest.raises(HeadError, match="id_q"):
        supplied.read(tmp_path)


def test_every_array_that_the_head_needs_is_asked_for(tmp_path: Path, miniature_arrays: Arrays) -> None:
    for name in miniature_arrays:
        rest = {k: v for k, v in miniature_arrays.items() if k != name}
        np.savez(tmp_path / "head.npz", **rest)  # type: ignore[arg-type]
        with pytest.raises(HeadError):
            supplied.read(tmp_path)


def test_the_real_head_has_its_parts_where_they_belong(heads: Path) -> None:
    head = supplied.read(heads)
    assert (head.sizes.identity, head.sizes.expression) == (100, len(head.expression_names))
    assert {int(part) for part in torch.unique(head.parts)} == {int(part) for part in Part}
    centre = head.mean[head.triangles].mean(dim=1)
    assert (centre[head.parts == int(Part.LEFT_EYE), 0] > 0).all()
    upper, lower = (centre[head.parts == int(p), 1] for p in (Part.UPPER_TEETH, Part.LOWER_TEETH))
    assert upper.mean() > lower.mean()
    assert all(float(head.regions[:, i].max()) > 0.3 for i in range(len(REGIONS)))


def test_normals_of_the_real_face_point_to_the_viewer(heads: Path) -> None:
    head = supplied.read(heads)
    normals = head.normals(head.mean[None])[0]
    assert (normals[head.landmark_vertices[27:36], 2] > 0).all()
