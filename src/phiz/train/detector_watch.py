"""What is looked at while a detector trains: sheets of crowds with what was found, and how much is right.

Measured on crowds of people whom the detector never learns from, always the same ones.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from phiz.face import detect
from phiz.face.candidates import FoundFace, overlap
from phiz.face.detect_draw import drawn
from phiz.face.detect_network import FaceFinder
from phiz.layers.folding import folded
from phiz.media import image
from phiz.train import crowds, state
from phiz.train.crowd_people import PeopleShards, Person, open_people
from phiz.train.crowds import Crowd, Sort
from phiz.train.detector_config import TrainDetectorConfig
from phiz.train.ranks import Ranks
from phiz.train.run import Run

SHOWN = 10
"""Pictures of a sheet."""
FOUND = 0.5
"""The overlap from which a face counts as found."""
MEASURING = 12
"""What random bits are for; others than those of training."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of one picture."""

    truths: tuple[FoundFace, ...]
    """Faces that should be found."""
    matches: tuple[FoundFace | None, ...]
    """What was found of each."""
    alarms: tuple[FoundFace, ...]
    """What was found where no face is; a face that need not be found is no alarm."""


def watch(config: TrainDetectorConfig, run: Run, network: FaceFinder, here: Ranks) -> None:
    """Keep a sheet and take a measurement where it is time for them."""
    folder = config.check or config.data
    assert folder is not None
    if run.due(config.picture_every) and here.is_first:
        run.picture("faces", sheet(config, network, open_people(folder)))
    if config.check is not None and run.due(config.measure_every):
        people = open_people(config.check)
        found = state.from_first(here, lambda: measure(config, network, people))
        run.log(found, always=True)


def measure(config: TrainDetectorConfig, network: FaceFinder, people: PeopleShards) -> dict[str, float]:
    """Return how many faces are found, how many findings are faces, and how far points are off."""
    ready = folded(network)
    found = [outcome(ready, one) for one in measured_crowds(config, people, config.measure_count)]
    return numbers(found)


def numbers(found: Sequence[Outcome]) -> dict[str, float]:
    """Return recall, precision, false alarms a picture and the points' mean error in eye distances."""
    truths = sum(len(one.truths) for one in found)
    hits = sum(match is not None for one in found for match in one.matches)
    alarms = sum(len(one.alarms) for one in found)
    errors = [
        point_error(match, truth)
        for one in found
        for match, truth in zip(one.matches, one.truths, strict=True)
        if match is not None
    ]
    return {
        "recall": hits / max(truths, 1),
        "precision": hits / max(hits + alarms, 1),
        "alarms a picture": alarms / max(len(found), 1),
        "point error": sum(errors) / max(len(errors), 1),
    }


def outcome(network: FaceFinder, shown: Crowd, *, least: float = detect.LEAST_SCORE) -> Outcome:
    """Return what a detector finds in a crowd, and what it should."""
    picture = image.from_bytes(shown.image.movedim(0, -1))
    faces = detect.look(network, picture, picture.shape[-1], least=least)
    truths, others = (true_faces(shown, sort) for sort in (Sort.FACE, Sort.EITHER))
    left = list(faces)
    matches: list[FoundFace | None] = []
    for truth in truths:
        best = max(left, key=partial(overlap, truth), default=None)
        if best is None or overlap(best, truth) < FOUND:
            matches.append(None)
            continue
        matches.append(best)
        left = [face for face in left if face is not best]
    near = [*truths, *others]
    alarms = [face for face in left if all(overlap(face, one) < FOUND / 2 for one in near)]
    return Outcome(truths=tuple(truths), matches=tuple(matches), alarms=tuple(alarms))


def true_faces(shown: Crowd, sort: Sort) -> list[FoundFace]:
    """Return the faces of one sort that are in a crowd."""
    return [
        FoundFace(box=box, points=points, score=1.0)
        for box, points, own in zip(shown.boxes, shown.points, shown.sorts.tolist(), strict=True)
        if own == sort
    ]


def point_error(found: FoundFace, truth: FoundFace) -> float:
    """Return the mean distance of the five points in eye distances, those of a face seen from the front.

    In profile eyes lie nearly behind each other, so the box says how large the face is.
    """
    return float((found.points - truth.points).norm(dim=1).mean()) / eye_distance(truth)


def eye_distance(face: FoundFace) -> float:
    """Return the distance between the eyes, or, where that is larger, what the size of the box suggests."""
    between = float((face.points[1] - face.points[0]).norm())
    return max(between, 0.4 * face.size)


def measured_crowds(config: TrainDetectorConfig, people: PeopleShards, count: int) -> Iterator[Crowd]:
    """Yield so many crowds that are the same each time."""
    for number in range(count):
        rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence((config.seed, MEASURING, number))))

        def somebody(rng: np.random.Generator = rng) -> Person:
            return people.read(int(rng.integers(people.count)))

        yield crowds.crowd(somebody, config.crowds, config.changes, config.sides[-1], rng)


def sheet(config: TrainDetectorConfig, network: FaceFinder, people: PeopleShards) -> Float[Tensor, "3 h w"]:
    """Return crowds with what is found in them, in two rows, and the truth below."""
    columns = []
    for shown in measured_crowds(config, people, SHOWN):
        picture = image.from_bytes(shown.image.movedim(0, -1))
        found = detect.look(network, picture, picture.shape[-1])
        truth = true_faces(shown, Sort.FACE)
        columns.append(torch.cat([drawn(picture, found), drawn(picture, truth)], dim=1))
    half = (len(columns) + 1) // 2
    rows = [torch.cat(columns[:half], dim=2), torch.cat(columns[half:], dim=2)]
    return torch.cat(rows, dim=1)
