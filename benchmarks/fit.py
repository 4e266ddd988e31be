"""Our fit against 1 500 steps of the published one, and how near both of its stages come to the truth.

    python benchmarks/fit.py [--people 2] [--steps 1500] [--truth 30] [--basel BFM_model_front.mat]

First table: the same picture, the same 68 points (true ones, a pixel of noise) and the same start, which is
all coefficients at zero; one thread. Errors of points are mean pixels from the points given. Errors of
colours are the published loss: the mean distance of colours on the drawn face, in shares of white. Each
method is judged by its own renderer and camera. The published one draws our head's face alone, as ours does.

Second table: people of the world that no test uses, with and without a look at their colours. Shapes are
compared on the face after both lie on each other, without and with a common scale.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from phiz.face import bfm, fit_draw, fit_published, head
from phiz.face.coeffs import FaceCoeffs, neutral
from phiz.face.fit import Fit, FitConfig, fit
from phiz.face.fit_points import Landmarks
from phiz.face.fit_published import PublishedConfig
from phiz.face.fit_surface import anchors68, chart, face_parts
from phiz.face.morphable import MorphableModel, vertex_normals
from phiz.graphics import rotation
from phiz.world.data.layout import head_pose
from phiz.world.grown.hair_styles import STYLES
from phiz.world.paint import Picture, paint
from phiz.world.people import sample_person
from phiz.world.scene import sample_scene

HELD_OUT = 90_000
"""Seeds of people from here on are used nowhere else."""
SIZE = 256
SMALL = 224
"""Side of the picture that the published camera was made for."""


@dataclass(frozen=True)
class Task:
    """A picture to fit."""

    name: str
    model: MorphableModel
    picture: Tensor
    points: Tensor


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--people", type=int, default=2, help="people of the first table")
    parser.add_argument("--steps", type=int, default=1500, help="published steps, two thirds of them rigid")
    parser.add_argument("--truth", type=int, default=30, help="people of the second table")
    parser.add_argument("--basel", type=Path, help="a file of the Basel model for the first table")
    options = parser.parse_args()
    torch.set_num_threads(1)
    ours = head.built_in()
    start = time.perf_counter()
    chart(ours), anchors68(ours)
    print(f"our head is measured once a process: {time.perf_counter() - start:.2f} s\n")
    tasks = [_task(ours, HELD_OUT + k) for k in range(options.people)]
    if options.basel:
        tasks.append(_basel_task(bfm.read(options.basel)))
    _against_published(tasks, options.steps)
    if options.truth:
        _against_truth(ours, options.truth)


def _against_published(tasks: list[Task], steps: int) -> None:
    print(f"{'picture':14} {'method':>16} {'s':>8} {'s of processor':>15} {'points px':>10} {'colours':>8}")
    config = PublishedConfig(rigid_steps=steps * 2 // 3, free_steps=steps - steps * 2 // 3)
    totals: dict[str, list[tuple[float, float]]] = {}
    for task in tasks:
        fit(task.model, _points(task.points), [task.picture.shape[1:]], [task.picture])  # compile, measure
        for name, run in (
            ("ours", lambda task=task: _ours(task)),
            (f"published {steps}", lambda task=task: _published(task, config)),
        ):
            wall, processor, (points, colours) = _timed(run)
            totals.setdefault(name, []).append((points, colours))
            print(
                f"{task.name:14} {name:>16} {wall:8.2f} {processor:15.2f} {points:10.2f} {colours:8.4f}",
                flush=True,
            )
    for name, numbers in totals.items():
        points, colours = torch.tensor(numbers).mean(0).tolist()
        print(f"{'mean':14} {name:>16} {'':8} {'':15} {points:10.2f} {colours:8.4f}")
    print()


def _timed(
    run: Callable[[], tuple[float, float]],
) -> tuple[float, float, tuple[float, float]]:
    wall, processor = time.perf_counter(), time.process_time()
    numbers = run()
    return time.perf_counter() - wall, time.process_time() - processor, numbers


def _ours(task: Task) -> tuple[float, float]:
    size = tuple(task.picture.shape[1:])
    found = fit(task.model, _points(task.points), [size], [task.picture])
    drawn, shown = fit_draw.draw(task.model, found.face, found.camera, *size)
    return float(found.point_error[0]), float(fit_draw.colour_error(drawn, task.picture[None], shown)[0])


def _published(task: Task, config: PublishedConfig) -> tuple[float, float]:
    model, size = task.model, task.picture.shape[1]
    triangles = model.triangles[face_parts(model)]
    found = fit_published.fit_published(
        model, task.points[None], size, pictures=task.picture[None], config=config, triangles=triangles
    )
    with torch.no_grad():
        drawn, shown = fit_published.published_picture(model, found.face, size, triangles)
        wanted = (task.picture.movedim(0, -1)[None] + 1) * 127.5
        colours = float(fit_published.photo_loss(drawn, wanted, shown.float()))
        seen = fit_published.before_camera(model.vertices(found.face), found.face, model)
        apart = (fit_published.project(seen, model, size)[0] - task.points).norm(dim=-1)
    return float(apart.mean()), colours


def _points(xy: Tensor) -> Landmarks:
    return Landmarks(xy=xy[None], sigma=torch.ones(1, len(xy)))


def _noisy(xy: Tensor, seed: int) -> Tensor:
    return xy + torch.randn(xy.shape, generator=torch.Generator().manual_seed(seed))


def _person(model: head.Head, seed: int) -> Picture:
    person = sample_person(seed, model, tuple(STYLES))
    return paint(person, sample_scene(seed, person, model), model, size=SIZE)


def _task(model: head.Head, seed: int) -> Task:
    seen = _person(model, seed)
    return Task(f"person {seed}", model, seen.image, _noisy(seen.landmarks68, seed))


def _basel_task(model: bfm.Bfm) -> Task:
    """Return a picture of the Basel model itself, drawn as published, on grey."""
    # Both methods have to mean the same surface; the published fitting weighs normals by area.
    model.normals = partial(_weighted_normals, model)  # type: ignore[method-assign]
    chance = torch.Generator().manual_seed(0)
    sizes = model.sizes
    face = replace(
        neutral(sizes),
        identity=0.5 * torch.randn(1, sizes.identity, generator=chance),
        expression=0.5 * torch.randn(1, sizes.expression, generator=chance),
        texture=0.5 * torch.randn(1, sizes.texture, generator=chance),
        rotation=torch.tensor([[0.15, 0.35, 0.05]]),
    )
    light = face.light.clone()
    light[:, 1:4] += 0.2 * torch.randn(1, 3, 3, generator=chance)
    face = replace(face, light=light)
    with torch.no_grad():
        drawn, shown = fit_published.published_picture(model, face, SMALL, model.triangles[face_parts(model)])
        picture = torch.where(shown[..., None], drawn / 127.5 - 1, 0.0)[0].movedim(-1, 0)
        seen = fit_published.before_camera(model.vertices(face), face, model)
        points = fit_published.project(seen, model, SMALL)[0]
    return Task(model.name, model, picture, _noisy(points, 0))


def _weighted_normals(model: bfm.Bfm, vertices: Tensor) -> Tensor:
    return vertex_normals(vertices, model.triangles)


def _against_truth(model: head.Head, count: int) -> None:
    seen = [_person(model, HELD_OUT + k) for k in range(count)]
    xy = torch.stack([_noisy(one.landmarks68, HELD_OUT + k) for k, one in enumerate(seen)])
    points = Landmarks(xy=xy, sigma=torch.ones(xy.shape[:2]))
    sizes, pictures = [(SIZE, SIZE)] * count, [one.image for one in seen]
    print(f"{count} people of the world, true points and a pixel of noise, {SIZE} px: mean (median)")
    columns = ("rotation deg", "shape mm", "shape mm scaled", "focal %", "points px", "colours", "s each")
    print(f"{'':16}" + "".join(f"{name:>18}" for name in columns))
    rest = [one.coeffs for one in seen]
    for name, config in (
        ("mean head", None),
        ("points", FitConfig(photo=None)),
        ("and colours", FitConfig()),
    ):
        start = time.process_time()
        if config is None:
            numbers = [_shape_errors(model, neutral(model.sizes), face) for face in rest]
            rows = {"shape mm": [n[0] for n in numbers], "shape mm scaled": [n[1] for n in numbers]}
        else:
            found = fit(model, points, sizes, pictures, config=config)
            rows = _errors(model, found, seen)
            rows["s each"] = [(time.process_time() - start) / count]
        cells = [torch.tensor(rows[c]) if c in rows else None for c in columns]
        text = ["" if c is None else f"{float(c.mean()):.3f} ({float(c.median()):.3f})" for c in cells]
        print(f"{name:16}" + "".join(f"{one:>18}" for one in text), flush=True)


def _errors(model: head.Head, found: Fit, seen: list[Picture]) -> dict[str, list[float]]:
    rows: dict[str, list[float]] = {}
    for k, one in enumerate(seen):
        turned, _ = head_pose(one.coeffs, one.camera)
        pair = rotation.from_euler(turned), rotation.from_euler(found.face.rotation[k])
        rigid, scaled = _shape_errors(model, found.face[k : k + 1], one.coeffs)
        focal = found.camera.intrinsics[k, 0, 0] / one.camera.intrinsics[0, 0, 0] - 1
        drawn, shown = fit_draw.draw(model, found.face[k : k + 1], found.camera[k : k + 1], SIZE, SIZE)
        numbers = {
            "rotation deg": float(torch.rad2deg(rotation.angle_between(*pair))),
            "shape mm": rigid,
            "shape mm scaled": scaled,
            "focal %": 100 * abs(float(focal)),
            "points px": float(found.point_error[k]),
            "colours": float(fit_draw.colour_error(drawn, one.image[None], shown)[0]),
        }
        for name, value in numbers.items():
            rows.setdefault(name, []).append(value)
    return rows


@torch.no_grad()
def _shape_errors(model: head.Head, found: FaceCoeffs, true: FaceCoeffs) -> tuple[float, float]:
    """Return the mean distance of vertices of the face in mm, without and with a common scale."""
    own = torch.unique(model.triangles[face_parts(model)])
    upright = replace(true, neck=torch.zeros_like(true.neck))
    a, b = (1000 * model.vertices(face)[0, own] for face in (upright, found))
    a, b = a - a.mean(0), b - b.mean(0)
    b = b @ rotation.nearest(a.T @ b).T
    scale = float((a * b).sum() / b.square().sum())
    return float((a - b).norm(dim=-1).mean()), float((a - scale * b).norm(dim=-1).mean())


if __name__ == "__main__":
    main()
