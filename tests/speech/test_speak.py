"""A sound in, a motion out: a file or a waveform, however short."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from talk_fixtures import murmur, studio

from phiz.errors import MediaError
from phiz.media import audio
from phiz.speech.speak import speak


def test_a_file_says_what_its_waveform_says(tmp_path: Path) -> None:
    path = tmp_path / "voice.wav"
    audio.write(path, murmur(1.5))
    motion = speak(path, None, studio())
    assert torch.equal(motion.expression, speak(audio.read(path), None, studio()).expression)
    assert (motion.basis, motion.fps, len(motion)) == ("phiz", 25.0, 38)


def test_a_sound_shorter_than_a_frame_is_a_frame_of_rest() -> None:
    motion = speak(torch.zeros(100), None, studio())
    assert len(motion) == 1
    assert motion.expression.shape == (1, 52)


def test_no_sound_at_all_is_refused() -> None:
    with pytest.raises(MediaError, match="not one sample"):
        speak(torch.zeros(0), None, studio())
