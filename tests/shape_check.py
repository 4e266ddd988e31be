"""How strictly tests check types: as Python's own rules have it, where an int may stand for a float."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from beartype import BeartypeConf, beartype
from beartype.roar import BeartypeDecorHintPep3119Exception

T = TypeVar("T", bound=Callable[..., Any])

_beartype = beartype(conf=BeartypeConf(is_pep484_tower=True))


def check(thing: T) -> T:
    """Return a function that checks what it is given, or the bare one where Python cannot check.

    That is so for protocols that are not ``runtime_checkable``; the house forbids them, in a test of
    its own, so that one such class does not stop every other test.
    """
    try:
        checked: T = _beartype(thing)
    except BeartypeDecorHintPep3119Exception:
        return thing
    return checked
