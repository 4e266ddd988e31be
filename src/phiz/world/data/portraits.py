"""Portraits as flat arrays that training can map into memory: each head from several sides, with its code.

A folder holds, with ``n = people * views`` pictures, the views of a person one after the other:

- ``images.npy`` uint8 (n, size, size, 3), RGB
- ``alpha.npy`` uint8 (n, size, size): how much of a pixel the person covers
- ``depth.npy`` uint16 (n, size, size): generator units (`phiz.world.portrait.PORTRAIT_UNITS_PER_METRE`
  a metre) along the camera's axis from the camera, times 10 000; 0 is background. The generator's
  origin lies at 10 000
- ``labels.npy`` uint8 (n, size, size): `phiz.world.surface.Label`, sides as the data set means them
- ``cameras.npy`` float32 (n, 2): yaw and pitch for `phiz.world.portrait.view_camera`
- ``landmarks.npy`` float32 (n, 68, 2): pixels
- ``codes.npy`` float32 (people, dims): `phiz.world.code`
- ``backgrounds.npy`` float32 (people, 3): their codes, normal numbers
- ``index.json``: what was asked for, the code's layout, and how many people are done
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

import phiz
from phiz import checkpoint
from phiz.console import Console
from phiz.errors import DataError
from phiz.face import models
from phiz.face.morphable import MorphableModel
from phiz.options import option
from phiz.world.code import code_layout
from phiz.world.data import workers
from phiz.world.data.produce import SEEDS_APART, fingerprint, one_thread
from phiz.world.figure import dress
from phiz.world.grown.hair_cards import styles_for
from phiz.world.paint import Picture, paint
from phiz.world.portrait import PORTRAIT_UNITS_PER_METRE, sample_portrait, sample_view, seen_from

FORMAT = 1
INDEX = "index.json"
AT_ONCE = 8
"""People between two notes in the index."""
DEPTH_STEPS = 10_000
"""Of depth, a generator unit."""

Array = npt.NDArray[Any]


@dataclass(frozen=True, kw_only=True)
class PortraitsConfig:
    """Portraits for a generator to learn from."""

    output: Path = option(Path("portraits"), "-o", "--output")
    """The folder to write."""
    people: int = 4000
    """How many people."""
    views: int = 3
    """Pictures of each person."""
    size: int = 256
    """Height and width of the pictures in pixels."""
    seed: int = 0
    """Which people; another seed shares nobody with this one."""
    head: str = models.BUILT_IN
    """Head model: the built-in one, or a folder or file of another."""
    workers: int = 0
    """Processes; 0 takes one a core. The bytes do not depend on it."""

    def __post_init__(self) -> None:
        if self.people < 1 or self.views < 1:
            raise ValueError("--people and --views must be positive")
        if self.seed < 0 or self.workers < 0:
            raise ValueError("--seed and --workers must not be negative")
        if not 16 <= self.size <= 1024:
            raise ValueError(f"--size {self.size} cannot be; choose 16 to 1024 pixels")


class PaintedPortraits:
    """Makes the arrays of one person after another; a class because it keeps the head model."""

    def __init__(self, *, head: str, size: int, seed: int, views: int) -> None:
        self.head = head
        self.size = size
        self.seed = seed
        self.views = views
        self._model: MorphableModel | None = None

    def __call__(self, number: int) -> dict[str, Array]:
        """Return the rows of a person, by file; the same number gives the same on any number of cores."""
        seed = self.seed * SEEDS_APART + number
        with one_thread(), torch.no_grad():
            head = self.model()
            portrait = sample_portrait(seed, head, styles_for(head))
            worn = dress(portrait.person, head)
            views = [sample_view(seed, k) for k in range(self.views)]
            pictures = [
                paint(portrait.person, seen_from(portrait, head, *view), head, size=self.size, outfit=worn)
                for view in views
            ]
        return {
            **_stacked([_rows(picture) for picture in pictures]),
            "cameras": np.array(views, np.float32),
            "codes": portrait.code.numpy()[None],
            "backgrounds": portrait.background_code.numpy()[None],
        }

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_model": None}

    def model(self) -> MorphableModel:
        """Return the head model, loaded once."""
        if self._model is None:
            self._model = models.open_model(self.head)
        return self._model

    def recipe(self) -> dict[str, object]:
        """Return everything that the arrays depend on, but how many people there are."""
        head = self.model()
        return {
            "maker": f"phiz {phiz.__version__}",
            "head": f"{head.name} {fingerprint(head)}",
            "size": self.size,
            "seed": self.seed,
            "views": self.views,
            "units_per_metre": PORTRAIT_UNITS_PER_METRE,
            "depth_steps": DEPTH_STEPS,
            "layout": code_layout(head, styles_for(head)).as_json(),
        }


def portraits_verb(config: PortraitsConfig, console: Console) -> Mapping[str, object]:
    """Write portraits for a generator to learn from, as flat arrays.

    Interrupted, it goes on where it stopped when the same command is given again.

    Examples:
        phiz world portraits -o portraits --people 4000 --views 3
        phiz world portraits -o few --people 100 --size 64 --workers 1
    """
    make = PaintedPortraits(head=config.head, size=config.size, seed=config.seed, views=config.views)
    processes = workers.count_workers(config.workers)
    write_portraits(make, config.output, people=config.people, processes=processes, console=console)
    pictures = config.people * config.views
    console.say(f"{pictures} pictures of {config.people} people are in {config.output}.")
    return {"output": str(config.output), "people": config.people, "pictures": pictures}


def write_portraits(
    make: PaintedPortraits, folder: Path, *, people: int, processes: int = 1, console: Console
) -> None:
    """Write the portraits of people 0 to `people` - 1.

    Run again after an interruption, this goes on after the last person in the index, and ends with
    the same bytes as if nothing had happened, with any number of processes.
    """
    if people < 1:
        raise ValueError(f"people must be positive, not {people}")
    index = {"format": FORMAT, "people": people, **make.recipe()}
    done = _resume(folder, index)
    if done == 0:
        _save(folder, index, 0)
    arrays = _arrays(folder, make, people, index, fresh=done == 0)
    rows = workers.spread(make, range(done, people), workers=min(processes, max(people - done, 1)))
    with contextlib.closing(rows):
        made = console.progress(rows, total=people - done, label="people")
        for number, found in enumerate(made, start=done):
            for name, values in found.items():
                each = len(values)
                arrays[name][number * each : (number + 1) * each] = values
            if (number + 1) % AT_ONCE == 0 or number + 1 == people:
                for array in arrays.values():
                    array.flush()
                _save(folder, index, number + 1)


def read_portraits(folder: Path) -> tuple[dict[str, Array], dict[str, Any]]:
    """Return the arrays of a folder, mapped and read only, cut to what is done, and its index."""
    index = _read_index(folder)
    done, views = int(index["done"]), int(index["views"])
    try:
        found = {path.stem: np.load(path, mmap_mode="r") for path in sorted(folder.glob("*.npy"))}
    except (OSError, ValueError) as error:
        raise DataError(f"cannot read the arrays in {folder}: {error}. Write them anew.") from error
    by_person = ("codes", "backgrounds")
    return {name: a[: done if name in by_person else done * views] for name, a in found.items()}, index


def _rows(picture: Picture) -> dict[str, Array]:
    """Return the arrays of one picture."""
    depth = picture.depth.numpy().astype(np.float64) * PORTRAIT_UNITS_PER_METRE
    steps = np.where(np.isfinite(depth), np.clip(np.rint(depth * DEPTH_STEPS), 1, 65_535), 0)
    shown = ((picture.image + 1) * 127.5 + 0.5).clamp(0, 255).to(torch.uint8)
    return {
        "images": shown.permute(1, 2, 0).contiguous().numpy(),
        "alpha": (picture.alpha.clamp(0, 1) * 255 + 0.5).to(torch.uint8).numpy(),
        "depth": steps.astype(np.uint16),
        "labels": picture.labels.numpy(),
        "landmarks": picture.landmarks68.numpy().astype(np.float32),
    }


def _stacked(rows: list[dict[str, Array]]) -> dict[str, Array]:
    return {name: np.stack([row[name] for row in rows]) for name in rows[0]}


def _arrays(
    folder: Path, make: PaintedPortraits, people: int, index: Mapping[str, Any], *, fresh: bool
) -> dict[str, np.memmap[Any, Any]]:
    """Return the files, open for writing; new ones are full of zeros."""
    n, size = people * make.views, make.size
    shapes: dict[str, tuple[type[np.generic], tuple[int, ...]]] = {
        "images": (np.uint8, (n, size, size, 3)),
        "alpha": (np.uint8, (n, size, size)),
        "depth": (np.uint16, (n, size, size)),
        "labels": (np.uint8, (n, size, size)),
        "landmarks": (np.float32, (n, 68, 2)),
        "cameras": (np.float32, (n, 2)),
        "codes": (np.float32, (people, index["layout"]["size"])),
        "backgrounds": (np.float32, (people, 3)),
    }
    arrays = {}
    for name, (kind, shape) in shapes.items():
        path = folder / f"{name}.npy"
        if fresh:
            arrays[name] = np.lib.format.open_memmap(path, "w+", dtype=kind, shape=shape)
            continue
        try:
            arrays[name] = np.lib.format.open_memmap(path, "r+")
        except (OSError, ValueError) as error:
            raise DataError(f"cannot go on with {path}: {error}. Choose a new folder.") from error
        if arrays[name].shape != shape or arrays[name].dtype != kind:
            raise DataError(f"{path} has the shape {arrays[name].shape}, not {shape}. Choose a new folder.")
    return arrays


def _resume(folder: Path, wanted: Mapping[str, object]) -> int:
    """Return how many people the folder has already; refuse one that holds something else."""
    if not (folder / INDEX).exists():
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise DataError(f"{folder} is there already and has no {INDEX}. Choose a new folder.")
        return 0
    found = _read_index(folder)
    asked: dict[str, Any] = json.loads(json.dumps(wanted))
    for key, value in asked.items():
        if found.get(key) != value:
            raise DataError(
                f"{folder} holds other portraits: its {key} differs from what you ask for. "
                "Choose another folder, or ask for the same again."
            )
    return int(found["done"])


def _read_index(folder: Path) -> dict[str, Any]:
    path = folder / INDEX
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if int(found["format"]) > FORMAT:
            raise DataError(f"{path} has format {found['format']}, newer than this phiz. Upgrade it.")
        int(found["done"])
        return found
    except FileNotFoundError:
        raise DataError(f"{folder} holds no portraits: it has no {INDEX}. Check the folder.") from None
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}.") from error
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{path} is damaged ({error}). Start in a new folder.") from error


def _save(folder: Path, index: Mapping[str, object], done: int) -> None:
    text = json.dumps({**index, "done": done}, indent=1, sort_keys=True)
    with checkpoint.atomic(folder / INDEX) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")
