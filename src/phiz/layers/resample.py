"""Pictures of twice and half the size, through the short low-pass filter [1, 3, 3, 1].

What StyleGAN2 does with a general filter routine is written out here: a doubled picture is four small
ones that interleave, and each is a short sum of shifted copies. Layouts: `b c h w`, or `b h w c` where
the name says so (channels side by side make 1 x 1 convolutions plain matrix products).
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

TAPS = (0.125, 0.375, 0.375, 0.125)


def interleave(even: Float[Tensor, "*b"], odd: Float[Tensor, "*b"], axis: int) -> Float[Tensor, "*c"]:
    """Return a tensor whose even places along `axis` come from one and odd places from the other."""
    return torch.stack([even, odd], dim=axis + 1).flatten(axis, axis + 1)


def before(x: Float[Tensor, "*b"], axis: int, *, is_repeated: bool = False) -> Float[Tensor, "*b"]:
    """Return each place's neighbour before it along `axis`; before the first is zero, or the first again."""
    first = x.narrow(axis, 0, 1)
    beyond = first if is_repeated else torch.zeros_like(first)
    return torch.cat([beyond, x.narrow(axis, 0, x.shape[axis] - 1)], dim=axis)


def after(x: Float[Tensor, "*b"], axis: int, *, is_repeated: bool = False) -> Float[Tensor, "*b"]:
    """Return each place's neighbour after it along `axis`; after the last is zero, or the last again."""
    last = x.narrow(axis, x.shape[axis] - 1, 1)
    beyond = last if is_repeated else torch.zeros_like(last)
    return torch.cat([x.narrow(axis, 1, x.shape[axis] - 1), beyond], dim=axis)


def grow_image(image: Float[Tensor, "b c h w"], *, is_repeated: bool = False) -> Float[Tensor, "b c h2 w2"]:
    """Return a picture of twice the size: zeros put between its pixels, then the filter at gain 4.

    Beyond its edges are zeros, or the edges again if `is_repeated`.
    """
    for axis in (2, 3):
        even = 0.25 * before(image, axis, is_repeated=is_repeated) + 0.75 * image
        odd = 0.75 * image + 0.25 * after(image, axis, is_repeated=is_repeated)
        image = interleave(even, odd, axis)
    return image


def blur(x: Float[Tensor, "*b"], axes: tuple[int, int]) -> Float[Tensor, "*b"]:
    """Return `x` under the filter along two axes, with two zeros before and one after.

    parity: the published pad is not even; the answer is shifted by half a pixel.
    """
    outer, inner = TAPS[0], TAPS[1]
    for axis in axes:
        once = before(x, axis)
        x = outer * (before(once, axis) + after(x, axis)) + inner * (once + x)
    return x


def grow_nearest(x: Float[Tensor, "*b"], axes: tuple[int, int]) -> Float[Tensor, "*c"]:
    """Return every value four times: twice along each of two axes."""
    for axis in axes:
        x = x.repeat_interleave(2, dim=axis)
    return x


def grow_nearest_blurred(
    x: Float[Tensor, "*b"], axes: tuple[int, int], *, is_repeated: bool = False
) -> Float[Tensor, "*c"]:
    """Return ``blur(grow_nearest(x))`` without making the large blocky tensor first.

    Beyond the edges are zeros, or the edges again if `is_repeated`.
    """
    for axis in axes:
        earlier, later = (find(x, axis, is_repeated=is_repeated) for find in (before, after))
        even = 0.5 * (earlier + x)
        odd = 0.125 * (earlier + later) + 0.75 * x
        x = interleave(even, odd, axis)
    return x


def filter_up(x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h2 w2"]:
    """Return what a stride-2 transposed 3 x 3 convolution left, filtered at gain 4, a row and column less."""
    outer, inner = 2 * TAPS[0], 2 * TAPS[1]
    for axis in (2, 3):
        x = torch.nn.functional.pad(x, (0, 0, 1, 1) if axis == 2 else (1, 1))
        n = x.shape[axis] - 3
        x = outer * (x.narrow(axis, 0, n) + x.narrow(axis, 3, n)) + inner * (
            x.narrow(axis, 1, n) + x.narrow(axis, 2, n)
        )
    return x


def filter_down(x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h2 w2"]:
    """Return `x` filtered and grown by a pixel: a 3 x 3 convolution of stride 2 takes it to half the size."""
    return _valid(torch.nn.functional.pad(x, (2, 2, 2, 2)), 1)


def halve(x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h2 w2"]:
    """Return a picture of half the size: the filter, then every second pixel."""
    return _valid(torch.nn.functional.pad(x, (1, 1, 1, 1)), 2)


def _valid(x: Float[Tensor, "b c h w"], step: int) -> Float[Tensor, "b c h2 w2"]:
    """Return the filter's answers where it fits wholly inside, every `step`-th along both axes."""
    outer, inner = TAPS[0], TAPS[1]
    for axis in (2, 3):
        last = x.shape[axis] - 3
        a, b, c, d = (_every(x, axis, start, start + last, step) for start in range(4))
        x = outer * (a + d) + inner * (b + c)
    return x


def _every(x: Tensor, axis: int, start: int, end: int, step: int) -> Tensor:
    return x[:, :, start:end:step] if axis == 2 else x[:, :, :, start:end:step]
