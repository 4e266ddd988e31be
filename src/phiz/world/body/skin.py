"""Skin: its colour from melanin and blood, its relief from pores and creases, and how it shines.

What varies slowly (where blood shows, where a beard grows) is a number a vertex; what is fine comes
from noise at the rest position. Colours follow the two pigments: melanin takes blue more than red,
blood takes green most. References: Donner and Jensen (2006), Jimenez et al. (2010).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from phiz.face.morphable import REGIONS
from phiz.world.body import creases, textures
from phiz.world.drawn import loops, shade_loops, shading
from phiz.world.drawn.shading import Light
from phiz.world.people import HairLook, Person, Skin

FAIR = (0.80, 0.58, 0.475)
"""Linear reflectance of skin without melanin."""
DARK = (0.030, 0.020, 0.015)
"""What the outermost layer sends back, however much melanin lies below it."""
MELANIN = (1.0, 1.26, 1.58)
"""How strongly melanin takes red, green and blue."""
BLOOD = (0.10, 1.0, 0.72)
MOLE = (0.34, 0.24, 0.22)
"""What a mole leaves of the skin's colour."""
BLEED_METRES = (0.0016, 0.0007, 0.0004)
"""How far light of each colour wanders in skin (d'Eon and Luebke, 2007)."""
FIELDS = (
    "blood", "tan", "lip", "oil", "stubble", "scalp", "brow", "lid", "liner", "thin", "open", "blush", "sun",
    "under", "forehead",
)  # fmt: skip
"""What `field_table` says about each vertex."""


@dataclass(frozen=True, kw_only=True)
class Covers:
    """How much hair roots darken the skin, 0 to 1 a vertex."""

    scalp: Float[Tensor, " v"]
    beard: Float[Tensor, " v"]


@dataclass(frozen=True, kw_only=True)
class Motionful:
    """How an expression folds the face, each 0 to 1."""

    brow_up: float = 0.0
    frown: float = 0.0
    smile: float = 0.0
    squint: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Patch:
    """The skin that a picture shows, one point a pixel."""

    place: Float[Tensor, "n 3"]
    normal: Float[Tensor, "n 3"]
    rest: Float[Tensor, "n 3"]
    field: Float[Tensor, "n f"]
    view: Float[Tensor, "n 3"]
    footprint: float
    """Width of a pixel on the face, in metres."""

    def __getitem__(self, name: str) -> Float[Tensor, "n 1"]:
        number = FIELDS.index(name)
        return self.field[:, number : number + 1]


@dataclass(frozen=True, kw_only=True)
class Surfaced:
    """Skin before light."""

    albedo: Float[Tensor, "n 3"]
    height: Float[Tensor, " n"]
    """Relief in metres."""
    roughness: Float[Tensor, " n"]
    gleam: Float[Tensor, "n 1"]
    """Strength of the highlights; 1 is bare, clean skin."""


def tone(melanin: Float[Tensor, "n 1"], blood: Float[Tensor, "n 1"]) -> Float[Tensor, "n 3"]:
    """Return skin's linear colour; melanin and blood run from 0 to 1 over the human range."""
    fair, dark = melanin.new_tensor(FAIR), melanin.new_tensor(DARK)
    amount = 0.08 + 0.80 * melanin + 1.60 * torch.exp(2.2 * melanin.clamp(min=1e-4).log())
    body = (fair - dark) * torch.exp(-amount * melanin.new_tensor(MELANIN))
    show = blood * (1 - 0.45 * melanin)
    return dark + body * torch.exp(-0.62 * show * melanin.new_tensor(BLOOD))


def field_table(
    regions: Float[Tensor, "v n"],
    skin: Skin,
    covers: Covers,
    openness: Float[Tensor, " v"],
    lid_edge: Float[Tensor, " v"],
    lip: Float[Tensor, " v"],
) -> Float[Tensor, "v f"]:
    """Return `FIELDS` for each vertex.

    `lid_edge` is 1 along the lashes' roots and fades in 2 mm; `lip` is 1 on the vermilion.
    """
    area = dict(zip(REGIONS, regions.unbind(-1), strict=True))
    bare = 1 - lip
    blood = 0.55 * area["nose"] + 0.6 * area["cheeks"] + 0.5 * area["ears"] + 0.25 * area["eyelids"]
    blood = blood + 0.3 * area["under_eyes"] - 0.15 * area["forehead"]
    tan = 0.05 * area["forehead"] + 0.45 * area["under_eyes"] + 0.30 * area["eyelids"] - 0.05 * area["neck"]
    oil = 0.9 * area["nose"] + 0.55 * area["forehead"] + 0.4 * area["cheeks"] - 0.3 * area["neck"]
    sun = 0.25 + 0.9 * area["nose"] + 0.8 * area["cheeks"] + 0.5 * area["forehead"] + 0.4 * area["under_eyes"]
    fields = {
        "blood": blood * bare,
        "tan": tan * bare,
        "lip": lip,
        "oil": oil,
        "stubble": covers.beard * bare,
        "scalp": covers.scalp,
        "brow": torch.maximum(area["left_brow"], area["right_brow"]),
        "lid": area["eyelids"],
        "liner": lid_edge,
        "thin": area["ears"] + 0.25 * area["nose"],
        "open": openness,
        "blush": area["cheeks"] * skin.blush,
        "sun": sun.clamp(max=1) * bare,
        "under": area["under_eyes"],
        "forehead": area["forehead"],
    }
    return torch.stack([fields[name] for name in FIELDS], dim=-1)


def surfaced(
    patch: Patch, person: Person, folds: creases.Creases, face: Motionful, mole_table: Float[Tensor, "m 5"]
) -> Surfaced:
    """Return the skin's own colour, relief and gloss at the points that a picture shows."""
    skin = person.skin
    at = patch.rest + textures.offset(skin.seed).to(patch.rest)
    noise = textures.lookup(textures.tones(), at, 0.075)
    albedo = _pigment(patch, skin, noise)
    albedo = _spots(albedo, patch, skin, noise, mole_table)
    lines = folds.at(patch.rest)
    depth = _line_depths(patch, skin, face, noise)
    height = (lines * depth).sum(-1)
    albedo = albedo * torch.exp(height[:, None].clamp(max=0) * patch.place.new_tensor([420.0, 640.0, 700.0]))
    albedo = _roots(albedo, patch, person.hair, noise)
    albedo = _lips(albedo, patch, skin, noise)
    albedo = _make_up(albedo, patch, skin)
    lip = patch["lip"][:, 0]
    rough = 0.50 - 0.12 * skin.oil * patch["oil"][:, 0].clamp(0, 1) - 0.10 * skin.oil + 0.03 * noise[:, 3]
    rough = torch.lerp(rough, 0.36 + 0.03 * noise[:, 3] - 0.10 * lip.new_tensor(skin.lipstick), lip)
    if patch.footprint < 9e-4:
        fine = textures.lookup(textures.pores(), at, 0.018)
        fade = min(1.0, (9e-4 - patch.footprint) / 5e-4)
        height = height + fine[:, 0] * (1 - lip) * (4.5e-5 + 3e-5 * skin.age) * fade
        rough = rough + 0.04 * fade * fine[:, 1]
        albedo = albedo * (1 + 0.035 * fade * fine[:, 1:2] + 0.02 * fade * fine[:, :1])
    gleam = (0.62 + 0.75 * skin.oil * (0.3 + patch["oil"].clamp(0, 1))) * (1 + 0.20 * noise[:, 3:4])
    gleam = torch.lerp(gleam, torch.full_like(gleam, 1.15 + 0.6 * skin.lipstick), patch["lip"])
    gleam = gleam * (1 - 0.6 * patch["stubble"]) * (1 - 0.7 * patch["scalp"])
    return Surfaced(
        albedo=albedo.clamp(0.004, 0.95),
        height=height,
        roughness=rough.clamp(0.22, 0.7),
        gleam=gleam.clamp(min=0.1),
    )


def lit(
    patch: Patch, made: Surfaced, smooth: Float[Tensor, "n 3"], relief: Float[Tensor, "n 3"], light: Light
) -> tuple[Float[Tensor, "n 3"], Float[Tensor, "n 3"]]:
    """Return the light inside the skin (to be blurred, then coloured) and the light it mirrors."""
    half = shading.unit(smooth + relief)
    inside = shading.subsurface(light, half, patch["thin"][:, 0])
    sharp = shading.gloss(light, relief, patch.view, made.roughness * 0.70, 0.028, surroundings=False)
    broad = shading.gloss(light, relief, patch.view, made.roughness * 1.15, 0.028)
    mirrored = made.gleam * (0.38 * sharp + 0.62 * broad)
    # Vellus hair catches light along the outline of a cheek.
    grazing = (1 - shading.dot(smooth, patch.view).clamp(0, 1)).square().square()
    fuzz = 0.045 * grazing * (1 - patch["lip"]) * inside
    return inside, mirrored + fuzz * made.albedo.sqrt()


def moles(skin: Skin, landmarks: Float[Tensor, "68 3"]) -> Float[Tensor, "m 5"]:
    """Return where a person's moles sit on the rest face: x, y, z, radius, darkness."""
    random = torch.Generator().manual_seed(skin.seed % (2**31) + 7)
    spread = torch.rand(skin.moles, 5, generator=random)
    low, high = landmarks.amin(0), landmarks.amax(0)
    x = (low[0] + (high[0] - low[0]) * spread[:, 0]) * 0.92
    y = low[1] + (high[1] - low[1] + 0.03) * spread[:, 1]
    radius, dark = 0.0007 + 0.0012 * spread[:, 3] ** 2, 0.45 + 0.5 * spread[:, 4]
    return torch.stack([x, y, torch.zeros_like(x), radius, dark], dim=-1)


def _pigment(patch: Patch, skin: Skin, noise: Tensor) -> Tensor:
    melanin, blood = skin.melanin, skin.redness
    spread = 0.35 + 0.65 * math.sin(math.pi * min(max(0.8 * melanin, 0.0), 1.0))
    brown = melanin + spread * (
        0.085 * patch["tan"] + 0.011 * noise[:, :1] + 0.009 * noise[:, 1:2] + 0.006 * noise[:, 3:4]
    )
    red = 0.16 + 0.55 * blood + (0.35 + 0.45 * blood) * patch["blood"]
    red = red + (0.045 + 0.05 * blood) * noise[:, 1:2] + 0.025 * noise[:, :1] + 0.04 * noise[:, 3:4]
    return tone(brown.clamp(0, 1.05), red.clamp(0, 1.8))


def _spots(albedo: Tensor, patch: Patch, skin: Skin, noise: Tensor, mole_table: Tensor) -> Tensor:
    if skin.freckles > 0.02:
        edge = 0.95 - 0.78 * skin.freckles
        spot = ((noise[:, 2:3] - edge) / 0.22).clamp(0, 1) * patch["sun"] * min(1.0, 0.35 + skin.freckles)
        albedo = albedo * torch.exp(-spot * albedo.new_tensor([0.22, 0.55, 0.80]) * (1 - 0.7 * skin.melanin))
    if skin.age > 0.45:
        spot = ((noise[:, 0:1] + 0.8 * noise[:, 2:3] - 1.75) / 0.4).clamp(0, 1) * patch["sun"]
        albedo = albedo * torch.exp(-(skin.age - 0.4) * spot * albedo.new_tensor([0.35, 0.6, 0.75]))
    if loops.ready(albedo):
        out, tint = np.empty(albedo.shape, np.float32), np.asarray(MOLE, np.float32)
        given = (loops.array(t) for t in (albedo, patch.rest, mole_table[:, [0, 1, 3, 4]]))
        shade_loops.moles(*given, tint, np.float32(patch.footprint), out)
        return torch.from_numpy(out)
    front = (patch.rest[:, 2:3] > 0.03).to(albedo.dtype)
    for x, y, _, radius, dark in mole_table.tolist():
        wide = max(radius, 0.6 * patch.footprint)
        away = (patch.rest[:, :1] - x).square() + (patch.rest[:, 1:2] - y).square()
        mole = torch.exp(-(away / wide**2).square()) * front * dark * (radius / wide) ** 2
        albedo = shading.mix(albedo, albedo * albedo.new_tensor(MOLE), mole)
    return albedo


def _line_depths(patch: Patch, skin: Skin, face: Motionful, noise: Tensor) -> Tensor:
    """Return how deep each kind of crease is, in metres; one line is never like the next."""
    age = max(skin.age - 0.12, 0.0)
    depths = {
        "brow": 3.2e-4 * age + 5.0e-4 * face.brow_up * (0.35 + age),
        "eyes": 3.2e-4 * age + 4.5e-4 * max(face.smile, face.squint) * (0.15 + age),
        "fold": 1.4e-4 + 8.0e-4 * age + 8.0e-4 * face.smile * (0.5 + age),
        "lips": 3.5e-5 + 6e-5 * skin.age,
        "frown": 4.0e-4 * age + 6.0e-4 * face.frown * (0.3 + age),
    }
    base = patch.place.new_tensor([depths[name] for name in creases.NAMES])
    varied = (1 + 0.35 * noise[:, :1]).clamp(0.2, 1.8) * base
    lip = patch["lip"]
    keep = patch.place.new_tensor([float(name == "lips") for name in creases.NAMES])
    return varied * (keep * lip + (1 - keep) * (1 - lip))


def _roots(albedo: Tensor, patch: Patch, hair: HairLook, noise: Tensor) -> Tensor:
    """Return skin darkened by the hair that leaves it: stubble is bluish dots, brows a soft base."""
    beard, head = albedo.new_tensor(hair.beard_colour), albedo.new_tensor(hair.colour)
    dots = (0.75 + 0.38 * noise[:, 3:4]).clamp(0, 1.6)
    shade = (0.62 * patch["stubble"] * dots).clamp(0, 0.85)
    under = 0.55 * beard + albedo * albedo.new_tensor([0.20, 0.24, 0.30])
    albedo = shading.mix(albedo, under, shade)
    scalp = (0.97 * patch["scalp"] * (0.88 + 0.12 * noise[:, 3:4])).clamp(0, 0.97)
    albedo = shading.mix(albedo, 0.75 * head + 0.06 * albedo, scalp)
    brow = (0.30 * hair.brow_density * patch["brow"]).clamp(0, 0.6)
    return shading.mix(albedo, 0.5 * head + 0.25 * albedo, brow)


def _lips(albedo: Tensor, patch: Patch, skin: Skin, noise: Tensor) -> Tensor:
    lip = patch["lip"].clamp(0, 1)
    natural = 0.45 * albedo * albedo.new_tensor([0.82, 0.56, 0.58]) + 0.55 * albedo.new_tensor(
        skin.lip_colour
    )
    natural = natural * (1 + 0.07 * noise[:, 1:2])
    painted = albedo.new_tensor(skin.make_up_colour) * (1 + 0.03 * noise[:, 1:2])
    colour = natural + (painted - natural) * (0.85 * skin.lipstick)
    edge = lip * lip * (3 - 2 * lip)
    return shading.mix(albedo, colour, edge)


def _make_up(albedo: Tensor, patch: Patch, skin: Skin) -> Tensor:
    colour = albedo.new_tensor(skin.make_up_colour)
    if skin.eye_shadow > 0:
        albedo = shading.mix(
            albedo, 0.35 * colour + 0.35 * albedo, (0.6 * skin.eye_shadow * patch["lid"]).clamp(0, 0.8)
        )
    if skin.eye_liner > 0:
        albedo = albedo * (1 - 0.88 * skin.eye_liner * patch["liner"].clamp(0, 1))
    rosy = albedo * albedo.new_tensor([1.0, 0.66, 0.70]) + 0.06 * colour
    return shading.mix(albedo, rosy, (0.55 * patch["blush"]).clamp(0, 0.9))
