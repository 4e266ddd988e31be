"""The demo: a seed and a sentence become a film; wrong wishes are refused before the work starts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

import pytest
import torch

from phiz import demo
from phiz.console import Console
from phiz.demo import DemoConfig
from phiz.errors import MediaError, UsageError
from phiz.face import models
from phiz.media import audio, video
from phiz.speech import spectrum

SILENT = Console(quiet=True)


@pytest.fixture(scope="module")
def built_in() -> str:
    """Return the name of the built-in head, where this checkout has one."""
    if not demo.HELLO.with_name("head.safetensors").exists():
        pytest.skip("the built-in head is not made yet")
    return models.BUILT_IN


def test_the_built_in_sentence_is_small_clear_and_starts_and_ends_in_silence() -> None:
    sentence = audio.read(demo.HELLO)
    assert 4 < len(sentence) / audio.RATE < 6
    assert 0.5 < sentence.abs().max() < 1
    assert sentence[:4000].abs().max() == sentence[-8000:].abs().max() == 0
    assert demo.HELLO.stat().st_size < 100_000


def test_the_mouth_opens_about_as_often_as_the_sentence_has_syllables() -> None:
    opening, rounding = spectrum.mouth_curve(audio.read(demo.HELLO), audio.RATE, 25.0)
    peaks = ((opening[1:-1] > opening[:-2]) & (opening[1:-1] >= opening[2:]) & (opening[1:-1] > 0.25)).sum()
    assert 11 <= peaks <= 18  # Hel-lo I am made of num-bers and ev-ery part of me can be trained
    assert opening[:5].max() == 0
    assert rounding[14:18].min() > 0.5  # the o of "Hello"


@pytest.mark.parametrize("size", [0, 31, 2049])
def test_sizes_that_cannot_be_are_refused(size: int) -> None:
    with pytest.raises(UsageError, match="--size"):
        demo.demo(DemoConfig(size=size), SILENT)


def test_a_seed_below_zero_and_a_missing_sound_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--seed"):
        demo.demo(DemoConfig(seed=-1), SILENT)
    with pytest.raises(MediaError, match="no sound at"):
        demo.demo(DemoConfig(audio=tmp_path / "none.wav"), SILENT)


@pytest.mark.parametrize("drawn", ["avatar", "world"])
def test_a_person_says_a_word_and_the_numbers_are_told(
    built_in: str, tmp_path: Path, drawn: Literal["avatar", "world"]
) -> None:
    sentence = audio.read(demo.HELLO)
    audio.write(tmp_path / "hel.wav", sentence[5000:7500])
    config = DemoConfig(
        output=tmp_path / "a.mp4", audio=tmp_path / "hel.wav", size=32, head=built_in, drawn=drawn
    )
    told = json.loads(json.dumps(demo.demo(config, SILENT)))
    info = video.probe(tmp_path / "a.mp4")
    assert info.frames == told["frames"] == 4
    assert (info.width, info.has_audio) == (32, True)
    assert set(told["stages"]) == {"speaking", "painting", "encoding"}
    first = next(video.read(tmp_path / "a.mp4"))
    assert torch.isfinite(first).all()
    assert first.std() > 0.1
