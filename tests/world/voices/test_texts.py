"""Things to say."""

from __future__ import annotations

import numpy as np
import pytest

from phiz.world.voices import ipa, texts


@pytest.mark.parametrize("language", texts.languages())
def test_every_language_says_many_different_things(language: str) -> None:
    rng = np.random.default_rng(0)
    said = {texts.compose(language, rng) for _ in range(60)}
    assert len(said) > 45
    assert all(3 < len(text) < 250 for text in said)
    assert not any("{" in text for text in said)


def test_the_same_chance_says_the_same() -> None:
    one, other = (texts.compose("en", np.random.default_rng(4)) for _ in range(2))
    assert one == other


def test_texts_in_ipa_hold_nothing_else() -> None:
    rng = np.random.default_rng(0)
    for _ in range(40):
        for sign in texts.compose("ipa", rng):
            assert sign in " ,.?!\u02c8\u02d0" or ipa.take_apart(sign), sign


def test_closed_lips_are_frequent() -> None:
    rng = np.random.default_rng(0)
    text = "".join(texts.compose("ipa", rng) for _ in range(60))
    share = sum(sign in "pbm" for sign in text) / sum(bool(ipa.take_apart(sign)) for sign in text)
    assert 0.1 < share < 0.4


def test_an_unknown_language_is_refused() -> None:
    with pytest.raises(ValueError, match="no texts in 'xx'"):
        texts.compose("xx", np.random.default_rng(0))


def test_nothing_in_a_text_is_taken_for_a_command() -> None:
    assert texts.plain("-v <b>[[a]]\n") == "v  b a"
