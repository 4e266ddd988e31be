"""A warm start is a regression to known pictures: losses vanish at the truth, and it can be interrupted."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from gan_fixtures import ALONE, assert_same, curve, newest, settings, trained

from phiz.console import Console
from phiz.errors import UsageError
from phiz.generator import store
from phiz.generator.config import TINY
from phiz.train import gan, warm, warm_losses
from phiz.train.run import RunConfig
from phiz.train.sitters import Sitters
from phiz.train.warm_config import WarmConfig

SHORT = WarmConfig(steps=4, volume_steps=2, rays=20, batch=2, views=2, picture_every=4, rise_steps=2)
SHAPE = replace(TINY, source="planes", planes_resolution=16, planes_most=8, planes_channels=3)


def _fit(portraits: Path, folder: Path, steps: int = 4, **changes: object) -> Path | None:
    config = replace(SHORT, portraits=portraits, steps=steps, **changes)
    watched = RunConfig(output=folder, tensorboard=False, log_every=1, snapshot_every=2)
    return warm.fit(config, SHAPE, watched, ALONE, Console(quiet=True, errors=io.StringIO()))


@pytest.fixture(scope="module")
def fitted(few_portraits: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = _fit(few_portraits, tmp_path_factory.mktemp("warm") / "run")
    assert path is not None
    return path


def test_a_fitted_generator_knows_the_codes_of_its_portraits(fitted: Path, few_portraits: Path) -> None:
    generator = store.load(fitted)
    sitters = Sitters(few_portraits)
    assert generator.config.z_size == sitters.code_size
    assert generator.config.groups == sitters.groups()[0]
    assert store.about(fitted)["code"] == sitters.index["layout"]
    names = [set(values) for _, _, values in curve(fitted.parent)]
    assert {"loss/colour", "loss/alpha", "loss/depth"} <= names[0]
    assert {"loss/picture", "loss/perceptual"} <= names[2] - names[0]
    assert (fitted.parent / "pictures" / "people-00000004.png").is_file()


def test_a_warm_start_in_pieces_is_the_same(fitted: Path, few_portraits: Path, tmp_path: Path) -> None:
    _fit(few_portraits, tmp_path / "run", steps=2, cool_share=0)
    whole = _fit(few_portraits, tmp_path / "other", cool_share=0)
    again = _fit(few_portraits, tmp_path / "run", cool_share=0)
    assert whole is not None
    assert again is not None
    assert_same(newest(whole.parent), newest(again.parent))
    assert curve(whole.parent) == curve(again.parent)


def test_a_fit_goes_on_from_a_file(fitted: Path, few_portraits: Path, tmp_path: Path) -> None:
    path = _fit(few_portraits, tmp_path / "run", steps=1, start=fitted, rate=0.0)
    assert path is not None
    ours, theirs = store.load(path), store.load(fitted)
    assert torch.equal(ours.foreground.planes.constant, theirs.foreground.planes.constant)


def test_after_the_warm_start_the_discriminator_comes_in(few_portraits: Path, tmp_path: Path) -> None:
    words = (
        f"--warm-start --warm.portraits {few_portraits} --warm.steps 2 --warm.volume-steps 1 --warm.batch 1 "
        "--warm.rays 9 --anchor 1 --kimg 0.004"
    )
    done = trained(settings(few_portraits, tmp_path / "run", words))
    assert done["steps"] == 1
    values = curve(tmp_path / "run")[0][2]
    assert {"anchor/picture", "anchor/colour", "loss/g", "loss/d"} <= set(values)  # type: ignore[call-overload]


def test_a_warm_start_that_was_stopped_goes_on_before_anything_else(
    few_portraits: Path, tmp_path: Path
) -> None:
    words = (
        f"--warm-start --warm.portraits {few_portraits} --warm.steps 3 --warm.volume-steps 3 --warm.batch 1 "
        "--warm.rays 9 --kimg 0.004"
    )
    config = settings(few_portraits, tmp_path / "run", words)
    done = trained(replace(config, minutes=0.0001))  # over before the second step
    assert done == {"output": str(tmp_path / "run-warm"), "steps": 0, "images": 0}
    assert not (tmp_path / "run").exists()
    assert trained(replace(config, minutes=5.0))["steps"] == 1
    assert [row[0] for row in curve(tmp_path / "run-warm")] == [1, 2, 3]


def test_half_precision_learns_portraits_as_well(few_portraits: Path) -> None:
    sitters = Sitters(few_portraits)
    sitting = sitters.batch(np.array([0, 1]), 2)
    losses = []
    for is_half in (False, True):
        generator = warm.beginner(SHAPE, sitters, 0).train()
        chance = torch.Generator().manual_seed(0)
        losses.append(warm_losses.regression(SHORT, generator, sitting, 9, chance, is_half=is_half))
    for name, value in losses[0].items():
        assert float(losses[1][name].detach()) == pytest.approx(float(value.detach()), rel=0.1, abs=0.05)


def test_generators_of_other_codes_cannot_be_anchored(few_portraits: Path, tmp_path: Path) -> None:
    config = settings(few_portraits, tmp_path / "run", f"--anchor 1 --warm.portraits {few_portraits}")
    with pytest.raises(UsageError, match="--anchor cannot be"):
        gan.anchoring(config)


def test_portraits_that_are_too_small_are_refused(few_portraits: Path) -> None:
    with pytest.raises(UsageError, match="phiz world portraits --size 64"):
        warm.check_fits(replace(SHAPE, resolution=64), Sitters(few_portraits), few_portraits)


def test_coverage_costs_nothing_at_the_truth_and_pulls_hard_where_all_is_lost() -> None:
    true = torch.tensor([[0.0, 0.3, 1.0]])
    torch.testing.assert_close(warm_losses.coverage_loss(true, true), torch.zeros(1, 3), atol=1e-6, rtol=0)
    lost = torch.tensor([[0.001]], requires_grad=True)
    warm_losses.coverage_loss(lost, torch.ones(1, 1)).sum().backward()
    assert lost.grad is not None
    assert float(lost.grad) < -500


def test_a_depth_counts_where_all_its_pixels_are_one_surface() -> None:
    depth = torch.full((1, 1, 8, 8), 0.9)
    depth[..., 4:, :] = 0.0
    depth[..., 0, 0] = 1.0
    mean, sure = warm_losses.small_depth(depth, 4)
    assert sure[0, 0].tolist() == [[0, 1, 1, 1], [1, 1, 1, 1], [0, 0, 0, 0], [0, 0, 0, 0]]
    assert float(mean[0, 0, 1, 1]) == pytest.approx(0.9)


def test_eyes_and_mouth_count_more() -> None:
    weights = warm_losses.pixel_weights(torch.tensor([[[0, 1, 4, 5, 11, 12, 13, 17]]]), 4.0)
    assert weights.flatten().tolist() == [1, 1, 4, 4, 4, 4, 4, 1]


def test_values_are_taken_at_their_places() -> None:
    maps = torch.arange(18.0).reshape(1, 2, 3, 3)
    assert warm_losses.taken(maps, torch.tensor([[8, 0]])).tolist() == [[[8.0, 17.0], [0.0, 9.0]]]


def test_a_window_is_the_same_of_both() -> None:
    image = torch.arange(2 * 3 * 8 * 8.0).reshape(2, 3, 8, 8)
    chance = torch.Generator().manual_seed(0)
    one, other = warm_losses.window(image, image + 1, 5, chance)
    assert one.shape == (2, 3, 5, 5)
    assert torch.equal(one + 1, other)
    whole, _ = warm_losses.window(image, image, 0, chance)
    assert whole is image


def test_the_rate_rises_and_cools() -> None:
    config = replace(SHORT, steps=100, rise_steps=10, cool_share=0.5)
    paces = np.array([warm.pace(config, step) for step in range(100)])
    assert paces[0] == pytest.approx(0.1)
    assert (paces[9:50] == 1).all()
    assert (np.diff(paces[50:]) < 0).all()
    assert paces[-1] == pytest.approx(0.05, abs=0.01)
    assert warm.pace(replace(config, cool_share=0), 99) == 1


@pytest.mark.parametrize("wrong", ["batch", "views", "rays", "steps"])
def test_settings_that_teach_nothing_are_refused(wrong: str) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        replace(SHORT, **{wrong: 0})
