"""The picture that an inversion is to reach, and how far from it a drawn one looks.

The published method measures with LPIPS: over VGG16 while it projects, over AlexNet while it tunes. Whoever
has the weights hands them in (`phiz.layers.perceptual.load_lpips`). Without them the built-in filters stand
in, which are not LPIPS and give other numbers: the published stop rule then holds at another likeness.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from phiz.layers import perceptual
from phiz.layers.perceptual import Lpips, PerceptualDistance

PROJECTION_SIDE = 256
"""parity: while projecting, larger pictures are averaged down to this side before they are compared."""


Distance = Callable[[Float[Tensor, "1 3 h w"]], Float[Tensor, " 1"]]


@dataclass(frozen=True, kw_only=True)
class Target:
    """One picture to reach."""

    picture: Float[Tensor, "1 3 h w"]
    """In [-1, 1], of the generator's resolution."""
    distance: Distance
    """How different a drawn picture looks."""
    name: str
    """Of the distance, for reports."""


def target(
    picture: Float[Tensor, "1 3 h w"],
    distance: PerceptualDistance | None = None,
    *,
    largest: int | None = None,
    name: str = "given",
) -> Target:
    """Return a picture as a target; without a `distance` it is that of the built-in filters.

    Pictures with sides above `largest` are averaged down before they are looked at. What the built-in
    filters and LPIPS see of the photo is kept; any other distance looks at it each time.
    """
    wanted = shrunk(picture, largest)
    if distance is None:
        apart, name = _from_filters(wanted), perceptual.BUILT_IN_DISTANCE
    elif isinstance(distance, Lpips):
        apart = _from_network(distance, wanted)
    else:
        apart = _from_any(distance, wanted)
    return Target(picture=picture, distance=lambda drawn: apart(shrunk(drawn, largest)), name=name)


def _from_filters(wanted: Tensor) -> Distance:
    with torch.no_grad():
        seen = perceptual.look(wanted)
    return lambda drawn: perceptual.between(perceptual.look(drawn), seen)


def _from_network(network: Lpips, wanted: Tensor) -> Distance:
    with torch.no_grad():
        seen = network.tapped(wanted)
    return lambda drawn: network.between(network.tapped(drawn), seen)


def _from_any(distance: PerceptualDistance, wanted: Tensor) -> Distance:
    return lambda drawn: distance(drawn, wanted)


def shrunk(picture: Float[Tensor, "b 3 h w"], largest: int | None) -> Float[Tensor, "b 3 _ _"]:
    """Return a picture whose sides are `largest`, or the same one if it is no larger."""
    if largest is None or picture.shape[-1] <= largest:
        return picture
    return torch.nn.functional.interpolate(picture, size=(largest, largest), mode="area")
