"""A skull for tests of hair: a ball on a neck as wide, so that distances from its skin are known exactly."""

from __future__ import annotations

import numpy as np

from phiz.world.grown.hair_fields import ALONG, AROUND, Floats, Roots, Skull, locate, skin_reach, unit

RADIUS = 0.09
SKULL = Skull(
    centre=np.array([0, 0.03, 0], np.float32),
    radius=np.full((ALONG, AROUND), RADIUS, np.float32),
    hairline=np.full(AROUND, 0.05, np.float32),
)


def roots_on_top(count: int) -> Roots:
    """Return roots all over the upper half of the ball."""
    spot = unit(np.random.default_rng(5).standard_normal((count, 3)).astype(np.float32))
    spot[:, 1] = np.abs(spot[:, 1])
    return Roots(
        corners=np.zeros((count, 3), np.int64),
        weights=np.zeros((count, 3), np.float32),
        points=SKULL.centre + RADIUS * spot,
        normals=spot,
    )


def room(points: Floats) -> Floats:
    """Return how far points (..., 3) lie above the skin, in a row."""
    place = locate(points.reshape(-1, 3), SKULL.centre)
    return np.asarray(place.reach - skin_reach(SKULL, place))
