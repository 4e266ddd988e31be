"""Published files that can be imported: what they are and under which terms they were published."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

AUTHORS = "the authors' own file listing (StyleNeRF, Gu et al., 2022)"
NON_COMMERCIAL = (
    "CC BY-NC 4.0 (the weights), NVIDIA Source Code License (code they descend from): research, no commerce"
)


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One published file."""

    name: str
    role: str
    source: str
    licence: str
    size: int | None = None
    """Bytes, where known."""
    sha256: str | None = None
    """Digest, where known."""


CATALOGUE = (
    Entry(
        name="ffhq_256.pkl",
        role="StyleNeRF generator and discriminator, FFHQ at 256 pixels",
        source=AUTHORS,
        licence=NON_COMMERCIAL,
    ),
    Entry(
        name="ffhq_512.pkl",
        role="StyleNeRF generator and discriminator, FFHQ at 512 pixels",
        source=AUTHORS,
        licence=NON_COMMERCIAL,
    ),
    Entry(
        name="ffhq_1024.pkl",
        role="StyleNeRF generator and discriminator, FFHQ at 1024 pixels; what NeRFFaceSpeech uses",
        source=AUTHORS,
        licence=NON_COMMERCIAL,
    ),
)


def look_up(path: Path) -> Entry | None:
    """Return what is known about a published file of this name."""
    return next((entry for entry in CATALOGUE if entry.name == path.name), None)
