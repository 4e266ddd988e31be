"""Recognisers train, verify, stop, go on and share their work with the same numbers."""

from __future__ import annotations

import io
import json
import math
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import arcface_fixtures
import numpy as np
import pytest
import torch
from arcface_fixtures import THEN, beside, command, free_ports, of_two, settings, stopped_at, trained
from gan_fixtures import assert_same, curve, newest

from phiz.errors import DataError, UsageError
from phiz.face.identity import store
from phiz.metrics import verification
from phiz.train import arcface, arcface_step, monitor
from phiz.train.arcface_step import Learners
from phiz.train.faces import open_faces, parted
from phiz.train.ranks import Ranks

ALONE = Ranks(rank=0, world=1, local_rank=0, device=torch.device("cpu"))
Begin = Callable[[str], tuple[arcface.ArcfaceConfig, Learners]]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a training of eight steps that nothing interrupted."""
    folder = tmp_path_factory.mktemp("arcface") / "whole"
    trained(settings(folder, "--is-varied --sample 0.5"))
    return folder


@pytest.fixture
def begin(tmp_path: Path) -> Begin:
    """Return what makes a network and its trainer from words of a command line."""

    def beginning(words: str) -> tuple[arcface.ArcfaceConfig, Learners]:
        config = settings(tmp_path / "run", words)
        return config, arcface.beginners(config, arcface.shape_of(config), 4, ALONE)

    return beginning


def batch(seed: int = 0, people: int = 4) -> arcface_step.Batch:
    data = open_faces(f"synthetic:{people}", size=32)
    shown = [data.source.read(8 * seed + number) for number in range(8)]
    crops = torch.stack([one.image for one in shown]).float() / 127.5 - 1
    return crops, torch.tensor([int(one.label) for one in shown])


def test_a_training_leaves_a_network_that_can_be_asked(whole: Path) -> None:
    network = store.load(whole / arcface.FILE)
    embeddings = network(torch.zeros(2, 3, 32, 32))
    assert embeddings.shape == (2, 8)
    assert store.about(whole / arcface.FILE)["people"] == 4
    kept = newest(whole)
    assert_same(network.state_dict(), {n: kept[f"parts/network/{n}"] for n in network.state_dict()})
    assert kept["parts/centres/weight"].shape == (4, 8)


def test_the_log_has_losses_rates_norms_and_verifications(whole: Path) -> None:
    lines = monitor.read_lines(whole)
    assert [(line.step, line.images) for line in lines] == [(n, 8 * n) for n in range(1, 9)]
    for line in lines:
        numbers = [line.values[name] for name in ("loss", "rate", "norm", "length", "damaged pictures")]
        assert all(number is not None and math.isfinite(number) for number in numbers)
    assert [line.values["rate"] for line in lines] == pytest.approx([0.1 * (8 - n) / 8 for n in range(8)])
    assert [line.step for line in lines if "verify/held_out/accuracy" in line.values] == [4, 8]


def test_a_training_in_pieces_is_the_same_as_one_in_one_piece(whole: Path, tmp_path: Path) -> None:
    config = settings(tmp_path / "pieces", "--is-varied --sample 0.5")
    for stop, steps in ((3, 3), (6, 6), (0, 8)):
        with stopped_at(stop):
            assert trained(config)["steps"] == steps
    assert curve(tmp_path / "pieces") == curve(whole)
    assert_same(newest(tmp_path / "pieces"), newest(whole))
    assert (tmp_path / "pieces" / arcface.FILE).read_bytes() == (whole / arcface.FILE).read_bytes()


def test_a_longer_training_learns_to_tell_people_apart(tmp_path: Path) -> None:
    words = "--data synthetic:8:320 --epochs 4 --rate 0.05 --verify-every 0 --snapshot-every 500"
    trained(settings(tmp_path / "run", words))
    losses = [line.values["loss"] or 0 for line in monitor.read_lines(tmp_path / "run")]
    assert np.mean(losses[-10:]) < 0.5 * np.mean(losses[:10])
    network = store.load(tmp_path / "run" / arcface.FILE)
    _, strangers = parted(open_faces("synthetic:8:320", size=32, seed=2048), 2)
    assert strangers is not None
    pairs = arcface.held_out_pairs(strangers, 40, 32, seed=9)
    assert verification.verify(network, pairs).area > 0.8


def test_gradients_of_accumulated_batches_add_up(begin: Begin) -> None:
    config, once = begin("--accumulate 2 --clip 0 --momentum 0 --decay 0")
    _, twice = begin("")
    batches = [batch(0), batch(1)]
    start = {name: p.detach().clone() for name, p in once.network.named_parameters()}
    arcface_step.learn(config, once, batches, 0.1)
    total = {name: torch.zeros_like(p) for name, p in start.items()}
    for crops, labels in batches:
        twice.centres(twice.network(crops), labels, config.margin).backward()
        for name, p in twice.network.named_parameters():
            total[name] += 0 if p.grad is None else p.grad
            p.grad = None
    for name, p in once.network.named_parameters():
        assert torch.allclose(p, start[name] - 0.1 * total[name], atol=1e-5, rtol=1e-4), name


def test_long_gradients_of_the_network_are_cut_and_those_of_the_centres_not(begin: Begin) -> None:
    moved = []
    for words in ("--clip 0.001 --momentum 0 --decay 0", "--clip 0 --momentum 0 --decay 0"):
        config, learners = begin(words)
        before = [p.detach().clone() for p in (*learners.network.parameters(), learners.centres.weight)]
        values = arcface_step.learn(config, learners, [batch()], 1.0)
        assert float(values["norm"]) > 1
        after = (*learners.network.parameters(), learners.centres.weight)
        moved.append([float((a - b).detach().norm()) for a, b in zip(after, before, strict=True)])
    assert math.hypot(*moved[0][:-1]) == pytest.approx(0.001, rel=1e-2)
    assert moved[0][-1] == pytest.approx(moved[1][-1], rel=1e-4)


@pytest.mark.parametrize(
    "words",
    [
        "--optimiser adamw --rate 0.001 --decay 0.1",
        "--network tiny_transformer --precision bfloat16",
        "--network tiny_residual --dropout 0.4 --embedding 12 --precision bfloat16",
        "--precision float16 --growth 1",
        "--is-checkpointed --accumulate 2",
        "--falls 2 --warm-epochs 1 --rate-batch 512 --no-is-first-full",
        "--margin.filter 0.4 --margin.is-exact --margin.gap 0.1 --margin.shift 0.2",
    ],
)
def test_every_setting_trains(words: str, tmp_path: Path) -> None:
    told = trained(settings(tmp_path / "run", f"--epochs 1 {words}"))
    lines = monitor.read_lines(tmp_path / "run")
    assert len(lines) == told["steps"]
    assert all(math.isfinite(line.values["loss"] or 0) for line in lines)
    network = store.load(tmp_path / "run" / arcface.FILE)
    assert network.config.embedding == (12 if "embedding" in words else 8)


def test_half_precision_stops_at_the_head(begin: Begin) -> None:
    config, learners = begin("--precision bfloat16 --network tiny_residual")
    seen: list[torch.dtype] = []
    learners.network.layer4.register_forward_hook(lambda *given: seen.append(given[2].dtype))  # type: ignore[union-attr]
    learners.network.fc.register_forward_hook(lambda *given: seen.append(given[2].dtype))  # type: ignore[union-attr]
    arcface_step.learn(config, learners, [batch()], 0.1)
    assert seen == [torch.bfloat16, torch.float32]


def test_a_step_that_overflows_in_the_centres_alone_is_left_out_as_a_whole(begin: Begin) -> None:
    config, learners = begin("--precision float16")
    learners.centres.weight.register_hook(lambda grad: grad * float("inf"))
    before = {name: p.detach().clone() for name, p in learners.network.named_parameters()}
    centres = learners.centres.weight.detach().clone()
    scale = learners.scaler.get_scale()
    arcface_step.agree_on_infinity(learners.centres.weight)  # nothing to agree on yet
    arcface_step.learn(config, learners, [batch()], 0.1)
    assert torch.equal(learners.centres.weight.detach(), centres)
    assert learners.scaler.get_scale() < scale
    moved = [name for name, p in learners.network.named_parameters() if not torch.equal(p, before[name])]
    assert moved == []


def test_it_goes_on_from_another_recogniser(whole: Path, tmp_path: Path) -> None:
    words = f"--start {whole / arcface.FILE} --rate 0 --epochs 1 --network r50"
    config = settings(tmp_path / "run", words)
    learners = arcface.beginners(config, arcface.shape_of(config), 4, ALONE)
    assert_same(dict(store.load(whole / arcface.FILE).state_dict()), dict(learners.network.state_dict()))


def test_pairs_are_found_beside_the_data_and_missed_aloud(tmp_path: Path) -> None:
    errors = io.StringIO()
    trained(settings(tmp_path / "run", "--epochs 1 --pairs lfw.bin --held-out 0"), errors)
    assert "no pairs at lfw.bin" in errors.getvalue()
    assert not any("verify" in name for line in monitor.read_lines(tmp_path / "run") for name in line.values)


def test_data_that_a_preset_was_not_published_for_is_told_of(tmp_path: Path) -> None:
    errors = io.StringIO()
    trained(settings(tmp_path / "run", "--epochs 1 --expected 93431 5179510"), errors)
    assert "published for 93431 people in 5179510 pictures" in errors.getvalue()


def test_what_cannot_be_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--data DIR"):
        trained(replace(settings(tmp_path / "run"), data=""))
    with pytest.raises(DataError, match="no folder of faces"):
        trained(replace(settings(tmp_path / "run"), data="nowhere"))


def test_memory_that_is_too_small_is_met_with_advice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fit(*_: object) -> None:
        raise torch.OutOfMemoryError

    monkeypatch.setattr(arcface, "fit", fit)
    with pytest.raises(
        Exception, match="--batch 4 --accumulate 2, then --precision bfloat16, then --is-check"
    ):
        trained(settings(tmp_path / "run"))


TOGETHER = "--norm all --rate 0.01 --data synthetic:7:96 --epochs 1 --verify-every 4 --snapshot-every 4"

UNLIKE_ONE = "--batch 4 --is-compressed --sample 0.6 --is-varied"
"""What two processes do otherwise than one would."""


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a run of two processes, of which this one was the first; digests lie beside it."""
    folder = tmp_path_factory.mktemp("two") / "run"
    plain, whole, pieces = (folder.with_name(name) for name in ("run", "whole", "pieces"))
    trainings = [
        ["0", *command(plain, f"{TOGETHER} --batch 4")],
        ["0", *command(whole, f"{TOGETHER} {UNLIKE_ONE}")],
        ["5", *command(pieces, f"{TOGETHER} {UNLIKE_ONE}")],
        ["0", *command(pieces, f"{TOGETHER} {UNLIKE_ONE}")],
    ]
    words = [word for training in trainings for word in (THEN, *training)][1:]
    digests, ports = str(folder.with_name("digest")), free_ports(4)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in of_two(0, ports).items():
            patch.setenv(name, value)
        with beside([arcface_fixtures.__file__, digests, *words], of_two(1, ports)) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"  # nobody waits for one that cannot even begin
            arcface_fixtures.main(digests, *words)
            assert process.wait(60) == 0
    return folder


def test_two_processes_learn_what_one_does(two: Path, tmp_path: Path) -> None:
    trained(settings(tmp_path / "one", f"{TOGETHER} --batch 8"))
    ours, theirs = newest(tmp_path / "one"), newest(two)
    assert theirs["parts/centres/weight"].shape == (5, 8)
    for name, value in ours.items():
        if "chance" not in name:
            assert torch.allclose(value.double(), theirs[name].double(), atol=2e-4, rtol=1e-3), name
    for mine, line in zip(monitor.read_lines(tmp_path / "one"), monitor.read_lines(two), strict=True):
        assert (mine.step, mine.images) == (line.step, line.images)
        for name in ("loss", "norm", "rate"):
            assert mine.values[name] == pytest.approx(line.values[name], rel=1e-3), (mine.step, name)
        assert mine.values.keys() == line.values.keys()


def test_two_processes_share_the_centres_and_have_the_same_network(two: Path) -> None:
    found = [json.loads(two.with_name(f"digest-{rank}.json").read_text()) for rank in range(2)]
    assert [one["owned"] for one in found] == [3, 2]
    assert found[0]["network"] == found[1]["network"]


def test_one_process_goes_on_from_two(two: Path, tmp_path: Path) -> None:
    config = settings(shutil.copytree(two, tmp_path / "run"), f"{TOGETHER} --batch 4")
    with pytest.raises(UsageError, match="batch"):
        trained(replace(config, batch=8))
    errors = io.StringIO()
    assert int(str(trained(config, errors)["steps"])) >= 10
    assert "written by 2 processes" in errors.getvalue()


def test_two_processes_that_go_on_are_the_same_as_two_that_never_stopped(two: Path) -> None:
    whole, pieces = two.with_name("whole"), two.with_name("pieces")
    assert_same(newest(pieces), newest(whole))
    assert curve(pieces) == curve(whole)
