"""What each sound wants of the mouth."""

from __future__ import annotations

import pytest

from phiz.world.voices import ipa, phones


def _place(sign: str, channel: str) -> float:
    (sound,) = ipa.take_apart(sign)
    return phones.target(sound, None).places[phones.CHANNELS.index(channel)]


@pytest.mark.parametrize("sign", [*ipa.vowels(), *ipa.consonants()])
def test_every_sound_has_a_target_and_a_class(sign: str) -> None:
    (sound,) = ipa.take_apart(sign)
    wanted = phones.target(sound, 2)
    assert len(wanted.places) == len(wanted.strengths) == len(phones.CHANNELS)
    assert all(0 <= place <= 1 for place in wanted.places)
    assert all(0 < strength <= 1 for strength in wanted.strengths)
    assert phones.VISEMES[phones.viseme(sound)] != "silence"


def test_open_vowels_drop_the_jaw_and_close_ones_do_not() -> None:
    heights = [_place(sign, "jaw") for sign in "ie\u025ba"]
    assert heights == sorted(heights)
    assert heights[-1] > 3 * heights[0]


def test_round_vowels_push_the_lips_and_front_ones_spread_them() -> None:
    assert _place("u", "round") > 0.6 > 0.1 > _place("i", "round")
    assert _place("y", "round") > 0.6
    assert _place("o", "funnel") > _place("u", "funnel")
    assert _place("i", "spread") > 0.5 > 0.1 > _place("u", "spread")


@pytest.mark.parametrize(("signs", "kind"), [("pbm", "close"), ("fv", "tuck")])
def test_lips_touch_where_they_must(signs: str, kind: str) -> None:
    for sign in signs:
        gate = phones.gate(ipa.take_apart(sign)[0])
        assert gate is not None
        assert gate.kind == kind
        assert gate.depth == 1


def test_other_sounds_touch_nothing() -> None:
    assert all(phones.gate(ipa.take_apart(sign)[0]) is None for sign in "tdkaijsw")


def test_silence_wants_a_closed_mouth() -> None:
    assert set(phones.target(None, None).places) == {0.0}
    assert phones.viseme(None) == 0


def test_stress_makes_a_vowel_insist() -> None:
    (sound,) = ipa.take_apart("a")
    weak, strong = (phones.target(sound, stress).strengths[0] for stress in (0, 2))
    assert strong > weak
