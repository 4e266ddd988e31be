"""A recorded case drawn by our generator: its key words in our terms."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import pytest
import torch
from parity.stylenerf_fragile import settled
from parity.stylenerf_sets import Recorded, camera_from
from torch import Tensor

from phiz.generator import poses
from phiz.generator.config import GeneratorConfig
from phiz.generator.generator import Depths, Edit, Generator, Plan, Prepared, Rays, Rendering, Warp
from phiz.graphics.camera import Camera
from phiz.graphics.rays import rays_through

USUAL_CAMERA = [0.3, 0.6, 0.5]
USUAL_PSI = 0.7
KNOWN = frozenset(
    "noise_mode force_fp32 camera_mode camera_matrices batch truncation_psi truncation_cutoff styles alpha "
    "theta "
    "disable_hierarchical render_option not_render_background only_render_background stride".split()
)
OPTIONS = ("steps:", "freeze_bg", "early", "depth", "normal", "gradient")


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """Everything that our generator says about a case."""

    generator: Generator
    prepared: Prepared
    styles: Tensor
    camera: Camera
    plan: Plan
    origins: Tensor
    directions: Tensor
    rays: Rays
    rendering: Rendering
    nudged: Tensor
    """(b, r) rays whose fine samples were taken from the recorded side of an edge."""

    @property
    def config(self) -> GeneratorConfig:
        return self.generator.config


def drawn(recorded: Recorded, name: str) -> Drawn:
    """Return a case as we draw it."""
    case = recorded.cases[name]
    generator = recorded.generator()
    generator.progress.fill_(case.get("alpha", recorded.config.get("alpha", 1.0)))
    batch = case.get("batch", 1)
    styles = styles_of(recorded, name, generator)
    behind = recorded.inputs["z_shape_bg"][:batch] if generator.background is not None else None
    with torch.no_grad():
        prepared = generator.prepare(styles, behind)
        camera = camera_of(recorded, name, generator.config, roll=_roll(case))
        plan = plan_of(case, generator.config)
        return draw(generator, prepared, styles, camera, plan, seen=recorded.part(name))


def draw(
    generator: Generator,
    prepared: Prepared,
    styles: Tensor,
    camera: Camera,
    plan: Plan,
    *,
    seen: Mapping[str, Tensor],
    depths: Depths | None = None,
    warp: Warp | None = None,
    edit: Edit | None = None,
) -> Drawn:
    """Return what the generator makes of prepared styles; `seen` is what was recorded."""
    uv = generator.pixels(generator.config.volume_resolution)

    def again(taken: Depths | None) -> Rays:
        return generator.march(prepared, camera, uv, plan=plan, depths=taken, warp=warp)

    rays = again(depths)
    batch = len(rays.colour)
    origins, directions = rays_through(camera, uv.expand(camera.batch, -1, -1))
    origins, directions = origins.expand(batch, -1), directions.expand(batch, -1, -1)
    rays, nudged = settled(
        generator.config,
        rays,
        directions.norm(dim=-1),
        is_opaque=prepared.behind is None or plan.shows == "foreground",
        again=again,
        score=lambda found: _deviation(found, seen),
    )
    return Drawn(
        generator=generator,
        prepared=prepared,
        styles=styles,
        camera=camera,
        plan=plan,
        origins=origins,
        directions=directions,
        rays=rays,
        rendering=generator.finish(prepared, rays, edit),
        nudged=nudged,
    )


def _deviation(rays: Rays, seen: Mapping[str, Tensor]) -> Tensor:
    """Return how far each ray is from what was recorded of it: its samples' places, or its colour."""
    if "vr.di" in seen and rays.samples is not None:
        return (rays.samples.places.sort(dim=-1).values - seen["vr.di"]).abs().amax(-1)
    small = seen.get("img_nerf", seen.get("vr.img"))
    if small is None:
        return torch.zeros_like(rays.opacity)
    return (rays.colour - small.flatten(2).transpose(1, 2)).abs().amax(-1)


def styles_of(recorded: Recorded, name: str, generator: Generator) -> Tensor:
    """Return a case's styles: those that were given, or those of its latent codes."""
    case = recorded.cases[name]
    if f"{name}.ws" in recorded.inputs:
        return recorded.inputs[f"{name}.ws"]
    if case.get("styles", "from z") != "from z":
        pytest.skip(f"{recorded.label} holds no styles for {name}")
    z = recorded.inputs["z"][: case.get("batch", 1)]
    with torch.no_grad():
        return generator.styles(
            z, psi=case.get("truncation_psi", USUAL_PSI), cutoff=case.get("truncation_cutoff")
        )


def camera_of(recorded: Recorded, name: str, config: GeneratorConfig, *, roll: float = 0.0) -> Camera:
    """Return a case's camera."""
    case = recorded.cases[name]
    mode = case.get("camera_mode", USUAL_CAMERA)
    if isinstance(mode, str):
        return poses.at_units(config, recorded.inputs[mode.removeprefix("tensor:inputs/")])
    if "camera_matrices" in case and "camera_mode" not in case:
        return camera_from(recorded.outputs[f"{name}/world_mat"], recorded.outputs[f"{name}/camera_mat"])
    return poses.at(config, mode, roll=roll)


def plan_of(case: Mapping[str, Any], config: GeneratorConfig) -> Plan:
    """Return how a case goes along its rays."""
    if strange := set(case) - KNOWN:
        pytest.skip(f"this runner knows no {', '.join(sorted(strange))}")
    options = [o for o in (case.get("render_option") or "").split(",") if o]
    if strange := {o for o in options if not o.startswith(OPTIONS)}:
        pytest.skip(f"this runner knows no render option {', '.join(sorted(strange))}")
    steps = re.search(r"steps:(\d+)", case.get("render_option") or "")
    shows: Literal["both", "foreground", "background"] = "both"
    if case.get("not_render_background"):
        shows = "foreground"
    elif case.get("only_render_background"):
        shows = "background"
    return Plan(
        samples=int(steps[1]) if steps else 0,
        is_hierarchical=not case.get("disable_hierarchical", False),
        shows=shows,
        background_camera=poses.frozen(config) if "freeze_bg" in options else None,
    )


def _roll(case: Mapping[str, Any]) -> float:
    theta = case.get("theta", 0.0)
    return float(theta[0] if isinstance(theta, list) else theta)
