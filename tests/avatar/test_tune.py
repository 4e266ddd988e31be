"""A generator comes to draw the views that it is tuned to; the one that was given stays."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tune_fixtures import PLANES, person, views

from phiz.avatar.avatar import Avatar
from phiz.avatar.descent import Keep
from phiz.avatar.targets import Targets
from phiz.avatar.tunable import own_parameters, summed
from phiz.avatar.tune import TuneConfig, coverage, tune, weighted
from phiz.generator.config import TINY

QUICK = TuneConfig(seconds=1e6, steps=12, rays=48, side=8, square_views=2, empty_points=64, patience=0)


def wrong(someone: Avatar, aim: Targets) -> float:
    with torch.no_grad():
        drawn = someone.generator.render(someone.prepare(), aim.camera).image
    return float((drawn - aim.pictures).abs().mean())


def test_a_person_comes_to_look_like_the_views() -> None:
    first, aim = person(), views()
    tuned = tune(first, aim, QUICK)
    assert wrong(tuned, aim) < 0.8 * wrong(first, aim)


def test_the_given_person_stays_and_so_do_mapping_and_styles() -> None:
    first = person()
    before = {name: value.clone() for name, value in first.generator.state_dict().items()}
    tuned = tune(first, views(), replace(QUICK, steps=3))
    assert all(torch.equal(value, before[name]) for name, value in first.generator.state_dict().items())
    changed = {n for n, v in tuned.generator.state_dict().items() if not torch.equal(v, before[n])}
    own = {name for name, _ in own_parameters(first.generator)}
    assert changed <= own
    assert len(changed) > 0.8 * len(own)
    assert not any("mapping" in name or "foreground.planes" in name or ".style." in name for name in changed)
    assert tuned.planes is not None
    assert tuned.planes.shape == (1, 3, PLANES.planes_channels, 16, 16)
    assert torch.equal(tuned.w, first.w)
    assert not any(p.requires_grad for p in tuned.generator.parameters())


def test_a_shared_generator_keeps_all_its_weights() -> None:
    first = person()
    tuned = tune(first, views(), replace(QUICK, steps=3, is_shared=True))
    after = tuned.generator.state_dict()
    assert all(torch.equal(after[name], value) for name, value in first.generator.state_dict().items())
    assert tuned.planes is not None
    assert float(tuned.planes.abs().max()) > 0


def test_generators_without_planes_are_tuned_too() -> None:
    first = person(TINY)
    aim = views(TINY)
    tuned = tune(first, aim, replace(QUICK, steps=6, empty_weight=0.0))
    assert tuned.planes is None
    assert wrong(tuned, aim) < wrong(first, aim)


def test_the_same_seed_gives_the_same_person_and_a_crash_changes_nothing(tmp_path: Path) -> None:
    config = replace(QUICK, steps=8)
    whole = tune(person(), views(), config)
    keep = Keep(path=tmp_path / "half.safetensors", every=2)

    def crash(progress: object) -> bool:
        if getattr(progress, "step", 0) == 5:
            raise KeyboardInterrupt
        return False

    with pytest.raises(KeyboardInterrupt):
        tune(person(), views(), config, watch=crash, keep=keep)
    steps = []
    rest = tune(person(), views(), config, watch=lambda p: bool(steps.append(p.step)), keep=keep)
    assert steps[0] == 5, "the four steps that were kept are not taken again"
    assert whole.planes is not None
    assert rest.planes is not None
    torch.testing.assert_close(rest.planes, whole.planes, rtol=0, atol=1e-6)


def test_it_ends_when_its_time_is_up() -> None:
    now = [0.0]

    def clock() -> float:
        now[0] += 1.0
        return now[0]

    steps = []
    tune(
        person(),
        views(),
        replace(QUICK, seconds=40.0, steps=10_000, least_steps=3),
        watch=lambda p: bool(steps.append(p.seconds_left)),
        clock=clock,
    )
    assert 2 < len(steps) < 40
    assert steps == sorted(steps, reverse=True)


def test_time_waits_for_the_least_of_steps_but_not_for_ever() -> None:
    def taken(seconds: float, least: int) -> int:
        now, steps = [0.0], []

        def clock() -> float:
            now[0] += 1.0
            return now[0]

        config = replace(QUICK, seconds=seconds, steps=10_000, least_steps=least)
        tune(person(), views(), config, watch=lambda p: bool(steps.append(p.step)), clock=clock)
        return len(steps)

    without = taken(16.0, 0)
    assert taken(16.0, without + 1) == without + 1
    assert without < taken(16.0, 1000) <= 3 * without


def test_two_threads_agree_with_themselves() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        one, other = (tune(person(), views(), replace(QUICK, steps=2)) for _ in range(2))
    finally:
        torch.set_num_threads(before)
    assert one.planes is not None
    assert other.planes is not None
    torch.testing.assert_close(one.planes, other.planes, rtol=0, atol=1e-6)


def test_views_of_another_size_are_refused() -> None:
    aim = views()
    small = replace(aim, pictures=aim.pictures[..., :16, :16], weight=aim.weight[..., :16, :16])
    with pytest.raises(ValueError, match="size of the generator's pictures"):
        tune(person(), small, QUICK)


def test_coverage_is_zero_where_right_and_never_flat() -> None:
    true = torch.tensor([[0.0, 0.5, 1.0]])
    torch.testing.assert_close(coverage(true, true), torch.zeros(1, 3), atol=1e-5, rtol=0)
    found = torch.tensor([[1e-3]], requires_grad=True)
    coverage(found, torch.ones(1, 1)).sum().backward()
    assert found.grad is not None
    assert float(found.grad) < -100


def test_coarse_maps_are_added_smoothly_and_weights_count() -> None:
    layers = [torch.ones(1, 3, 2, 4, 4), torch.zeros(1, 3, 2, 16, 16)]
    assert torch.equal(summed(layers, 16), torch.ones(1, 3, 2, 16, 16))
    assert float(weighted(torch.tensor([1.0, 5.0]), torch.tensor([1.0, 0.0]))) == 1
    assert float(weighted(torch.tensor([1.0]), torch.tensor([0.0]))) == 0
