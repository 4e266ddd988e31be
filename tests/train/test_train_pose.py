"""Pose networks train, stop, go on and share their work with the same numbers; what cannot be is refused."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import trainer_twins
from gan_fixtures import ALONE, assert_same, curve, newest
from pose_fixtures import settings, trained, write_talkers

from phiz.console import Console
from phiz.errors import DataError, PhizError, UsageError
from phiz.speech import expression, files, pose_network
from phiz.speech.expression import ExpressionNet
from phiz.train import monitor, pose
from phiz.train.pose_config import PRESETS, PUBLISHED, TrainPoseConfig
from phiz.train.talkers import open_talkers

TRAINER = "phiz.train.pose:train_pose:TrainPoseConfig:speech_pose"
FULL = "--steps 4 --snapshot-every 2 --keep 9"


@pytest.fixture(scope="module")
def talkers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_talkers(tmp_path_factory.mktemp("talkers") / "data")


@pytest.fixture(scope="module")
def whole(talkers: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a training of four steps that nothing interrupted."""
    folder = tmp_path_factory.mktemp("pose") / "whole"
    trained(settings(talkers, folder, FULL))
    return folder


def test_a_training_leaves_networks_that_turn_heads(whole: Path) -> None:
    found = files.load(files.POSE, whole / "speech_pose.safetensors")
    assert found.config == pose_network.TINY
    snapshot = newest(whole)
    assert_same(found.state_dict(), {name: snapshot[f"parts/network/{name}"] for name in found.state_dict()})
    assert files.about(files.POSE, whole / "speech_pose.safetensors")["people"] == ["00", "01"]


def test_every_line_of_the_log_has_the_losses(whole: Path) -> None:
    lines = monitor.read_lines(whole)
    assert [(line.step, line.images) for line in lines] == [(1, 4), (2, 8), (3, 12), (4, 16)]
    names = {"loss/same", "loss/spread", "loss/taken_in", "loss/judge", "degrees wrong", "movement"}
    assert all(names <= set(line.values) for line in lines)


def test_a_training_in_pieces_is_the_same_as_one_in_one_piece(
    talkers: Path, whole: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "pieces"
    assert trained(replace(settings(talkers, folder, FULL), minutes=1e-6))["steps"] == 0
    for snapshot in sorted(whole.glob("*000002*")):
        assert snapshot.exists()  # the whole one stopped here as well, to write it
    done = trained(settings(talkers, folder, FULL))
    assert done == {"output": str(folder / "speech_pose.safetensors"), "steps": 4, "images": 16}
    assert curve(folder) == curve(whole)
    assert_same(newest(folder), newest(whole))


def test_two_processes_have_the_same_networks_at_the_end(talkers: Path, tmp_path: Path) -> None:
    trainer = trainer_twins.Trainer.named(TRAINER)
    trainer_twins.assert_two_agree(trainer, ["--data", str(talkers)], tmp_path)
    assert [(line.step, line.images) for line in monitor.read_lines(tmp_path / "run")] == [(1, 4), (2, 8)]


def test_motions_that_come_again_are_learned(talkers: Path, tmp_path: Path) -> None:
    words = "--steps 24 --rate 0.02 --judge-weight 0 --spread-weight 0 --snapshot-every 50 --log-every 4"
    trained(settings(talkers, tmp_path / "run", words))
    errors = [line.values["loss/same"] for line in monitor.read_lines(tmp_path / "run")]
    assert min(errors[-3:]) < 0.5 * errors[0]  # type: ignore[operator,type-var]


def test_ears_are_taken_over_and_stay_as_they_are(talkers: Path, tmp_path: Path) -> None:
    heard = ExpressionNet(expression.TINY)
    files.save(tmp_path / "ears.safetensors", files.EXPRESSION, heard)
    trained(settings(talkers, tmp_path / "run", f"--ears {tmp_path}/ears.safetensors"))
    found = files.load(files.POSE, tmp_path / "run" / "speech_pose.safetensors")
    assert_same(found.audio_encoder.audio_encoder.state_dict(), heard.audio_encoder.state_dict())
    again = pose.beginner(
        settings(talkers, tmp_path, f"--ears {tmp_path / 'run' / 'speech_pose.safetensors'}")
    )
    assert_same(again.audio_encoder.audio_encoder.state_dict(), heard.audio_encoder.state_dict())
    wide = ExpressionNet(replace(expression.TINY, widths=(3, 3, 4, 5, 6)))
    files.save(tmp_path / "ears.safetensors", files.EXPRESSION, wide)
    with pytest.raises(UsageError, match="audio encoder of other sizes"):
        pose.beginner(settings(talkers, tmp_path, f"--ears {tmp_path}/ears.safetensors"))


def test_without_ears_everything_learns_but_what_is_never_used(talkers: Path, tmp_path: Path) -> None:
    for words, unused in (("", {"netG.encoder.linear_logvar"}), ("--no-is-exact", set())):
        config = settings(talkers, tmp_path, words)
        network = pose.beginner(config).train()
        optimisers = pose.optimisers_of(config, network, pose.learners(config, network))
        found, _ = open_talkers(talkers, "poses")
        stream = pose.stream_of(config, found, 9, ALONE, 0, Console(quiet=True, errors=io.StringIO()))
        pose.learn(config, network, optimisers, next(stream), ALONE)
        idle = {name.rpartition(".")[0] for name, p in network.named_parameters() if p.grad is None}
        assert idle == unused


def test_new_networks_follow_from_the_seed_or_from_a_file(talkers: Path, whole: Path, tmp_path: Path) -> None:
    before = torch.random.get_rng_state()
    one, same, other = (pose.beginner(settings(talkers, tmp_path, f"--seed {k}")) for k in (0, 0, 1))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert_same(one.state_dict(), same.state_dict())
    weight = one.netG.decoder.pose_linear.weight
    assert not torch.equal(weight, other.netG.decoder.pose_linear.weight)
    start = whole / "speech_pose.safetensors"
    begun = pose.beginner(settings(talkers, tmp_path, f"--start {start}"))
    assert_same(begun.state_dict(), files.load(files.POSE, start).state_dict())
    with pytest.raises(UsageError, match="networks of other sizes"):
        pose.beginner(settings(talkers, tmp_path, f"--start {start} --pose.styles 7"))


def test_what_the_networks_cannot_hold_is_refused(talkers: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="say where the talkers are"):
        trained(TrainPoseConfig(output=tmp_path / "run"))
    with pytest.raises(DataError, match=r"2 people, and the network 1 styles.*--pose\.styles 2"):
        trained(settings(talkers, tmp_path / "few", "--pose.styles 1"))
    short = write_talkers(tmp_path / "short", frames=(8, 5))
    with pytest.raises(DataError, match="more than 8 frames"):
        trained(settings(short, tmp_path / "none"))


def test_a_training_that_comes_apart_ends_with_advice(talkers: Path, tmp_path: Path) -> None:
    with pytest.raises(PhizError, match=r"loss/\w+ is (nan|inf) at step \d.*Lower the learning rate"):
        trained(settings(talkers, tmp_path / "run", "--rate 1e30 --steps 6 --snapshot-every 9"))


def test_epochs_make_steps_unless_steps_are_told() -> None:
    assert pose.steps_of(PUBLISHED, 6400) == 150 * 100
    assert pose.steps_of(replace(PUBLISHED, steps=7), 6400) == 7


def test_presets_are_whole_and_numbers_that_make_no_sense_are_refused() -> None:
    assert {name: one.preset for name, one in PRESETS.items()} == {name: name for name in PRESETS}
    for wrong in ({"batch": 1}, {"epochs": 0}, {"rate": 0.0}, {"judge_weight": -1.0}):
        with pytest.raises(ValueError, match=r"batch|rates|weights"):
            replace(PUBLISHED, **wrong)  # type: ignore[arg-type]
