"""How much faster all cells are cut together than one after another, and seconds for larger grids.

python benchmarks/marching.py
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import torch
from torch import Tensor

from phiz.graphics.marching import isosurface, isosurface_by_cells, largest_component


def blob(size: int) -> Tensor:
    """Return a bumpy ball that fills most of a grid."""
    axis = torch.linspace(-1, 1, size)
    x, y, z = torch.meshgrid(axis, axis, axis, indexing="ij")
    bumps = 0.08 * (9 * x).sin() * (9 * y).sin() * (9 * z).sin()
    return 0.75 - (x.square() + y.square() + z.square()).sqrt() + bumps


def best(run: Callable[[], object], repeats: int) -> float:
    """Return the shortest of several times in seconds."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return min(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--size", type=int, default=64, help="grid points along each axis")
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(1)
    values = blob(options.size)
    isosurface(values, 0.0)  # works out the table
    together = best(lambda: isosurface(values, 0.0), options.repeats)
    alone = best(lambda: isosurface_by_cells(values, 0.0), 2)
    print(f"{options.size}^3: together {1e3 * together:.1f} ms, cell by cell {1e3 * alone:.0f} ms, "
          f"{alone / together:.0f} times as long")  # fmt: skip
    for size in (128, 256):
        field = blob(size)
        seconds = best(lambda field=field: isosurface(field, 0.0), options.repeats)
        surface = isosurface(field, 0.0)
        joined = best(lambda surface=surface: largest_component(surface), options.repeats)
        print(f"{size}^3: {len(surface.triangles)} triangles in {1e3 * seconds:.0f} ms, "
              f"largest piece in {1e3 * joined:.0f} ms")  # fmt: skip


if __name__ == "__main__":
    main()
