"""A recorded case drawn by our generator: its key words in our terms."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any, Literal

import pytest
import torch
from parity.stylenerf_fragile import misplaced, settled, without
from parity.stylenerf_rounding import in_double
from parity.stylenerf_sets import Recorded, camera_from
from torch import Tensor

from phiz.generator import poses
from phiz.generator.config import GeneratorConfig
from phiz.generator.generator import Depths, Edit, Generator, Plan, Prepared, Rays, Rendering, Warp
from phiz.generator.volume import PLAIN
from phiz.graphics.camera import Camera
from phiz.graphics.rays import rays_through

USUAL_CAMERA = [0.3, 0.6, 0.5]
USUAL_PSI = 0.7
KNOWN = frozenset(
    "noise_mode force_fp32 camera_mode camera_matrices batch truncation_psi truncation_cutoff styles alpha "
    "theta "
    "disable_hierarchical render_option not_render_background only_render_background stride".split()
)
WEIGHED = 2e-5
"""Weight that may lie between a fine sample and where it belongs; whole intervals of 1e-5 are passed over."""
OPTIONS = ("steps:", "freeze_bg", "early", "depth", "normal", "gradient")


@dataclass(frozen=True, kw_only=True)
class Scene:
    """What is drawn, in the precision of its generator."""

    generator: Generator
    styles: Callable[[Generator], Tensor]
    """Makes the styles in a generator's precision."""
    behind: Tensor | None
    camera: Camera
    plan: Plan = PLAIN
    warp: Warp | None = None
    edit: Edit | None = None


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """Everything that our generator says about a scene."""

    scene: Scene
    prepared: Prepared
    styles: Tensor
    origins: Tensor
    directions: Tensor
    rays: Rays
    rendering: Rendering
    nudged: Tensor
    """(b, r) rays whose fine samples were taken from the recorded side of an edge."""

    @property
    def generator(self) -> Generator:
        return self.scene.generator

    @property
    def camera(self) -> Camera:
        return self.scene.camera

    @property
    def config(self) -> GeneratorConfig:
        return self.generator.config

    @property
    def is_opaque(self) -> bool:
        """Return whether nothing shows behind the head."""
        return self.prepared.behind is None or self.scene.plan.shows == "foreground"

    def again(self, rounding: AbstractContextManager[Any]) -> Drawn:
        """Return the same in double precision, with the same samples, within what rounds its numbers."""
        depths = None if self.rays.samples is None else in_double(self.rays.depths)
        scene = in_double(self.scene)
        with torch.no_grad(), rounding:
            # What the camera holds was rounded once, too.
            world = scene.camera.world_from_camera * 1.0
            scene = replace(scene, camera=replace(scene.camera, world_from_camera=world))
            return draw(scene, depths=depths)


def scene_of(recorded: Recorded, name: str) -> Scene:
    """Return what a case shows."""
    case = recorded.cases[name]
    generator = recorded.generator()
    generator.progress.fill_(case.get("alpha", recorded.config.get("alpha", 1.0)))
    batch = case.get("batch", 1)
    return Scene(
        generator=generator,
        styles=styles_of(recorded, name),
        behind=recorded.inputs["z_shape_bg"][:batch] if generator.background is not None else None,
        camera=camera_of(recorded, name, generator.config, roll=_roll(case)),
        plan=plan_of(case, generator.config),
    )


def drawn(recorded: Recorded, name: str) -> Drawn:
    """Return a case as we draw it, on the recorded side of every edge that rounding can cross."""
    with torch.no_grad():
        return settled_on(draw(scene_of(recorded, name)), recorded.part(name))


def drawn_at_recorded(recorded: Recorded, name: str) -> Drawn:
    """Return a case with its samples where they were recorded; where they were not, as `drawn`."""
    seen = recorded.part(name)
    with torch.no_grad():
        ours = draw(scene_of(recorded, name))
        if "vr.di" not in seen or ours.rays.depths.fine is None:
            return settled_on(ours, seen)
        coarse = ours.rays.depths.coarse
        return draw(ours.scene, depths=Depths(coarse, without(seen["vr.di"], coarse)))


def draw(scene: Scene, *, depths: Depths | None = None) -> Drawn:
    """Return what the generator makes of a scene."""
    generator, camera = scene.generator, scene.camera
    styles = scene.styles(generator)
    prepared = generator.prepare(styles, scene.behind)
    uv = generator.pixels(generator.config.volume_resolution).to(styles)
    rays = generator.march(prepared, camera, uv, plan=scene.plan, depths=depths, warp=scene.warp)
    batch = len(rays.colour)
    origins, directions = rays_through(camera, uv.expand(camera.batch, -1, -1))
    return Drawn(
        scene=scene,
        prepared=prepared,
        styles=styles,
        origins=origins.expand(batch, -1),
        directions=directions.expand(batch, -1, -1),
        rays=rays,
        rendering=generator.finish(prepared, rays, scene.edit),
        nudged=torch.zeros_like(rays.opacity, dtype=torch.bool),
    )


def settled_on(ours: Drawn, seen: Mapping[str, Tensor]) -> Drawn:
    """Return a drawing whose fine samples lie on the side of every edge on which they were recorded."""
    scene, prepared = ours.scene, ours.prepared
    uv = scene.generator.pixels(ours.config.volume_resolution)

    def again(depths: Depths) -> Rays:
        return scene.generator.march(
            prepared, scene.camera, uv, plan=scene.plan, depths=depths, warp=scene.warp
        )

    rays, nudged = settled(
        ours.config,
        ours.rays,
        ours.directions.norm(dim=-1),
        is_opaque=ours.is_opaque,
        again=again,
        score=lambda found: _deviation(found, seen),
    )
    if not nudged.any():
        return ours
    rendering = scene.generator.finish(prepared, rays, scene.edit)
    return replace(ours, rays=rays, rendering=rendering, nudged=nudged)


def check_places(recorded: Recorded, name: str, drawn: Drawn, check: Callable[..., None]) -> None:
    """Check that recorded fine samples, at which a scene was drawn, lie where ours belong."""
    recorded_places = drawn.rays.depths.fine
    assert recorded_places is not None

    def numbers(drawn: Drawn) -> dict[str, Tensor]:
        places = recorded_places.to(drawn.styles)
        stretch = drawn.directions.norm(dim=-1)
        return {"places": misplaced(drawn.config, drawn.rays, stretch, places, is_opaque=drawn.is_opaque)}

    found = numbers(drawn)["places"]
    expected = torch.zeros_like(found)
    check(recorded, f"{name}/weight before fine samples", found, expected, tolerance=WEIGHED)


def _deviation(rays: Rays, seen: Mapping[str, Tensor]) -> Tensor:
    """Return how far each ray is from what was recorded of it: its samples' places, or its colour."""
    if "vr.di" in seen and rays.samples is not None:
        return (rays.samples.places.sort(dim=-1).values - seen["vr.di"]).abs().amax(-1)
    small = seen.get("img_nerf", seen.get("vr.img"))
    if small is None:
        return torch.zeros_like(rays.opacity)
    return (rays.colour - small.flatten(2).transpose(1, 2)).abs().amax(-1)


def styles_of(recorded: Recorded, name: str) -> Callable[[Generator], Tensor]:
    """Return what makes a case's styles: those that were given, or those of its latent codes."""
    case = recorded.cases[name]
    if f"{name}.ws" in recorded.inputs:
        return given(recorded.inputs[f"{name}.ws"])
    if case.get("styles", "from z") != "from z":
        pytest.skip(f"{recorded.label} holds no styles for {name}")
    z = recorded.inputs["z"][: case.get("batch", 1)]
    psi, cutoff = case.get("truncation_psi", USUAL_PSI), case.get("truncation_cutoff")
    return lambda generator: generator.styles(z.to(generator.progress), psi=psi, cutoff=cutoff)


def given(styles: Tensor) -> Callable[[Generator], Tensor]:
    """Return what hands out styles in a generator's precision."""
    return lambda generator: styles.to(generator.progress)


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
