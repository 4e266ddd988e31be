"""From sound to mouth: silence closes it, vowels open it, and nothing depends on how loud the tape is."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from phiz.speech import spectrum

RATE = 16_000
NAMES = [
    "browInnerUp",
    "jawOpen",
    "mouthClose",
    "mouthFunnel",
    "mouthPucker",
    "mouthSmileLeft",
    "mouthSmileRight",
    "mouthStretchLeft",
    "mouthLowerDownLeft",
    "mouthLowerDownRight",
    "mouthUpperUpLeft",
    "mouthPressLeft",
    "jawForward",
]


def noise(seconds: float, seed: int = 0) -> Tensor:
    return torch.randn(round(seconds * RATE), generator=torch.Generator().manual_seed(seed))


def vowel(formants: tuple[float, ...], seconds: float, pitch: float = 120.0) -> Tensor:
    """Return a buzz whose harmonics are strong near the formants, as a throat makes them."""
    times = torch.arange(round(seconds * RATE)) / RATE
    sound = torch.zeros_like(times)
    for k in range(1, int(RATE / 2 / pitch)):
        strength = sum(1 / (1 + ((k * pitch - f) / 90) ** 2) / (i + 1) for i, f in enumerate(formants))
        sound += strength / math.sqrt(k) * torch.sin(2 * torch.pi * k * pitch * times)
    return 0.3 * sound / sound.abs().max()


AH, EE, OO = (750.0, 1200.0, 2500.0), (290.0, 2300.0, 3000.0), (310.0, 800.0, 2300.0)


def high_passed(sound: Tensor, above: float) -> Tensor:
    parts = torch.fft.rfft(sound)
    parts[: int(above / RATE * len(sound))] = 0
    return torch.fft.irfft(parts, n=len(sound))


def said(*parts: Tensor) -> Tensor:
    """Return sounds with half a second of nearly silent room around each."""
    room = [1e-4 * noise(0.5, seed) for seed in range(len(parts) + 1)]
    return torch.cat(
        [room[0], *[x for part, quiet in zip(parts, room[1:], strict=True) for x in (part, quiet)]]
    )


def during(curve: Tensor, start: float, end: float, fps: float = 25.0) -> Tensor:
    return curve[math.ceil(start * fps) : math.floor(end * fps)]


@pytest.mark.parametrize("fps", [24.0, 25.0, 29.97, 60.0])
def test_every_moment_of_the_sound_has_its_frame(fps: float) -> None:
    for samples in (1, 640, 641, 16_000, 16_001):
        opening, rounding = spectrum.mouth_curve(torch.zeros(samples), RATE, fps)
        assert len(opening) == len(rounding) == max(1, math.ceil(samples / RATE * fps - 1e-6))


def test_the_mouth_stays_shut_in_silence() -> None:
    for quiet in (torch.zeros(RATE), 1e-5 * noise(1.0)):
        opening, rounding = spectrum.mouth_curve(quiet, RATE, 25)
        assert opening.abs().max() == rounding.abs().max() == 0


def test_vowels_open_the_mouth_and_pauses_close_it() -> None:
    opening, _ = spectrum.mouth_curve(said(vowel(AH, 0.6), vowel(AH, 0.6)), RATE, 25)
    assert during(opening, 0.6, 1.0).min() > 0.6
    assert during(opening, 1.25, 1.5).max() < 0.1
    assert during(opening, 1.7, 2.1).min() > 0.6
    assert opening[-5:].max() < 0.05


def test_the_room_may_be_noisy() -> None:
    sound = said(vowel(AH, 0.6), vowel(AH, 0.6))
    opening, _ = spectrum.mouth_curve(sound + 0.005 * noise(len(sound) / RATE), RATE, 25)
    assert during(opening, 0.6, 1.0).min() > 0.5
    assert during(opening, 1.25, 1.5).max() < 0.15


@pytest.mark.parametrize("gain", [0.03, 0.3, 3.0])
def test_the_volume_of_the_recording_does_not_matter(gain: float) -> None:
    sound = said(vowel(AH, 0.5), 0.4 * vowel(EE, 0.5))
    for plain, scaled in zip(
        spectrum.mouth_curve(sound, RATE, 25), spectrum.mouth_curve(gain * sound, RATE, 25), strict=True
    ):
        assert (plain - scaled).abs().max() < 0.02


def test_an_ah_opens_the_jaw_wider_than_an_ee() -> None:
    opening, _ = spectrum.mouth_curve(said(vowel(AH, 0.6), vowel(EE, 0.6)), RATE, 25)
    assert during(opening, 0.65, 1.05).mean() > 1.3 * during(opening, 1.75, 2.15).mean()


def test_lips_are_rounder_for_an_oo_than_for_an_ee() -> None:
    _, rounding = spectrum.mouth_curve(said(vowel(OO, 0.6), vowel(EE, 0.6)), RATE, 25)
    assert during(rounding, 0.65, 1.05).mean() - during(rounding, 1.75, 2.15).mean() > 0.5


def test_hiss_keeps_the_teeth_together() -> None:
    hiss = 0.2 * high_passed(noise(0.6), 4000)
    opening, _ = spectrum.mouth_curve(said(vowel(AH, 0.6), hiss), RATE, 25)
    assert during(opening, 1.7, 2.1).max() < 0.3 * during(opening, 0.65, 1.05).mean()


def test_a_hum_closes_the_lips_between_vowels() -> None:
    hum = 0.15 * torch.sin(2 * torch.pi * 240 * torch.arange(3200) / RATE)
    opening, _ = spectrum.mouth_curve(said(torch.cat([vowel(AH, 0.4), hum, vowel(AH, 0.4)])), RATE, 25)
    assert during(opening, 0.96, 1.04).min() < 0.3


def test_lips_move_with_the_sound_not_after_it() -> None:
    opening, _ = spectrum.mouth_curve(said(vowel(AH, 0.6)), RATE, 100)
    assert abs(int((opening > 0.5).nonzero()[0, 0]) / 100 - 0.5) < 0.04
    assert abs(int((opening > 0.5).nonzero()[-1, 0]) / 100 - 1.1) < 0.06


@pytest.mark.parametrize("rate", [8_000, 44_100])
def test_other_sampling_rates_give_the_same_mouth(rate: int) -> None:
    sound = said(vowel(AH, 0.6), vowel(EE, 0.6))
    other = torch.nn.functional.interpolate(
        sound[None, None], size=round(len(sound) * rate / RATE), mode="linear", align_corners=False
    )[0, 0]
    plain, moved = (spectrum.mouth_curve(s, r, 25)[0] for s, r in ((sound, RATE), (other, rate)))
    assert (plain - moved).abs().mean() < 0.1


def test_curves_stay_in_their_limits_whatever_the_sound() -> None:
    for seed in range(3):
        opening, rounding = spectrum.mouth_curve(noise(1.0, seed).clamp(-1, 1), RATE, 25)
        assert opening.min() >= 0
        assert opening.max() <= 1
        assert rounding.abs().max() <= 1


def speak(sound: Tensor, seed: int = 0, names: tuple[str, ...] = tuple(NAMES)) -> spectrum.Motion:
    return spectrum.speak(sound, RATE, names, torch.Generator().manual_seed(seed), basis="arkit")


def test_a_motion_fits_the_sound_and_the_head_model() -> None:
    motion = speak(said(vowel(AH, 0.6), vowel(OO, 0.6)))
    assert len(motion) == math.ceil(2.7 * 25)
    assert motion.expression.shape == (len(motion), len(NAMES))
    assert (motion.basis, motion.fps) == ("arkit", 25.0)
    assert motion.expression[:, NAMES.index("jawForward")].abs().max() == 0
    assert motion.expression.abs().max() <= 1
    jaw = motion.expression[:, NAMES.index("jawOpen")]
    assert during(jaw, 0.65, 1.0).min() > 0.3


def test_the_same_seed_moves_the_same_way_and_another_one_differently() -> None:
    sound = said(vowel(AH, 3.0))
    one, same, other = speak(sound), speak(sound), speak(sound, seed=1)
    assert torch.equal(one.rotation, same.rotation)
    assert torch.equal(one.gaze, same.gaze)
    assert not torch.equal(one.rotation, other.rotation)
    assert torch.equal(one.expression, other.expression)


def test_expressions_that_a_head_lacks_are_left_out_but_it_needs_a_jaw() -> None:
    assert speak(said(vowel(AH, 0.3)), names=("jawOpen",)).expression.shape[1] == 1
    with pytest.raises(ValueError, match="jawOpen"):
        speak(said(vowel(AH, 0.3)), names=("mouthPucker",))


def test_lips_close_by_themselves_where_the_jaw_is_too_slow() -> None:
    opening = torch.ones(50)
    opening[24:26] = 0  # a /p/ inside a word
    shapes = spectrum.mouth_shapes(opening, torch.zeros(50), 25)
    assert shapes["jawOpen"][24] > 0.1
    assert shapes["mouthClose"][24] > 0.1
    assert shapes["mouthClose"][10] == 0
