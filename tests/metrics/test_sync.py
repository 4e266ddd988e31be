"""Offsets are found with fractions and the right sign; distance and confidence are as defined."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from phiz.face.morphable import ARKIT_NAMES
from phiz.metrics import sync
from phiz.speech import published_sync, sync_network
from phiz.speech.published_sync import PixelSyncNet
from phiz.speech.sync_network import SyncNet


def points(frames: int, seed: int = 0) -> Tensor:
    chance = torch.Generator().manual_seed(seed)
    return functional.normalize(torch.randn(frames, 8, generator=chance), dim=1)


def wave(frames: int, late: float = 0.0) -> Tensor:
    clock = torch.arange(frames, dtype=torch.float64) - late
    return torch.sin(clock / 3) + 0.5 * torch.sin(clock / 7.3 + 1)


def curves(frames: int, **values: float) -> Tensor:
    rows = torch.zeros(frames, 52)
    for name, value in values.items():
        rows[:, ARKIT_NAMES.index(name)] = value
    return rows


@pytest.mark.parametrize("late", [-4, 0, 7])
def test_a_mouth_that_is_late_has_a_positive_offset(late: int) -> None:
    sound = points(80)
    found = sync.judged(sync.shifted_distances(sound.roll(late, dims=0), sound))
    assert found.whole == late
    assert found.offset == pytest.approx(late, abs=0.3)
    assert found.milliseconds == pytest.approx(40 * found.offset)


def test_distance_and_confidence_are_least_and_median_less_least() -> None:
    mouth, sound = points(60, 1), points(60, 2)
    means = []
    for shift in range(-5, 6):
        pairs = [(mouth[t + shift], sound[t]) for t in range(60) if 0 <= t + shift < 60]
        means.append(sum(math.dist(a.tolist(), b.tolist()) for a, b in pairs) / len(pairs))
    found = sync.judged(sync.shifted_distances(mouth, sound, 5))
    assert found.distance == pytest.approx(min(means), abs=1e-5)
    assert found.confidence == pytest.approx(sorted(means)[5] - min(means), abs=1e-5)
    assert found.whole == means.index(min(means)) - 5


def test_fractions_of_frames_come_from_a_parabola() -> None:
    shift = torch.arange(-15.0, 16.0)
    for top in (-3.3, 0.0, 2.45):
        rows = (0.2 + 0.01 * (shift - top) ** 2).expand(4, 31)
        assert sync.judged(rows).offset == pytest.approx(top, abs=1e-3)
    assert sync.summit(torch.tensor([3.0, 2.0, 1.0]), 0) == 0
    assert sync.summit(torch.tensor([1.0, 1.0, 1.0]), 1) == 0


def test_films_that_are_too_short_are_refused() -> None:
    short = sync.shifted_distances(points(15), points(15))
    with pytest.raises(ValueError, match="15 frames are too few"):
        sync.judged(short)


def test_spans_have_offsets_of_their_own() -> None:
    sound = points(130)
    mouth = torch.cat([sound[:65], sound.roll(4, dims=0)[65:]])
    found = sync.span_offsets(sync.shifted_distances(mouth, sound), 50)
    assert found.round().tolist() == [0, 4]


def test_a_network_is_judged_by_its_points() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = SyncNet(sync_network.TINY).eval()
    windows = torch.randn(40, 1, 80, 16, generator=torch.Generator().manual_seed(1))
    mouth = torch.rand(40, 4, generator=torch.Generator().manual_seed(2))
    found = sync.sync_of(network, windows, mouth)
    heard, seen = network(windows[None], mouth[None])
    assert found == sync.judged(sync.shifted_distances(seen[0].detach(), heard[0].detach()))
    assert 0 <= found.distance <= 2
    assert found.confidence >= 0


def test_the_published_judge_sees_pixels() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = PixelSyncNet(published_sync.TINY).eval()
    chance = torch.Generator().manual_seed(1)
    frames = torch.rand(9, 3, 224, 224, generator=chance) * 2 - 1
    waveform = torch.rand(9 * 640, generator=chance) - 0.5
    found = sync.pixel_sync(network, frames, waveform)
    assert found == sync.pixel_sync(network, frames, waveform)
    assert -15 <= found.whole <= 15
    assert found.distance > 0
    assert found.confidence >= 0


def test_a_curve_is_followed_at_its_lag() -> None:
    for late in (-2.0, 0.0, 3.4):
        found = sync.following(0.3 * wave(120, late) + 5, wave(120))
        assert found.correlation > 0.98
        assert found.lag == pytest.approx(late, abs=0.15)
        assert found.milliseconds == pytest.approx(40 * found.lag)
    still = sync.following(torch.ones(120), wave(120))
    assert (still.correlation, still.lag) == (0, 0)
    with pytest.raises(ValueError, match="cannot be compared"):
        sync.following(wave(9), wave(9))


def test_lips_are_apart_where_the_jaw_opens_and_the_mouth_does_not_close() -> None:
    for expected, row in (
        (0.0, curves(2)),
        (0.5, curves(2, jawOpen=0.5)),
        (0.1, curves(2, jawOpen=0.5, mouthClose=0.4)),
        (0.0, curves(2, jawOpen=0.3, mouthClose=0.4)),
        (0.2, curves(2, mouthLowerDownLeft=0.8, mouthLowerDownRight=0.8)),
        (0.1, curves(2, mouthLowerDownLeft=0.8)),
    ):
        found = sync.lips_apart(row, ARKIT_NAMES)
        torch.testing.assert_close(found, torch.full((2,), expected))


def test_closures_are_counted_as_events() -> None:
    closed = torch.zeros(20, dtype=torch.bool)
    closed[2:4] = closed[8] = closed[18:] = True
    apart = torch.full((20,), 0.3)
    assert sync.closure_recall(apart, closed) == (0, 3)
    apart[3] = 0.01
    apart[9] = 0.01  # a frame late
    assert sync.closure_recall(apart, closed) == (2, 3)
    assert sync.closure_recall(apart, closed, slack=0) == (1, 3)
    assert sync.closure_recall(apart, closed, shut=0.5) == (3, 3)
    assert sync.closure_recall(apart, torch.zeros(20, dtype=torch.bool)) == (0, 0)


def test_visemes_are_told_by_their_mean_shapes() -> None:
    chance = torch.Generator().manual_seed(0)
    truth = torch.tensor([0, 2, 2, 3, 0, 3, 2])
    rows = functional.one_hot(truth, 4).float() + 0.01 * torch.randn(7, 4, generator=chance)
    shapes = sync.viseme_shapes(rows, truth, 4)
    assert shapes[1].isinf().all()
    torch.testing.assert_close(shapes[2], rows[[1, 2, 6]].mean(dim=0))
    assert sync.nearest_viseme(rows, shapes).tolist() == truth.tolist()


def test_a_confusion_has_a_row_for_the_truth() -> None:
    found = sync.confusion(torch.tensor([0, 1, 1, 2]), torch.tensor([0, 0, 1, 1]), 3)
    assert found.tolist() == [[1, 1, 0], [0, 1, 1], [0, 0, 0]]
