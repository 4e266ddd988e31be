"""What the discriminator sees: nothing changed at p = 0, each change as often as p says, and p itself."""

from __future__ import annotations

import dataclasses
import itertools
import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from phiz import options
from phiz.errors import CheckpointError
from phiz.train import augment_colour as colour
from phiz.train.augment import (
    BGC,
    BGCFNC,
    BLIT,
    NONE,
    PIPES,
    AdaConfig,
    AdaController,
    AugmentConfig,
    Draws,
    augment,
    draw_gains,
    draw_moves,
    draw_recolouring,
)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def noise(*shape: int, seed: int = 1, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.rand(*shape, generator=seeded(seed), dtype=dtype) * 2 - 1


def draws(p: float, count: int = 20_000, seed: int = 2) -> Draws:
    return Draws(generator=seeded(seed), count=count, p=torch.tensor(p), like=torch.zeros(()))


# nothing


@pytest.mark.parametrize("name", PIPES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.float64])
def test_without_probability_pictures_stay_as_they_are_to_the_bit(name: str, dtype: torch.dtype) -> None:
    images = noise(3, 3, 9, 9).to(dtype)
    images[:, :, 0, 0] = -0.0
    for p in (0.0, 0, torch.tensor(0.0)):
        same = augment(images, p, PIPES[name], seeded())
        assert same.dtype == dtype
        assert torch.equal(same.view(torch.uint8), images.view(torch.uint8))


def test_an_empty_pipe_changes_nothing_at_any_probability() -> None:
    images = noise(2, 3, 5, 5)
    assert torch.equal(augment(images, 1.0, NONE, seeded()), images)


def test_published_pipes_grow_by_one_group_at_a_time() -> None:
    def used(config: AugmentConfig) -> set[str]:
        return {name for name, value in dataclasses.asdict(config).items() if value != getattr(NONE, name)}

    parts = [used(PIPES[name]) for name in ("blit", "geom", "color", "filter", "noise", "cutout")]
    for count, name in enumerate(("bg", "bgc", "bgcf", "bgcfn", "bgcfnc"), start=2):
        assert used(PIPES[name]) == set().union(*parts[:count])
    assert len(used(BGCFNC)) == 15


def test_flips_and_quarter_turns_only_change_the_places_of_pixels() -> None:
    images = noise(32, 3, 7, 7)
    moved = augment(images, 1.0, replace(BLIT, whole_shift=0), seeded())
    assert torch.equal(moved.flatten(2).sort().values, images.flatten(2).sort().values)
    kinds = set()
    for before, after in zip(images, moved, strict=True):
        possible = [
            torch.rot90(side, turns, (1, 2)) for side in (before, before.flip(2)) for turns in range(4)
        ]
        kinds |= {kind for kind, one in enumerate(possible) if torch.equal(one, after)}
        assert any(torch.equal(one, after) for one in possible)
    assert kinds == set(range(8))


# chance

ALONE = [
    ("flip", 0.5),
    ("quarter_turn", 0.75),
    ("whole_shift", 1),
    ("scale", 1),
    ("turn", 1),
    ("stretch", 1),
    ("shift", 1),
    ("brightness", 1),
    ("contrast", 1),
    ("luma_flip", 0.5),
    ("hue", 1),
    ("saturation", 1),
    ("noise", 1),
    ("cutout", 1),
]
"""Each change, and how many of the times that it happens it can be seen: no turn is a quarter turn too."""


@pytest.mark.parametrize(("name", "seen"), ALONE)
def test_each_change_happens_as_often_as_p_times_its_multiplier(name: str, seen: float) -> None:
    config = replace(NONE, **{name: 0.5})
    count = 4_000
    if name in ("noise", "cutout"):
        images = torch.ones(count, 3, 4, 4)
        changed = (augment(images, 0.6, config, seeded(4)) != 1).flatten(1).any(1)
    else:
        moves = draw_moves(draws(0.6, count), config, 1000, 1000)
        colours = draw_recolouring(draws(0.6, count), config)
        changed = (moves.whole != torch.eye(3)).flatten(1).any(1) | (colours != torch.eye(4)).flatten(1).any(
            1
        )
        assert torch.equal(moves.is_blit, ~changed) or name not in ("scale", "turn", "stretch", "shift")
    expected = 0.3 * seen
    error = math.sqrt(expected * (1 - expected) / count)
    assert changed.float().mean().item() == pytest.approx(expected, abs=5 * error)


def test_octaves_change_each_with_its_own_probability() -> None:
    config = replace(NONE, filter=0.5, filter_bands=(1.0, 0.0, 0.0, 0.5))
    changed = (draw_gains(draws(0.6), config) != 1).any(1)
    assert changed.float().mean().item() == pytest.approx(1 - 0.7 * 0.85, abs=0.02)


def test_what_changes_at_a_low_probability_changes_at_a_higher_one_as_well() -> None:
    images = noise(64, 3, 6, 6)
    changed = [
        (augment(images, p, BGCFNC, seeded()) != images).flatten(1).any(1) for p in (0.02, 0.1, 0.5, 1.0)
    ]
    assert all((less <= more).all() for less, more in itertools.pairwise(changed))
    assert not changed[0].all()
    assert changed[-1].all()


def test_numbers_spread_as_the_config_says() -> None:
    moves = draw_moves(draws(1.0), replace(NONE, scale=1, scale_deviation=0.3), 64, 64)
    assert moves.whole[:, 0, 0].log2().std().item() == pytest.approx(0.3, rel=0.05)
    jumps = draw_moves(draws(1.0), replace(NONE, whole_shift=1), 80, 160).whole[:, :2, 2]
    assert jumps.abs().amax(0).tolist() == [20, 10]
    assert torch.equal(jumps, jumps.round())
    colours = draw_recolouring(draws(1.0), replace(NONE, brightness=1, brightness_deviation=0.4))
    assert colours[:, 0, 3].std().item() == pytest.approx(0.4, rel=0.05)
    strength = augment(torch.zeros(4000, 3, 4, 4), 1.0, replace(NONE, noise=1), seeded()).std()
    assert strength.item() == pytest.approx(0.1, rel=0.1)


def test_stretching_keeps_the_area_and_shifting_goes_both_ways() -> None:
    stretched = draw_moves(draws(1.0, 100), replace(NONE, stretch=1), 64, 64).whole
    torch.testing.assert_close(torch.linalg.det(stretched), torch.ones(100))
    assert (stretched[:, 0, 0] != stretched[:, 1, 1]).all()
    shifts = draw_moves(draws(1.0), replace(NONE, shift=1), 80, 160).whole[:, :2, 2]
    torch.testing.assert_close(shifts.std(0), torch.tensor([20.0, 10.0]), rtol=0.05, atol=0)


def test_shifts_come_after_scaling() -> None:
    # 'After' in the new picture: there they are as long as ever, however large the picture was made.
    config = replace(NONE, scale=1, scale_deviation=1.0, shift=1)
    whole = draw_moves(draws(1.0), config, 100, 100).whole
    assert (whole[:, 0, 2] / whole[:, 0, 0]).std().item() == pytest.approx(12.5, rel=0.05)


def test_gains_keep_the_power_of_an_ordinary_picture() -> None:
    gains = draw_gains(draws(1.0, 100), replace(NONE, filter=1, filter_bands=(0, 1, 0, 0)))
    power = (torch.tensor(colour.POWER) * gains.square()).sum(-1)
    torch.testing.assert_close(power, torch.ones(100))
    assert (gains[:, 1] / gains[:, 0]).log2().std() == pytest.approx(1, abs=0.2)


def test_the_same_seed_gives_the_same_pictures_and_another_others() -> None:
    images = noise(4, 3, 8, 8)
    first, again, other = (augment(images, 0.7, BGCFNC, seeded(seed)) for seed in (5, 5, 6))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    as_tensor = augment(images, torch.tensor(0.7), BGCFNC, seeded(5))
    assert torch.equal(first, as_tensor)


def test_pictures_of_a_batch_do_not_mix() -> None:
    images = noise(4, 3, 8, 8)
    others = torch.cat([images[:1], noise(3, 3, 8, 8, seed=9)])
    kept, changed = (augment(some, 1.0, BGCFNC, seeded())[0] for some in (images, others))
    torch.testing.assert_close(kept, changed)


# numbers


def test_gradients_are_those_of_small_differences() -> None:
    images = noise(3, 3, 5, 4, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(lambda some: augment(some, 1.0, BGCFNC, seeded()), images, fast_mode=True)
    curved = lambda some: augment(some, 0.8, BGC, seeded()).square()  # noqa: E731
    assert torch.autograd.gradgradcheck(curved, images, fast_mode=True)


def test_a_gradient_reaches_every_picture() -> None:
    images = noise(8, 3, 9, 9).requires_grad_()
    (gradient,) = torch.autograd.grad(augment(images, 0.5, BGC, seeded()).square().sum(), images)
    assert (gradient.flatten(1).norm(dim=1) > 0).all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_and_autocast_compute_in_single(dtype: torch.dtype) -> None:
    images = noise(4, 3, 9, 9).to(dtype)
    plain = augment(images.float(), 1.0, BGCFNC, seeded())
    assert torch.equal(augment(images, 1.0, BGCFNC, seeded()), plain.to(dtype))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(augment(images.float(), 1.0, BGCFNC, seeded()), plain)


@pytest.mark.parametrize("size", [(2, 2), (7, 11), (33, 20)])
def test_odd_small_and_oblong_pictures_keep_their_size_and_stay_finite(size: tuple[int, int]) -> None:
    changed = augment(noise(6, 3, *size), 1.0, BGCFNC, seeded())
    assert changed.shape == (6, 3, *size)
    assert changed.isfinite().all()


def test_first_seen_without_gradients_then_with_them() -> None:
    images = noise(2, 3, 13, 13).requires_grad_()
    with torch.inference_mode():
        augment(images.detach(), 1.0, BGCFNC, seeded())
    augment(images, 1.0, BGCFNC, seeded()).sum().backward()
    assert images.grad is not None


# settings


def test_settings_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 0"):
        AugmentConfig(flip=-1)
    with pytest.raises(ValueError, match="at least 0"):
        AugmentConfig(filter_bands=(1, 1, -1, 1))
    with pytest.raises(ValueError, match="between 0 and 1"):
        augment(noise(1, 3, 4, 4), 1.5, BGC, seeded())
    with pytest.raises(ValueError, match="1 x 4"):
        augment(noise(1, 3, 1, 4), 1.0, BGC, seeded())
    for wrong in ({"interval": 0}, {"kimg": 0}, {"start": 2}):
        with pytest.raises(ValueError, match="positive"):
            AdaConfig(**wrong)


def test_each_setting_is_an_option_with_help() -> None:
    assert options.parse(AugmentConfig, ["--flip", "1", "--filter-bands", "1", "0", "0", "1"]) == replace(
        NONE, flip=1.0, filter_bands=(1.0, 0.0, 0.0, 1.0)
    )
    for config in (AugmentConfig, AdaConfig):
        assert set(options.field_docs(config)) == {field.name for field in dataclasses.fields(config)}


# the controller


def test_p_rises_while_signs_are_above_the_target_and_falls_while_below() -> None:
    ada = AdaController(AdaConfig(interval=2, kimg=1, start=0.5))
    assert [round(float(ada.adjust(0.9, 50)), 4) for _ in range(4)] == [0.5, 0.6, 0.6, 0.7]
    assert [round(float(ada.adjust(torch.tensor(0.1), 50)), 4) for _ in range(4)] == [0.7, 0.6, 0.6, 0.5]
    # what counts is the mean over the interval, by pictures
    ada.adjust(1.0, 10)
    assert float(ada.adjust(0.5, 90)) == pytest.approx(0.4)


def test_p_takes_as_many_pictures_from_0_to_1_as_the_config_says() -> None:
    ada = AdaController(AdaConfig())
    steps = 500_000 // 64
    for _ in range(steps // 4):
        ada.adjust(1.0, 64)
    assert float(ada.p) == pytest.approx(0.25, abs=0.001)


def test_p_stays_a_probability_and_survives_what_is_not_a_number() -> None:
    ada = AdaController(AdaConfig(interval=1, kimg=0.1))
    for sign, expected in ((-1.0, 0.0), (1.0, 0.6), (1.0, 1.0), (math.nan, 1.0), (0.0, 0.4), (0.0, 0.0)):
        assert float(ada.adjust(sign, 60)) == pytest.approx(expected, abs=1e-6)
    assert float(ada.adjust(1.0, 0)) == 0


def test_a_controller_resumes_exactly_in_the_middle_of_an_interval() -> None:
    signs = (torch.rand(40, generator=seeded()) * 2 - 0.4).tolist()
    whole, first, second = (AdaController(AdaConfig(interval=4, kimg=1, start=0.5)) for _ in range(3))
    expected = [float(whole.adjust(sign, 16)) for sign in signs]
    found = [float(first.adjust(sign, 16)) for sign in signs[:18]]
    state = first.state_dict()
    first.adjust(1.0, 16)  # what happens later does not reach into the state
    second.load_state_dict(state)
    found += [float(second.adjust(sign, 16)) for sign in signs[18:]]
    assert found == expected
    with pytest.raises(CheckpointError, match="snapshot"):
        second.load_state_dict({"p": torch.zeros(())})
