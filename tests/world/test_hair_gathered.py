"""Hair that is tied: laid along the skull to one knot; what hangs from it and what is wound around it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from round_skull import SKULL, room, roots_on_top

from phiz.world.grown import hair_gathered, hair_growth
from phiz.world.grown.hair_fields import MARGIN, Floats, Ints
from phiz.world.grown.hair_styles import STYLES, HairStyle

COUNT = 200
TAIL, BUN, LOW_BUN = STYLES["ponytail"], STYLES["bun"], STYLES["low_bun"]


def random(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


ROOTS = roots_on_top(COUNT)


def gathered(style: HairStyle) -> tuple[Floats, Ints]:
    layer = random(6).random(COUNT).astype(np.float32)
    made = hair_growth.plan(style, SKULL, ROOTS, layer, random(1))
    points, lock = hair_gathered.gather(style, SKULL, ROOTS, made, random(2))
    return points, lock


@pytest.mark.parametrize("style", [TAIL, BUN, LOW_BUN])
def test_strands_run_from_their_roots_to_the_knot(style: HairStyle) -> None:
    points, lock = gathered(style)
    knot, _ = hair_gathered.knot_place(style, SKULL)
    np.testing.assert_array_equal(points[:, 0], ROOTS.points)
    assert np.linalg.norm(points[:, -1] - knot, axis=1).max() < 2.2 * hair_gathered.TIE
    assert lock.min() >= 0
    assert lock.max() < style.clumps


@pytest.mark.parametrize("style", [TAIL, BUN, LOW_BUN])
def test_gathered_hair_lies_close_above_the_skin(style: HairStyle) -> None:
    points, _ = gathered(style)
    height = room(points[:, 1:])
    assert height.min() > MARGIN - 1e-5
    halfway = room(points[:, points.shape[1] // 2])
    assert np.quantile(halfway, 0.9) < 0.012


@pytest.mark.parametrize("style", [TAIL, BUN, LOW_BUN])
def test_the_knot_sits_at_the_back_in_the_middle_just_off_the_head(style: HairStyle) -> None:
    knot, out = hair_gathered.knot_place(style, SKULL)
    assert knot[0] == 0
    assert knot[2] < 0
    assert np.linalg.norm(out) == pytest.approx(1, abs=1e-6)
    assert room(knot[None])[0] == pytest.approx(0.008, abs=1e-4)


def test_a_higher_tie_is_higher() -> None:
    heights = [
        hair_gathered.knot_place(replace(TAIL, gather_rise=r), SKULL)[0][1] for r in (-0.04, 0, 0.05, 0.1)
    ]
    assert (np.diff(heights) > 0.02).all()


def test_only_a_tail_or_a_bun_brings_further_strands() -> None:
    assert hair_gathered.extras(STYLES["bob"], SKULL, random()) == []
    assert len(hair_gathered.extras(TAIL, SKULL, random())) == 1
    assert len(hair_gathered.extras(BUN, SKULL, random())) == 1


@pytest.mark.parametrize("style", [TAIL, BUN, LOW_BUN])
def test_further_strands_are_sound_and_outside_of_the_head(style: HairStyle) -> None:
    ((points, width, layer, lock),) = hair_gathered.extras(style, SKULL, random())
    assert points.shape[:2] == width.shape
    assert len(layer) == len(lock) == len(points)
    assert np.isfinite(points).all()
    assert room(points[:, 1:]).min() > MARGIN - 1e-5
    assert width.min() > 0
    assert (width[:, -1] < 0.3 * width.max(axis=1)).all()
    assert layer.min() >= 0
    assert layer.max() <= 1


def test_a_tail_starts_at_the_knot_hangs_down_and_is_as_long_as_the_style_says() -> None:
    ((points, *_),) = hair_gathered.extras(TAIL, SKULL, random())
    knot, _ = hair_gathered.knot_place(TAIL, SKULL)
    assert np.linalg.norm(points[:, 0] - knot, axis=1).max() < hair_gathered.TIE
    assert np.median(points[:, -1, 1]) < knot[1] - 0.5 * TAIL.tail
    length = np.linalg.norm(np.diff(points, axis=1), axis=2).sum(axis=1)
    assert np.median(length) == pytest.approx(TAIL.tail, rel=0.15)


def test_a_longer_tail_hangs_lower() -> None:
    lowest = [
        hair_gathered.extras(replace(TAIL, tail=t), SKULL, random())[0][0][:, -1, 1].mean()
        for t in (0.1, 0.2, 0.3)
    ]
    assert lowest[0] > lowest[1] > lowest[2]


def test_a_bun_is_a_ball_behind_the_knot() -> None:
    ((points, *_),) = hair_gathered.extras(BUN, SKULL, random())
    knot, out = hair_gathered.knot_place(BUN, SKULL)
    away = np.linalg.norm(points - (knot + out * BUN.bun * 0.55), axis=2)
    free = room(points).reshape(away.shape) > 0.004  # the rest was pushed out of the head
    assert away[free].max() < 1.15 * BUN.bun
    assert away[free].min() > 0.6 * BUN.bun


def test_a_seed_ties_the_same_hair() -> None:
    np.testing.assert_array_equal(gathered(TAIL)[0], gathered(TAIL)[0])
    first, again, other = (hair_gathered.extras(BUN, SKULL, random(s))[0][0] for s in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
