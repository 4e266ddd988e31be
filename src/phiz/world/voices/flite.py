"""Flite: four American voices, three of them learned from recordings and close to real speech."""

from __future__ import annotations

import re
import shutil
import tempfile
from pathlib import Path

import numpy as np

from phiz.errors import MissingError
from phiz.world.voices import engines, texts, waves
from phiz.world.voices.engines import Phone, Spoken, Voice
from phiz.world.voices.phonesets import to_ipa

PROGRAM = "flite"
SPEAKERS = {"kal16": 95.0, "awb": 120.0, "rms": 100.0, "slt": 170.0}
"""Voices, and how high they speak, in hertz."""
SLOWEST, FASTEST = 1.25, 0.8
HIGHER, LIVELIER = (0.85, 1.2), (0.7, 1.8)


class Flite:
    """The program ``flite``, once for each text."""

    name = "flite"

    def voices(self) -> tuple[Voice, ...]:
        """Return who can speak; nobody where the program is not installed."""
        if shutil.which(PROGRAM) is None:
            return ()
        return tuple(
            Voice(engine=self.name, name=name, language="en", speaker=f"flite {name}") for name in SPEAKERS
        )

    def speak(self, text: str, voice: Voice, rng: np.random.Generator) -> Spoken:
        """Return what is heard, and when."""
        if shutil.which(PROGRAM) is None:
            raise MissingError("flite is not installed. Get it from the system's packages (flite).")
        stretch = float(rng.uniform(FASTEST, SLOWEST))
        pitch = SPEAKERS[voice.name] * float(rng.uniform(*HIGHER))
        lively = 12.0 * float(rng.uniform(*LIVELIER))
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "said.wav"
            told = engines.run(
                PROGRAM,
                [
                    "-voice", voice.name, "-psdur", "-t", texts.plain(text), "-o", str(path),
                    "--setf", f"duration_stretch={stretch:.3f}", "--setf", f"int_f0_target_mean={pitch:.1f}",
                    "--setf", f"int_f0_target_stddev={lively:.1f}",
                ],
            )  # fmt: skip
            samples, rate = waves.read(path)
        return Spoken(samples=samples, rate=rate, phones=understood(told.decode(), len(samples) / rate))


def understood(told: str, seconds: float) -> tuple[Phone, ...]:
    """Return the phones in ``name:end`` pairs; a text of several sentences starts anew with each."""
    phones, clock, before, offset = [], 0.0, 0.0, 0.0
    for name, end_text in re.findall(r"([a-z]+[a-z0-9]*):([0-9.]+)", told):
        end = float(end_text)
        if end < before:
            offset = clock
        before = end
        phones.append(Phone(symbol=to_ipa("radio", name), start=clock, end=offset + end))
        clock = offset + end
    return engines.filled(phones, seconds)
