"""Clips by number: the same bytes for the same number, and a mouth that fits what is heard."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from phiz.errors import DataError, MissingError
from phiz.face.morphable import ARKIT_NAMES
from phiz.world.voices import clips
from phiz.world.voices.engines import Spoken, Voice
from phiz.world.voices.formant import Formant

SECONDS = 2.0


def _make(**changes: object) -> clips.SpokenClips:
    return clips.SpokenClips([Formant()], seconds=SECONDS, **{"seed": 3, **changes})  # type: ignore[arg-type]


def test_a_number_always_gives_the_same_clip() -> None:
    one, other = _make()(5), _make()(5)
    assert one == other
    assert one != _make()(6)
    assert one != _make(seed=4)(5)


def test_every_clip_has_the_same_shape_and_survives_its_files() -> None:
    make = _make()
    for number in range(4):
        clip = make.clip(number)
        assert clip.samples.shape == (int(SECONDS * 16_000),)
        assert clip.curves.shape == (int(SECONDS * 25), 52)
        again = clips.decode(clips.encode(clip))
        assert np.abs(again.samples - clip.samples.clip(-1, 1)).max() < 1e-4
        assert np.abs(again.curves - clip.curves).max() < 1e-3
        assert np.array_equal(again.labels, clip.labels)
        assert again.voice == clip.voice
        assert [p.symbol for p in again.phones] == [p.symbol for p in clip.phones]


def test_a_clip_without_speech_keeps_its_mouth_shut() -> None:
    make = _make()
    drawn = [np.random.default_rng([3, number]).random() < clips.MUTE_SHARE for number in range(60)]
    mute = [make.clip(int(number)) for number in np.flatnonzero(drawn)[:4]]
    assert [clip.voice for clip in mute] == [None] * 4
    mouth = [k for k, name in enumerate(ARKIT_NAMES) if name.startswith(("mouth", "jaw", "tongue"))]
    for clip in mute:
        assert clip.curves[:, mouth].max() == 0
        assert clip.labels.max() == 0
        assert np.abs(clip.samples).max() > 0


def test_lips_are_shut_where_the_labels_say_so() -> None:
    make = _make(is_clean=True)
    shut = 0
    for number in range(6):
        clip = make.clip(number)
        closed = clip.labels[:, 1] == 1
        jaw, close = (clip.curves[:, ARKIT_NAMES.index(name)] for name in ("jawOpen", "mouthClose"))
        assert (jaw[closed] - close[closed] < 0.03).all()
        shut += int(closed.sum())
    assert shut > 5


def test_a_clean_clip_says_the_same_without_room_and_noise() -> None:
    clean, spoilt = _make(is_clean=True).clip(5), _make().clip(5)
    assert np.array_equal(clean.curves, spoilt.curves)
    assert not np.array_equal(clean.samples, spoilt.samples)


def test_nobody_speaks_in_two_parts() -> None:
    train, held = (_make(split=split).voices for split in ("train", "voices"))
    assert train
    assert held
    assert not {v.speaker for v in train} & {v.speaker for v in held}
    alone = clips.cast([Formant()], split="engines", held_engine="formant")
    assert len(alone) == len(Formant().voices())
    with pytest.raises(MissingError, match="Nobody here can speak in the part 'train'"):
        clips.cast([Formant()], split="train", held_engine="formant")


class Stumbler:
    """Our own synthesiser, which crashes at some texts, as others' do."""

    name = "stumbler"

    def __init__(self, patience: int) -> None:
        self.patience = patience
        self.heard = 0

    def voices(self) -> tuple[Voice, ...]:
        return tuple(replace(voice, engine=self.name) for voice in Formant().voices())

    def speak(self, text: str, voice: Voice, rng: np.random.Generator) -> Spoken:
        self.heard += 1
        if self.heard % self.patience:
            raise DataError("ouch")
        return Formant().speak(text, voice, rng)


def test_an_engine_that_stumbles_gets_another_text_but_not_for_ever() -> None:
    number = next(n for n in range(9) if _make().clip(n).voice is not None)
    assert clips.SpokenClips([Stumbler(2)], seed=3, seconds=SECONDS).clip(number).labels.max() > 0
    with pytest.raises(DataError, match="could not say any of 4 texts"):
        clips.SpokenClips([Stumbler(9)], seed=3, seconds=SECONDS).clip(number)


def test_damaged_files_are_refused() -> None:
    files = _make()(0)
    with pytest.raises(DataError, match="no clip of a voice"):
        clips.decode({name: data for name, data in files.items() if name != clips.CURVES})
    with pytest.raises(DataError, match="do not fit"):
        clips.decode({**files, clips.LABELS: files[clips.CURVES]})
