"""What a motion asks of a face and of the camera."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from avatar_fixtures import making

from phiz.animate import acting
from phiz.avatar.avatar import Avatar
from phiz.errors import UsageError
from phiz.face import supplied
from phiz.face.coeffs import still
from phiz.face.head import Head
from phiz.graphics import camera as cameras
from phiz.graphics import frames, rotation


def test_blinks_close_lids_that_are_not_closed_further(someone: Avatar, our_head: Head) -> None:
    motion = making(our_head, 2, eyeBlinkLeft=0.7)
    motion = replace(motion, blink=torch.tensor([[0.2, 0.9], [1.0, 0.0]]))
    face = acting.faces(someone.rest, motion, our_head)
    left, right = (our_head.expression_names.index(name) for name in acting.BLINKS)
    assert face.expression[:, left].tolist() == pytest.approx([0.7, 1.0])
    assert face.expression[:, right].tolist() == pytest.approx([0.9, 0.0])
    assert torch.equal(face.identity[1], someone.rest.identity[0])
    assert float(motion.expression[1, left]) == pytest.approx(0.7)  # the motion itself stays


def test_a_head_that_turns_looks_the_same_as_a_camera_that_goes_round(
    someone: Avatar, our_head: Head
) -> None:
    motion = still(our_head.name, our_head.sizes.expression, 2)
    turned = torch.tensor([[0.1, -0.3, 0.05], [0.0, 0.2, 0.0]])
    shifted = torch.tensor([[0.01, 0.0, 0.02], [0.0, -0.01, 0.0]])
    motion = replace(motion, rotation=turned, translation=shifted)
    points = our_head.landmarks(our_head.vertices(someone.rest))
    pivot = acting.pivot_of(our_head)
    moved = (points - pivot) @ rotation.from_euler(turned).mT + pivot + shifted[:, None]
    there = someone.generator_from_head
    before = cameras.project(someone.camera, frames.transform(there, moved))
    round_about = acting.camera_of(someone.camera, motion, our_head, there)
    after = cameras.project(round_about, frames.transform(there, points.expand(2, -1, -1)))
    assert torch.allclose(before, after, atol=1e-5)


def test_motions_of_strange_heads_are_refused(our_head: Head) -> None:
    motion = making(our_head)
    assert acting.fitting(motion, our_head) is motion
    with pytest.raises(UsageError, match="phiz head retarget"):
        acting.fitting(still("somebody", 3, 1), our_head)


def test_motions_of_the_built_in_head_move_other_heads(
    miniature: supplied.SuppliedHead, our_head: Head
) -> None:
    told = acting.fitting(making(our_head, 2, jawOpen=0.5), miniature)
    assert told.basis == miniature.name
    assert told.expression.shape == (2, miniature.sizes.expression)
    assert acting.pivot_of(miniature).shape == (3,)
