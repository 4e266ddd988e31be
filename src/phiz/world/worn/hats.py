"""Hats and headscarves, shaped on the skull they are worn on.

They are built for the head at rest and upright, and move with the skull. A hat is a sheet of
points in polar directions about the middle of the skull: its lower edge is a height for each
direction around the head, and everything above that edge lies outside the skin.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from phiz.face.morphable import MorphableModel, Part
from phiz.world.drawn import loops, mesh_loops, meshes
from phiz.world.people import Person, generator
from phiz.world.surface import Label, Material, Surface, join
from phiz.world.worn.shapes import ball, grid, points_of, smooth_path, surface, unit

AROUND, UPWARD = 96, 22
SPREAD = math.radians(7)
"""Within this angle the skull's points are averaged."""


@dataclass(frozen=True, kw_only=True)
class Skull:
    """The measured head that a hat has to fit."""

    centre: Float[Tensor, " 3"]
    away: Float[Tensor, "n 3"]
    """Unit directions of the head's points from the centre."""
    radius: Float[Tensor, " n"]
    brow: float
    """Heights of the brows, of the ears' upper ends, and of the nape, above the centre."""
    ear: float
    nape: float
    size: float
    """1 for a head of ordinary height."""


def hat(person: Person, vertices: Float[Tensor, "v 3"], head: MorphableModel) -> list[Surface]:
    """Return the hat, or nothing; `vertices` are the head's at rest and upright, in metres."""
    if person.hat == "none":
        return []
    rng = generator(person.number, "hat")
    if person.hat == "headscarf":
        return _headscarf(person, rng, vertices, head)
    skull = measure(vertices, head)
    if person.hat == "beanie":
        return _beanie(person, rng, skull)
    if person.hat == "cap":
        return _cap(person, rng, skull)
    return _brimmed(person, rng, skull)


def under_hat(
    points: Float[Tensor, "n 3"], person: Person, vertices: Float[Tensor, "v 3"], head: MorphableModel
) -> Bool[Tensor, " n"]:
    """Return which points of the head's hair have no room under the hat and must go."""
    if person.hat == "none":
        return torch.zeros(points.shape[0], dtype=torch.bool)
    if person.hat == "headscarf":
        return torch.ones(points.shape[0], dtype=torch.bool)
    skull = measure(vertices, head)
    local = points - skull.centre
    edge = _edge(person, skull, torch.atan2(local[:, 0], local[:, 2]))
    return local[:, 1] > edge - 0.003


def measure(vertices: Float[Tensor, "v 3"], head: MorphableModel) -> Skull:
    """Return the shape of a skull from its skin, without the ears and the jaw."""
    scalp = points_of(head, vertices, (Part.SCALP,))
    marks = head.landmarks(vertices[None])[0]
    ears = points_of(head, vertices, (Part.LEFT_EAR, Part.RIGHT_EAR))
    top = scalp[:, 1].max()
    brow = marks[17:27, 1].mean()
    middle = (scalp[:, 2].max() + scalp[:, 2].min()) / 2
    centre = torch.stack([torch.zeros(()), brow + 0.03 * (top - brow) / 0.09, middle])
    skin = points_of(head, vertices, (Part.SKIN, Part.SCALP, Part.NECK))
    skin = skin[skin[:, 1] > marks[30, 1] - 0.03]
    if len(ears):  # the roots of the ears stand out from the skull, too
        skin = skin[meshes.nearest(skin, ears[::4], 0.02)[0] > 0.012]
    local = skin - centre
    low = scalp[:, 1].min()
    return Skull(
        centre=centre,
        away=unit(local),
        radius=local.norm(dim=-1),
        brow=float(brow - centre[1]),
        ear=float(ears[:, 1].max() - centre[1]) if len(ears) else float(brow - centre[1]),
        nape=float(low - centre[1]),
        size=float(top - brow) / 0.09,
    )


def _radius(skull: Skull, directions: Float[Tensor, "n 3"], spread: float = SPREAD) -> Float[Tensor, " n"]:
    """Return how far the skin is from the centre: smooth, and never inside a point nearby."""
    if loops.ready(directions):
        out = np.empty(directions.shape[0], np.float32)
        given = (loops.array(t) for t in (directions, skull.away.T, skull.radius))
        mesh_loops.smooth_radius(*given, np.float32(spread), out)
        return torch.from_numpy(out)
    near = directions @ skull.away.transpose(0, 1)
    weight = torch.exp((near - 1) / (spread**2 / 2)) + 1e-12
    mean = (weight @ skull.radius) / weight.sum(dim=1)
    close = torch.where(near > math.cos(0.6 * spread), skull.radius[None], torch.zeros(()))
    return torch.maximum(mean, close.max(dim=1).values)


def _radii(skull: Skull, aim: Float[Tensor, "r c 3"], spread: float = SPREAD) -> Float[Tensor, "r c"]:
    """Return the radius for a sheet of directions that closes around; found coarsely, then filled in."""
    rows, columns = aim.shape[:2]
    few = torch.linspace(0, rows - 1, max(rows // 2, 2)).round().long()
    found = _radius(skull, aim[few][:, ::3].reshape(-1, 3), spread).reshape(len(few), -1)
    found = torch.cat([found[:, -1:], found, found[:, :2]], dim=1)  # one column more on each side
    at = (torch.arange(columns) / 3 + 1).clamp(max=found.shape[1] - 1.001)
    left = at.floor().long()
    filled = torch.lerp(found[:, left], found[:, left + 1], at - left)
    down = torch.linspace(0, len(few) - 1, rows).clamp(max=len(few) - 1.001)
    above = down.floor().long()
    radius = torch.lerp(filled[above], filled[above + 1], (down - above)[:, None])
    radius[-1] = radius[-1].mean()
    return radius


def _edge(person: Person, skull: Skull, turn: Tensor) -> Tensor:
    """Return the height of the hat's edge above the skull's centre; a turn of 0 is the front."""
    rng = generator(person.number, "hat edge")
    lift = 0.012 * float(rng.random())
    front, side, back = {
        "beanie": (skull.brow + 0.022 + lift, skull.ear - 0.002 + lift, skull.brow - 0.045),
        "cap": (skull.brow + 0.026 + lift, skull.ear + 0.006, skull.brow - 0.022),
        "brim": (skull.brow + 0.026 + lift, skull.ear + 0.010, skull.brow - 0.014),
    }[person.hat]
    ahead = turn.cos()
    ends = torch.where(ahead > 0, front, back)
    return side + (ends - side) * ahead.square()


def _crown(
    person: Person, skull: Skull, lifted: Tensor
) -> tuple[Float[Tensor, "r c 3"], Float[Tensor, " c"]]:
    """Return the sheet of the hat around the skull, from its edge to its top, and the turns.

    `lifted` (rows, columns or 1) is how far each point keeps from the skin.
    """
    turn = torch.arange(AROUND) * (2 * math.pi / AROUND)
    edge = _edge(person, skull, turn)
    flat = torch.stack([turn.sin(), torch.zeros_like(turn), turn.cos()], dim=-1)
    low = torch.atan2(edge, torch.full_like(edge, 0.088 * skull.size))
    for _ in range(3):  # the angle at which the skin itself has the edge's height
        aim = unit(flat * low.cos()[:, None] + torch.tensor([0.0, 1.0, 0.0]) * low.sin()[:, None])
        low = torch.asin((edge / _radius(skull, aim)).clamp(-0.9, 0.9))
    share = torch.linspace(0, 1, UPWARD)[:, None]
    angle = low + share * (math.pi / 2 - low)  # (r, c)
    aim = flat * angle.cos()[..., None] + torch.tensor([0.0, 1.0, 0.0]) * angle.sin()[..., None]
    return aim * (_radii(skull, aim) + lifted)[..., None], turn


def _sheet(points: Tensor, colour: Tensor | tuple[float, float, float], gloss: float = 0.03) -> Surface:
    triangles = grid(points.shape[0], points.shape[1], ring=True).flip(-1)
    return surface(
        points.reshape(-1, 3),
        triangles,
        label=Label.HAT,
        colour=colour.reshape(-1, 3) if isinstance(colour, Tensor) else colour,
        gloss=gloss,
        material=Material.CLOTH,
    )


def _beanie(person: Person, rng: np.random.Generator, skull: Skull) -> list[Surface]:
    share = torch.linspace(0, 1, UPWARD)[:, None]
    cuff = torch.sigmoid((0.24 - share) * 60)
    has_cuff = rng.random() < 0.7
    slack = 0.004 + 0.022 * float(rng.random()) ** 2
    turn = torch.arange(AROUND) * (2 * math.pi / AROUND)
    ribs = 0.0007 * (turn * 48).cos()  # every other point stands out
    lifted = 0.0075 + 0.0035 * cuff * has_cuff + slack * share**2 + ribs * (1 - share**3)
    inside = (share < 0.02).float()  # the edge turns in to the skin
    points, turn = _crown(person, skull, lifted * (1 - inside) + 0.0015 * inside)
    points = points + skull.centre
    points[..., 2] -= slack * 0.8 * share**2
    groove = 1 - 0.18 * (0.5 - 0.5 * (turn * 48).cos()) - 0.12 * torch.sin(share * 130).abs() * (1 - cuff)
    colour = torch.tensor(person.hat_colour) * groove[..., None]
    if rng.random() < 0.35:
        stripe = ((share > 0.35) & (share < 0.55)).float()[..., None]
        colour = colour * (1 - stripe) + torch.tensor(person.cloth_second_colour) * groove[..., None] * stripe
    made = [_sheet(points, colour)]
    if rng.random() < 0.25:
        top = points[-1].mean(dim=0) + torch.tensor([0.0, 0.018, 0.0])
        pom, triangles = ball(top, (0.027, 0.025, 0.027), rows=14, columns=20)
        pom = top + (pom - top) * torch.from_numpy(0.88 + 0.24 * rng.random((len(pom), 1), np.float32))
        made.append(
            surface(pom, triangles, label=Label.HAT, colour=person.hat_colour, material=Material.CLOTH)
        )
    return [join(made)]


def _cap(person: Person, rng: np.random.Generator, skull: Skull) -> list[Surface]:
    share = torch.linspace(0, 1, UPWARD)[:, None]
    turn = torch.arange(AROUND) * (2 * math.pi / AROUND)
    tall = 0.010 + 0.008 * float(rng.random())
    front = torch.sigmoid((turn.cos() - 0.4) * 6)
    lifted = 0.0055 + tall * front * (share * (1.1 - share)) * 3.3
    points, turn = _crown(person, skull, lifted)
    seams = ((turn * 6 / (2 * math.pi)) % 1 < 0.06).float()
    level = 1 - 0.25 * seams * torch.ones_like(share)
    panel = torch.where(front > 0.5, torch.tensor(1.0), torch.tensor(0.0))
    base = torch.tensor(person.hat_colour)
    second = torch.tensor(person.cloth_second_colour) if rng.random() < 0.35 else base
    colour = (base + (second - base) * panel[:, None]) * level[..., None]
    crown = _sheet(points + skull.centre, colour)
    button, triangles = ball(points[-1].mean(dim=0) + skull.centre, (0.006, 0.004, 0.006))
    knob = surface(button, triangles, label=Label.HAT, colour=person.hat_colour, material=Material.CLOTH)
    return [join([crown, knob, _visor(person, rng, points[0] + skull.centre)])]


def _visor(person: Person, rng: np.random.Generator, edge: Float[Tensor, "c 3"]) -> Surface:
    """Return the shade in front of a cap, as a curved plate with an under side."""
    half = 17  # points to each side of the middle
    around = torch.arange(-half, half + 1)
    root = edge[around % AROUND]
    across = (around / half)[None, :, None]
    out = torch.linspace(0, 1, 9)[:, None, None]
    long = 0.058 + 0.016 * float(rng.random())
    bend = 0.010 + 0.016 * float(rng.random())
    reach = long * (1 - across.abs() ** 2.6) ** 0.62
    step = torch.tensor([0.0, -0.16 - 0.2 * float(rng.random()), 1.0])
    top = root[None] + out * reach * step
    droop = -bend * across**2 * out * (2 - out)
    top = top + torch.cat([torch.zeros_like(droop), droop, torch.zeros_like(droop)], dim=-1)
    narrow = 1 - 0.06 * out * (1 - across**2)
    top = top * torch.cat([narrow, torch.ones_like(narrow), torch.ones_like(narrow)], dim=-1)
    top[0] -= torch.tensor([0.0, 0.0, 0.003])
    under = top - torch.tensor([0.0, 0.0022, 0.0])
    plate = torch.cat([top, under.flip(0)])
    triangles = grid(plate.shape[0], plate.shape[1])
    return surface(
        plate.reshape(-1, 3), triangles, label=Label.HAT, colour=person.hat_colour, material=Material.CLOTH
    )


def _brimmed(person: Person, rng: np.random.Generator, skull: Skull) -> list[Surface]:
    turn = torch.arange(AROUND) * (2 * math.pi / AROUND)
    ring = _crown(person, skull, torch.tensor(0.006))[0][0]  # the edge on the skin, (c, 3)
    crown = float((skull.away[:, 1] * skull.radius).max() - ring[:, 1].mean())
    tall = max((0.105 + 0.02 * float(rng.random())) * skull.size, crown + 0.030)
    share = torch.linspace(0, 1, 18)[:, None]
    taper = 1 - 0.10 * share - 0.9 * ((share - 0.86).clamp(min=0) / 0.14) ** 2
    dent = 0.022 * torch.exp(-((ring[:, 0] / 0.028) ** 2)) * ((share - 0.55).clamp(min=0) / 0.45)
    rise = tall * (1 - (1 - share).clamp(min=0) ** 2.2) - dent
    top = ring[:, 1].mean()
    height = ring[None, :, 1] + (top - ring[None, :, 1]) * share + rise
    wall = torch.stack([ring[None, :, 0] * taper, height, ring[None, :, 2] * taper], dim=-1)
    tight = _radii(skull, unit(wall)) + 0.004  # felt keeps off the skin where a skull is widest
    room = (tight / wall.norm(dim=-1)).clamp(min=1)[..., None]
    wall = wall * torch.cat([room, torch.ones_like(room), room], dim=-1)
    band = (share < 0.24).float()[..., None]
    felt = torch.tensor(person.hat_colour)
    colour = (felt * (1 - band) + torch.tensor(person.cloth_second_colour) * 0.6 * band).expand_as(wall)
    wide = 0.05 + 0.035 * float(rng.random())
    curl = 0.010 + 0.014 * float(rng.random())
    out = torch.linspace(0, 1, 8)[:, None]
    far = torch.stack([turn.sin(), torch.zeros_like(turn), turn.cos()], dim=-1)
    brim = ring[None] + (out * wide)[..., None] * far
    lift = curl * (out**2) * (turn.sin() ** 2 - 0.6 * turn.cos().clamp(min=0))
    brim = brim + torch.stack([torch.zeros_like(lift), lift, torch.zeros_like(lift)], dim=-1)
    plate = torch.cat([brim, (brim - torch.tensor([0.0, 0.002, 0.0])).flip(0)])
    return [
        join([_sheet(wall + skull.centre, colour), _sheet(plate.flip(0) + skull.centre, person.hat_colour)])
    ]


def _headscarf(
    person: Person, rng: np.random.Generator, vertices: Float[Tensor, "v 3"], head: MorphableModel
) -> list[Surface]:
    """Return a scarf around the face: a hood that leaves out the face, and folds about the neck."""
    marks = head.landmarks(vertices[None])[0]
    centre = torch.stack([torch.zeros(()), marks[27, 1] - 0.004, marks[0, 2] * 0 + 0.012])
    parts = (Part.SKIN, Part.SCALP, Part.NECK, Part.LEFT_EAR, Part.RIGHT_EAR)
    skin = points_of(head, vertices, parts)
    skin = skin[skin[:, 1] > marks[8, 1] - 0.055] - centre
    skull = Skull(
        centre=centre, away=unit(skin), radius=skin.norm(dim=-1), brow=0.0, ear=0.0, nape=0.0, size=1.0
    )
    turn = torch.arange(AROUND) * (2 * math.pi / AROUND)  # 0 is up, a quarter the person's left
    oval = torch.tensor([33.0, 41.0, 55.0, 62.0, 60.0, 58.0, 57.0]) + 3 * float(rng.random())
    face = smooth_path(torch.cat([oval, oval[1:-1].flip(0), oval[:1]]).reshape(-1, 1), AROUND + 1)[:-1, 0]
    start = torch.deg2rad(face)
    rows = 30
    share = torch.linspace(0, 1, rows)[:, None]
    angle = start + share * (math.pi - start)
    flat = torch.stack([turn.sin(), turn.cos(), torch.zeros_like(turn)], dim=-1)
    aim = flat * angle.sin()[..., None] + torch.tensor([0.0, 0.0, 1.0]) * angle.cos()[..., None]
    tight = _radii(skull, aim, spread=2.0 * SPREAD)
    radius = tight
    for _ in range(10):  # cloth spans the hollows behind ears and above the neck
        tall = torch.cat([radius[:1], radius, radius[-1:]])
        radius = (tall[:-2] + tall[2:] + radius.roll(1, 1) + radius.roll(-1, 1)) / 4
        radius = torch.maximum(radius, tight)
    phase = 6.28 * float(rng.random())
    folds = 0.0016 * torch.sin(9 * share * 3.1 + 2.2 * turn.cos() + phase) * torch.sin(math.pi * share)
    lifted = 0.009 + folds + 0.004 * torch.exp(-(((share - 0.03) / 0.03) ** 2))
    lifted = torch.where(share < 0.01, torch.tensor(0.002), lifted)
    hood = aim * (radius + lifted)[..., None] + centre
    shade = 1 - 0.12 * (1 - share) * torch.sin(20 * share + 5 * turn.cos()).abs()
    colour = torch.tensor(person.hat_colour) * shade[..., None]
    return [join([_sheet(hood.flip(0), colour.flip(0)), _drape(person, rng, vertices, head)])]


def _drape(
    person: Person, rng: np.random.Generator, vertices: Float[Tensor, "v 3"], head: MorphableModel
) -> Surface:
    """Return the scarf's loose rings from under the chin to the shoulders."""
    neck = points_of(head, vertices, (Part.NECK, Part.SKIN))
    chin = head.landmarks(vertices[None])[0][8]
    band = neck[(neck[:, 1] - (chin[1] - 0.03)).abs() < 0.012]
    if len(band) == 0:
        band = neck[(neck[:, 1] - neck[:, 1].min()).abs() < 0.02]
    low, high = band.min(dim=0).values, band.max(dim=0).values
    middle, half = (low + high) / 2, (high - low) / 2
    rows = 26
    share = torch.linspace(0, 1, rows)[:, None]
    turn = torch.arange(AROUND) * (2 * math.pi / AROUND)
    phase = 6.28 * float(rng.random())
    fold = torch.sin(22 * share + 1.3 * torch.sin(turn + phase)) * 0.004
    fold = fold + torch.sin(3 * turn + 9 * share + phase) * 0.003
    grow = 0.010 + 0.075 * share**1.3
    wide_x, wide_z = half[0] + grow * 1.5 + fold, half[2] + grow + fold
    top = float(chin[1]) + 0.012 - 0.030 * (0.5 - 0.5 * turn.cos())
    height = top - share * 0.115 - 0.03 * share * turn.cos().clamp(min=0)
    slant = middle[2] - 0.02 * share + 0.016 * (1 - share)
    points = torch.stack([wide_x * turn.sin(), height, slant + wide_z * turn.cos()], dim=-1)
    shade = 0.9 + 0.1 * torch.sin(22 * share + 1.3 * torch.sin(turn + phase))
    colour = torch.tensor(person.hat_colour) * shade[..., None]
    return _sheet(points.flip(0), colour.flip(0))
