"""The colour of each strand along its length."""

from __future__ import annotations

import numpy as np

from phiz.world.grown import hair_loops
from phiz.world.grown.hair_fields import Floats, Ints, ramp, swift
from phiz.world.people import HairLook

GREY = (0.51, 0.495, 0.46)
"""Hair without pigment, linear light."""
HUE_SPREAD = np.array([0.03, 0.0, -0.04], np.float32)


def tint(
    look: HairLook, layer: Floats, lock: Ints, steps: int, shine: float, rng: np.random.Generator
) -> Floats:
    """Return colours (n, k, 3): strands and locks differ, some are grey, roots and depths are darker.

    `layer` is 0 next to the skin, where little light arrives, and 1 outermost. Only part of that is
    done here: shadows are the painter's.
    """
    count = len(layer)
    bright = 0.14 * rng.standard_normal(count, np.float32)
    bright = bright + shine * 0.12 * rng.standard_normal(int(lock.max()) + 1, np.float32)[lock]
    hue = rng.standard_normal((count, 1), np.float32) * HUE_SPREAD
    own = np.asarray(look.colour, np.float32) * np.exp(bright[:, None] + hue)
    grey = np.asarray(GREY, np.float32) * np.exp(0.2 * rng.standard_normal((count, 1), np.float32))
    # A ribbon stands for a dozen hairs, of which a share has lost its pigment.
    share = look.grey + (look.grey * (1 - look.grey)) ** 0.5 * 0.35 * rng.standard_normal(
        (count, 1), np.float32
    )
    own = own + (grey - own) * np.clip(share, 0, 1)
    t = np.linspace(0, 1, steps, dtype=np.float32)
    depth = (0.45 + 0.55 * layer)[:, None]
    along = (0.62 + 0.38 * ramp(t, 0, 0.3)) * (1 + 0.12 * ramp(t, 0.5, 1))
    if swift(own):
        out = np.empty((count, steps, 3), np.float32)
        hair_loops.tint(own, np.ravel(depth), along, out)
        return out
    return np.asarray(np.clip(own[:, None] * (depth * along)[..., None], 0, 1), np.float32)
