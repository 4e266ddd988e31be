"""How well the networks that see do on people whom they have never seen: one table, one file."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from phiz import checkpoint
from phiz.console import Console
from phiz.errors import MediaError, MissingError, UsageError
from phiz.face import head, landmarker, network_files
from phiz.face.identity import store
from phiz.face.network_files import CLOSEUP, DETECTOR, LANDMARKS, PARSER, REGRESSOR
from phiz.face.points import five_points
from phiz.metrics import verification
from phiz.options import option
from phiz.train import (
    arcface,
    closeup_watch,
    detector_watch,
    faces,
    landmarks_watch,
    marked_people,
    parse_watch,
    regress_watch,
)
from phiz.train.crowd_people import open_people
from phiz.train.detector_config import TrainDetectorConfig
from phiz.train.labelled_sources import open_source
from phiz.train.marked_people import TRUE, MarkedPeople
from phiz.train.regress_sources import open_world

CPU = torch.device("cpu")
Numbers = Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class MeasureSeeingConfig:
    """On whom to measure."""

    data: Path | None = None
    """Rendered people whom the networks never learned from: a folder of phiz world shards."""
    faces: str = ""
    """People with several pictures each, to measure recognition: what phiz train arcface takes as --data."""
    output: Path = option(Path("seeing.json"), "-o", "--output")
    """File for all numbers."""
    count: int = 200
    """Pictures of each measurement."""

    def __post_init__(self) -> None:
        if self.count < 1:
            raise ValueError("--count must be positive")


def measure_seeing(config: MeasureSeeingConfig, console: Console) -> Mapping[str, object]:
    """Measure the built-in networks that see on people whom they have never seen.

    Examples:
        phiz world shards -o strangers --count 600 --seed 12 --per-person 1
        phiz measure seeing --data strangers
        phiz world shards -o others --count 800 --seed 13 --per-person 8 --new-looks
        phiz measure seeing --data strangers --faces others
    """
    if config.data is None:
        raise UsageError("say on whom to measure: phiz measure seeing --data DIR, of phiz world shards")
    told: dict[str, Numbers] = {}
    for name, measure in _measurements(config, config.data).items():
        try:
            told[name] = dict(measure())
        except MissingError as error:
            console.warn(f"{name}: {error}")
            continue
        console.say(f"{name}:")
        console.table(["measure", "figure"], [[key, f"{value:.4g}"] for key, value in told[name].items()])
    with checkpoint.atomic(config.output) as temporary:
        temporary.write_text(json.dumps(told, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    return {"output": str(config.output), **told}


def _measurements(config: MeasureSeeingConfig, data: Path) -> dict[str, Callable[[], Numbers]]:
    """Return what is measured, by the name of the network."""
    count = config.count

    def detector() -> Numbers:
        chosen = replace(TrainDetectorConfig(), measure_count=count)
        return detector_watch.measure(chosen, network_files.load(DETECTOR), open_people(data))

    def points() -> Numbers:
        network, people = network_files.load(LANDMARKS), marked_people.open_marked(data)
        return {**landmarks_watch.measure(network, people, count, CPU), **end_to_end(people, count)}

    def closer() -> Numbers:
        network, people = network_files.load(CLOSEUP), marked_people.open_marked(data)
        return closeup_watch.measure(network, people, count, CPU)

    def parser() -> Numbers:
        return parse_watch.measure(network_files.load(PARSER), open_source(data), count, CPU)

    def regressor() -> Numbers:
        network = network_files.load(REGRESSOR)
        return regress_watch.measure(network, head.built_in(), open_world(data), count, CPU)

    found = {
        "detector": detector,
        "landmarks": points,
        "closeup": closer,
        "parser": parser,
        "regressor": regressor,
    }
    if config.faces:
        found["identity"] = lambda: recognition(config.faces, count)
    return found


def end_to_end(people: MarkedPeople, count: int) -> Numbers:
    """Return how often a face is found and marked, and how far its landmarks are off, detector included."""
    finder = landmarker.built_in()
    errors = []
    picked = np.linspace(0, people.count - 1, min(count, people.count)).round().astype(int)
    for number in picked:
        person = people.read(int(number))
        truth = person.points[TRUE, :68]
        try:
            found = finder.points(person.picture[:3].float() / 127.5 - 1)
        except MediaError:
            continue
        five = five_points(truth)
        errors.append(float((found.sparse[0] - truth).norm(dim=1).mean() / (five[1] - five[0]).norm()))
    return {
        "found, detector included": len(errors) / len(picked),
        "landmarks, detector included (median)": float(np.median(errors)) if errors else float("nan"),
    }


def recognition(data: str, count: int) -> Numbers:
    """Return how often the recogniser is right about pairs of strangers."""
    network = store.load(None)
    everybody = faces.open_faces(data, size=network.config.size)
    pairs = arcface.held_out_pairs(everybody, max(count, verification.FOLDS), network.config.size, 0)
    return verification.verify(network, pairs).numbers()
