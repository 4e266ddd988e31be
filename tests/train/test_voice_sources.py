"""Speech by number, from shards of voices and from footage."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from speech_fixtures import SECONDS, write_footage, write_voices

from phiz.errors import DataError, MediaError
from phiz.face import models
from phiz.train import voice_sources
from phiz.train.voice_sources import Footage, Voices
from phiz.world.voices.clips import SpokenClips
from phiz.world.voices.formant import Formant


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_voices(tmp_path_factory.mktemp("voices") / "data")


def test_clips_come_as_they_were_made(folder: Path) -> None:
    found = voice_sources.open_voices([folder], frames=5)
    assert isinstance(found, Voices)
    assert (found.count, found.modes) == (6, 52)
    truth = SpokenClips([Formant()], seed=0, seconds=SECONDS).clip(5)
    speech = pickle.loads(pickle.dumps(found)).read(5, np.random.default_rng(0))
    assert np.abs(speech.expression.numpy() - truth.curves).max() < 1e-3
    assert speech.labels.tolist() == truth.labels.tolist()
    assert len(speech.mel) == 1 + int(SECONDS * 16_000) // 200


def test_the_basis_of_clips_is_our_own_head() -> None:
    assert models.open_model("built-in").name == voice_sources.BUILT_IN_BASIS


def test_footage_is_cut_into_pieces_that_begin_anywhere(tmp_path: Path) -> None:
    found = voice_sources.open_voices([write_footage(tmp_path / "data")], frames=8)
    assert isinstance(found, Footage)
    assert (found.count, found.basis, found.modes, found.names) == (5, "fitted", 3, ())
    firsts = set()
    for number in range(5):
        for seed in range(6):
            speech = found.read(number, np.random.default_rng(seed))
            person = found.people[0 if number < 3 else 1]
            assert speech.labels is None
            assert torch.equal(speech.expression, person.numbers[speech.first : speech.first + 8])
            assert torch.equal(speech.mel, person.mel)
            firsts.add((number, speech.first))
    assert len(firsts) > 10


def test_several_folders_are_one_collection(folder: Path, tmp_path: Path) -> None:
    more = write_voices(tmp_path / "more", count=3, seed=9)
    both = voice_sources.open_voices([folder, more], frames=5)
    assert (both.count, both.basis, both.modes) == (9, "phiz", 52)
    alone = voice_sources.open_voices([more], frames=5)
    chance = np.random.default_rng
    assert torch.equal(both.read(7, chance(0)).mel, alone.read(1, chance(0)).mel)
    with pytest.raises(IndexError):
        both.read(9, chance(0))


def test_what_holds_no_speech_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no folder"):
        voice_sources.open_voices([], frames=5)
    short = write_footage(tmp_path / "short", frames=(4,))
    with pytest.raises(DataError, match="nobody"):
        voice_sources.open_voices([short], frames=5)
    index = json.loads((folder / "index.json").read_text())
    for change, told in (({"count": 99}, "not finished"), ({"recipe": {}}, "holds no voices")):
        other = tmp_path / told.replace(" ", "")
        other.mkdir()
        (other / "index.json").write_text(json.dumps({**index, **change}))
        with pytest.raises(DataError, match=told):
            voice_sources.open_voices([other], frames=5)


def test_damage_is_told(tmp_path: Path) -> None:
    folder = write_voices(tmp_path / "data", count=2)
    path = folder / "000000.tar"
    data = bytearray(path.read_bytes())
    data[len(data) // 3] ^= 255
    path.write_bytes(data)
    found = voice_sources.open_voices([folder], frames=5)
    with pytest.raises(MediaError, match="damaged"):
        [found.read(number, np.random.default_rng(0)) for number in range(2)]
