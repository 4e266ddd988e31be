"""Detectors learn to find faces; they stop, go on and share their work with the same numbers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import seeing_fixtures
import torch
from gan_fixtures import ALONE, assert_same, newest
from trainer_twins import Trainer, assert_goes_on, assert_two_agree

from phiz.errors import UsageError
from phiz.face import detect, network_files
from phiz.face.candidates import FoundFace
from phiz.face.network_files import DETECTOR
from phiz.train import detector, detector_watch, monitor
from phiz.train.crowd_people import open_people
from phiz.train.detector_config import PRESETS, TrainDetectorConfig
from phiz.train.detector_stream import CrowdStreamConfig, crowd_stream
from phiz.train.detector_watch import Outcome

TRAINER = Trainer(detector, "train_detector", "TrainDetectorConfig", "detector")
FULL = "--steps 4 --half-life 20 --snapshot-every 1 --keep 9".split()


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return seeing_fixtures.write_people(tmp_path_factory.mktemp("people") / "shards")


@pytest.fixture(scope="module")
def words(people: Path) -> list[str]:
    return ["--data", str(people), "--check", str(people), *FULL]


@pytest.fixture(scope="module")
def whole(words: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a training of four steps that nothing interrupted."""
    folder = tmp_path_factory.mktemp("detector") / "whole"
    TRAINER.train(TRAINER.settings([*words, "-o", str(folder)]))
    return folder


def test_a_training_leaves_a_detector(whole: Path) -> None:
    found = network_files.load(DETECTOR, whole / "detector.safetensors")
    assert isinstance(detect.find(found, torch.rand(3, 70, 50) * 2 - 1), list)
    snapshot = newest(whole)  # what is written is the average, not the network that learns
    assert_same(found.state_dict(), {name: snapshot[f"parts/average/{name}"] for name in found.state_dict()})


def test_the_log_has_losses_and_measurements(whole: Path) -> None:
    lines = monitor.read_lines(whole)
    assert [(line.step, line.images) for line in lines] == [(1, 4), (2, 8), (3, 12), (4, 16)]
    assert all({"loss/score", "loss/box", "loss/points", "rate"} <= set(line.values) for line in lines)
    measured = {"recall", "precision", "alarms a picture", "point error"}
    assert [measured <= set(line.values) for line in lines] == [False, True, False, True]
    assert len(list((whole / "pictures").iterdir())) == 2


def test_a_training_that_was_killed_goes_on_with_the_same_numbers(
    words: list[str], whole: Path, tmp_path: Path
) -> None:
    assert_goes_on(TRAINER, words, whole, tmp_path / "killed")


def test_two_processes_have_the_same_network_at_the_end(people: Path, tmp_path: Path) -> None:
    assert_two_agree(TRAINER, ["--data", str(people)], tmp_path)


def test_a_detector_learns(people: Path, tmp_path: Path) -> None:
    words = "--steps 60 --rate 0.01 --warm-steps 5 --half-life 30 --snapshot-every 200 --picture-every 0"
    output = tmp_path / "run"
    chosen = TRAINER.settings(["--data", str(people), "-o", str(output), "--batch", "8", *words.split()])
    TRAINER.train(chosen)
    values = [line.values for line in monitor.read_lines(output)]
    early, late = (
        sum(float(one["loss/box"] or 0) + float(one["loss/score"] or 0) for one in part)
        for part in (values[:15], values[-15:])
    )
    assert late < 0.8 * early


def test_sides_take_turns_and_everybody_comes_first_once_an_epoch(people: Path) -> None:
    config = TRAINER.settings(["--data", str(people)])
    wanted = CrowdStreamConfig(
        data=people,
        crowds=config.crowds,
        changes=config.changes,
        sides=(64, 96),
        whole=2,
        remembered=4,
        workers=0,
        seed=0,
    )
    stream = crowd_stream(wanted)
    shapes = [tuple(next(stream).images.shape[1:]) for _ in range(4)]
    assert shapes == [(3, 64, 64), (3, 96, 96)] * 2


def test_what_was_found_is_counted() -> None:
    five = torch.tensor([[10.0, 10], [20, 10], [15, 15], [12, 20], [18, 20]])
    face = FoundFace(box=torch.tensor([5.0, 5, 25, 25]), points=five, score=0.9)
    near = replace(face, points=five + torch.tensor([1.0, 0.0]))
    found = detector_watch.numbers(
        [
            Outcome(truths=(face, face), matches=(near, None), alarms=()),
            Outcome(truths=(), matches=(), alarms=(face,)),
        ]
    )
    assert found["recall"] == 0.5
    assert found["precision"] == 0.5
    assert found["alarms a picture"] == 0.5
    assert found["point error"] == pytest.approx(0.1)


def test_measured_crowds_are_always_the_same(people: Path) -> None:
    config = TRAINER.settings(["--data", str(people)])
    source = open_people(people)
    one, same = (list(detector_watch.measured_crowds(config, source, 3)) for _ in range(2))
    assert all(torch.equal(a.image, b.image) for a, b in zip(one, same, strict=True))
    assert ALONE.is_first


def test_new_networks_follow_from_the_seed_or_a_file(people: Path, whole: Path, tmp_path: Path) -> None:
    base = ["--data", str(people), "-o", str(tmp_path)]
    one, same, other = (detector.beginner(TRAINER.settings([*base, "--seed", k])) for k in "001")
    assert_same(one.state_dict(), same.state_dict())
    assert not torch.equal(one.trunk.conv1.weight, other.trunk.conv1.weight)
    start = str(whole / "detector.safetensors")
    begun = detector.beginner(TRAINER.settings([*base, "--start", start]))
    assert_same(begun.state_dict(), network_files.load(DETECTOR, Path(start)).state_dict())
    with pytest.raises(UsageError, match="other sizes"):
        detector.beginner(TRAINER.settings([*base, "--start", start, "--detector.neck", "12"]))


def test_what_cannot_be_is_refused(people: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="say where the rendered people are"):
        TRAINER.train(TrainDetectorConfig(output=tmp_path / "run"))
    with pytest.raises(UsageError, match="cannot share a batch of 4 evenly"):
        detector.check_share(TRAINER.settings(["--data", str(people)]), replace(ALONE, world=3))


def test_presets_are_whole() -> None:
    assert {name: one.preset for name, one in PRESETS.items()} == {name: name for name in PRESETS}
