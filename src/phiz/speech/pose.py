"""How a head turns while it speaks: motions of 32 frames in a row, smoothed, added to where the head started.

The published test loop is kept as it is, because imported networks are known to work with it:

- each block of 32 frames has a latent code of its own, and knows nothing of the one before;
- frames that are left over at the end are those of a block that overlaps the one before it, under a new code,
  so that the head jumps there, as between all blocks;
- smoothing hides that: each pose is that of a parabola through the 13 poses around it.
"""

from __future__ import annotations

from functools import cache

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from phiz.speech.encoder import heard
from phiz.speech.pose_network import PoseNet

WINDOW, ORDER = 13, 2
"""Poses that one is smoothed by, and the degree of the polynomial through them."""


def poses(
    network: PoseNet,
    windows: Float[Tensor, "t 1 80 16"],
    start: Float[Tensor, " 6"],
    *,
    style: int,
    codes: Float[Tensor, "k z"],
    is_smooth: bool = True,
) -> Float[Tensor, "t 6"]:
    """Return the pose of each frame: pitch, yaw and roll in radians, then where the head is.

    The first is `start`. There is a code for each block, as many as `blocks` says; `draw` draws them.
    """
    motion = motions(network, windows, start, style=style, codes=codes)
    found = start + motion
    return smoothed(found) if is_smooth else found


def blocks(network: PoseNet, frames: int) -> int:
    """Return how many motions cover so many frames; the first frame needs none."""
    return -(-max(frames - 1, 0) // network.config.frames)


def draw(network: PoseNet, frames: int, chance: torch.Generator) -> Float[Tensor, "k z"]:
    """Return random codes for so many frames; the same chance gives the same movement."""
    return torch.randn(blocks(network, frames), network.config.latent, generator=chance)


@torch.no_grad()
def motions(
    network: PoseNet,
    windows: Float[Tensor, "t 1 80 16"],
    start: Float[Tensor, " 6"],
    *,
    style: int,
    codes: Float[Tensor, "k z"],
) -> Float[Tensor, "t 6"]:
    """Return how far each frame is from the first; all blocks are made at once."""
    length, count = network.config.frames, blocks(network, len(windows))
    if not 0 <= style < network.config.styles:
        raise ValueError(f"styles are numbered from 0 to {network.config.styles - 1}; there is no {style}")
    if len(codes) != count:
        raise ValueError(f"{len(windows)} frames take {count} codes, not {len(codes)}")
    still = start.new_zeros(1, start.shape[0])
    if not count:
        return still[: len(windows)]
    sounds = heard(network.audio_encoder.audio_encoder, windows[1:])
    rest = len(sounds) % length
    if len(sounds) < length:
        sounds = torch.cat([sounds[:1].expand(length - len(sounds), -1), sounds])
    pieces = [sounds[first : first + length] for first in range(0, len(sounds) - length + 1, length)]
    if len(pieces) < count:
        pieces.append(sounds[-length:])
    styles = torch.full((count,), style, device=start.device)
    made = network.netG.decoder(codes, start.expand(count, -1), torch.stack(pieces), styles)
    return torch.cat([still, *made[:-1], made[-1, -rest:]])  # all of the last one where none is left over


def follow(poses: Float[Tensor, "t 6"], clip: Float[Tensor, "s 6"]) -> Float[Tensor, "t 6"]:
    """Return poses that a clip's movement is added to, from its start again when it is over.

    As SadTalker takes poses out of a film. Its older copy in NeRFFaceSpeech takes the clip's poses instead.
    """
    if not len(clip):
        raise ValueError("a clip without frames cannot be followed")
    return poses + (clip - clip[0])[torch.arange(len(poses)) % len(clip)]


def smoothed(curves: Float[Tensor, "t k"]) -> Float[Tensor, "t k"]:
    """Return curves smoothed as Savitzky and Golay did (1964): a parabola through each 13 points.

    The ends follow the outermost parabola. Curves of less than 13 points are smoothed by as many as there
    are, an odd number; of less than three nothing is changed, where the published code fails.
    """
    size = min(WINDOW, len(curves) - 1 + len(curves) % 2)
    if size <= ORDER:
        return curves.clone()
    fit = _parabolas(size).to(curves.device)
    half = size // 2
    exact = curves.double()
    middle = functional.conv1d(exact.T[:, None], fit[half][None, None])[:, 0].T
    ends = fit[:half] @ exact[:size], fit[half + 1 :] @ exact[-size:]
    return torch.cat([ends[0], middle, ends[1]]).to(curves.dtype)


@cache
def _parabolas(size: int) -> Float[Tensor, "n n"]:
    """Return the matrix that takes so many points to those of the parabola that is nearest to them."""
    places = torch.arange(size, dtype=torch.float64) - size // 2
    powers = places[:, None] ** torch.arange(ORDER + 1, dtype=torch.float64)
    fit: Tensor = powers @ torch.linalg.pinv(powers)
    return fit
