"""The critic of a warm start tells windows apart, sees the same places of both, and is resumed exactly."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from gan_fixtures import ALONE, assert_same, curve, newest

from phiz.console import Console
from phiz.generator import store
from phiz.generator.config import TINY
from phiz.train import warm
from phiz.train.run import RunConfig
from phiz.train.warm_config import WarmConfig
from phiz.train.warm_critic import Critic, window_places, windows

SHAPE = replace(TINY, source="planes", planes_resolution=16, planes_most=8, planes_channels=3)
SHORT = WarmConfig(
    steps=4, volume_steps=1, rays=20, batch=2, views=2, critic_weight=0.1, critic_window=16, critic_base=0.004
)


def _fit(portraits: Path, folder: Path, **changes: object) -> Path | None:
    config = replace(SHORT, portraits=portraits, cool_share=0, **changes)  # type: ignore[arg-type]
    watched = RunConfig(output=folder, tensorboard=False, log_every=1, snapshot_every=2)
    return warm.fit(config, SHAPE, watched, ALONE, Console(quiet=True, errors=io.StringIO()))


def test_a_critic_learns_to_tell_windows_apart() -> None:
    torch.manual_seed(0)
    chance = torch.Generator().manual_seed(0)
    critic = Critic(16, 0.004, 0.01, 0.1, "cpu")
    first = last = torch.zeros(())
    for step in range(20):
        true = torch.rand(8, 3, 32, 32, generator=chance)
        drawn = (torch.rand(8, 3, 32, 32, generator=chance) - 1).requires_grad_()
        last = critic.loss(drawn, true, chance)
        found = critic.learn(step)
        first = last if step == 0 else first
    assert last > first + 0.2  # what is drawn is seen through
    assert found["critic/real"] > found["critic/drawn"]
    (slope,) = torch.autograd.grad(critic.loss(drawn, true, chance), drawn)
    assert slope.abs().max() > 0


def test_a_critic_s_penalty_is_taken_every_so_often() -> None:
    chance = torch.Generator().manual_seed(0)
    critic = Critic(16, 0.004, 0.01, 0.1, "cpu")
    said = []
    for step in (0, 1, 16):
        critic.loss(torch.zeros(2, 3, 32, 32), torch.ones(2, 3, 32, 32), chance)
        said.append("critic/penalty" in critic.learn(step))
    assert said == [True, False, True]


def test_windows_lie_inside_and_are_cut_where_they_were_drawn() -> None:
    chance = torch.Generator().manual_seed(1)
    places = window_places(200, 12, chance)
    assert {y for y, _ in places} == {x for _, x in places} == set(range(2, 11))
    image = torch.arange(2.0 * 3 * 64).reshape(2, 3, 8, 8)
    found = windows(image, [(0, 1), (4, 4)], 4)
    assert found[0].equal(image[0, :, :4, 1:5])
    assert found[1].equal(image[1, :, 4:, 4:])


def test_windows_larger_than_pictures_are_refused() -> None:
    with pytest.raises(ValueError, match="4 pixels larger"):
        window_places(1, -4, torch.Generator())


@pytest.mark.parametrize("size", [4, 12])
def test_windows_are_powers_of_two(size: int) -> None:
    with pytest.raises(ValueError, match="power of two"):
        WarmConfig(critic_window=size)


def test_a_warm_start_with_a_critic_in_pieces_is_the_same(few_portraits: Path, tmp_path: Path) -> None:
    whole = _fit(few_portraits, tmp_path / "whole")
    _fit(few_portraits, tmp_path / "run", steps=2)
    again = _fit(few_portraits, tmp_path / "run")
    assert whole is not None
    assert again is not None
    assert_same(newest(whole.parent), newest(again.parent))
    assert curve(whole.parent) == curve(again.parent)
    values = [names for _, _, names in curve(whole.parent)]
    assert "loss/critic" not in values[0]
    assert {"loss/critic", "critic/loss"} <= set(values[2])


def test_a_wider_generator_goes_on_from_a_narrow_one(few_portraits: Path, tmp_path: Path) -> None:
    narrow = _fit(few_portraits, tmp_path / "narrow", steps=1, critic_weight=0.0)
    assert narrow is not None
    config = replace(SHORT, portraits=few_portraits, steps=1, start=narrow)
    watched = RunConfig(output=tmp_path / "wide", tensorboard=False)
    wide = replace(SHAPE, planes_most=12, planes_channels=4)
    path = warm.fit(config, wide, watched, ALONE, Console(quiet=True, errors=io.StringIO()))
    assert path is not None
    assert store.load(path).config.planes_channels == 4
