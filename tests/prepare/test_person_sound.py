"""Sounds find their pictures."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from phiz.media import audio
from phiz.prepare import person_sound
from phiz.prepare.jobs import Item
from phiz.prepare.sound_work import WAV
from phiz.prepare.store import Store

FPS = 25.0
FRAME = 640


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(folder=tmp_path)


def _sound(store: Store, source: str, frames: float, value: float = 0.25) -> Item:
    key = f"{source}-sound"
    count = round(frames * FRAME)
    audio.write(_room(store, key), torch.full((count,), value))
    store.seal(key, {"reason": "", "seconds": count / audio.RATE, "peak": value}, (WAV,))
    return Item("a", "sound", source, -1, key, "")


def _room(store: Store, key: str) -> Path:
    path = store.path(key, WAV)
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def _pictures(*reasons: str) -> list[Item]:
    return [Item("a", "picture", f"{k}.jpg", -1, f"p{k}", why) for k, why in enumerate(reasons)]


def _frames(film: str, *reasons: str) -> list[Item]:
    return [Item("a", "frame", film, k, f"{film}{k}", why) for k, why in enumerate(reasons)]


def test_sounds_as_long_as_the_pictures_belong_to_them(store: Store) -> None:
    pictures = _pictures("", "blurred", "", "")
    sounds = [_sound(store, "a.wav", 2, 0.25), _sound(store, "b.wav", 2, 0.5)]
    assert person_sound.are_frames(pictures, sounds, store, FPS)
    (found,) = person_sound.parts(pictures, sounds, store, FPS)
    waveform = found.waveform()
    assert len(waveform) == 3 * FRAME
    assert waveform[: FRAME + 1].tolist() == [0.25] * FRAME + [0.5]
    assert found.sources == ("a.wav", "b.wav")
    assert found.facts["peak"] == 0.5


def test_other_sounds_are_written_whole(store: Store) -> None:
    pictures = _pictures("", "", "")
    sounds = [_sound(store, "a.wav", 20), _sound(store, "b.wav", 3)]
    assert not person_sound.are_frames(pictures, sounds, store, FPS)
    found = list(person_sound.parts(pictures, sounds, store, FPS))
    assert [(len(one.waveform()) // FRAME, one.fits) for one in found] == [(20, False), (3, False)]


def test_films_keep_their_own_sound_and_stand_last(store: Store) -> None:
    pictures = [*_frames("x.mp4", "", "no face", ""), *_frames("silent.mp4", "", ""), *_pictures("")]
    sounds = [_sound(store, "x.mp4", 3), _sound(store, "loose.wav", 3)]
    order = person_sound.in_order(pictures, sounds)
    assert [item.source for item in order] == ["silent.mp4"] * 2 + ["0.jpg"] + ["x.mp4"] * 3
    found = list(person_sound.parts(order, sounds, store, FPS))
    assert [(one.sources, one.kept) for one in found] == [(("loose.wav",), (0, 1, 2)), (("x.mp4",), (0, 2))]
    assert sum(len(one.waveform()) for one in found) == 5 * FRAME


def test_sounds_of_nobody_are_left_out_and_told(store: Store) -> None:
    sounds = [_sound(store, "x.mp4", 3), _sound(store, "loose.wav", 3)]
    gone = _frames("x.mp4", "no face", "no face", "no face")
    assert list(person_sound.parts(gone, sounds, store, FPS)) == []
    assert person_sound.without_pictures(gone, sounds) == sounds
    kept = _frames("x.mp4", "", "", "")
    assert person_sound.without_pictures(kept, sounds) == sounds[1:]


def test_a_broken_end_of_a_film_does_not_count_as_a_picture(store: Store) -> None:
    pictures = _frames("x.mp4", "", "", "film unreadable")
    (found,) = person_sound.parts(pictures, [_sound(store, "x.mp4", 3)], store, FPS)
    assert len(found.waveform()) == 2 * FRAME
