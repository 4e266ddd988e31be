"""How fast triangles become pixels: the compiled twin, the torch twin and a naive numpy loop.

Run: python benchmarks/raster.py [--naive]
One thread; medians. Ratios between rows hold on other machines, milliseconds do not.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from phiz.graphics import raster, raster_cpu, raster_torch


def terrain(triangles: int, size: int) -> tuple[Tensor, Tensor]:
    """Return a rough sheet of about so many triangles that fills the picture."""
    n = round((triangles / 2) ** 0.5) + 1
    generator = torch.Generator().manual_seed(0)
    line = torch.linspace(2, size - 2, n)
    y, x = torch.meshgrid(line, line, indexing="ij")
    screen = torch.stack([x, y, 1 + 0.3 * torch.rand(n, n, generator=generator)], dim=-1).reshape(-1, 3)
    screen[:, :2] += torch.randn(n * n, 2, generator=generator) * (0.2 * size / n)
    i = torch.arange(n * n).reshape(n, n)
    a, b, c, d = i[:-1, :-1].flatten(), i[:-1, 1:].flatten(), i[1:, :-1].flatten(), i[1:, 1:].flatten()
    return screen, torch.cat([torch.stack([a, c, b], -1), torch.stack([b, c, d], -1)])


def naive(screen: Tensor, triangles: Tensor, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Return triangle and depth: a Python loop over triangles, numpy inside each bounding box."""
    points = screen.double().numpy()
    triangle, depth = np.full((size, size), -1), np.full((size, size), np.inf)
    for number, corners in enumerate(triangles.tolist()):
        a, b, c = points[corners]
        low = np.maximum(np.floor(np.minimum(np.minimum(a, b), c)[:2]), 0).astype(int)
        high = np.minimum(np.ceil(np.maximum(np.maximum(a, b), c)[:2]), size).astype(int)
        y, x = np.mgrid[low[1] : high[1], low[0] : high[0]] + 0.5
        e0 = (b[0] - x) * (c[1] - y) - (c[0] - x) * (b[1] - y)
        e1 = (c[0] - x) * (a[1] - y) - (a[0] - x) * (c[1] - y)
        e2 = (a[0] - x) * (b[1] - y) - (b[0] - x) * (a[1] - y)
        area = e0 + e1 + e2
        with np.errstate(all="ignore"):
            z = area / (e0 / a[2] + e1 / b[2] + e2 / c[2])
        box = (slice(low[1], high[1]), slice(low[0], high[0]))
        closer = (e0 * area >= 0) & (e1 * area >= 0) & (e2 * area >= 0) & (z < depth[box])
        depth[box][closer] = z[closer]
        triangle[box][closer] = number
    return triangle, depth


def median_ms(work: Callable[[], object], seconds: float = 1.0) -> float:
    """Return the median time of some work, after one round to warm up."""
    work()
    times: list[float] = []
    while sum(times) < seconds or len(times) < 3:
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return 1000 * statistics.median(times)


def mixing(screen: Tensor, triangles: Tensor, size: int, *, backward: bool) -> Callable[[], object]:
    """Return the interpolation of three channels, and the way back if wanted."""
    hits = raster.rasterise(screen, triangles, size, size)
    colours = torch.rand(len(screen), 3, requires_grad=True)

    def work() -> object:
        mixed = raster.interpolate(colours, triangles, hits)
        return torch.autograd.grad(mixed, colours, torch.ones_like(mixed)) if backward else mixed

    return work


def measure(screen: Tensor, triangles: Tensor, size: int, with_naive: bool) -> list[float]:
    """Return one row of figures."""
    fast = median_ms(lambda: raster_cpu.rasterise(screen, triangles, size, size, False))
    depth = median_ms(lambda: raster_cpu.rasterise_depth(screen, triangles, size, size, False))
    mix = median_ms(mixing(screen, triangles, size, backward=False))
    back = median_ms(mixing(screen, triangles, size, backward=True))
    plain = median_ms(lambda: raster_torch.rasterise(screen, triangles, size, size, False))
    cells = [size, len(triangles), fast, depth, len(triangles) / fast / 1000, mix, back, plain, plain / fast]
    if with_naive:
        slow = median_ms(lambda: naive(screen, triangles, size))
        cells += [slow, slow / fast]
    return cells


def main() -> None:
    """Print one row for each size of picture and scene."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--naive", action="store_true", help="also time the numpy loop (slow)")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print("milliseconds; 'mix' interpolates three channels, '+grad' with the way back; ratios to 'compiled'")
    names = "size triangles compiled depth Mtri/s mix +grad torch ratio numpy ratio"
    print(" ".join(f"{name:>9}" for name in names.split()))
    for size in (256, 512):
        for count in (10_000, 60_000):
            cells = measure(*terrain(count, size), size, arguments.naive)
            print(" ".join(f"{cell:>9.4g}" for cell in cells), flush=True)


if __name__ == "__main__":
    main()
