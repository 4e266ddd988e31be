"""What is looked at while a network learns to find points: sheets of crops, and errors on strangers."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from phiz.face import landmarks, points
from phiz.face.landmarks import DEVIATION, SPARSE, LandmarkNet
from phiz.layers.folding import folded
from phiz.media import image
from phiz.train import marked_people, photo_changes, state
from phiz.train.landmarks_config import TrainLandmarksConfig
from phiz.train.marked_people import CropPlaces, MarkedPeople, open_marked
from phiz.train.ranks import Ranks
from phiz.train.run import Run

SHOWN = 10
"""Crops of a sheet."""
LARGER = 2
"""Crops are drawn so many times as large."""
FOUND, TRUE = (-1.0, 1.0, -0.4), (1.0, -0.6, -0.6)
"""Colours of points that were found and of those that are right."""
IN_USE = CropPlaces(mirror=0.0, turn_deg=6.0, scale=0.06, shift=0.04, nothing=0.0)
"""Crops as they are cut about what a detector found."""


def watch(
    config: TrainLandmarksConfig, run: Run, network: LandmarkNet, people: MarkedPeople, here: Ranks
) -> None:
    """Keep a sheet and take a measurement where it is time for them."""
    if run.due(config.picture_every) and here.is_first:
        run.picture("points", sheet(config, network, people, here.device))
    if config.check is not None and run.due(config.measure_every):
        strangers = open_marked(config.check)
        found = state.from_first(
            here, lambda: measure(network, strangers, config.measure_count, here.device, config.seed)
        )
        run.log(found, always=True)


@torch.no_grad()
def measure(
    network: LandmarkNet, people: MarkedPeople, count: int, device: torch.device, seed: int = 0
) -> dict[str, float]:
    """Return errors on strangers' pictures as they are, in distances of the eyes' middles.

    Crops lie where a detector's would, and are looked at twice. `calibration` is the median error in the
    deviation that the network claims for it, as a share of what it would be if claims were right.
    """
    ready = folded(network)
    rng = np.random.default_rng(seed)
    errors: dict[str, list[float]] = {}
    for number in np.linspace(0, people.count - 1, min(count, people.count)).round().astype(int):
        person = people.read(int(number))
        truth = person.points[marked_people.TRUE]
        five = points.five_points(truth[:SPARSE])
        unit = float((five[1] - five[0]).norm())
        right = landmarks.frame_around(truth[None, :SPARSE])[0]
        frame = marked_people.placed(right, IN_USE, rng)
        picture = (person.picture[None, :3].float() / 127.5 - 1).to(device)
        found = landmarks.locate(ready, picture, frame[None].to(device), looks=2)
        apart = (found.xy[0].cpu() - truth).norm(dim=1)
        claimed = found.sigma[0].cpu()
        for name, value in _errors(apart, unit).items():
            errors.setdefault(name, []).append(value)
        errors.setdefault("calibration", []).append(float((apart / claimed).median()) / TYPICAL)
    return {f"strangers/{name}": float(np.mean(values)) for name, values in errors.items()}


def _errors(apart: Float[Tensor, " n"], unit: float) -> dict[str, float]:
    shares = apart / max(unit, 1e-6)
    eyes, mouth = (
        [*points.RIGHT_EYE, *points.LEFT_EYE],
        [*points.OUTER_LIPS, *points.INNER_LIPS],
    )
    return {
        "landmarks": float(shares[:SPARSE].mean()),
        "dense": float(shares[SPARSE:].mean()),
        "eyes": float(shares[eyes].mean()),
        "mouth": float(shares[mouth].mean()),
        "jaw": float(shares[list(points.JAW)].mean()),
    }


@torch.no_grad()
def sheet(
    config: TrainLandmarksConfig, network: LandmarkNet, people: MarkedPeople, device: torch.device
) -> Float[Tensor, "3 h w"]:
    """Return crops of strangers or of those learned from, changed and not, with the points found and true."""
    source = people if config.check is None else open_marked(config.check)
    rows = []
    for changes in (photo_changes.NONE, config.changes):
        shown = []
        for number in np.linspace(0, source.count - 1, min(SHOWN, source.count)).round().astype(int):
            rng = np.random.default_rng((config.seed, int(number)))
            one = marked_people.example(source.read(int(number)), IN_USE, changes, config.landmarks.size, rng)
            crop = image.from_bytes(one.picture.movedim(0, -1))
            found, _, _ = network(crop[None].to(device))
            shown.append(marked(crop, {TRUE: one.points, FOUND: found[0].cpu()}))
        rows.append(torch.cat(shown, dim=-1))
    return torch.cat(rows, dim=-2)


def marked(
    crop: Float[Tensor, "3 s s"], sets: dict[tuple[float, float, float], Float[Tensor, "n 2"]]
) -> Float[Tensor, "3 s2 s2"]:
    """Return a crop, drawn larger, with sets of points (in half sides from its middle) in their colours."""
    large = crop.repeat_interleave(LARGER, 1).repeat_interleave(LARGER, 2)
    side = large.shape[-1]
    for colour, xy in sets.items():
        places = ((xy + 1) * side / 2).floor().long()
        inside = ((places >= 0) & (places < side)).all(dim=1)
        x, y = places[inside].unbind(1)
        large[:, y, x] = large.new_tensor(colour)[:, None]
    return large


TYPICAL = 1.6783 / DEVIATION
"""Median distance under exp(-r / s) / (2 pi s^2), in standard deviations along an axis."""
