"""The settings of the training of a parser, and those that have a name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from phiz.face import parse
from phiz.face.parse import ParseConfig
from phiz.options import option
from phiz.train import photo_changes
from phiz.train.parse_losses import EASY
from phiz.train.photo_changes import PhotoChanges


@dataclass(frozen=True, kw_only=True)
class TrainParseConfig:
    """How to train a parser."""

    preset: str = "PUBLISHED_19"
    """Where all other settings come from: PUBLISHED_19, PUBLISHED_16, BUILTIN, or DEBUG."""
    output: Path = option(Path("runs/parse"), "-o", "--output")
    """Folder of the run: an empty one, or one in which the same training was interrupted."""
    data: Path | None = None
    """Labelled pictures: a folder of shards or portraits, one with images and labels, or CelebAMask-HQ."""
    check: Path | None = None
    """Labelled pictures of others, to measure by."""
    start: Path | None = None
    """Parser to begin with, of the same sizes."""
    trunk: Path | None = None
    """Weights of the trunk to begin with, as safetensors under torchvision's names."""
    parser: ParseConfig = parse.PUBLISHED_19
    changes: PhotoChanges = photo_changes.PUBLISHED

    crop: int = 448
    """Height and width of the window of each picture that is learned from."""
    steps: int = 80_000
    """Optimiser steps in all."""
    batch: int = 16
    """Pictures a step, of all processes together."""
    optimiser: Literal["sgd", "adam"] = "sgd"
    """sgd, as published, suits a trained trunk; adam (AdamW) learns from nothing in fewer steps."""
    rate: float = 0.01
    """Learning rate of the trunk and of what gathers its maps."""
    faster: float = 10.0
    """By how much the fusion and the outputs learn faster."""
    momentum: float = 0.9
    """Share of the last step that goes into the next; adam's memory of the gradient."""
    weight_decay: float = 5e-4
    """Pull of convolutions towards zero; normalisations are left alone."""
    warm_steps: int = 1000
    """Steps in which the rate rises, each by the same factor."""
    warm_from: float = 1e-5
    """Where the rate begins."""
    power: float = 0.9
    """By which power of the share that is left the rate falls afterwards."""
    easy: float = EASY
    """Pixels whose class is this likely are learned from only where harder ones are few."""
    compared: int = 0
    """Scores and labels are compared at so many pixels a side, evenly spread; 0 for all of them."""
    small_weight: float = 1.0
    """How much more brows, eyes, mouth, ears and what is worn count; those are few pixels."""
    half_life: float = 0.0
    """Pictures after which half of the average of networks is new; 0 keeps no average."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """Kind of numbers in convolutions; bfloat16 is for GPUs, and for processors that have it."""

    picture_every: int = 1000
    """Steps between sheets of pictures with their labels."""
    measure_every: int = 2000
    """Steps between measurements of the overlap; 0 for never."""
    measure_count: int = 200
    """Pictures of a measurement."""
    workers: int = 2
    """Processes that read and change pictures, for each GPU."""
    device: str = "auto"
    """Where to compute: auto, cpu, cuda, mps."""
    minutes: float = 0.0
    """Stop, with a snapshot, after so many minutes; 0 goes on to the end."""
    snapshot_every: int = 1000
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
        if self.batch < 2 or self.steps < 1 or self.workers < 0:
            raise ValueError("a batch has at least 2 pictures, a training 1 step, and workers no sign")
        if self.crop < parse.COARSEST or self.crop % parse.COARSEST:
            raise ValueError(f"crop is a multiple of {parse.COARSEST}, not {self.crop}")
        if self.compared and not 2 <= self.compared <= self.crop:
            raise ValueError(f"compared is 0 or lies between 2 and the crop, {self.crop}")
        if min(self.rate, self.warm_from, self.faster, self.small_weight) <= 0 or not 0 < self.easy < 1:
            raise ValueError("rates and weights are positive, and easy lies between 0 and 1")
        if self.small_weight != 1 and self.parser.classes != parse.CLASSES_19.count:
            raise ValueError("small_weight is for the 19 classes of which it is known what they are")

    @staticmethod
    def presets() -> Mapping[str, "TrainParseConfig"]:
        """Return the settings that have a name."""
        return PRESETS


PUBLISHED_19 = TrainParseConfig()
PUBLISHED_16 = replace(PUBLISHED_19, preset="PUBLISHED_16", parser=parse.PUBLISHED_16)
BUILTIN = replace(
    PUBLISHED_19,
    preset="BUILTIN",
    parser=parse.BUILTIN,
    changes=photo_changes.PHOTO,
    crop=256,
    compared=128,
    steps=20_000,
    optimiser="adam",
    rate=0.002,
    faster=1.0,
    weight_decay=0.01,
    small_weight=3.0,
    half_life=20_000.0,
    warm_steps=500,
    warm_from=1e-4,
)
"""Rendered people teach a small network about photos."""
DEBUG = replace(
    BUILTIN,
    preset="DEBUG",
    parser=parse.TINY,
    crop=64,
    compared=32,
    batch=4,
    steps=2,
    warm_steps=1,
    workers=0,
    log_every=1,
    snapshot_every=1,
    picture_every=2,
    measure_every=2,
    measure_count=4,
)
PRESETS = {one.preset: one for one in (PUBLISHED_19, PUBLISHED_16, BUILTIN, DEBUG)}
