"""Closer looks are learned; trainings stop, go on and share their work with the same numbers."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
import seeing_fixtures
import torch
from gan_fixtures import ALONE, assert_same, newest
from trainer_twins import Trainer, assert_goes_on, assert_two_agree

from phiz.console import Console
from phiz.errors import UsageError
from phiz.face import network_files
from phiz.face.network_files import CLOSEUP, LANDMARKS
from phiz.train import closeup, closeup_watch, marked_people, monitor
from phiz.train.closeup_config import PRESETS, TrainCloseupConfig
from phiz.train.landmarks_watch import LARGER

TRAINER = Trainer(closeup, "train_closeup", "TrainCloseupConfig", "closeup")
FULL = "--steps 4 --half-life 20 --snapshot-every 1 --keep 9".split()


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return seeing_fixtures.write_people(tmp_path_factory.mktemp("people") / "shards")


@pytest.fixture(scope="module")
def words(people: Path) -> list[str]:
    if not LANDMARKS.built_in.is_file():
        pytest.skip("no built-in landmarks to measure beside")
    return ["--data", str(people), "--check", str(people), *FULL]


@pytest.fixture(scope="module")
def whole(words: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a training of four steps that nothing interrupted."""
    folder = tmp_path_factory.mktemp("closeup") / "whole"
    TRAINER.train(TRAINER.settings([*words, "-o", str(folder)]))
    return folder


def test_a_training_leaves_networks_sheets_and_measurements(whole: Path) -> None:
    found = network_files.load(CLOSEUP, whole / "closeup.safetensors")
    snapshot = newest(whole)  # what is written is the average, not the networks that learn
    assert_same(found.state_dict(), {name: snapshot[f"parts/average/{name}"] for name in found.state_dict()})
    lines = monitor.read_lines(whole)
    assert {"loss/eyes", "loss/mouth", "error/eyes", "there/mouth", "norm"} <= set(lines[0].values)
    measured = {f"strangers/{when}/lids" for when in ("before", "after")}
    assert [measured <= set(line.values) for line in lines] == [False, True, False, True]
    assert len(list((whole / "pictures").iterdir())) == 2


def test_a_training_that_was_killed_goes_on_with_the_same_numbers(
    words: list[str], whole: Path, tmp_path: Path
) -> None:
    assert_goes_on(TRAINER, words, whole, tmp_path / "killed")


def test_two_processes_have_the_same_networks_at_the_end(people: Path, tmp_path: Path) -> None:
    assert_two_agree(TRAINER, ["--data", str(people)], tmp_path)


def test_networks_learn_where_lids_and_lips_are(people: Path, tmp_path: Path) -> None:
    quiet = "--steps 80 --rate 0.01 --warm-steps 5 --log-every 1 --snapshot-every 200 --picture-every 0"
    still = "--places.nothing 0.2 --changes.background 0 --changes.cover 0 --batch 4"
    chosen = TRAINER.settings(["--data", str(people), "-o", str(tmp_path), *quiet.split(), *still.split()])
    TRAINER.train(chosen)
    lines = monitor.read_lines(tmp_path)
    for name in ("loss/eyes", "loss/mouth"):
        first, last = (sum(line.values[name] for line in some) / 10 for some in (lines[:10], lines[-10:]))
        assert last < first - 0.1  # the logarithm of how unlikely the truth is


def test_a_sheet_has_two_eyes_and_a_mouth_of_each(people: Path) -> None:
    network = closeup.beginner(PRESETS["DEBUG"]).eval()
    source, size = marked_people.open_marked(people), network.config.eye.size
    drawn = closeup_watch.sheet(network, source, ALONE.device)
    assert drawn.shape == (3, 3 * LARGER * size, source.count * LARGER * size)


def test_new_networks_follow_from_the_seed_or_a_file(people: Path, whole: Path, tmp_path: Path) -> None:
    base = ["--data", str(people), "-o", str(tmp_path)]
    one, same, other = (closeup.beginner(TRAINER.settings([*base, "--seed", k])) for k in "001")
    assert_same(one.state_dict(), same.state_dict())
    assert not torch.equal(one.eye.hidden.weight, other.eye.hidden.weight)
    start = str(whole / "closeup.safetensors")
    begun = closeup.beginner(TRAINER.settings([*base, "--start", start]))
    assert_same(begun.state_dict(), network_files.load(CLOSEUP, Path(start)).state_dict())
    with pytest.raises(UsageError, match="other sizes"):
        closeup.beginner(TRAINER.settings([*base, "--start", start, "--eye.hidden", "7"]))


def test_a_mirrored_person_has_the_same_eyes_in_other_places(people: Path) -> None:
    config = PRESETS["DEBUG"]
    source = marked_people.open_marked(people)
    with contextlib.closing(closeup.crops(config, source, ALONE, 0, Console(quiet=True))) as stream:
        batch = next(stream)
    assert batch.eyes.pictures.shape[0] == 2 * config.batch
    assert batch.mouths.points.shape == (config.batch, 60, 2)
    near = batch.eyes.points[batch.eyes.is_there].abs().amax(dim=(1, 2))
    assert float(near.median()) < 1.2  # in half sides of the crop


def test_what_cannot_be_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="say where the rendered people are"):
        TRAINER.train(TrainCloseupConfig(output=tmp_path / "run"))
    with pytest.raises(ValueError, match="at least 2 people"):
        TrainCloseupConfig(batch=1)


def test_presets_are_whole() -> None:
    assert {name: one.preset for name, one in PRESETS.items()} == {name: name for name in PRESETS}
