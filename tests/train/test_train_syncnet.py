"""Judges of sound and mouth learn; they stop, go on and share their work with the same numbers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from gan_fixtures import ALONE, assert_same, newest
from speech_fixtures import write_voices
from trainer_twins import Trainer, assert_goes_on, assert_two_agree

from phiz.errors import UsageError
from phiz.speech import sync_files, sync_network
from phiz.speech.sync_files import SYNC
from phiz.speech.sync_network import TINY
from phiz.train import monitor, syncnet, syncnet_stream, voice_changes
from phiz.train.syncnet_config import PRESETS, TrainSyncnetConfig
from phiz.train.syncnet_stream import PLAIN

TRAINER = Trainer(syncnet, "train_syncnet", "TrainSyncnetConfig", "speech_sync")
FULL = "--steps 4 --half-life 20 --snapshot-every 1 --keep 9".split()
LEARNING = (
    "--sync.channels 8 16 --sync.width 24 --sync.embedding 12 --batch 8 --frames 30 --steps 60 --rate 0.01 "
    "--half-life 60 --snapshot-every 200 --sync.looks 8"
).split()


@pytest.fixture(scope="module")
def voices(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_voices(tmp_path_factory.mktemp("voices") / "data", count=8, seconds=3.0)


@pytest.fixture(scope="module")
def words(voices: Path) -> list[str]:
    return ["--data", str(voices), "--check", str(voices), *FULL]


@pytest.fixture(scope="module")
def whole(words: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a training of four steps that nothing interrupted."""
    folder = tmp_path_factory.mktemp("syncnet") / "whole"
    TRAINER.train(TRAINER.settings([*words, "-o", str(folder)]))
    return folder


def test_a_training_leaves_a_judge(whole: Path) -> None:
    found = sync_files.load(SYNC, whole / "speech_sync.safetensors")
    assert found.config == TINY
    snapshot = newest(whole)  # what is written is the average, not the network that learns
    assert_same(found.state_dict(), {name: snapshot[f"parts/average/{name}"] for name in found.state_dict()})
    said = sync_files.about(SYNC, whole / "speech_sync.safetensors")
    assert said == {"trained on": ["data"], "steps": 4, "pieces": 16}


def test_the_log_has_losses_and_measurements(whole: Path) -> None:
    lines = monitor.read_lines(whole)
    assert [(line.step, line.images) for line in lines] == [(1, 4), (2, 8), (3, 12), (4, 16)]
    names = {"loss/frames", "loss/spans", "agreement", "scale", "norm", "rate"}
    assert all(names <= set(line.values) for line in lines)
    measured = {f"{kind}/right in 1 s" for kind in ("true", "changed")}
    assert [measured <= set(line.values) for line in lines] == [False, True, False, True]


def test_a_training_that_was_killed_goes_on_with_the_same_numbers(
    words: list[str], whole: Path, tmp_path: Path
) -> None:
    assert_goes_on(TRAINER, words, whole, tmp_path / "killed")


def test_two_processes_have_the_same_network_at_the_end(voices: Path, tmp_path: Path) -> None:
    assert_two_agree(TRAINER, ["--data", str(voices)], tmp_path)


def test_a_judge_learns_what_belongs_together(voices: Path, tmp_path: Path) -> None:
    chosen = TRAINER.settings(["--data", str(voices), "-o", str(tmp_path / "run"), *LEARNING])
    chosen = replace(chosen, mouth=PLAIN, sound=voice_changes.NONE)
    TRAINER.train(chosen)
    source = syncnet_stream.open_named([voices], chosen.sync, frames=30)
    learned = sync_files.load(SYNC, tmp_path / "run" / "speech_sync.safetensors")
    before, after = (
        syncnet.scores(one, source, range(8), PLAIN, ALONE.device)
        for one in (syncnet.beginner(chosen).eval(), learned)
    )
    assert after["confidence"] > 0.03 + before["confidence"]
    assert after["right in 1 s"] > 0.4  # by chance it would be a tenth


def test_new_networks_follow_from_the_seed_or_a_file(voices: Path, whole: Path, tmp_path: Path) -> None:
    base = ["--data", str(voices), "-o", str(tmp_path)]
    before = torch.random.get_rng_state()
    one, same, other = (syncnet.beginner(TRAINER.settings([*base, "--seed", k])) for k in "001")
    assert torch.equal(torch.random.get_rng_state(), before)
    assert_same(one.state_dict(), same.state_dict())
    assert not torch.equal(one.eye.weight, other.eye.weight)
    start = str(whole / "speech_sync.safetensors")
    begun = syncnet.beginner(TRAINER.settings([*base, "--start", start]))
    assert_same(begun.state_dict(), sync_files.load(SYNC, Path(start)).state_dict())
    with pytest.raises(UsageError, match="other sizes"):
        syncnet.beginner(TRAINER.settings([*base, "--start", start, "--sync.width", "7"]))


def test_everything_learns_and_the_scales_too(voices: Path, tmp_path: Path) -> None:
    config = TRAINER.settings(["--data", str(voices), "-o", str(tmp_path)])
    source = syncnet_stream.open_named([voices], config.sync, frames=config.frames)
    network, scales = syncnet.beginner(config).train(), syncnet.scales_of(config)
    optimiser = syncnet.optimiser_of(config, network, scales)
    pieces = [
        syncnet_stream.piece(
            source, config.sync, config.mouth, config.sound, config.frames, k, np.random.default_rng(k)
        )
        for k in range(4)
    ]
    syncnet.learn(config, network, scales, optimiser, syncnet_stream.joined(pieces), 0, ALONE)
    gradients = [p.grad for p in (*network.parameters(), *scales.parameters())]
    assert all(grad is not None and grad.any() for grad in gradients)


def test_clips_are_measured_where_somebody_talks(voices: Path) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = sync_network.SyncNet(TINY).eval()
    source = syncnet_stream.open_named([voices], TINY, frames=30)
    apart, talking = syncnet.clip_distances(network, source, 0, PLAIN, ALONE.device)
    assert apart.shape == (75 - 30, 31)
    assert len(talking) == 45
    offsets = syncnet.span_offsets(apart, torch.ones(45), 10)
    assert len(offsets) == 4
    half = torch.cat([torch.zeros(20), torch.ones(25)])
    assert torch.equal(syncnet.span_offsets(apart, half, 10), offsets[2:])


def test_rates_rise_and_fall() -> None:
    config = PRESETS["BUILTIN"]
    assert syncnet.rate_at(config, 0) == pytest.approx(config.rate / config.warm_steps)
    assert syncnet.rate_at(config, config.warm_steps) == pytest.approx(config.rate)
    assert syncnet.rate_at(config, config.steps) == pytest.approx(0, abs=1e-9)


def test_what_cannot_be_is_refused(voices: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="say where the voices are"):
        TRAINER.train(TrainSyncnetConfig(output=tmp_path / "run"))
    for wrong in ({"batch": 1}, {"frames": 40}, {"rate": 0.0}, {"pooled_weight": -1.0}):
        with pytest.raises(ValueError, match=r"batch|piece|rate"):
            replace(PRESETS["BUILTIN"], **wrong)


def test_presets_are_whole() -> None:
    assert {name: one.preset for name, one in PRESETS.items()} == {name: name for name in PRESETS}
