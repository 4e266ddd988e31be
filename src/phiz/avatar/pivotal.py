"""A generator tuned until it draws one photo: pivotal tuning (Roich et al., 2021), as published.

The codes stay (the pivot), the weights move: all of them, the mapping's too, which nothing pulls at unless
neighbours are held. What is peculiar to the published code, and is a field here:

- At most 2 000 steps, 350 before (`PTI`). It stops before the step that would follow an LPIPS of 0.06.
- NeRFFaceSpeech tunes the generator itself and keeps no copy. There the locality regulariser is switched
  off, and could not work: both distances are between the tuned generator and itself. Here the
  original stays, and `Locality` holds what is around the pivot if it is asked for.
- Neighbours are drawn without fixed noise, the pivot with the network's own.
- Background codes are not tuned in this stage.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from phiz.avatar.descent import Course, Descent, Draws, Keep, Task, Watch
from phiz.avatar.projector import Draw, Drawing, check_size, of_generator
from phiz.avatar.target import Target, target
from phiz.generator.generator import Generator
from phiz.graphics.camera import Camera
from phiz.layers.perceptual import PerceptualDistance, perceptual_distance


@dataclass(frozen=True, kw_only=True)
class Locality:
    """How the generator is held around the pivot."""

    reach: float = 30.0
    """How far from the pivot, over all numbers of all styles, neighbours are taken ("alpha")."""
    square_weight: float = 0.1
    look_weight: float = 0.1
    samples: int = 1
    """Neighbours a step."""
    psi: float = 0.5
    """How far from the mean style the directions lead."""
    every: int = 1
    """Steps from one look at neighbours to the next."""


@dataclass(frozen=True, kw_only=True)
class TuneConfig:
    """How a generator is tuned."""

    steps: int = 2000
    """At most."""
    rate: float = 3e-4
    """Of Adam."""
    betas: tuple[float, float] = (0.9, 0.999)
    square_weight: float = 1.0
    """Of the mean squared difference of pictures in [-1, 1]."""
    look_weight: float = 1.0
    """Of the perceptual distance."""
    enough: float = 0.06
    """Stop at this perceptual distance; published for LPIPS over AlexNet."""
    locality: Locality | None = None
    """Off, as published."""


PUBLISHED = TuneConfig()
"""As NeRFFaceSpeech tunes."""
PTI = replace(PUBLISHED, steps=350)
"""As pivotal tuning did before."""


@dataclass(frozen=True, kw_only=True)
class Neighbours:
    """What is held in place around the pivot."""

    original: Draw
    """How the generator drew before."""
    styles: Callable[[Float[Tensor, "b z"]], Float[Tensor, "b n w"]]
    """Styles of codes, at the `psi` that is wanted."""
    codes: int
    """Numbers in a code."""
    distance: PerceptualDistance


@dataclass(frozen=True, kw_only=True)
class Pivot:
    """The codes of the photo, which stay."""

    w: Float[Tensor, "1 n w"]
    background: Float[Tensor, "1 l"] | None


@dataclass(frozen=True, kw_only=True)
class Tuned:
    """A generator that draws one photo."""

    generator: Generator
    course: Course


def tuning(
    drawing: Drawing,
    leaves: Mapping[str, Float[Tensor, "..."]],
    pivot: Pivot,
    aim: Target,
    config: TuneConfig = PUBLISHED,
    *,
    neighbours: Neighbours | None = None,
    draws: Draws | None = None,
    keep: Keep | None = None,
) -> Descent:
    """Return the descent that moves `leaves`, in place, until `drawing` draws the photo from its codes."""
    if config.locality is not None and (neighbours is None or draws is None):
        raise ValueError("locality needs neighbours, and draws to choose them by")

    def losses(step: int) -> dict[str, Tensor]:
        picture = drawing.draw(pivot.w, pivot.background, drawing.noise)
        apart, look = square(aim.picture, picture), aim.distance(picture).sum()
        total = config.square_weight * apart + config.look_weight * look
        found = {"square": apart, "look": look}
        near = config.locality
        if near is not None and step % near.every == 0 and float(look.detach()) > config.enough:
            assert neighbours is not None
            assert draws is not None
            codes = draws.normal(near.samples, neighbours.codes).to(pivot.w)
            total = total + locality_loss(drawing.draw, neighbours, pivot, codes, near)
        return {"loss": total, **found}

    task = Task(
        label="tuning",
        steps=config.steps,
        losses=losses,
        rate=lambda step: config.rate,
        betas=config.betas,
        is_enough=lambda found: found["look"] <= config.enough,
        settings={**asdict(config), "distance": aim.name},
        given={"picture": aim.picture, "w": pivot.w, **_named(pivot.background)},
    )
    return Descent(task, leaves, draws, keep)


def tune(
    generator: Generator,
    pivot: Pivot,
    picture: Float[Tensor, "1 3 h w"],
    camera: Camera,
    draws: Draws | None = None,
    config: TuneConfig = PUBLISHED,
    *,
    distance: PerceptualDistance | None = None,
    background_camera: Camera | None = None,
    keep: Keep | None = None,
    watch: Watch | None = None,
) -> Tuned:
    """Return a copy of a generator that draws the photo from the pivot and a camera; the given one stays.

    `distance` is LPIPS over AlexNet for the published numbers; without it the built-in one stands in.
    """
    check_size(generator, picture)
    tuned = copy.deepcopy(generator)
    drawing = of_generator(tuned, camera, background_camera=background_camera)
    neighbours = None
    if (near := config.locality) is not None:
        psi = near.psi
        neighbours = Neighbours(
            original=of_generator(generator, camera, background_camera=background_camera).draw,
            styles=lambda codes: generator.styles(codes, psi=psi),
            codes=generator.config.z_size,
            distance=distance or perceptual_distance,
        )
    descent = tuning(
        drawing,
        dict(tuned.named_parameters()),
        pivot,
        target(picture, distance),
        config,
        neighbours=neighbours,
        draws=draws,
        keep=keep,
    )
    course = descent.run(watch)
    return Tuned(generator=tuned, course=course)


def locality_loss(
    draw: Draw,
    neighbours: Neighbours,
    pivot: Pivot,
    codes: Float[Tensor, "b z"],
    config: Locality,
) -> Float[Tensor, ""]:
    """Return how much the pictures of the pivot's neighbours have changed; equation 5 of pivotal tuning."""
    total = pivot.w.new_zeros(())
    with torch.no_grad():
        places = [morphed(style[None], pivot.w, config.reach) for style in neighbours.styles(codes)]
    for place in places:
        picture = draw(place, pivot.background, {})
        with torch.no_grad():
            before = neighbours.original(place, pivot.background, {})
        total = total + config.square_weight * square(before, picture)
        total = total + config.look_weight * neighbours.distance(before, picture).sum()
    return total / len(places)


def square(a: Float[Tensor, "b 3 h w"], b: Float[Tensor, "b 3 h w"]) -> Float[Tensor, ""]:
    """Return the mean squared difference of pictures."""
    return (a - b).square().mean()


def morphed(w: Float[Tensor, "1 n w"], pivot: Float[Tensor, "1 n w"], reach: float) -> Float[Tensor, "1 n w"]:
    """Return the place so far from the pivot, in the direction of other styles."""
    way = w - pivot
    length: Tensor = torch.linalg.vector_norm(way)
    return pivot + way * reach / length


def _named(background: Tensor | None) -> dict[str, Tensor]:
    return {} if background is None else {"background": background}
