"""What a face does besides speaking: it blinks, looks about and sways; seeded, with human statistics."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

BLINK_EVERY_S = 3.5
"""Mean time between blinks; people who speak blink every two to five seconds."""
BLINK_S = (0.08, 0.04, 0.16)
"""How long lids take to close, stay closed and open again."""
GLANCE_EVERY_S = 1.3
GLANCE_DEG = (2.0, 1.0)
"""Spread of small glances, sideways and up or down; listeners' eyes are looked at, not past."""
VERGENCE = 0.02
"""Radians by which each eye turns inwards: half of 6 cm, seen from a metre and a half."""
SWAY_DEG = (1.2, 2.0, 0.9)
"""Spread of the slow sway in pitch, yaw and roll."""
NOD_DEG = 2.5
"""How far the head goes down with a stressed word."""


def blinks(frames: int, fps: float, generator: torch.Generator) -> Float[Tensor, "t 2"]:
    """Return how far the left and the right lid are closed, 0 to 1."""
    times = torch.arange(frames) / fps
    lids = torch.zeros(frames)
    start = 0.5 + _wait(BLINK_EVERY_S - 1.0, generator)
    while start < frames / fps:
        lids = torch.maximum(lids, _one_blink(times - start, 1 / fps))
        # Nobody blinks twice within a second, or hardly.
        start += 1.0 + _wait(BLINK_EVERY_S - 1.0, generator)
    return lids[:, None].repeat(1, 2)


def glances(head: Float[Tensor, "t 3"], fps: float, generator: torch.Generator) -> Float[Tensor, "t 2 2"]:
    """Return the yaw and pitch of the left and the right eye: still, then elsewhere in one frame.

    The eyes stay on whom they talk to while the head sways under them, and meet there.
    """
    frames = len(head)
    glance = torch.zeros(frames, 2)
    spread = torch.deg2rad(torch.tensor(GLANCE_DEG))
    start = _wait(GLANCE_EVERY_S, generator)
    while start < frames / fps:
        goal = torch.randn(2, generator=generator).clamp(-2, 2) * spread
        glance[math.ceil(start * fps) :] = goal
        start += 0.3 + _wait(GLANCE_EVERY_S - 0.3, generator)
    aim = glance - head[:, [1, 0]]
    inwards = torch.tensor([[-VERGENCE, 0.0], [VERGENCE, 0.0]])
    return aim[:, None] + inwards


def sway(opening: Float[Tensor, " t"], fps: float, generator: torch.Generator) -> Float[Tensor, "t 3"]:
    """Return pitch, yaw and roll of a head that sways slowly and nods with what is stressed."""
    frames, width = len(opening), 0.7 * fps
    margin = math.ceil(4 * width)
    noise = torch.randn(3, frames + 2 * margin, generator=generator)
    slow = torch.stack([smooth(channel, width) for channel in noise])[:, margin : margin + frames]
    slow = slow * math.sqrt(2 * math.sqrt(math.pi) * width)  # back to a spread of one
    angles = slow.T * torch.tensor(SWAY_DEG)
    angles[:, 0] = angles[:, 0] + NOD_DEG * emphasis(opening, fps)
    return torch.deg2rad(angles)


def emphasis(opening: Float[Tensor, " t"], fps: float) -> Float[Tensor, " t"]:
    """Return how much louder than the talk around it each moment is, about -1 to 1."""
    near, far = smooth(opening, 0.15 * fps), smooth(opening, 1.0 * fps)
    return ((near - far) * 2.5).clamp(-1, 1)


def smooth(curve: Float[Tensor, " t"], width: float) -> Float[Tensor, " t"]:
    """Return a curve blurred by a bell of `width` samples; the ends are continued as they are."""
    reach = max(1, math.ceil(4 * width))
    bell = torch.exp(-0.5 * (torch.arange(-reach, reach + 1) / max(width, 1e-3)).square())
    padded = torch.cat([curve[:1].expand(reach), curve, curve[-1:].expand(reach)])
    return torch.nn.functional.conv1d(padded[None, None], (bell / bell.sum())[None, None])[0, 0]


def _wait(mean_s: float, generator: torch.Generator) -> float:
    """Return an exponentially distributed time, but no endless one."""
    drawn = -mean_s * math.log1p(-torch.rand((), generator=generator).item())
    return min(drawn, 3 * mean_s)  # the tail of the law has stares that look dead


def _one_blink(times: Tensor, frame_s: float) -> Tensor:
    closing, closed, opening = BLINK_S
    closed = max(closed, frame_s)  # at low rates too, one frame shows the eye shut
    down = (times / closing).clamp(0, 1)
    up = ((times - closing - closed) / opening).clamp(0, 1)
    return (down - up).clamp(0, 1)
