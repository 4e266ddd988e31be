"""Where training pictures come from: folders, zips, tars, shards of rendered people, or the world itself.

    with contextlib.closing(batches(config, batch=4, rank=0, world=8, seen=run.images)) as stream:
        for batch in stream:
            real, labels = on_device(batch, device)

Which picture comes when follows from the seed and from how many pictures all processes together have seen,
and from nothing else: neither from the number of processes nor from that of workers. So a training that
was interrupted goes on as if nothing had happened, on more GPUs or on fewer.
"""

from __future__ import annotations

import functools
import itertools
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Float64
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader

from phiz.console import Console
from phiz.errors import DataError, PhizError
from phiz.face import models
from phiz.media import image
from phiz.train import picture_archives, sitters
from phiz.train.picture_reading import Crop, PictureBatch, Reader, behave, same
from phiz.train.picture_sources import (
    FolderSource,
    Picture,
    Source,
    Subset,
    find_pictures,
    open_folder,
)
from phiz.world.data.produce import PaintedPeople
from phiz.world.data.reading import shuffle

__all__ = ["FolderSource", "Picture", "PictureBatch", "PictureStream", "PicturesConfig", "Source", "batches"]

WORLD = "world"
AHEAD = 2
"""Batches that each worker may have ready; this bounds memory."""
WARN_EVERY = 100
"""Damaged pictures."""
LOBES = 4
"""Of the filter in `resize_early`."""
EPOCHS, SUBSETS, LOTS = range(3)
"""What random bits are for; the same seed gives others for each."""


@dataclass(frozen=True, kw_only=True)
class PicturesConfig:
    """Pictures to learn from."""

    data: str
    """Folder, zip, tar or folder of tars, tars by number (faces-{0000..0007}.tar), or world (world:SEED):
    people painted on the spot."""
    resolution: int = 256
    """Height and width in pixels; other pictures are resized."""
    mirror: bool = True
    """Have the mirror image of each picture as well."""
    crop: Crop = "refuse"
    """What to do with pictures that are not square: refuse to train on them, or take the centre."""
    workers: int = 2
    """Processes that read ahead, for each GPU; 0 reads in the training process itself."""
    use_labels: bool = False
    """Learn what labels say, too: from dataset.json, or from .cls or .json files in tars."""
    max_pictures: int = 0
    """Use only so many pictures, drawn by lot; 0 uses all."""
    seed: int = 0
    """Which order, and which pictures if not all."""

    def __post_init__(self) -> None:
        """Refuse numbers that make no sense."""
        if min(self.workers, self.max_pictures, self.seed) < 0:
            raise ValueError("workers, max_pictures and seed must not be negative")
        if not 4 <= self.resolution <= image.LARGEST_SIDE:
            raise ValueError(f"pictures cannot have {self.resolution} pixels a side")


@dataclass(frozen=True, kw_only=True)
class WorldSource:
    """People who never lived, each painted when asked for; they never end.

    Everybody is painted once: somebody's second picture is cheaper than the first by a third only, and
    would come right after it.
    """

    seed: int
    size: int
    make: PaintedPeople = field(init=False, repr=False)
    count: None = None
    labels: int = 0

    def __post_init__(self) -> None:
        """Keep what is slow to make; it does not travel to other processes."""
        make = PaintedPeople(head=models.BUILT_IN, size=self.size, seed=self.seed, per_person=1)
        object.__setattr__(self, "make", make)

    def name(self, number: int) -> str:
        """Return what a picture is called, for messages."""
        return f"picture {number} of {WORLD}:{self.seed}"

    def read(self, number: int) -> Picture:
        """Return the picture that ``phiz world shards --per-person 1`` gives this number."""
        painted = image.to_bytes(image.decode(self.make(number)["jpg"]))
        return Picture(painted.movedim(-1, 0), torch.zeros(0))


def open_source(data: str | Path, *, resolution: int = 256, use_labels: bool = False) -> Source:
    """Return the pictures that `data` names (see `PicturesConfig.data`); `resolution` is for painted ones."""
    text = str(data)
    if text.partition(":")[0] == WORLD:
        return _open_world(text, resolution, use_labels=use_labels)
    if picture_archives.BRACES.search(text):
        return picture_archives.open_tars(picture_archives.expand(text), use_labels=use_labels)
    path = Path(data)
    if path.is_dir():
        return _open_folder(path, use_labels=use_labels)
    if not path.exists():
        raise DataError(
            f"there are no pictures at {path}. Check the name; `{WORLD}` paints people on the spot."
        )
    if path.suffix.lower() == ".tar":
        return picture_archives.open_tars([path], use_labels=use_labels)
    if path.suffix.lower() == ".zip" or zipfile.is_zipfile(path):
        return picture_archives.open_zip(path, use_labels=use_labels)
    raise DataError(
        f"{path} is no collection of pictures. Give a folder, a .zip, a .tar that is not packed, "
        f"a folder of tars, or `{WORLD}`."
    )


class PictureStream:
    """Batches of pictures without end; a class because it counts what is damaged and holds processes."""

    def __init__(
        self,
        config: PicturesConfig,
        *,
        batch: int,
        rank: int = 0,
        world: int = 1,
        seen: int = 0,
        console: Console | None = None,
    ) -> None:
        """Open the pictures; reading ahead begins at once. See `batches`."""
        if not (0 <= rank < world and batch >= 1 and seen >= 0):
            raise ValueError(f"no rank {rank} of {world}, batch of {batch}, or {seen} pictures seen")
        whole = open_source(config.data, resolution=config.resolution, use_labels=config.use_labels)
        self.source = limit(whole, config.max_pictures, seed=config.seed)
        self.damaged: dict[int, str] = {}
        """Pictures that cannot be read, by number, with the reason."""
        self._console = console if console is not None else Console()
        items = draw(self.source.count, mirror=config.mirror, seed=config.seed, first=seen + rank, step=world)
        loader = DataLoader(
            Reader(self.source, resolution=config.resolution, crop=config.crop),
            batch_size=None,
            sampler=_lists(items, batch),
            num_workers=config.workers,
            collate_fn=same,
            worker_init_fn=behave,
            prefetch_factor=AHEAD if config.workers else None,
            # Forking a process in which torch has threads can hang.
            multiprocessing_context="spawn" if config.workers else None,
            generator=torch.Generator(),  # or else it would draw from everybody's
        )
        self._batches: Iterator[PictureBatch | PhizError] = iter(loader)

    def __iter__(self) -> PictureStream:
        """Return itself."""
        return self

    def __next__(self) -> PictureBatch:
        """Return the next batch; raise what makes all others pointless, too."""
        try:
            batch = next(self._batches)
        except (RuntimeError, OSError, EOFError) as error:
            self.close()
            if _tells_of_death(error):
                raise DataError(
                    "a process that reads pictures died, most often because the memory ran out (or the "
                    "shared memory of a container). Use fewer workers, or 0."
                ) from error
            raise
        if isinstance(batch, PhizError):
            self.close()
            raise batch
        self._count(batch)
        return batch

    def close(self) -> None:
        """Stop reading ahead."""
        self._batches = iter(())  # the loader ends its processes when nobody holds it

    def _count(self, batch: PictureBatch) -> None:
        for number, reason in batch.damaged:
            if number in self.damaged:
                continue
            self.damaged[number] = reason
            count = len(self.damaged)
            if count == 1 or count % WARN_EVERY == 0:
                self._console.warn(
                    f"{count} of the pictures cannot be read, others take their place: {reason}"
                )


def batches(
    config: PicturesConfig,
    *,
    batch: int,
    rank: int = 0,
    world: int = 1,
    seen: int = 0,
    console: Console | None = None,
) -> PictureStream:
    """Return batches of `batch` pictures for one of `world` processes, going on after `seen` pictures.

    `seen` counts the pictures that all processes together have had. Process `rank` has every `world`-th
    from there on, so that all of them together always have had the first so many of one common order.
    """
    return PictureStream(config, batch=batch, rank=rank, world=world, seen=seen, console=console)


def on_device(
    batch: PictureBatch, device: torch.device
) -> tuple[Float[Tensor, "b 3 h w"], Float[Tensor, "b n"]]:
    """Return pictures in [-1, 1] and labels on a device; they travel there as bytes."""
    images = batch.images.to(device, non_blocking=True)
    return image.from_bytes(images.movedim(1, -1)), batch.labels.to(device, non_blocking=True)


def draw(count: int | None, *, mirror: bool, seed: int, first: int = 0, step: int = 1) -> Iterator[int]:
    """Yield the items (see `Reader`) at places `first`, `first + step`, ... of the order that `seed` gives.

    In each epoch every picture comes once, and so does its mirror image if there are such, all in a new
    random order. A source without end comes as it is, and lots decide which of its pictures are mirrored.
    """
    if count is None:
        for place in itertools.count(first, step):
            yield 2 * place + (mirror and _lot(seed, place))
    assert count is not None
    length = count * (1 + mirror)
    place = first
    while True:
        epoch, begin = divmod(place, length)
        turns = shuffle(length, seed, EPOCHS, epoch)[begin::step]
        yield from (int(turn) if mirror else 2 * int(turn) for turn in turns)
        place += step * len(turns)


def limit(source: Source, count: int, *, seed: int) -> Source:
    """Return `count` pictures of a source, drawn by lot (the first of one without end); 0 leaves all."""
    if not count or (source.count is not None and source.count <= count):
        return source
    if source.count is None:
        return Subset(whole=source, numbers=np.arange(count, dtype=np.int64))
    return Subset(whole=source, numbers=np.sort(shuffle(source.count, seed, SUBSETS)[:count]))


def resize_early(images: Float[Tensor, "b 3 h w"], resolution: int) -> Float[Tensor, "b 3 r r"]:
    """Return pictures at the lower resolution that a growing network is at: what it is compared with.

    Lanczos' filter with four lobes, as published; here it is widened by the factor of shrinking. The
    published trainer leaves it as narrow as it is, so that its small pictures alias: three quarters of the
    rows and columns of a picture of 1024 count for nothing at 32. Where the filter overshoots, the results
    are cut off at -1 and 1.
    """
    height, width = images.shape[-2:]
    if resolution > min(height, width) or resolution < 1:
        raise ValueError(f"pictures of {width} x {height} cannot be reduced to {resolution}")
    if height == width == resolution:
        return images
    rows, columns = (
        torch.from_numpy(lanczos(size, resolution, LOBES)).to(images) for size in (height, width)
    )
    return (rows @ images @ columns.mT).clamp(-1, 1)


@functools.lru_cache(maxsize=16)
def lanczos(size: int, smaller: int, lobes: int) -> Float64[NDArray[np.float64], "{smaller} {size}"]:
    """Return the matrix that reduces a row of pixels; each of its rows adds up to one."""
    factor = size / smaller
    centres = (np.arange(smaller) + 0.5) * factor
    distance = (np.arange(size) + 0.5 - centres[:, None]) / factor
    weights = np.where(np.abs(distance) < lobes, np.sinc(distance) * np.sinc(distance / lobes), 0.0)
    normalised: NDArray[np.float64] = weights / weights.sum(axis=1, keepdims=True)
    return normalised


def _lists(items: Iterator[int], batch: int) -> Iterator[list[int]]:
    while True:
        yield list(itertools.islice(items, batch))


def _tells_of_death(error: Exception) -> bool:
    """Return whether an error of the loader means that a worker is gone: its batches go with it."""
    is_cut_off = isinstance(error, (ConnectionError, EOFError, FileNotFoundError))
    return is_cut_off or "exited unexpectedly" in str(error) or "killed by signal" in str(error)


def _lot(seed: int, place: int) -> bool:
    return bool(np.random.SeedSequence((seed, LOTS, place)).generate_state(1)[0] & 1)


def _open_world(text: str, resolution: int, *, use_labels: bool) -> WorldSource:
    seed = text.partition(":")[2] or "0"
    if not seed.isdecimal():
        raise DataError(f"{text!r} names no world. Write {WORLD}, or {WORLD}:7 for the people of seed 7.")
    if use_labels:
        raise DataError("painted people have no labels. Use no labels.")
    if resolution < 16:
        raise DataError(f"people cannot be painted with {resolution} pixels a side; 16 is the least.")
    return WorldSource(seed=int(seed), size=resolution)


def _open_folder(folder: Path, *, use_labels: bool) -> Source:
    if sitters.are_portraits(folder):
        return sitters.open_portraits(folder)
    if picture_archives.is_shards(folder):
        return picture_archives.open_shards(folder, use_labels=use_labels)
    names, tars = find_pictures(folder), sorted(folder.glob("*.tar"))
    if names and tars:
        raise DataError(
            f"{folder} holds pictures ({names[0]}) and tars ({tars[0].name}). Keep one kind there."
        )
    if tars:
        return picture_archives.open_tars(tars, use_labels=use_labels)
    if not names:
        raise DataError(
            f"{folder} has no pictures. PNG, JPEG or WebP files, there or in folders in it, are expected."
        )
    return open_folder(folder, names, use_labels=use_labels)
