"""A user's own network from picture to picture, as an ONNX file: a face restorer or an upscaler."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from phiz import exporting
from phiz.errors import CheckpointError


class Restorer:
    """A network in an ONNX file, ready to be used; pictures in and out are RGB in [-1, 1]."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._session = exporting.opened(path)
        taken = self._session.get_inputs()
        if len(taken) != 1 or len(taken[0].shape) != 4:
            raise CheckpointError(f"{path} does not take one picture (1, 3, h, w). Export it that way.")
        self._name = str(taken[0].name)
        sides = taken[0].shape[2:]
        self._size = tuple(side for side in sides if isinstance(side, int)) or None

    def __call__(self, frame: Float[Tensor, "3 h w"]) -> Float[Tensor, "3 h2 w2"]:
        """Return a frame as the network makes it."""
        picture = frame[None]
        if self._size is not None and tuple(picture.shape[2:]) != self._size:
            picture = functional.interpolate(picture, size=self._size, mode="bicubic", antialias=True)
        found = self._session.run(None, {self._name: np.ascontiguousarray(picture.float().numpy())})[0]
        made = torch.from_numpy(np.asarray(found, np.float32))
        if made.dim() != 4 or made.shape[:2] != (1, 3):
            raise CheckpointError(
                f"{self.path} makes {tuple(made.shape)}, not a picture (1, 3, h, w). Use another network."
            )
        return made[0].clamp(-1, 1)
