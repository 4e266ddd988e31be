"""The upsampler's passes over large maps in compiled loops, where no gradient is wanted.

On a processor, in single precision. Everywhere else `growing` and plain torch do the same; tests hold the
two together. Bands of rows go to as many threads as torch may use.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor

from phiz.generator import growing_loops as loops
from phiz.generator.growing import Adapter, Kind
from phiz.layers.activation import leaky

LARGE = 1e30
"""A limit that nothing reaches."""


def is_ready(x: Float[Tensor, "*b"]) -> bool:
    """Return whether compiled loops can work on a map, and whether they may."""
    return (
        x.device.type == "cpu"
        and x.dtype == torch.float32
        and not torch.is_grad_enabled()
        and not torch.compiler.is_compiling()
        and not torch.is_autocast_enabled("cpu")
    )


def activated(
    x: Float[Tensor, "b h w c"], bias: Float[Tensor, " c"], gain: float, clamp: float
) -> Float[Tensor, "b h w c"]:
    """Return `x` with its bias, rectified at a gain and limited; it takes the place of `x`."""
    x = x.contiguous()
    offset = bias.numpy()
    for picture in x.numpy():
        _in_bands(loops.activate, len(picture), picture, offset, gain, clamp or LARGE)
    return x


def grown(
    x: Float[Tensor, "b h w c"],
    kind: Kind,
    adapter: Adapter | None,
    bias: Float[Tensor, " c"],
    clamp: float,
) -> Float[Tensor, "b h2 w2 c"] | None:
    """Return what `growing.grow` with its filter, bias and rectifier make of a map; None for other kinds."""
    x = x.contiguous()
    b, h, w, c = x.shape
    limit, offset = clamp or LARGE, bias.numpy()
    if kind == "nearest":
        out = torch.empty(b, 2 * h, 2 * w, c)
        for small, large in zip(x.numpy(), out.numpy(), strict=True):
            _in_bands(loops.grow, 2 * h, small, large, False, offset, limit)
        return out
    if adapter is None or kind not in ("nn_cat", "pixelshuffle"):
        return None
    if kind == "nn_cat":
        out = _widened(x, adapter)
        for small, large in zip(x.numpy(), out.numpy(), strict=True):
            _in_bands(loops.grow, 2 * h, small, large, True, offset, limit)
        return out
    narrow = leaky(torch.nn.functional.linear(x, *adapter.narrow))
    order = rearrange(torch.arange(4 * c), "(c place) -> (place c)", place=4)
    wide = torch.nn.functional.linear(narrow, adapter.wide.weight[order], adapter.wide.bias[order])
    out = torch.empty(b, 2 * h, 2 * w, c)
    quarters = wide.reshape(b, h, w, 4, c).numpy()
    for small, four, large in zip(x.numpy(), quarters, out.numpy(), strict=True):
        _in_bands(loops.shuffle, 2 * h, small, four, large, offset, limit)
    return out


def _widened(x: Float[Tensor, "b h w c"], adapter: Adapter) -> Float[Tensor, "b h2 w2 c"]:
    """Return what the neighbours of every quarter pixel add to it, filtered."""
    b, h, w, c = x.shape
    both = torch.cat([adapter.narrow.weight[:, :c], 0.5 * adapter.narrow.weight[:, c:]])
    zeros = torch.zeros_like(adapter.narrow.bias)
    parts = torch.nn.functional.linear(x, both, torch.cat([adapter.narrow.bias, zeros]))
    own, around = (part.contiguous() for part in parts.chunk(2, dim=-1))
    filtered = torch.empty(b, 2 * h, 2 * w, own.shape[-1] + 1)
    for one, other, out in zip(own.numpy(), around.numpy(), filtered.numpy(), strict=True):
        _in_bands(loops.neighbours, 2 * h, one, other, out)
    weight = torch.cat([adapter.wide.weight, adapter.wide.bias[:, None]], dim=1)
    return torch.nn.functional.linear(filtered, weight)


def _in_bands(work: Callable[..., None], rows: int, *arguments: Any) -> None:
    """Do a piece of work on all rows, a band a thread; loops let go of Python while they run."""
    threads = min(torch.get_num_threads(), rows)
    if threads == 1:
        work(*arguments, 0, rows)
        return
    step = math.ceil(rows / threads)
    bands = [(start, min(start + step, rows)) for start in range(0, rows, step)]
    tasks = [_pool(threads).submit(work, *arguments, *band) for band in bands[1:]]
    work(*arguments, *bands[0])
    for task in tasks:
        task.result()


@lru_cache(maxsize=2)
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix="phiz-rows")
