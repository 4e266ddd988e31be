"""Phones taken apart."""

from __future__ import annotations

import pytest

from phiz.world.voices import ipa, phonesets


@pytest.mark.parametrize(
    ("phone", "sounds"),
    [
        ("", []),
        ("p", ["p"]),
        ("a\u026a", ["a", "\u026a"]),
        ("t\u0361\u0283", ["t", "\u0283"]),
        ("i\u02d0", ["i"]),
        ("p\u02b0", ["p"]),
        ("\u02c8\u0259l", ["\u0259", "l"]),
        ("?1", []),
    ],
)
def test_a_phone_is_its_sounds(phone: str, sounds: list[str]) -> None:
    assert [sound.symbol for sound in ipa.take_apart(phone)] == sounds


def test_a_long_vowel_takes_more_of_its_phone() -> None:
    assert ipa.take_apart("i\u02d0")[0].share > ipa.take_apart("i")[0].share
    first, second = ipa.take_apart("a\u028a")
    assert second.share < first.share


def test_marks_tell_what_lips_do() -> None:
    assert ipa.take_apart("k\u02b7")[0].is_rounded
    assert not ipa.take_apart("k")[0].is_rounded
    assert ipa.take_apart("m")[0].is_hum
    assert ipa.take_apart("m")[0].is_voiced
    assert not ipa.take_apart("p")[0].is_voiced


def test_no_sign_is_both_vowel_and_consonant() -> None:
    assert not set(ipa.vowels()) & set(ipa.consonants())


def test_every_phone_of_every_engine_has_a_mouth() -> None:
    for phoneset, table in phonesets.tables().items():
        for name, phone in table.items():
            assert bool(ipa.take_apart(phone)) == bool(phone), f"{phoneset} {name}"


def test_an_unknown_phone_is_refused_by_name() -> None:
    assert phonesets.to_ipa("radio", "pau") == ""
    with pytest.raises(ValueError, match="'radio' has no phone 'qq'"):
        phonesets.to_ipa("radio", "qq")
