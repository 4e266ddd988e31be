"""Faces and motions as bundles of tensors."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch
from jaxtyping import TypeCheckError

from phiz import checkpoint
from phiz.errors import CheckpointError
from phiz.face.coeffs import FaceCoeffs, Motion, Sizes, concatenate, neutral, stack, still

SIZES = Sizes(identity=5, expression=4, texture=3)


def _motion(frames: int, seed: int = 0, basis: str = "egg", fps: float = 25.0) -> Motion:
    chance = torch.Generator().manual_seed(seed)
    return Motion(
        expression=torch.rand(frames, 4, generator=chance),
        basis=basis,
        rotation=torch.randn(frames, 3, generator=chance),
        translation=torch.randn(frames, 3, generator=chance),
        gaze=torch.randn(frames, 2, 2, generator=chance),
        blink=torch.rand(frames, 2, generator=chance),
        fps=fps,
    )


def _assert_equal(a: FaceCoeffs | Motion, b: FaceCoeffs | Motion) -> None:
    for field in dataclasses.fields(a):
        left, right = getattr(a, field.name), getattr(b, field.name)
        if isinstance(left, torch.Tensor):
            torch.testing.assert_close(left, right, rtol=0, atol=0)
        else:
            assert left == right


def test_the_neutral_face_is_all_zero_but_for_its_light() -> None:
    face = neutral(SIZES, 2)
    assert face.batch == 2
    for field in dataclasses.fields(face):
        if field.name != "light":
            assert not getattr(face, field.name).any()
    assert torch.equal(face.light[:, 0], torch.full((2, 3), 0.8))
    assert not face.light[:, 1:].any()


def test_cutting_a_batch_and_stacking_the_pieces_gives_it_back() -> None:
    chance = torch.Generator().manual_seed(1)
    whole = neutral(SIZES, 5)
    whole = dataclasses.replace(whole, identity=torch.randn(5, 5, generator=chance))
    _assert_equal(stack([whole[:2], whole[2:]]), whole)


def test_stacking_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        stack([])


def test_a_face_moves_to_another_device_as_a_whole() -> None:
    moved = neutral(SIZES).to("meta")
    assert {getattr(moved, f.name).device.type for f in dataclasses.fields(moved)} == {"meta"}


def test_a_motion_comes_back_from_its_file_as_it_was(tmp_path: Path) -> None:
    motion = _motion(7, fps=29.97)
    motion.save(tmp_path / "a.safetensors")
    _assert_equal(Motion.load(tmp_path / "a.safetensors"), motion)


def test_a_slice_of_a_motion_can_be_saved(tmp_path: Path) -> None:
    motion = _motion(9)[2:5]
    motion.save(tmp_path / "a.safetensors")
    _assert_equal(Motion.load(tmp_path / "a.safetensors"), motion)


def test_a_motion_file_without_all_its_parts_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "half.safetensors"
    about = {"basis": "egg", "fps": 25}
    checkpoint.save(path, kind="motion", config=about, tensors={"gaze": torch.zeros(1, 2, 2)})
    with pytest.raises(CheckpointError, match="missing or unknown"):
        Motion.load(path)


def test_a_file_of_another_kind_is_no_motion(tmp_path: Path) -> None:
    path = tmp_path / "other.safetensors"
    checkpoint.save(path, kind="avatar", config={}, tensors={"a": torch.zeros(1)})
    with pytest.raises(CheckpointError, match="avatar"):
        Motion.load(path)


def test_pieces_of_a_motion_joined_again_are_the_motion() -> None:
    motion = _motion(10)
    joined = concatenate([motion[:4], motion[4:4], motion[4:]])
    _assert_equal(joined, motion)
    assert (len(joined), joined.seconds) == (10, 10 / 25)


def test_a_single_frame_is_asked_for_with_a_slice() -> None:
    with pytest.raises((TypeError, TypeCheckError), match="slice"):
        _motion(3)[1]  # type: ignore[index]


@pytest.mark.parametrize("other", [_motion(2, basis="bfm"), _motion(2, fps=30.0)])
def test_motions_of_different_kinds_cannot_be_joined(other: Motion) -> None:
    with pytest.raises(ValueError, match="retarget or resample"):
        concatenate([_motion(2), other])


def test_joining_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        concatenate([])


def test_a_still_motion_lasts_as_long_as_asked() -> None:
    motion = still("egg", 4, 50)
    assert motion.seconds == 2.0
    assert not motion.expression.any()
