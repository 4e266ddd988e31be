"""Where in space a person is: cells of a cube that hold something which hangs together with the head.

Tuning a field to a photo leaves specks in it: bits of hair and background that float where no view ever
looked. And most of a ray's way is empty. A coarse map of what is connected with the head takes care of both:
elsewhere there is nothing to be seen, and nothing needs to be asked.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional

from phiz.generator.field import Taken
from phiz.generator.generator import Generator, Prepared

CELLS = 64
"""Cells along an edge of the cube."""
FINER = 2
"""Points asked along an edge of a cell."""
THICK = 0.04
"""Share of the light that a cell has to swallow to hold something."""
PIECE = 65_536
"""Points asked at once."""


@torch.no_grad()
def cleared(generator: Generator, person: Prepared, head: Float[Tensor, "v 3"]) -> Prepared:
    """Return a person whose field is empty where it does not hang together with the head.

    `head` is the surface at rest, in the generator's units. Fields that are not on planes, and those that
    hold their background too, stay as they are.
    """
    if person.field.planes is None or person.behind is None or person.batch != 1:
        return person
    span = generator.config.planes_span
    taken = Taken(connected(swallowed(generator, person, span) > THICK, head, span), span)
    return person._replace(field=person.field._replace(taken=taken))


def connected(
    holding: Bool[Tensor, "n n n"], head: Float[Tensor, "v 3"], span: float
) -> Bool[Tensor, "n n n"]:
    """Return which cells that hold something are connected with the head's surface, and those around them."""
    count = len(holding)
    seeds = torch.zeros_like(holding)
    places = ((head / span + 0.5) * count).floor().long()
    x, y, z = places[((places >= 0) & (places < count)).all(1)].unbind(1)
    seeds[z, y, x] = True
    found, before = seeds, -1
    while (now := int(found.sum())) != before:
        before = now
        found = found | (_around(found) & holding)
    return _around(found)


def swallowed(generator: Generator, person: Prepared, span: float) -> Float[Tensor, "64 64 64"]:
    """Return what share of the light each cell swallows, at its densest point."""
    count = CELLS * FINER
    steps = (torch.arange(count, dtype=torch.float32) + 0.5) / count - 0.5
    z, y, x = torch.meshgrid(steps, steps, steps, indexing="ij")
    points = (torch.stack([x, y, z], dim=-1) * span).reshape(-1, 3)
    density = torch.cat(
        [generator.density(person, part[None]).flatten() for part in torch.split(points, PIECE)]
    )
    densest = functional.max_pool3d(density.view(1, 1, count, count, count), FINER)[0, 0]
    return 1 - torch.exp(-densest * span / CELLS)


def _around(cells: Bool[Tensor, "d h w"]) -> Bool[Tensor, "d h w"]:
    """Return cells and their neighbours."""
    return functional.max_pool3d(cells[None, None].float(), 3, 1, 1)[0, 0] > 0.5
