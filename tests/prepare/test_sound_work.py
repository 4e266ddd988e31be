"""Sounds become one channel at 16 kHz, and lose what their pictures lost."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from phiz.media import audio
from phiz.prepare import sound_work
from phiz.prepare.store import Store, key_of
from phiz.world.data.guide import murmur


def test_a_sound_is_kept_with_its_facts(tmp_path: Path) -> None:
    voice = murmur(0.5, seed=0, rate=48_000)
    audio.write(tmp_path / "a.flac", voice, rate=48_000)
    store = Store(folder=tmp_path / "store")
    facts = sound_work.listen(tmp_path / "a.flac", key_of(1), store)
    stored = store.read(key_of(1)) or {}
    assert facts.items() <= stored.items()
    assert facts["seconds"] == 0.5
    assert facts["peak"] == pytest.approx(float(audio.read(tmp_path / "a.flac").abs().max()), abs=1e-6)
    assert len(audio.read(store.path(key_of(1), ".wav"))) == 8000


@pytest.mark.parametrize(("loudness", "reason"), [(0.0, "sound silent"), (1e-4, "sound silent"), (0.1, "")])
def test_silence_is_dropped(loudness: float, reason: str, tmp_path: Path) -> None:
    audio.write(tmp_path / "a.wav", loudness * torch.ones(800))
    store = Store(folder=tmp_path / "store")
    assert sound_work.listen(tmp_path / "a.wav", key_of(1), store)["reason"] == reason
    assert store.path(key_of(1), ".wav").exists() == (not reason)


def test_what_is_no_sound_is_told_without_its_place(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(b"nonsense")
    facts = sound_work.listen(tmp_path / "a.wav", key_of(1), Store(folder=tmp_path / "store"))
    assert facts["reason"] == "sound unreadable"
    assert str(tmp_path) not in facts["detail"]


def test_all_frames_leave_the_sound_alone() -> None:
    sound = torch.arange(10.0)
    assert torch.equal(sound_work.without_gaps(sound, [0, 1, 2, 3, 4], 5, rate=10), sound)


def test_frames_take_their_sound_with_them() -> None:
    sound = torch.arange(10.0)
    cut = sound_work.without_gaps(sound, [0, 2, 3, 6], 5, rate=10)
    assert cut.tolist() == [0, 1, 4, 5, 6, 7, 0, 0]  # after the end it is silent
    assert len(sound_work.without_gaps(sound, [], 5, rate=10)) == 0


def test_lengths_hold_at_rates_that_do_not_divide() -> None:
    kept = [k for k in range(1000) if k % 7]
    cut = sound_work.without_gaps(torch.zeros(40_000), kept, 29.97)
    assert abs(len(cut) / audio.RATE * 29.97 - len(kept)) < 0.5
