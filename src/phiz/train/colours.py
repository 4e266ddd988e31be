"""Colour modes of a head, learned from the world's skins: what varies between people, a number a vertex."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from phiz.console import Console
from phiz.face.head import Head
from phiz.face.morphable import Part
from phiz.world.body import creases, skin
from phiz.world.drawn.develop import srgb
from phiz.world.figure import about
from phiz.world.grown.hair_styles import STYLES
from phiz.world.people import Person, sample_person

FOOTPRINT = 0.002
"""A vertex stands for about this much skin, in metres; finer detail is left out."""
INSIDE = {
    Part.MOUTH: (0.52, 0.24, 0.23),
    Part.UPPER_TEETH: (0.90, 0.87, 0.79),
    Part.LOWER_TEETH: (0.88, 0.84, 0.76),
    Part.TONGUE: (0.70, 0.36, 0.37),
    Part.EYE_RIM: (0.80, 0.52, 0.48),
}
"""sRGB of what is not skin and hardly differs between people."""
WHITE, IRIS, PUPIL = (0.92, 0.90, 0.88), (0.36, 0.27, 0.20), (0.03, 0.03, 0.03)
IRIS_ANGLE, PUPIL_ANGLE = 0.42, 0.17


def learn_colours(
    head: Head, people: int, modes: int, console: Console, first_seed: int = 10_000
) -> dict[str, Tensor]:
    """Return mean and modes of the skin's own colour (sRGB) over many people, as a head's file wants them."""
    inside = _inside(head)
    fixed = ~torch.isnan(inside[:, 0])
    seen = []
    for seed in console.progress(range(first_seed, first_seed + people), label="colours"):
        colour = skin_colours(sample_person(seed, head, tuple(STYLES)), head)
        seen.append(torch.where(fixed[:, None], inside, colour))
    crowd = torch.stack(seen)
    mean = crowd.mean(dim=0)
    _, strength, directions = torch.linalg.svd((crowd - mean).flatten(1), full_matrices=False)
    found = directions[:modes] * strength[:modes, None] / people**0.5
    scale = found.abs().amax(dim=1).clamp_min(1e-8) / 127
    return {
        "texture_mean": (mean * 255).round().clamp(0, 255).to(torch.uint8),
        "texture": (found / scale[:, None]).round().to(torch.int8).reshape(len(found), -1, 3),
        "texture_scale": scale,
    }


def skin_colours(person: Person, head: Head) -> Float[Tensor, "v 3"]:
    """Return a person's skin at each vertex, sRGB in [0, 1], without hair roots or light."""
    facts = about(head)
    nothing = torch.zeros(len(facts.rest))
    fields = skin.field_table(
        head.regions,
        person.skin,
        skin.Covers(scalp=nothing, beard=nothing),
        torch.ones_like(nothing),
        facts.lid_edge,
        facts.lip,
    )
    normals = head.normals(facts.rest[None])[0]
    patch = skin.Patch(
        place=facts.rest, normal=normals, rest=facts.rest, field=fields, view=normals, footprint=FOOTPRINT
    )
    spots = skin.moles(person.skin, facts.landmarks)
    made = skin.surfaced(patch, person, creases.creases(facts.landmarks), skin.Motionful(), spots)
    return srgb(made.albedo)


def _inside(head: Head) -> Float[Tensor, "v 3"]:
    """Return the colours of teeth, mouth and eyes; not a number where there is skin."""
    found = torch.full((len(head.mean), 3), torch.nan)
    for part, colour in INSIDE.items():
        found[head.triangles[head.parts == part].flatten()] = torch.tensor(colour)
    skin_parts = head.triangles[head.parts < Part.MOUTH].flatten()
    found[skin_parts] = torch.nan
    for part in (Part.LEFT_EYE, Part.RIGHT_EYE):
        own = torch.unique(head.triangles[head.parts == part])
        angle = torch.acos(head.eye_local[own, 2].clamp(-1, 1))[:, None]
        around = torch.where(angle < IRIS_ANGLE, torch.tensor(IRIS), torch.tensor(WHITE))
        found[own] = torch.where(angle < PUPIL_ANGLE, torch.tensor(PUPIL), around)
    return found
