"""Open a head model by what a user calls it."""

from __future__ import annotations

from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from phiz import checkpoint
from phiz.errors import CheckpointError, HeadError
from phiz.face import bfm, bfm_file, flame, head, supplied
from phiz.face.morphable import MorphableModel

BUILT_IN = "built-in"


def open_model(name: str) -> MorphableModel:
    """Return the built-in head, or the one in a file or folder."""
    if name == BUILT_IN:
        return head.built_in()
    path = Path(name).expanduser()
    if path.is_dir():
        return supplied.read(path)
    if not path.is_file():
        raise HeadError(
            f"there is no head model {name!r}. Give {BUILT_IN!r}, a folder with head.npz, or a file."
        )
    if path.suffix.lower() == ".mat":
        return bfm.read(path)
    kind = _kind(path)
    if kind == bfm_file.KIND:
        return bfm_file.load(path)
    if kind:
        return head.read(path)
    arrays = flame.read_arrays(path)
    return flame.Flame(arrays, None if flame.has_contour(arrays) else _contour())


def built_in_with(heads: Path | None) -> head.Head:
    """Return the built-in head; with a folder of head data, it may wear that folder's modelled hair too."""
    model = head.built_in()
    if heads is not None:
        model.hair_arrays = supplied.hair_of(supplied.read_arrays(heads))
    return model


def _kind(path: Path) -> str:
    """Return what one of our own files holds; nothing for foreign ones, whose readers say what they are."""
    if path.suffix != checkpoint.SUFFIX:
        return ""
    try:
        return checkpoint.read_about(path).kind
    except CheckpointError:
        return ""


@torch.no_grad()
def _contour() -> Float[Tensor, "68 3"]:
    """Return the landmarks of the built-in head, for files that leave out the jaw line."""
    model = head.built_in()
    return model.landmarks(model.mean[None])[0]
