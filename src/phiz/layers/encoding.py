"""Places as sines and cosines, so that a network can tell near ones apart."""

from __future__ import annotations

import math

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor


def encode(points: Float[Tensor, "*b c"], octaves: int) -> Float[Tensor, "*b e"]:
    """Return sin and cos of pi times the point at doubling frequencies; the point itself is left out.

    Equation 4 of NeRF (Mildenhall et al., 2020). For each octave all sines come before all cosines.
    """
    waves = math.pi * 2.0 ** torch.arange(octaves, dtype=points.dtype, device=points.device)
    angles = points[..., None, :] * waves[:, None]
    both = torch.stack([angles.sin(), angles.cos()], dim=-2)
    return rearrange(both, "... octave kind c -> ... (octave kind c)")
