"""``phiz train speech``: steps are taken, go on where they stopped, and are the same on all processes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
import trainer_twins
from gan_fixtures import assert_same, curve, newest
from speech_fixtures import settings, trained, write_footage, write_voices

from phiz import trained as networks
from phiz.errors import DataError, UsageError
from phiz.face.morphable import ARKIT_NAMES
from phiz.speech import encoder, files, mouth_network, sync_network
from phiz.speech.mouth_network import HEARD
from phiz.speech.sync_files import SYNC
from phiz.speech.sync_network import SyncNet
from phiz.train import monitor, speech, voice_sources
from phiz.train.speech_config import PRESETS, TrainSpeechConfig

TRAINER = "phiz.train.speech:train_speech:TrainSpeechConfig:speech_mouth"
FULL = "--steps 4 --snapshot-every 2 --keep 9"


@pytest.fixture(scope="module")
def voices(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_voices(tmp_path_factory.mktemp("voices") / "data")


@pytest.fixture(scope="module")
def footage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_footage(tmp_path_factory.mktemp("footage") / "data")


@pytest.fixture(scope="module")
def whole(voices: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a training of four steps that nothing interrupted."""
    folder = tmp_path_factory.mktemp("speech") / "whole"
    trained(settings(voices, folder, f"{FULL} --check {voices} --measure-every 2"))
    return folder


def test_a_training_leaves_a_network_that_hears(whole: Path) -> None:
    found = files.load(files.MOUTH, whole / "speech_mouth.safetensors")
    assert found.config.sizes == mouth_network.TINY
    assert (found.config.basis, found.config.modes, found.config.names) == ("phiz", 52, ARKIT_NAMES)
    assert [ARKIT_NAMES[k] for k in found.config.told] == list(HEARD)
    snapshot = newest(whole)
    assert_same(found.state_dict(), {name: snapshot[f"parts/average/{name}"] for name in found.state_dict()})
    assert files.about(files.MOUTH, whole / "speech_mouth.safetensors")["steps"] == 4


def test_the_log_has_losses_and_what_others_were_told_by(whole: Path) -> None:
    lines = monitor.read_lines(whole)
    assert [(line.step, line.images) for line in lines] == [(1, 2), (2, 4), (3, 6), (4, 8)]
    names = {f"loss/{name}" for name in ("modes", "speed", "places", "labels")}
    assert all(names <= set(line.values) for line in lines)
    assert {"others/opening r at 0", "others/opening r at 2"} <= set(lines[1].values)
    assert "others/opening r at 0" not in lines[0].values


def test_a_training_in_pieces_is_the_same_as_one_in_one_piece(
    voices: Path, whole: Path, tmp_path: Path
) -> None:
    folder, words = tmp_path / "pieces", f"{FULL} --check {voices} --measure-every 2"
    assert trained(replace(settings(voices, folder, words), minutes=1e-6))["steps"] == 0
    done = trained(settings(voices, folder, words))
    assert done == {"output": str(folder / "speech_mouth.safetensors"), "steps": 4, "images": 8}
    assert curve(folder) == curve(whole)
    assert_same(newest(folder), newest(whole))


def test_two_processes_have_the_same_networks_at_the_end(voices: Path, tmp_path: Path) -> None:
    trainer = trainer_twins.Trainer.named(TRAINER)
    trainer_twins.assert_two_agree(trainer, ["--data", str(voices)], tmp_path)
    assert [(line.step, line.images) for line in monitor.read_lines(tmp_path / "run")] == [(1, 2), (2, 4)]


def test_speech_that_comes_again_is_learned(voices: Path, tmp_path: Path) -> None:
    words = "--steps 40 --batch 6 --rate 0.02 --cool-share 0 --snapshot-every 99 --log-every 5 --delays 0"
    trained(settings(voices, tmp_path / "run", words))
    losses = [line.values["loss/modes"] for line in monitor.read_lines(tmp_path / "run")]
    assert losses[-1] < 0.8 * losses[0]  # type: ignore[operator]


def test_footage_teaches_the_modes_that_it_was_fitted_in(footage: Path, tmp_path: Path) -> None:
    trained(settings(footage, tmp_path / "run", f"--check {footage}"))
    found = files.load(files.MOUTH, tmp_path / "run" / "speech_mouth.safetensors")
    assert (found.config.basis, found.config.told, found.config.is_weights) == ("fitted", (0, 1, 2), False)
    assert float(found.spread.min()) > 0.1
    assert "others/modes r at 0" in monitor.read_lines(tmp_path / "run")[0].values


def test_the_published_network_is_trained_as_well(footage: Path, voices: Path, tmp_path: Path) -> None:
    for number, data in enumerate((footage, voices)):
        folder = tmp_path / f"run{number}"
        done = trained(settings(data, folder, "--network published --steps 3"))
        found = files.load(files.EXPRESSION, Path(str(done["output"])))
        assert found.config.widths == encoder.TINY
        assert found.config.expressions == (3, 52)[number]


def test_a_network_for_sync_is_learned_from(voices: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    networks.save(tmp_path / "sync.safetensors", SYNC, SyncNet(sync_network.TINY))
    trained(settings(voices, tmp_path / "run", f"--sync {tmp_path / 'sync.safetensors'}"))
    values = monitor.read_lines(tmp_path / "run")[0].values
    assert 0 < values["loss/sync"] < 0.1  # type: ignore[operator]


def test_a_network_is_gone_on_with(voices: Path, footage: Path, whole: Path, tmp_path: Path) -> None:
    start = whole / "speech_mouth.safetensors"
    source = voice_sources.open_voices([voices], frames=10)
    found = speech.beginner(settings(voices, tmp_path, f"--start {start}"), source)
    assert_same(found.state_dict(), files.load(files.MOUTH, start).state_dict())
    other = voice_sources.open_voices([footage], frames=10)
    with pytest.raises(UsageError, match="other sizes"):
        speech.beginner(settings(footage, tmp_path, f"--start {start}"), other)


def test_what_cannot_be_trained_on_is_refused(voices: Path, footage: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="say where"):
        trained(TrainSpeechConfig())
    with pytest.raises(DataError, match="one kind at a time"):
        trained(settings(voices, tmp_path, f"--data {voices} {footage}"))
    for wrong in ({"delays": (13,)}, {"rate": 0.0}, {"batch": 0}, {"sync_weight": -1.0}):
        with pytest.raises(ValueError, match=r"delays|rate|at least|sign"):
            replace(PRESETS["BUILTIN"], **wrong)  # type: ignore[arg-type]


def test_the_guides_sizes_are_those_it_names() -> None:
    guide = PRESETS["guide"]
    assert (guide.sizes.width, guide.sizes.mapping, guide.rate) == (256, 512, 1e-4)
