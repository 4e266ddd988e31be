"""``phiz measure hearing``: numbers of voices, and of a face that was tracked."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from speech_fixtures import write_footage, write_voices
from talk_fixtures import mouth_net, murmur

from phiz import measure_hearing
from phiz.console import Console
from phiz.errors import UsageError
from phiz.face.coeffs import still
from phiz.face.morphable import ARKIT_NAMES
from phiz.measure_hearing import MeasureHearingConfig, Raw, Tally
from phiz.media import audio
from phiz.speech import files, hearing, mouth_network, stream, sync_files, sync_network, windows
from phiz.speech.mouth_network import HEARD, MouthConfig, MouthNet
from phiz.speech.sync_files import SYNC
from phiz.speech.sync_network import SyncNet
from phiz.world.voices.clips import Clip, SpokenClips
from phiz.world.voices.formant import Formant
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
    voices = write_voices(tmp_path / "unheard", count=8, seconds=1.0)
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


def test_other_networks_may_be_named_and_are_drawn(networks: Path, tmp_path: Path) -> None:
    torch.manual_seed(1)
    sync_files.save(tmp_path / "judge.safetensors", SYNC, SyncNet(sync_network.TINY))
    config = MeasureHearingConfig(
        data=(write_voices(tmp_path / "unheard", count=2, seconds=2.6),),
        expression=networks / "speech_mouth.safetensors",
        sync=tmp_path / "judge.safetensors",
        latency=(240.0,),
        output=tmp_path / "h.json",
        sheets=tmp_path / "sheets",
    )
    values = measure_hearing.measure_hearing(config, QUIET)["unheard, 240 ms"]
    assert isinstance(values, dict)
    assert {"raw lips r", "talk told", "sync offsets, frames"} <= set(values)
    names = {path.name for path in (tmp_path / "sheets").iterdir()}
    assert names == {"unheard_240_ms_examples.png", "unheard_240_ms_visemes.png"}


@pytest.mark.parametrize("late", [0, 2])
def test_the_truth_follows_itself_as_late_as_it_is_made(late: int) -> None:
    found = _counted(_clip(), late=late)
    for name in ("jaw", "lips", "closure"):
        assert found[f"{name} late, ms"] == pytest.approx(40.0 * late, abs=4.0)
        assert found[f"{name} r"] == pytest.approx(1.0, abs=0.05)
    assert found["jitter, beside the truth's"] == pytest.approx(1.0, abs=0.1)
    assert found["true closures found"] == 1.0
    assert found["open lips shut"] == 0.0 or late


def test_lips_that_stay_open_or_shut_are_seen_to() -> None:
    clip = _clip()
    for weight, closures, shut in [(0.5, 0.0, 0.0), (0.0, 1.0, 1.0)]:
        mouth = torch.zeros(len(clip.curves), 52)
        mouth[:, ARKIT_NAMES.index("jawOpen")] = weight
        found = _counted(clip, mouth=mouth)
        assert (found["closures found"], found["open lips shut"]) == (closures, shut)


def test_a_mouth_that_moves_without_speech_is_told() -> None:
    clip = replace(_clip(), voice=None)
    mouth = torch.zeros(len(clip.curves), 52)
    mouth[:, ARKIT_NAMES.index("jawOpen")] = 0.25
    assert _counted(clip, mouth=mouth)["lips apart without speech"] == pytest.approx(0.25)


def test_talk_and_sounds_are_counted_frame_by_frame() -> None:
    clip = _clip()
    labels = torch.from_numpy(clip.labels).long()
    wrong = labels[:, 2].float()
    wrong[:10] = 1 - wrong[:10]
    found = _counted(clip, raw=Raw(torch.from_numpy(clip.curves), wrong, labels[:, 0]))
    assert found["talk told"] == pytest.approx(1 - 10 / len(labels))
    assert found["visemes right"] == found["visemes right, without silence"] == 1.0


@pytest.mark.parametrize("latency", [120.0, 240.0])
def test_the_network_alone_says_what_a_stream_hears(latency: float) -> None:
    network, heard = mouth_net(), windows.of_waveform(murmur(1.0))
    raw = measure_hearing.raw_of(network, heard, latency)
    ear = hearing.listen(network, delay=stream.frames_of(latency))
    told = hearing.joined([ear.push(heard), ear.finish()])
    torch.testing.assert_close(raw.expression, told.expression, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(raw.talking, told.talking, atol=1e-5, rtol=1e-5)


def _clip() -> Clip:
    """Return speech with a few closures."""
    make = SpokenClips([Formant()], seed=3, seconds=3.0, is_clean=True)
    return next(clip for clip in map(make.clip, range(9)) if clip.voice and clip.labels[:, 1].any())


def _counted(
    clip: Clip, *, late: int = 0, mouth: torch.Tensor | None = None, raw: Raw | None = None
) -> dict[str, float]:
    """Return the numbers of a clip whose mouth is its own, later, or another one."""
    true = torch.from_numpy(clip.curves)
    tally = Tally(None)
    late_one = torch.cat([true[:1].expand(late, -1), true[: len(true) - late]])
    tally.add(
        clip, windows.of_waveform(torch.from_numpy(clip.samples)), late_one if mouth is None else mouth, raw
    )
    return dict(tally.numbers())  # type: ignore[arg-type]
