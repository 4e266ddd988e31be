"""Encoders train, stop, go on and share their work with the same numbers; what cannot be is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
import trainer_twins
from encoder_fixtures import QUIET, portrait_generator, settings, trained, write_generator
from gan_fixtures import ALONE, assert_same, curve, newest

from phiz import trained as files
from phiz.avatar import encoder_network
from phiz.avatar.encoder_network import ENCODER, EncoderNet
from phiz.errors import DataError, PhizError, UsageError
from phiz.face import network_files
from phiz.face.landmarks import TINY as TINY_LANDMARKS
from phiz.face.landmarks import LandmarkNet
from phiz.face.network_files import LANDMARKS
from phiz.generator import store
from phiz.train import encoder, monitor, photo_changes
from phiz.train.encoder_config import BUILTIN, PRESETS, FrameChanges, TellWeights

TRAINER = "phiz.train.encoder:train_encoder:TrainEncoderConfig:encoder"
FULL = "--steps 4 --cool-share 0.5 --snapshot-every 2 --keep 9"


@pytest.fixture(scope="module")
def generator(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_generator(tmp_path_factory.mktemp("generator") / "generator.safetensors")


@pytest.fixture(scope="module")
def whole(generator: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a training of four steps that nothing interrupted."""
    folder = tmp_path_factory.mktemp("encoder") / "whole"
    trained(settings(generator, folder, FULL))
    return folder


def test_a_training_leaves_an_encoder_that_tells_what_its_generator_draws(whole: Path) -> None:
    found = files.load(ENCODER, whole / "encoder.safetensors")
    assert found.config == encoder_network.TINY
    snapshot = newest(whole)
    assert_same(found.state_dict(), {name: snapshot[f"parts/average/{name}"] for name in found.state_dict()})
    assert files.about(ENCODER, whole / "encoder.safetensors")["steps"] == 4


def test_every_line_of_the_log_has_the_losses_and_some_have_measurements(whole: Path) -> None:
    lines = monitor.read_lines(whole)
    assert [(line.step, line.images) for line in lines] == [(1, 4), (2, 8), (3, 12), (4, 16)]
    names = {f"loss/{name}" for name in ("seen", "styles", "camera", "background", "pixels", "look")}
    assert all(names <= set(line.values) for line in lines)
    measured = {"drawn/w", "drawn/PSNR", "drawn/yaw deg", "drawn as photos/perceptual"}
    assert [measured <= set(line.values) for line in lines] == [False, True, False, True]
    pictures = {path.name for path in (whole / "pictures").iterdir()}
    assert {"drawn-plain-00000002.png", "drawn-changed-00000004.png"} <= pictures


def test_a_training_in_pieces_is_the_same_as_one_in_one_piece(
    generator: Path, whole: Path, tmp_path: Path
) -> None:
    config = settings(generator, tmp_path / "pieces", FULL)
    assert trained(replace(config, minutes=1e-6))["steps"] == 0
    words = ["--generator", str(generator), *FULL.split()]
    trainer_twins.assert_goes_on(trainer_twins.Trainer.named(TRAINER), words, whole, tmp_path / "pieces")


def test_a_lost_file_of_pictures_changes_nothing(generator: Path, whole: Path, tmp_path: Path) -> None:
    folder = tmp_path / "lost"
    trained(settings(generator, folder, f"{FULL} --steps 2 --cool-share 0"))
    (folder / "drawn-0.npy").unlink()
    done = trained(settings(generator, folder, f"{FULL} --cool-share 0"))
    straight = tmp_path / "straight"
    trained(settings(generator, straight, f"{FULL} --cool-share 0"))
    assert done["steps"] == 4
    assert curve(folder) == curve(straight)
    assert_same(newest(folder), newest(straight))


def test_two_processes_have_the_same_encoder_at_the_end(generator: Path, tmp_path: Path) -> None:
    trainer = trainer_twins.Trainer.named(TRAINER)
    trainer_twins.assert_two_agree(trainer, ["--generator", str(generator)], tmp_path)
    assert [(line.step, line.images) for line in monitor.read_lines(tmp_path / "run")] == [(1, 4), (2, 8)]


def test_rendered_portraits_are_learned_from_and_measured_by(few_portraits: Path, tmp_path: Path) -> None:
    path = write_generator(tmp_path / "generator.safetensors", portrait_generator(few_portraits))
    words = f"--data {few_portraits} --check {few_portraits}"
    for share in ("0.5", "1"):
        done = trained(settings(path, tmp_path / share, f"{words} --data-share {share}"))
        assert done["images"] == 8
        line = monitor.read_lines(tmp_path / share)[-1]
        assert {"rendered/w", "drawn/w", "rendered as photos/PSNR head"} <= set(line.values)
    found = files.load(ENCODER, tmp_path / "1" / "encoder.safetensors")
    assert encoder_network.fits(found.config, portrait_generator(few_portraits))


def test_portraits_of_other_codes_are_refused(few_portraits: Path, generator: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"codes of the portraits .* those of the generator 12"):
        trained(settings(generator, tmp_path / "run", f"--data {few_portraits}"))


def test_what_is_shown_is_learned(generator: Path, tmp_path: Path) -> None:
    words = (
        "--steps 120 --batch 8 --rate 0.01 --warm-steps 4 --half-life 60 --snapshot-every 99 --drawn 0 "
        "--measure-every 0 --picture-every 0 --log-every 2 --reuse 10000"
    )
    config = settings(generator, tmp_path / "run", words)
    still = FrameChanges(shift=0.0, scale=0.0, turn_deg=0.0)
    trained(replace(config, changes=photo_changes.NONE, frame=still))
    lines = monitor.read_lines(tmp_path / "run")
    for name in ("loss/seen", "loss/camera", "loss/background"):
        values = [float(line.values[name] or 0) for line in lines]
        assert sum(values[-4:]) < 0.7 * sum(values[:4]), (name, values)


def test_pictures_teach_styles_and_cameras(generator: Path, tmp_path: Path) -> None:
    config = settings(generator, tmp_path, "--drawn 4")
    weights = TellWeights(seen=0, styles=0, camera=0, background=0)
    config = replace(config, weights=weights)
    drawing = store.load(generator)
    network = encoder.beginner(config, drawing).train()
    scale = encoder.Scale(config.encoder.w_size)
    encoder.weigh(scale, drawing, config, QUIET)
    source = encoder.Source.open(config, drawing, ALONE)
    losses = encoder.losses_of(config, network, drawing, scale, source.batch(0), is_drawn=True)
    torch.autograd.backward(losses["pixels"] + losses["look"])
    grad = network.tell.weight.grad
    assert grad is not None
    rows = torch.split(grad.abs().sum(dim=1), [network.config.w_size, network.config.background, 2])
    assert all(bool((part > 0).any()) for part in rows)
    assert all(parameter.grad is None for parameter in drawing.parameters())


def test_new_encoders_follow_from_the_seed_or_from_a_file(
    generator: Path, whole: Path, tmp_path: Path
) -> None:
    drawing = store.load(generator)
    before = torch.random.get_rng_state()
    one, same, other = (
        encoder.beginner(settings(generator, tmp_path, f"--seed {k}"), drawing) for k in (0, 0, 1)
    )
    assert torch.equal(torch.random.get_rng_state(), before)
    assert_same(one.state_dict(), same.state_dict())
    assert not torch.equal(one.trunk.conv1.weight, other.trunk.conv1.weight)
    start = whole / "encoder.safetensors"
    begun = encoder.beginner(settings(generator, tmp_path, f"--start {start}"), drawing)
    assert_same(begun.state_dict(), files.load(ENCODER, start).state_dict())
    with pytest.raises(UsageError, match="an encoder of other sizes"):
        encoder.beginner(settings(generator, tmp_path, f"--start {start} --encoder.hidden 7"), drawing)


def test_an_encoder_may_begin_with_layers_that_find_landmarks(generator: Path, tmp_path: Path) -> None:
    path = tmp_path / "landmarks.safetensors"
    theirs = LandmarkNet(TINY_LANDMARKS)
    network_files.save(path, LANDMARKS, theirs)
    config = settings(generator, tmp_path, f"--trunk {path}")
    longer = replace(config.encoder, widths=(*config.encoder.widths, 12), blocks=(1, 1, 1, 1, 1), size=64)
    drawing = store.load(generator)
    for shape in (config.encoder, longer):
        own = encoder.beginner(replace(config, encoder=shape), drawing).trunk.state_dict()
        assert_same({name: own[name] for name in theirs.trunk.state_dict()}, theirs.trunk.state_dict())
    with pytest.raises(UsageError, match=r"other sizes .* --encoder.blocks and --encoder.widths"):
        encoder.beginner(replace(config, encoder=replace(config.encoder, widths=(4, 6, 8, 11))), drawing)


def test_styles_are_weighed_the_same_each_time(generator: Path, tmp_path: Path) -> None:
    config, drawing = settings(generator, tmp_path), store.load(generator)
    one, same = (encoder.Scale(config.encoder.w_size) for _ in range(2))
    for scale in (one, same):
        encoder.weigh(scale, drawing, config, QUIET)
    assert_same(one.state_dict(), same.state_dict())
    assert float(one.stick.abs().max()) > 0


def test_a_batch_that_processes_cannot_share_is_refused(
    generator: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UsageError, match="at least 2 pictures"):
        settings(generator, tmp_path, "--batch 1")

    def too_large(*_: object) -> None:
        raise torch.OutOfMemoryError("no memory")  # a CPU with so little memory is not at hand

    monkeypatch.setattr(encoder, "learn", too_large)
    with pytest.raises(PhizError, match=r"memory of the GPU is too small.*--batch 2"):
        trained(settings(generator, tmp_path / "run"))


def test_a_training_that_comes_apart_ends_with_advice(generator: Path, tmp_path: Path) -> None:
    words = "--rate 1e30 --steps 6 --snapshot-every 9 --measure-every 0 --picture-every 0"
    with pytest.raises(PhizError, match=r"loss/\w+ is (nan|inf) at step \d.*Lower the learning rate"):
        trained(settings(generator, tmp_path / "run", words))


def test_presets_are_whole_and_numbers_that_make_no_sense_are_refused() -> None:
    assert {name: one.preset for name, one in PRESETS.items()} == {name: name for name in PRESETS}
    with torch.device("meta"):
        for one in PRESETS.values():
            EncoderNet(one.encoder)
    for wrong in ({"reuse": 0.0}, {"rate": 0.0}, {"data_share": 2.0}, {"kept": 8}, {"probes": 0}):
        with pytest.raises(ValueError, match=r"reuse|data_share|kept|probes"):
            replace(BUILTIN, **wrong)
    with pytest.raises(ValueError, match="no sign"):
        TellWeights(seen=-1)
