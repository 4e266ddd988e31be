"""The settings of the training of a network that draws mouths, and those that have a name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from phiz.animate import lipaint_network
from phiz.animate.lipaint_network import LipaintConfig
from phiz.face import models
from phiz.options import option


@dataclass(frozen=True, kw_only=True)
class PeopleConfig:
    """Who makes which faces, where a generator's codes are those of our world."""

    psi: tuple[float, float] = (0.5, 1.0)
    """How far people are from the mean one: from, to."""
    acting: float = 0.3
    """Share of people whose face was not at rest before."""
    spoken: float = 0.6
    """Share of faces that are made with the mouth alone, as in speech."""
    blended: float = 0.3
    """Share of people who are between two: they have styles that no code has."""
    spread: float = 0.3
    """Most noise that is added to styles, in their standard deviations; a photo's styles are off as well."""
    faces: int = 30_000
    """Different faces."""


@dataclass(frozen=True, kw_only=True)
class AloneConfig:
    """What counts where nothing but the generator is known, and who judges."""

    regressor: Path | None = None
    """Network that tells expressions of pictures; the built-in one without it."""
    recogniser: Path | None = None
    """Network that tells whether two pictures show the same person; for --alone.identity-weight."""
    expression_weight: float = 1.0
    """How much it counts that the mouth is the wanted one, as told of the picture."""
    keep_weight: float = 5.0
    """How much it counts that nothing changes outside the mouth."""
    identity_weight: float = 0.0
    """How much it counts that the person stays the same."""
    small_weight: float = 0.1
    """How much it counts that little is added to styles."""


@dataclass(frozen=True, kw_only=True)
class TrainLipaintConfig:
    """How to train a network that draws mouths."""

    preset: str = "BUILTIN"
    """Where all other settings come from: BUILTIN, GUIDE, or DEBUG."""
    output: Path = option(Path("runs/lipaint"), "-o", "--output")
    """Folder of the run: an empty one, or one in which the same training was interrupted."""
    generator: Path | None = None
    """The generator that is to draw the mouths; the built-in one without it."""
    head: str = models.BUILT_IN
    """Head model in whose expressions mouths are told: built-in, a folder with head.npz, or a file."""
    start: Path | None = None
    """Network to begin with, of the same sizes."""
    network: LipaintConfig = lipaint_network.BUILTIN
    objective: Literal["code", "alone"] = "code"
    """What is right: what the generator draws for codes with another face, or what judges see in pictures."""
    people: PeopleConfig = field(default_factory=PeopleConfig)
    alone: AloneConfig = field(default_factory=AloneConfig)

    steps: int = 30_000
    """Optimiser steps in all."""
    batch: int = 256
    """Faces a step, of all processes together."""
    style_weight: float = 1.0
    """How much styles count (code only)."""
    drawn: int = 0
    """Of these, how many are drawn as well, to compare mouths instead of styles (code only); 0 for none."""
    drawn_side: float = 0.36
    """Height and width of the square about the mouth that is drawn, as a share of the picture."""
    drawn_weight: float = 1.0
    """How much drawn mouths count."""
    rate: float = 1e-3
    """Highest learning rate; it rises along a line and falls along a cosine."""
    warm_steps: int = 200
    """Steps in which the rate rises."""
    decay: float = 0.0
    """Weight decay."""
    clip: float = 1.0
    """Longest gradient that is followed as it is."""
    half_life: float = 100_000.0
    """Faces after which half of the average of networks is new; 0 keeps no average."""

    picture_every: int = 5000
    """Steps between sheets; 0 for never."""
    measure_every: int = 2500
    """Steps between measurements (code only); 0 for never."""
    measure_count: int = 8
    """People whose mouths are drawn for a measurement."""
    device: str = "auto"
    """Where to compute: auto, cpu, cuda, mps."""
    minutes: float = 0.0
    """Stop, with a snapshot, after so many minutes; 0 goes on to the end."""
    snapshot_every: int = 1000
    """Steps between snapshots; a run that is killed goes on from its last one."""
    keep: int = 2
    """How many snapshots stay; older ones of this run are removed."""
    log_every: int = 50
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
        people, alone = self.people, self.alone
        if min(self.batch, self.steps, self.warm_steps, people.faces) < 1 or self.measure_count < 0:
            raise ValueError(
                "batches, steps and faces are at least 1, and people of a measurement have no sign"
            )
        if self.rate <= 0 or not 0 < self.drawn_side <= 1:
            raise ValueError("the learning rate is positive, and a drawn square at most the whole picture")
        if not 0 <= self.drawn <= self.batch or (self.drawn and self.objective != "code"):
            raise ValueError("drawn faces are some of the batch, and are for the objective code")
        if not all(0 <= share <= 1 for share in (people.acting, people.spoken, people.blended, *people.psi)):
            raise ValueError("shares and psi are from 0 to 1")
        weights = (alone.expression_weight, alone.keep_weight, alone.identity_weight, alone.small_weight)
        if min(self.style_weight, self.drawn_weight, self.decay, people.spread, *weights) < 0:
            raise ValueError("weights of losses and spreads have no sign")

    @staticmethod
    def presets() -> Mapping[str, "TrainLipaintConfig"]:
        """Return the settings that have a name."""
        return PRESETS


BUILTIN = TrainLipaintConfig()
"""The built-in generator, whose codes say which mouth is right."""
GUIDE = replace(
    BUILTIN,
    preset="GUIDE",
    network=lipaint_network.PUBLISHED,
    objective="alone",
    batch=4,
    steps=20_000,
    rate=1e-4,
    half_life=1000.0,
    picture_every=500,
    measure_every=0,
    log_every=10,
)
"""An imported generator; it needs --generator, --head and --alone.regressor."""
DEBUG = replace(
    BUILTIN,
    preset="DEBUG",
    network=lipaint_network.TINY,
    people=PeopleConfig(faces=20),
    batch=4,
    steps=2,
    warm_steps=1,
    picture_every=0,
    measure_every=2,
    measure_count=1,
    snapshot_every=1,
    log_every=1,
)
PRESETS = {one.preset: one for one in (BUILTIN, GUIDE, DEBUG)}
