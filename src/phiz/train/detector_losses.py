"""How wrong a detector is: which cell should tell of which face, and three losses."""

from __future__ import annotations

import math

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional

from phiz.face.detect_network import STRIDES, Cells, all_centres
from phiz.train.crowds import Sort

RANGES = ((0.0, 44.0), (32.0, 100.0), (76.0, math.inf))
"""Sizes of faces in pixels that each grid is for; a face may belong to two."""
LOOSE = 1.35
"""By which factor beyond its sizes it does not matter what a grid says."""
CORE, RING = 1.0, 1.7
"""Cells from a face's middle in which a cell should tell of it, and in which it does not matter."""
NONE, EITHER = -1, -2
"""In the place of a face's number: no face, and no matter."""
SHARPNESS = 2.0
"""How much less those cells count that are right already (Lin et al., 2017, "Focal loss")."""
WING, BEND = 0.1, 0.02
"""In sizes of the face: up to where small errors count more, and how much ("Wing loss", Feng et al., 2018).
"""
WEIGHTS = {"score": 1.0, "box": 1.5, "points": 0.5}


def assigned(boxes: Float[Tensor, "b m 4"], sorts: Int[Tensor, "b m"], side: int) -> Int[Tensor, "b n"]:
    """Return which face each cell of a square picture should tell of: its number, `NONE` or `EITHER`.

    The cells near the middle of a face tell of it, in the grid for its size; of two faces, the smaller.
    """
    centres, strides = (one.to(boxes) for one in all_centres(side, side))
    low, high = (
        torch.tensor([RANGES[STRIDES.index(int(s))][end] for s in strides.tolist()]).to(boxes)[None, :, None]
        for end in (0, 1)
    )
    middles = ((boxes[..., :2] + boxes[..., 2:]) / 2).clamp(0, side)
    sizes = (boxes[..., 2:] - boxes[..., :2]).clamp(min=0).prod(dim=-1).sqrt()[:, None]  # (b, 1, m)
    away = (centres[None, :, None] - middles[:, None]).abs().amax(dim=-1) / strides[None, :, None]
    inside = torch.cat(
        [centres[None, :, None] - boxes[:, None, :, :2], boxes[:, None, :, 2:] - centres[None, :, None]], -1
    )
    is_inside = inside.amin(dim=-1) > 0
    is_face, is_either = (sorts == Sort.FACE)[:, None], (sorts == Sort.EITHER)[:, None]
    core = is_face & is_inside & (away <= CORE) & (sizes >= low) & (sizes <= high)
    fits = (sizes >= low / LOOSE) & (sizes <= high * LOOSE)
    open_ = (is_face & fits & (away <= RING)) | (is_either & is_inside)
    best, chosen = torch.where(core, sizes, math.inf).min(dim=-1)
    none = torch.where(open_.any(dim=-1), EITHER, NONE)
    return torch.where(best.isfinite(), chosen, none)


def detector_loss(
    told: Cells,
    boxes: Float[Tensor, "b m 4"],
    points: Float[Tensor, "b m 5 2"],
    sorts: Int[Tensor, "b m"],
    side: int,
) -> dict[str, Float[Tensor, ""]]:
    """Return the losses of scores, boxes and points, each in its weight."""
    chosen = assigned(boxes, sorts, side)
    is_face = chosen >= 0
    count = is_face.sum().clamp(min=1)
    score = focal(told.logits, is_face, chosen != EITHER) / count
    rows, columns = is_face.nonzero(as_tuple=True)
    whose = chosen[rows, columns]
    true_boxes, true_points = boxes[rows, whose], points[rows, whose]
    box = (1 - generalised_overlap(told.boxes[rows, columns], true_boxes)).sum() / count
    sizes = (true_boxes[:, 2:] - true_boxes[:, :2]).prod(dim=-1).sqrt()[:, None, None]
    off = wing((told.points[rows, columns] - true_points) / sizes).mean(dim=(1, 2)).sum() / count / WING
    return {name: WEIGHTS[name] * value for name, value in (("score", score), ("box", box), ("points", off))}


def focal(
    logits: Float[Tensor, "b n"], is_face: Bool[Tensor, "b n"], counts: Bool[Tensor, "b n"]
) -> Float[Tensor, ""]:
    """Return the sum of cross entropies, those of cells that are right nearly left out."""
    truth = is_face.to(logits)
    entropy = functional.binary_cross_entropy_with_logits(logits, truth, reduction="none")
    wrong = (logits.sigmoid() - truth).abs()
    return (entropy * wrong**SHARPNESS * counts).sum()


def generalised_overlap(one: Float[Tensor, "n 4"], other: Float[Tensor, "n 4"]) -> Float[Tensor, " n"]:
    """Return the overlap of boxes, less the share of emptiness in the box around both.

    Unlike the overlap it says in which direction to go where boxes do not meet (Rezatofighi et al., 2019).
    """
    low, high = torch.maximum(one[:, :2], other[:, :2]), torch.minimum(one[:, 2:], other[:, 2:])
    shared = (high - low).clamp(min=0).prod(dim=1)
    either = (one[:, 2:] - one[:, :2]).prod(dim=1) + (other[:, 2:] - other[:, :2]).prod(dim=1) - shared
    least, most = torch.minimum(one[:, :2], other[:, :2]), torch.maximum(one[:, 2:], other[:, 2:])
    around = (most - least).prod(dim=1).clamp(min=1e-6)
    return shared / either.clamp(min=1e-6) - (around - either) / around


def wing(away: Float[Tensor, "*s"]) -> Float[Tensor, "*s"]:
    """Return how much errors count: steeply where small, and as they are where large."""
    size = away.abs()
    steep = WING * torch.log1p(size / BEND)
    return torch.where(size < WING, steep, size - WING + WING * math.log1p(WING / BEND))
