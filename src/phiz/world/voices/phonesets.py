"""The names that engines have for phones, as IPA; the tables are in ``phonesets.json``."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path

FILE = Path(__file__).with_name("phonesets.json")


def to_ipa(phoneset: str, name: str) -> str:
    """Return a phone in IPA, nothing for silence."""
    try:
        return tables()[phoneset][name]
    except KeyError:
        raise ValueError(f"the phone set {phoneset!r} has no phone {name!r}; add it to {FILE.name}") from None


@lru_cache(maxsize=1)
def tables() -> dict[str, dict[str, str]]:
    """Return all tables: phone set, then the engine's name, then IPA."""
    found: dict[str, dict[str, str]] = json.loads(FILE.read_text(encoding="utf-8"))
    return found
