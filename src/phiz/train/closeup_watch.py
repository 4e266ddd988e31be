"""What is looked at while closer looks are learned: sheets of eyes and mouths, and errors on strangers."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from phiz.face import closeup, landmarks, network_files, points, warp
from phiz.face.closeup import LEFT_EYE, MOUTH, RIGHT_EYE, CloseupNet
from phiz.face.landmarks import SPARSE, FacePoints
from phiz.face.network_files import LANDMARKS
from phiz.layers.folding import folded
from phiz.media import image
from phiz.train import marked_people, state
from phiz.train.closeup_config import TrainCloseupConfig
from phiz.train.landmarks_watch import FOUND, IN_USE, TRUE, marked
from phiz.train.marked_people import MarkedPeople, open_marked
from phiz.train.ranks import Ranks
from phiz.train.run import Run

SHOWN = 8
"""People on a sheet."""
EYES, LIPS = [*points.RIGHT_EYE, *points.LEFT_EYE], [*points.OUTER_LIPS, *points.INNER_LIPS]


def watch(
    config: TrainCloseupConfig, run: Run, network: CloseupNet, people: MarkedPeople, here: Ranks
) -> None:
    """Keep a sheet and take a measurement where it is time for them."""
    source = people if config.check is None else open_marked(config.check)
    if run.due(config.picture_every) and here.is_first:
        run.picture("closeups", sheet(network, source, here.device))
    if config.check is not None and run.due(config.measure_every):
        found = state.from_first(
            here, lambda: measure(network, source, config.measure_count, here.device, config.seed)
        )
        run.log(found, always=True)


@torch.no_grad()
def measure(
    network: CloseupNet, people: MarkedPeople, count: int, device: torch.device, seed: int = 0
) -> dict[str, float]:
    """Return errors on strangers' pictures, without the closer look and with it.

    Shares of the distance of the eyes' middles, means; `lids` is the error of how far lids are apart. The
    whole face's points are the built-in network's, from crops as a detector gives them.
    """
    whole = folded(network_files.load(LANDMARKS)).to(device)
    ready = folded(network)
    rng = np.random.default_rng(seed)
    errors: dict[str, list[float]] = {}
    for number in np.linspace(0, people.count - 1, min(count, people.count)).round().astype(int):
        person = people.read(int(number))
        truth = person.points[marked_people.TRUE, :SPARSE]
        right = landmarks.frame_around(truth[None])[0]
        frame = marked_people.placed(right, IN_USE, rng)
        picture = (person.picture[None, :3].float() / 127.5 - 1).to(device)
        before = landmarks.locate(whole, picture, frame[None].to(device), looks=2)
        for name, found in (("before", before), ("after", closeup.refined(ready, picture, before))):
            for what, value in _errors(found, truth).items():
                errors.setdefault(f"{name}/{what}", []).append(value)
    return {f"strangers/{name}": float(np.mean(values)) for name, values in errors.items()}


def _errors(found: FacePoints, truth: Float[Tensor, "68 2"]) -> dict[str, float]:
    xy = found.sparse[0].cpu()
    unit = float(points.eyes_apart(truth).clamp_min(1e-6))
    apart = (xy - truth).norm(dim=1)
    lids = (points.facing(xy, points.FACING_LIDS) - points.facing(truth, points.FACING_LIDS)).abs().mean()
    return {
        "eyes": float(apart[EYES].mean()) / unit,
        "mouth": float(apart[LIPS].mean()) / unit,
        "lids": float(lids) / unit,
    }


@torch.no_grad()
def sheet(network: CloseupNet, people: MarkedPeople, device: torch.device) -> Float[Tensor, "3 h w"]:
    """Return crops of strangers' eyes and mouths, with the points found and true."""
    columns = []
    for number in np.linspace(0, people.count - 1, min(SHOWN, people.count)).round().astype(int):
        person = people.read(int(number))
        picture, truth = person.picture[:3], person.points[marked_people.TRUE]
        column = []
        for part, one in ((RIGHT_EYE, network.eye), (LEFT_EYE, network.eye), (MOUTH, network.mouth)):
            frame = closeup.frame_of(part, truth[None, :SPARSE])
            crop = landmarks.cut(image.from_bytes(picture.movedim(0, -1))[None], frame, one.config.size)
            found, _, _ = one(crop.to(device))
            right = warp.apply(warp.invert(frame[0]), truth[list(part.numbers)])
            column.append(marked(crop[0], {TRUE: right, FOUND: found[0].cpu()}))
        columns.append(torch.cat(column, dim=-2))
    return torch.cat(columns, dim=-1)
