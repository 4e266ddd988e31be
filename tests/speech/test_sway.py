"""A head sways as slowly and as far in a stream as in a clip, nods with stress, and settles in silence."""

from __future__ import annotations

import torch
from torch import Tensor

from phiz.speech import idle
from phiz.speech.sway import Sway


def pushed(
    gate: Tensor, stress: Tensor | None = None, *, dial: float = 1.0, size: int | None = None
) -> Tensor:
    stream = Sway(torch.Generator().manual_seed(0), dial=dial)
    stress = torch.zeros_like(gate) if stress is None else stress
    pieces = zip(torch.split(gate, size or len(gate)), torch.split(stress, size or len(gate)), strict=True)
    return torch.cat([stream.push(a, b) for a, b in pieces])


TALK = torch.ones(20_000)


def test_the_spread_and_the_pace_are_those_of_clips() -> None:
    found = pushed(TALK)
    clip = idle.sway(torch.zeros(20_000), 25.0, torch.Generator().manual_seed(1))
    torch.testing.assert_close(found.std(0), clip.std(0), rtol=0.15, atol=0)
    torch.testing.assert_close(found.diff(dim=0).std(0), clip.diff(dim=0).std(0), rtol=0.15, atol=0)


def test_a_silent_head_moves_less() -> None:
    assert pushed(0 * TALK).std() < 0.6 * pushed(TALK).std()


def test_stress_nods() -> None:
    stress = torch.zeros(100)
    stress[50] = 1.0
    change = pushed(TALK[:100], stress) - pushed(TALK[:100])
    assert torch.rad2deg(change[50, 0]) > 2
    assert change[:, 1:].abs().max() == 0


def test_cuts_change_nothing_and_the_dial_is_a_factor() -> None:
    whole = pushed(TALK[:300])
    assert torch.equal(whole, pushed(TALK[:300], size=1))
    torch.testing.assert_close(pushed(TALK[:300], dial=3.0), 3 * whole)
    assert pushed(TALK[:300], dial=0.0).abs().max() == 0
    assert pushed(TALK[:0]).shape == (0, 3)
