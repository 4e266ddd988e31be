"""A portrait and a voice go in; a talking head that can be seen from any side comes out."""

from __future__ import annotations

import importlib

__version__ = "0.1.0"

_HOMES = {
    "Camera": "phiz.graphics.camera",
    "Console": "phiz.console",
    "FaceCoeffs": "phiz.face.coeffs",
    "Motion": "phiz.face.coeffs",
    "PhizError": "phiz.errors",
    "SpeechStream": "phiz.speech.stream",
    "Studio": "phiz.studio",
    "animate": "phiz.animate.animate",
    "speak": "phiz.speech.speak",
}
"""Where each public name lives. They load when first used, so that ``import phiz`` costs nothing."""

__all__ = [
    "Camera",
    "Console",
    "FaceCoeffs",
    "Motion",
    "PhizError",
    "SpeechStream",
    "Studio",
    "__version__",
    "animate",
    "speak",
]


def __getattr__(name: str) -> object:
    """Return a public name, loading its module on the way (PEP 562)."""
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'phiz' has no attribute {name!r}")


def __dir__() -> list[str]:
    """Return the public names, loaded or not."""
    return sorted({*globals(), *_HOMES})
