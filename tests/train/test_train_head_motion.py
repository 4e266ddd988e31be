"""``phiz train head-motion``: steps are taken, go on where they stopped, the same on all processes."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import trainer_twins
from gan_fixtures import assert_same, curve, newest
from head_motion_fixtures import QUIET, settings, trained
from pose_fixtures import write_talkers
from speech_fixtures import write_voices

from phiz import trained as networks
from phiz.errors import DataError, UsageError
from phiz.speech import head_network
from phiz.speech.head_motion import HEAD
from phiz.train import head_motion, monitor, ranks
from phiz.train.head_motion_config import PRESETS, TrainHeadMotionConfig
from phiz.train.head_motion_stream import open_speakers
from phiz.world.voices import heads

TRAINER = "phiz.train.head_motion:train_head_motion:TrainHeadMotionConfig:speech_head"
FULL = "--steps 4 --snapshot-every 2 --keep 9"
NAME = "speech_head.safetensors"


@pytest.fixture(scope="module")
def voices(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_voices(tmp_path_factory.mktemp("voices") / "data")


@pytest.fixture(scope="module")
def footage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_talkers(tmp_path_factory.mktemp("footage") / "data")


@pytest.fixture(scope="module")
def whole(voices: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a training of four steps that nothing interrupted."""
    folder = tmp_path_factory.mktemp("head-motion") / "whole"
    trained(settings(voices, folder, FULL))
    return folder


def test_a_training_leaves_a_network_that_moves_heads(whole: Path) -> None:
    found = networks.load(HEAD, whole / NAME)
    assert found.config.sizes == head_network.TINY
    assert found.config.styles == heads.STYLES
    assert 0.005 < float(found.spread[0]) < 0.1  # radians
    snapshot = newest(whole)
    assert_same(found.state_dict(), {name: snapshot[f"parts/average/{name}"] for name in found.state_dict()})
    assert networks.about(HEAD, whole / NAME)["steps"] == 4


def test_every_line_of_the_log_has_the_losses(whole: Path) -> None:
    lines = monitor.read_lines(whole)
    assert [(line.step, line.images) for line in lines] == [(1, 2), (2, 4), (3, 6), (4, 8)]
    names = {"loss/poses", "loss/speeds", "loss/labels", "movement", "speed"}
    assert all(names <= set(line.values) for line in lines)


def test_a_training_in_pieces_is_the_same_as_one_in_one_piece(
    voices: Path, whole: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "pieces"
    assert trained(replace(settings(voices, folder, FULL), minutes=1e-6))["steps"] == 0
    assert trained(settings(voices, folder, f"{FULL} --remembered 0"))["steps"] == 4
    assert curve(folder) == curve(whole)
    assert_same(newest(folder), newest(whole))


def test_a_training_that_was_cut_short_goes_on(voices: Path, whole: Path, tmp_path: Path) -> None:
    folder = tmp_path / "cut"
    trained(settings(voices, folder, FULL))
    for file in folder.glob("snapshot-00000004*"):
        file.unlink()
    assert trained(settings(voices, folder, FULL))["steps"] == 4
    assert curve(folder) == curve(whole)
    assert_same(newest(folder), newest(whole))


def test_two_processes_have_the_same_network_at_the_end(voices: Path, tmp_path: Path) -> None:
    trainer = trainer_twins.Trainer.named(TRAINER)
    trainer_twins.assert_two_agree(trainer, ["--data", str(voices)], tmp_path)
    assert [(line.step, line.images) for line in monitor.read_lines(tmp_path / "run")] == [(1, 2), (2, 4)]


def test_what_comes_again_is_learned(voices: Path, tmp_path: Path) -> None:
    config = settings(voices, tmp_path, "--batch 4 --rate 0.02 --cool-share 0 --steps 50")
    speakers = open_speakers(voices, frames=10)
    with ranks.start("cpu") as here:
        network = head_motion.beginner(config, speakers).train().requires_grad_(True)
        optimiser = torch.optim.AdamW(network.parameters())
        with contextlib.closing(head_motion.stream_of(config, speakers, here, 0, QUIET)) as stream:
            batch = next(stream)
        steps = [head_motion.learn(config, network, optimiser, batch, step, here) for step in range(50)]
    for name in ("loss/poses", "loss/speeds", "loss/labels"):
        assert steps[-1][name] < 0.85 * steps[0][name]


def test_people_who_were_filmed_are_styles(footage: Path, tmp_path: Path) -> None:
    trained(settings(footage, tmp_path / "run"))
    found = networks.load(HEAD, tmp_path / "run" / NAME)
    assert found.config.styles == ("00", "01")
    assert float(monitor.read_lines(tmp_path / "run")[0].values["loss/labels"]) == 0  # type: ignore[arg-type]


def test_a_network_is_gone_on_with(voices: Path, footage: Path, whole: Path, tmp_path: Path) -> None:
    config = settings(voices, tmp_path, f"--start {whole / NAME}")
    found = head_motion.beginner(config, open_speakers(voices, frames=10))
    assert_same(found.state_dict(), networks.load(HEAD, whole / NAME).state_dict())
    with pytest.raises(UsageError, match="other sizes or styles"):
        head_motion.beginner(config, open_speakers(footage, frames=10))


def test_what_cannot_be_trained_on_is_refused(voices: Path, footage: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="say where"):
        trained(TrainHeadMotionConfig())
    with pytest.raises(DataError, match="frames with sound"):
        trained(settings(footage, tmp_path, "--frames 99"))
    wrongs = ({"delays": (7,)}, {"rate": 0.0}, {"batch": 0}, {"poses_weight": -1.0}, {"speeds_at": (0,)})
    for wrong in wrongs:
        with pytest.raises(ValueError, match=r"delays|rate|at least|sign"):
            replace(PRESETS["BUILTIN"], **wrong)  # type: ignore[arg-type]


def test_the_rate_rises_stays_and_falls() -> None:
    config = replace(PRESETS["BUILTIN"], steps=100, warm_steps=10, cool_share=0.5, rate=1.0)
    rates = torch.tensor([head_motion.rate_at(config, step) for step in range(100)])
    assert rates[0] == pytest.approx(0.1)
    assert rates[20:50].eq(1.0).all()
    assert rates[50:].diff().lt(0).all()
    assert rates[99] < 0.01
