"""From phones to mouths: closures close, rounding rounds, silence rests, and frames miss nothing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jaxtyping import Float
from numpy.typing import NDArray

from phiz.face.morphable import ARKIT_NAMES
from phiz.world.voices import curves, engines
from phiz.world.voices.engines import Phone

Curves = Float[NDArray[np.float32], "t 52"]


def _said(signs: Sequence[str], each: float = 0.09, lead: float = 0.4) -> tuple[Phone, ...]:
    phones = [
        Phone(symbol=sign, start=lead + each * k, end=lead + each * (k + 1)) for k, sign in enumerate(signs)
    ]
    return engines.filled(phones, lead * 2 + each * len(signs))


def _mouth(said: tuple[Phone, ...], fps: float = 25.0) -> Curves:
    return curves.mouth(said, said[-1].end, fps=fps)


def _column(mouth: Curves, name: str) -> Float[NDArray[np.float32], " t"]:
    return mouth[:, ARKIT_NAMES.index(name)]


def _gap(mouth: Curves) -> Float[NDArray[np.float32], " t"]:
    """Return how far lips are apart: what mouthClose leaves of jawOpen, and what parts them besides."""
    left = _column(mouth, "jawOpen") - _column(mouth, "mouthClose")
    return left + 0.3 * (_column(mouth, "mouthLowerDownLeft") + _column(mouth, "mouthUpperUpLeft"))


@pytest.mark.parametrize("sign", ["p", "b", "m"])
@settings(max_examples=20)
@given(each=st.floats(0.03, 0.12), lead=st.floats(0.3, 0.4))
def test_lips_are_shut_in_some_frame_of_every_closure(sign: str, each: float, lead: float) -> None:
    said = _said(["a", sign, "a"], each, lead)
    mouth = _mouth(said)
    moments = (np.arange(len(mouth)) + 0.5) / 25
    inside = (moments > said[2].start - 0.03) & (moments < said[2].end + 0.03)
    assert _gap(mouth)[inside].min() < 0.01
    assert curves.labels(said, said[-1].end).closed[inside].any()


def test_lips_open_again_between_two_closures() -> None:
    mouth = _mouth(_said(["m", "a", "m", "a", "m"]))
    gap = _gap(mouth)
    assert gap.max() > 0.15
    assert gap[0] < 0.02
    assert gap[-1] < 0.02


def test_a_vowel_between_open_ones_opens_more_than_one_between_closures() -> None:
    wide = _column(_mouth(_said(["a", "a", "a"])), "jawOpen").max()
    narrow = _column(_mouth(_said(["s", "a", "s"])), "jawOpen").max()
    assert narrow < 0.9 * wide


def test_the_lower_lip_goes_under_the_teeth_for_f_and_the_mouth_stays_open() -> None:
    mouth = _mouth(_said(["a", "f", "a"], 0.12))
    frame = int((0.4 + 0.18) * 25)
    assert _column(mouth, "mouthRollLower")[frame] > 0.4
    assert _column(mouth, "mouthClose")[frame] < 0.01


def test_lips_round_before_a_round_vowel_begins() -> None:
    pucker = _column(_mouth(_said(["t", "t", "u", "t", "t"])), "mouthPucker")
    before, after = int((0.4 + 0.13) * 25), int((0.4 + 0.32) * 25)
    assert pucker.max() > 0.5
    assert pucker[before] > 0.15
    assert pucker[before] > pucker[after] * 0.8


def test_silence_rests() -> None:
    mouth = _mouth(engines.filled((), 2.0))
    assert mouth.shape == (50, 52)
    assert mouth.max() < 0.01


def test_a_hesitation_does_not_close_the_mouth_but_a_pause_does() -> None:
    def lowest(pause: float) -> float:
        one = Phone(symbol="a", start=0.3, end=0.5)
        other = Phone(symbol="a", start=0.5 + pause, end=0.7 + pause)
        mouth = _mouth(engines.filled((one, other), 1.2 + pause))
        inside = slice(int(0.5 * 25), int((0.5 + pause) * 25) + 1)
        return float(_column(mouth, "jawOpen")[inside].min())

    assert lowest(0.06) > 0.2
    assert lowest(0.8) < 0.03


def test_effort_opens_the_jaw() -> None:
    said = _said(["a", "t", "a"])
    calm, loud = (curves.mouth(said, said[-1].end, efforts=[size] * len(said)) for size in (0.7, 1.3))
    assert _column(loud, "jawOpen").max() > 1.4 * _column(calm, "jawOpen").max()


def test_frames_show_their_middle_at_any_rate() -> None:
    said = _said(["t", "a", "t"], 0.2)
    slow, fast = _mouth(said, 25.0), _mouth(said, 50.0)
    peak, finer = int(_column(slow, "jawOpen").argmax()), int(_column(fast, "jawOpen").argmax())
    assert (peak + 0.5) / 25 == pytest.approx((finer + 0.5) / 50, abs=0.03)


def test_weights_are_such_as_a_face_can_have() -> None:
    mouth = _mouth(_said(list("pabimufvoswatdkanu")))
    assert mouth.min() >= 0
    assert mouth.max() <= 1
    assert (_column(mouth, "mouthClose") <= _column(mouth, "jawOpen") + 1e-6).all()
    assert (_column(mouth, "mouthFunnel") + _column(mouth, "mouthPucker") <= 1.05).all()


def test_labels_name_what_is_said_in_the_middle_of_each_frame() -> None:
    said = _said(["p", "a"], 0.2)
    told = curves.labels(said, said[-1].end)
    assert told.viseme.tolist().count(0) == (~told.talking).sum()
    assert told.talking.sum() == pytest.approx(0.4 * 25, abs=1)


def test_a_part_of_a_frame_is_a_frame() -> None:
    assert curves.frame_count(12.0) == 300
    assert curves.frame_count(0.01) == 1
    assert curves.frame_count(0.0401) == 2
