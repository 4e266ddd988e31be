"""Batches of faces without end, read ahead by other processes, and what is changed about them.

Which face comes when follows from the seed and from how many all processes together have seen, and from
nothing else; so a training that was interrupted goes on with the same faces.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional
from torch.utils.data import DataLoader

from phiz.console import Console
from phiz.errors import DataError, PhizError
from phiz.media import image
from phiz.train.faces import Faces, order
from phiz.train.picture_reading import PictureBatch, Reader, behave, same

AHEAD = 2
"""Batches that each worker may have ready; this bounds memory."""
WARN_EVERY = 100
"""Damaged pictures."""
SHRUNK, BLURRED, TINTED, GREY = 0.1, 0.2, 0.2, 0.1
"""How often each change of `varied` is made, as published."""
SMALLEST = 0.2
"""Share of a side that is left of a picture that is made coarse."""
BLUR = (0.5, 1.5)
"""Standard deviations in pixels."""
TURN, COLOUR, LIGHT = math.pi / 6, 0.4, 0.3
"""By how much hue, saturation and lightness change at most."""
WEIGHTS = (0.299, 0.587, 0.114)
"""How light red, green and blue look."""


class FaceStream:
    """Batches of faces without end; a class because it counts what is damaged and holds processes."""

    def __init__(
        self,
        faces: Faces,
        *,
        size: int,
        batch: int,
        seed: int,
        workers: int,
        rank: int = 0,
        world: int = 1,
        seen: int = 0,
        mirror: bool = True,
        console: Console | None = None,
    ) -> None:
        """Begin to read ahead, after so many faces that all processes together have seen."""
        self.damaged: set[int] = set()
        """Pictures that cannot be read, by number; others take their place."""
        self._console = console if console is not None else Console()
        count = faces.source.count
        if not count:
            raise DataError("there are no faces to learn from. Check --data.")
        items = order(count, seed=seed, first=seen + rank, step=world, mirror=mirror)
        loader = DataLoader(
            Reader(faces.source, resolution=size, crop="centre"),
            batch_size=None,
            sampler=_lists(items, batch),
            num_workers=workers,
            collate_fn=same,
            worker_init_fn=behave,
            prefetch_factor=AHEAD if workers else None,
            multiprocessing_context="spawn" if workers else None,
            generator=torch.Generator(),  # or else it would draw from everybody's
        )
        self._batches: Iterator[PictureBatch | PhizError] = iter(loader)

    def next(self, device: torch.device) -> tuple[Float[Tensor, "b 3 s s"], Int[Tensor, " b"]]:
        """Return the next faces and whom they show, on a device; they travel there as bytes."""
        try:
            batch = next(self._batches)
        except (RuntimeError, OSError, EOFError) as error:
            self.close()
            if isinstance(error, RuntimeError) and "DataLoader worker" not in str(error):
                raise
            raise DataError(
                f"a process that reads pictures died ({error}), most often because the memory ran out. Use "
                "fewer --workers, or 0."
            ) from error
        if isinstance(batch, PhizError):
            self.close()
            raise batch
        self._count(batch)
        crops = image.from_bytes(batch.images.to(device, non_blocking=True).movedim(1, -1))
        return crops, batch.labels[:, 0].long().to(device, non_blocking=True)

    def close(self) -> None:
        """Stop reading ahead."""
        self._batches = iter(())  # the loader ends its processes when nobody holds it

    def _count(self, batch: PictureBatch) -> None:
        for number, reason in batch.damaged:
            if number in self.damaged:
                continue
            self.damaged.add(number)
            if len(self.damaged) == 1 or len(self.damaged) % WARN_EVERY == 0:
                self._console.warn(
                    f"{len(self.damaged)} of the faces cannot be read, others take their place: {reason}"
                )


def varied(crops: Float[Tensor, "b 3 s s"], chance: torch.Generator) -> Float[Tensor, "b 3 s s"]:
    """Return faces of which some are coarse, blurred, of other colours or grey.

    The published "dali_aug"; its amounts are not published as numbers of pixels, so ours are our own.
    """
    b, device = len(crops), crops.device

    def some(share: float) -> Tensor:
        return (torch.rand(b, generator=chance, device=device) < share)[:, None, None, None]

    def amount(low: float, high: float) -> Tensor:
        drawn = torch.rand(b, generator=chance, device=device)
        return (low + (high - low) * drawn)[:, None, None, None]

    share = float(SMALLEST + (1 - SMALLEST) * torch.rand((), generator=chance, device=device))
    crops = torch.where(some(SHRUNK), coarse(crops, share), crops)
    width = float(BLUR[0] + (BLUR[1] - BLUR[0]) * torch.rand((), generator=chance, device=device))
    crops = torch.where(some(BLURRED), blurred(crops, width), crops)
    turned = tinted(crops, amount(-TURN, TURN), amount(1 - COLOUR, 1 + COLOUR), amount(1 - LIGHT, 1 + LIGHT))
    crops = torch.where(some(TINTED), turned, crops)
    return torch.where(some(GREY), lightness(crops).expand_as(crops), crops)


def coarse(crops: Float[Tensor, "b 3 s s"], share: float) -> Float[Tensor, "b 3 s s"]:
    """Return faces as if they had been photographed with so small a share of their pixels a side."""
    side = crops.shape[-1]
    small = functional.interpolate(crops, max(round(side * share), 1), mode="bilinear", antialias=True)
    return functional.interpolate(small, side, mode="bilinear")


def blurred(crops: Float[Tensor, "b 3 s s"], width: float) -> Float[Tensor, "b 3 s s"]:
    """Return faces under a Gaussian of a standard deviation in pixels."""
    reach = math.ceil(3 * width)
    places = torch.arange(-reach, reach + 1, device=crops.device, dtype=crops.dtype)
    line = torch.softmax(-0.5 * (places / width).square(), 0)
    rows = functional.pad(crops, (reach, reach, reach, reach), mode="replicate")
    kernel = line.expand(3, 1, 1, -1)
    return functional.conv2d(functional.conv2d(rows, kernel, groups=3), kernel.mT, groups=3)


def tinted(
    crops: Float[Tensor, "b 3 s s"],
    turn: Float[Tensor, "b 1 1 1"],
    colour: Float[Tensor, "b 1 1 1"],
    light: Float[Tensor, "b 1 1 1"],
) -> Float[Tensor, "b 3 s s"]:
    """Return faces whose hue is turned by an angle, and whose saturation and lightness are multiplied."""
    grey = lightness(crops)
    red, _, blue = ((crops - grey) * colour).unbind(1)
    cos, sin = turn[:, 0].cos(), turn[:, 0].sin()
    red, blue = red * cos - blue * sin, red * sin + blue * cos
    green = -(WEIGHTS[0] * red + WEIGHTS[2] * blue) / WEIGHTS[1]  # the lightness stays
    return (((grey + 1) * light - 1) + torch.stack([red, green, blue], 1)).clamp(-1, 1)


def lightness(crops: Float[Tensor, "b 3 s s"]) -> Float[Tensor, "b 1 s s"]:
    """Return how light each pixel looks."""
    return (crops * crops.new_tensor(WEIGHTS)[:, None, None]).sum(1, keepdim=True)


def _lists(items: Iterator[int], batch: int) -> Iterator[list[int]]:
    while True:
        yield list(itertools.islice(items, batch))
