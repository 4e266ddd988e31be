"""The published inversion against recorded numbers: schedules, projections, tuning with and without hold.

The recordings were made with a small generator, which `Toy` is, and a small network of features. Every random
draw is one of the numbers that follow from a name, so that it can be made again here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Literal

import numpy as np
import pytest
import torch
from parity import filled
from parity.filled import Golden, Keys
from torch import Tensor
from torch.nn import functional

from phiz.avatar import pivotal, projector
from phiz.avatar.pivotal import Locality, Neighbours, Pivot, TuneConfig
from phiz.avatar.projector import Drawing, ProjectConfig, Projection, Projector, Spread
from phiz.avatar.schedules import Ramps, noise_at, rate_at
from phiz.avatar.target import Target, target

MARKS = (
    "mapping.fc.weight",
    "synthesis.noise_const_a",
    "synthesis.noise_const_b",
    "synthesis.fc.weight",
    "synthesis.conv.weight",
)
CLOSE, EXACT = 1e-4, 1e-9
NOISE = ("noise_const_a", "noise_const_b")
"""In the order in which they are drawn."""
NOISE_SIZE, SLOPE = 0.1, 0.2
WHITE = 255.0
LENGTH = 10.0
"""By what the features are divided."""
LOCAL_SEED = 7
"""Of the draws for neighbours, where a recording does not say."""

Check = Callable[..., None]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    filled.parametrize(metafunc, MARKS, needs=("w_avg", "target"))


@dataclass(frozen=True)
class Toy:
    """The recorded generator."""

    state: Mapping[str, Tensor]
    styles: int

    def mapping(self, z: Tensor) -> Tensor:
        """Return styles (b, n, w); truncation does nothing."""
        w = functional.linear(z.float(), self.state["mapping.fc.weight"], self.state["mapping.fc.bias"])
        return functional.leaky_relu(w, SLOPE)[:, None].expand(-1, self.styles, -1)

    def draw(self, w: Tensor, background: Tensor | None, noise: Mapping[str, Tensor]) -> Tensor:
        """Return pictures; noise that is not given is zero."""
        small, large = (self.state[f"synthesis.{name}"].shape for name in NOISE)
        state = self.state
        x = functional.linear(w.flatten(1), state["synthesis.fc.weight"], state["synthesis.fc.bias"])
        x = x.reshape(len(w), -1, *small)
        if NOISE[0] in noise:
            x = x + NOISE_SIZE * noise[NOISE[0]]
        x = functional.leaky_relu(x, SLOPE)
        x = functional.interpolate(x, scale_factor=large[0] // small[0], mode="nearest")
        if NOISE[1] in noise:
            x = x + NOISE_SIZE * noise[NOISE[1]]
        x = functional.conv2d(x, state["synthesis.conv.weight"], state["synthesis.conv.bias"], padding=1)
        return x.tanh()

    def drawing(self, noise: Mapping[str, Tensor]) -> Drawing:
        return Drawing(draw=self.draw, styles=self.styles, noise=noise)


@dataclass(frozen=True)
class Features:
    """The recorded perceptual distance: squared differences of features, added up."""

    state: Mapping[str, Tensor]
    stride: int

    def __call__(self, a: Tensor, b: Tensor) -> Tensor:
        return (self._seen(a) - self._seen(b)).square().sum(1)

    def _seen(self, pictures: Tensor) -> Tensor:
        x = (pictures + 1) / 2 - 0.5
        x = functional.conv2d(x, self.state["c.weight"], self.state["c.bias"], stride=self.stride)
        return functional.normalize(x.relu(), dim=1).flatten(1) / LENGTH


class RecordedDraws:
    """The recorded draws: the k-th one has a name with k in it."""

    def __init__(self, seed: int) -> None:
        self.seed, self.count = seed, 0

    def normal(self, *shape: int) -> Tensor:
        drawn = filled.tensor(f"pti/draw{self.count}", shape, self.seed)
        self.count += 1
        return drawn

    def state_dict(self) -> dict[str, Tensor]:
        return {"count": torch.tensor(self.count)}

    def load_state_dict(self, state: Mapping[str, Tensor], /) -> None:
        self.count = int(state["count"])


class NumpyDraws(RecordedDraws):
    """Draws from numpy's old generator, by a seed."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self._chance = np.random.RandomState(seed)

    def normal(self, *shape: int) -> Tensor:
        return torch.from_numpy(self._chance.randn(*shape))


def _filled(keys: Keys, **changes: object) -> dict[str, Tensor]:
    return filled.state({**{k: v for k, v in keys.items() if k != "state_sha256"}, **changes})


def _number(text: str, pattern: str, otherwise: float) -> float:
    found = re.search(pattern, text)
    return float(found[1]) if found else otherwise


def toy_of(golden: Golden, seed: int | None = None) -> Toy:
    state = golden.state() if seed is None else _filled(golden.keys, seed=seed)
    return Toy(state, golden.recorded["w/w"].shape[1])


@cache
def features_of(golden: Golden) -> Features:
    net = golden.keys["feature_net"]
    stride = int(_number(net["forward"], r"k\d+,\s*s(\d+)", 4))
    return Features(filled.state({"gain": 1.0, **net}), stride)


def target_of(golden: Golden) -> Target:
    picture = golden.recorded["target"][None] * (2 / WHITE) - 1
    return target(picture, features_of(golden), name="recorded features")


def spread_of(golden: Golden) -> Spread:
    toy = toy_of(golden)
    with torch.no_grad():
        codes = projector.published_codes(toy.state["mapping.fc.weight"].shape[1])
        return projector.spread_of(toy.mapping(codes)[:, 0])


def projected(golden: Golden, space: Literal["w", "w+"], key: str) -> Projection:
    toy = toy_of(golden)
    own = {name: toy.state[f"synthesis.{name}"] for name in NOISE}
    config = ProjectConfig(space=space, steps=golden.keys[key] - len(own))
    draws = RecordedDraws(golden.seed)
    work = Projector(toy.drawing(own), target_of(golden), spread_of(golden), draws, config)
    work.descent.run()
    assert draws.count == golden.keys[key]
    return work.result()


def test_schedules_match(golden: Golden, check: Check) -> None:
    schedules = {"lr": rate_at, "noise_scale_over_wstd": noise_at}
    seen = 0
    for name, expected in golden.recorded.items():
        kind, _, steps = name.rpartition("_")
        if kind in schedules and steps.isdigit():
            found = [schedules[kind](Ramps(), k, int(steps)) for k in range(int(steps))]
            check(golden, name, torch.tensor(found, dtype=torch.float64), expected, tolerance=EXACT)
            seen += 1
    assert seen


def test_the_spread_of_styles_matches(golden: Golden, check: Check) -> None:
    spread = spread_of(golden)
    check(golden, "w_avg", spread.mean, golden.recorded["w_avg"].flatten(), tolerance=1e-5)
    check(golden, "w_std", torch.tensor([spread.deviation]), golden.recorded["w_std"], tolerance=1e-5)


@pytest.mark.parametrize(
    ("space", "result", "key"), [("w", "w/w", "w_n_draws"), ("w+", "wplus/w", "wplus_n_draws")]
)
def test_projections_match(
    golden: Golden, check: Check, space: Literal["w", "w+"], result: str, key: str
) -> None:
    found = projected(golden, space, key)
    check(golden, result, found.w, golden.recorded[result], tolerance=CLOSE)


def test_the_squared_difference_matches(golden: Golden, check: Check) -> None:
    if "l2" not in golden.recorded:
        pytest.skip(f"{golden.label} has no l2")
    a, b = (filled.tensor(f"input/l2{which}", (2, 3, 8, 8), golden.seed) for which in "ab")
    check(golden, "l2", pivotal.square(a, b)[None], golden.recorded["l2"], tolerance=1e-6)


def test_neighbours_match(golden: Golden, check: Check) -> None:
    values = golden.recorded
    if "loc/z" not in values:
        pytest.skip(f"{golden.label} has no neighbours")
    near = Locality()
    found = pivotal.morphed(values["loc/new_w"], values["loc/fixed_w"], near.reach)
    check(golden, "loc/morphed", found, values["loc/morphed"], tolerance=CLOSE)
    seed = int(_number(golden.keys.get("loc_note", ""), r"seed (\d+)", golden.seed + 2))
    original, tuned = toy_of(golden), toy_of(golden, seed)
    loss = pivotal.locality_loss(
        tuned.draw,
        neighbours_of(golden, original),
        Pivot(w=values["loc/fixed_w"], background=None),
        values["loc/z"],
        near,
    )
    check(golden, "loc/loss", loss[None], values["loc/loss"], tolerance=CLOSE)


def neighbours_of(golden: Golden, original: Toy) -> Neighbours:
    return Neighbours(
        original=original.draw,
        styles=original.mapping,
        codes=original.state["mapping.fc.weight"].shape[1],
        distance=features_of(golden),
    )


@pytest.mark.parametrize("name", ["pivot", "pivot_locality"])
def test_tuning_matches_step_for_step(golden: Golden, check: Check, name: str) -> None:
    recorded = golden.recorded.get(f"{name}/history_loss_l2_lpips")
    if recorded is None:
        pytest.skip(f"{golden.label} has no {name}")
    toy = toy_of(golden)
    leaves = {key: value.clone() for key, value in toy.state.items() if "noise" not in key}
    tuned = replace(toy, state={**toy.state, **leaves})
    noise = {
        key: filled.tensor(f"pti/noise/{key}", toy.state[f"synthesis.{key}"].shape, golden.seed)
        for key in NOISE
    }
    seed = int(_number(golden.keys.get("pivot_note", ""), r"global seed (\d+)", LOCAL_SEED))
    pivot = Pivot(w=golden.recorded["w/w"], background=None)
    descent = pivotal.tuning(
        tuned.drawing(noise),
        leaves,
        pivot,
        target_of(golden),
        TuneConfig(steps=len(recorded), locality=Locality() if name == "pivot_locality" else None),
        neighbours=neighbours_of(golden, toy),
        draws=NumpyDraws(seed),
    )
    losses = descent.run().losses
    found = torch.tensor([losses[key] for key in ("loss", "square", "look")], dtype=torch.float64).T
    check(golden, f"{name}/history", found, recorded, tolerance=CLOSE)
    with torch.no_grad():
        after = tuned.draw(pivot.w, None, noise)
    check(golden, f"{name}/image_after", after, golden.recorded[f"{name}/image_after"], tolerance=CLOSE)
