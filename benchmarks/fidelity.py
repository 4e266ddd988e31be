"""How fast sets of pictures are compared: features, and the blocked distances against plain matrices.

Run: python benchmarks/fidelity.py [--count 3000] [--subsets 40]
One thread. Ratios between rows hold on other machines, seconds do not.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import torch
from torch import Tensor

from phiz.layers import filters
from phiz.layers.perceptual import perceptual_distance
from phiz.metrics import fidelity, moments


def seconds(work: Callable[[], object], rounds: int = 3) -> float:
    """Return the least time of some work."""
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def plain_kernel_distance(a: Tensor, b: Tensor, subsets: int) -> float:
    """Return KID with three matrices for each subset."""
    generator = torch.Generator().manual_seed(0)
    size, total = min(1000, len(a) // 2), 0.0
    for _ in range(subsets):
        x, y = (s[torch.randperm(len(s), generator=generator)[:size]] for s in (a, b))
        inner = [(z @ z.T / z.shape[1] + 1) ** 3 for z in (x, y)]
        within = sum(float((k.sum() - k.trace()) / (size * (size - 1))) for k in inner)
        total += within - 2 * float(((x @ y.T / x.shape[1] + 1) ** 3).mean())
    return total / subsets


def plain_precision_recall(real: Tensor, made: Tensor) -> tuple[float, float]:
    """Return precision and recall from whole matrices of distances, sorted."""
    across = torch.cdist(made, real)
    reach_real, reach_made = (torch.cdist(x, x).sort(1).values[:, 3] for x in (real, made))
    precision = (across <= reach_real).any(1).float().mean()
    recall = (reach_made >= across.T).any(1).float().mean()
    return float(precision), float(recall)


def main() -> None:
    """Print features a second, and what each distance takes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=3000, help="pictures in each set")
    parser.add_argument("--subsets", type=int, default=40)
    options = parser.parse_args()
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(0)
    for size in (64, 128, 256):
        images = torch.rand(4, 3, size, size, generator=generator) * 2 - 1
        moving = images.flip(0).requires_grad_()
        loss = seconds(lambda i=images, m=moving: perceptual_distance(m, i).sum().backward())
        rate = 4 / seconds(lambda i=images: filters.picture_features(i))
        print(f"{size:>4} px: {rate:6.1f} features/s, {4 / loss:5.1f} perceptual losses with gradient/s")
    real = torch.randn(options.count, filters.FEATURES, generator=generator)
    made = torch.randn(options.count, filters.FEATURES, generator=generator) + 0.02
    print(f"{options.count} pictures each, {filters.FEATURES} features")
    chance = torch.Generator().manual_seed(0)
    fast = seconds(lambda: fidelity.kernel_distance(real, made, chance, subsets=options.subsets), 1)
    slow = seconds(lambda: plain_kernel_distance(real, made, options.subsets), 1)
    print(
        f"KID, {options.subsets} subsets: {fast:.2f} s, {slow / fast:.2f} times as fast as a matrix a subset"
    )
    fast = seconds(lambda: fidelity.precision_recall(real, made), 1)
    slow = seconds(lambda: plain_precision_recall(real, made), 1)
    print(f"precision, recall: {fast:.2f} s, {slow / fast:.2f} times as fast as whole matrices")
    took = seconds(lambda: fidelity.frechet_distance(moments.of(real), moments.of(made)), 1)
    print(f"FID: {took:.2f} s")


if __name__ == "__main__":
    main()
