"""A motion applied to an avatar, frame by frame.

The room can be called: ``phiz.animate(avatar, motion, studio)`` yields frames, whether or not somebody has
imported a module of the room before, which puts the room where the function was.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import Any


class _Room(ModuleType):
    """This package, as something to call."""

    def __call__(self, *args: Any, **options: Any) -> Any:
        """Yield the frames of a person who moves: see `phiz.animate.animate.animate`."""
        return importlib.import_module("phiz.animate.animate").animate(*args, **options)


sys.modules[__name__].__class__ = _Room
