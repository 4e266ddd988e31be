"""The head in a radiance field as a mesh with colours, for other programs: ``.glb``, ``.obj`` or ``.ply``.

The field's density is read on a cubic grid of the generator's frame; where it reaches a level is the
surface. The file is in our head frame and in metres.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from phiz.avatar import avatar as avatars
from phiz.avatar.avatar import Avatar
from phiz.console import Console
from phiz.errors import UsageError
from phiz.face import export
from phiz.face.coeffs import FaceCoeffs, Sizes, neutral
from phiz.face.morphable import REGIONS, Part, vertex_normals
from phiz.generator import store
from phiz.generator.config import GeneratorConfig
from phiz.generator.generator import Generator, Prepared
from phiz.graphics import frames
from phiz.graphics.marching import isosurface, largest_component
from phiz.options import option, positional

AT_ONCE = 1 << 16
"""Points that a field is asked for together; bounds the memory."""
HALVINGS = 6
"""How often the stretch between two grid points is halved on the way to the surface between them."""


@runtime_checkable
class Field(Protocol):
    """What fills space, seen in the generator's frame."""

    def density(self, points: Float[Tensor, "n 3"]) -> Float[Tensor, " n"]:
        """Return how much light a point takes, a unit of length; never negative."""
        ...

    def colour(self, points: Float[Tensor, "n 3"]) -> Float[Tensor, "n 3"]:
        """Return the colour of a point, sRGB in [-1, 1]."""
        ...


@dataclass(frozen=True, kw_only=True)
class ColouredMesh:
    """A surface with a colour at each vertex."""

    vertices: Float[Tensor, "n 3"]
    """In metres, in the head frame: x to the person's left, y up, z out of the face."""
    triangles: Int[Tensor, "f 3"]
    """Vertex numbers, anticlockwise seen from outside."""
    colours: Float[Tensor, "n 3"]
    """sRGB in [0, 1]."""


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """The head that a generator draws, as a `Field`."""

    generator: Generator
    person: Prepared

    def density(self, points: Float[Tensor, "n 3"]) -> Float[Tensor, " n"]:
        """Return densities a generator unit, whatever the network counts lengths in."""
        config = self.generator.config
        unit = config.far - config.near if config.is_length_relative else 1.0
        return self.generator.density(self.person, points[None])[0] / unit

    def colour(self, points: Float[Tensor, "n 3"]) -> Float[Tensor, "n 3"]:
        return self.generator.colour(self.person, points[None])[0]


@dataclass(frozen=True, kw_only=True)
class MeshConfig:
    """Whose head to write, and how finely."""

    avatar: Path | None = positional(None)
    """The person, an avatar's file, instead of a seed."""
    output: Path = option(Path("head.glb"), "-o", "--output")
    """The file to write; its ending says which kind: .glb, .obj or .ply."""
    seed: int = 0
    """The person's number."""
    generator: Path | None = None
    """Weights of a generator; without them the built-in one."""
    psi: float = 0.7
    """How far the person may be from the mean one: 0 is the mean, 1 anybody."""
    resolution: int = 128
    """Points along each edge of the grid on which the density is read."""
    bounds: float | None = None
    """Half of the grid's edge in generator units; without it, all that the generator was trained to show."""
    level: float | None = None
    """Density at which the surface is; without it, where one cell of the grid takes half of the light."""

    def __post_init__(self) -> None:
        if not 8 <= self.resolution <= 1024:
            raise ValueError(f"--resolution {self.resolution} cannot be; choose 8 to 1024 points")
        if self.seed < 0:
            raise ValueError("--seed must not be negative")
        for name in ("bounds", "level"):
            value = getattr(self, name)
            if value is not None and not 0 < value < math.inf:
                raise ValueError(f"--{name} {value} cannot be; it has to be more than 0")


def mesh_verb(config: MeshConfig, console: Console) -> Mapping[str, object]:
    """Write a drawn head as a mesh with colours for Blender, a game engine or a web page.

    Examples:
        phiz mesh anna.avatar -o anna.glb
        phiz mesh --seed 7 -o head.glb
        phiz mesh --seed 7 --resolution 256 -o fine.ply
        phiz mesh --generator network.safetensors --level 60 -o head.obj
    """
    ending(config.output)  # before the work, not after
    if config.avatar is not None:
        return write_avatar(avatars.load(config.avatar), config, console)
    return write_person(store.load(config.generator), config, console)


def write_avatar(someone: Avatar, config: MeshConfig, console: Console) -> Mapping[str, object]:
    """Write the person of an avatar; return what was written."""
    with torch.no_grad():
        field = Drawn(generator=someone.generator, person=someone.prepare())
    return _write(field, someone.generator.config, config, console)


def write_person(generator: Generator, config: MeshConfig, console: Console) -> Mapping[str, object]:
    """Write whom a seed stands for; return what was written."""
    if generator.config.labels:
        raise UsageError("this generator draws nobody without a label. Give --generator one that does.")
    return _write(person_of(generator, config.seed, config.psi), generator.config, config, console)


def _write(
    field: Field, drawn: GeneratorConfig, config: MeshConfig, console: Console
) -> Mapping[str, object]:
    made = mesh_of(
        field,
        resolution=config.resolution,
        bounds=config.bounds or shown(drawn),
        level=config.level,
        units_per_metre=drawn.units_per_metre,
        console=console,
    )
    write(config.output, made)
    vertices, triangles = len(made.vertices), len(made.triangles)
    size = config.output.stat().st_size
    console.say(f"{config.output}: {vertices} vertices, {triangles} triangles, {size / 1e6:.1f} MB")
    return {"output": str(config.output), "vertices": vertices, "triangles": triangles, "bytes": size}


@torch.no_grad()
def person_of(generator: Generator, seed: int, psi: float = 1.0) -> Drawn:
    """Return the person whom a seed stands for."""
    chance = torch.Generator().manual_seed(seed)
    z = torch.randn(1, generator.config.z_size, generator=chance).to(generator.mapping.average)
    return Drawn(generator=generator, person=generator.prepare(generator.styles(z, psi=psi)))


def shown(config: GeneratorConfig) -> float:
    """Return half the edge of the largest cube that a generator's rays cross and its planes cover.

    Beyond it the field was never looked at in training; anything may be there.
    """
    along = (config.far - config.near) / 2
    return min(along, config.planes_span / 2) if config.source == "planes" else along


@torch.no_grad()
def mesh_of(
    field: Field,
    *,
    resolution: int = 128,
    bounds: float = 0.15,
    level: float | None = None,
    units_per_metre: float = frames.GENERATOR_UNITS_PER_METRE,
    console: Console | None = None,
) -> ColouredMesh:
    """Return the largest closed surface on which a field is as dense as the level.

    The grid has `resolution` points along each edge of a cube that reaches from minus to plus
    `bounds` generator units; what reaches beyond ends in flat walls. Between two grid points the field is
    asked again: it is so steep there that a straight line would leave steps on the surface. Without a
    level the surface is where a slab as thick as one cell of the grid takes half of the light.
    """
    cell = 2 * bounds / (resolution - 1)
    level = half_light(cell) if level is None else level
    values = sample_density(field, resolution=resolution, bounds=bounds, console=console)
    _check_level(values, level)
    surface = largest_component(isosurface(values, level, closed=True))
    points = _settled(field, level, surface.vertices, cell, bounds)
    colours = torch.cat([field.colour(part) for part in torch.split(points, AT_ONCE)])
    head_from_generator = frames.invert(frames.generator_from_head(units_per_metre)).to(points)
    return ColouredMesh(
        vertices=frames.transform(head_from_generator, points),
        triangles=surface.triangles,
        colours=((colours + 1) / 2).clamp(0, 1),
    )


def half_light(thickness: float) -> float:
    """Return the density of which a slab of some thickness takes half of the light that enters it."""
    return math.log(2) / thickness


@torch.no_grad()
def sample_density(
    field: Field, *, resolution: int, bounds: float, console: Console | None = None
) -> Float[Tensor, "x y z"]:
    """Return densities on a cubic grid around the generator's origin, both ends of each axis included."""
    axis = torch.linspace(-bounds, bounds, resolution)
    across = torch.cartesian_prod(axis, axis)
    sheets: Iterable[Tensor] = axis.unbind()
    if console is not None:
        sheets = console.progress(sheets, total=resolution, label="density")
    values = []
    for x in sheets:
        points = torch.cat([x.expand(len(across), 1), across], dim=1)
        values.append(_density(field, points))
    return torch.stack(values).reshape(resolution, resolution, resolution)


def write(path: Path, mesh: ColouredMesh) -> None:
    """Write a mesh in the format that the ending of its name stands for."""
    model = _Still(mesh)
    face = neutral(model.sizes)
    kind = ending(path)
    if kind == "glb":
        export.write_glb(path, model, face, with_expressions=False)
    elif kind == "obj":
        export.write_obj(path, model, face)
    else:
        export.write_ply(path, model, face)


def ending(path: Path) -> str:
    """Return which of ``export.FORMATS`` a name stands for, or say that it is none of them."""
    found = path.suffix.lower().removeprefix(".")
    if found not in export.FORMATS:
        raise UsageError(f"{path} ends in none of {', '.join(export.FORMATS)}. Rename it.")
    return found


def _density(field: Field, points: Tensor) -> Tensor:
    return torch.cat([field.density(part) for part in torch.split(points, AT_ONCE)])


def _settled(field: Field, level: float, vertices: Tensor, cell: float, bounds: float) -> Tensor:
    """Return vertices in generator units, each where its edge of the grid meets the field's own surface.

    Those on grid points, walls among them, stay there.
    """
    first, second = vertices.floor() * cell - bounds, vertices.ceil() * cell - bounds
    is_inside = _density(field, first) > level
    for _ in range(HALVINGS):
        middle = (first + second) / 2
        is_alike = ((_density(field, middle) > level) == is_inside)[:, None]
        first, second = torch.where(is_alike, middle, first), torch.where(is_alike, second, middle)
    return (first + second) / 2


def _check_level(values: Tensor, level: float) -> None:
    """Say which densities there are if none of them, or all, are above the level."""
    least, most = values.min().item(), values.max().item()
    seen = f"its densities reach from {least:.4g} to {most:.4g}, with a mean of {values.mean().item():.4g}"
    if not math.isfinite(most - least):
        raise UsageError(f"the field is not finite everywhere: {seen}. Use other weights.")
    if most <= level:
        raise UsageError(
            f"nothing in the field is denser than {level:.4g}: {seen}. "
            + (f"Try --level {(least + most) / 2:.3g}" if most > least else "It is empty; use other weights.")
        )
    if least > level:
        raise UsageError(
            f"the whole field is denser than {level:.4g}: {seen}. Try --level {(least + most) / 2:.3g}"
        )


class _Still:
    """A mesh as a head model that never changes: what the writers of head models want."""

    name = "field"
    metres_per_unit = 1.0
    expression_names: tuple[str, ...] = ()

    def __init__(self, mesh: ColouredMesh) -> None:
        count = len(mesh.vertices)
        self.sizes = Sizes(identity=0, expression=0, texture=0)
        self.mesh = mesh
        self.triangles = mesh.triangles
        self.parts = torch.full((len(mesh.triangles),), int(Part.SKIN), device=mesh.triangles.device)
        self.regions = mesh.vertices.new_zeros(count, len(REGIONS))
        self.skin_mask = mesh.vertices.new_zeros(count)
        self.lip_mask = mesh.vertices.new_zeros(count)

    def vertices(self, face: FaceCoeffs) -> Float[Tensor, "1 v 3"]:
        return self.mesh.vertices[None]

    def normals(self, vertices: Float[Tensor, "1 v 3"]) -> Float[Tensor, "1 v 3"]:
        return vertex_normals(vertices, self.triangles)

    def colours(self, face: FaceCoeffs) -> Float[Tensor, "1 v 3"]:
        return self.mesh.colours[None]

    def landmarks(self, vertices: Float[Tensor, "1 v 3"]) -> Float[Tensor, "1 68 3"]:
        """Return NaN: nobody has marked any."""
        return vertices.new_full((1, 68, 3), math.nan)
