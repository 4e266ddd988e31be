"""Generators train, stop, go on and share their work with the same numbers; what cannot be is refused."""

from __future__ import annotations

import contextlib
import io
import itertools
import json
import math
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import gan_fixtures
import pytest
import torch
from gan_fixtures import (
    ALONE,
    FULL,
    assert_same,
    assert_same_runs,
    command,
    curve,
    newest,
    settings,
    trained,
)

from phiz import checkpoint
from phiz.console import Console
from phiz.errors import DataError, PhizError, UsageError
from phiz.generator import poses, store
from phiz.train import gan, monitor, pictures, state
from phiz.train.gan_config import GanConfig
from phiz.train.gan_step import Learners

Begin = Callable[..., tuple[GanConfig, Learners]]


def drawn(path: Path) -> torch.Tensor:
    generator = store.load(path)
    config = generator.config
    z = torch.randn(2, config.z_size, generator=torch.Generator().manual_seed(0))
    labels = torch.eye(config.labels)[:2] if config.labels else None
    with torch.no_grad():
        return generator.render(generator.styles(z, labels), poses.at(config, (0.5, 0.5, 0.5))).image


def test_a_training_leaves_a_generator_that_draws_and_a_discriminator_that_judges(whole: Path) -> None:
    image = drawn(whole / "generator.safetensors")
    assert image.shape == (2, 3, 32, 32)
    assert image.isfinite().all()
    judge = store.load_discriminator(whole / "discriminator.safetensors")
    assert judge(image, torch.eye(3)[:2]).shape == (2, 1)
    snapshot = newest(whole)  # what is written is the average, not the network that learns
    written = store.load(whole / "generator.safetensors").state_dict()
    assert_same(written, {name: snapshot[f"parts/average/{name}"] for name in written})
    assert not torch.equal(written["mapping.average"] * 0, written["mapping.average"])
    assert any(not torch.equal(snapshot[f"parts/generator/{name}"], written[name]) for name in written)


def test_every_line_of_the_log_has_losses_signs_norms_and_the_augmentation(whole: Path) -> None:
    lines = monitor.read_lines(whole)
    assert [(line.step, line.images) for line in lines] == [(1, 4), (2, 8), (3, 12), (4, 16)]
    every = {"loss/g", "loss/d", "loss/nerf_path", "loss/path_length", "loss/r1", "path_length"}
    every |= {"signs/fake", "signs/real", "signs/fake_d", "norm/g", "norm/d", "ada_p", "damaged pictures"}
    for line in lines:
        assert every <= set(line.values)
        numbers = [line.values[name] for name in every]
        assert all(number is not None and math.isfinite(number) for number in numbers)
    penalties = [line.values["loss/r1"] for line in lines]
    assert penalties[0] == penalties[1] != penalties[2] == penalties[3]  # taken in every second step
    chances = [0.0, *(float(line.values["ada_p"] or 0) for line in lines)]
    moves = [abs(after - before) for before, after in itertools.pairwise(chances)]
    assert all(move in (0, pytest.approx(0.04)) for move in moves)


def test_pictures_and_measurements_are_taken_when_it_is_time(whole: Path) -> None:
    names = sorted(path.name for path in (whole / "pictures").iterdir())
    assert names == ["depth-00000004.png", "people-00000004.png", "turn-00000004.png"]
    measured = {"fid_builtin", "kid_builtin", "precision_builtin", "recall_builtin", "pose_error"}
    assert [measured <= set(line.values) for line in monitor.read_lines(whole)] == [False, False, False, True]
    assert (whole / "report.html").is_file()


def test_a_training_in_pieces_is_the_same_as_one_in_one_piece(
    faces: Path, whole: Path, tmp_path: Path
) -> None:
    half = settings(faces, tmp_path / "pieces", f"{FULL} --kimg 0.008")
    assert trained(half)["steps"] == 2
    done = trained(replace(half, kimg=0.016))
    assert done == {
        "output": str(tmp_path / "pieces" / "generator.safetensors"),
        "steps": 4,
        "images": 16,
    }
    assert_same_runs(tmp_path / "pieces", whole)


def test_a_training_that_was_killed_goes_on_with_the_same_numbers(
    faces: Path, whole: Path, tmp_path: Path
) -> None:
    killed = tmp_path / "killed"
    words = [*command(faces, killed, FULL), "--kimg", "1000"]
    with subprocess.Popen(
        [sys.executable, "-m", "phiz.cli", "train", "gan", *words],
        stdout=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": str(Path(checkpoint.__file__).parents[1]), "OMP_NUM_THREADS": "1"},
    ) as process:
        try:
            until = time.monotonic() + 60
            while not (killed.is_dir() and len(curve(killed)) >= 3) and time.monotonic() < until:
                assert process.poll() is None, "the training ended by itself"
                time.sleep(0.01)
        finally:
            process.kill()
    assert len(curve(killed)) >= 3  # more than the snapshot of step 2 holds
    trained(settings(faces, killed, FULL))
    assert_same_runs(killed, whole)


@pytest.fixture(scope="module")
def two(faces: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return where two processes left their run and the digests of what they learned."""
    folder = tmp_path_factory.mktemp("two")
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = str(free.getsockname()[1])
    words = command(faces, folder / "run", "--picture-every 2 --measure-every 2 --measure-count 8")
    start = [sys.executable, gan_fixtures.__file__, str(folder / "digests"), *words]
    told = {"WORLD_SIZE": "2", "MASTER_ADDR": "localhost", "MASTER_PORT": port, "OMP_NUM_THREADS": "1"}
    told |= {**os.environ, **told, "PYTHONPATH": str(Path(checkpoint.__file__).parents[1])}
    both = [subprocess.Popen(start, env={**told, "RANK": k, "LOCAL_RANK": k}) for k in "01"]
    try:
        assert [process.wait(90) for process in both] == [0, 0]
    finally:
        for process in both:
            process.kill()
            process.wait()
    return folder


def test_two_processes_have_the_same_networks_at_the_end(two: Path) -> None:
    ours, theirs = (json.loads((two / f"digests-{rank}.json").read_text()) for rank in (0, 1))
    assert ours == theirs
    assert len(set(ours)) == 3
    assert [(line.step, line.images) for line in monitor.read_lines(two / "run")] == [(1, 4), (2, 8)]
    found = newest(two / "run")["parts/chance/rows"]
    assert not torch.equal(found[0], found[1])  # each draws people of its own


def test_what_the_first_of_two_processes_measures_stands_in_the_log_as_it_is(two: Path) -> None:
    line = monitor.read_lines(two / "run")[-1]
    precision = line.values["precision_builtin"]
    assert precision is not None
    assert precision * 8 == pytest.approx(round(precision * 8))  # a share of eight pictures, not half of one
    assert len(list((two / "run" / "pictures").iterdir())) == 3


def test_a_batch_that_processes_cannot_share_is_refused(faces: Path, tmp_path: Path) -> None:
    config = settings(faces, tmp_path)
    gan.check_share(config, replace(ALONE, world=2))
    with pytest.raises(UsageError, match=r"3 processes cannot share a batch of 4 evenly.*--batch 3"):
        gan.check_share(config, replace(ALONE, world=3))


@pytest.mark.parametrize(("progress", "size"), [(0.0, 8), (0.25, 16), (0.5, 32), (0.75, 32), (1.0, 32)])
def test_real_pictures_have_the_size_of_those_that_are_drawn(
    begin: Begin, progress: float, size: int
) -> None:
    config, learners = begin()
    learners.grow(progress)
    with contextlib.closing(gan.real_pictures(config, ALONE, 0)) as stream:
        batch = gan.next_batch(config, stream, learners, ALONE)
    with contextlib.closing(gan.real_pictures(config, ALONE, 0)) as stream:
        large, _ = pictures.on_device(next(stream), ALONE.device)
    assert torch.equal(batch.images, pictures.resize_early(large, size))
    generator = learners.generator
    image = generator.render(
        generator.styles(torch.ones(1, 12)), poses.at(generator.config, (0.5, 0.5))
    ).image
    assert learners.resolution() == image.shape[-1] == size
    assert learners.discriminator(batch.images).shape == (4, 1)


def test_a_training_grows_from_small_pictures(faces: Path, tmp_path: Path) -> None:
    trained(settings(faces, tmp_path / "run", "--grow-kimg 0 0.016"))
    assert [row[0] for row in curve(tmp_path / "run")] == [1, 2]
    assert "loss/nerf_path" in monitor.read_lines(tmp_path / "run")[0].values
    assert curve(tmp_path / "run")[0][2]["loss/nerf_path"] == 0  # type: ignore[index]  # only a volume yet
    assert curve(tmp_path / "run")[1][2]["loss/nerf_path"] > 0  # type: ignore[index]
    assert drawn(tmp_path / "run" / "generator.safetensors").shape[-1] == 16


def test_new_networks_follow_from_the_seed_and_leave_other_chance_alone(begin: Begin) -> None:
    before = torch.random.get_rng_state()
    (_, one), (_, same), (_, other) = begin(), begin(), begin("--seed 1")
    assert torch.equal(torch.random.get_rng_state(), before)
    assert_same(one.generator.state_dict(), same.generator.state_dict())
    assert_same(one.discriminator.state_dict(), same.discriminator.state_dict())
    weights = [net.mapping.layers[0].weight for net in (one.generator, other.generator)]  # type: ignore[union-attr]
    assert not torch.equal(*weights)
    assert torch.rand(1, generator=one.chance) != torch.rand(1, generator=other.chance)


def test_a_training_begins_with_the_networks_that_are_named(begin: Begin, whole: Path) -> None:
    words = "--use-labels --generator.labels 3 --discriminator.labels 3 "
    given = f"--start {whole}/generator.safetensors --start-discriminator {whole}/discriminator.safetensors"
    _, learners = begin(words + given)
    generator = store.load(whole / "generator.safetensors").state_dict()
    assert_same(learners.generator.state_dict(), generator)
    assert_same(learners.average.state_dict(), generator)
    judge = store.load_discriminator(whole / "discriminator.safetensors")
    assert_same(learners.discriminator.state_dict(), judge.state_dict())
    assert all(p.requires_grad for p in learners.generator.parameters())
    assert not any(p.requires_grad for p in learners.average.parameters())


def test_networks_of_other_sizes_are_refused(begin: Begin, whole: Path) -> None:
    with pytest.raises(UsageError, match=r"generator\.safetensors holds a network of other sizes"):
        begin(f"--start {whole}/generator.safetensors")
    with pytest.raises(UsageError, match=r"discriminator\.safetensors holds a network of other sizes"):
        begin(f"--start-discriminator {whole}/discriminator.safetensors")


def test_what_is_known_about_codes_stays_with_the_generator(
    begin: Begin, faces: Path, tmp_path: Path
) -> None:
    _, learners = begin()
    store.save_generator(tmp_path / "g.safetensors", learners.generator, about={"code": {"size": 12}})
    trained(settings(faces, tmp_path / "run", f"--kimg 0.004 --start {tmp_path}/g.safetensors"))
    assert store.about(tmp_path / "run" / "generator.safetensors") == {"code": {"size": 12}}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--generator.labels 3", "labels of 0 numbers, the networks take 3 and 0"),
        ("--use-labels", "labels of 3 numbers, the networks take 0 and 0.*--generator.labels 3"),
        ("--use-labels --generator.labels 3 --discriminator.labels 2", "take 3 and 2"),
    ],
)
def test_labels_that_the_networks_do_not_expect_are_refused(
    faces: Path, tmp_path: Path, words: str, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        gan.real_pictures(settings(faces, tmp_path, words), ALONE, 0)


def test_pictures_have_to_be_named_and_to_exist(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="say where the pictures are: phiz train gan --data DIR"):
        trained(GanConfig(output=tmp_path / "run"))
    with pytest.raises(DataError, match="no pictures at"):
        trained(settings(tmp_path / "nowhere", tmp_path / "run"))


def test_a_training_that_comes_apart_ends_with_advice(faces: Path, tmp_path: Path) -> None:
    with pytest.raises(PhizError, match=r"loss/\w+ is (nan|inf) at step \d.*Lower the learning rate"):
        trained(settings(faces, tmp_path / "run", "--rate-g 1e30 --rate-d 1e30 --kimg 0.012"))
    assert state.snapshots(tmp_path / "run") == []  # nothing is kept of a network that is no more


def test_too_little_memory_ends_with_the_numbers_to_use(
    faces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def too_large(*_: object) -> None:
        raise torch.OutOfMemoryError("no memory")  # a CPU with so little memory is not at hand

    monkeypatch.setattr(gan, "learn", too_large)
    with pytest.raises(PhizError, match=r"memory of the GPU is too small.*--batch-gpu 1") as told:
        trained(settings(faces, tmp_path / "run"))
    assert isinstance(told.value.__cause__, torch.OutOfMemoryError)


def test_minutes_end_a_training_that_can_go_on(faces: Path, tmp_path: Path) -> None:
    output = io.StringIO()
    config = settings(faces, tmp_path / "run", "--minutes 0.0001 --kimg 1000")
    done = gan.train_gan(config, Console(output=output))
    assert done["steps"] in (0, 1)
    assert "The time is over" in output.getvalue()
    assert store.load(tmp_path / "run" / "generator.safetensors").config == config.generator


def test_a_damaged_picture_is_counted(faces: Path, tmp_path: Path) -> None:
    data = shutil.copytree(faces, tmp_path / "data")
    for path in sorted(data.glob("*.png"))[:6]:
        path.write_bytes(path.read_bytes()[:60])
    trained(settings(data, tmp_path / "run", "--kimg 0.004"))
    assert 0 < curve(tmp_path / "run")[0][2]["damaged pictures"] <= 6  # type: ignore[index]
