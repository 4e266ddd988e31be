"""Faces of our own head for tests, and what of it may move."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from phiz.face.coeffs import FaceCoeffs, neutral
from phiz.face.head import Head
from phiz.face.morphable import Part
from phiz.graphics.raster import rasterise
from phiz.train.head_score import WINDOW, _screen, speech_like

MOVED = ("identity", "expression", "jaw", "neck", "gaze")
"""What shapes the surface; the rest of a face places, colours and lights it."""
EYES = (Part.LEFT_EYE, Part.RIGHT_EYE)


def express(head: Head, **weights: float) -> FaceCoeffs:
    face = neutral(head.sizes)
    expression = torch.zeros(1, head.sizes.expression)
    for name, weight in weights.items():
        expression[0, head.expression_names.index(name)] = weight
    return replace(face, expression=expression)


def posed(head: Head, count: int, seed: int) -> FaceCoeffs:
    """Return talking people who also move their jaws, necks and eyes."""
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape: int) -> Tensor:
        return torch.randn(count, *shape, generator=generator)

    face = speech_like(head, count, generator)
    lopsided = face.expression + 0.3 * torch.rand(face.expression.shape, generator=generator) ** 3
    turned = {"jaw": 0.04 * draw(3), "neck": 0.2 * draw(3), "gaze": 0.2 * draw(2, 2)}
    return replace(face, expression=lopsided, **turned)


def other_side(name: str) -> str:
    for here, there in (("Left", "Right"), ("Right", "Left")):
        if name.endswith(here):
            return name.removesuffix(here) + there
    return name


def mirror_image(head: Head, face: FaceCoeffs) -> FaceCoeffs:
    """Return the coefficients of the same face in a mirror."""
    reflected = head.mirrored(head.identity_modes)
    is_even = (head.identity_modes - reflected).square().sum(dim=(1, 2)) < 1e-9
    swap = [head.expression_names.index(other_side(name)) for name in head.expression_names]
    flip = torch.tensor([1.0, -1.0, -1.0])
    return replace(
        face,
        identity=torch.where(is_even, face.identity, -face.identity),
        expression=face.expression[:, swap],
        jaw=face.jaw * flip,
        neck=face.neck * flip,
        gaze=face.gaze.flip(1) * torch.tensor([-1.0, 1.0]),
    )


def of(head: Head, *parts: Part) -> Tensor:
    """Return the vertices of some parts."""
    return torch.unique(head.triangles[torch.isin(head.parts, torch.tensor([int(p) for p in parts]))])


def lid_zone(head: Head) -> Tensor:
    """Return, for each vertex, whether lid contact may move it."""
    found = torch.zeros(len(head.mean), dtype=torch.bool)
    for lids, blink in zip(head.lids, head.blinks, strict=True):
        found[torch.cat([lids.lids, blink.upper, blink.lower])] = True
    return found


def contact_zone(head: Head) -> Tensor:
    """Return, for each vertex, whether any contact may move it."""
    found = lid_zone(head)
    found[torch.cat([head.lips.upper, head.lips.lower])] = True
    return found


def seen(head: Head, points: Tensor, *parts: Part) -> int:
    """Return in how many pixels some parts are seen from the front."""
    hit = rasterise(_screen(points), head.triangles, *WINDOW).triangle.long()
    shown = torch.where(hit >= 0, head.parts[hit.clamp_min(0)], -1)
    return int(torch.isin(shown, torch.tensor([int(p) for p in parts])).sum())


def doubled(face: FaceCoeffs) -> FaceCoeffs:
    return replace(face, **{name: value.double() for name, value in vars(face).items()})
