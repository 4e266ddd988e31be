"""Pictures as video codecs want them: brightness in full, colours at half the resolution.

The matrix is that of BT.709 and the range is that of television (black 16, white 235). A colour sample is
the mean of two columns and, with the weights 1 3 3 1, of four rows, which is what FFmpeg's scaler does.
Numbers are rounded to bytes first, so that a picture and its bytes make the same film.
"""

from __future__ import annotations

from typing import Any

import av
import numpy as np
import torch
from jaxtyping import Float, UInt8
from numpy.typing import NDArray
from torch import Tensor

from phiz.compiling import compiled
from phiz.media import image

RED, GREEN, BLUE = 0.2126, 0.7152, 0.0722
"""How bright each colour is; the rest of BT.709's matrix follows from these."""

_SHIFT = 16  # bits behind the point
_BT709, _TELEVISION = 1, 1  # FFmpeg's numbers for the matrix and for the range


def _whole(rows: Any, steps: int) -> NDArray[np.int32]:
    """Return a matrix from bytes to so many steps as whole numbers of 2**-16; what is grey stays grey."""
    matrix: NDArray[np.int32] = np.rint(np.asarray(rows) * (steps / 255 * 2**_SHIFT)).astype(np.int32)
    matrix[1] += round(float(np.sum(rows)) * steps / 255 * 2**_SHIFT) - matrix.sum()
    return matrix


_GREY = np.array([RED, GREEN, BLUE])
LUMA = _whole(_GREY, 219)
BLUENESS = _whole((np.array([0, 0, 1]) - _GREY) / (2 * (1 - BLUE)), 224)
REDNESS = _whole((np.array([1, 0, 0]) - _GREY) / (2 * (1 - RED)), 224)
MATRIX = np.stack([LUMA, BLUENESS, REDNESS])

BYTES = (1.0, 0.0)
NUMBERS = (127.5, 128.0)
"""Factor and summand that turn [-1, 1] into bytes, once what is behind the point is cut off."""


def _take_row(line: Any, scale: Any, whole: Any, pair: Any) -> None:
    """Write one row of a colour as bytes, the last one again where one is missing, and sums of pairs."""
    gain, offset = np.float32(scale[0]), np.float32(scale[1])
    columns = len(line)
    for x in range(columns):
        value = line[x] * gain + offset
        value = value if value > np.float32(0) else np.float32(0)  # as is what is not a number
        whole[x] = np.int32(min(value, np.float32(255)))
    for x in range(columns, len(whole)):
        whole[x] = whole[columns - 1]
    for x in range(len(pair)):
        pair[x] = whole[2 * x] + whole[2 * x + 1]


def _mix_row(weights: Any, above: Any, first: Any, second: Any, below: Any, target: Any) -> None:
    """Write one row of a colour's half of the resolution, from the sums of pairs in four rows."""
    three, half = np.int32(3), np.int32((128 << 20) + (1 << 19))
    red, green, blue = weights[0], weights[1], weights[2]
    for x in range(len(target)):
        reds = above[0, x] + three * (first[0, x] + second[0, x]) + below[0, x]
        greens = above[1, x] + three * (first[1, x] + second[1, x]) + below[1, x]
        blues = above[2, x] + three * (first[2, x] + second[2, x]) + below[2, x]
        target[x] = (red * reds + green * greens + blue * blues + half) >> np.int32(20)


_take, _mix = compiled(_take_row), compiled(_mix_row)


def _split(source: Any, scale: Any, matrix: Any, width: Any, luma: Any, blueness: Any, redness: Any) -> None:
    """Write the planes of a picture (3, h, w); a plane's rows may be longer. Four rows are kept as bytes."""
    height = len(luma)
    whole = np.empty((3, width), np.int32)
    pairs = np.empty((4, 3, width // 2), np.int32)
    half = np.int32((16 << 16) + (1 << 15))
    red, green, blue = matrix[0, 0], matrix[0, 1], matrix[0, 2]
    for y in range(height + 1):
        if y < height:
            for c in range(3):
                _take(source[c, min(y, source.shape[1] - 1)], scale, whole[c], pairs[y & 3, c])
            line, reds, greens, blues = luma[y], whole[0], whole[1], whole[2]
            for x in range(width):
                line[x] = (red * reds[x] + green * greens[x] + blue * blues[x] + half) >> np.int32(16)
        if y >= 2 and y % 2 == 0:  # the row below two rows is known now
            above, below = pairs[max(y - 3, 0) & 3], pairs[min(y, height - 1) & 3]
            first, second, place = pairs[(y - 2) & 3], pairs[(y - 1) & 3], y // 2 - 1
            _mix(matrix[1], above, first, second, below, blueness[place, : width // 2])
            _mix(matrix[2], above, first, second, below, redness[place, : width // 2])


_split_compiled = compiled(_split)


def to_frame(picture: Float[Tensor, "3 h w"] | UInt8[Tensor, "h w 3"]) -> av.VideoFrame:
    """Return a picture as video codecs want it; a row and a column more where a size is odd."""
    is_bytes = picture.dtype == torch.uint8
    height, width = picture.shape[:2] if is_bytes else picture.shape[1:]
    frame = av.VideoFrame(width + width % 2, height + height % 2, "yuv420p")
    frame.colorspace, frame.color_range = _BT709, _TELEVISION
    targets = [
        np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size) for plane in frame.planes
    ]
    if picture.device.type == "cpu":
        source = (picture.permute(2, 0, 1) if is_bytes else picture.detach().float()).contiguous()
        _split_compiled(source.numpy(), BYTES if is_bytes else NUMBERS, MATRIX, frame.width, *targets)
    else:
        for target, plane in zip(targets, plain_planes(picture), strict=True):
            target[:, : plane.shape[1]] = plane.cpu().numpy()
    return frame


def plain_planes(
    picture: Float[Tensor, "3 h w"] | UInt8[Tensor, "h w 3"],
) -> tuple[UInt8[Tensor, "hh ww"], UInt8[Tensor, "hhh www"], UInt8[Tensor, "hhh www"]]:
    """Return the three planes in plain torch, on the picture's device."""
    pixels = picture if picture.dtype == torch.uint8 else image.to_bytes(picture.detach())
    colours = pixels.movedim(-1, 0).int()
    height, width = colours.shape[1:]
    colours = torch.cat([colours, colours[:, -1:]][: 1 + height % 2], dim=1)
    colours = torch.cat([colours, colours[:, :, -1:]][: 1 + width % 2], dim=2)
    pairs = colours[:, :, ::2] + colours[:, :, 1::2]
    first, second = pairs[:, ::2], pairs[:, 1::2]
    above = torch.cat([first[:, :1], second[:, :-1]], dim=1)
    below = torch.cat([first[:, 1:], second[:, -1:]], dim=1)
    sums = above + 3 * (first + second) + below
    matrix = torch.as_tensor(MATRIX, device=colours.device)[:, :, None, None]
    luma = ((matrix[0] * colours).sum(dim=0) + (16 << 16) + (1 << 15)) >> 16
    colour = ((matrix[1:] * sums).sum(dim=1) + (128 << 20) + (1 << 19)) >> 20
    blueness, redness = colour.to(torch.uint8).unbind(0)
    return luma.to(torch.uint8), blueness, redness
