"""A person and a motion make frames in which they do what the motion says."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import pytest
import torch
from avatar_fixtures import making, psnr

import phiz
from phiz.animate.animate import Look, Stage, animate
from phiz.avatar.avatar import Avatar
from phiz.face.head import Head
from phiz.studio import Studio


@pytest.fixture(scope="module")
def stage(someone: Avatar) -> Stage:
    return Stage.of(someone)


def test_at_rest_one_sees_the_person_as_they_are(stage: Stage, someone: Avatar, our_head: Head) -> None:
    with torch.no_grad():
        plain = someone.generator.render(someone.prepare(), someone.camera).image.clamp(-1, 1)
    assert psnr(stage.draw(making(our_head)), plain) > 40


def test_an_open_mouth_moves_the_mouth_and_not_the_forehead(stage: Stage, our_head: Head) -> None:
    rest, open_ = stage.draw(making(our_head)), stage.draw(making(our_head, jawOpen=0.8))
    change = (rest - open_).abs().mean(1)[0]
    assert float(change[170:230, 90:170].mean()) > 0.1
    assert float(change[:70].mean()) < 0.004


def test_between_the_lips_it_is_darker_than_before_and_teeth_show(stage: Stage, our_head: Head) -> None:
    motion = making(our_head, jawOpen=0.5, mouthUpperUpLeft=0.6, mouthUpperUpRight=0.6)
    shown = stage.draw(motion)
    without = replace(stage, look=Look(mouth="none")).draw(motion)
    change = (shown - without).abs().amax(1)[0]
    inside = shown[0, :, change > 0.1]
    assert inside.shape[1] > 100
    assert float(inside.mean(0).min()) < -0.5  # the dark
    assert float(inside.amin(0).max()) > -0.05  # teeth are pale in all colours


@pytest.mark.parametrize("turn", ["neck", "camera"])
def test_a_head_that_turns_leaves_the_background_alone(
    stage: Stage, our_head: Head, turn: Literal["neck", "camera"]
) -> None:
    stage = replace(stage, look=Look(turn=turn))
    turned = replace(making(our_head), rotation=torch.tensor([[0.0, 0.3, 0.0]]))
    rest, aside = stage.draw(making(our_head)), stage.draw(turned)
    change = (rest - aside).abs().mean(1)[0]
    assert float(change.mean()) > 0.02
    assert float(change[:20, :20].mean()) < 0.01
    is_still = float(change[-6:, 30:70].mean()) < 0.03  # a shoulder
    assert is_still == (turn == "neck")


def test_both_ways_to_turn_show_nearly_the_same_face(stage: Stage, our_head: Head) -> None:
    turned = replace(making(our_head), rotation=torch.tensor([[0.05, 0.2, 0.05]]))
    neck, camera = (replace(stage, look=Look(turn=turn)).draw(turned) for turn in ("neck", "camera"))
    assert psnr(neck[..., 60:200, 70:190], camera[..., 60:200, 70:190]) > 30


def test_frames_do_not_depend_on_how_many_are_drawn_together(someone: Avatar, our_head: Head) -> None:
    motion = replace(making(our_head, 5, jawOpen=0.3), rotation=torch.linspace(-0.2, 0.2, 15).reshape(5, 3))
    one, three = (list(animate(someone, motion, None, Look(batch=batch))) for batch in (1, 3))
    assert len(one) == len(three) == 5
    for alone, together in zip(one, three, strict=True):
        assert float((alone - together).abs().max()) < 5e-3  # where a fine sample falls is a matter of digits
        assert float((alone - together).abs().mean()) < 1e-5


def test_no_frame_is_drawn_before_it_is_asked_for(someone: Avatar, our_head: Head) -> None:
    frames = animate(someone, making(our_head, 10_000_000 // 52))
    assert next(iter(frames)).shape == (3, 256, 256)
    with pytest.raises(ValueError, match="batch"):
        Look(batch=0)


def test_the_room_can_be_called(someone: Avatar, our_head: Head) -> None:
    called = next(iter(phiz.animate(someone, making(our_head), Studio())))
    assert torch.equal(called, next(animate(someone, making(our_head))))
