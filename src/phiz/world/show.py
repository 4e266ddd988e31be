"""Look at the world: who lives in it, a sheet of pictures, one person from all sides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from phiz.console import Console
from phiz.errors import UsageError
from phiz.face import models
from phiz.face.morphable import MorphableModel
from phiz.media import image
from phiz.media.video import Writer
from phiz.options import option
from phiz.world.figure import dress
from phiz.world.grown.hair_cards import styles_for
from phiz.world.paint import Picture, paint
from phiz.world.people import Person, fitzpatrick, sample_person
from phiz.world.scene import Scene, portrait_scene, sample_scene
from phiz.world.scene import turntable as turntable_scenes

SMALLEST, LARGEST = 32, 2048
LABEL_COLOURS = (
    (0, 0, 0),
    (204, 160, 130),
    (90, 60, 30),
    (150, 100, 50),
    (60, 120, 255),
    (120, 200, 255),
    (255, 255, 0),
    (255, 120, 60),
    (255, 170, 100),
    (255, 0, 255),
    (230, 120, 110),
    (120, 0, 30),
    (255, 60, 90),
    (200, 20, 60),
    (160, 120, 100),
    (200, 200, 255),
    (40, 160, 80),
    (110, 40, 160),
    (0, 160, 160),
)
"""What each `phiz.world.surface.Label` is painted with."""


@dataclass(frozen=True, kw_only=True)
class PeopleConfig:
    """Which people to list."""

    count: int = 24
    """How many people."""
    seed: int = 0
    """The first person's number; the others follow."""
    heads: Path | None = None
    """Folder with head data (head.npz) whose modelled hair people may wear as well."""


@dataclass(frozen=True, kw_only=True)
class SheetConfig:
    """Which pictures to draw, and how."""

    output: Path = option(Path("sheet.png"), "-o", "--output")
    """The picture to write."""
    count: int = 24
    """How many people."""
    columns: int = 6
    """How many side by side."""
    size: int = 256
    """Height and width of each picture in pixels."""
    seed: int = 0
    """The first person's number; the others follow."""
    heads: Path | None = None
    """Folder with head data (head.npz) whose modelled hair people may wear as well."""
    labels: bool = False
    """Put each picture's labels below it."""
    portrait: bool = False
    """All from the front and in flattering light, instead of every pose, face and light."""


@dataclass(frozen=True, kw_only=True)
class TurntableConfig:
    """Whom to film, and how."""

    output: Path = option(Path("turn.mp4"), "-o", "--output")
    """The film to write."""
    seed: int = 0
    """The person's number."""
    frames: int = 100
    """How many pictures one full turn takes, at 25 a second."""
    size: int = 384
    """Height and width in pixels."""
    heads: Path | None = None
    """Folder with head data (head.npz) whose modelled hair people may wear as well."""


def people(config: PeopleConfig, console: Console) -> Mapping[str, object]:
    """List who lives in the world: the people that seeds stand for.

    Examples:
        phiz world people
        phiz world people --seed 100 --count 5 --json
    """
    _check(count=config.count, seed=config.seed)
    head = world_head(config.heads, console)
    found = [sample_person(config.seed + k, head, styles_for(head)) for k in range(config.count)]
    facts = [describe(person) for person in found]
    if facts:
        console.table(list(facts[0]), [list(fact.values()) for fact in facts])
    return {"people": facts}


def sheet(config: SheetConfig, console: Console) -> Mapping[str, object]:
    """Draw a sheet of people who never lived, each in a scene of their own.

    Examples:
        phiz world sheet
        phiz world sheet -o faces.png --count 12 --columns 4 --labels
        phiz world sheet --portrait --seed 100
    """
    _check(count=config.count, seed=config.seed, size=config.size)
    if config.columns < 1:
        raise UsageError(f"--columns {config.columns} cannot be; choose 1 or more.")
    head = world_head(config.heads, console)
    tiles = []
    for number in console.progress(range(config.seed, config.seed + config.count), label="people"):
        with torch.no_grad():
            picture = _picture(number, head, config)
        shown = (picture.image,) if not config.labels else (picture.image, label_picture(picture.labels))
        tiles.append(torch.cat(shown, dim=1))
    image.write(config.output, arrange(tiles, config.columns))
    console.say(f"Drew {config.count} people: {config.output}")
    return {"output": str(config.output), "people": config.count, "first": config.seed}


def turntable(config: TurntableConfig, console: Console) -> Mapping[str, object]:
    """Film one person from all sides.

    Examples:
        phiz world turntable
        phiz world turntable --seed 7 --size 512 -o seven.mp4
    """
    _check(count=config.frames, seed=config.seed, size=config.size)
    head = world_head(config.heads, console)
    person = sample_person(config.seed, head, styles_for(head))
    scenes = turntable_scenes(person, head, config.frames, seed=config.seed)
    with torch.no_grad(), Writer(config.output, fps=25, size=(config.size, config.size)) as film:
        worn = dress(person, head)
        for scene in console.progress(scenes, label="frames"):
            film.write(paint(person, scene, head, size=config.size, outfit=worn).image)
    console.say(f"Filmed person {config.seed} from all sides: {config.output}")
    return {"output": str(config.output), "person": config.seed, "frames": config.frames}


def world_head(heads: Path | None, console: Console) -> MorphableModel:
    """Return the head that everybody in the world varies, and say which it is."""
    if heads is None:
        console.say("The world runs from its built-in parts; --heads DIR brings modelled hair as well.")
    return models.built_in_with(heads)


def describe(person: Person) -> dict[str, object]:
    """Return the facts about a person that fit into one line."""
    return {
        "number": person.number,
        "skin": fitzpatrick(person.skin),
        "age": round(person.skin.age, 2),
        "hair": person.hair.style,
        "grey": round(person.hair.grey, 2),
        "beard": person.hair.beard,
        "glasses": person.glasses,
        "hat": person.hat,
        "clothing": person.clothing,
        "make_up": person.skin.lipstick > 0,
        "earrings": person.earrings,
    }


def label_picture(labels: Shaped[Tensor, "h w"]) -> Float[Tensor, "3 h w"]:
    """Return a map of labels (h, w) as a picture, a colour for each class."""
    colours = torch.tensor(LABEL_COLOURS, dtype=torch.float32) / 127.5 - 1
    return colours[labels.long()].permute(2, 0, 1)


def arrange(tiles: list[Float[Tensor, "3 h w"]], columns: int) -> Float[Tensor, "3 H W"]:
    """Return pictures of one size in rows; what is left over of the last row is black."""
    blank = torch.full_like(tiles[0], -1.0)
    full = tiles + [blank] * (-len(tiles) % columns)
    rows = [torch.cat(full[k : k + columns], dim=2) for k in range(0, len(full), columns)]
    return torch.cat(rows, dim=1)


def _picture(number: int, head: MorphableModel, config: SheetConfig) -> Picture:
    person = sample_person(number, head, styles_for(head))
    make: Scene = (portrait_scene if config.portrait else sample_scene)(number, person, head)
    return paint(person, make, head, size=config.size)


def _check(*, count: int, seed: int, size: int = SMALLEST) -> None:
    if count < 1:
        raise UsageError(f"{count} pictures cannot be; choose 1 or more.")
    if seed < 0:
        raise UsageError(f"--seed {seed} cannot be; choose 0 or more.")
    if not SMALLEST <= size <= LARGEST:
        raise UsageError(f"--size {size} cannot be; choose {SMALLEST} to {LARGEST} pixels.")
