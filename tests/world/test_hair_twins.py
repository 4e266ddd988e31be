"""Compiled loops over hair and plain numpy are twins: both grow the same strands."""

from __future__ import annotations

import math
from dataclasses import replace
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from round_skull import SKULL, roots_on_top

from phiz.face.morphable import REGIONS
from phiz.world.grown import (
    facial_loops,
    hair_bounds,
    hair_colours,
    hair_fields,
    hair_gathered,
    hair_growth,
    hair_loops,
    hair_rooted,
    hair_skull,
    root_loops,
)
from phiz.world.grown.beard import grow_beard
from phiz.world.grown.brows import grow_brows, grow_lashes
from phiz.world.grown.hair_bounds import FaceGate
from phiz.world.grown.hair_fields import Floats
from phiz.world.grown.hair_styles import STYLES
from tests.world.test_hair import EGG, LOOK, NORMALS

COUNT = 200
GATE = FaceGate(heights=np.array([-0.08, 0.02, 0.08], np.float32), angles=np.array([0.8, 0.9, 0], np.float32))
ROOTS = roots_on_top(COUNT)
LAYER = np.random.default_rng(6).random(COUNT).astype(np.float32)
CLOSE = {"atol": 2e-6, "rtol": 0}


def random(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def strands() -> Floats:
    return (SKULL.centre + 0.1 * random(8).standard_normal((COUNT, 7, 3))).astype(np.float32)


@pytest.mark.parametrize("module", [facial_loops, hair_loops, root_loops], ids=lambda m: m.__name__)
def test_compiled_loops_over_hair_keep_strict_arithmetic(module: ModuleType) -> None:
    options = [made.targetoptions for made in vars(module).values() if hasattr(made, "targetoptions")]
    assert options
    assert not any(chosen.get("fastmath", False) or chosen.get("parallel", False) for chosen in options)


def test_arcs_are_the_systems_in_every_quadrant_and_on_the_axes() -> None:
    some = random().standard_normal((500, 2)).astype(np.float32)
    axes = np.array([(0, 0), (0, 1), (1, 0), (0, -1), (-1, 0), (1, 1), (-1, -1)], np.float32)
    for y, x in np.concatenate([some, axes]):
        assert hair_loops.arc(y, x) == pytest.approx(math.atan2(y, x), abs=4e-7)


@pytest.mark.parametrize("name", ["short_crop", "bob", "fringe"])
def test_strands_grow_alike(twins: Any, name: str) -> None:
    style = STYLES[name]
    made = hair_growth.plan(style, SKULL, ROOTS, LAYER, random(1))
    fast, slow = twins(lambda: hair_growth.grow(style, SKULL, ROOTS, made, GATE, random(2)))
    np.testing.assert_allclose(fast, slow, **CLOSE)


def test_locks_and_curls_are_the_same(twins: Any) -> None:
    style = replace(STYLES["long_wavy"], clumps=20)
    made = hair_growth.plan(style, SKULL, ROOTS, LAYER, random(1))
    points = hair_growth.grow(style, SKULL, ROOTS, made, GATE, random(2))
    fast, slow = twins(lambda: hair_growth.gather_locks(points, made, style, random(3)))
    np.testing.assert_array_equal(fast[1], slow[1])
    np.testing.assert_allclose(fast[0], slow[0], **CLOSE)
    wound = twins(lambda: hair_growth.curl(fast[0], made, fast[1], style, SKULL, GATE, random(4)))
    np.testing.assert_allclose(*wound, atol=1e-5, rtol=0)


@pytest.mark.parametrize("gate", [None, GATE], ids=["no gate", "gate"])
@pytest.mark.parametrize("ceiling", [np.inf, 0.02])
def test_strands_are_confined_alike(twins: Any, gate: FaceGate | None, ceiling: float) -> None:
    side = np.where(random().random(COUNT) < 0.5, -1, 1).astype(np.float32)
    made = twins(lambda: hair_bounds.confine(strands(), SKULL, gate, side, ceiling))
    np.testing.assert_allclose(*made, **CLOSE)


def test_gathered_strands_are_laid_alike(twins: Any) -> None:
    rise, near = 0.01 * random(9).random((COUNT, 7)), np.linspace(0, 1, 7, dtype=np.float32)
    np.testing.assert_allclose(*twins(lambda: hair_gathered.lay(strands(), SKULL, rise, near)), **CLOSE)


def test_strands_are_resampled_alike(twins: Any) -> None:
    at = 6 * random().random((COUNT, 11))
    np.testing.assert_allclose(*twins(lambda: hair_growth.resample(strands(), at)), **CLOSE)


def test_colours_are_the_same(twins: Any) -> None:
    lock = np.arange(COUNT) % 9
    made = twins(lambda: hair_colours.tint(LOOK, LAYER, lock, 7, 1.0, random()))
    np.testing.assert_allclose(*made, atol=1e-6, rtol=0)


def test_the_map_of_a_skull_is_the_same(twins: Any) -> None:
    outer, wide = np.arange(len(EGG.mean)), EGG.triangles.numpy()
    made = twins(lambda: hair_skull.farthest(EGG.mean.numpy(), outer, wide, SKULL.centre))
    np.testing.assert_allclose(*made, **CLOSE)


def test_roots_are_drawn_and_mixed_alike(twins: Any) -> None:
    scalp = EGG.regions[:, REGIONS.index("scalp")].numpy()
    triangles = EGG.triangles.numpy()
    density = hair_fields.corner_mean(scalp, triangles)
    vertices, normals = EGG.mean.numpy(), NORMALS.numpy()
    fast, slow = twins(
        lambda: hair_fields.sample(vertices, normals, triangles, density, 300, np.random.default_rng(0))
    )
    np.testing.assert_array_equal(fast.corners, slow.corners)
    for name in ("weights", "points", "normals"):
        np.testing.assert_allclose(getattr(fast, name), getattr(slow, name), atol=1e-6, rtol=0)
    np.testing.assert_allclose(*twins(lambda: hair_fields.mix(scalp, fast)), atol=1e-6, rtol=0)
    near = twins(lambda: hair_fields.within(vertices, triangles, vertices[100], 0.03))
    np.testing.assert_array_equal(*near)


@pytest.mark.parametrize("beard", ["stubble", "long"])
def test_brows_lashes_and_beard_are_the_same(twins: Any, beard: str) -> None:
    look = replace(LOOK, beard=beard)

    def grown() -> list[hair_rooted.Rooted]:
        args = (look, EGG.mean, NORMALS, EGG, random(5))
        return grow_brows(*args) + grow_lashes(*args) + grow_beard(*args)

    for fast, slow in zip(*twins(grown), strict=True):
        assert torch.equal(fast.corners, slow.corners)
        torch.testing.assert_close(fast.strands.points, slow.strands.points, atol=2e-6, rtol=0)
        torch.testing.assert_close(fast.rest, slow.rest, atol=1e-6, rtol=0)
        torch.testing.assert_close(fast.frame, slow.frame, atol=1e-5, rtol=0)
