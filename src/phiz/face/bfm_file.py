"""The Basel Face Model as a file of ours: what is in a ``.mat`` file, in single precision."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch

from phiz import checkpoint
from phiz.errors import CheckpointError, HeadError
from phiz.face.bfm import Bfm
from phiz.face.matfile import Array

KIND = "facemodel"
NUMBERS = ("meanshape", "idBase", "exBase", "meantex", "texBase", "skinmask")
INDICES = ("tri", "keypoints", "frontmask2_idx", "tri_mask2")
"""Fields of the published file, under its names; indices count from one, as there."""
REBUILT = ("point_buf",)
"""Fields of the published file that follow from the others."""


def checked(arrays: Mapping[str, Array], path: Path) -> dict[str, Array]:
    """Return what the model is made of; refuse a file that lacks some of it or holds more."""
    wanted = (*NUMBERS, *INDICES)
    missing = [name for name in wanted if name not in arrays]
    strange = sorted(arrays.keys() - {*wanted, *REBUILT})
    if missing or strange:
        fault = (
            f"lacks {', '.join(missing)}" if missing else f"holds {', '.join(strange)}, which is not known"
        )
        raise HeadError(
            f"{path} {fault}. Give BFM_model_front.mat or BFM09_model_info.mat; docs/heads.md says how they "
            "are made."
        )
    return {name: arrays[name] for name in wanted}


def save(path: Path, arrays: Mapping[str, Array], *, about: Mapping[str, object]) -> None:
    """Write a model's arrays; `Bfm` works in single precision, so nothing is lost."""
    tensors = {name: torch.from_numpy(np.ascontiguousarray(arrays[name], np.float32)) for name in NUMBERS}
    tensors |= {name: torch.from_numpy(np.ascontiguousarray(arrays[name], np.int32)) for name in INDICES}
    checkpoint.save(path, kind=KIND, config={"about": dict(about)}, tensors=tensors)


def load(path: Path) -> Bfm:
    """Return the model in a file that `save` wrote."""
    saved = checkpoint.load(path, kind=KIND)
    try:
        return Bfm({name: value.numpy() for name, value in saved.tensors.items()})
    except (IndexError, KeyError, RuntimeError, ValueError) as error:
        raise CheckpointError(f"{path} holds no whole face model ({error}). Import it anew.") from error
