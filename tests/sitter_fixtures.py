"""A head without hair that was "photographed": its picture, and all that is true about it."""

from __future__ import annotations

from dataclasses import replace

import torch

from phiz.avatar.framing import Framed
from phiz.avatar.matte import Parsed
from phiz.avatar.sides import Sitter
from phiz.face import fit_draw
from phiz.face.coeffs import neutral
from phiz.face.head import Head
from phiz.generator.config import TINY, GeneratorConfig
from phiz.graphics import camera as cameras
from phiz.graphics import frames
from phiz.world import portrait

CONFIG: GeneratorConfig = replace(TINY, resolution=64, volume_resolution=16)
BEHIND = torch.tensor([-0.5, 0.0, 0.8])


def sitter(head: Head, yaw: float = 0.0) -> Sitter:
    """Return a drawn head, bald, before a plain wall, as if it had been found in a photo of 128 pixels."""
    rest = neutral(head.sizes)
    placed = portrait.generator_from_head(rest.identity[0], head)
    seen_from = portrait.view_camera(torch.tensor([yaw]), torch.zeros(1))
    in_head = cameras.move(seen_from, frames.invert(placed))

    def picture(size: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        drawn, is_face = fit_draw.draw(head, rest, in_head, size, size)
        person = (drawn[0] > -1).any(0)[None]
        return torch.where(person, drawn[0], BEHIND[:, None, None]), person.float(), is_face.float()

    photo, _, _ = picture(128)
    crop, person, is_face = picture(CONFIG.resolution)
    found = Framed(
        crop=crop,
        seen=torch.ones_like(person),
        photo=photo,
        photo_from_crop=torch.tensor([[2.0, 0.0, 0.0], [0.0, 2.0, 0.0]]),
        camera=seen_from,
        rest=rest,
        generator_from_head=placed,
        agreeing=1.0,
        warnings=(),
    )
    nothing = torch.zeros_like(person)[None]
    known = Parsed(matte=person[None], is_face=is_face[None], is_feature=nothing, is_hair=nothing)
    return Sitter(found, head, known, CONFIG)
