"""``phiz speak``: sound or text in, a motion and tables out; wrong wishes are refused before the work."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
import torch
from talk_fixtures import mouth_net, murmur, published_net

from phiz import options
from phiz.console import Console
from phiz.errors import HeadError, MediaError, MissingError, UsageError
from phiz.face import livelink
from phiz.face.coeffs import Motion
from phiz.media import audio
from phiz.speak_verb import SpeakConfig, speak_verb
from phiz.speech import files

QUIET = Console(quiet=True, errors=io.StringIO())
IPA = "\u02c8mama."


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with a tiny network of ours and a second of murmur."""
    files.save(tmp_path / "speech_mouth.safetensors", files.MOUTH, mouth_net())
    audio.write(tmp_path / "voice.wav", murmur(1.0))
    return tmp_path


def test_a_sound_becomes_a_motion_and_a_table(folder: Path) -> None:
    words = f"{folder}/voice.wav --networks {folder} -o {folder}/m.safetensors --dials.head 0"
    words = f"{words} --csv {folder}/m.csv"
    result = speak_verb(options.parse(SpeakConfig, words.split()), QUIET)
    motion = Motion.load(folder / "m.safetensors")
    assert result["frames"] == len(motion) == 25
    assert motion.rotation.abs().max() == 0
    table = livelink.read(folder / "m.csv")
    torch.testing.assert_close(table.expression, motion.expression, atol=1e-6, rtol=0)
    torch.testing.assert_close(table.gaze, motion.gaze, atol=1e-6, rtol=0)


def test_a_text_needs_no_network_unless_its_lips_are_heard(folder: Path) -> None:
    said = SpeakConfig(
        text=IPA, voice="formant", language="ipa", output=folder / "t.safetensors", sound=folder / "t.wav"
    )
    result = speak_verb(said, QUIET)
    assert result["basis"] == "phiz"
    sound = audio.read(folder / "t.wav")
    assert -(-len(sound) // 640) == len(Motion.load(folder / "t.safetensors"))
    heard = SpeakConfig(
        text=IPA,
        voice="formant",
        language="ipa",
        lips="heard",
        networks=folder,
        output=folder / "h.safetensors",
    )
    speak_verb(heard, QUIET)
    one, other = Motion.load(folder / "t.safetensors"), Motion.load(folder / "h.safetensors")
    assert len(one) == len(other)
    assert not torch.equal(one.expression, other.expression)


def test_tables_need_names(tmp_path: Path) -> None:
    files.save(tmp_path / "speech_expression.safetensors", files.EXPRESSION, published_net())
    audio.write(tmp_path / "voice.wav", murmur(0.5))
    config = SpeakConfig(audio=tmp_path / "voice.wav", networks=tmp_path, csv=tmp_path / "m.csv")
    with pytest.raises(HeadError, match="phiz head retarget"):
        speak_verb(config, QUIET)


@pytest.mark.parametrize("words", ["", "a.wav --text Hello", "a.wav --seed -1", "a.wav --sound b.wav"])
def test_wishes_that_make_no_sense_are_refused(words: str) -> None:
    with pytest.raises(UsageError):
        options.parse(SpeakConfig, words.split())
    with pytest.raises(UsageError, match="'lips' goes from 0 to 3"):
        options.parse(SpeakConfig, "a.wav --dials.lips 4".split())


def test_missing_files_and_folders_are_named(folder: Path) -> None:
    with pytest.raises(MediaError, match=r"no sound at none\.wav"):
        speak_verb(SpeakConfig(audio=Path("none.wav"), networks=folder), QUIET)
    with pytest.raises(UsageError, match="is no folder"):
        speak_verb(SpeakConfig(audio=folder / "voice.wav", networks=folder / "none"), QUIET)
    (folder / "empty").mkdir()
    with pytest.raises(MissingError, match="phiz import sadtalker"):
        speak_verb(SpeakConfig(audio=folder / "voice.wav", networks=folder / "empty"), QUIET)
