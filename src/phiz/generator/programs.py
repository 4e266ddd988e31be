"""What an exported generator does: functions from named tensors to named tensors.

`split` makes two: one turns a code into a person, once; the other draws that person from a camera, every
frame. `whole` is both in one. `of_person` has somebody built in, and a camera is all that it takes.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypeVar

import torch
from torch import Tensor, nn

from phiz.errors import UsageError
from phiz.generator import poses
from phiz.generator.config import GeneratorConfig
from phiz.generator.generator import Generator, Prepared, Rendering
from phiz.generator.volume import PLAIN, UNTOLD_SAMPLES, Plan
from phiz.graphics.camera import Camera

T = TypeVar("T")
Tensors = Mapping[str, Tensor]
Code = Literal["styles", "z"]

CAMERA = ("world_from_camera", "intrinsics")
PART = "what the program 'prepare' made of a code, as it is"
MEANINGS: Mapping[str, str] = {
    "z": "latent code: normally distributed numbers",
    "psi": "how far the person may be from the mean one: 0 is the mean, 1 anybody",
    "styles": "one style for each layer",
    "background": "latent code of what is behind the head: normally distributed; zeros are the middle",
    "world_from_camera": (
        "columns right, up, back and position of the camera in the generator's frame, whose x leads from the "
        "head's middle to the frontal camera, y to the right of the frontal picture, z up; a camera looks "
        "along its own -z"
    ),
    "intrinsics": (
        "[[fu, 0, cu], [0, fv, cv], [0, 0, 1]] of a picture that reaches from -1 to 1, u to the right and v "
        "down: (x, y, z) of the camera's frame shows at u = fu x / d + cu, v = cv - fv y / d, d = -z; "
        "f = 1 / tan(angle / 2)"
    ),
    "image": "RGB as stored in picture files, from about -1 (black) to 1 (white); the first row is the top",
    "depth": (
        "mean depth along the camera's axis of what the rays met of the head, in generator units; it says "
        "nothing where the opacity is near 0"
    ),
    "opacity": "share of each pixel of the depth map that the head covers",
}
"""What tensors of these names mean; those of no other name mean `PART`."""


@dataclass(frozen=True, kw_only=True)
class Program:
    """A function that can be exported, and tensors that go in and come out."""

    name: str
    module: nn.Module
    """Takes tensors by name, returns a dict of tensors."""
    inputs: Tensors
    """An example; shapes have to be these."""
    outputs: Tensors
    """What it answers to the example."""


class Prepare(nn.Module):
    """From a code to what `Draw` wants to know about a person."""

    def __init__(self, generator: Generator, names: frozenset[str]) -> None:
        super().__init__()
        self.generator = generator
        self.names = names

    def forward(self, **codes: Tensor) -> dict[str, Tensor]:
        found = tensors_of(_prepared(self.generator, codes))
        return {name: value.contiguous() for name, value in found if name in self.names}


class Draw(nn.Module):
    """From a camera, and what is to be said about the person, to a picture. Its weights are the person."""

    def __init__(self, generator: Generator, person: Prepared, plan: Plan) -> None:
        super().__init__()
        # The method alone: as a module the generator would bring weights that no picture needs.
        self.render: Callable[..., Rendering] = generator.render
        self.person = person
        self.plan = plan

    def forward(self, **tensors: Tensor) -> dict[str, Tensor]:
        return _drawn(self.render, refilled(self.person, tensors), tensors, self.plan)


class Whole(nn.Module):
    """From a code and a camera to a picture."""

    def __init__(self, generator: Generator, plan: Plan) -> None:
        super().__init__()
        self.generator = generator
        self.plan = plan

    def forward(self, **tensors: Tensor) -> dict[str, Tensor]:
        return _drawn(self.generator.render, _prepared(self.generator, tensors), tensors, self.plan)


class Split(NamedTuple):
    """A generator in two programs; the answers of one go into the other."""

    prepare: Program
    draw: Program


def split(generator: Generator, *, code: Code = "styles", views: int = 1) -> Split:
    """Return what makes a person of a code, and what draws them from `views` cameras at once."""
    generator, plan = _still(generator)
    codes, cameras = example_codes(generator, code), example_cameras(generator.config, views)
    names = _depending(generator, codes)
    prepare = _program("prepare", Prepare(generator, names), codes)
    person = _separate(generator.prepare(_styles(generator, codes), codes.get("background")))
    draw = _program("draw", Draw(generator, person, plan), {**prepare.outputs, **cameras})
    return Split(prepare, draw)


def whole(generator: Generator, *, code: Code = "styles", views: int = 1) -> Program:
    """Return what draws whom a code stands for, from `views` cameras at once."""
    generator, plan = _still(generator)
    codes, cameras = example_codes(generator, code), example_cameras(generator.config, views)
    return _program("whole", Whole(generator, plan), {**codes, **cameras})


def of_person(generator: Generator, person: Prepared, *, views: int = 1) -> Program:
    """Return what draws one person, from `views` cameras at once."""
    generator, plan = _still(generator)
    module = Draw(generator, _separate(person), plan)
    return _program("person", module, example_cameras(generator.config, views))


def example_codes(generator: Generator, code: Code, seed: int = 0) -> dict[str, Tensor]:
    """Return somebody's code and background, as programs take them."""
    config, chance = generator.config, torch.Generator().manual_seed(seed)
    if config.labels and code == "z":
        raise UsageError("this generator makes styles of labels too. Export it from styles on: --code styles")
    z = torch.randn(1, config.z_size, generator=chance)
    if code == "z":
        codes = {"z": z, "psi": torch.tensor(0.7)}
    else:
        labels = torch.zeros(1, config.labels) if config.labels else None
        codes = {"styles": generator.styles(z, labels).contiguous()}
    if generator.background is not None:
        codes["background"] = torch.randn(1, config.background_latent, generator=chance)
    return codes


def example_cameras(config: GeneratorConfig, views: int, seed: int = 0) -> dict[str, Tensor]:
    """Return cameras from which the generator learned, as programs take them."""
    camera = poses.sample(config, views, torch.Generator().manual_seed(seed))
    return dict(zip(CAMERA, (camera.world_from_camera, camera.intrinsics), strict=True))


def tensors_of(value: object, name: str = "") -> Iterator[tuple[str, Tensor]]:
    """Yield all tensors in nested tuples, each with a name that says where it is."""
    if isinstance(value, Tensor):
        yield name, value
    elif isinstance(value, tuple):
        for key, part in _parts(value, name):
            yield from tensors_of(part, key)


def refilled(value: T, tensors: Tensors, name: str = "") -> T:
    """Return nested tuples with the tensors of some names in place of their own."""
    made: Any = value
    if isinstance(value, Tensor):
        made = tensors.get(name, value)
    elif isinstance(value, tuple):
        parts = tuple(refilled(part, tensors, key) for key, part in _parts(value, name))
        made = type(value)._make(parts) if hasattr(value, "_make") else parts
    found: T = made
    return found


def _parts(value: tuple[object, ...], name: str) -> Iterator[tuple[str, object]]:
    for key, part in zip(getattr(value, "_fields", range(len(value))), value, strict=True):
        yield f"{name}_{key}" if name else str(key), part


def _still(generator: Generator) -> tuple[Generator, Plan]:
    """Return a copy that does not learn, and how it goes along rays."""
    progress = float(generator.progress)
    if 0 <= progress < 1:
        raise UsageError(
            f"this generator was saved while it grew, at {progress:.2f} of 1; an exported one draws in full "
            "size only. Export one that was trained to the end."
        )
    plan = PLAIN if progress >= 0 else Plan(samples=UNTOLD_SAMPLES)
    return copy.deepcopy(generator).eval().requires_grad_(False), plan


def _styles(generator: Generator, codes: Tensors) -> Tensor:
    if "styles" in codes:
        return codes["styles"]
    return generator.mapping.average.lerp(generator.styles(codes["z"]), codes["psi"])


def _prepared(generator: Generator, codes: Tensors) -> Prepared:
    return generator.prepare(_styles(generator, codes), codes.get("background"))


def _drawn(
    render: Callable[..., Rendering], person: Prepared, tensors: Tensors, plan: Plan
) -> dict[str, Tensor]:
    matrix, inner = (tensors[name] for name in CAMERA)
    found = render(person, Camera(world_from_camera=matrix, intrinsics=inner), plan=plan)
    return {"image": found.image, "depth": found.depth, "opacity": found.opacity}


@torch.enable_grad()
def _depending(generator: Generator, codes: Tensors) -> frozenset[str]:
    """Return the names of the tensors of a person that depend on the code: those a gradient reaches."""
    watched = {name: value.clone().requires_grad_() for name, value in codes.items()}
    found = tensors_of(_prepared(generator, watched))
    return frozenset(name for name, value in found if value.requires_grad)


def _separate(person: Prepared) -> Prepared:
    """Return a person none of whose tensors shares memory with another, or is part of a larger one."""
    own = {
        name: value.detach().clone(memory_format=torch.contiguous_format)
        for name, value in tensors_of(person)
    }
    return refilled(person, own)


@torch.no_grad()
def _program(name: str, module: nn.Module, inputs: Tensors) -> Program:
    inputs = {key: value.detach().contiguous() for key, value in inputs.items()}
    return Program(name=name, module=module.eval(), inputs=inputs, outputs=module(**inputs))
