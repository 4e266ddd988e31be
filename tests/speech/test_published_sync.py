"""The published judge of lips and sound: its shapes, its sound, and which shift means what.

Its weights are not here; networks are filled by chance.
"""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch import Tensor

from phiz.speech import published_sync
from phiz.speech.published_sync import PUBLISHED, TINY, PixelSyncNet, cepstra, pixel_distances, pixel_points

SHAPES = {
    "netcnnaud.0.weight": (64, 1, 3, 3),
    "netcnnaud.4.weight": (192, 64, 3, 3),
    "netcnnaud.8.weight": (384, 192, 3, 3),
    "netcnnaud.11.weight": (256, 384, 3, 3),
    "netcnnaud.14.weight": (256, 256, 3, 3),
    "netcnnaud.18.weight": (512, 256, 5, 4),
    "netfcaud.0.weight": (512, 512),
    "netfcaud.3.weight": (1024, 512),
    "netcnnlip.0.weight": (96, 3, 5, 7, 7),
    "netcnnlip.4.weight": (256, 96, 1, 5, 5),
    "netcnnlip.8.weight": (256, 256, 1, 3, 3),
    "netcnnlip.11.weight": (256, 256, 1, 3, 3),
    "netcnnlip.14.weight": (256, 256, 1, 3, 3),
    "netcnnlip.18.weight": (512, 256, 1, 6, 6),
    "netfclip.0.weight": (512, 512),
    "netfclip.3.weight": (1024, 512),
}


def made(seed: int = 0) -> PixelSyncNet:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return PixelSyncNet(TINY).eval().requires_grad_(False)


def film(frames: int, seed: int = 1) -> tuple[Tensor, Tensor]:
    chance = torch.Generator().manual_seed(seed)
    pictures = torch.rand(frames, 3, 224, 224, generator=chance) * 2 - 1
    return pictures, torch.rand(frames * 640, generator=chance) - 0.5


def plain_cepstra(samples: Tensor) -> Tensor:
    """Return cepstra as the formulas say, one look and one band at a time."""
    sharp = [
        float(samples[0]),
        *(b - 0.97 * a for a, b in itertools.pairwise(samples.tolist())),
    ]
    rows = []
    for start in range(0, len(sharp) - 240, 160):
        look = torch.tensor(sharp[start : start + 400], dtype=torch.float64)
        power = (torch.fft.fft(look, 512)[:257].abs() ** 2 / 512).tolist()
        top = 2595 * math.log10(1 + 8000 / 700)
        edges = [math.floor(513 * 700 * (10 ** (top * k / 27 / 2595) - 1) / 16000) for k in range(28)]
        bands = []
        for a, b, c in zip(edges, edges[1:], edges[2:], strict=False):
            rising = sum(power[k] * (k - a) / (b - a) for k in range(a, b))
            falling = sum(power[k] * (c - k) / (c - b) for k in range(b, c))
            bands.append(math.log(rising + falling))
        row = [math.log(sum(power))]
        for n in range(1, 13):
            turned = sum(x * math.cos(math.pi * n * (k + 0.5) / 26) for k, x in enumerate(bands))
            row.append(turned * math.sqrt(2 / 26) * (1 + 11 * math.sin(math.pi * n / 22)))
        rows.append(row)
    return torch.tensor(rows, dtype=torch.float64)


def test_layers_have_the_published_names_and_shapes() -> None:
    with torch.device("meta"):
        tensors = PixelSyncNet(PUBLISHED).state_dict()
    assert {n: tuple(v.shape) for n, v in tensors.items() if n.endswith("weight") and v.ndim > 1} == SHAPES
    assert len(tensors) == 16 * 2 + 14 * 5


def test_cepstra_are_those_of_the_formulas() -> None:
    samples = 8000 * torch.randn(1000, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    found = cepstra(samples[:880])
    assert found.shape == (4, 13)
    torch.testing.assert_close(found, plain_cepstra(samples[:880]), rtol=0, atol=1e-8)


def test_a_sound_has_a_hundred_looks_a_second_and_its_end_is_filled_with_silence() -> None:
    for samples, looks in ((16_000, 99), (400, 1), (401, 2), (10, 1)):
        assert len(cepstra(torch.ones(samples))) == looks
    assert cepstra(torch.zeros(400)).isfinite().all()


def test_every_frame_with_four_more_after_it_has_a_point() -> None:
    network = made()
    frames, waveform = film(8)
    mouth, sound = pixel_points(network, frames, waveform)
    assert mouth.shape == sound.shape == (3, TINY.embedding)
    again = pixel_points(network, frames, waveform)
    assert torch.equal(mouth, again[0])
    assert torch.equal(sound, again[1])
    with pytest.raises(ValueError, match="less than 6 frames"):
        pixel_points(network, frames[:5], waveform)


def test_pictures_go_in_as_bytes_with_blue_first() -> None:
    network = made()
    frames, waveform = film(6)
    mouth, sound = pixel_points(network, frames, waveform)
    bytes_ = (frames[:5, [2, 1, 0]] + 1) * 127.5
    torch.testing.assert_close(mouth, network.mouth(bytes_.movedim(0, 1)[None]))
    heard = cepstra(waveform * 32768)[:20].T.float()
    torch.testing.assert_close(sound, network.sound(heard[None, None]))


def test_frames_are_judged_in_small_batches_with_the_same_result(monkeypatch: pytest.MonkeyPatch) -> None:
    network, (frames, waveform) = made(), film(8)
    whole = pixel_points(network, frames, waveform)
    monkeypatch.setattr(published_sync, "AT_ONCE", 2)
    for one, other in zip(whole, pixel_points(network, frames, waveform), strict=True):
        torch.testing.assert_close(one, other)


def test_a_mouth_that_is_late_is_near_the_sound_before_it() -> None:
    sound = torch.randn(40, 6, generator=torch.Generator().manual_seed(0))
    mouth = sound.roll(3, dims=0)
    apart = pixel_distances(mouth, sound, 5)
    assert apart.shape == (40, 11)
    assert (apart[3:-5].argmin(dim=1) == 5 + 3).all()


def test_beyond_the_ends_there_are_zeros() -> None:
    mouth = torch.randn(4, 6, generator=torch.Generator().manual_seed(0))
    apart = pixel_distances(mouth, mouth + 1, 5)
    torch.testing.assert_close(apart[0, 6], (mouth[0] + 1e-6).norm())
