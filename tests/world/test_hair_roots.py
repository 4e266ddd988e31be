"""Where hair starts: closer along partings, finer where it is in sight."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from phiz.world.grown import hair_skull
from phiz.world.grown.hair import STYLES, scalp_cover
from phiz.world.grown.hair_roots import plant
from tests.world.test_hair import CENTRE, EGG, LOOK, NORMALS, RADII, hair


def test_roots_stand_closest_along_a_parting() -> None:
    style = STYLES["long_straight"]
    skull = hair_skull.measure(EGG.mean.numpy(), EGG)
    planted = plant(style, skull, EGG.mean.numpy(), NORMALS.numpy(), EGG, np.random.default_rng(0))
    place = planted.roots.points
    crown = (place[:, 2] > 0) & (place[:, 1] > 0.11)
    near, far = (
        ((np.abs(place[:, 0]) < 0.004) & crown).sum(),
        ((np.abs(place[:, 0] - 0.03) < 0.004) & crown).sum(),
    )
    assert near > 2 * far


def test_ribbons_start_fine_where_hair_parts() -> None:
    strands = hair("long_straight")[0]
    start = strands.points[:, 0]
    parted = (start[:, 0].abs() < 0.003) & (start[:, 1] > 0.12) & (start[:, 2] > 0.01)
    assert parted.sum() > 20
    assert strands.width[parted, 0].quantile(0.9) < 0.001


def test_no_strand_leaps_over_the_crown() -> None:
    for style in ("wavy_shoulder", "long_straight", "side_part"):
        points = hair(style)[0].points
        assert points[..., 1].max() < CENTRE[1] + RADII[1] + 1.3 * STYLES[style].volume + 0.004


def test_skin_is_paler_under_a_buzz_cut_than_under_long_hair() -> None:
    buzz, long = (scalp_cover(replace(LOOK, style=s), EGG.mean, EGG).max() for s in ("buzz", "bob"))
    assert buzz < 0.8 < long
