"""A person's whole surface in one pose: head, eyes, hair, beard, clothing, ready to be drawn."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Protocol, cast, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from phiz.errors import HeadError
from phiz.face.coeffs import FaceCoeffs
from phiz.face.morphable import MorphableModel, Part
from phiz.graphics import rotation
from phiz.world.body import resting
from phiz.world.body.skin import Covers
from phiz.world.drawn import meshes
from phiz.world.grown import beard, brows, hair, hair_rooted, ribbon_loops
from phiz.world.grown.hair_rooted import Rooted
from phiz.world.people import Person
from phiz.world.surface import Label, Material, Strands, Surface
from phiz.world.worn import clothing, glasses, hats, jewellery
from phiz.world.worn.clothing import Worn

THINNED = 3
"""Of this many strands, one throws a shadow."""
SOFTER = 1
"""How often the edge of the lips is averaged."""
LINER, LID_REACH = 0.0016, 0.06
"""Eye-liner fades over this many metres from the lids' rims, which lie this near their middle."""
MATERIAL_OF_PART = {
    Part.MOUTH: Material.MOUTH,
    Part.UPPER_TEETH: Material.TOOTH,
    Part.LOWER_TEETH: Material.TOOTH,
    Part.TONGUE: Material.TONGUE,
    Part.LEFT_EYE: Material.EYE,
    Part.RIGHT_EYE: Material.EYE,
    Part.EYE_RIM: Material.MOUTH,
}
"""Everything else of a head is skin. The wet rim of the lids looks like gums."""
LABEL_OF_PART = {
    Part.SKIN: Label.SKIN,
    Part.NOSE: Label.NOSE,
    Part.UPPER_LIP: Label.UPPER_LIP,
    Part.LOWER_LIP: Label.LOWER_LIP,
    Part.LEFT_EAR: Label.LEFT_EAR,
    Part.RIGHT_EAR: Label.RIGHT_EAR,
    Part.SCALP: Label.SKIN,
    Part.NECK: Label.NECK,
    Part.SHOULDERS: Label.NECK,
    Part.MOUTH: Label.MOUTH,
    Part.UPPER_TEETH: Label.MOUTH,
    Part.LOWER_TEETH: Label.MOUTH,
    Part.TONGUE: Label.MOUTH,
    Part.LEFT_EYE: Label.LEFT_EYE,
    Part.RIGHT_EYE: Label.RIGHT_EYE,
    Part.EYE_RIM: Label.SKIN,
}


@runtime_checkable
class Drawable(MorphableModel, Protocol):
    """What painting needs of a head model on top of what fitting does."""

    mean: Float[Tensor, "v 3"]
    occlusion: Float[Tensor, "v 2"]
    eye_local: Float[Tensor, "v 3"]

    def skull(self, face: FaceCoeffs) -> Float[Tensor, "b 4 4"]:
        """Return where the neck puts the head."""
        ...


@dataclass(frozen=True, kw_only=True)
class About:
    """What is the same for all people of one head model."""

    rest: Float[Tensor, "v 3"]
    """The mean head in metres."""
    occlusion: Float[Tensor, "v 2"]
    """How open each vertex lies to the light, mouth closed and mouth open."""
    eye_local: Float[Tensor, "v 3"]
    """For eyeballs, the direction from the eye's centre (z looks out of the eye)."""
    regions: Float[Tensor, "v n"]
    triangles: Int[Tensor, "f 3"]
    parts: Int[Tensor, " f"]
    landmarks: Float[Tensor, "68 3"]
    """Of the mean head."""
    lid_edge: Float[Tensor, " v"]
    """1 at the rims of the lids, fading out over some 2 mm."""
    lip: Float[Tensor, " v"]
    """Vermilion, with the soft edge that colour has."""
    material: Int[Tensor, " f"]
    labels: Int[Tensor, " f"]
    eyeballs: tuple[Int[Tensor, " a"], Int[Tensor, " b"]]
    """Vertices of the left and the right one."""


@dataclass(frozen=True, kw_only=True)
class Piece:
    """Something worn, and the normals of its vertices."""

    surface: Surface
    normals: Float[Tensor, "v 3"]


@dataclass(frozen=True, kw_only=True)
class Outfit:
    """What grows on a person and what they wear, made once and then moved along."""

    rest: Float[Tensor, "v 3"]
    """The person's face at rest, in metres."""
    hair: tuple[Strands, ...]
    rooted: tuple[Rooted, ...]
    """Brows, lashes and beard: they follow the skin."""
    worn: tuple[Piece, ...]
    """On the head: moves with the skull."""
    clothes: tuple[tuple[Worn, Piece], ...]
    """Each as it follows the neck, and as it was made."""
    covers: Covers
    about: About


@dataclass(frozen=True, kw_only=True)
class Figure:
    """All triangles of one picture, in the world."""

    vertices: Float[Tensor, "v 3"]
    """The head's first, then those of everything else."""
    triangles: Int[Tensor, "f 3"]
    casters: Int[Tensor, "g 3"]
    """What throws shadows: all of it, but of the hair only some strands."""
    material: Int[Tensor, " f"]
    labels: Int[Tensor, " f"]
    """Sides are the person's."""
    head_normals: Float[Tensor, "h 3"]
    coat: Float[Tensor, "c 7"]
    """Colour, gloss and direction of hair, for the vertices that are not the head's."""
    coat_normals: Float[Tensor, "d 3"]
    """Of what comes first, all but hair, which is lit by its direction."""
    glass: tuple[Surface, ...]
    """Lenses, in the world; drawn over the rest."""
    landmarks: Float[Tensor, "68 3"]
    dense: Float[Tensor, "n 3"]
    """The 478 points; empty where the head model knows none."""
    head_axes: Float[Tensor, "3 3"]
    """World from head."""
    head_centre: Float[Tensor, " 3"]

    @property
    def head_count(self) -> int:
        return self.head_normals.shape[0]


def dress(person: Person, head: MorphableModel) -> Outfit:
    """Return all that a person's head carries, grown and cut on their face at rest."""
    vertices = resting.vertices(head, person.identity)
    normals = meshes.normals(vertices, head.triangles)
    vertices = vertices * head.metres_per_unit
    look = person.hair

    def random(what: int) -> np.random.Generator:
        return np.random.default_rng([look.seed % 2**32, what])

    facts = about(head)
    rooted = [
        *brows.grow_brows(look, vertices, normals, head, random(1)),
        *brows.grow_lashes(look, vertices, normals, head, random(2)),
        *beard.grow_beard(look, vertices, normals, head, random(3)),
    ]
    on_head = [make(person, vertices, head) for make in (hats.hat, glasses.glasses, jewellery.earrings)]
    garments = [clothing.put_on(g, vertices, head) for g in clothing.clothing(person, vertices, head)]
    grown = [
        _tucked(s, person, vertices, head) for s in hair.grow_hair(look, vertices, normals, head, random(0))
    ]
    covers = Covers(
        scalp=hair.scalp_cover(look, vertices, head), beard=beard.beard_cover(look, vertices, head)
    )
    return Outfit(
        hair=tuple(grown),
        rooted=tuple(rooted),
        rest=vertices,
        worn=tuple(_piece(s) for pieces in on_head for s in pieces),
        clothes=tuple((w, _piece(w.garment)) for w in garments),
        covers=covers,
        about=facts,
    )


def pose(
    outfit: Outfit, face: FaceCoeffs, head: MorphableModel, eye: Float[Tensor, " 3"], least: float
) -> Figure:
    """Return the figure as it stands before a camera at `eye`; no hair is thinner than `least`."""
    local = head.vertices(face)
    normals = meshes.normals(local[0], head.triangles)
    vertices = local[0] * head.metres_per_unit
    turn, shift = rotation.from_euler(face.rotation)[0], face.translation[0]
    skull = cast(Drawable, head).skull(face)[0]
    camera = (eye - shift) @ turn
    pieces = [_moved(p, skull) for p in outfit.worn]
    pieces += [replace(p, surface=clothing.follow(w, outfit.rest, vertices)) for w, p in outfit.clothes]
    grown = [_carried(s, skull) for s in outfit.hair]
    grown += [hair_rooted.follow(r, vertices, normals) for r in outfit.rooted]
    strips = [ribbon_loops.ribbons(s, camera, least=least) for s in grown if s.count]
    steps = [s.points.shape[1] for s in grown if s.count]
    glass = [p.surface for p in pieces if p.surface.material == Material.GLASS]
    pieces = [p for p in pieces if p.surface.material != Material.GLASS]
    solid = [*(p.surface for p in pieces), *strips]
    points = torch.cat([vertices, *[s.vertices for s in solid]])
    triangles, material, labels = _gathered(outfit.about, solid, vertices.shape[0])
    casters = _casters(triangles, len(outfit.about.triangles), solid, steps)
    return Figure(
        vertices=points @ turn.T + shift,
        triangles=triangles,
        casters=casters,
        material=material,
        labels=labels,
        head_normals=normals @ turn.T,
        coat=_coated(solid, turn, points),
        coat_normals=torch.cat([p.normals for p in pieces]) @ turn.T if pieces else vertices.new_zeros(1, 3),
        glass=tuple(replace(s, vertices=s.vertices @ turn.T + shift) for s in glass),
        landmarks=(head.landmarks(local)[0] * head.metres_per_unit) @ turn.T + shift,
        dense=_dense(head, local) @ turn.T + shift,
        head_axes=turn @ skull[:3, :3],
        head_centre=turn @ (skull[:3, :3] @ vertices.new_tensor([0.0, 0.04, 0.0]) + skull[:3, 3]) + shift,
    )


def _coated(
    solid: list[Surface], turn: Float[Tensor, "3 3"], points: Float[Tensor, "v 3"]
) -> Float[Tensor, "c 7"]:
    """Return colour, gloss and direction of all that is not the head, in one table."""
    coat, first = points.new_zeros(max(sum(len(s.vertices) for s in solid), 1), 7), 0
    for s in solid:
        rows = coat[first : first + len(s.vertices)]
        rows[:, :3], rows[:, 3], rows[:, 4:] = s.colour, s.gloss, s.along @ turn.T
        first += len(s.vertices)
    return coat


def _dense(head: MorphableModel, local: Float[Tensor, "1 v 3"]) -> Float[Tensor, "n 3"]:
    find = getattr(head, "landmarks478", None)
    if find is None:
        return local.new_zeros(0, 3)
    return cast(Tensor, find(local)[0] * head.metres_per_unit)


def _gathered(facts: About, solid: list[Surface], first: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return the triangles of head and surfaces as one list, with their materials and labels."""
    triangles = [facts.triangles]
    materials, all_labels = [facts.material], [facts.labels]
    for s in solid:
        triangles.append(s.triangles.int() + first)
        materials.append(
            torch.full((len(s.triangles),), int(s.material), dtype=torch.int8, device=s.labels.device)
        )
        all_labels.append(s.labels.to(torch.int8))
        first += s.vertices.shape[0]
    return torch.cat(triangles), torch.cat(materials), torch.cat(all_labels)


def _casters(triangles: Tensor, own: int, solid: list[Surface], steps: list[int]) -> Tensor:
    """Return the triangles that throw shadows: one strand of hair stands for `THINNED`."""
    parts: list[Tensor] = list(torch.split(triangles, [own, *[len(s.triangles) for s in solid]]))
    first = len(parts) - len(steps)
    for k, count in enumerate(steps, start=first):
        strand = 2 * (count - 1)
        if len(parts[k]) > THINNED * 100 * strand:
            parts[k] = parts[k].reshape(-1, strand, 3)[::THINNED].reshape(-1, 3)
    return torch.cat(parts)


def _tucked(grown: Strands, person: Person, vertices: Float[Tensor, "v 3"], head: MorphableModel) -> Strands:
    """Return hair that begins at the hat's edge: what lies above it shrinks to the nearest point below."""
    if person.hat == "none":
        return grown
    count, steps = grown.points.shape[:2]
    gone = hats.under_hat(grown.points.reshape(-1, 3), person, vertices, head).reshape(count, steps)
    number = torch.arange(steps).expand(count, steps)
    later = torch.where(gone, steps, number).flip(1).cummin(1).values.flip(1)
    earlier = torch.where(gone, -1, number).cummax(1).values
    nearest = torch.where(later < steps, later, earlier)
    kept = ~gone.all(1)
    nearest = nearest[kept][..., None].expand(-1, -1, 3)
    points = grown.points[kept].gather(1, nearest)
    return replace(grown, points=points, width=grown.width[kept], colour=grown.colour[kept])


def _piece(surface: Surface) -> Piece:
    return Piece(surface=surface, normals=meshes.normals(surface.vertices, surface.triangles))


def _softened(mask: Float[Tensor, " v"], triangles: Int[Tensor, "f 3"]) -> Float[Tensor, " v"]:
    """Return a mask averaged over each vertex's triangles."""
    corners = triangles.reshape(-1)
    times = (
        torch.zeros_like(mask).index_add(0, corners, torch.ones_like(corners, dtype=mask.dtype)).clamp(min=1)
    )
    for _ in range(SOFTER):
        mean = mask[triangles].mean(1, keepdim=True).expand(-1, 3).reshape(-1)
        mask = torch.zeros_like(mask).index_add(0, corners, mean) / times
    return mask


def about(head: MorphableModel) -> About:
    """Return what all people of a head model share; kept, because every picture needs it."""
    if missing := [name for name in ("mean", "occlusion", "eye_local", "skull") if not hasattr(head, name)]:
        raise HeadError(
            f"the head model {head.name!r} lacks {', '.join(missing)}, which painting people needs. "
            "Use the built-in head or a folder with head.npz."
        )
    return _about(cast(Hashable, head))


@lru_cache(maxsize=2)
def _about(model: Hashable) -> About:
    head = cast(Drawable, model)
    parts = head.parts.long()
    rest = (head.mean * head.metres_per_unit).detach()
    material = parts.new_tensor([int(MATERIAL_OF_PART.get(p, Material.SKIN)) for p in Part])[parts]
    labels = parts.new_tensor([int(LABEL_OF_PART[p]) for p in Part])[parts]
    left, right = (
        torch.unique(head.triangles[parts == part]).long() for part in (Part.LEFT_EYE, Part.RIGHT_EYE)
    )
    return About(
        rest=rest,
        occlusion=head.occlusion.detach().float(),
        eye_local=head.eye_local.detach().float(),
        regions=head.regions.detach().float(),
        triangles=head.triangles.int(),
        parts=parts.to(torch.int8),
        landmarks=head.landmarks(head.mean[None])[0].detach() * head.metres_per_unit,
        lid_edge=_lid_edge(rest, head),
        lip=_softened(head.lip_mask.detach(), head.triangles),
        material=material.to(torch.int8),
        labels=labels.to(torch.int8),
        eyeballs=(left, right),
    )


def _lid_edge(vertices: Float[Tensor, "v 3"], head: Drawable) -> Float[Tensor, " v"]:
    """Return how near each vertex lies to where skin meets the wet rim of the lids."""
    rim = torch.unique(head.triangles[head.parts == Part.EYE_RIM])
    outer = torch.unique(head.triangles[head.parts == Part.SKIN])
    edge = rim[torch.isin(rim, outer)]
    if len(edge) == 0:
        return torch.zeros_like(vertices[:, 0])
    near = (vertices - vertices[edge].mean(0)).abs().amax(1) < LID_REACH
    away = torch.cdist(vertices[near], vertices[edge], compute_mode="donot_use_mm_for_euclid_dist").amin(1)
    out = torch.zeros_like(vertices[:, 0])
    out[near] = torch.exp(-(away / LINER).square())
    return out


def _moved(piece: Piece, skull: Float[Tensor, "4 4"]) -> Piece:
    turn, s = skull[:3, :3], piece.surface
    moved = replace(s, vertices=s.vertices @ turn.T + skull[:3, 3], along=s.along @ turn.T)
    return Piece(surface=moved, normals=piece.normals @ turn.T)


def _carried(grown: Strands, skull: Float[Tensor, "4 4"]) -> Strands:
    return replace(grown, points=grown.points @ skull[:3, :3].T + skull[:3, 3])
