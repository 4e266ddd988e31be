"""Colours of strands: the look's own on average, darker at roots and in depths, grey with age."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from phiz.world.grown import hair_colours
from phiz.world.grown.hair_fields import Floats
from phiz.world.people import HairLook

BROWN = HairLook(
    style="short_crop", colour=(0.12, 0.06, 0.03), grey=0.0, brow_density=0.8, brow_thickness=0.6,
    lash_length=0.8, beard="none", beard_colour=(0.1, 0.05, 0.02), seed=1,
)  # fmt: skip
COUNT, STEPS = 4000, 9
OUTERMOST = np.ones(COUNT, np.float32)
LOCKS = np.arange(COUNT) % 50


def tint(look: HairLook = BROWN, layer: Floats = OUTERMOST, shine: float = 0.0, seed: int = 0) -> Floats:
    return hair_colours.tint(look, layer, LOCKS, STEPS, shine, np.random.default_rng(seed))


def test_a_seed_gives_its_colours_and_another_seed_others() -> None:
    np.testing.assert_array_equal(tint(), tint())
    assert not np.array_equal(tint(), tint(seed=1))


def test_colours_are_possible_and_have_their_shape() -> None:
    white = replace(BROWN, colour=(0.99, 0.99, 0.99))
    for look in (BROWN, white):
        made = tint(look, shine=3.0)
        assert made.shape == (COUNT, STEPS, 3)
        assert made.dtype == np.float32
        assert made.min() >= 0
        assert made.max() <= 1


def test_the_middle_of_outer_strands_has_the_looks_colour() -> None:
    middle = np.median(tint()[:, STEPS // 2], axis=0)
    np.testing.assert_allclose(middle, BROWN.colour, rtol=0.05)


def test_roots_are_darker_than_tips() -> None:
    made = tint().mean(axis=(0, 2))
    assert (np.diff(made) >= -1e-6).all()
    assert made[0] < 0.65 * made[-1]


def test_strands_next_to_the_skin_are_darker() -> None:
    inner = tint(layer=np.zeros(COUNT, np.float32))
    np.testing.assert_allclose(inner, 0.45 * tint(), rtol=1e-5)


def test_grey_hair_has_lost_its_pigment() -> None:
    grey = np.median(tint(replace(BROWN, grey=1.0))[:, STEPS // 2], axis=0)
    np.testing.assert_allclose(grey, hair_colours.GREY, rtol=0.06)
    shares = [tint(replace(BROWN, grey=g)).mean() for g in (0.0, 0.25, 0.5, 0.75, 1.0)]
    assert (np.diff(shares) > 0).all()


def test_half_grey_hair_is_a_mixture_of_strands_and_not_one_tone() -> None:
    half = tint(replace(BROWN, grey=0.5))[:, STEPS // 2].mean(axis=1)
    none = tint()[:, STEPS // 2].mean(axis=1)
    assert half.std() / half.mean() > 1.5 * none.std() / none.mean()


def test_shine_sets_locks_apart_and_leaves_strands_alike() -> None:
    def spread(shine: float) -> float:
        bright = np.log(tint(shine=shine)[:, STEPS // 2].mean(axis=1))
        return float(np.std([bright[k == LOCKS].mean() for k in range(50)]))

    assert spread(2.0) > 4 * spread(0.0)
