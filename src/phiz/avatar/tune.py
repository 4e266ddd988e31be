"""A small part of a generator tuned until it draws one person: what its planes hold, how they are read,
and how features become a picture. Who the person is (`w`) and everything that paints planes stays.

    someone = tune(someone, views, watch=lambda progress: console.say(str(progress)))

Rays come first, as they are cheap and say where things are; whole pictures follow, for what is fine. What
is added to the planes is a sum of coarse and fine maps, so that large things move as one.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from phiz.avatar import carve
from phiz.avatar.avatar import Avatar
from phiz.avatar.descent import Descent, Keep, Progress, Task, Watch, seeded
from phiz.avatar.squares import cut, square_places, taken
from phiz.avatar.targets import Targets, pick, shrunk
from phiz.avatar.tunable import drawn_by, layers_for, own_parameters, summed, unevenness
from phiz.generator.generator import Prepared, Rays
from phiz.generator.volume import RandomDraws
from phiz.layers import perceptual
from phiz.layers.threads import own_threads
from phiz.world.data.produce import one_thread

SLIGHT = 0.02
"""Differences of colour below this count with their square, above as they are."""


@dataclass(frozen=True, kw_only=True)
class TuneConfig:
    """How a generator is tuned for one person."""

    seconds: float = 30.0
    """Time after which it ends."""
    steps: int = 600
    """Steps after which it ends, if they come first."""
    least_steps: int = 200
    """Steps for which it goes on when time is up, on a busy machine: at most as long again."""
    ray_share: float = 0.15
    """Of the whole: how much of it looks at single rays."""
    ray_views: int = 4
    rays: int = 768
    """Views a step and thread while it does, and rays in each."""
    views: int = 1
    """Whole pictures a step and thread then ..."""
    whole_every: int = 8
    """... which is one step in so many; the others draw squares."""
    side: int = 26
    """Of a square, in pixels of the volume."""
    square_views: int = 2
    """Squares a step and thread, each of a view."""
    rate: float = 6e-3
    """Of Adam, for the network; it falls along a cosine."""
    planes_rate: float = 30.0
    """How many times faster the planes go; their numbers are larger."""
    background_rate: float = 5.0
    """The same of the background's code."""
    pixel_weight: float = 4.0
    small_weight: float = 2.0
    look_weight: float = 1.0
    """Of the perceptual distance."""
    depth_weight: float = 30.0
    opacity_weight: float = 2.0
    empty_weight: float = 3.0
    """Of what floats where some view sees past it."""
    empty_points: int = 3000
    """Places a step at which that is looked for."""
    keep_weight: float = 1e-4
    """Of the square of what is added to the planes."""
    even_weight: float = 1e-3
    """Of the differences between its neighbours."""
    is_shared: bool = False
    """Whether only the planes change, and the network that reads them stays."""
    patience: int = 150
    """Whole pictures over which the loss has to fall ..."""
    least_gain: float = 0.002
    """... by this share, or it is good enough."""
    seed: int = 0


TUNE = TuneConfig()
LATEST = 2.0
"""Times its seconds after which it ends, whatever the steps."""
SLOW_STEPS = 5
"""The first steps take longer than others, and say nothing about how long all will take."""
WIDER, EMPTY_POOL = 1.2, 20
"""How much wider than the planes the space is in which nothing may float; how many times more places in it
are known than are looked at in a step."""
MARGIN = 3
"""Of the volume's pixels: how far beyond a place the upsampler's convolutions see, roughly."""


class Part(NamedTuple):
    """Some views, as a step looks at them."""

    targets: Targets
    small: Float[Tensor, "v 3 r r"]
    small_weight: Float[Tensor, "v 1 r r"]


def tune(
    avatar: Avatar,
    targets: Targets,
    config: TuneConfig = TUNE,
    *,
    watch: Watch | None = None,
    keep: Keep | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Avatar:
    """Return the person with a generator of their own that draws these views; the given one stays.

    `watch` is told of each step and may end it; `keep` says where to write, to go on after a crash.
    """
    return Tuning(avatar, targets, config, clock).run(watch, keep)


class Tuning:
    """One person on the way; a class because a copy of the generator changes."""

    def __init__(
        self, avatar: Avatar, targets: Targets, config: TuneConfig, clock: Callable[[], float]
    ) -> None:
        """Copy what changes, and paint what does not."""
        if targets.pictures.shape[-1] != avatar.generator.config.resolution:
            raise ValueError("views have the size of the generator's pictures")
        if config.seconds <= 0:
            raise ValueError("tuning takes a positive number of seconds")
        self.avatar, self.config, self.clock = avatar, config, clock
        self.generator = copy.deepcopy(avatar.generator).eval().requires_grad_(False)
        size = self.generator.config.volume_resolution
        self.all = Part(targets, shrunk(targets.pictures, size), shrunk(targets.weight, size))
        self.drawn = seeded(config.seed)
        self.chance = self.drawn.generator
        with torch.no_grad():
            painted = avatar.prepare().field.planes
        self.painted = None if painted is None else painted.detach().contiguous()
        self.added = layers_for(self.painted)
        self.background = None if avatar.background is None else torch.zeros_like(avatar.background)
        span = WIDER * self.generator.config.planes_span
        self.empty = carve.empty_points(targets, span, EMPTY_POOL * config.empty_points, self.chance)
        self.threads, self.pool = torch.get_num_threads(), own_threads()
        self.begun = clock()
        self.history: list[float] = []

    @property
    def leaves(self) -> dict[str, Float[Tensor, "..."]]:
        """Return everything that changes."""
        found: dict[str, Tensor] = {f"planes.{k}": layer for k, layer in enumerate(self.added)}
        if self.background is not None:
            found["background"] = self.background
        if not self.config.is_shared:
            found |= {f"generator.{name}": p for name, p in own_parameters(self.generator)}
        return found

    def run(self, watch: Watch | None, keep: Keep | None) -> Avatar:
        """Go on to the end and return the person."""
        task = Task(
            label="tuning",
            steps=self.config.steps,
            losses=self.losses,
            rate=self.rate,
            is_enough=self.is_enough,
            settings={"config": str(self.config)},
            given={"pictures": self.all.targets.pictures},
        )
        descent = Descent(task, self.leaves, self.drawn, keep, clock=self.clock)
        with one_thread():
            descent.run(self.watching(watch))
        return self.result()

    def share(self, step: int) -> float:
        """Return how much is done, from 0 to 1, by steps or by time; time waits for the least of steps."""
        by_time = (self.clock() - self.begun) / self.config.seconds
        patient = max(min(by_time, step / max(self.config.least_steps, 1)), by_time / LATEST)
        return min(max(step / self.config.steps, patient), 1.0)

    def rate(self, step: int) -> float:
        """Return the learning rate of a step."""
        rise = min((step + 1) / 10, 1.0)
        done = torch.tensor(self.share(step) * torch.pi)
        return self.config.rate * rise * (0.03 + 0.97 * float(1 + done.cos()) / 2)

    def watching(self, watch: Watch | None) -> Watch:
        """Return who ends it when time is up, and tells how much of it is left."""

        def look(progress: Progress) -> bool:
            taken = self.clock() - self.begun
            least = taken / progress.step * max(self.config.least_steps - progress.step, 0)
            if progress.step <= SLOW_STEPS:
                least = 0.0
            left = max(min(progress.seconds_left, max(self.config.seconds - taken, least)), 0.0)
            is_over = self.share(progress.step) >= 1
            return (watch is not None and watch(replace(progress, seconds_left=left))) or is_over

        return look

    def is_enough(self, losses: Mapping[str, float]) -> bool:
        """Return whether whole pictures hardly get better any more."""
        if losses["picture"] <= 0:  # rays alone
            return False
        self.history.append(losses["loss"])
        n = self.config.patience
        if n <= 0 or len(self.history) < 2 * n:
            return False
        before, now = (sum(some) / n for some in (self.history[-2 * n : -n], self.history[-n:]))
        return now > before * (1 - self.config.least_gain)

    def prepared(self) -> Prepared:
        """Return the person as they are drawn now."""
        planes = None if self.painted is None else self.painted + self.residual()
        made = drawn_by(self.generator, self.avatar.w, planes, self._background())
        return made if planes is None else made._replace(field=made.field._replace(planes=planes))

    def residual(self) -> Float[Tensor, "1 3 c h w"]:
        """Return what is added to the planes."""
        assert self.painted is not None
        return summed(self.added, self.painted.shape[-1]) * self.config.planes_rate

    def losses(self, step: int) -> Mapping[str, Float[Tensor, ""]]:
        """Return how wrong some views are, each thread's own ones, and what is added to the planes.

        Threads go all the way back to what changes. So that whoever asks can go down all of it at once, the
        sum stands for their slopes: it has their value and their gradient.
        """
        seeds = torch.randint(2**31, (self.threads,), generator=self.chance).tolist()
        tasks = [self.pool.submit(self.own_losses, step, seed) for seed in seeds]
        parts = [task.result() for task in tasks]
        found = {name: torch.stack([part[0][name] for part in parts]).mean() for name in parts[0][0]}
        total = torch.stack(list(found.values())).sum()
        for leaf, *slopes in zip(self.leaves.values(), *(part[1] for part in parts), strict=True):
            known = [slope for slope in slopes if slope is not None]
            if known:
                slope = torch.stack(known).sum(0) / len(parts)
                total = total + ((leaf - leaf.detach()) * slope).sum()
        return {**found, "loss": total}

    def own_losses(self, step: int, seed: int) -> tuple[dict[str, Tensor], tuple[Tensor | None, ...]]:
        """Return what one thread finds wrong, and how that changes with everything that may change."""
        chance = torch.Generator().manual_seed(seed)
        with torch.enable_grad():
            prepared = self.prepared()
            is_whole = step % self.config.whole_every == 0
            if self.share(step) < self.config.ray_share:
                found = self.ray_losses(prepared, chance)
            else:
                found = self.picture_losses(prepared, chance, is_whole=is_whole)
            nothing = torch.zeros(())
            found = {"picture": nothing, "look": nothing, **found}  # all steps tell the same losses
            if len(self.empty) and self.config.empty_weight > 0:
                some = torch.randint(len(self.empty), (self.config.empty_points,), generator=chance)
                stray = carve.swallowed(self.generator, prepared, self.empty[some])
                found["empty"] = self.config.empty_weight * stray
            if self.painted is not None:
                added = self.residual()
                found["keep"] = self.config.keep_weight * added.square().mean()
                found["even"] = self.config.even_weight * unevenness(added)
            total = torch.stack(list(found.values())).sum()
            slopes = torch.autograd.grad(total, list(self.leaves.values()), allow_unused=True)
        return {name: value.detach() for name, value in found.items()}, slopes

    def chosen(self, count: int, draws: torch.Generator) -> Part:
        """Return some of the views, drawn by chance."""
        chance = self.all.targets.chance
        count = min(count, int((chance > 0).sum()))
        which = torch.multinomial(chance, count, generator=draws)
        return Part(pick(self.all.targets, which), self.all.small[which], self.all.small_weight[which])

    def ray_losses(self, prepared: Prepared, chance: torch.Generator) -> dict[str, Tensor]:
        """Return what single rays show wrong."""
        part = self.chosen(self.config.ray_views, chance)
        size = self.generator.config.volume_resolution
        counts = part.small_weight.flatten(1) + part.targets.opacity_weight.flatten(1) + 1e-3
        number = min(self.config.rays, size * size)
        places = torch.multinomial(counts.clamp(max=1), number, generator=chance)
        uv = self.generator.pixels(size)[places]
        rays = self.generator.march(prepared, part.targets.camera, uv, draws=RandomDraws(chance))
        return self.volume_losses(rays, part, places)

    def picture_losses(
        self, prepared: Prepared, chance: torch.Generator, *, is_whole: bool = True
    ) -> dict[str, Tensor]:
        """Return what pictures show wrong: whole ones, or squares of them where much counts."""
        generator, config = self.generator, self.config
        size = generator.config.volume_resolution
        side = size if is_whole else min(config.side, size)
        part = self.chosen(config.views if is_whole else config.square_views, chance)
        corners = self.corners(part, side, chance)
        places = square_places(corners, side, size)
        rays = generator.march(
            prepared, part.targets.camera, generator.pixels(size)[places], draws=RandomDraws(chance)
        )
        found = self.volume_losses(rays, part, places)
        # Convolutions see nothing beyond a square, so what lies next to its edge is not compared.
        scale, margin = generator.config.resolution // size, 0 if side == size else MARGIN
        image = cut(generator.finish(prepared, rays).image, torch.zeros_like(corners), side, scale, margin)
        true = cut(part.targets.pictures, corners, side, scale, margin)
        weight = cut(part.targets.weight, corners, side, scale, margin)
        found["picture"] = config.pixel_weight * weighted(charbonnier(image - true).mean(1), weight[:, 0])
        if config.look_weight > 0:
            # Where nothing is known the true picture is shown, so that nothing differs there.
            shown = torch.lerp(true, image, weight.clamp(max=1))
            found["look"] = config.look_weight * perceptual.perceptual_distance(shown, true).mean()
        return found

    def corners(self, part: Part, side: int, chance: torch.Generator) -> Int[Tensor, "v 2"]:
        """Return row and column where squares begin; what counts much is in their middle more often."""
        size = self.generator.config.volume_resolution
        if side == size:
            return torch.zeros(part.targets.count, 2, dtype=torch.long)
        middle = torch.multinomial(part.small_weight.flatten(1) + 1e-6, 1, generator=chance)[:, 0]
        return (torch.stack([middle // size, middle % size], dim=1) - side // 2).clamp(0, size - side)

    def volume_losses(self, rays: Rays, part: Part, places: Int[Tensor, "v n"]) -> dict[str, Tensor]:
        """Return how wrong colours, coverage and depths of rays are."""
        targets, config = part.targets, self.config
        colour, sure = taken(part.small, places), taken(part.small_weight, places)[..., 0]
        cover, is_covered = (taken(m, places)[..., 0] for m in (targets.opacity, targets.opacity_weight))
        far, is_deep = (taken(m, places)[..., 0] for m in (targets.depth, targets.depth_weight))
        wrong = charbonnier(rays.colour - colour).mean(-1)
        deep = rays.opacity.clamp(0, 1) * (rays.depth - far).abs()
        return {
            "small": config.small_weight * weighted(wrong, sure),
            "opacity": config.opacity_weight * weighted(coverage(rays.opacity, cover), is_covered),
            "depth": config.depth_weight * weighted(deep, is_deep),
        }

    @torch.no_grad()
    def result(self) -> Avatar:
        """Return the person as they are now."""
        planes = self.avatar.planes
        if self.painted is not None:
            more = self.residual().detach()
            planes = more if planes is None else planes + more
        background = self._background()
        return replace(
            self.avatar,
            generator=self.generator.requires_grad_(False),
            planes=planes,
            background=None if background is None else background.detach(),
        )

    def _background(self) -> Float[Tensor, "1 l"] | None:
        if self.background is None or self.avatar.background is None:
            return self.avatar.background
        return self.avatar.background + self.background * self.config.background_rate


def charbonnier(difference: Float[Tensor, "*b"]) -> Float[Tensor, "*b"]:
    """Return how large differences are; small ones count with their square."""
    return (difference.square() + SLIGHT**2).sqrt() - SLIGHT


def coverage(found: Float[Tensor, "v n"], true: Float[Tensor, "v n"]) -> Float[Tensor, "v n"]:
    """Return the cross entropy of coverage, less what it is at best; it has a gradient everywhere."""
    found, sure = found.clamp(1e-4, 1 - 1e-4), true.clamp(1e-4, 1 - 1e-4)
    entropy = -(true * found.log() + (1 - true) * (1 - found).log())
    return entropy + true * sure.log() + (1 - true) * (1 - sure).log()


def weighted(values: Float[Tensor, "*b"], weights: Float[Tensor, "*b"]) -> Float[Tensor, ""]:
    """Return the weighted mean; nothing where nothing counts."""
    return (values * weights).sum() / weights.sum().clamp(min=1e-6)
