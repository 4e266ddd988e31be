"""``phiz train lipaint``: steps are taken, go on where they stopped, the same on all processes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from gan_fixtures import ALONE, assert_same, curve, newest
from lipaint_fixtures import write_generator
from trainer_twins import Trainer, assert_goes_on, assert_two_agree

from phiz import trained
from phiz.animate import lipaint_network
from phiz.animate.lipaint_network import LIPAINT
from phiz.errors import UsageError
from phiz.face import models, network_files
from phiz.face import regress as regressors
from phiz.face.network_files import REGRESSOR
from phiz.face.regress import Regressor
from phiz.generator import store
from phiz.train import lipaint, lipaint_stream, monitor
from phiz.train.lipaint_config import PRESETS, AloneConfig, PeopleConfig, TrainLipaintConfig

TRAINER = Trainer(lipaint, "train_lipaint", "TrainLipaintConfig", "lipaint")
FULL = "--steps 4 --drawn 2 --half-life 20 --snapshot-every 2 --keep 9".split()
NAME = "lipaint.safetensors"


@pytest.fixture(scope="module")
def generator(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_generator(tmp_path_factory.mktemp("generator"))


@pytest.fixture(scope="module")
def words(generator: Path) -> list[str]:
    return ["--generator", str(generator), *FULL]


@pytest.fixture(scope="module")
def judged(generator: Path, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Return the words of a training by judges of whom one has learned nothing."""
    path = tmp_path_factory.mktemp("judges") / "regressor.safetensors"
    network_files.save(path, REGRESSOR, Regressor(regressors.TINY))
    alone = ["--objective", "alone", "--alone.regressor", str(path), "--batch", "2"]
    return ["--generator", str(generator), *alone]


@pytest.fixture(scope="module")
def whole(words: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a training of four steps that nothing interrupted."""
    folder = tmp_path_factory.mktemp("lipaint") / "whole"
    TRAINER.train(TRAINER.settings([*words, "--picture-every", "4", "-o", str(folder)]))
    return folder


def test_a_training_leaves_a_network(whole: Path) -> None:
    found = trained.load(LIPAINT, whole / NAME)
    assert found.config == lipaint_network.TINY
    snapshot = newest(whole)  # what is written is the average, not the network that learns
    assert_same(found.state_dict(), {name: snapshot[f"parts/average/{name}"] for name in found.state_dict()})
    said = trained.about(LIPAINT, whole / NAME)
    assert said == {"generator": "generator.safetensors", "objective": "code", "steps": 4}


def test_the_log_has_losses_measurements_and_sheets(whole: Path) -> None:
    lines = monitor.read_lines(whole)
    assert [(line.step, line.images) for line in lines] == [(1, 4), (2, 8), (3, 12), (4, 16)]
    names = {"loss/style", "loss/colours", "loss/features", "norm", "rate"}
    assert all(names <= set(line.values) for line in lines)
    measured = {"error/of codes", "error/of others", "mouth/before", "mouth/after"}
    assert [measured <= set(line.values) for line in lines] == [False, True, False, True]
    assert (whole / "pictures" / "mouths-00000004.png").is_file()


def test_a_training_in_pieces_is_the_same_as_one_in_one_piece(
    words: list[str], whole: Path, tmp_path: Path
) -> None:
    config = TRAINER.settings([*words, "-o", str(tmp_path / "pieces")])
    assert TRAINER.train(replace(config, minutes=1e-6))["steps"] == 0
    assert TRAINER.train(replace(config))["steps"] == 4
    assert curve(tmp_path / "pieces") == curve(whole)
    assert_same(newest(tmp_path / "pieces"), newest(whole))


def test_a_training_by_judges_that_was_killed_goes_on_with_the_same_numbers(
    judged: list[str], tmp_path: Path
) -> None:
    words = [*judged, "--keep", "9"]
    TRAINER.train(TRAINER.settings([*words, "-o", str(tmp_path / "whole")]))
    (first, *_) = monitor.read_lines(tmp_path / "whole")
    assert {"loss/mouth", "loss/keep", "loss/small"} <= set(first.values)
    assert_goes_on(TRAINER, words, tmp_path / "whole", tmp_path / "killed")


def test_two_processes_have_the_same_network_at_the_end(judged: list[str], tmp_path: Path) -> None:
    assert_two_agree(TRAINER, judged, tmp_path)


def test_mouths_of_a_generator_are_learned(generator: Path, tmp_path: Path) -> None:
    config = TRAINER.settings(["--generator", str(generator), "-o", str(tmp_path), "--network.hidden", "64"])
    config = replace(config, batch=64, steps=150, warm_steps=5, rate=0.01, people=PeopleConfig(faces=50))
    drawn = store.load(generator)
    head = models.open_model(models.BUILT_IN)
    stage = lipaint_stream.open_stage(drawn, head, config.people)
    network = lipaint.beginner(config).requires_grad_(True)
    losses = lipaint.by_code(config, stage, head, ALONE)
    optimiser = torch.optim.AdamW(network.parameters(), weight_decay=0.0)
    steps = [
        lipaint.learn(config, network, optimiser, losses(network, step), step) for step in range(config.steps)
    ]
    assert float(steps[0]["loss/style"]) == pytest.approx(1)  # a new network adds nothing
    assert float(steps[-1]["loss/style"]) < 0.7


def test_new_networks_follow_from_the_seed_or_a_file(whole: Path, tmp_path: Path) -> None:
    base = ["-o", str(tmp_path)]
    before = torch.random.get_rng_state()
    one, same, other = (lipaint.beginner(TRAINER.settings([*base, "--seed", k])) for k in "001")
    assert torch.equal(torch.random.get_rng_state(), before)
    assert_same(one.state_dict(), same.state_dict())
    assert not torch.equal(one.fc1.weight, other.fc1.weight)
    assert not one.fc4.weight.any()
    begun = lipaint.beginner(TRAINER.settings([*base, "--start", str(whole / NAME)]))
    assert_same(begun.state_dict(), trained.load(LIPAINT, whole / NAME).state_dict())
    with pytest.raises(UsageError, match="other sizes"):
        lipaint.beginner(TRAINER.settings([*base, "--start", str(whole / NAME), "--network.hidden", "7"]))


def test_what_cannot_be_is_refused(generator: Path, tmp_path: Path) -> None:
    base = ["--generator", str(generator), "-o", str(tmp_path / "run")]
    with pytest.raises(UsageError, match=r"--network\.w-size 10 --network\.expression 52"):
        TRAINER.train(TRAINER.settings([*base, "--network.w-size", "11"]))
    wrongs = (
        {"batch": 0},
        {"rate": 0.0},
        {"drawn": 9},
        {"drawn": 1, "objective": "alone"},
        {"drawn_side": 0.0},
        {"style_weight": -1.0},
        {"people": PeopleConfig(acting=1.5)},
        {"alone": AloneConfig(keep_weight=-1.0)},
    )
    for wrong in wrongs:
        with pytest.raises(ValueError, match=r"at least 1|rate|drawn|shares|sign"):
            replace(PRESETS["DEBUG"], **wrong)  # type: ignore[arg-type]


def test_presets_are_whole() -> None:
    assert {name: one.preset for name, one in PRESETS.items()} == {name: name for name in PRESETS}
    assert PRESETS["GUIDE"].network == lipaint_network.PUBLISHED
    assert isinstance(PRESETS["BUILTIN"], TrainLipaintConfig)
