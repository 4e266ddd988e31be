"""The settings of the training of closer looks at eyes and mouths, and those that have a name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from phiz.face import closeup
from phiz.face.closeup import CloseupConfig
from phiz.face.landmarks import LandmarkConfig
from phiz.options import option
from phiz.train import photo_changes
from phiz.train.marked_people import CropPlaces
from phiz.train.photo_changes import PhotoChanges


@dataclass(frozen=True, kw_only=True)
class TrainCloseupConfig:
    """How to train networks that look closely at eyes and mouths."""

    preset: str = "BUILTIN"
    """Where all other settings come from: BUILTIN or DEBUG."""
    output: Path = option(Path("runs/closeup"), "-o", "--output")
    """Folder of the run: an empty one, or one in which the same training was interrupted."""
    data: Path | None = None
    """Rendered people: a folder of phiz world shards."""
    check: Path | None = None
    """Others, to measure by."""
    start: Path | None = None
    """Networks to begin with, of the same sizes."""
    eye: LandmarkConfig = closeup.BUILTIN.eye
    mouth: LandmarkConfig = closeup.BUILTIN.mouth
    places: CropPlaces = field(
        default_factory=lambda: CropPlaces(turn_deg=7.0, scale=0.1, shift=0.07, nothing=0.08)
    )
    """Where crops lie about an eye or a mouth."""
    changes: PhotoChanges = photo_changes.PHOTO

    steps: int = 8000
    """Optimiser steps in all."""
    batch: int = 32
    """People a step, of all processes together; of each, both eyes and the mouth are shown."""
    rate: float = 0.002
    """Highest learning rate; it rises along a line and falls along a cosine."""
    warm_steps: int = 200
    """Steps in which the rate rises."""
    weight_decay: float = 0.01
    """Pull of weights towards zero; normalisations are left alone."""
    there_weight: float = 0.25
    """Of telling whether an eye or a mouth is there."""
    clip: float = 5.0
    """Longest gradient that is followed as it is."""
    half_life: float = 10_000.0
    """People after which half of the average of networks is new; 0 keeps no average."""
    remembered: int = 20_000
    """Pictures that stay in memory once read, a quarter of a megabyte each at 256 pixels."""

    picture_every: int = 500
    """Steps between sheets of eyes and mouths with their points."""
    measure_every: int = 1000
    """Steps between measurements; 0 for never."""
    measure_count: int = 200
    """Pictures of a measurement."""
    workers: int = 0
    """Processes that read and change pictures, for each GPU."""
    device: str = "auto"
    """Where to compute: auto, cpu, cuda, mps."""
    minutes: float = 0.0
    """Stop, with a snapshot, after so many minutes; 0 goes on to the end."""
    snapshot_every: int = 500
    """Steps between snapshots; a run that is killed goes on from its last one."""
    keep: int = 2
    """How many snapshots stay; older ones of this run are removed."""
    log_every: int = 10
    """Steps between lines of metrics.jsonl."""
    resume: bool = True
    """Go on with the run in the folder, if there is one."""
    tensorboard: bool = True
    """Write for TensorBoard as well."""
    wandb: Literal["off", "offline", "online"] = "off"
    """Write for Weights & Biases as well; offline, nothing leaves this machine."""
    seed: int = 0
    """Which of the many possible courses the training takes."""

    def __post_init__(self) -> None:
        """Refuse numbers that make no sense."""
        if self.batch < 2 or self.steps < 1 or self.workers < 0 or self.remembered < 0:
            raise ValueError("a batch has at least 2 people, a training 1 step; workers have no sign")
        if min(self.rate, self.clip) <= 0 or self.there_weight < 0:
            raise ValueError("rate and clip are positive, the weight is not negative")

    @property
    def closeup(self) -> CloseupConfig:
        """Return the sizes of both networks."""
        return CloseupConfig(eye=self.eye, mouth=self.mouth)

    @staticmethod
    def presets() -> Mapping[str, "TrainCloseupConfig"]:
        """Return the settings that have a name."""
        return PRESETS


BUILTIN = TrainCloseupConfig()
DEBUG = replace(
    BUILTIN,
    preset="DEBUG",
    eye=closeup.TINY.eye,
    mouth=closeup.TINY.mouth,
    batch=4,
    steps=2,
    warm_steps=1,
    log_every=1,
    snapshot_every=1,
    picture_every=2,
    measure_every=2,
    measure_count=4,
)
PRESETS = {one.preset: one for one in (BUILTIN, DEBUG)}
