"""The settings of the training of a detector, and those that have a name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from phiz.face import detect_network
from phiz.face.detect_network import COARSEST, DetectConfig
from phiz.options import option
from phiz.train import crowds as crowd_pictures
from phiz.train import photo_changes
from phiz.train.crowds import CrowdConfig
from phiz.train.photo_changes import PhotoChanges


@dataclass(frozen=True, kw_only=True)
class TrainDetectorConfig:
    """How to train a detector."""

    preset: str = "BUILTIN"
    """Where all other settings come from: BUILTIN or DEBUG."""
    output: Path = option(Path("runs/detector"), "-o", "--output")
    """Folder of the run: an empty one, or one in which the same training was interrupted."""
    data: Path | None = None
    """Rendered people: a folder of shards."""
    check: Path | None = None
    """Rendered people whom the detector never learns from, to measure by."""
    start: Path | None = None
    """Detector to begin with, of the same sizes."""
    detector: DetectConfig = detect_network.BUILTIN
    crowds: CrowdConfig = crowd_pictures.PHOTOS
    changes: PhotoChanges = photo_changes.PHOTO

    sides: tuple[int, ...] = (192, 256)
    """Sides of the square pictures that are learned from, in pixels; steps take turns."""
    steps: int = 60_000
    """Optimiser steps in all."""
    batch: int = 8
    """Pictures a step, of all processes together."""
    rate: float = 0.0015
    """Learning rate, before it falls."""
    last: float = 0.02
    """Share of the rate that is left at the end; it falls like a half wave."""
    weight_decay: float = 0.01
    """Pull of convolutions towards zero; normalisations are left alone."""
    warm_steps: int = 300
    """Steps in which the rate rises."""
    clip: float = 10.0
    """The longest gradient; longer ones are shortened to it."""
    half_life: float = 8000.0
    """Pictures after which half of the average of networks is new; 0 keeps no average."""
    remembered: int = 6000
    """People that each reader keeps unpacked, a quarter of a megabyte each."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """Kind of numbers in convolutions; bfloat16 is for GPUs, and for processors that have it."""

    picture_every: int = 1000
    """Steps between sheets of pictures with what was found."""
    measure_every: int = 1000
    """Steps between measurements; 0 for never."""
    measure_count: int = 200
    """Pictures of a measurement."""
    workers: int = 2
    """Processes that put pictures together, for each GPU."""
    device: str = "auto"
    """Where to compute: auto, cpu, cuda, mps."""
    minutes: float = 0.0
    """Stop, with a snapshot, after so many minutes; 0 goes on to the end."""
    snapshot_every: int = 500
    """Steps between snapshots; a run that is killed goes on from its last one."""
    keep: int = 2
    """How many snapshots stay; older ones of this run are removed."""
    log_every: int = 20
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
        if self.batch < 2 or self.steps < 1 or min(self.workers, self.remembered) < 0:
            raise ValueError("a batch has at least 2 pictures, a training 1 step, and workers no sign")
        if not self.sides or any(side < COARSEST or side % COARSEST for side in self.sides):
            raise ValueError(f"sides are multiples of {COARSEST}, not {self.sides}")
        if min(self.rate, self.clip) <= 0 or not 0 <= self.last <= 1:
            raise ValueError("rate and clip are positive, and last lies between 0 and 1")

    @staticmethod
    def presets() -> Mapping[str, "TrainDetectorConfig"]:
        """Return the settings that have a name."""
        return PRESETS


BUILTIN = TrainDetectorConfig()
DEBUG = replace(
    BUILTIN,
    preset="DEBUG",
    detector=detect_network.TINY,
    sides=(64, 96),
    batch=4,
    steps=2,
    warm_steps=1,
    workers=0,
    remembered=100,
    log_every=1,
    snapshot_every=1,
    picture_every=2,
    measure_every=2,
    measure_count=4,
)
PRESETS = {one.preset: one for one in (BUILTIN, DEBUG)}
