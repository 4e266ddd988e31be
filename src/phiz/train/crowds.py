"""Crowds: pictures to learn finding faces from, put together anew each time from single rendered people.

Most show some people, of any size, anywhere, one before the other, in front of clutter; many show one person
close up before that person's own background, as portraits do; some show nobody. Among them are what a
detector should not take for a face: people who lie or stand on their heads, heads whose face is covered or
turned away, hands, skin, hair and cloth. Everything follows from one generator of random numbers.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from phiz.face import warp
from phiz.face.points import MIRROR_68, five_points
from phiz.train import crowd_parts, photo_changes, photo_shapes
from phiz.train.crowd_people import Person
from phiz.train.photo_changes import PhotoChanges

MOST = 6
"""Faces of a picture, at most."""
UPRIGHT, LYING = math.radians(50), math.radians(75)
"""Faces turned by less are looked for, by more they are not; in between it does not matter."""
SEEN, HARDLY = 0.55, 0.15
"""The share of a face that is seen: from the first on it is looked for, below the second it is not."""
POINTS_SEEN = 3
"""Of the five points; with fewer, a face need not be found."""
FRAGILE = 28.0
"""Pixels; where there are smaller faces, not much more is blurred."""
INNER = 0.1
"""Share of a box along each edge that is not looked at when it is asked how much of a face is hidden."""


class Sort(IntEnum):
    """What a box holds."""

    NOTHING = 0
    FACE = 1
    EITHER = 2
    """A face that need not be found, and may be: hardly seen, or half lying."""


@dataclass(frozen=True, kw_only=True)
class CrowdConfig:
    """What crowds look like."""

    close: float = 0.4
    """How often one person is shown before the own background, as in a portrait."""
    empty: float = 0.06
    """How often there is nobody."""
    most: int = 4
    """People of a crowd, at most."""
    least_size: float = 11.0
    """Size of the smallest faces in pixels."""
    largest: float = 1.0
    """Size of the largest faces as a share of the picture's side."""
    hanging: float = 0.12
    """How often somebody lies or stands on the head: no face to be found."""
    faceless: float = 0.08
    """How often somebody has no face, as from behind."""
    cover: float = 0.25
    """How often something is in front of everything."""
    bars: float = 0.06
    """How often the picture ends before its edge, in one colour."""

    def __post_init__(self) -> None:
        shares = (self.close, self.empty, self.hanging, self.faceless, self.cover, self.bars)
        if not all(0 <= share <= 1 for share in shares) or self.close + self.empty > 1:
            raise ValueError("how often something is done lies between 0 and 1")
        if not 1 <= self.most <= MOST or self.least_size <= 0 or self.largest <= 0:
            raise ValueError(f"a crowd has 1 to {MOST} people, and faces have a size")


PHOTOS = CrowdConfig()
"""As varied as the photos that users bring."""


class Crowd(NamedTuple):
    """A picture, and what its faces are; there are always `MOST`, the rest of the sort `NOTHING`."""

    image: UInt8[Tensor, "3 s s"]
    boxes: Float[Tensor, "m 4"]
    points: Float[Tensor, "m 5 2"]
    sorts: Int[Tensor, " m"]


@dataclass
class _Scene:
    """A picture that is being put together, and who is in it already."""

    picture: Float[Tensor, "3 s s"]
    landmarks: list[Float[Tensor, "68 2"]]
    hidden: list[Float[Tensor, "1 s s"]]
    """How much of each pixel something hides that came later, for each of them."""

    def hide(self, cover: Float[Tensor, "1 s s"]) -> None:
        """Note what something new hides."""
        self.hidden = [1 - (1 - one) * (1 - cover) for one in self.hidden]


def crowd(
    draw: Callable[[], Person],
    config: CrowdConfig,
    changes: PhotoChanges,
    side: int,
    rng: np.random.Generator,
) -> Crowd:
    """Return a square picture of `side` pixels, of people that `draw` gives."""
    kind = rng.random()
    if kind < config.close:
        scene = _close_up(draw(), config, side, rng)
    else:
        scene = _Scene(_behind(draw, side, rng), [], [])
        is_empty = kind < config.close + config.empty
        count = 0 if is_empty else int(rng.integers(1, config.most + 1))
        for size in _sizes(count, config, side, rng):
            _join(scene, draw(), size, config, rng)
    if rng.random() < config.cover:
        scene.picture, mask = photo_shapes.covered(scene.picture, rng)
        scene.hide(mask)
    if rng.random() < config.bars:
        scene.picture, mask = crowd_parts.barred(scene.picture, rng)
        scene.hide(mask)
    boxes, points, sorts = _truth(scene, side)
    shown = photo_changes.photographed(scene.picture, _gentle(changes, boxes, sorts), rng).clamp(0, 1)
    return Crowd((shown * 255 + 0.5).to(torch.uint8), boxes, points, sorts)


def sort_of(
    landmarks: Float[Tensor, "68 2"], hidden: Float[Tensor, "1 s s"], side: int
) -> tuple[Float[Tensor, "4"], Sort]:
    """Return the box of a face, from brows to chin, and whether it should be found."""
    box = torch.cat([landmarks.amin(dim=0), landmarks.amax(dim=0)])
    eyes_and_mouth = five_points(landmarks)
    down = eyes_and_mouth[3:].mean(dim=0) - eyes_and_mouth[:2].mean(dim=0)
    roll = abs(math.atan2(float(down[0]), float(down[1])))
    seen = _seen(box, hidden, side)
    if roll > LYING or seen < HARDLY:
        return box, Sort.NOTHING
    is_clear = seen >= SEEN and _points_seen(eyes_and_mouth, hidden, side) >= POINTS_SEEN
    return box, Sort.FACE if roll < UPRIGHT and is_clear else Sort.EITHER


def _close_up(person: Person, config: CrowdConfig, side: int, rng: np.random.Generator) -> _Scene:
    """Return somebody before the own background; the picture ends where it likes."""
    person = _acted(person, config, rng)
    height, width = person.picture.shape[1:]
    size = _size_of(person.landmarks)
    least = 0.9 * side / max(height, width)
    most = max(config.largest * side / size, 1.05 * least)
    scale = math.exp(rng.uniform(math.log(least), math.log(most)))
    matrix = _turned(scale, _roll(rng) if rng.random() < 0.5 else 0.05 * rng.standard_normal(), rng)
    middle = _box_middle(person.landmarks)
    # the face anywhere, as long as about half of it is seen; most pictures show it near the middle
    spread = 0.12 if rng.random() < 0.6 else 0.3
    place = side * (0.5 + spread * torch.from_numpy(rng.uniform(-1, 1, 2)))
    frame = torch.cat([matrix, (place - matrix @ middle)[:, None]], dim=1)
    shown, _ = crowd_parts.placed(person.picture, frame, side, is_whole=True)
    return _Scene(shown[:3], [warp.apply(frame, person.landmarks)], [torch.zeros(1, side, side)])


def _sizes(count: int, config: CrowdConfig, side: int, rng: np.random.Generator) -> list[float]:
    """Return the sizes of faces, any scale as often as any other; mostly the smaller are further away."""
    logs = rng.uniform(math.log(config.least_size), math.log(config.largest * side), count)
    sizes: list[float] = np.exp(logs).tolist()
    return sorted(sizes) if rng.random() < 0.8 else sizes


def _join(scene: _Scene, person: Person, size: float, config: CrowdConfig, rng: np.random.Generator) -> None:
    """Put somebody before all who are there."""
    side = scene.picture.shape[-1]
    has_face = rng.random() >= config.faceless
    if not has_face:
        person = crowd_parts.faceless(person, rng)
    person = _acted(person, config, rng)
    matrix = _turned(size / _size_of(person.landmarks), _roll(rng), rng)
    margin = min(0.4 * size / side, 0.45)  # few faces are cut by an edge
    place = side * torch.from_numpy(rng.uniform(margin, 1 - margin, 2))
    frame = torch.cat([matrix, (place - matrix @ _box_middle(person.landmarks))[:, None]], dim=1)
    shown, cover = crowd_parts.placed(person.picture, frame, side)
    scene.picture = scene.picture + cover * (shown - scene.picture)
    scene.hide(cover)
    if has_face:
        scene.landmarks.append(warp.apply(frame, person.landmarks))
        scene.hidden.append(torch.zeros(1, side, side))


def _acted(person: Person, config: CrowdConfig, rng: np.random.Generator) -> Person:
    """Return somebody mirrored, or not, and lying or upside down, or not."""
    if rng.random() < 0.5:
        flipped = person.landmarks * torch.tensor([-1.0, 1.0]) + torch.tensor([person.picture.shape[2], 0.0])
        person = Person(person.picture.flip(-1), flipped[list(MIRROR_68)])
    if rng.random() < config.hanging:
        person = crowd_parts.quarter_turned(person, int(rng.integers(1, 4)))
    return person


def _turned(scale: float, roll: float, rng: np.random.Generator) -> Float[Tensor, "2 2"]:
    """Return a turn with a scale, a little wider or narrower."""
    wide = math.exp(0.08 * float(rng.uniform(-1, 1)))
    c, s = math.cos(roll), math.sin(roll)
    turn = torch.tensor([[c, -s], [s, c]], dtype=torch.float64)
    return scale * turn @ torch.tensor([[wide, 0.0], [0.0, 1 / wide]], dtype=torch.float64)


def _roll(rng: np.random.Generator) -> float:
    """Return how far somebody leans: little, mostly."""
    if rng.random() < 0.7:
        return math.radians(12) * float(rng.standard_normal())
    return math.radians(50) * float(rng.uniform(-1, 1))


def _behind(draw: Callable[[], Person], side: int, rng: np.random.Generator) -> Float[Tensor, "3 s s"]:
    """Return a background without a face, more or less sharp: clutter, or hair, cloth, skin and scenery."""
    small = side // int(rng.choice((1, 2, 4), p=(0.15, 0.55, 0.3)))
    if rng.random() < 0.55:
        picture = photo_shapes.clutter(small, small, rng)
    else:
        picture = crowd_parts.enlarged(draw(), small, rng)
    for _ in range(int(rng.integers(0, 3))):
        picture, _ = photo_shapes.covered(picture, rng)
    return crowd_parts.resized(picture, side)


def _truth(
    scene: _Scene, side: int
) -> tuple[Float[Tensor, "m 4"], Float[Tensor, "m 5 2"], Int[Tensor, " m"]]:
    boxes, points = torch.zeros(MOST, 4), torch.zeros(MOST, 5, 2)
    sorts = torch.zeros(MOST, dtype=torch.int64)
    for place, (landmarks, hidden) in enumerate(zip(scene.landmarks, scene.hidden, strict=True)):
        boxes[place], sorts[place] = sort_of(landmarks, hidden, side)
        points[place] = five_points(landmarks)
    return boxes, points, sorts


def _gentle(changes: PhotoChanges, boxes: Tensor, sorts: Tensor) -> PhotoChanges:
    """Return changes after which the smallest face can still be seen."""
    sides = (boxes[:, 2:] - boxes[:, :2]).prod(dim=1).sqrt()[sorts == Sort.FACE]
    if not len(sides) or float(sides.min()) >= FRAGILE:
        return changes
    return dataclasses.replace(changes, small=0.0, blur=0.3 * changes.blur)


def _seen(box: Tensor, hidden: Tensor, side: int) -> float:
    """Return which share of a box lies in the picture and is not hidden."""
    left, top, right, bottom = box.tolist()
    inset_x, inset_y = INNER * (right - left), INNER * (bottom - top)
    first_x, last_x = max(round(left + inset_x), 0), min(round(right - inset_x), side)
    first_y, last_y = max(round(top + inset_y), 0), min(round(bottom - inset_y), side)
    if last_x <= first_x or last_y <= first_y:
        return 0.0
    whole: int = max(round(right - inset_x) - round(left + inset_x), 1)
    whole *= max(round(bottom - inset_y) - round(top + inset_y), 1)
    return float((1 - hidden[:, first_y:last_y, first_x:last_x]).sum()) / whole


def _points_seen(five: Tensor, hidden: Tensor, side: int) -> int:
    """Return how many points lie in the picture and are not hidden."""
    inside = ((five >= 0) & (five < side)).all(dim=1)
    x, y = five[inside].long().unbind(dim=1)
    return int((hidden[0, y, x] < 0.5).sum())


def _size_of(landmarks: Tensor) -> float:
    """Return the side of the square as large as the box around a face."""
    wide = landmarks.amax(dim=0) - landmarks.amin(dim=0)
    return math.sqrt(max(float(wide.prod()), 1.0))


def _box_middle(landmarks: Tensor) -> Float[Tensor, "2"]:
    return (landmarks.amin(dim=0) + landmarks.amax(dim=0)).double() / 2
