"""Detectors by name: our own, and others where they are installed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from phiz.face import cascade_adapter, detect, mediapipe_adapter
from phiz.face.candidates import Detector

Name = Literal["built-in", "mediapipe", "opencv"]


@contextmanager
def started(name: Name = "built-in") -> Iterator[Detector]:
    """Yield a detector, ready to find faces; what is optional and not installed is named with its remedy."""
    if name == "mediapipe":
        with mediapipe_adapter.started() as found:
            yield found
    elif name == "opencv":
        yield cascade_adapter.loaded()
    else:
        yield detect.built_in()
