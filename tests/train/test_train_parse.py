"""Parsers train, stop, go on and share their work with the same numbers; what cannot be is refused."""

from __future__ import annotations

import contextlib
import io
import json
import os
import socket
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import parse_fixtures
import pytest
import torch
from gan_fixtures import ALONE, assert_same, curve, newest
from parse_fixtures import command, settings, trained, write_faces
from safetensors.torch import save_file

from phiz import checkpoint
from phiz.console import Console
from phiz.errors import CheckpointError, DataError, PhizError, UsageError
from phiz.face import network_files
from phiz.face import parse as parsing
from phiz.face.network_files import PARSER
from phiz.face.parse import Parser
from phiz.layers.residual import Trunk
from phiz.train import monitor, parse, parse_watch, photo_changes, state
from phiz.train.labelled_sources import open_source
from phiz.train.parse_config import PRESETS, PUBLISHED_19, TrainParseConfig

SOURCE = str(Path(checkpoint.__file__).parents[1])
TINY_16 = replace(parsing.TINY, classes=16)
FULL = "--steps 4 --half-life 20 --snapshot-every 2 --keep 9"


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_faces(tmp_path_factory.mktemp("people") / "data")


@pytest.fixture(scope="module")
def strangers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_faces(tmp_path_factory.mktemp("strangers") / "data", seed=1, count=4)


@pytest.fixture(scope="module")
def whole(people: Path, strangers: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a training of four steps that nothing interrupted."""
    folder = tmp_path_factory.mktemp("parse") / "whole"
    trained(settings(people, folder, f"{FULL} --check {strangers}"))
    return folder


def assert_same_runs(one: Path, other: Path) -> None:
    assert curve(one) == curve(other)
    assert_same(newest(one), newest(other))
    ours, theirs = (
        checkpoint.load(run / "parser.safetensors", kind="parser").tensors for run in (one, other)
    )
    assert_same(ours, theirs)


def test_a_training_leaves_a_parser_that_parses(whole: Path) -> None:
    found = network_files.load(PARSER, whole / "parser.safetensors")
    labels = parsing.parse(found, torch.rand(1, 3, 70, 50) * 2 - 1)
    assert labels.shape == (1, 70, 50)
    snapshot = newest(whole)  # what is written is the average, not the network that learns
    assert_same(found.state_dict(), {name: snapshot[f"parts/average/{name}"] for name in found.state_dict()})
    assert not torch.equal(snapshot["parts/parser/ffm.conv1.weight"], found.ffm.conv1.weight)


def test_fewer_pixels_are_compared_where_both_sides_have_them() -> None:
    """Scores of fewer pixels are those of the pixels whose labels are taken."""
    labels = torch.arange(64 * 64).reshape(1, 64, 64)
    assert parse.spread(labels, 0) is labels
    few = parse.spread(labels, 22)  # every third pixel, corners included
    assert torch.equal(few, labels[:, ::3, ::3])
    parser = Parser(parsing.TINY).eval()
    shown = torch.rand(1, 3, 64, 64)
    for whole, part in zip(parser.all_scores(shown), parser.all_scores(shown, (22, 22)), strict=True):
        torch.testing.assert_close(part, whole[:, :, ::3, ::3])


def test_every_line_of_the_log_has_losses_and_rates(whole: Path) -> None:
    lines = monitor.read_lines(whole)
    assert [(line.step, line.images) for line in lines] == [(1, 4), (2, 8), (3, 12), (4, 16)]
    for line in lines:
        assert {"loss/scores", "loss/side_16", "loss/side_32", "right", "rate"} <= set(line.values)
    measured = {"mean overlap", "right pixels", "overlap/background", "overlap/left_eye"}
    assert [measured <= set(line.values) for line in lines] == [False, True, False, True]
    assert sorted(path.name for path in (whole / "pictures").iterdir()) == [
        "labels-00000002.png",
        "labels-00000004.png",
    ]


def test_a_training_in_pieces_is_the_same_as_one_in_one_piece(
    people: Path, strangers: Path, whole: Path, tmp_path: Path
) -> None:
    config = settings(people, tmp_path / "pieces", f"{FULL} --check {strangers}")
    assert trained(replace(config, minutes=1e-6))["steps"] == 0
    killed = settings(people, tmp_path / "pieces", f"{FULL} --check {strangers} --workers 1")
    done = trained(killed)
    assert done == {"output": str(tmp_path / "pieces" / "parser.safetensors"), "steps": 4, "images": 16}
    assert_same_runs(tmp_path / "pieces", whole)


def test_a_training_that_was_killed_goes_on_with_the_same_numbers(
    people: Path, strangers: Path, whole: Path, tmp_path: Path
) -> None:
    killed = tmp_path / "killed"
    program = "import sys; from phiz import cli; import phiz.train.parse as p, phiz.options as o, phiz.console as c; p.train_parse(o.parse(p.TrainParseConfig, sys.argv[1:]), c.Console())"  # noqa: E501
    words = command(people, killed, f"{FULL} --check {strangers}")
    slow = [sys.executable, "-c", program, *words, "--picture-every", "1"]
    environment = {
        **os.environ,
        "PYTHONPATH": str(Path(checkpoint.__file__).parents[1]),
        "OMP_NUM_THREADS": "1",
    }
    with subprocess.Popen(slow, stdout=subprocess.DEVNULL, env=environment) as process:
        until = time.monotonic() + 60
        while not (killed.is_dir() and len(curve(killed)) >= 2) and time.monotonic() < until:
            if process.poll() is not None:
                break
            time.sleep(0.005)
        process.kill()
    for path in state.snapshots(killed)[:-1]:
        path.unlink()  # all but the oldest, as if it had been killed right after that
    trained(settings(people, killed, f"{FULL} --check {strangers}"))
    assert_same_runs(killed, whole)


@pytest.fixture(scope="module")
def two(people: Path, strangers: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return where two processes left their run and the digests of what they learned."""
    folder = tmp_path_factory.mktemp("two")
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = str(free.getsockname()[1])
    words = command(people, folder / "run", f"--check {strangers}")
    start = [sys.executable, parse_fixtures.__file__, str(folder / "digests"), *words]
    told = {"WORLD_SIZE": "2", "MASTER_ADDR": "localhost", "MASTER_PORT": port, "OMP_NUM_THREADS": "1"}
    told |= {**os.environ, **told, "PYTHONPATH": SOURCE}
    both = [subprocess.Popen(start, env={**told, "RANK": k, "LOCAL_RANK": k}) for k in "01"]
    try:
        assert [process.wait(120) for process in both] == [0, 0]
    finally:
        for process in both:
            process.kill()
            process.wait()
    return folder


def test_two_processes_have_the_same_network_at_the_end(two: Path) -> None:
    ours, theirs = (json.loads((two / f"digests-{rank}.json").read_text()) for rank in (0, 1))
    assert ours == theirs
    lines = monitor.read_lines(two / "run")
    assert [(line.step, line.images) for line in lines] == [(1, 4), (2, 8)]
    share = lines[-1].values["right pixels"]
    assert share is not None
    assert share * 4 * parse_fixtures.SIZE**2 == pytest.approx(
        round(share * 4 * parse_fixtures.SIZE**2), abs=0.01
    )


def test_a_parser_learns_what_is_shown(tmp_path: Path) -> None:
    few = write_faces(tmp_path / "data", among=(0, 1, 10, 17))
    words = "--steps 60 --rate 0.05 --warm-steps 5 --half-life 40 --snapshot-every 100 --picture-every 0 "
    words += "--no-parser.has-pool --parser.size 48 --crop 32"
    trained(replace(settings(few, tmp_path / "run", words), changes=photo_changes.NONE))
    found = network_files.load(PARSER, tmp_path / "run" / "parser.safetensors")
    measured = parse_watch.measure(found, open_source(few), 10, ALONE.device)
    assert measured["right pixels"] > 0.7  # chance gives a quarter
    assert measured["mean overlap"] > 0.6


def test_rates_rise_and_fall_as_published() -> None:
    config = PUBLISHED_19
    assert parse.rate_at(config, 0) == pytest.approx(1e-5)
    assert parse.rate_at(config, 500) == pytest.approx((1e-5 * 1e-2) ** 0.5)
    assert parse.rate_at(config, 1000) == pytest.approx(1e-2)
    assert parse.rate_at(config, 1000 + 79_000 // 2) == pytest.approx(1e-2 * 0.5**0.9)
    assert parse.rate_at(config, 80_000) == 0


def test_outputs_learn_faster_and_normalisations_are_not_pulled(people: Path, tmp_path: Path) -> None:
    config = settings(people, tmp_path, "--faster 10")
    parser = parse.beginner(config)
    optimiser = parse.optimiser_of(config, parser)
    found = {
        id(parameter): (group["speed"], group["weight_decay"] > 0)
        for group in optimiser.param_groups
        for parameter in group["params"]
    }
    expected = {
        "cp.resnet.conv1.weight": (1.0, True),
        "cp.arm16.bn_atten.bias": (1.0, False),
        "ffm.conv1.weight": (10.0, True),
        "conv_out32.conv.bn.weight": (10.0, False),
    }
    parameters = dict(parser.named_parameters())
    assert len(found) == len(parameters)
    assert {name: found[id(parameters[name])] for name in expected} == expected


def test_new_parsers_follow_from_the_seed_and_leave_other_chance_alone(people: Path, tmp_path: Path) -> None:
    before = torch.random.get_rng_state()
    one, same, other = (parse.beginner(settings(people, tmp_path, f"--seed {k}")) for k in (0, 0, 1))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert_same(one.state_dict(), same.state_dict())
    assert not torch.equal(one.ffm.conv1.weight, other.ffm.conv1.weight)


def test_a_training_begins_with_the_parser_or_the_trunk_that_is_named(
    people: Path, whole: Path, tmp_path: Path
) -> None:
    start = whole / "parser.safetensors"
    begun = parse.beginner(settings(people, tmp_path, f"--start {start}"))
    assert_same(begun.state_dict(), network_files.load(PARSER, start).state_dict())
    with pytest.raises(UsageError, match="a parser of other sizes"):
        parse.beginner(settings(people, tmp_path, f"--start {start} --parser.context 7"))
    trunk = Trunk(parsing.TINY.trunk)
    published = {n: v for n, v in trunk.state_dict().items() if "num_batches" not in n}
    save_file(
        {**published, "fc.weight": torch.zeros(2, 10), "fc.bias": torch.zeros(2)}, tmp_path / "r.safetensors"
    )
    begun = parse.beginner(settings(people, tmp_path, f"--trunk {tmp_path}/r.safetensors"))
    assert_same(begun.cp.resnet.state_dict(), trunk.state_dict())
    save_file({"conv1.weight": published["conv1.weight"]}, tmp_path / "r.safetensors")
    with pytest.raises(CheckpointError, match="the weights for the trunk lack"):
        parse.beginner(settings(people, tmp_path, f"--trunk {tmp_path}/r.safetensors"))


def test_a_batch_that_processes_cannot_share_is_refused(people: Path, tmp_path: Path) -> None:
    config = settings(people, tmp_path)
    parse.check_share(config, replace(ALONE, world=2))
    with pytest.raises(UsageError, match=r"3 processes cannot share a batch of 4 evenly.*--batch 6"):
        parse.check_share(config, replace(ALONE, world=3))
    with pytest.raises(UsageError, match=r"4 processes .*at least 2 pictures.*--batch 8"):
        parse.check_share(config, replace(ALONE, world=4))


def test_pictures_have_to_be_named_and_their_labels_known(people: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="say where the labelled pictures are: phiz train parse --data DIR"):
        trained(TrainParseConfig(output=tmp_path / "run"))
    with pytest.raises(DataError, match="there is no folder"):
        trained(settings(tmp_path / "nowhere", tmp_path / "run"))
    with pytest.raises(DataError, match="the network 16 classes"):
        trained(settings(people, tmp_path / "other", "--parser.classes 16 --small-weight 1"))


def test_a_training_that_comes_apart_ends_with_advice(people: Path, tmp_path: Path) -> None:
    with pytest.raises(PhizError, match=r"loss/\w+ is (nan|inf) at step \d.*Lower the learning rate"):
        trained(
            settings(people, tmp_path / "run", "--rate 1e30 --warm-from 1e30 --steps 6 --snapshot-every 9")
        )


def test_too_little_memory_ends_with_the_numbers_to_use(
    people: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def too_large(*_: object) -> None:
        raise torch.OutOfMemoryError("no memory")  # a CPU with so little memory is not at hand

    monkeypatch.setattr(parse, "learn", too_large)
    with pytest.raises(PhizError, match=r"memory of the GPU is too small.*--batch 2, then --crop 32"):
        trained(settings(people, tmp_path / "run"))


def test_half_precision_learns_alike(people: Path, tmp_path: Path) -> None:
    losses = []
    for words in ("", "--precision bfloat16"):
        config = settings(people, tmp_path, words)
        parser = parse.beginner(config).train()
        with contextlib.closing(parse.labelled_pictures(config, ALONE, 0, Console(quiet=True))) as stream:
            values = parse.learn(config, parser, parse.optimiser_of(config, parser), next(stream), 0, ALONE)
        losses.append(float(torch.as_tensor(values["loss/scores"]).detach()))
    assert losses[0] == pytest.approx(losses[1], rel=0.05)


def test_damaged_pictures_are_counted(people: Path, tmp_path: Path) -> None:
    for name in ("images", "labels"):
        (tmp_path / "data" / name).mkdir(parents=True)
        for path in (people / name).iterdir():
            (tmp_path / "data" / name / path.name).write_bytes(path.read_bytes())
    for number in (1, 2, 3):
        path = tmp_path / "data" / "images" / f"{number:02d}.png"
        path.write_bytes(path.read_bytes()[:60])
    told = io.StringIO()
    config = settings(tmp_path / "data", tmp_path / "run", "--batch 8")
    parse.train_parse(config, Console(quiet=True, errors=told))
    assert 0 < curve(tmp_path / "run")[-1][2]["damaged pictures"] <= 3  # type: ignore[index]
    assert "a picture cannot be read, and others take its place" in told.getvalue()


def test_presets_are_whole() -> None:
    assert {name: one.preset for name, one in PRESETS.items()} == {name: name for name in PRESETS}
    assert PRESETS["PUBLISHED_16"].parser.classes == 16
    with torch.device("meta"):
        for one in PRESETS.values():
            Parser(one.parser)


@pytest.mark.parametrize(
    "wrong", [{"batch": 1}, {"steps": 0}, {"crop": 100}, {"rate": 0.0}, {"easy": 1.0}, {"parser": TINY_16}]
)
def test_settings_that_make_no_sense_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"batch|crop|rates|19 classes"):
        replace(PUBLISHED_19, small_weight=2.0, **wrong)
