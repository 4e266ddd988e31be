"""The dark line where lids meet: drawn over eyes that close.

A picture of open eyes knows no shut ones. What the rig makes of them is lids of plain skin, and one reads
those as shut only by the line of their lashes. It follows the edges of the head's lids, darkens what is there
already, and comes as the lids go down.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from phiz.avatar.rig import LIDS, Rig, pixels_per_unit, smooth
from phiz.face.head import Head
from phiz.graphics import camera as cameras
from phiz.graphics.camera import Camera

WIDTH = 0.0048
"""Of the line, in widths of the picture: one deviation."""
DARK = (0.52, 0.58, 0.6)
"""Share of red, green and blue light that is missing in the line's middle."""
END = 0.35
"""How dark the line is at its ends, as a share."""
FROM, TO = 0.35, 0.85
"""Of a blink: there the line begins to show, and there it is complete."""
EDGE_ON, FACING = 0.25, 0.55
"""A lid that is so narrow for its length is seen from the side: there is no line, or all of it."""


@dataclass(frozen=True, kw_only=True)
class Lashes:
    """The lines of a person's lids."""

    rig: Rig
    edges: tuple[Int[Tensor, "n 2"], ...]
    """Vertices along the lids of the left and of the right eye, in order: upper and lower."""
    blinks: tuple[int, ...]
    """Which expressions close the eyes, left and right; none on heads whose lids are not known."""

    @staticmethod
    def of(rig: Rig) -> Lashes:
        """Return the lines of a person's head."""
        head = rig.head
        if not isinstance(head, Head):
            return Lashes(rig=rig, edges=(), blinks=())
        edges = []
        for lids in head.blinks:
            pairs = torch.as_tensor(lids.pairs)
            edges.append(pairs[head.mean[pairs[:, 0], 0].argsort()])
        names = list(head.expression_names)
        return Lashes(rig=rig, edges=tuple(edges), blinks=tuple(names.index(name) for name in LIDS))

    def painted(
        self,
        image: Float[Tensor, "b 3 h w"],
        camera: Camera,
        moved: Float[Tensor, "b v 3"],
        expression: Float[Tensor, "b e"],
    ) -> Float[Tensor, "b 3 h w"]:
        """Return pictures with the lines of lids that are closed further than at rest; they are changed."""
        numbers = list(self.blinks)
        if not numbers:
            return image
        closed = expression[:, numbers] - self.rig.rest.expression[:, numbers]
        shares = smooth(closed, FROM, TO)
        for k, side in (shares > 0).nonzero().tolist():
            seen = camera[k : k + 1] if camera.batch > 1 else camera
            self._line(image[k], seen, moved[k, self.edges[side]].mean(1), float(shares[k, side]))
        return image

    def _line(
        self, image: Float[Tensor, "3 h w"], camera: Camera, points: Float[Tensor, "n 3"], share: float
    ) -> None:
        """Darken a picture along a line of points."""
        size = image.shape[-1]
        places = _evened(cameras.to_screen(camera, points[None], size, size)[0, :, :2])
        across = float((places[-1] - places[0]).norm())
        whole = float((points[-1] - points[0]).norm()) * pixels_per_unit(camera, size)
        share *= float(smooth(torch.tensor(across / max(whole, 1e-6)), EDGE_ON, FACING))
        reach = math.ceil(3 * WIDTH * size)
        left, top = (places.amin(0) - reach).floor().clamp(min=0).long().tolist()
        right, bottom = (places.amax(0) + reach).ceil().clamp(max=size).long().tolist()
        if right <= left or bottom <= top or share <= 0:
            return
        rows, columns = torch.meshgrid(
            torch.arange(top, bottom) + 0.5, torch.arange(left, right) + 0.5, indexing="ij"
        )
        away, along = _nearest(torch.stack([columns, rows], dim=-1).to(places), places)
        line = torch.exp(-0.5 * (away / (WIDTH * size)).square())
        line = share * line * (END + (1 - END) * torch.sin(math.pi * along))
        below = image[:, top:bottom, left:right]
        below -= (below + 1) * below.new_tensor(DARK)[:, None, None] * line


def _evened(places: Float[Tensor, "n 2"]) -> Float[Tensor, "n 2"]:
    """Return places between their neighbours; both ends stay."""
    for _ in range(2):
        inner = (places[:-2] + 2 * places[1:-1] + places[2:]) / 4
        places = torch.cat([places[:1], inner, places[-1:]])
    return places


def _nearest(
    pixels: Float[Tensor, "h w 2"], places: Float[Tensor, "n 2"]
) -> tuple[Float[Tensor, "h w"], Float[Tensor, "h w"]]:
    """Return how far pixels are from a line of places, and where on it: 0 at its beginning, 1 at its end."""
    starts, steps = places[:-1], places[1:] - places[:-1]
    away = pixels[..., None, :] - starts
    share = ((away * steps).sum(-1) / steps.square().sum(-1).clamp_min(1e-9)).clamp(0, 1)
    far, which = (away - share[..., None] * steps).norm(dim=-1).min(-1)
    along = (which + share.gather(-1, which[..., None])[..., 0]) / len(steps)
    return far, along
