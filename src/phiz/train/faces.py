"""Pictures of people to learn recognition from, whatever they lie in: each with the number of its person.

- a folder with a folder for each person
- MXNet's records, as the large face data sets are published
- shards of rendered people (``phiz world shards``), of which each face is cut out by its landmarks
- ``synthetic:PEOPLE[:PICTURES]``: patterns that stand for people, to try a machine without any data
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Int64
from numpy.typing import NDArray

from phiz.errors import DataError, MediaError
from phiz.face import align
from phiz.media import image
from phiz.train import recordio
from phiz.train.picture_sources import Names, Picture, Source, find_pictures, pack_names
from phiz.world.data import tars
from phiz.world.data.reading import shuffle
from phiz.world.data.writing import INDEX, read_index

SYNTHETIC = "synthetic"
SYNTHETIC_COUNT = 100_000
"""Pictures of a synthetic set of which nothing else is said, as in the published configuration."""
PATTERN, NOISE = 8, 60
"""A synthetic person is a grid of so many colours; a picture differs from it by so much."""
TABLES = 64
"""Shards whose tables of contents stay in memory."""
EPOCHS, LOTS, PAIRS = range(3)
"""What random bits are for; the same seed gives others for each."""


@dataclass(frozen=True, kw_only=True)
class Faces:
    """Pictures by number, the person on each, and how many people there are."""

    source: Source
    people: Int64[NDArray[np.int64], " n"] | None
    """Whom each picture shows; None where only reading it tells."""
    classes: int


@dataclass(frozen=True, kw_only=True)
class PeopleFolder:
    """A folder with a folder of pictures for each person."""

    folder: Path
    names: Names
    people: Int64[NDArray[np.int64], " n"]
    labels: int = 1

    @property
    def count(self) -> int:
        """Return how many pictures there are."""
        return len(self.names)

    def name(self, number: int) -> str:
        """Return the path of a picture."""
        return str(self.folder / self.names[number])

    def read(self, number: int) -> Picture:
        """Return a picture and whom it shows."""
        return _labelled(image.read(self.name(number)), int(self.people[number]))


@dataclass(frozen=True, kw_only=True)
class RenderedFaces:
    """Faces cut out of rendered portraits by their landmarks, as recognisers want them."""

    folder: Path
    count: int
    per_shard: int
    shards: tuple[str, ...]
    per_person: int
    labels: int = 1

    def name(self, number: int) -> str:
        """Return what a picture is called, for messages."""
        return f"sample {number} of {self.folder}"

    def read(self, number: int) -> Picture:
        """Return a face and whom it shows; `MediaError` where it is damaged, or nobody could see it."""
        files = self._files(number)
        about = json.loads(files["json"])
        points = torch.tensor(about["landmarks68"], dtype=torch.float32)
        photo = image.decode(files["jpg"], name=self.name(number))
        return _labelled(align.recognition(photo, points).picture, number // self.per_person)

    def _files(self, number: int) -> dict[str, bytes]:
        path = self.folder / self.shards[number // self.per_shard]
        wanted = {k: v for k, v in _table(path).get(number, {}).items() if k in ("jpg", "json")}
        try:
            with path.open("rb") as file:
                files = {}
                for suffix, member in wanted.items():
                    file.seek(member.offset)
                    files[suffix] = file.read(member.size)
        except OSError as error:
            raise DataError(f"cannot read {path}: {error.strerror}. Check that it is there.") from error
        if len(files) < 2:
            raise MediaError(f"{self.name(number)} is damaged or cut short. Make {path.name} again.")
        return files


@dataclass(frozen=True, kw_only=True)
class SyntheticFaces:
    """Noisy patterns, one a person: nothing to learn from but how fast a machine is."""

    classes: int
    count: int
    size: int
    seed: int
    labels: int = 1

    def name(self, number: int) -> str:
        """Return what a picture is called, for messages."""
        return f"picture {number} of {SYNTHETIC}:{self.classes}"

    def read(self, number: int) -> Picture:
        """Return the pattern of a person with noise of the picture's own."""
        person = number % self.classes
        pattern = np.random.default_rng((self.seed, person)).integers(0, 256, (3, PATTERN, PATTERN))
        noise = np.random.default_rng((self.seed, person, number)).integers(-NOISE, NOISE, pattern.shape)
        grain = -(-self.size // PATTERN)
        whole = np.clip(pattern + noise, 0, 255).astype(np.uint8).repeat(grain, 1).repeat(grain, 2)
        picture = torch.from_numpy(np.ascontiguousarray(whole[:, : self.size, : self.size]))
        return Picture(picture, torch.tensor([float(person)]))


@dataclass(frozen=True, kw_only=True)
class Some:
    """Some of the pictures of others, and their people under new numbers."""

    whole: Source
    numbers: Int64[NDArray[np.int64], " n"]
    labels: int = 1

    @property
    def count(self) -> int:
        """Return how many pictures there are."""
        return len(self.numbers)

    def name(self, number: int) -> str:
        """Return what a picture is called, for messages."""
        return self.whole.name(int(self.numbers[number]))

    def read(self, number: int) -> Picture:
        """Return a picture and whom it shows."""
        return self.whole.read(int(self.numbers[number]))


def open_faces(data: str, *, size: int, seed: int = 0) -> Faces:
    """Return the faces that `data` names; `size` is for synthetic ones."""
    head, _, rest = data.partition(":")
    if head == SYNTHETIC:
        return _synthetic(rest, size, seed)
    folder = Path(data)
    if not folder.is_dir():
        raise DataError(
            f"there is no folder of faces at {data!r}. Give a folder with a folder for each person, one with "
            f"{recordio.RECORDS}, one of `phiz world shards`, or {SYNTHETIC}:1000."
        )
    if any(folder.glob("*.rec")):
        records = recordio.open_records(folder)
        return Faces(source=records, people=None, classes=recordio.people_in(records))
    if (folder / INDEX).is_file():
        return _rendered(folder)
    return _folder(folder)


def parted(faces: Faces, held_out: int) -> tuple[Faces, Faces | None]:
    """Return faces without the last so many people, and those people's."""
    if held_out == 0:
        return faces, None
    if faces.people is None:
        raise DataError("of records nobody can be held out. Give files of pairs with --pairs instead.")
    known = faces.classes - held_out
    if known < 2:
        raise DataError(f"of {faces.classes} people {held_out} cannot be held out. Hold out fewer.")
    return _some(faces, faces.people < known, known), _some(faces, faces.people >= known, held_out)


def order(count: int, *, seed: int, first: int = 0, step: int = 1, mirror: bool = True) -> Iterator[int]:
    """Yield items (picture times two, plus one for its mirror image) at places `first`, `first + step`, ...

    In each epoch every picture comes once, in an order of the epoch's own; lots decide which are mirrored.
    """
    place = first
    while True:
        epoch, begin = divmod(place, count)
        turns = shuffle(count, seed, EPOCHS, epoch)[begin::step]
        bits = np.random.PCG64(np.random.SeedSequence((seed, LOTS, epoch))).random_raw(count)[begin::step]
        flips = bits >> np.uint64(63) if mirror else np.zeros_like(bits)
        yield from map(int, 2 * turns + flips.astype(np.int64))
        place += step * len(turns)


def pairs_of(faces: Faces, count: int, *, seed: int = 0) -> tuple[list[tuple[int, int]], list[bool]]:
    """Return pairs of pictures, by number: as many of one person as of two, in turns.

    The pairs of one person are spread over all who have two pictures.
    """
    if faces.people is None:
        raise ValueError("pairs are made of faces whose people are known")
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence((seed, PAIRS))))
    by_person = [np.flatnonzero(faces.people == person) for person in np.unique(faces.people)]
    several = [numbers for numbers in by_person if len(numbers) > 1]
    if not several or len(by_person) < 2:
        raise DataError("pairs need two people, and one with two pictures. Hold out more people.")
    found: list[tuple[int, int]] = []
    for turn in range(count):
        own = several[turn % len(several)]
        one, other = rng.choice(own, 2, replace=False)
        found.append((int(one), int(other)))
        first, second = rng.choice(len(by_person), 2, replace=False)
        found.append((int(rng.choice(by_person[first])), int(rng.choice(by_person[second]))))
    return found, [True, False] * count


def _synthetic(text: str, size: int, seed: int) -> Faces:
    classes, _, count = text.partition(":")
    if not (classes.isdecimal() and int(classes) > 1 and (count or "1").isdecimal() and int(count or 1)):
        raise DataError(
            f"{SYNTHETIC}:{text} is nobody. Write {SYNTHETIC}:1000 for a thousand people, or "
            f"{SYNTHETIC}:1000:5000 for five thousand pictures of them."
        )
    source = SyntheticFaces(classes=int(classes), count=int(count or SYNTHETIC_COUNT), size=size, seed=seed)
    return Faces(source=source, people=np.arange(source.count) % source.classes, classes=source.classes)


def _folder(folder: Path) -> Faces:
    names = [name for name in find_pictures(folder) if "/" in name]
    people = [name.split("/", 1)[0] for name in names]
    known = sorted(set(people))
    if len(known) < 2:
        raise DataError(f"{folder} has no folders of pictures of two people or more. Give one for each.")
    places = {person: number for number, person in enumerate(known)}
    numbers = np.array([places[person] for person in people], dtype=np.int64)
    source = PeopleFolder(folder=folder, names=pack_names(names), people=numbers)
    return Faces(source=source, people=numbers, classes=len(known))


def _rendered(folder: Path) -> Faces:
    index = read_index(folder)
    each = index.recipe.get("per_person")
    if not isinstance(each, int) or each < 2 or sum(shard.count for shard in index.shards) < index.count:
        raise DataError(
            f"{folder} is not finished, or has only one picture of each person. Write it with: "
            "phiz world shards --per-person 16"
        )
    source = RenderedFaces(
        folder=folder,
        count=index.count,
        per_shard=index.per_shard,
        shards=tuple(shard.name for shard in index.shards),
        per_person=each,
    )
    people = np.arange(index.count, dtype=np.int64) // each
    return Faces(source=source, people=people, classes=int(people[-1]) + 1)


def _some(faces: Faces, is_kept: NDArray[np.bool_], classes: int) -> Faces:
    assert faces.people is not None
    numbers = np.flatnonzero(is_kept)
    return Faces(
        source=Some(whole=faces.source, numbers=numbers), people=faces.people[numbers], classes=classes
    )


def _labelled(picture: torch.Tensor, person: int) -> Picture:
    return Picture(image.to_bytes(picture).movedim(-1, 0), torch.tensor([float(person)]))


@functools.lru_cache(maxsize=TABLES)
def _table(path: Path) -> dict[int, dict[str, tars.Member]]:
    return tars.samples_of(path)
