"""Which sound belongs to which of a person's pictures, and what is left of it when pictures are dropped.

In the guide's layout a person's sounds, end to end, last as long as the pictures. So a film's sound loses
what its dropped frames showed. Other sounds belong to the pictures (and silent films) if both last equally
long; else they are written whole, and the report says that they do not fit.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from phiz.media import audio
from phiz.prepare import check, sound_work
from phiz.prepare.jobs import Item
from phiz.prepare.sound_work import WAV
from phiz.prepare.store import Store

FACTS = ("peak", "rms", "clipped")


@dataclass(frozen=True, kw_only=True)
class Sound:
    """A sound of a person in the data set."""

    keys: tuple[str, ...]
    """Of the sounds in the store that it is made of, end to end."""
    sources: tuple[str, ...]
    facts: dict[str, Any]
    """Loudness of the loudest of them, and where they come from."""
    fits: bool
    """Whether it lasts as long as its pictures."""
    kept: tuple[int, ...]
    """Frames whose sound is kept, if it fits."""
    store: Store
    fps: float

    def waveform(self) -> Float[Tensor, " n"]:
        """Return the samples at 16 kHz."""
        whole = torch.cat([audio.read(self.store.path(key, WAV)) for key in self.keys])
        return sound_work.without_gaps(whole, list(self.kept), self.fps) if self.fits else whole


def in_order(pictures: Sequence[Item], sounds: Sequence[Item]) -> list[Item]:
    """Return pictures as they are numbered: those without a sound of their own, then films that have one."""
    own = {sound.source for sound in sounds if not sound.reason}
    return sorted(pictures, key=lambda item: item.kind == "frame" and item.source in own)


def are_frames(pictures: Sequence[Item], sounds: Sequence[Item], store: Store, fps: float) -> bool:
    """Return whether pictures without a sound of their own last as long as the sounds that are left."""
    silent, loose = _left(pictures, sounds)
    return bool(loose) and _fit(len(silent), loose, store, fps)


def parts(pictures: Sequence[Item], sounds: Sequence[Item], store: Store, fps: float) -> Iterator[Sound]:
    """Yield the sounds of a person in the order of `in_order`; leave out what has no pictures at all."""
    silent, loose = _left(pictures, sounds)
    kept = tuple(k for k, item in enumerate(silent) if not item.reason)
    if loose and kept:
        if _fit(len(silent), loose, store, fps):
            yield _sound(loose, True, kept, store, fps)
        else:
            yield from (_sound([one], False, (), store, fps) for one in loose)
    films = {item.source for item in pictures if item.kind == "frame"}
    for sound in sounds:
        if sound.reason or sound.source not in films:
            continue
        numbers = tuple(i.number for i in pictures if i.source == sound.source and not i.reason)
        if numbers:
            yield _sound([sound], True, numbers, store, fps)


def without_pictures(pictures: Sequence[Item], sounds: Sequence[Item]) -> list[Item]:
    """Return the sounds that `parts` leaves out though nothing is wrong with them."""
    silent, loose = _left(pictures, sounds)
    kept = {item.source for item in pictures if not item.reason}
    has_silent = any(not item.reason for item in silent)
    return [
        sound
        for sound in sounds
        if not sound.reason and not (has_silent if sound in loose else sound.source in kept)
    ]


def _left(pictures: Sequence[Item], sounds: Sequence[Item]) -> tuple[list[Item], list[Item]]:
    """Return the pictures that have no sound of their own, and the sounds that are of no film."""
    films = {item.source for item in pictures if item.kind == "frame"}
    own = {sound.source for sound in sounds if not sound.reason}
    silent = [
        item
        for item in pictures
        if not (item.kind == "frame" and item.source in own) and item.reason != "film unreadable"
    ]
    return silent, [sound for sound in sounds if not sound.reason and sound.source not in films]


def _fit(frames: int, loose: Sequence[Item], store: Store, fps: float) -> bool:
    seconds = sum((store.read(sound.key) or {}).get("seconds", 0.0) for sound in loose)
    most = max(check.LENGTH_FRAMES, check.LENGTH_SHARE * frames)
    return bool(frames > 0 and abs(seconds * fps - frames) <= most)


def _sound(some: Sequence[Item], fits: bool, kept: tuple[int, ...], store: Store, fps: float) -> Sound:
    found = [store.read(sound.key) or {} for sound in some]
    facts: dict[str, Any] = {name: max(one.get(name, 0.0) for one in found) for name in FACTS}
    return Sound(
        keys=tuple(sound.key for sound in some),
        sources=tuple(sound.source for sound in some),
        facts={**facts, "sources": [sound.source for sound in some]},
        fits=fits,
        kept=kept,
        store=store,
        fps=fps,
    )
