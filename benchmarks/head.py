"""How fast a head makes surfaces: the whole model, its linear part alone, and its joints alone.

    python benchmarks/head.py [HEAD] [--seconds 2]

One thread; medians. Vertices per second, and how many times longer each takes than the linear part
at the same batch; the ratios hold on other machines, the speeds do not. "+grad" includes the way back
to identity and expression.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from phiz.face import head as head_model
from phiz.face.coeffs import FaceCoeffs
from phiz.face.head import Head
from phiz.graphics import rotation
from phiz.train.head_score import speech_like

BATCHES = (1, 32)


def faces(head: Head, batch: int) -> FaceCoeffs:
    """Return talking people who nod and look about."""
    generator = torch.Generator().manual_seed(0)
    face = speech_like(head, batch, generator)
    return replace(
        face,
        jaw=0.05 * torch.randn(batch, 3, generator=generator),
        neck=0.2 * torch.randn(batch, 3, generator=generator),
        gaze=0.2 * torch.randn(batch, 2, 2, generator=generator),
    )


def joints_only(head: Head, face: FaceCoeffs) -> Tensor:
    """Return the mean with jaw and neck turned: no modes, no eyes, no contact."""
    points = head.mean.expand(face.batch, -1, -1)
    hinge = points.new_tensor(head.hinge)
    turned = torch.einsum("bij,bvj->bvi", rotation.from_euler(face.jaw), points - hinge) + hinge
    points = points + (turned - points) * head.jaw_weight[:, None]
    return head._bow(points, face.neck)


def with_gradient(work: Callable[[FaceCoeffs], Tensor], face: FaceCoeffs) -> None:
    """Make surfaces and go the way back."""
    names = ("identity", "expression", "jaw", "neck")
    leaves = {name: getattr(face, name).detach().requires_grad_() for name in names}
    work(replace(face, **leaves)).sum().backward()


def median_s(work: Callable[[], object], seconds: float) -> float:
    """Return the median time of some work, after one round to warm up."""
    work()
    times: list[float] = []
    while sum(times) < seconds or len(times) < 5:
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def main() -> None:
    """Print one row for each batch and each part of the model."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("head", nargs="?", type=Path, default=head_model.BUILT_IN)
    parser.add_argument("--seconds", type=float, default=2.0, help="time to spend on each figure")
    options = parser.parse_args()
    torch.set_num_threads(1)
    head = head_model.read(options.head)
    print(f"{len(head.mean)} vertices, {head.sizes.identity} + {head.sizes.expression} modes")
    works: dict[str, Callable[[FaceCoeffs], Tensor]] = {
        "linear": head.linear,
        "joints": lambda face: joints_only(head, face),
        "whole": head.vertices,
    }
    print(f"{'batch':>5} {'work':>12} {'ms':>9} {'Mvert/s':>9} {'x linear':>9}")
    for batch in BATCHES:
        face = faces(head, batch)
        seconds: dict[str, float] = {}
        for name, work in works.items():
            with torch.no_grad():
                seconds[name] = median_s(lambda work=work, face=face: work(face), options.seconds)
            seconds[f"{name} +grad"] = median_s(
                lambda work=work, face=face: with_gradient(work, face), options.seconds
            )
        for name, value in seconds.items():
            linear = seconds["linear +grad" if name.endswith("+grad") else "linear"]
            speed = batch * len(head.mean) / value / 1e6
            print(
                f"{batch:>5} {name:>12} {1000 * value:>9.2f} {speed:>9.2f} {value / linear:>9.2f}", flush=True
            )


if __name__ == "__main__":
    main()
