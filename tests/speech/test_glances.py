"""Eyes fixate and jump, stay on whom they look at while the head turns, and meet there."""

from __future__ import annotations

import torch
from torch import Tensor

from phiz.speech import idle
from phiz.speech.glances import WIDEST, Glances


def pushed(
    gate: Tensor, head: Tensor | None = None, *, dial: float = 1.0, seed: int = 0, size: int | None = None
) -> Tensor:
    stream = Glances(torch.Generator().manual_seed(seed), dial=dial)
    head = torch.zeros(len(gate), 3) if head is None else head
    pieces = zip(torch.split(gate, size or len(gate)), torch.split(head, size or len(gate)), strict=True)
    return torch.cat([stream.push(some, turned) for some, turned in pieces])


TALK = torch.ones(6000)


def test_eyes_fixate_and_jump_and_look_aside_now_and_then() -> None:
    gaze = pushed(TALK)[:, 0]
    moved = gaze.diff(dim=0).abs().sum(1) > 0
    assert 0.4 < moved.sum() / 240 < 1.4  # jumps a second
    yaw = torch.rad2deg(gaze[:, 0] + idle.VERGENCE).abs()
    assert yaw.median() < 2.5
    assert 0.02 < (yaw > 4.5).float().mean() < 0.15


def test_who_listens_does_not_look_aside() -> None:
    yaw = torch.rad2deg(pushed(0 * TALK)[:, 0, 0] + idle.VERGENCE).abs()
    assert yaw.max() <= 2 * idle.GLANCE_DEG[0] + 1e-3


def test_eyes_meet_and_stay_while_the_head_turns() -> None:
    chance = torch.Generator().manual_seed(3)
    head = 0.05 * torch.randn(200, 3, generator=chance)
    still, turned = pushed(TALK[:200]), pushed(TALK[:200], head)
    torch.testing.assert_close(turned + head[:, None, [1, 0]], still, atol=1e-6, rtol=0)
    torch.testing.assert_close(still[:, 1, 0] - still[:, 0, 0], torch.full((200,), 2 * idle.VERGENCE))


def test_the_dial_makes_glances_wider_and_at_zero_eyes_rest_in_the_head() -> None:
    head = torch.full((300, 3), 0.1)
    assert pushed(TALK[:300], head, dial=0.0).abs().max() == 0
    usual, wide = pushed(TALK[:300]), pushed(TALK[:300], dial=2.0)
    torch.testing.assert_close(wide.mean(1), 2 * usual.mean(1), atol=1e-6, rtol=1e-5)
    assert pushed(TALK, dial=3.0).abs().max() <= WIDEST


def test_cuts_change_nothing_and_seeds_do() -> None:
    assert torch.equal(pushed(TALK[:300]), pushed(TALK[:300], size=11))
    assert not torch.equal(pushed(TALK[:300]), pushed(TALK[:300], seed=4))
