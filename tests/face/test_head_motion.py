"""Our own head in motion: neck, jaw, eyes and mouth do what they may and nothing else."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from head_poses import EYES, express, lid_zone, of, posed, seen
from torch import Tensor

from phiz.face.coeffs import neutral
from phiz.face.head import Head, rigid
from phiz.face.morphable import Part
from phiz.graphics import rotation
from phiz.train.head_score import poking, speech_like

# Neck and jaw


def test_the_skull_is_where_the_neck_puts_the_scalp(head: Head) -> None:
    face = posed(head, 3, seed=1)
    upright = head.vertices(replace(face, neck=torch.zeros(3, 3)))
    scalp = of(head, Part.SCALP, Part.UPPER_TEETH, Part.NOSE)
    figure_from_skull = head.skull(face)
    wanted = upright[:, scalp] @ figure_from_skull[:, :3, :3].mT + figure_from_skull[:, None, :3, 3]
    torch.testing.assert_close(head.vertices(face)[:, scalp], wanted, atol=1e-6, rtol=0)


def test_neck_and_jaw_leave_the_lower_rim_of_the_shoulders_still(head: Head, resting: Tensor) -> None:
    rim = of(head, Part.SHOULDERS)
    rim = rim[resting[rim, 1] < resting[:, 1].min() + 0.02]
    turned = torch.tensor([[0.4, -0.7, 0.3]])
    moved = head.vertices(replace(neutral(head.sizes), neck=turned, jaw=turned / 4))[0]
    assert len(rim) >= 10
    assert torch.equal(moved[rim], resting[rim])


def test_a_bent_neck_tears_nothing(head: Head, resting: Tensor) -> None:
    bent = head.vertices(replace(neutral(head.sizes), neck=torch.tensor([[0.3, 0.5, 0.2]])))[0]
    sheet = head.triangles[head.parts <= Part.SHOULDERS]

    def lengths(points: Tensor) -> Tensor:
        return (points[sheet] - points[sheet.roll(1, dims=1)]).norm(dim=-1)

    stretch = lengths(bent) / lengths(resting)
    assert float(stretch.max()) < 2.5
    assert float(stretch.min()) > 0.2


def test_the_jaw_turns_the_lower_teeth_rigidly_and_leaves_the_upper_ones(head: Head, resting: Tensor) -> None:
    angles = torch.tensor([[0.25, 0.03, 0.0]])
    moved = head.vertices(replace(neutral(head.sizes), jaw=angles))[0]
    upper, lower = of(head, Part.UPPER_TEETH), of(head, Part.LOWER_TEETH)
    torch.testing.assert_close(moved[upper], resting[upper], atol=1e-6, rtol=0)
    turn, _ = rigid(resting[lower], moved[None, lower])
    torch.testing.assert_close(turn, rotation.from_euler(angles), atol=1e-4, rtol=0)
    assert bool((moved[lower, 1] < resting[lower, 1]).all()), "positive pitch opens the mouth"


# Eyes


def test_gaze_turns_eyeballs_and_what_touches_them_only(head: Head, resting: Tensor) -> None:
    gaze = torch.tensor([[[0.4, -0.3], [-0.2, 0.25]]])
    moved = head.vertices(replace(neutral(head.sizes), gaze=gaze))[0]
    away = (moved - resting).norm(dim=-1)
    eyes = of(head, *EYES)
    still = ~lid_zone(head)
    still[eyes] = False
    assert float(away[still].max()) == 0
    assert float(away[lid_zone(head)].max()) < 3e-3
    for side, part in enumerate(EYES):
        own = of(head, part)
        turn, _ = rigid(resting[own], moved[None, own])
        yaw, pitch = gaze[0, side]
        angles = torch.stack([pitch, yaw, torch.zeros(())])
        torch.testing.assert_close(turn[0], rotation.from_euler(angles), atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    ("name", "side", "axis", "sign"),
    [
        ("eyeLookOutLeft", 0, 0, 1),
        ("eyeLookInLeft", 0, 0, -1),
        ("eyeLookUpLeft", 0, 1, 1),
        ("eyeLookDownLeft", 0, 1, -1),
        ("eyeLookOutRight", 1, 0, -1),
        ("eyeLookInRight", 1, 0, 1),
        ("eyeLookUpRight", 1, 1, 1),
        ("eyeLookDownRight", 1, 1, -1),
    ],
)
def test_expressions_that_look_turn_their_eye_that_way(
    head: Head, resting: Tensor, name: str, side: int, axis: int, sign: int
) -> None:
    moved = head.vertices(express(head, **{name: 1.0}))[0]
    own, other = of(head, EYES[side]), of(head, EYES[1 - side])
    pupil = own[resting[own, 2].argmax()]
    assert sign * float((moved - resting)[pupil, axis]) > 4e-3
    assert torch.equal(moved[other], resting[other])


def test_closed_lids_hide_the_eyes_of_anybody(head: Head) -> None:
    people = torch.randn(8, head.sizes.identity, generator=torch.Generator().manual_seed(5)).mul(0.8)
    closed = express(head, eyeBlinkLeft=1.0, eyeBlinkRight=1.0)
    for identity in people.clamp(-2, 2)[:, None]:
        opened = seen(head, head.vertices(replace(neutral(head.sizes), identity=identity))[0], *EYES)
        shut = seen(head, head.vertices(replace(closed, identity=identity))[0], *EYES)
        assert opened > 800
        assert shut < 0.01 * opened


def test_closed_lids_hide_eyes_that_look_aside(head: Head) -> None:
    closed = express(head, eyeBlinkLeft=1.0, eyeBlinkRight=1.0)
    for yaw, pitch in ((0.4, 0.0), (-0.4, 0.2), (0.0, 0.35)):
        face = replace(closed, gaze=torch.tensor([yaw, pitch]).expand(1, 2, 2))
        assert seen(head, head.vertices(face)[0], *EYES) < 25


def test_a_wink_closes_one_eye(head: Head, resting: Tensor) -> None:
    winking = head.vertices(express(head, eyeBlinkLeft=1.0))[0]
    assert seen(head, winking, Part.LEFT_EYE) < 10
    assert seen(head, winking, Part.RIGHT_EYE) == seen(head, resting, Part.RIGHT_EYE)


# Mouth


def test_mouth_close_alone_changes_nothing(head: Head, resting: Tensor) -> None:
    assert torch.equal(head.vertices(express(head, mouthClose=1.0))[0], resting)


@pytest.mark.parametrize("opening", [0.3, 0.6, 1.0])
def test_mouth_close_closes_an_open_jaw(head: Head, opening: float) -> None:
    opened = head.vertices(express(head, jawOpen=opening))
    closed = head.vertices(express(head, jawOpen=opening, mouthClose=opening))
    assert float(head.lips.gaps(opened).max()) > 0.025 * opening
    assert float(head.lips.gaps(closed).mean()) < 5e-4
    assert float(head.lips.gaps(closed).max()) < 0.1 * float(head.lips.gaps(opened).max())


def test_lips_never_pass_each_other_in_speech(head: Head) -> None:
    faces = speech_like(head, 100, torch.Generator().manual_seed(11))
    gaps = torch.cat([head.lips.gaps(head.vertices(faces[i : i + 20])) for i in range(0, 100, 20)])
    assert float(gaps.min()) > -2e-4


def test_lips_that_would_overlap_are_kept_apart(head: Head) -> None:
    pressed = express(head, mouthPressLeft=1.0, mouthPressRight=1.0, mouthRollLower=1.0, mouthShrugLower=1.0)
    assert float(head.lips.gaps(head.linear(pressed)).min()) < -5e-4
    assert float(head.lips.gaps(head.vertices(pressed)).min()) > -2e-4


def inside_teeth(head: Head, points: Tensor) -> float:
    """Return how deep, on average, the points of the lips lie inside either row of teeth."""
    total = 0.0
    for teeth, anchors in zip(head.teeth, head.anchors, strict=True):
        turn, shift = rigid(head.mean[anchors], points[:, anchors])
        local = torch.einsum("bji,bnj->bni", turn, points[:, teeth.soft] - shift[:, None])
        total += float(teeth.depth(local).mean())
    return total


def test_contact_keeps_lips_out_of_the_teeth(head: Head) -> None:
    faces = replace(speech_like(head, 30, torch.Generator().manual_seed(2)), neck=torch.zeros(30, 3))
    without, kept = inside_teeth(head, head.linear(faces)), inside_teeth(head, head.vertices(faces))
    assert without > 1e-4
    # Not all: the push fades towards the rims of an arch, so that lips do not jump there.
    assert kept < 0.15 * without


def test_teeth_and_eyes_do_not_poke_through_the_skin_of_talkers(head: Head) -> None:
    faces = speech_like(head, 6, torch.Generator().manual_seed(2))
    points = head.vertices(faces)
    areas = [poking(head, each, tongue_is_out=False) for each in points]
    assert sum(area["teeth"] for area in areas) / len(areas) < 1.0
    assert max(area["eyes"] for area in areas) < 4.0


def test_the_tongue_rests_behind_the_teeth_and_can_come_out(head: Head, resting: Tensor) -> None:
    tongue, teeth, lip = of(head, Part.TONGUE), of(head, Part.LOWER_TEETH), of(head, Part.LOWER_LIP)
    assert resting[tongue, 2].max() < resting[teeth, 2].max()
    out = head.vertices(express(head, tongueOut=1.0))[0]
    assert out[tongue, 2].max() > out[lip, 2].max() + 0.003
    assert float(head.lips.gaps(out[None]).max()) > 5e-3
