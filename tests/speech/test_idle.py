"""Blinks, glances and sway: seeded, of human size and pace, and smooth where heads are smooth."""

from __future__ import annotations

import pytest
import torch

from phiz.speech import idle

MINUTE = 1500  # frames


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("fps", [10.0, 25.0, 60.0])
def test_people_blink_ten_to_thirty_times_a_minute_and_close_their_eyes(fps: float) -> None:
    lids = idle.blinks(round(fps * 600), fps, seeded())
    shut = lids[:, 0] > 0.99
    starts = (shut[1:] & ~shut[:-1]).sum().item()
    assert 100 <= starts <= 300
    assert (lids[:, 0] == 0).float().mean() > 0.8
    assert torch.equal(lids[:, 0], lids[:, 1])


def test_eyes_rest_between_small_quick_glances() -> None:
    gaze = idle.glances(torch.zeros(MINUTE, 3), 25.0, seeded())
    still = (gaze[1:] == gaze[:-1]).flatten(1).all(1)
    assert 0.9 < still.float().mean() < 1
    assert gaze.abs().max() < torch.deg2rad(torch.tensor(4.1)) + idle.VERGENCE


def test_both_eyes_meet_at_what_they_look_at() -> None:
    gaze = idle.glances(torch.zeros(MINUTE, 3), 25.0, seeded())
    left, right = gaze.unbind(1)
    assert torch.allclose(right - left, torch.tensor([2 * idle.VERGENCE, 0.0]), atol=1e-6)


def test_eyes_stay_on_the_viewer_while_the_head_turns() -> None:
    head = torch.randn(100, 3, generator=seeded(1)) * 0.05
    turned, straight = (idle.glances(h, 25.0, seeded()) for h in (head, torch.zeros(100, 3)))
    assert torch.allclose(turned[:, :, 0] + head[:, None, 1], straight[:, :, 0], atol=1e-6)
    assert torch.allclose(turned[:, :, 1] + head[:, None, 0], straight[:, :, 1], atol=1e-6)


def test_heads_sway_slowly_by_a_few_degrees() -> None:
    angles = torch.rad2deg(idle.sway(torch.zeros(MINUTE), 25.0, seeded()))
    spread = angles.std(0)
    assert (spread > 0.4 * torch.tensor(idle.SWAY_DEG)).all()
    assert (spread < 1.8 * torch.tensor(idle.SWAY_DEG)).all()
    assert angles.diff(dim=0).abs().max() < 0.5


def test_stressed_words_lower_the_head() -> None:
    opening = torch.zeros(100)
    opening[45:55] = 1
    quiet = idle.sway(torch.zeros(100), 25.0, seeded())
    nodding = idle.sway(opening, 25.0, seeded())
    lowered = torch.rad2deg(nodding - quiet)
    assert lowered[50, 0] > 1.5
    assert lowered[:, 1:].abs().max() == 0


def test_blurring_keeps_constants_and_single_frames() -> None:
    assert torch.allclose(idle.smooth(torch.full((9,), 0.3), 4.0), torch.full((9,), 0.3))
    assert torch.allclose(idle.smooth(torch.tensor([0.7]), 2.0), torch.tensor([0.7]))


def test_one_frame_is_enough_for_everything() -> None:
    assert idle.blinks(1, 25.0, seeded()).shape == (1, 2)
    assert idle.glances(torch.zeros(1, 3), 25.0, seeded()).shape == (1, 2, 2)
    assert idle.sway(torch.zeros(1), 25.0, seeded()).shape == (1, 3)
