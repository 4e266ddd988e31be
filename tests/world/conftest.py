"""What tests of several parts of the world share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from phiz.graphics import raster, raster_torch
from phiz.world.drawn import loops


@pytest.fixture
def twins(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], Any]], tuple[Any, Any]]:
    """Return a function that calls another with compiled loops and again with plain torch."""

    def both(make: Callable[[], Any]) -> tuple[Any, Any]:
        compiled = make()
        with monkeypatch.context() as patch:
            patch.setattr(loops, "ready", lambda tensor: False)
            patch.setattr(raster, "raster_cpu", raster_torch)
            return compiled, make()

    return both
