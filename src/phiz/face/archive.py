"""Arrays out of a numpy archive (``.npz``), and a plain word where that fails."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path

import numpy as np
import numpy.typing as npt

from phiz.errors import HeadError


def read(path: Path) -> dict[str, npt.NDArray[np.generic]]:
    """Return all arrays of an archive by name; objects, which are pickles, are refused."""
    try:
        with path.open("rb") as file:
            if file.read(4) != b"PK\x03\x04":
                raise HeadError(f"{path} cannot be read: it is no .npz archive. Copy or make it anew.")
            file.seek(0)
            with np.load(file, allow_pickle=False) as archive:
                return {key: archive[key] for key in archive.files}
    except (OSError, EOFError, ValueError, zipfile.BadZipFile, zlib.error) as error:
        raise HeadError(f"{path} cannot be read ({error}). Copy or make it anew.") from error
