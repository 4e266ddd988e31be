"""Networks learn to find points; they stop, go on and share their work with the same numbers."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
import seeing_fixtures
import torch
from gan_fixtures import ALONE, assert_same, newest
from trainer_twins import Trainer, assert_goes_on, assert_two_agree

from phiz.console import Console
from phiz.errors import DataError, UsageError
from phiz.face import landmarks as net
from phiz.face import network_files
from phiz.face.network_files import LANDMARKS
from phiz.train import landmarks, landmarks_watch, marked_people, monitor
from phiz.train.landmarks_config import PRESETS, TrainLandmarksConfig

TRAINER = Trainer(landmarks, "train_landmarks", "TrainLandmarksConfig", "landmarks")
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
    folder = tmp_path_factory.mktemp("landmarks") / "whole"
    TRAINER.train(TRAINER.settings([*words, "-o", str(folder)]))
    return folder


def test_a_training_leaves_a_network_that_finds_points(whole: Path) -> None:
    found = network_files.load(LANDMARKS, whole / "landmarks.safetensors")
    frame = torch.tensor([[[20.0, 0.0, 32.0], [0.0, 20.0, 32.0]]], dtype=torch.float64)
    points = net.locate(found, torch.rand(1, 3, 64, 64) * 2 - 1, frame)
    assert points.dense.shape == (1, 478, 2)
    snapshot = newest(whole)  # what is written is the average, not the network that learns
    assert_same(found.state_dict(), {name: snapshot[f"parts/average/{name}"] for name in found.state_dict()})


def test_the_log_has_losses_errors_and_measurements(whole: Path) -> None:
    lines = monitor.read_lines(whole)
    assert [(line.step, line.images) for line in lines] == [(1, 4), (2, 8), (3, 12), (4, 16)]
    assert all({"loss/points", "loss/face", "error", "norm", "rate"} <= set(line.values) for line in lines)
    measured = {f"strangers/{name}" for name in ("landmarks", "dense", "eyes", "mouth", "jaw", "calibration")}
    assert [measured <= set(line.values) for line in lines] == [False, True, False, True]
    assert len(list((whole / "pictures").iterdir())) == 2


def test_a_training_that_was_killed_goes_on_with_the_same_numbers(
    words: list[str], whole: Path, tmp_path: Path
) -> None:
    assert_goes_on(TRAINER, words, whole, tmp_path / "killed")


def test_two_processes_have_the_same_network_at_the_end(people: Path, tmp_path: Path) -> None:
    assert_two_agree(TRAINER, ["--data", str(people)], tmp_path)


def test_a_network_learns_where_points_are(people: Path, tmp_path: Path) -> None:
    quiet = "--steps 80 --rate 0.01 --warm-steps 5 --half-life 40 --snapshot-every 200 --picture-every 0"
    still = "--places.turn-deg 10 --places.nothing 0.2 --changes.background 0 --changes.cover 0"
    output = tmp_path / "run"
    chosen = TRAINER.settings(
        ["--data", str(people), "-o", str(output), "--batch", "8", *quiet.split(), *still.split()]
    )
    TRAINER.train(chosen)
    source = marked_people.open_marked(people)
    begun = landmarks.beginner(chosen).eval()
    learned = network_files.load(LANDMARKS, output / "landmarks.safetensors")
    before, after = (
        landmarks_watch.measure(one, source, 4, ALONE.device)["strangers/landmarks"]
        for one in (begun, learned)
    )
    assert after < 0.8 * before


def test_the_likelihood_prefers_the_width_of_the_errors() -> None:
    apart = torch.full((1, 1), 0.3)
    logs = torch.linspace(-4, 1, 501)[:, None]
    best = logs[landmarks.unlikelihood(apart.expand_as(logs), logs)[:, 0].argmin()]
    assert float(best.exp()) == pytest.approx(0.15, abs=0.01)  # the mean distance is twice the width


def test_rates_rise_and_fall() -> None:
    config = PRESETS["BUILTIN"]
    assert landmarks.rate_at(config, 0) == pytest.approx(config.rate / config.warm_steps)
    assert landmarks.rate_at(config, config.warm_steps) == pytest.approx(config.rate)
    assert landmarks.rate_at(config, config.steps) == pytest.approx(0, abs=1e-9)


def test_new_networks_follow_from_the_seed_or_a_file(people: Path, whole: Path, tmp_path: Path) -> None:
    base = ["--data", str(people), "-o", str(tmp_path)]
    one, same, other = (landmarks.beginner(TRAINER.settings([*base, "--seed", k])) for k in "001")
    assert_same(one.state_dict(), same.state_dict())
    assert not torch.equal(one.hidden.weight, other.hidden.weight)
    start = str(whole / "landmarks.safetensors")
    begun = landmarks.beginner(TRAINER.settings([*base, "--start", start]))
    assert_same(begun.state_dict(), network_files.load(LANDMARKS, Path(start)).state_dict())
    with pytest.raises(UsageError, match="other sizes"):
        landmarks.beginner(TRAINER.settings([*base, "--start", start, "--landmarks.hidden", "7"]))


def test_what_cannot_be_is_refused(people: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="say where the rendered people are"):
        TRAINER.train(TrainLandmarksConfig(output=tmp_path / "run"))
    with pytest.raises(DataError, match="holds no rendered people"):
        TRAINER.train(TRAINER.settings(["--data", str(tmp_path), "-o", str(tmp_path / "run")]))


def test_only_faces_teach_points(people: Path, tmp_path: Path) -> None:
    words = ["--data", str(people), "-o", str(tmp_path), "--places.nothing", "0.999", "--batch", "6"]
    config = TRAINER.settings(words)
    network = landmarks.beginner(config).train()
    source = marked_people.open_marked(people)
    with contextlib.closing(landmarks.crops(config, source, ALONE, 0, Console(quiet=True))) as stream:
        values = landmarks.learn(
            config, network, landmarks.optimiser_of(config, network), next(stream), 0, ALONE
        )
    assert float(values["loss/points"]) == 0
    assert float(values["loss/face"]) > 0


def test_presets_are_whole() -> None:
    assert {name: one.preset for name, one in PRESETS.items()} == {name: name for name in PRESETS}
