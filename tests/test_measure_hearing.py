"""``phiz measure hearing``: numbers of voices, and of a face that was tracked."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from speech_fixtures import write_footage, write_voices
from talk_fixtures import murmur

from phiz import measure_hearing
from phiz.console import Console
from phiz.errors import UsageError
from phiz.face.coeffs import still
from phiz.face.morphable import ARKIT_NAMES
from phiz.measure_hearing import MeasureHearingConfig
from phiz.media import audio
from phiz.speech import files, mouth_network
from phiz.speech.mouth_network import HEARD, MouthConfig, MouthNet
from phiz.world.voices.phones import VISEMES

QUIET = Console(quiet=True, errors=io.StringIO())


@pytest.fixture(scope="module")
def networks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a tiny network that tells ARKit's expressions."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("networks")
    told = tuple(ARKIT_NAMES.index(name) for name in HEARD)
    config = MouthConfig(basis="phiz", modes=52, told=told, names=ARKIT_NAMES, sizes=mouth_network.TINY)
    files.save(folder / "speech_mouth.safetensors", files.MOUTH, MouthNet(config))
    return folder


def test_voices_give_numbers_for_each_latency(networks: Path, tmp_path: Path) -> None:
    voices = write_voices(tmp_path / "unheard", count=8, seconds=2.0)
    config = MeasureHearingConfig(
        data=(voices,), networks=networks, latency=(140.0, 240.0), output=tmp_path / "h.json", count=8
    )
    told = measure_hearing.measure_hearing(config, QUIET)
    assert json.loads((tmp_path / "h.json").read_text()) == {
        name: value for name, value in told.items() if name != "output"
    }
    for latency in ("140", "240"):
        values = told[f"unheard, {latency} ms"]
        assert isinstance(values, dict)
        assert {"jaw r", "lips r", "lips late, ms", "closures found", "visemes right"} <= set(values)
        assert -1 <= values["lips r"] <= 1
        assert 0 <= values["closures found"] <= 1


def test_a_face_that_was_tracked_is_compared(networks: Path, tmp_path: Path) -> None:
    audio.write(tmp_path / "talk.wav", murmur(2.0))
    truth = still("phiz", 52, 50)
    truth.expression[:, ARKIT_NAMES.index("jawOpen")] = torch.rand(50)
    truth.save(tmp_path / "talk.safetensors")
    config = MeasureHearingConfig(
        truth=tmp_path / "talk.safetensors",
        audio=tmp_path / "talk.wav",
        networks=networks,
        latency=(240.0,),
        output=tmp_path / "h.json",
    )
    values = measure_hearing.measure_hearing(config, QUIET)["talk.safetensors, 240 ms"]
    assert isinstance(values, dict)
    assert set(values) == {"jaw r", "jaw late, ms", "lips r", "lips late, ms"}


def test_a_motion_follows_itself_fully() -> None:
    motion = still("phiz", 52, 60)
    motion.expression[:, [ARKIT_NAMES.index(n) for n in ("jawOpen", "mouthPucker")]] = torch.rand(60, 2)
    found = measure_hearing.of_face(motion, motion)
    assert found["jaw r"] == found["rounding r"] == pytest.approx(1.0)
    assert found["lips late, ms"] == pytest.approx(0.0, abs=2.0)


def test_the_worst_confusions_are_named() -> None:
    confused = torch.eye(len(VISEMES), dtype=torch.long) * 10
    confused[3, 5] = 30
    assert measure_hearing.worst(confused)[0] == f"{VISEMES[3]} as {VISEMES[5]} 0.75"


def test_wishes_that_make_no_sense_are_refused(networks: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="say on whom"):
        measure_hearing.measure_hearing(MeasureHearingConfig(), QUIET)
    with pytest.raises(ValueError, match="go together"):
        MeasureHearingConfig(truth=tmp_path / "a")
    footage = MeasureHearingConfig(data=(write_footage(tmp_path / "footage"),), networks=networks)
    with pytest.raises(UsageError, match="holds footage"):
        measure_hearing.measure_hearing(replace(footage, output=tmp_path / "h.json"), QUIET)
