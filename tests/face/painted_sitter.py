"""A portrait of somebody who never lived, with landmarks that are known exactly."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import torch

from phiz.face.coeffs import still
from phiz.face.head import built_in
from phiz.world.grown.hair_styles import STYLES
from phiz.world.paint import Picture, at_time, paint
from phiz.world.people import sample_person
from phiz.world.scene import portrait_scene


@lru_cache(maxsize=2)
def sitter(closed: float = 0.0) -> Picture:
    """Return a frontal portrait of 256 x 256 pixels with eyes so far closed; it takes a few seconds."""
    model = built_in()
    person = sample_person(3, model, tuple(STYLES))
    scene = portrait_scene(5, person, model)
    blinking = replace(still(model.name, model.sizes.expression, 1), blink=torch.full((1, 2), closed))
    if closed:
        scene = at_time(scene, blinking, 0, model)
    return paint(person, scene, model, size=256)
