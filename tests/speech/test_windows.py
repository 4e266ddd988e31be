"""The mel recipe: silence is -4, tones light up their bands, and pieces give the very bits of the whole."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from phiz.speech import windows
from phiz.speech.windows import FRAME, HOP, RATE, WindowStream


def noise(samples: int, seed: int = 0) -> Tensor:
    return 0.1 * torch.randn(samples, generator=torch.Generator().manual_seed(seed))


def plainly(waveform: Tensor) -> Tensor:
    """Return the same spectrogram, each look on its own, as the recipe says."""
    exact = waveform.double()
    sharp = torch.cat([exact[:1], exact[1:] - 0.97 * exact[:-1]])
    padded = torch.cat([torch.zeros(400), sharp, torch.zeros(400)])
    bell = 0.5 - 0.5 * torch.cos(2 * torch.pi * torch.arange(800, dtype=torch.float64) / 800)
    rows = []
    for number in range(1 + len(waveform) // 200):
        loudness = torch.fft.rfft(padded[number * 200 :][:800] * bell).abs() @ windows.mel_basis()
        decibels = 20 * torch.log10(loudness.clamp(min=1e-5)) - 20
        rows.append((8 * (decibels + 100) / 100 - 4).clamp(-4, 4))
    return torch.stack(rows).float()


@pytest.mark.parametrize("samples", [200, 640, 9999, 20_000])
def test_looks_are_what_the_recipe_says(samples: int) -> None:
    sound = noise(samples)
    torch.testing.assert_close(windows.log_mel(sound), plainly(sound), atol=1e-5, rtol=0)


def test_silence_is_minus_four_and_so_is_next_to_nothing() -> None:
    assert (windows.log_mel(torch.zeros(3000)) == -4).all()
    assert (windows.log_mel(1e-9 * noise(3000)) == -4).all()


def test_a_tone_is_loudest_in_the_band_around_it() -> None:
    times = torch.arange(RATE) / RATE
    for hertz in (200.0, 900.0, 3000.0, 7000.0):
        mel = windows.log_mel(0.3 * torch.sin(2 * torch.pi * hertz * times))
        band = int(mel[40].argmax())
        frequencies = torch.arange(401) * RATE / 800
        weights = windows.mel_basis()[:, band]
        middle = float((frequencies * weights).sum() / weights.sum())
        assert abs(math.log(middle / hertz)) < 0.12


def test_louder_by_ten_decibels_is_higher_by_the_same_step_everywhere() -> None:
    sound = noise(4000)
    step = windows.log_mel(sound * 10**0.5) - windows.log_mel(sound)
    torch.testing.assert_close(step, torch.full_like(step, 0.8), atol=1e-5, rtol=0)


def test_bands_have_equal_areas_between_their_edges() -> None:
    basis = windows.mel_basis()
    assert basis.shape == (401, 80)
    assert (basis >= 0).all()
    frequencies = torch.arange(401) * RATE / 800
    assert frequencies[basis.sum(1) > 0].min() >= 55
    assert frequencies[basis.sum(1) > 0].max() <= 7600
    areas = basis[:, 40:].sum(0) * RATE / 800  # narrow ones hold too few frequencies to tell
    torch.testing.assert_close(areas, torch.ones_like(areas), atol=0.06, rtol=0)


def test_mirrored_ends_change_the_outermost_looks_alone() -> None:
    sound = noise(4000)
    ours, theirs = windows.log_mel(sound), windows.log_mel(sound, padding="reflect")
    assert torch.equal(ours[2:-2], theirs[2:-2])
    assert not torch.equal(ours[0], theirs[0])
    with pytest.raises(ValueError, match="cannot be mirrored"):
        windows.log_mel(sound[:400], padding="reflect")


def test_windows_begin_two_frames_early_and_stay_inside() -> None:
    assert windows.starts(8).tolist() == [-6, -3, 0, 3, 6, 9, 12, 16]
    assert torch.equal(windows.starts(20, first=5), windows.starts(25)[5:])
    rows = windows.rows_of(25, 81)
    assert rows[0].tolist() == [0] * 7 + list(range(1, 10))
    assert rows.max() == 80
    assert windows.rows_of(25, 70)[-1].tolist()[-4:] == [69] * 4


def test_there_is_a_window_for_each_whole_frame() -> None:
    for samples, frames in ((0, 0), (639, 0), (640, 1), (700, 1), (RATE, 25)):
        found = windows.of_waveform(noise(samples))
        assert found.shape == (frames, 1, 80, 16)
    sound = noise(FRAME * 9 + 100)
    assert torch.equal(windows.of_waveform(sound), windows.of_waveform(sound[: FRAME * 9]))


def test_idle_windows_are_no_silence() -> None:
    assert windows.idle(3).shape == (3, 1, 80, 16)
    assert (windows.idle(3) == 0).all()
    assert (windows.of_waveform(torch.zeros(FRAME)) == -4).all()


def streamed(sound: Tensor, sizes: list[int]) -> tuple[Tensor, list[int]]:
    """Return the windows of a sound in pieces, and how many there were after each."""
    stream, found, counts = WindowStream(), [], []
    for piece in torch.split(sound, sizes):
        found.append(stream.push(piece))
        counts.append(stream.frames)
    return torch.cat([*found, stream.finish()]), counts


@settings(max_examples=12)
@given(st.lists(st.sampled_from([0, 1, 17, 160, 199, 640, 641, 3000, 7001, 50_000]), min_size=1, max_size=6))
def test_pieces_give_the_very_bits_of_the_whole(sizes: list[int]) -> None:
    sound = noise(sum(sizes))
    assert torch.equal(streamed(sound, sizes)[0], windows.of_waveform(sound))


def test_a_window_comes_as_soon_as_its_last_look_can_be_made() -> None:
    sound = noise(FRAME * 30)
    _, counts = streamed(sound, [FRAME] * 30)
    assert counts[5:] == [k - 3 for k in range(6, 31)]


def test_memory_does_not_grow_with_the_sound() -> None:
    stream = WindowStream()
    sizes = []
    for _ in range(60):
        stream.push(noise(5000))
        held = [value for value in vars(stream).values() if isinstance(value, Tensor)]
        sizes.append(sum(value.untyped_storage().nbytes() for value in held))
    assert max(sizes) < 8 * (windows.SPAN + 5000 + HOP) + 80 * 4 * 64
