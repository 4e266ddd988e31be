"""The settings of the training of an encoder, and those that have a name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from phiz.avatar import encoder_network
from phiz.avatar.encoder_network import EncoderConfig
from phiz.options import option
from phiz.train import photo_changes
from phiz.train.photo_changes import PhotoChanges

CHANGES = replace(
    photo_changes.PHOTO,
    mirror=0.0,
    scales=(1.0,),
    between=False,
    turn_deg=0.0,
    background=0.35,
    cover=0.1,
    jitter=(0.12, 0.15, 0.25),
    gamma=0.2,
    tint=0.05,
    grey=0.05,
    small=0.2,
)
"""Colours change less than for networks that need not tell them. What is drawn is compared with pictures
whose colours are changed already: what is told should look like the photo."""


@dataclass(frozen=True, kw_only=True)
class FrameChanges:
    """How far a picture may lie beside where the generator's lie."""

    shift: float = 0.02
    """By what share of its side a picture is shifted: one deviation."""
    scale: float = 0.03
    """By what share faces are larger or smaller: one deviation."""
    turn_deg: float = 2.5
    """By how much a picture is turned: one deviation."""

    def __post_init__(self) -> None:
        if min(self.shift, self.scale, self.turn_deg) < 0:
            raise ValueError("pictures are moved by no less than nothing")


@dataclass(frozen=True, kw_only=True)
class TellWeights:
    """What counts; each loss is 1 where the mean face is told, but for those of pictures."""

    seen: float = 1.0
    """Squared errors of styles, each by how much it changes the picture."""
    styles: float = 0.3
    """Squared errors of styles, all alike."""
    camera: float = 1.0
    """Squared errors of yaw and pitch."""
    background: float = 0.2
    """Squared errors of the background's code, where it is still to be seen."""
    pixels: float = 1.0
    """Differences of the picture that is drawn from what is told: of pixels."""
    look: float = 1.0
    """The same in the built-in perceptual distance."""
    around: float = 0.2
    """How much pixels count that show no head, against those that do."""

    def __post_init__(self) -> None:
        if min(self.__dict__.values()) < 0:
            raise ValueError("weights of losses have no sign")


@dataclass(frozen=True, kw_only=True)
class TrainEncoderConfig:
    """How to train an encoder."""

    preset: str = "BUILTIN"
    """Where all other settings come from: BUILTIN or DEBUG."""
    output: Path = option(Path("runs/encoder"), "-o", "--output")
    """Folder of the run: an empty one, or one in which the same training was interrupted."""
    generator: Path | None = None
    """Generator whose pictures are read; the built-in one without."""
    data: Path | None = None
    """Rendered portraits to learn from as well: a folder of `phiz world portraits`."""
    data_share: float = 0.5
    """Share of rendered portraits in a batch, if there are some."""
    check: Path | None = None
    """Rendered portraits to measure by; others than those that are learned from."""
    start: Path | None = None
    """Encoder to begin with, of the same sizes."""
    trunk: Path | None = None
    """Network that finds landmarks, whose trunk is where learning begins; see also --built-in-trunk."""
    built_in_trunk: bool = False
    """Begin with the trunk of the built-in network that finds landmarks."""
    encoder: EncoderConfig = encoder_network.BUILTIN
    """Its sizes; those that depend on the generator follow from it."""
    weights: TellWeights = field(default_factory=TellWeights)
    frame: FrameChanges = field(default_factory=FrameChanges)
    changes: PhotoChanges = CHANGES
    """Changes to pictures; those of the frame stand above."""

    steps: int = 6000
    """Optimiser steps in all."""
    batch: int = 24
    """Pictures a step, of all processes together."""
    rate: float = 1e-3
    """Learning rate of Adam."""
    warm_steps: int = 100
    """Steps in which it rises."""
    cool_share: float = 0.4
    """Share of the steps, at the end, in which it falls to nothing."""
    weight_decay: float = 0.01
    """Pull of weights towards zero."""
    half_life: float = 4000.0
    """Pictures after which half of the average of networks is new; 0 keeps no average."""
    drawn: int = 2
    """Of how many pictures of a batch and process what is told is drawn, which costs much."""
    drawn_after: int = 400
    """Steps before that begins."""
    probes: int = 256
    """Pictures by which it is found how much each style changes pictures."""

    reuse: float = 4.0
    """How often a picture that the generator drew is learned from."""
    kept: int = 4096
    """Pictures that are kept for that, in a file of the run's folder: 64 KiB each."""
    people: int = 4
    """The generator draws so many people at once,"""
    views: int = 2
    """each from so many sides."""
    first: int = 32
    """Times that it draws before the first step."""

    picture_every: int = 500
    """Steps between sheets of pictures."""
    measure_every: int = 500
    """Steps between measurements; 0 for never."""
    measure_count: int = 48
    """Pictures of a measurement."""
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
        if self.batch < 2 or self.steps < 1 or min(self.people, self.views, self.first, self.probes) < 1:
            raise ValueError(
                "a batch has at least 2 pictures; steps, people, views, first, probes are 1 or more"
            )
        if not 0 <= self.data_share <= 1 or not 0 <= self.cool_share <= 1:
            raise ValueError("data_share and cool_share lie between 0 and 1")
        if self.rate <= 0 or self.reuse <= 0 or min(self.drawn, self.drawn_after) < 0:
            raise ValueError("rate and reuse are positive; drawn and drawn_after have no sign")
        if self.kept < self.first * self.people * self.views:
            raise ValueError("kept has room at least for the pictures that are drawn first")

    @staticmethod
    def presets() -> Mapping[str, "TrainEncoderConfig"]:
        """Return the settings that have a name."""
        return PRESETS


BUILTIN = TrainEncoderConfig(built_in_trunk=True)
"""For the built-in generator; on one core of a processor about a second a step."""
DEBUG = replace(
    BUILTIN,
    preset="DEBUG",
    built_in_trunk=False,
    encoder=encoder_network.TINY,
    steps=2,
    batch=4,
    warm_steps=1,
    drawn=1,
    drawn_after=0,
    probes=4,
    kept=32,
    people=2,
    first=2,
    log_every=1,
    snapshot_every=1,
    picture_every=2,
    measure_every=2,
    measure_count=4,
)
PRESETS = {one.preset: one for one in (BUILTIN, DEBUG)}
