"""Regressors learn from people and from photos; they stop, go on and share work with the same numbers."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import seeing_fixtures
import torch
from gan_fixtures import ALONE, assert_same, newest
from PIL import Image
from trainer_twins import Trainer, assert_goes_on, assert_two_agree

from phiz.console import Console
from phiz.errors import DataError, MediaError, UsageError
from phiz.face import network_files
from phiz.face.identity import store
from phiz.face.identity.config import TINY as TINY_IDENTITY
from phiz.face.identity.networks import begin
from phiz.face.landmarks import TINY as TINY_LANDMARKS
from phiz.face.landmarks import LandmarkNet
from phiz.face.network_files import LANDMARKS, REGRESSOR
from phiz.face.regress import TINY as TINY_REGRESSOR
from phiz.face.regress import to_face
from phiz.train import monitor, photo_changes, regress, regress_photos, regress_stream, regress_watch
from phiz.train.regress_config import PRESETS, TrainRegressConfig
from phiz.train.regress_sources import SKIN_SUFFIX, open_photos, open_world
from phiz.train.regress_stream import CropChanges

TRAINER = Trainer(regress, "train_regress", "TrainRegressConfig", "regressor")
FULL = "--steps 4 --half-life 20 --snapshot-every 1 --keep 9".split()


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return seeing_fixtures.write_people(tmp_path_factory.mktemp("people") / "shards")


@pytest.fixture(scope="module")
def photos(people: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of photos with points and skin masks, which are rendered people in truth."""
    folder = tmp_path_factory.mktemp("photos")
    source = open_world(people)
    for number in range(source.count):
        portrait = source.read(number)
        Image.fromarray(portrait.image.movedim(0, -1).numpy()).save(folder / f"{number}.png")
        Image.fromarray(portrait.skin.numpy()).save(folder / f"{number}{SKIN_SUFFIX}")
        np.savez(folder / f"{number}.npz", landmarks=portrait.landmarks.numpy())
    return folder


@pytest.fixture(scope="module")
def recogniser(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("identity") / "identity.safetensors"
    network = begin(replace(TINY_IDENTITY, size=112), torch.Generator().manual_seed(0)).eval()
    store.save(path, network, about={})
    return path


@pytest.fixture(scope="module")
def words(people: Path, photos: Path, recogniser: Path) -> list[str]:
    both = ["--data", str(people), "--photos", str(photos), "--recogniser", str(recogniser)]
    return [*both, "--check", str(people), *FULL]


@pytest.fixture(scope="module")
def whole(words: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a training of four steps that nothing interrupted."""
    folder = tmp_path_factory.mktemp("regress") / "whole"
    TRAINER.train(TRAINER.settings([*words, "-o", str(folder)]))
    return folder


def test_a_training_leaves_a_regressor(whole: Path) -> None:
    found = network_files.load(REGRESSOR, whole / "regressor.safetensors")
    assert found(torch.rand(1, 3, 32, 32)).shape == (1, sum(found.config.heads))
    snapshot = newest(whole)  # what is written is the average, not the network that learns
    assert_same(found.state_dict(), {name: snapshot[f"parts/average/{name}"] for name in found.state_dict()})


def test_the_log_has_losses_of_both_kinds_and_measurements(whole: Path) -> None:
    lines = monitor.read_lines(whole)
    assert [(line.step, line.images) for line in lines] == [(1, 4), (2, 8), (3, 12), (4, 16)]
    truth = {
        f"truth/{name}" for name in ("vertices", "landmarks", "rotation", "expression", "gaze", "colours")
    }
    photo = {f"photo/{name}" for name in ("photo", "landmark", "perceptual", "coefficients", "reflectance")}
    assert all(truth | photo | {"loss", "rate"} <= set(line.values) for line in lines)
    measured = {"vertices mm", "rotation degrees", "landmarks % of the eyes' distance", "gaze degrees"}
    assert [measured <= set(line.values) for line in lines] == [False, True, False, True]


def test_a_training_that_was_killed_goes_on_with_the_same_numbers(
    words: list[str], whole: Path, tmp_path: Path
) -> None:
    assert_goes_on(TRAINER, words, whole, tmp_path / "killed")


def test_two_processes_have_the_same_network_at_the_end(people: Path, tmp_path: Path) -> None:
    assert_two_agree(TRAINER, ["--data", str(people)], tmp_path)


def test_a_regressor_learns_from_people(people: Path, tmp_path: Path) -> None:
    words = "--steps 80 --rate 0.005 --half-life 40 --snapshot-every 200 --picture-every 0 --batch 8"
    output = tmp_path / "run"
    config = TRAINER.settings(["--data", str(people), "-o", str(output), *words.split()])
    TRAINER.train(replace(config, changes=photo_changes.NONE, world_crop=regress_stream.STILL))
    model = regress.teachers_of(config, ALONE).model
    begun = regress.beginner(config).eval()
    learned = network_files.load(REGRESSOR, output / "regressor.safetensors")
    before, after = (
        regress_watch.measure(one, model, open_world(people), 4, ALONE.device, regress_stream.STILL)
        for one in (begun, learned)
    )
    for name in ("landmarks % of the eyes' distance", "rotation degrees"):
        assert after[name] < 0.8 * before[name]


def test_a_drawn_face_pulls_at_all_that_is_told(photos: Path, recogniser: Path, tmp_path: Path) -> None:
    config = TRAINER.settings(
        [
            "--photos",
            str(photos),
            "--recogniser",
            str(recogniser),
            "-o",
            str(tmp_path),
            "--regressor.size",
            "64",
        ]
    )
    teachers = regress.teachers_of(config, ALONE)
    network = regress.beginner(config).train()
    with contextlib.closing(
        regress.open_streams(config, teachers.model, ALONE, 0, Console(quiet=True))
    ) as streams:
        assert streams.world is None
        assert streams.photos is not None
        crops = regress.on_device(next(streams.photos), ALONE.device)
    vector = network(crops.pictures)
    told = to_face(vector, config.regressor)
    found = regress_photos.photo_losses(
        teachers.model, told, crops, config.photo, teachers.recognise, front_only=True
    )
    (slope,) = torch.autograd.grad(torch.stack(list(found.values())).sum(), vector)
    parts = torch.split(slope, list(config.regressor.heads), dim=1)
    named = dict(
        zip(("identity", "expression", "texture", "turn", "light", "shift", "depth"), parts, strict=False)
    )
    assert all(bool(part.isfinite().all()) and bool(part.abs().sum() > 0) for part in named.values())
    with pytest.raises(UsageError, match="needs a recogniser"):
        regress_photos.photo_losses(teachers.model, told, crops, config.photo, None)


def test_photos_need_points_and_masks(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes((photos / "0.png").read_bytes())
    with pytest.raises(MediaError, match="has no points beside it"):
        open_photos(tmp_path).read(0)
    (tmp_path / "a.npz").write_bytes((photos / "0.npz").read_bytes())
    with pytest.raises(MediaError, match="has no skin mask"):
        open_photos(tmp_path).read(0)
    assert bool((open_photos(tmp_path, use_skin=False).read(0).skin == 255).all())
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(DataError, match="has no pictures"):
        open_photos(empty)


def test_crops_lie_where_points_say(people: Path) -> None:
    portrait = open_world(people).read(0)
    rng = np.random.default_rng(0)
    one = regress_stream.cropped(portrait, regress_stream.STILL, photo_changes.NONE, 64, None, rng)
    assert one.pictures.shape == (1, 3, 64, 64)
    eyes = one.landmarks[0, 36:48].mean(0)
    assert 60 < float(eyes[0]) < 164
    assert 60 < float(eyes[1]) < 130
    assert one.seen is not None
    with pytest.raises(ValueError, match="no less than nothing"):
        CropChanges(shift=-1)


def test_batches_are_shared_between_people_and_photos(words: list[str]) -> None:
    config = TRAINER.settings(words)
    assert regress.shares(config, 1) == (2, 2)
    assert regress.shares(replace(config, photo_share=0.01), 1) == (3, 1)
    assert regress.shares(replace(config, photos=None), 2) == (2, 0)
    assert regress.shares(replace(config, data=None), 1) == (0, 4)


def test_rates_fall_in_stairs_as_published_or_along_a_cosine() -> None:
    config = PRESETS["DEEP3D"]
    assert [regress.rate_at(config, k, 20) for k in (0, 9, 10, 19)] == pytest.approx([1e-4, 1e-4, 2e-5, 2e-5])
    config = PRESETS["BUILTIN"]
    assert regress.rate_at(config, config.warm_steps, 20_000) == pytest.approx(config.rate)
    assert regress.rate_at(config, 20_000, 20_000) == pytest.approx(0, abs=1e-9)
    assert regress.steps_of(replace(config, steps=0, epochs=2, batch=4), 10) == 5


def test_what_cannot_be_is_refused(people: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="say what to learn from"):
        TRAINER.train(TrainRegressConfig(output=tmp_path / "run"))
    config = TRAINER.settings(["--data", str(people), "-o", str(tmp_path)])
    with pytest.raises(UsageError, match="cannot share a batch of 4 evenly"):
        regress.check_share(config, replace(ALONE, world=3))
    with pytest.raises(UsageError, match="tells faces of 'bfm2009'"):
        regress.teachers_of(replace(config, regressor=PRESETS["DEEP3D"].regressor), ALONE)
    with pytest.raises(DataError, match="holds no rendered people"):
        open_world(tmp_path)


def test_new_regressors_follow_from_the_seed_or_a_file(people: Path, whole: Path, tmp_path: Path) -> None:
    base = ["--data", str(people), "-o", str(tmp_path)]
    one, same, other = (regress.beginner(TRAINER.settings([*base, "--seed", k])) for k in "001")
    assert_same(one.state_dict(), same.state_dict())
    assert not torch.equal(one.backbone.conv1.weight, other.backbone.conv1.weight)
    start = str(whole / "regressor.safetensors")
    begun = regress.beginner(TRAINER.settings([*base, "--start", start]))
    assert_same(begun.state_dict(), network_files.load(REGRESSOR, Path(start)).state_dict())
    with pytest.raises(UsageError, match="other sizes"):
        regress.beginner(TRAINER.settings([*base, "--start", start, "--regressor.stem", "5"]))


def test_a_regressor_begins_with_the_trunk_of_a_network_that_finds_landmarks(
    people: Path, tmp_path: Path
) -> None:
    path = tmp_path / "landmarks.safetensors"
    sizes = {"blocks": TINY_REGRESSOR.blocks, "widths": TINY_REGRESSOR.widths}
    finder = LandmarkNet(replace(TINY_LANDMARKS, **sizes))
    network_files.save(path, LANDMARKS, finder)
    words = ["--data", str(people), "-o", str(tmp_path), "--trunk", str(path)]
    begun = regress.beginner(TRAINER.settings(words))
    assert_same(begun.backbone.state_dict(), finder.trunk.state_dict())
    with pytest.raises(UsageError, match="other sizes"):
        regress.beginner(TRAINER.settings([*words, "--regressor.stem", "5"]))


def test_presets_are_whole() -> None:
    assert {name: one.preset for name, one in PRESETS.items()} == {name: name for name in PRESETS}
