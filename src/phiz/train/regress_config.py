"""The settings of the training of a regressor, and those that have a name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from phiz.face import models, regress
from phiz.face.regress import RegressConfig
from phiz.options import option
from phiz.train import photo_changes, regress_stream
from phiz.train.photo_changes import PhotoChanges
from phiz.train.regress_stream import CropChanges


@dataclass(frozen=True, kw_only=True)
class TruthWeights:
    """What counts where the face is known; each loss is about 1 for a poor guess."""

    vertices: float = 1.0
    """Distance of the face's surface from the true one, in millimetres: what counts in the end."""
    landmarks: float = 0.3
    """Distance of landmarks from the true ones, in pixels of 224."""
    rotation: float = 30.0
    """Half of the squared angle of the head, in radians."""
    translation: float = 1.0
    """Distance of the head's place from the true one, in decimetres."""
    identity: float = 0.1
    """Squared numbers of identity."""
    expression: float = 60.0
    """Squared errors of expressions, most of which are 0: by the errors' size, 0 would be the best guess."""
    gaze: float = 3.0
    """Distance of each eye's yaw and pitch from the true ones, in radians; closed eyes do not count."""
    jaw: float = 1.0
    """Size of the jaw's angles beyond those of the expression, in radians."""
    colours: float = 3.0
    """Distance of colours of visible skin from the picture's, from 0 to 1; teaches light and texture."""
    gamma: float = 0.3
    """Colour of the light: what skin and light could both explain is the skin's."""
    texture: float = 1e-3
    """Squared numbers of texture."""


@dataclass(frozen=True, kw_only=True)
class PhotoWeights:
    """What counts where only a photo is known; the published weights."""

    perceptual: float = 0.2
    """How unlike a recogniser thinks the drawn face and the photo are."""
    photo: float = 1.92
    """Distance of colours of the drawn face from the photo's."""
    landmark: float = 1.6e-3
    """Squared distance of landmarks, in pixels of 224; the nose's ridge and inner lips count 20 times."""
    coefficients: float = 3e-4
    """Weight of the three below together."""
    identity: float = 1.0
    """Squared numbers of identity."""
    expression: float = 0.8
    """Squared numbers of expression."""
    texture: float = 1.7e-2
    """Squared numbers of texture."""
    gamma: float = 10.0
    """How coloured the light is."""
    reflectance: float = 5.0
    """How much the skin's own colour varies on plain skin."""


@dataclass(frozen=True, kw_only=True)
class TrainRegressConfig:
    """How to train a regressor."""

    preset: str = "DEEP3D"
    """Where all other settings come from: DEEP3D, DEEP3D_R18, BUILTIN, or DEBUG."""
    output: Path = option(Path("runs/regress"), "-o", "--output")
    """Folder of the run: an empty one, or one in which the same training was interrupted."""
    data: Path | None = None
    """Rendered people: a folder of `phiz world shards`."""
    photos: Path | None = None
    """Photos with points and skin masks as files; with rendered people, a batch has some of both."""
    photo_share: float = 0.5
    """Share of photos in such a batch."""
    check: Path | None = None
    """Rendered people to measure by; others than those that are learned from."""
    start: Path | None = None
    """Regressor to begin with, of the same sizes."""
    trunk: Path | None = None
    """Trunk to begin with: safetensors under torchvision's names, or a network that finds landmarks."""
    head: str = models.BUILT_IN
    """Head model: built-in, or a file, such as BFM_model_front.mat."""
    recogniser: Path | None = None
    """Recogniser that says how alike people are; None: the built-in one."""
    regressor: RegressConfig = regress.DEEP3D
    truth: TruthWeights = field(default_factory=TruthWeights)
    photo: PhotoWeights = field(default_factory=PhotoWeights)
    world_crop: CropChanges = regress_stream.IN_USE
    photo_crop: CropChanges = field(default_factory=CropChanges)
    changes: PhotoChanges = photo_changes.PHOTO
    """Changes to rendered people beside those of the crop; mirror, scales and turns are the crop's."""

    skin: bool = True
    """Compare colours inside the photos' skin masks only."""
    front_only: bool = True
    """Compare colours on the face's front only."""
    predicted_points: bool = True
    """A recogniser sees the drawn face where its own landmarks are, not where the photo's are."""
    points: int = 512
    """Points of the surface of rendered people that are compared."""

    steps: int = 0
    """Optimiser steps in all; 0: as many as the epochs take."""
    epochs: float = 20.0
    """How often each picture is seen."""
    batch: int = 32
    """Pictures a step, of all processes together."""
    rate: float = 1e-4
    """Learning rate of Adam at the beginning."""
    schedule: Literal["stairs", "cosine"] = "stairs"
    """How the rate falls: in stairs, as published, or along half a cosine to nothing."""
    stairs: int = 2
    """How many parts of the training have a rate of their own."""
    fall: float = 0.2
    """What is left of the rate at the next stair."""
    warm_steps: int = 0
    """Steps in which the rate rises first."""
    head_speed: float = 1.0
    """By how much faster than the trunk the last layers learn, whose outputs are small numbers."""
    weight_decay: float = 0.0
    """Pull of convolutions towards zero."""
    half_life: float = 0.0
    """Pictures after which half of the average of networks is new; 0 keeps no average."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """Kind of numbers in convolutions; bfloat16 is for GPUs, and for processors that have it."""

    picture_every: int = 1000
    """Steps between sheets of pictures with the faces that were found."""
    measure_every: int = 5000
    """Steps between measurements; 0 for never."""
    measure_count: int = 200
    """Pictures of a measurement."""
    workers: int = 4
    """Processes that read and change pictures, for each GPU and each kind of picture."""
    device: str = "auto"
    """Where to compute: auto, cpu, cuda, mps."""
    minutes: float = 0.0
    """Stop, with a snapshot, after so many minutes; 0 goes on to the end."""
    snapshot_every: int = 5000
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
        if self.batch < 2 or self.steps < 0 or self.workers < 0 or self.points < 8:
            raise ValueError("a batch has at least 2 pictures, a face 8 points; steps and workers no sign")
        if not self.steps and not self.epochs > 0:
            raise ValueError("say how long to train: --steps or --epochs")
        if min(self.rate, self.head_speed) <= 0 or not 0 < self.fall <= 1 or self.stairs < 1:
            raise ValueError("rates are positive, fall lies between 0 and 1, and there is one stair at least")
        if not 0 < self.photo_share < 1:
            raise ValueError("photo_share lies between 0 and 1; leave out --data or --photos for one kind")

    @staticmethod
    def presets() -> Mapping[str, "TrainRegressConfig"]:
        """Return the settings that have a name."""
        return PRESETS


DEEP3D = TrainRegressConfig()
"""The published training: give it ImageNet's trunk, ArcFace's R50 and the Basel model."""
DEEP3D_R18 = replace(DEEP3D, preset="DEEP3D_R18", regressor=regress.DEEP3D_R18)
BUILTIN = replace(
    DEEP3D,
    preset="BUILTIN",
    regressor=regress.BUILTIN,
    steps=20_000,
    rate=8e-4,
    schedule="cosine",
    warm_steps=20,
    weight_decay=0.01,
    half_life=4000.0,
)
"""Rendered people teach a small network about photos; it learns several times as fast with the trunk of a
network that finds landmarks: --trunk landmarks.safetensors."""
DEBUG = replace(
    BUILTIN,
    preset="DEBUG",
    regressor=regress.TINY,
    points=32,
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
PRESETS = {one.preset: one for one in (DEEP3D, DEEP3D_R18, BUILTIN, DEBUG)}
