"""Results that are found once: a small file each, named after everything that the result depends on.

They lie in a folder of their own inside the data set. A file appears whole or not at all, and it appears
last: what belongs to it, a crop for example, is there already and has the size that the file says.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from phiz import checkpoint
from phiz.errors import DataError

FOLDER = ".work"
PARTS = "parts"
"""Under which name a result keeps the sizes of what belongs to it."""
STALE_S = 3600.0
"""A half-written file that is older than this is nobody's any more."""


@dataclass(frozen=True, kw_only=True)
class Store:
    """The folder of results."""

    folder: Path

    def path(self, key: str, suffix: str = ".json") -> Path:
        """Return where a result, or a part of it, lies; a folder for each 256th of them."""
        return self.folder / key[:2] / f"{key}{suffix}"

    def read(self, key: str) -> dict[str, Any] | None:
        """Return a result; None if it is not there, damaged, or lacks a part."""
        try:
            found = json.loads(self.path(key).read_text(encoding="utf-8"))
            parts: Mapping[str, int] = found[PARTS]
            whole = all(self.path(key, suffix).stat().st_size == size for suffix, size in parts.items())
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None  # damaged: found anew
        return found if whole else None

    def write(self, key: str, values: Mapping[str, object], parts: Mapping[str, bytes] | None = None) -> None:
        """Write a result after what belongs to it."""
        given = parts or {}
        for suffix, data in given.items():
            self._put(self.path(key, suffix), data)
        self.seal(key, values, tuple(given))

    def seal(self, key: str, values: Mapping[str, object], suffixes: tuple[str, ...]) -> None:
        """Write a result whose parts are there."""
        sizes = {suffix: self.path(key, suffix).stat().st_size for suffix in suffixes}
        text = json.dumps({**values, PARTS: sizes}, allow_nan=False, sort_keys=True)
        self._put(self.path(key), text.encode())

    def sweep(self) -> None:
        """Remove what killed processes left half-written."""
        before = time.time() - STALE_S
        for path in self.folder.glob("??/.*.part*"):
            with contextlib.suppress(OSError):  # another process may be quicker
                if path.stat().st_mtime < before:
                    path.unlink()

    def _put(self, path: Path, data: bytes) -> None:
        try:
            with checkpoint.atomic(path) as temporary:
                temporary.write_bytes(data)
        except OSError as error:
            raise DataError(
                f"cannot write to {self.folder} ({error.strerror}). Make room or check its permissions, and "
                "run the same command again: what is finished is kept."
            ) from error


def key_of(*facts: object) -> str:
    """Return the name of a result that depends on these facts, plain JSON, alone."""
    text = json.dumps(facts, sort_keys=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()
