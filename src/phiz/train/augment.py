"""Adaptive augmentation: show the discriminator changed pictures, as strongly as it needs, and no more.

Karras et al., "Training Generative Adversarial Networks with Limited Data", 2020. A discriminator that sees
too few pictures learns them by heart. So everything it sees, real or drawn, is changed at random, each
change happening with a probability `p`; `AdaController` moves `p` until the discriminator is right about
real pictures as often as it should be.

The generator learns no augmented pictures from this as long as each change is left out often enough for
the unchanged picture to stay the most likely one: below a `p` of about 0.8, section 3 of the paper finds.
Each change is therefore drawn so that doing nothing is among its outcomes: of the pictures that are to be
mirrored with probability `p`, half are.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float, Shaped
from torch import Tensor

from phiz.errors import CheckpointError
from phiz.graphics import rotation
from phiz.train import augment_colour as colour
from phiz.train.augment_geometry import blit, warp


@dataclass(frozen=True, kw_only=True)
class AugmentConfig:
    """How to change the pictures that the discriminator sees; the first fields multiply `p`, 0 is never."""

    flip: float = 0.0
    """How often to mirror left and right."""
    quarter_turn: float = 0.0
    """How often to turn by 0, 90, 180 or 270 degrees."""
    whole_shift: float = 0.0
    """How often to shift by whole pixels."""
    scale: float = 0.0
    """How often to enlarge or shrink."""
    turn: float = 0.0
    """How often to turn by any angle."""
    stretch: float = 0.0
    """How often to stretch along one axis and squeeze along the other."""
    shift: float = 0.0
    """How often to shift by fractions of a pixel."""
    brightness: float = 0.0
    """How often to brighten or darken."""
    contrast: float = 0.0
    """How often to change the contrast."""
    luma_flip: float = 0.0
    """How often to swap light and dark."""
    hue: float = 0.0
    """How often to turn the hues."""
    saturation: float = 0.0
    """How often to change the saturation."""
    filter: float = 0.0
    """How often to amplify or weaken each octave of detail."""
    noise: float = 0.0
    """How often to add noise."""
    cutout: float = 0.0
    """How often to cut out a square."""
    whole_shift_most: float = 0.125
    """Largest shift by whole pixels, as a share of the picture."""
    scale_deviation: float = 0.2
    """Standard deviation of the scale, in octaves."""
    turn_most: float = math.pi
    """Largest angle, in radians."""
    stretch_deviation: float = 0.2
    """Standard deviation of the stretch, in octaves."""
    shift_deviation: float = 0.125
    """Standard deviation of the shift, as a share of the picture."""
    brightness_deviation: float = 0.2
    """Standard deviation of what is added to colours, which reach from -1 to 1."""
    contrast_deviation: float = 0.5
    """Standard deviation of the contrast, in octaves."""
    hue_most: float = math.pi
    """Largest turn of the hues, in radians."""
    saturation_deviation: float = 1.0
    """Standard deviation of the saturation, in octaves."""
    filter_bands: tuple[float, float, float, float] = (1.0, 1.0, 1.0, 1.0)
    """How often, of the times that the filter is used, to change each octave; the coarsest first."""
    filter_deviation: float = 1.0
    """Standard deviation of each octave's gain, itself in octaves."""
    noise_deviation: float = 0.1
    """Standard deviation of the noise's own standard deviation."""
    cutout_size: float = 0.5
    """Side of the square that is cut out, as a share of the picture's."""

    def __post_init__(self) -> None:
        values = [value for name, value in vars(self).items() if name != "filter_bands"]
        if min(*values, *self.filter_bands) < 0:
            raise ValueError(f"every number of an augmentation has to be at least 0: {self}")


NONE = AugmentConfig()
BLIT = AugmentConfig(flip=1, quarter_turn=1, whole_shift=1)
GEOMETRY = AugmentConfig(scale=1, turn=1, stretch=1, shift=1)
COLOUR = AugmentConfig(brightness=1, contrast=1, luma_flip=1, hue=1, saturation=1)
FILTER = AugmentConfig(filter=1)
NOISE = AugmentConfig(noise=1)
CUTOUT = AugmentConfig(cutout=1)
BG = replace(BLIT, scale=1, turn=1, stretch=1, shift=1)
BGC = replace(BG, brightness=1, contrast=1, luma_flip=1, hue=1, saturation=1)
BGCF = replace(BGC, filter=1)
BGCFN = replace(BGCF, noise=1)
BGCFNC = replace(BGCFN, cutout=1)

PIPES: Mapping[str, AugmentConfig] = {
    "noaug": NONE,
    "blit": BLIT,
    "geom": GEOMETRY,
    "color": COLOUR,
    "filter": FILTER,
    "noise": NOISE,
    "cutout": CUTOUT,
    "bg": BG,
    "bgc": BGC,
    "bgcf": BGCF,
    "bgcfn": BGCFN,
    "bgcfnc": BGCFNC,
}
"""The published pipes by their published names; `bgc` is the one that the paper recommends."""


@dataclass(frozen=True, kw_only=True)
class Draws:
    """Where random numbers come from: one for each of `count` pictures, whatever `p` is."""

    generator: torch.Generator
    count: int
    p: Float[Tensor, ""]
    like: Float[Tensor, "..."]
    """What says of which type the numbers are, and on which device."""

    def uniform(self, low: float = 0.0, high: float = 1.0) -> Float[Tensor, " b"]:
        """Return numbers between two others."""
        return low + (high - low) * self._on_device(torch.rand, (self.count,))

    def whole(self, below: int) -> Float[Tensor, " b"]:
        """Return whole numbers from 0 up to, not including, another."""
        return (self.uniform() * below).floor().clamp(max=below - 1)

    def normal(self, deviation: float, *size: int) -> Float[Tensor, "b *size"]:
        """Return normal numbers, `size` for each picture."""
        return deviation * self._on_device(torch.randn, (self.count, *size))

    def fires(self, often: float) -> Bool[Tensor, " b"]:
        """Return for which pictures a change happens that does so with probability ``often * p``."""
        return self.uniform() < often * self.p

    def sometimes(self, often: float, value: Float[Tensor, " b"], otherwise: float) -> Float[Tensor, " b"]:
        """Return a value for those pictures for which the change happens, and its absence for others."""
        return torch.where(self.fires(often), value, otherwise)

    def _on_device(self, draw: Callable[..., Tensor], size: tuple[int, ...]) -> Tensor:
        """Return numbers drawn where the generator is, and taken to where the pictures are."""
        numbers = draw(size, generator=self.generator, device=self.generator.device, dtype=self.like.dtype)
        return numbers.to(self.like.device)


@dataclass(frozen=True, kw_only=True)
class Moves:
    """How pictures move (see `phiz.train.augment_geometry`): each as a whole, and its exact part alone."""

    blits: Float[Tensor, "b 3 3"]
    whole: Float[Tensor, "b 3 3"]
    is_blit: Bool[Tensor, " b"]
    """True where nothing happens, or only what is exact."""


def augment(
    images: Float[Tensor, "b 3 h w"],
    p: float | Float[Tensor, ""],
    config: AugmentConfig,
    generator: torch.Generator,
) -> Float[Tensor, "b 3 h w"]:
    """Return pictures of which each has been changed at random, in the order of the paper's appendix B.

    They stay differentiable, twice if need be. A tensor `p` may live on the device of the pictures; nothing
    waits for its value. A picture to which nothing happens comes back as it is, to the bit. Half
    precision is computed in single precision, and autocast is ignored.
    """
    if not isinstance(p, Tensor) and not 0 <= p <= 1:
        raise ValueError(f"a probability lies between 0 and 1; {p} does not")
    work = images if images.dtype == torch.float64 else images.float()
    draws = Draws(
        generator=generator,
        count=len(images),
        p=p.to(work) if isinstance(p, Tensor) else torch.full((), p, dtype=work.dtype, device=work.device),
        like=work.detach(),
    )
    with torch.autocast(images.device.type, enabled=False):
        for change in (_move, _recolour, _filter, _add_noise, _cut_out):
            work = change(work, draws, config)
    return work.to(images.dtype)


def draw_moves(draws: Draws, config: AugmentConfig, height: int, width: int) -> Moves:
    """Return random moves for pictures of a size.

    Each matrix leads back, from the new picture to the old, so that later steps stand further right.
    """
    flip = draws.sometimes(config.flip, 1 - 2 * draws.whole(2), 1.0)
    quarters = draws.sometimes(config.quarter_turn, draws.whole(4), 0.0)
    most = config.whole_shift_most
    x, y = ((draws.uniform(-most, most) * side).round() for side in (width, height))
    jumps = draws.fires(config.whole_shift)
    blits = _scaled(flip, torch.ones_like(flip)) @ _turned(quarters * (math.pi / 2)).round()
    blits = torch.where(jumps[:, None, None], blits @ _shifted(x, y), blits)
    whole, is_blit = blits, torch.ones_like(jumps)
    for fires, step in _draw_steps(draws, config, height, width):
        whole = torch.where(fires[:, None, None], whole @ step, whole)
        is_blit = is_blit & ~fires
    return Moves(blits=blits, whole=whole, is_blit=is_blit)


def _draw_steps(
    draws: Draws, config: AugmentConfig, height: int, width: int
) -> Iterator[tuple[Bool[Tensor, " b"], Float[Tensor, "b 3 3"]]]:
    """Yield the moves that need resampling, one after the other, and which pictures take part in each."""
    grown = torch.exp2(draws.normal(config.scale_deviation))
    yield draws.fires(config.scale), _scaled(1 / grown, 1 / grown)
    # To turn before stretching is another thing than after; so that one or both happen with probability p:
    once = 1 - (1 - (config.turn * draws.p).clamp(0, 1)).sqrt()
    yield draws.uniform() < once, _turned(draws.uniform(-config.turn_most, config.turn_most))
    longer = torch.exp2(draws.normal(config.stretch_deviation))
    yield draws.fires(config.stretch), _scaled(1 / longer, longer)
    yield draws.uniform() < once, _turned(draws.uniform(-config.turn_most, config.turn_most))
    x, y = (draws.normal(config.shift_deviation) * side for side in (width, height))
    yield draws.fires(config.shift), _shifted(-x, -y)


def draw_recolouring(draws: Draws, config: AugmentConfig) -> Float[Tensor, "b 4 4"]:
    """Return random changes of colour, each one matrix."""
    lighter = draws.sometimes(config.brightness, draws.normal(config.brightness_deviation), 0.0)
    stronger = draws.sometimes(config.contrast, torch.exp2(draws.normal(config.contrast_deviation)), 1.0)
    flipped = draws.sometimes(config.luma_flip, draws.whole(2), 0.0)
    angle = draws.sometimes(config.hue, draws.uniform(-1, 1) * config.hue_most, 0.0)
    richer = draws.sometimes(config.saturation, torch.exp2(draws.normal(config.saturation_deviation)), 1.0)
    light = colour.luma_flip(flipped) @ colour.contrast(stronger) @ colour.brightness(lighter)
    return colour.saturation(richer) @ colour.hue(angle) @ light


def draw_gains(draws: Draws, config: AugmentConfig) -> Float[Tensor, "b 4"]:
    """Return random gains of the four octaves that leave the power of an ordinary picture alone."""
    gains = torch.ones_like(draws.normal(1.0, colour.BANDS))
    for band, often in enumerate(config.filter_bands):
        fires = draws.fires(config.filter * often)
        one = torch.ones_like(gains)
        one[:, band] = torch.exp2(draws.normal(config.filter_deviation))
        gains = torch.where(fires[:, None], gains * colour.evened(one), gains)
    return gains


@dataclass(frozen=True, kw_only=True)
class AdaConfig:
    """When to augment more, and when less."""

    target: float = 0.6
    """How much more often the discriminator should be right about real pictures than wrong: 0 is guessing,
    1 is always right."""
    interval: int = 4
    """Steps between two changes of p."""
    kimg: float = 500.0
    """Thousand pictures in which p can go from 0 to 1."""
    start: float = 0.0
    """The first p."""

    def __post_init__(self) -> None:
        if self.interval < 1 or self.kimg <= 0 or not 0 <= self.start <= 1:
            raise ValueError(f"interval and kimg have to be positive, and start from 0 to 1: {self}")


class AdaController:
    """The probability p of each change, moved by how sure the discriminator is.

    It is so by the mean sign of its scores of real pictures (equation 1 of the paper, r_t). A class because
    it remembers. All it holds is on the device of the signs, so that no step waits for a number.
    """

    def __init__(self, config: AdaConfig) -> None:
        self.config = config
        self.p = torch.tensor(config.start)
        self._signs = torch.zeros(())
        """Sum of the signs since the last change."""
        self._seen = 0
        self._steps = 0

    def adjust(self, sign_mean: float | Float[Tensor, ""], batch: int) -> Float[Tensor, ""]:
        """Return p after a step that scored `batch` real pictures, of all ranks together.

        Every `interval` steps p moves by the share that the pictures seen since have in `kimg`: up if the
        mean sign was above the target, down if below. A sign that is not a number counts for nothing.
        """
        sign = torch.as_tensor(sign_mean, dtype=torch.float32).detach()
        self.p, self._signs = self.p.to(sign.device), self._signs.to(sign.device)
        self._signs = self._signs + sign * batch
        self._seen, self._steps = self._seen + batch, self._steps + 1
        if self._steps % self.config.interval == 0:
            direction = (self._signs / max(self._seen, 1) - self.config.target).sign()  # 0 for NaN
            self.p = (self.p + direction * (self._seen / (self.config.kimg * 1000))).clamp(0, 1)
            self._signs, self._seen = torch.zeros_like(self._signs), 0
        return self.p

    def state_dict(self) -> dict[str, Tensor]:
        """Return all that `load_state_dict` needs to go on exactly, even between two changes."""
        counts = {"seen": torch.tensor(self._seen), "steps": torch.tensor(self._steps)}
        return {"p": self.p.clone(), "signs": self._signs.clone(), **counts}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Go on from where `state_dict` was asked."""
        if set(state) != set(self.state_dict()):
            raise CheckpointError(
                f"the state of an ADA controller has {sorted(self.state_dict())}, not {sorted(state)}. "
                "Resume from a snapshot of this trainer."
            )
        self.p, self._signs = state["p"].clone(), state["signs"].clone()
        self._seen, self._steps = int(state["seen"]), int(state["steps"])


def _move(images: Float[Tensor, "b 3 h w"], draws: Draws, config: AugmentConfig) -> Float[Tensor, "b 3 h w"]:
    can_blit = config.flip or config.quarter_turn or config.whole_shift
    can_warp = config.scale or config.turn or config.stretch or config.shift
    if not (can_blit or can_warp):
        return images
    moves = draw_moves(draws, config, *images.shape[-2:])
    exact = blit(images, moves.blits) if can_blit else images
    return torch.where(_of(moves.is_blit), exact, warp(images, moves.whole)) if can_warp else exact


def _recolour(
    images: Float[Tensor, "b 3 h w"], draws: Draws, config: AugmentConfig
) -> Float[Tensor, "b 3 h w"]:
    if not (config.brightness or config.contrast or config.luma_flip or config.hue or config.saturation):
        return images
    matrix = draw_recolouring(draws, config)
    changed = (matrix != torch.eye(4, dtype=matrix.dtype, device=matrix.device)).flatten(1).any(1)
    return torch.where(_of(changed), colour.recolour(images, matrix), images)


def _filter(
    images: Float[Tensor, "b 3 h w"], draws: Draws, config: AugmentConfig
) -> Float[Tensor, "b 3 h w"]:
    if not config.filter:
        return images
    gains = draw_gains(draws, config)
    return torch.where(_of((gains != 1).any(1)), colour.filter_bands(images, gains), images)


def _add_noise(
    images: Float[Tensor, "b 3 h w"], draws: Draws, config: AugmentConfig
) -> Float[Tensor, "b 3 h w"]:
    if not config.noise:
        return images
    strength = draws.sometimes(config.noise, draws.normal(config.noise_deviation).abs(), 0.0)
    noisy = images + draws.normal(1.0, *images.shape[1:]) * _of(strength)
    return torch.where(_of(strength > 0), noisy, images)


def _cut_out(
    images: Float[Tensor, "b 3 h w"], draws: Draws, config: AugmentConfig
) -> Float[Tensor, "b 3 h w"]:
    if not config.cutout:
        return images
    size = torch.full_like(draws.uniform(), config.cutout_size)
    size = draws.sometimes(config.cutout, size, 0.0)
    return colour.cut_out(images, draws.uniform(), draws.uniform(), size)


def _of(values: Shaped[Tensor, " b"]) -> Shaped[Tensor, "b 1 1 1"]:
    """Return one value a picture so that it goes with all pixels."""
    return values[:, None, None, None]


def _scaled(x: Float[Tensor, " b"], y: Float[Tensor, " b"]) -> Float[Tensor, "b 3 3"]:
    return torch.stack([x, y, torch.ones_like(x)], dim=-1).diag_embed()


def _turned(angle: Float[Tensor, " b"]) -> Float[Tensor, "b 3 3"]:
    nothing = torch.zeros_like(angle)
    return rotation.from_euler(torch.stack([nothing, nothing, angle], dim=-1))


def _shifted(x: Float[Tensor, " b"], y: Float[Tensor, " b"]) -> Float[Tensor, "b 3 3"]:
    nothing, one = torch.zeros_like(x), torch.ones_like(x)
    return torch.stack([one, nothing, x, nothing, one, y, nothing, nothing, one], dim=-1).reshape(-1, 3, 3)
