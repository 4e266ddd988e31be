"""Is this somebody out of several pictures? The protocol of IJB-B and IJB-C (Maze et al., 2018).

A template is all there is of one person: pictures and frames of videos. The frames of a video count as one
medium. A folder holds the pictures in ``loose_crop`` and three lists, there or in ``meta``:

- ``*_name_5pts_score.txt``: picture, five points (pixels counted from their centres), the detector's score
- ``*_face_tid_mid.txt``: picture, template, medium
- ``*_template_pair_label.txt``: template, template, 1 for one person
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from phiz.console import Console
from phiz.errors import DataError, MediaError
from phiz.face import align
from phiz.face.identity.networks import AT_ONCE, embed, unit
from phiz.media import image
from phiz.metrics.verification import Curve, curve

PICTURES = "loose_crop"
POINTS, MEMBERS, PAIRS = "*_name_5pts_score.txt", "*_face_tid_mid.txt", "*_template_pair_label.txt"
RATES = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1)
"""Shares of false pairs at which results are published."""
COMPARED = 100_000
"""Pairs that are compared together."""
CENTRE = 0.5
"""What pixel coordinates are more than those counted from pixel centres."""


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """Pictures, what is known about each, and which templates to compare."""

    folder: Path
    names: tuple[str, ...]
    points: Float[Tensor, "n 5 2"]
    """Pixels of the picture, the centre of the first at (0.5, 0.5)."""
    scores: Float[Tensor, " n"]
    """How sure the detector was."""
    templates: Int[Tensor, " n"]
    media: Int[Tensor, " n"]
    pairs: Int[Tensor, "p 2"]
    are_same: Bool[npt.NDArray[np.bool_], " p"]


def read_protocol(folder: Path) -> Protocol:
    """Return what the lists of a folder say."""
    points = _table(folder, POINTS, 12)
    members = _table(folder, MEMBERS, 3)
    pairs = _table(folder, PAIRS, 3)
    names = tuple(row[0] for row in points)
    if names != tuple(row[0] for row in members):
        raise DataError(f"the lists in {folder} name other pictures, or in another order. Get them again.")
    try:
        numbers = torch.tensor([[float(word) for word in row[1:]] for row in points])
        places = torch.tensor([[int(word) for word in row[1:]] for row in members])
        compared = torch.tensor([[int(word) for word in row] for row in pairs])
    except ValueError as error:
        raise DataError(f"a list in {folder} is damaged ({error}). Get it again.") from error
    known = set(places[:, 0].tolist())
    if strange := set(compared[:, :2].flatten().tolist()) - known:
        raise DataError(f"{folder} compares the template {min(strange)}, which has no pictures.")
    return Protocol(
        folder=_pictures(folder),
        names=names,
        points=numbers[:, :10].reshape(-1, 5, 2) + CENTRE,
        scores=numbers[:, 10],
        templates=places[:, 0],
        media=places[:, 1],
        pairs=compared[:, :2],
        are_same=compared[:, 2].numpy() == 1,
    )


def faces(protocol: Protocol, at_once: int = AT_ONCE) -> Iterator[Float[Tensor, "b 3 s s"]]:
    """Yield all faces, cut out as published: linearly, black beyond the picture."""
    for first in range(0, len(protocol.names), at_once):
        cut = []
        for number in range(first, min(first + at_once, len(protocol.names))):
            photo = image.read(protocol.folder / protocol.names[number])
            try:
                found = align.recognition(photo, protocol.points[number], is_smooth=False)
            except MediaError as error:
                raise DataError(f"{protocol.names[number]} in {protocol.folder}: {error}") from error
            cut.append(found.picture)
        yield torch.stack(cut)


def features(
    network: nn.Module,
    protocol: Protocol,
    *,
    device: torch.device | None = None,
    at_once: int = AT_ONCE,
    console: Console | None = None,
) -> Float[Tensor, "n e"]:
    """Return the embedding of each face, that of its mirror image added."""
    parts = faces(protocol, at_once)
    total = -(-len(protocol.names) // at_once)
    told = parts if console is None else console.progress(parts, total=total, label="faces")
    found = [
        embed(network, part if device is None else part.to(device), is_mirrored=True, at_once=at_once).cpu()
        for part in told
    ]
    return torch.cat(found)


def template_features(
    found: Float[Tensor, "n e"], protocol: Protocol, *, by_score: bool = True, by_length: bool = True
) -> tuple[Int[Tensor, " t"], Float[Tensor, "t e"]]:
    """Return the templates, and one embedding of length one for each.

    Pictures of one medium are averaged, media summed up. A face counts by the detector's score; and by the
    length of its embedding, which says how clear it is, unless all are made equally long first.
    """
    weighed = found.double() if by_length else unit(found.double())
    if by_score:
        weighed = weighed * protocol.scores.double()[:, None]
    both = torch.stack([protocol.templates, protocol.media], 1)
    media, medium_of = torch.unique(both, dim=0, return_inverse=True)
    counts = torch.bincount(medium_of, minlength=len(media))
    means = weighed.new_zeros(len(media), found.shape[1]).index_add_(0, medium_of, weighed) / counts[:, None]
    templates, template_of = torch.unique(media[:, 0], return_inverse=True)
    sums = means.new_zeros(len(templates), found.shape[1]).index_add_(0, template_of, means)
    return templates, unit(sums).float()


def compare(templates: Int[Tensor, " t"], embeddings: Float[Tensor, "t e"], protocol: Protocol) -> Curve:
    """Return the curve of all pairs that are to be compared."""
    places = torch.searchsorted(templates, protocol.pairs.contiguous())
    scores = [
        (embeddings[part[:, 0]] * embeddings[part[:, 1]]).sum(1) for part in torch.split(places, COMPARED)
    ]
    return curve(torch.cat(scores).double().numpy(), protocol.are_same)


def _table(folder: Path, pattern: str, width: int) -> list[list[str]]:
    found = sorted([*folder.glob(pattern), *(folder / "meta").glob(pattern)])
    if len(found) != 1:
        raise DataError(
            f"{folder} has {len(found)} lists {pattern} and should have one, there or in its folder meta."
        )
    rows = [line.split() for line in found[0].read_text(encoding="utf-8").splitlines() if line.strip()]
    wrong = next((number for number, row in enumerate(rows, start=1) if len(row) != width), None)
    if wrong or not rows:
        raise DataError(f"{found[0]} should have {width} words in line {wrong or 1}. Get it again.")
    return rows


def _pictures(folder: Path) -> Path:
    if not (folder / PICTURES).is_dir():
        raise DataError(f"{folder} has no folder {PICTURES} of pictures. Put it there.")
    return folder / PICTURES
