"""Which synthesisers are on this machine."""

from __future__ import annotations

from collections.abc import Sequence

from phiz.errors import MissingError
from phiz.options import suggest
from phiz.world.voices.engines import Engine
from phiz.world.voices.espeak import Espeak
from phiz.world.voices.festival import Festival
from phiz.world.voices.flite import Flite
from phiz.world.voices.formant import Formant

WAYS = {
    "espeak": "pip install 'phiz[voices]', or the system's package espeak-ng",
    "flite": "the system's package flite",
    "festival": "the system's packages festival and festvox-*",
    "formant": "it is part of phiz",
}
"""Where each engine comes from."""


def known() -> tuple[Engine, ...]:
    """Return all engines that phiz can drive, whether they are here or not."""
    return (Espeak(), Festival(), Flite(), Formant())


def found() -> tuple[Engine, ...]:
    """Return the engines that can speak here."""
    return tuple(engine for engine in known() if engine.voices())


def named(names: Sequence[str]) -> tuple[Engine, ...]:
    """Return the engines of these names, or all that are here where none is named."""
    if not names:
        return found()
    engines = {engine.name: engine for engine in known()}
    for name in names:
        if name not in engines:
            raise MissingError(
                f"There is no engine {name!r}; phiz knows {', '.join(engines)}.{suggest(name, engines)}"
            )
        if not engines[name].voices():
            raise MissingError(f"The engine {name!r} is not installed. Get it from: {WAYS[name]}.")
    return tuple(engines[name] for name in dict.fromkeys(names))
