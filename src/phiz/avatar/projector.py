"""The codes of a photo by descent, as published: a style w, the background's code, and fixed noise.

The projector of StyleGAN2 (Karras et al., 2020) as pivotal tuning (Roich et al., 2021) and then
NeRFFaceSpeech use it. It knows no network: a `Drawing` says how codes become a picture, and `of_generator`
makes one of ours. What is peculiar to the published code, and is a field or a number here:

- Always 1 000 steps, whatever is asked for; 450 before it was made to turn heads (`PTI`).
- The learning rate that Adam is given never counts (`schedules.Ramps`), and that of the first step is zero.
- 600 styles tell mean and spread, from one fixed seed; the first version of the projector took 10 000.
- "w+" is only a name there: one style is found and repeated, 21 times whatever the network. Here "w"
  repeats it as often as the network asks, and "w+" finds one a layer.
- Four codes are optimised beside w, of which one changes the picture: the background's. Here it is the
  only one.
- The noise that was found is thrown away: what follows draws with the network's own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Literal, NamedTuple, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from phiz.avatar.descent import Course, Descent, Draws, Keep, Task, Watch
from phiz.avatar.schedules import RAMPS, Ramps, noise_at, rate_at
from phiz.avatar.target import PROJECTION_SIDE, Target, target
from phiz.errors import UsageError
from phiz.generator import poses
from phiz.generator.generator import Generator, Plan
from phiz.graphics.camera import Camera
from phiz.layers.perceptual import PerceptualDistance

COARSEST = 8
"""parity: noise is looked at in halved sizes down to this many rows."""


@runtime_checkable
class Draw(Protocol):
    """How codes become a picture. Fixed noise that is not given is zero."""

    def __call__(
        self,
        w: Float[Tensor, "b n w"],
        background: Float[Tensor, "b l"] | None,
        noise: Mapping[str, Float[Tensor, "_ _"]],
    ) -> Float[Tensor, "b 3 _ _"]: ...


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """A network that draws from one place, and the sizes of its codes."""

    draw: Draw
    styles: int
    """Styles of a picture."""
    background: int = 0
    """Numbers in the background's code; 0 where there is none."""
    noise: Mapping[str, Float[Tensor, "_ _"]]
    """The network's own fixed noise, by name; empty where it has none."""


class Spread(NamedTuple):
    """Where styles lie."""

    mean: Float[Tensor, " w"]
    deviation: float
    """Root of the mean squared distance from the mean, over all numbers of a style together."""


@dataclass(frozen=True, kw_only=True)
class ProjectConfig:
    """How a photo is projected."""

    space: Literal["w", "w+"] = "w"
    """One style for all layers, or one a layer."""
    steps: int = 1000
    samples: int = 600
    """Random styles that tell their mean and spread."""
    seed: int = 123
    """Of their codes."""
    ramps: Ramps = RAMPS
    betas: tuple[float, float] = (0.9, 0.999)
    """Of Adam."""
    noise_weight: float = 1e5
    """Of what keeps noise from becoming a picture."""
    largest: int = PROJECTION_SIDE
    """Larger pictures are averaged down to this side before they are compared."""


PUBLISHED = ProjectConfig()
"""As NeRFFaceSpeech projects."""
PTI = replace(PUBLISHED, steps=450)
"""As pivotal tuning did before."""


@dataclass(frozen=True, kw_only=True)
class Projection:
    """The codes of a photo."""

    w: Float[Tensor, "1 n w"]
    """All styles, ready to draw with."""
    background: Float[Tensor, "1 l"] | None
    noise: Mapping[str, Float[Tensor, "_ _"]]
    """Fixed noise that fits them; the published method does not use it again."""
    course: Course


class Projector:
    """A projection under way; a class because its codes move. `descent` is what takes the steps."""

    def __init__(
        self,
        drawing: Drawing,
        aim: Target,
        spread: Spread,
        draws: Draws,
        config: ProjectConfig = PUBLISHED,
        *,
        start: Float[Tensor, "1 n w"] | None = None,
        keep: Keep | None = None,
    ) -> None:
        """Begin at the mean style, or at `start`; noise and background begin as they are drawn."""
        self._drawing, self._aim, self._draws, self._config = drawing, aim, draws, config
        self._deviation = spread.deviation
        device = aim.picture.device
        self.noise = {name: draws.normal(*old.shape).to(device) for name, old in drawing.noise.items()}
        self.background: Tensor | None = None
        if drawing.background:
            self.background = draws.normal(1, drawing.background).to(device)
        self.w = self._first(spread.mean.to(device), start)
        leaves = {"w": self.w, **{f"noise.{name}": value for name, value in self.noise.items()}}
        if self.background is not None:
            leaves["background"] = self.background
        task = Task(
            label="projecting",
            steps=config.steps,
            losses=self._losses,
            rate=lambda step: rate_at(config.ramps, step, config.steps),
            betas=config.betas,
            settle=lambda: standardise(self.noise),
            settings={**asdict(config), "distance": aim.name, "deviation": spread.deviation},
            given={"picture": aim.picture},
        )
        self.descent = Descent(task, leaves, draws, keep)

    def result(self) -> Projection:
        """Return the codes as they are now."""
        return Projection(
            w=self.w.detach().expand(-1, self._drawing.styles, -1).clone(),
            background=None if self.background is None else self.background.detach().clone(),
            noise={name: value.detach().clone() for name, value in self.noise.items()},
            course=self.descent.course,
        )

    def _first(self, mean: Tensor, start: Tensor | None) -> Tensor:
        """Return the style, or the styles, to begin with."""
        first = mean[None, None] if start is None else start.detach().to(mean)
        if self._config.space == "w+":
            return first.expand(-1, self._drawing.styles, -1).clone()
        if first.shape[1] != 1 and not bool((first == first[:, :1]).all()):
            raise ValueError("a start whose styles differ cannot be one style; project it into w+")
        return first[:, :1].clone()

    def _losses(self, step: int) -> dict[str, Tensor]:
        config = self._config
        size = self._deviation * noise_at(config.ramps, step, config.steps)
        shaken = self.w + self._draws.normal(*self.w.shape).to(self.w) * size
        styles = shaken.expand(-1, self._drawing.styles, -1)
        picture = self._drawing.draw(styles, self.background, self.noise)
        apart = self._aim.distance(picture).sum()
        if not self.noise:
            return {"loss": apart, "distance": apart}
        rough = noise_loss(self.noise)
        return {"loss": apart + config.noise_weight * rough, "distance": apart, "noise": rough}


def project(
    generator: Generator,
    picture: Float[Tensor, "1 3 h w"],
    camera: Camera,
    draws: Draws,
    config: ProjectConfig = PUBLISHED,
    *,
    distance: PerceptualDistance | None = None,
    background_camera: Camera | None = None,
    start: Float[Tensor, "1 n s"] | None = None,
    keep: Keep | None = None,
    watch: Watch | None = None,
) -> Projection:
    """Return the codes with which a generator draws a photo that was taken from a camera.

    `distance` is LPIPS over VGG16 for the published numbers; without it the built-in one stands in.
    """
    drawing = of_generator(generator, camera, background_camera=background_camera)
    check_size(generator, picture)
    aim = target(picture, distance, largest=config.largest)
    spread = spread_of_generator(generator, config)
    projector = Projector(drawing, aim, spread, draws, config, start=start, keep=keep)
    projector.descent.run(watch)
    return projector.result()


def spread_of(w: Float[Tensor, "n w"]) -> Spread:
    """Return where styles lie."""
    mean = w.mean(0)
    return Spread(mean, float(((w - mean).square().sum() / len(w)).sqrt()))


def published_codes(size: int, config: ProjectConfig = PUBLISHED) -> Float[Tensor, "n z"]:
    """Return the codes whose styles tell mean and spread: the same ones for every photo."""
    # parity: numbers of the generator that numpy keeps for old programs
    drawn = np.random.RandomState(config.seed).randn(config.samples, size)
    return torch.from_numpy(drawn).float()


@torch.no_grad()
def spread_of_generator(generator: Generator, config: ProjectConfig = PUBLISHED) -> Spread:
    """Return where the styles of a generator lie."""
    codes = published_codes(generator.config.z_size, config)
    return spread_of(generator.mapping(codes.to(generator.mapping.average)))


def noise_loss(noise: Mapping[str, Float[Tensor, "_ _"]]) -> Float[Tensor, ""]:
    """Return how much neighbours know of each other, at every size: 0 for noise that is only noise.

    Equation 9 of StyleGAN2's appendix D (Karras et al., 2020).
    """
    parts = []
    for plane in noise.values():
        level = plane[None, None]
        while True:
            parts += [(level * level.roll(1, dims=axis)).mean().square() for axis in (3, 2)]
            if level.shape[2] <= COARSEST:
                break
            level = torch.nn.functional.avg_pool2d(level, 2)
    return torch.stack(parts).sum()


@torch.no_grad()
def standardise(noise: Mapping[str, Float[Tensor, "_ _"]]) -> None:
    """Shift noise to a mean of zero and scale it to a mean square of one, in place."""
    for plane in noise.values():
        plane -= plane.mean()
        plane *= plane.square().mean().rsqrt()


class _Drawn(nn.Module):
    """A generator that draws from one place; a module so that its noise can be exchanged for a call."""

    def __init__(self, generator: Generator, camera: Camera, background_camera: Camera) -> None:
        super().__init__()
        self.generator = generator
        self._camera, self._plan = camera, Plan(background_camera=background_camera)

    def forward(
        self, w: Float[Tensor, "b n w"], background: Float[Tensor, "b l"] | None
    ) -> Float[Tensor, "b 3 _ _"]:
        return self.generator.render(w, self._camera, background=background, plan=self._plan).image


def of_generator(generator: Generator, camera: Camera, *, background_camera: Camera | None = None) -> Drawing:
    """Return how a generator draws from a camera.

    The background is seen from where the published system freezes it, unless another camera is given.
    """
    if generator.training:
        raise ValueError("a generator that is inverted has to be in eval mode, or its averages would move")
    behind = background_camera or poses.frozen(generator.config).to(camera.intrinsics.device)
    drawn = _Drawn(generator, camera, behind)
    own = {name: value for name, value in generator.named_buffers() if name.endswith(".noise")}

    def draw(
        w: Float[Tensor, "b n w"],
        background: Float[Tensor, "b l"] | None,
        noise: Mapping[str, Float[Tensor, "_ _"]],
    ) -> Float[Tensor, "b 3 _ _"]:
        put = {f"generator.{name}": noise.get(name, torch.zeros_like(old)) for name, old in own.items()}
        asked = (w, background)
        picture: Tensor = torch.func.functional_call(drawn, put, asked) if put else drawn(*asked)
        return picture

    latent = generator.config.background_latent if generator.background is not None else 0
    return Drawing(draw=draw, styles=generator.config.styles, background=latent, noise=own)


def check_size(generator: Generator, picture: Float[Tensor, "1 3 h w"]) -> None:
    """Refuse a picture that the generator cannot draw."""
    side = generator.config.resolution
    if tuple(picture.shape[2:]) != (side, side):
        raise UsageError(
            f"the photo has {picture.shape[3]} x {picture.shape[2]} pixels, the generator draws {side} x "
            f"{side}. Cut the face out at that size first (phiz align)."
        )
