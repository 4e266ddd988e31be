"""A portrait of somebody who never lived, with landmarks that are known exactly."""

from __future__ import annotations

from functools import lru_cache

from phiz.face.head import built_in
from phiz.world.grown.hair_styles import STYLES
from phiz.world.paint import Picture, paint
from phiz.world.people import sample_person
from phiz.world.scene import portrait_scene


@lru_cache(maxsize=1)
def sitter() -> Picture:
    """Return a frontal portrait of 256 x 256 pixels; it takes a few seconds."""
    model = built_in()
    person = sample_person(3, model, tuple(STYLES))
    return paint(person, portrait_scene(5, person, model), model, size=256)
