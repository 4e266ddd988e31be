"""Mouths as a network paints them: other styles of the same person, looked at where the lips have opened.

As published, a second style (`LipaintNet`) draws the person with an open mouth, and its features take the
place of the warped ones inside the mouth. Here the place is told by the head's own lips, so that it needs
neither a parser nor a memory of past frames to be steady; the small picture is filled in as well as the
features; and the network's answer at rest is taken off, so that a person at rest stays who they are.

It shows what the generator knows of open mouths. What tuning added to a person's planes has a shut mouth in
it, so that this suits people as the generator draws them; for tuned ones see `phiz.animate.mouth`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from phiz.animate.lipaint_network import LipaintNet
from phiz.avatar.avatar import Avatar
from phiz.avatar.rig import Seen, blurred
from phiz.errors import UsageError
from phiz.generator.generator import Features
from phiz.generator.volume import Plan, Stage
from phiz.graphics.camera import Camera

GROWN, SOFT = 1, 0.7
"""Pixels of the volume by which the opening is grown, and over which its edge fades."""


@dataclass(frozen=True, kw_only=True)
class Filling:
    """A person's mouth, filled by a network."""

    avatar: Avatar
    network: LipaintNet
    at_rest: Float[Tensor, "1 w"]
    """What the network adds to the person at rest."""

    @staticmethod
    def of(avatar: Avatar, network: LipaintNet) -> Filling:
        """Return a mouth to be filled; refuse a network of another generator or another head."""
        sizes = network.config
        wanted = avatar.w.shape[2], avatar.rest.expression.shape[1]
        if (sizes.w_size, sizes.expression) != wanted:
            raise UsageError(
                f"this network paints mouths for styles of {sizes.w_size} and {sizes.expression} "
                f"expressions; the avatar has {wanted[0]} and {wanted[1]}. Use --look.mouth head"
            )
        return Filling(
            avatar=avatar, network=network, at_rest=network.added(_mean(avatar), avatar.rest.expression)
        )

    def edit(
        self, expression: Float[Tensor, "b e"], camera: Camera, seen: Seen, background: Camera
    ) -> Callable[[Features], Features]:
        """Return what puts mouths of these expressions into the features of a picture."""
        share = opening(seen.inside)
        if not bool((share > 0).any()):
            return lambda features: features

        def put(features: Features) -> Features:
            found = self._drawn(expression, camera, seen, background)
            return Features(
                torch.lerp(features.map, found.map, share), torch.lerp(features.image, found.image, share)
            )

        return put

    def _drawn(
        self, expression: Float[Tensor, "b e"], camera: Camera, seen: Seen, background: Camera
    ) -> Features:
        """Return the features of the person with open mouths; the head turns, nothing else moves."""
        generator, count = self.avatar.generator, len(expression)
        config = generator.config
        mean = _mean(self.avatar).expand(count, -1)
        more = self.network.added(mean, expression) - self.at_rest
        volume = more[:, None].expand(-1, config.volume_styles, -1)
        rest = config.styles - config.volume_styles
        styles = self.avatar.w + functional.pad(volume, (0, 0, 0, rest))
        prepared = self.avatar.with_styles(styles)
        neck = seen.neck

        def turned(points: Float[Tensor, "b n 3"], stage: Stage) -> Float[Tensor, "b2 n 3"]:
            return points if neck is None else neck.undo(points)

        made = generator.render(prepared, camera, warp=turned, plan=Plan(background_camera=background))
        return Features(made.features, made.small)


def opening(inside: Float[Tensor, "b h w"]) -> Float[Tensor, "b 1 h w"]:
    """Return how much of each pixel of the volume is the inside of a mouth, with a soft edge."""
    grown = functional.max_pool2d(inside[:, None], 2 * GROWN + 1, 1, GROWN)
    return blurred(grown, SOFT).clamp(0, 1)


def _mean(avatar: Avatar) -> Float[Tensor, "1 w"]:
    return avatar.w[:, : avatar.generator.config.volume_styles].mean(dim=1)
