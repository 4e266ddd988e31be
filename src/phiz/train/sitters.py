"""Portraits whose people are known, for regression: batches from a folder of `phiz world portraits`.

Which portraits a step sees is a function of the seed and of the step alone, so that a run that was
interrupted goes on with the same ones.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float, Int
from torch import Tensor

from phiz.errors import DataError
from phiz.graphics.camera import Camera
from phiz.train.picture_sources import Picture
from phiz.world.data.portraits import DEPTH_STEPS, INDEX, read_portraits
from phiz.world.data.reading import shuffle
from phiz.world.portrait import view_camera


@dataclass(frozen=True, kw_only=True)
class Sitting:
    """Some people, each from several sides; pictures of one person stand together."""

    codes: Float[Tensor, "p z"]
    backgrounds: Float[Tensor, "b l"]
    camera: Camera
    images: Float[Tensor, "b 3 h w"]
    alpha: Float[Tensor, "b 1 h w"]
    depth: Float[Tensor, "b 1 h w"]
    """Generator units from the camera along its axis; 0 where nobody is."""
    labels: Int[Tensor, "b h w"]

    def at(self, size: int) -> Sitting:
        """Return the same at another, smaller size: means of pictures, nearest depths and labels."""
        if self.images.shape[-1] == size:
            return self
        resize = torch.nn.functional.interpolate
        labels = resize(self.labels[:, None].float(), size=(size, size), mode="nearest")[:, 0].long()
        return replace(
            self,
            images=resize(self.images, size=(size, size), mode="area"),
            alpha=resize(self.alpha, size=(size, size), mode="area"),
            depth=resize(self.depth, size=(size, size), mode="nearest"),
            labels=labels,
        )

    def to(self, device: torch.device | str) -> Sitting:
        return Sitting(**{name: value.to(device) for name, value in self.__dict__.items()})


class Sitters:
    """A folder of portraits, mapped into memory; a class because it keeps the files open."""

    def __init__(self, folder: Path, *, people: int = 0) -> None:
        """Open a folder; `people` takes the first so many only, 0 all of them."""
        self._arrays, self.index = read_portraits(folder)
        done = int(self.index["done"])
        self.people = people or int(self.index["people"])
        if self.people > done:
            raise DataError(
                f"{folder} has {done} people so far, not {self.people}. Run the command that makes it again, "
                "which goes on where it stopped, or ask for fewer with --warm.people."
            )
        self.views, self.size = int(self.index["views"]), int(self.index["size"])

    @property
    def code_size(self) -> int:
        """Return the length of a person's code."""
        return int(self._arrays["codes"].shape[1])

    @property
    def background_size(self) -> int:
        """Return the length of a background's code."""
        return int(self._arrays["backgrounds"].shape[1])

    def groups(self) -> tuple[tuple[int, ...], tuple[float, ...]]:
        """Return the lengths of the choices at the end of a code, and their biases."""
        kinds = self.index["layout"]["categories"]
        lengths = tuple(len(kind["options"]) for kind in kinds)
        return lengths, tuple(float(b) for kind in kinds for b in kind["bias"])

    def seating(self, seed: int, step: int, people: int) -> Int[npt.NDArray[np.int64], " p"]:
        """Return who sits at a step: everybody once an epoch, in an order of the epoch's own."""
        places = np.arange(step * people, (step + 1) * people)
        found = np.empty(people, np.int64)
        for epoch in np.unique(places // self.people):
            order = shuffle(self.people, seed, int(epoch))
            here = places // self.people == epoch
            found[here] = order[places[here] % self.people]
        return found

    def batch(self, who: Int[npt.NDArray[np.int64], " p"], views: int, turn: int = 0) -> Sitting:
        """Return so many views of each person; `turn` says with which of theirs to begin."""
        sides = (turn + np.arange(views)) % self.views
        rows = (who[:, None] * self.views + sides).reshape(-1)
        read = {name: self._arrays[name][rows] for name in ("images", "alpha", "depth", "labels", "cameras")}
        angles = torch.from_numpy(read["cameras"])
        behind = torch.from_numpy(self._arrays["backgrounds"][who])
        return Sitting(
            codes=torch.from_numpy(self._arrays["codes"][who]),
            backgrounds=behind.repeat_interleave(views, dim=0),
            camera=view_camera(angles[:, 0], angles[:, 1]),
            images=torch.from_numpy(read["images"]).permute(0, 3, 1, 2).float() / 127.5 - 1,
            alpha=torch.from_numpy(read["alpha"])[:, None].float() / 255,
            depth=torch.from_numpy(read["depth"].astype(np.float32))[:, None] / DEPTH_STEPS,
            labels=torch.from_numpy(read["labels"].astype(np.int64)),
        )


@dataclass(frozen=True, kw_only=True)
class PortraitSource:
    """The same portraits as mere pictures, for whoever asks for pictures by number."""

    folder: Path
    count: int
    labels: Literal[0] = 0

    def name(self, number: int) -> str:
        """Return what a picture is called, for messages."""
        return f"portrait {number} of {self.folder}"

    def read(self, number: int) -> Picture:
        """Return a picture."""
        images = np.load(self.folder / "images.npy", mmap_mode="r")
        return Picture(torch.from_numpy(images[number].copy()).permute(2, 0, 1), torch.zeros(0))


def are_portraits(folder: Path) -> bool:
    """Return whether a folder was written by ``phiz world portraits``."""
    return (folder / INDEX).is_file() and (folder / "codes.npy").is_file()


def open_portraits(folder: Path) -> PortraitSource:
    """Return the finished pictures of a folder of portraits."""
    arrays, _ = read_portraits(folder)
    return PortraitSource(folder=folder, count=len(arrays["images"]))
