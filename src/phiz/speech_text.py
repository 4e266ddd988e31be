"""From text to sound, and to a mouth: by a synthesiser that is installed on this machine.

Some engines tell when each phone is heard; then the mouth is known without anybody listening
(`phiz.world.voices.curves`), and closes for each /p/, /b/ and /m/. An engine of your own needs a name and
one function, see `TextVoice`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from phiz.errors import MissingError, UsageError
from phiz.face.morphable import ARKIT_NAMES
from phiz.options import suggest
from phiz.speech import heads
from phiz.speech.hearing import Told
from phiz.speech.sources import Known, Modes, Source
from phiz.world.voices import curves, installed, prosody, sounds
from phiz.world.voices.engines import Engine, Phone, Voice

RATE, FPS = 16_000, 25
PREFERRED = ("espeak", "flite", "festival")
"""Engines that read spelling, the best first; our own reads IPA only and has to be asked for."""
LEVEL = 0.5
"""How loud the loudest sample of a voice is."""
LEAD_S, END_S = 0.2, 0.4
"""Silence before and after: nobody opens their mouth out of nothing."""


@dataclass(frozen=True, kw_only=True)
class SaidText:
    """A text that was spoken."""

    waveform: Float[Tensor, " n"]
    """At 16 kHz."""
    phones: tuple[Phone, ...] | None
    """What is heard when; None where the engine does not tell."""


@runtime_checkable
class TextVoice(Protocol):
    """Something that reads a text aloud."""

    name: str

    def speak(self, text: str, language: str, seed: int) -> SaidText:
        """Return what is heard; the same seed gives the same samples."""
        ...


class InstalledVoice:
    """One of the engines that phiz makes its data with, as a reader."""

    def __init__(self, engine: Engine) -> None:
        self.name = engine.name
        self._engine = engine

    def speak(self, text: str, language: str, seed: int) -> SaidText:
        """Return what is heard, with silence around it."""
        if not text.strip():
            raise UsageError("there is no text to speak. Give some: --text 'Hello.'")
        rng = np.random.default_rng(seed)
        said = self._engine.speak(text, self._choose(language, rng), rng)
        samples = sounds.at_rate(said.samples, said.rate)
        loudest = float(np.abs(samples).max(initial=1e-6))
        lead, end = np.zeros(round(LEAD_S * RATE)), np.zeros(round(END_S * RATE))
        whole = np.concatenate([lead, samples * (LEVEL / loudest), end]).astype(np.float32)
        moved = [
            Phone(symbol=p.symbol, start=p.start + LEAD_S, end=p.end + LEAD_S, stress=p.stress)
            for p in said.phones
        ]
        return SaidText(waveform=torch.from_numpy(whole), phones=tuple(moved))

    def _choose(self, language: str, rng: np.random.Generator) -> Voice:
        """Return somebody who speaks a language; "en-gb" and the like choose among espeak's accents."""
        everybody = self._engine.voices()
        able = [voice for voice in everybody if voice.language == language]
        able = able or [voice for voice in everybody if voice.name.partition("+")[0] == language]
        if not able:
            known = sorted({voice.language for voice in everybody})
            raise UsageError(
                f"{self.name} does not speak {language!r}; it speaks {', '.join(known)}."
                f"{suggest(language, known)} Choose another with --language."
            )
        return able[int(rng.integers(0, len(able)))]


def voice_named(name: str = "") -> TextVoice:
    """Return the engine of this name, or the best that is installed."""
    if name:
        return InstalledVoice(installed.named([name])[0])
    here = {engine.name: engine for engine in installed.found()}
    for preferred in PREFERRED:
        if preferred in here:
            return InstalledVoice(here[preferred])
    ways = "; ".join(f"{engine}: {installed.WAYS[engine]}" for engine in PREFERRED)
    raise MissingError(
        f"No synthesiser that reads text is installed here. Get one ({ways}), or give a sound instead."
    )


def told_by(phones: Sequence[Phone], waveform: Float[Tensor, " n"], *, basis: str = "phiz") -> Source:
    """Return a source that knows the mouth of a text from its phones, in ARKit's expressions."""
    samples = waveform.numpy().astype(np.float32)
    seconds = len(samples) / RATE
    heard = prosody.listen(samples)
    efforts = prosody.efforts(phones, heard)
    mouth = curves.mouth(phones, seconds, efforts=efforts)
    brows = _brows(phones, heard, len(mouth))
    labels = curves.labels(phones, seconds)
    told = Told(
        expression=torch.from_numpy(np.maximum(mouth, brows)),
        closed=torch.from_numpy(labels.closed.astype(np.float32)),
        talking=torch.from_numpy(labels.talking.astype(np.float32)),
    )
    modes = Modes(basis=basis, count=len(ARKIT_NAMES), names=ARKIT_NAMES)
    return Source(hearing=Known(told, delay=heads.LATE), modes=modes, tells_brows=True, is_certain=True)


def _brows(phones: Sequence[Phone], heard: prosody.Heard, frames: int) -> Float[np.ndarray, "t 52"]:
    """Return what accents do to the brows; lids have their own chance."""
    above = prosody.brows_and_lids(phones, heard, frames, FPS, np.random.default_rng(0))
    is_brow = np.array([name.startswith("brow") for name in ARKIT_NAMES])
    brows: Float[np.ndarray, "t 52"] = above * is_brow
    return brows
