"""Clothes from the neck down: a torso that the head's mesh lacks, dressed.

A garment is a sheet of points: columns go around the body, rows go from the neckline down over the
shoulders and out of the picture. Its plain form (`_body`) follows human proportions; near the neck
it is drawn onto the head's own skin, and pushed out wherever skin would poke through.
"""

from __future__ import annotations

import math
from collections.abc import Hashable
from dataclasses import dataclass, replace
from typing import cast

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from phiz.face.morphable import MorphableModel, Part
from phiz.world.drawn import meshes
from phiz.world.drawn.shading import dot
from phiz.world.people import Clothing, Person, generator
from phiz.world.surface import Label, Material, Surface, join
from phiz.world.worn.shapes import ball, grid, numbers_of, points_of, smooth_path, surface, tube, unit

AROUND, DOWN = 96, 46
FOLLOWING = 0.03
"""Cloth this far from skin still follows it by a third."""
SKIN_GAP = 0.003
"""Metres that cloth keeps from skin."""

# The body at the front, the side and the back: (distance from the middle, height), in metres for
# shoulders of ordinary width, from the middle of the neck to below any picture.
FRONT = ((0.056, -0.085), (0.060, -0.118), (0.057, -0.155), (0.080, -0.200), (0.105, -0.29), (0.105, -0.62))
SIDE = ((0.056, -0.070), (0.060, -0.100), (0.088, -0.121), (0.186, -0.160), (0.222, -0.235), (0.228, -0.62))
BACK = ((0.048, -0.060), (0.052, -0.095), (0.064, -0.125), (0.084, -0.165), (0.114, -0.26), (0.112, -0.62))
SQUARENESS = 0.85
"""Below 1, bodies are broader than an ellipse."""
MESH_SIDE, MESH_LOW = 0.124, -0.193
"""Half width and lowest point of the shoulders of the head for which the numbers above were drawn."""

NECKLINES: dict[Clothing, tuple[float, float, float]] = {
    "crew": (1.75, 1.62, 1.45),
    "v_neck": (2.0, 1.70, 1.45),
    "collar": (1.80, 1.45, 1.30),
    "turtleneck": (0.25, 0.30, 0.30),
    "hoodie": (1.80, 1.70, 1.45),
    "off_shoulder": (2.35, 2.25, 2.0),
}
"""Where a garment begins at the front, the side and the back, in steps along the lists above."""


def clothing(person: Person, vertices: Float[Tensor, "v 3"], head: MorphableModel) -> list[Surface]:
    """Return what a person wears; `vertices` are the head's as posed in the figure, in metres.

    A head model without a neck and shoulders wears nothing.
    """
    if not (head.parts == Part.SHOULDERS).any():
        return []
    skin = _skin(vertices, head)
    rng = generator(person.number, "clothing")
    ease = 0.004 + 0.006 * float(rng.random()) + (0.006 if person.clothing == "hoodie" else 0.0)
    garment = _garment(person, rng, skin, ease)
    colour = _dye(person, rng, garment)
    pieces = [_cloth(garment, colour)]
    edge, second = garment[1], person.cloth_second_colour
    if person.clothing in ("crew", "v_neck", "hoodie", "off_shoulder"):
        rib = second if rng.random() < 0.25 else _darker(person.cloth_colour, 0.85)
        pieces.append(_rib(edge, rib))
    if person.clothing == "turtleneck":
        pieces.append(_roll(garment, person.cloth_colour))
    if person.clothing == "collar":
        pieces += [_collar(edge, rng, person.cloth_colour), _buttons(garment, second)]
    if person.clothing == "hoodie":
        pieces.append(_hood(edge, rng, person.cloth_colour))
        pieces += _cords(garment)
    return [join(pieces)]


def _skin(vertices: Float[Tensor, "v 3"], head: MorphableModel) -> Float[Tensor, "n 3"]:
    """Return points of neck and shoulders: the vertices, and more within triangles that are large."""
    chosen = (head.parts == Part.SHOULDERS) | (head.parts == Part.NECK)
    corners = vertices[head.triangles[chosen]]
    if float((corners[:, 0] - corners[:, 1]).norm(dim=-1).mean()) < 0.015:
        return points_of(head, vertices, (Part.SHOULDERS, Part.NECK))
    shares = [(i / 4, j / 4, 1 - (i + j) / 4) for i in range(5) for j in range(5 - i)]
    return torch.einsum("ks,fsc->fkc", torch.tensor(shares), corners).reshape(-1, 3)


@dataclass(frozen=True, kw_only=True)
class Worn:
    """A garment and the skin that carries it along when the neck turns."""

    garment: Surface
    skin: Int[Tensor, " v"]
    """The head's vertex nearest to each of the garment's."""
    share: Float[Tensor, "v 1"]
    """How much of that vertex's movement the cloth follows: all on the neck, nothing far from it."""


def put_on(garment: Surface, rest: Float[Tensor, "v 3"], head: MorphableModel) -> Worn:
    """Return a garment that was made on the head at rest, ready to follow it."""
    own = numbers_of(cast(Hashable, head), (Part.SHOULDERS, Part.NECK))
    away, nearest = meshes.nearest(garment.vertices, rest[own], 3 * FOLLOWING)
    return Worn(garment=garment, skin=own[nearest], share=torch.exp(-((away / FOLLOWING) ** 2))[:, None])


def follow(worn: Worn, rest: Float[Tensor, "v 3"], posed: Float[Tensor, "v 3"]) -> Surface:
    """Return the garment on the head as posed, in the figure's frame."""
    moved = (posed - rest)[worn.skin] * worn.share
    return replace(worn.garment, vertices=worn.garment.vertices + moved)


def _steps(person: Person, rng: np.random.Generator, turn: Tensor) -> Tensor:
    """Return for each direction where the neckline lies along the body's lists."""
    front, side, back = NECKLINES[person.clothing]
    loose = 0.10 * (2 * float(rng.random()) - 1)
    ahead = turn.cos()
    ends = torch.where(ahead > 0, front, back)
    line = side + (ends - side) * ahead.square() + loose
    if person.clothing in ("v_neck", "collar"):  # the opening: a notch in front
        deep, half = (0.62, 0.75) if person.clothing == "v_neck" else (0.60, 0.55)
        away = torch.atan2(turn.sin(), turn.cos()).abs()
        line = line + deep * (0.7 + 0.4 * float(rng.random())) * (1 - away / half).clamp(min=0)
    return line.clamp(0.2, 2.62)


def _body(turn: Tensor, step: Float[Tensor, "r c"], skin: Float[Tensor, "n 3"]) -> Float[Tensor, "r c 3"]:
    """Return points of the plain body, as large and as high as the skin's shoulders."""
    scale = float(skin[:, 0].abs().max()) / MESH_SIDE
    drop = float(skin[:, 1].min()) - MESH_LOW * scale
    lists = torch.tensor([FRONT, SIDE, BACK])  # (3, k, 2)
    samples = 16
    curve = smooth_path(lists.transpose(0, 1), (lists.shape[1] - 1) * samples + 1)  # (n, 3, 2)
    spot = (step * samples).clamp(0, curve.shape[0] - 1.001)
    at = spot.floor().long()
    here = torch.lerp(curve[at], curve[at + 1], (spot - at)[..., None, None])  # (r, c, 3, 2)
    ahead, aside = turn.cos(), turn.sin()
    ends = torch.where((ahead > 0)[None, :, None], here[:, :, 0], here[:, :, 2])
    height = here[:, :, 1, 1] * aside**2 + ends[..., 1] * ahead**2
    # Only shoulders and chest are square; a neck is round.
    power = 1 - (1 - SQUARENESS) * (step / 3).clamp(0, 1)
    x = here[:, :, 1, 0] * aside.sign() * aside.abs() ** power
    z = ends[..., 0] * ahead.sign() * ahead.abs() ** power
    lean = -0.010 - 0.010 * (step / 2).clamp(0, 1)  # the neck leans forward of the shoulders
    return torch.stack([x, height, z + lean], dim=-1) * scale + torch.tensor([0.0, drop, 0.0])


def _garment(
    person: Person, rng: np.random.Generator, skin: Float[Tensor, "n 3"], ease: float
) -> Float[Tensor, "r c 3"]:
    turn = torch.arange(AROUND) * (2 * math.pi / AROUND)
    start = _steps(person, rng, turn)
    share = torch.linspace(0, 1, DOWN)[:, None] ** 1.25
    step = start + share * (5 - start)
    points = _body(turn, step, skin)
    normals = _normals(points)  # of the plain body throughout: those of a drawn sheet may tangle
    points = _drawn_on(points, normals, skin, ease)
    points = points + normals * (_folds(rng, points, step) * (share * 4).clamp(max=1))[..., None]
    points = _pushed_out(points, normals, skin)
    inner = points[:1] - normals[:1] * 0.004  # the hem turns in
    return torch.cat([inner, points])


def _normals(points: Float[Tensor, "r c 3"]) -> Float[Tensor, "r c 3"]:
    """Return unit normals of a sheet that closes around, pointing out of the body."""
    around = points.roll(-1, 1) - points.roll(1, 1)
    down = torch.cat([points[1:2] - points[:1], points[2:] - points[:-2], points[-1:] - points[-2:-1]])
    return unit(torch.linalg.cross(down, around, dim=-1))


def _drawn_on(points: Tensor, normals: Tensor, skin: Float[Tensor, "n 3"], ease: float) -> Tensor:
    """Return the sheet moved along its normals to lie on the skin, where there is skin near it."""
    rows = _rows_near(points, skin)
    some = skin[:: max(1, len(skin) // 1500)]
    for reach in (0.055, 0.035, 0.025):
        flat = points[:rows].reshape(-1, 3)
        away, nearest = meshes.nearest(flat, some, 2 * reach)
        gap = dot(some[nearest] - flat, normals[:rows].reshape(-1, 3))[:, 0]
        move = torch.zeros(points.shape[:2])
        move[:rows] = (gap * torch.exp(-((away / reach) ** 4))).reshape(rows, AROUND)
        points = points + normals * _eased(move, 3)[..., None]
    points = points + normals * ease
    edge = points[:4]
    for _ in range(4):
        edge = (edge.roll(1, 1) + 2 * edge + edge.roll(-1, 1)) / 4
    return torch.cat([edge, points[4:]])


def _rows_near(points: Float[Tensor, "r c 3"], skin: Float[Tensor, "n 3"]) -> int:
    """Return how many rows of a sheet, from its upper edge down, skin can come near."""
    return int((points[..., 1].amax(dim=1) > skin[:, 1].min() - 0.05).sum())


def _eased(values: Float[Tensor, "r c"], times: int) -> Float[Tensor, "r c"]:
    """Return values of a sheet that closes around, smoothed along both of its directions."""
    for _ in range(times):
        values = (values.roll(1, 1) + 2 * values + values.roll(-1, 1)) / 4
        tall = torch.cat([values[:1], values, values[-1:]])
        values = (tall[:-2] + 2 * tall[1:-1] + tall[2:]) / 4
    return values


def _pushed_out(points: Tensor, normals: Tensor, skin: Float[Tensor, "n 3"]) -> Tensor:
    """Return the sheet with every part raised through which skin would show."""
    rows = _rows_near(points, skin)
    for _ in range(3):
        flat, out = points[:rows].reshape(-1, 3), normals[:rows].reshape(-1, 3)
        nearest = meshes.nearest(skin, flat, 0.08)[1]
        gap = skin - flat[nearest]
        over = (gap * out[nearest]).sum(-1)
        aside = (gap - over[:, None] * out[nearest]).norm(dim=-1)
        # Skin beside the sheet, such as the neck above its edge, does not push it.
        under = (nearest >= AROUND) & (aside < 0.012) & (over > -0.03)
        over = torch.where(under, over + SKIN_GAP, torch.zeros(())).clamp(0, 0.01)
        if float(over.max()) == 0:
            break
        raise_by = (
            torch.zeros(points[..., 0].numel())
            .scatter_reduce(0, nearest, over, "amax")
            .reshape(points.shape[:2])
        )
        wide = torch.nn.functional.pad(raise_by[None, None], (2, 2, 0, 0), mode="circular")
        wide = torch.nn.functional.pad(wide, (0, 0, 2, 2), mode="replicate")
        grown = torch.nn.functional.max_pool2d(wide, 3, stride=1)
        even = torch.nn.functional.avg_pool2d(grown, 3, stride=1)[0, 0]
        points = points + normals * torch.maximum(even, raise_by)[..., None]
    return points


def _folds(rng: np.random.Generator, points: Tensor, step: Tensor) -> Tensor:
    """Return how far the cloth stands out in folds: long waves that run down and across the chest."""
    x, y, z = points.unbind(-1)
    total = torch.zeros_like(x)
    for _ in range(7):
        turn = 6.28 * float(rng.random())
        pace = 22 + 70 * float(rng.random())
        slope = 0.5 * (2 * float(rng.random()) - 1)
        bend = 6 * torch.sin(9 * y + turn)
        wave = torch.sin(pace * (x + slope * y + 0.6 * z) + bend * 0.25 + turn)
        total = total + (0.5 + float(rng.random())) * wave.abs().sqrt() * wave.sign() / (1 + pace / 40)
    grow = ((step - 2) / 2).clamp(0, 1)
    return 0.0022 * total * (0.35 + 0.9 * grow)


def _dye(person: Person, rng: np.random.Generator, points: Float[Tensor, "r c 3"]) -> Float[Tensor, "r c 3"]:
    """Return the cloth's colours: plain, heather, stripes, checks, blocks or a print."""
    x, y, z = points.unbind(-1)
    first = torch.tensor(person.cloth_colour)
    second = torch.tensor(person.cloth_second_colour)
    kind = int(rng.choice((0, 0, 0, 1, 2, 2, 3, 4, 5)))
    size = 0.028 + 0.03 * float(rng.random())
    # Edges as soft as the points lie apart, or else they would look torn.
    bars_y = torch.sigmoid(5 * torch.sin(math.pi * y / size) + 2 * (2 * float(rng.random()) - 1))
    if kind <= 1:
        share = torch.zeros_like(x)
    elif kind == 2:
        share = bars_y
    elif kind == 3:
        share = 0.4 * (bars_y + torch.sigmoid(5 * torch.sin(math.pi * x / size)))
    elif kind == 4:
        share = torch.sigmoid((-0.20 - 0.06 * float(rng.random()) - y) * 250)
    else:
        wave = torch.sin(38 * x + 2) * torch.sin(41 * y + 1) + torch.sin(23 * x + 31 * z) * torch.sin(27 * y)
        share = torch.sigmoid((wave - 0.35) * 7)
    fleck = torch.from_numpy(rng.random(x.shape, dtype=np.float32))
    grain = 1 + (0.35 if kind == 1 else 0.05) * (fleck - 0.5)
    return ((first + (second - first) * share[..., None]) * grain[..., None]).clamp(0.004, 0.95)


def _darker(colour: tuple[float, float, float], by: float) -> tuple[float, float, float]:
    red, green, blue = colour
    return red * by, green * by, blue * by


def _cloth(points: Float[Tensor, "r c 3"], colour: Tensor | tuple[float, float, float]) -> Surface:
    return surface(
        points.reshape(-1, 3),
        grid(points.shape[0], points.shape[1], ring=True),
        label=Label.CLOTH,
        colour=colour.reshape(-1, 3) if isinstance(colour, Tensor) else colour,
        gloss=0.04,
        material=Material.CLOTH,
    )


def _bar(
    path: Tensor, width: float | Tensor, colour: tuple[float, float, float], closed: bool = False
) -> Surface:
    points, triangles = tube(path, width, closed=closed, corners=8)
    return surface(points, triangles, label=Label.CLOTH, colour=colour, gloss=0.04, material=Material.CLOTH)


def _rib(edge: Float[Tensor, "c 3"], colour: tuple[float, float, float]) -> Surface:
    """Return the hem around a neckline."""
    return _bar(edge, 0.0032, colour, closed=True)


def _roll(garment: Float[Tensor, "r c 3"], colour: tuple[float, float, float]) -> Surface:
    """Return the folded part of a turtleneck: from the top edge out and down over itself."""
    normals = _normals(garment[1:])
    upper = garment[1:]
    rows = 9
    spot = torch.linspace(0, 7, rows)
    lift = 0.0055 + 0.0035 * torch.sin(torch.linspace(0, math.pi, rows))
    at = spot.floor().long()
    fold = torch.lerp(upper[at], upper[at + 1], (spot - at)[:, None, None])
    ribs = 0.0006 * torch.cos(torch.arange(AROUND) * (math.pi / 1.5))
    fold = fold + normals[at] * (lift[:, None] + ribs)[..., None]
    top = upper[:1] + torch.tensor([0.0, 0.004, 0.0])
    end = upper[at[-1:]] + normals[at[-1:]] * 0.001
    return _cloth(torch.cat([garment[:1], top, fold, end]), _darker(colour, 0.95))


def _collar(
    edge: Float[Tensor, "c 3"], rng: np.random.Generator, colour: tuple[float, float, float]
) -> Surface:
    """Return a shirt's collar: up from the neckline, over, and down to two points in front."""
    path = edge[torch.arange(AROUND + 1) % AROUND]  # from the front by the person's left and back
    share = torch.linspace(0, 1, AROUND + 1)
    up = torch.tensor([0.0, 1.0, 0.0])
    back = torch.sin(math.pi * share).clamp(min=0) ** 0.5
    middle = torch.stack([torch.zeros(()), torch.zeros(()), edge[:, 2].mean()])
    out = unit((path - middle) * torch.tensor([1.0, 0.0, 1.0]))
    stand = (0.002 + 0.017 * back)[:, None] * up
    # The two points hang in front, beside the opening, and fall forward and outward.
    tip = torch.exp(-(((share - 0.075) / 0.055) ** 2)) + torch.exp(-(((share - 0.925) / 0.055) ** 2))
    fall = (0.006 + 0.026 * back + (0.030 + 0.015 * float(rng.random())) * tip)[:, None]
    flare = 0.006 + 0.008 * back + 0.004 * tip
    side = torch.sign(path[:, :1]) * torch.tensor([1.0, 0.0, 0.0])
    top = path + stand
    rows = [path + 0.001 * out, path + 0.6 * stand, top + 0.001 * out, top + 0.004 * out + 0.001 * up]
    for k in range(1, 6):
        down = k / 5
        spread = (0.004 + flare * down**0.7)[:, None] * out + 0.012 * (tip * down)[:, None] * side
        rows.append(top + spread - fall * down * up)
    sheet = torch.stack(rows)
    return surface(
        sheet.reshape(-1, 3),
        grid(sheet.shape[0], sheet.shape[1]),
        label=Label.CLOTH,
        colour=colour,
        gloss=0.05,
        material=Material.CLOTH,
    )


def _buttons(garment: Float[Tensor, "r c 3"], colour: tuple[float, float, float]) -> Surface:
    """Return a row of buttons down the front."""
    front = garment[1:, 0]
    pieces = []
    for k in range(5):
        near = (front[:, 1] - (front[0, 1] - 0.02 - 0.075 * k)).abs().argmin()
        place = front[near] + torch.tensor([0.0, 0.0, 0.001])
        points, triangles = ball(place, (0.0052, 0.0052, 0.002), rows=6, columns=10)
        pieces.append(
            surface(points, triangles, label=Label.CLOTH, colour=colour, gloss=0.4, material=Material.CLOTH)
        )
    return join(pieces)


def _hood(
    edge: Float[Tensor, "c 3"], rng: np.random.Generator, colour: tuple[float, float, float]
) -> Surface:
    """Return a hood that lies down: a thick fold around the back and the sides of the neck."""
    share = torch.linspace(0, 1, 61)
    spot = 0.055 + share * 0.89
    at = (spot * AROUND).long() % AROUND
    behind = torch.sin(math.pi * share).clamp(min=0)
    thick = 0.006 + 0.024 * behind**0.8 * (0.85 + 0.3 * float(rng.random()))
    path = edge[at]
    middle = torch.stack([torch.zeros(()), torch.zeros(()), edge[:, 2].mean()])
    out = unit((path - middle) * torch.tensor([1.0, 0.0, 1.0]))
    path = path + out * (0.9 * thick)[:, None]
    path = path + torch.stack([torch.zeros_like(thick), 0.75 * thick, torch.zeros_like(thick)], dim=-1)
    wave = 1 + 0.07 * torch.sin(share * 41 + 6.28 * float(rng.random()))
    points, triangles = tube(path, thick * wave, thick * 0.8 * wave, corners=14)
    return surface(
        points,
        triangles,
        label=Label.CLOTH,
        colour=_darker(colour, 0.95),
        gloss=0.04,
        material=Material.CLOTH,
    )


def _cords(garment: Float[Tensor, "r c 3"]) -> list[Surface]:
    """Return the two strings of a hood."""
    cords = []
    for column in (6, AROUND - 6):
        path = garment[2:18, column] + _normals(garment[1:])[1:17, column] * 0.003
        cords.append(_bar(path, 0.0024, (0.75, 0.74, 0.70)))
    return cords
