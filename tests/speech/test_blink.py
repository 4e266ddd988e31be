"""Blinks: of human pace, quick down and slow up, at the ends of phrases, none at a dial of zero."""

from __future__ import annotations

import random

import pytest
import torch
from torch import Tensor

from phiz.speech import blink


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def begun(lids: Tensor) -> Tensor:
    """Return in which frames lids start to close."""
    return ((lids[1:] > 0) & (lids[:-1] == 0)).nonzero()[:, 0] + 1


@pytest.mark.parametrize("fps", [10.0, 25.0, 60.0])
def test_people_blink_fifteen_to_twenty_five_times_a_minute(fps: float) -> None:
    lids = blink.blinks(round(fps * 600), fps, seeded())
    assert torch.equal(lids[:, 0], lids[:, 1])
    assert 150 <= len(begun(lids[:, 0])) <= 250
    assert lids.min() == 0
    assert lids.max() <= 1
    assert 0.85 < (lids[:, 0] == 0).float().mean() < 0.95


def test_every_blink_closes_the_eye_faster_than_it_opens() -> None:
    fps = 200.0
    lids = blink.blinks(round(fps * 120), fps, seeded())[:, 0]
    for start in begun(lids)[:-1].tolist():
        one = lids[start : start + 120]
        end = int((one == 0).nonzero()[0, 0])
        peak = int(one.argmax())
        assert one.max() > 0.999
        assert 0.2 < end / fps < 0.4
        assert peak < 0.4 * end


def test_no_eye_blinks_twice_within_half_a_second_or_stays_open_for_long() -> None:
    starts = torch.tensor([one.start_s for one in blink.plan(3600, seeded())])
    assert starts.diff().min() >= blink.LEAST_S - 1e-3
    assert starts.diff().max() <= blink.LONGEST * 60 / blink.A_MINUTE + 1e-3


def test_most_phrases_end_with_a_blink() -> None:
    ends = [4.0 * k for k in range(1, 200)]
    starts = torch.tensor([one.start_s for one in blink.plan(800, seeded(), phrase_ends_s=ends)])

    def shares(moments: list[float]) -> float:
        lags = starts[None] - torch.tensor(moments)[:, None]
        return float(((lags >= 0) & (lags < 0.5)).any(1).float().mean())

    assert shares(ends) > 0.55
    assert shares([end - 2.0 for end in ends]) < 0.3
    assert starts.diff().min() >= 0.3
    assert 12 < len(starts) / 800 * 60 < 26


def test_the_dial_says_how_often_and_zero_is_never() -> None:
    ends = [2.0, 8.0]
    counts = [len(blink.plan(600, seeded(), dial=dial, phrase_ends_s=ends)) for dial in (0.0, 0.5, 1.0, 2.0)]
    assert counts[0] == 0
    assert 1.4 < counts[2] / counts[1] < 2.6
    assert 1.4 < counts[3] / counts[2] < 2.6
    assert blink.blinks(500, 25.0, seeded(), dial=0.0, phrase_ends_s=ends).abs().max() == 0
    with pytest.raises(ValueError, match="dial of blinks"):
        blink.blinks(500, 25.0, seeded(), dial=-1.0)


def test_the_same_seed_blinks_alike() -> None:
    one, same, other = (blink.blinks(900, 25.0, seeded(k)) for k in (0, 0, 1))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    assert blink.blinks(0, 25.0, seeded()).shape == (0, 2)


def test_published_blinks_last_five_frames_after_gaps_of_ten_to_seventy() -> None:
    for seed in range(20):
        ratio = blink.published_ratio(600, random.Random(seed))
        starts = begun(ratio)
        for start in starts.tolist():
            torch.testing.assert_close(ratio[start : start + 5], torch.tensor(blink.PULSE))
        gaps = torch.cat([starts[:1], starts.diff() - 5])
        assert gaps.min() >= 10
        assert gaps.max() < 70


def test_published_blinks_need_more_than_twenty_frames_and_fail_at_twenty_one() -> None:
    for frames in (0, 1, 20, 21):
        assert blink.published_ratio(frames, random.Random(0)).abs().sum() == 0
    assert blink.published_ratio(22, random.Random(0)).abs().sum() > 0
    with pytest.raises(ValueError, match="21 frames, it fails"):
        blink.published_ratio(21, random.Random(0), is_exact=True)


def test_published_fixed_blinks_come_every_eighty_nine_frames() -> None:
    ratio = blink.published_ratio_fixed(300)
    assert begun(ratio).tolist() == [80, 169, 258]
    assert blink.published_ratio_fixed(89).abs().sum() == 0
