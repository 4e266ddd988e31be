"""Change the colours and the sharpness of whole batches of pictures, each in a way of its own.

A change of colour is a 4 x 4 matrix on ``(r, g, b, 1)``; several changes are one product, read right to
left. Grey is the diagonal (1, 1, 1); what lies along it is light, what lies across it is hue.
(Karras et al., "Training Generative Adversarial Networks with Limited Data", 2020, appendix B.)
"""

from __future__ import annotations

import math

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from phiz.graphics import rotation
from phiz.train.augment_geometry import between, kernel_matrix, on_device, symlet

BANDS = 4
"""Octaves that `filter_bands` tells apart; the lowest holds all that is coarser as well."""
POWER = (10 / 13, 1 / 13, 1 / 13, 1 / 13)
"""Share of each octave in ordinary pictures, whose power falls with the frequency."""


def brightness(shift: Float[Tensor, " b"]) -> Float[Tensor, "b 4 4"]:
    """Return the matrix that adds the same to all three colours."""
    matrix = _identity(shift).clone()
    matrix[:, :3, 3] = shift[:, None]
    return matrix


def contrast(gain: Float[Tensor, " b"]) -> Float[Tensor, "b 4 4"]:
    """Return the matrix that moves colours away from middle grey, or towards it."""
    return _embedded(gain[:, None, None] * torch.eye(3, dtype=gain.dtype, device=gain.device))


def luma_flip(flipped: Float[Tensor, " b"]) -> Float[Tensor, "b 4 4"]:
    """Return the matrix that swaps light and dark and keeps hues, where `flipped` is 1; 0 changes nothing."""
    light = flipped[:, None, None] * _along_grey(flipped)
    return _embedded(torch.eye(3, dtype=flipped.dtype, device=flipped.device) - 2 * light)


def hue(angle: Float[Tensor, " b"]) -> Float[Tensor, "b 4 4"]:
    """Return the matrix that turns colours about the grey diagonal."""
    return _embedded(rotation.from_axis_angle(angle[:, None].expand(-1, 3) / math.sqrt(3)))


def saturation(gain: Float[Tensor, " b"]) -> Float[Tensor, "b 4 4"]:
    """Return the matrix that moves colours away from the grey of the same light; 0 leaves only that."""
    gain = gain[:, None, None]
    return _embedded(
        gain * torch.eye(3, dtype=gain.dtype, device=gain.device) + (1 - gain) * _along_grey(gain)
    )


def recolour(images: Float[Tensor, "b 3 h w"], matrix: Float[Tensor, "b 4 4"]) -> Float[Tensor, "b 3 h w"]:
    """Return pictures with each pixel's colour sent through its picture's matrix."""
    mixed = torch.baddbmm(matrix[:, :3, 3:], matrix[:, :3, :3], images.flatten(2))
    return mixed.reshape(images.shape)


def filter_bands(images: Float[Tensor, "b c h w"], gains: Float[Tensor, "b 4"]) -> Float[Tensor, "b c h w"]:
    """Return pictures with their octaves amplified, from the coarsest to the finest.

    The filter is separable: rows and columns go through the same one, one after the other. The bands add
    up to the picture itself, so gains of 1 change nothing.
    """
    height, width = images.shape[-2:]
    device, dtype = images.device, images.dtype
    vertical, horizontal = (
        torch.einsum("bk,kij->bij", gains, on_device(_band_matrices, size, device, dtype))[:, None]
        for size in (height, width)
    )
    return between(images, vertical, horizontal)


def evened(gains: Float[Tensor, "b 4"]) -> Float[Tensor, "b 4"]:
    """Return gains scaled so that an ordinary picture keeps its power."""
    power = torch.tensor(POWER, dtype=gains.dtype, device=gains.device)
    return gains / (power * gains.square()).sum(-1, keepdim=True).sqrt()


def band_taps() -> NDArray[np.float64]:
    """Return the filters of the four octaves, (4, 43), symmetric; together they let everything pass.

    Half of the spectrum is the autocorrelation of a wavelet filter (the symlet with two moments, as
    published), the other half is what remains. Each further octave splits the lower half of the last.
    """
    taps = symlet(2)
    low = np.convolve(taps, taps[::-1]) / 2
    high = -low
    high[len(low) // 2] += 1
    bands = np.zeros((BANDS, 1))
    bands[0] = 1
    for band in range(1, BANDS):
        spread = np.zeros((BANDS, 2 * bands.shape[1] - 1))
        spread[:, ::2] = bands
        bands = np.stack([np.convolve(row, low) for row in spread])
        middle, reach = bands.shape[1] // 2, len(high) // 2
        bands[band, middle - reach : middle + reach + 1] += high
    return bands


def cut_out(
    images: Float[Tensor, "b c h w"],
    x: Float[Tensor, " b"],
    y: Float[Tensor, " b"],
    size: Float[Tensor, " b"],
) -> Float[Tensor, "b c h w"]:
    """Return pictures with a rectangle of middle grey; all numbers in shares of width and height.

    (x, y) is its middle, from 0 at the left and the top to 1.
    """
    height, width = images.shape[-2:]
    column = (torch.arange(width, device=images.device) + 0.5) / width
    row = (torch.arange(height, device=images.device) + 0.5) / height
    is_beside = (column - x[:, None]).abs() >= size[:, None] / 2  # (b, w)
    is_above = (row - y[:, None]).abs() >= size[:, None] / 2  # (b, h)
    return images * (is_beside[:, None, None, :] | is_above[:, None, :, None])


def _band_matrices(size: int) -> NDArray[np.float64]:
    return np.stack([kernel_matrix(taps, size) for taps in band_taps()])


def _along_grey(like: Tensor) -> Float[Tensor, "3 3"]:
    """Return the matrix that leaves of a colour only its light."""
    return torch.full((3, 3), 1 / 3, dtype=like.dtype, device=like.device)


def _identity(like: Float[Tensor, " b"]) -> Float[Tensor, "b 4 4"]:
    return torch.eye(4, dtype=like.dtype, device=like.device).expand(len(like), 4, 4)


def _embedded(matrix: Float[Tensor, "b 3 3"]) -> Float[Tensor, "b 4 4"]:
    """Return a linear change of colour as one that could shift as well."""
    whole = _identity(matrix[:, 0, 0]).clone()
    whole[:, :3, :3] = matrix
    return whole
