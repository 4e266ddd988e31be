"""The settings of the training of a judge of sound and mouth, and those that have a name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from phiz.options import option
from phiz.speech import sync_network
from phiz.speech.sync_network import SyncConfig
from phiz.train.syncnet_stream import MouthChanges
from phiz.train.voice_changes import VoiceChanges


@dataclass(frozen=True, kw_only=True)
class TrainSyncnetConfig:
    """How to train a network that tells whether mouth curves and sound belong together."""

    preset: str = "BUILTIN"
    """Where all other settings come from: BUILTIN or DEBUG."""
    output: Path = option(Path("runs/syncnet"), "-o", "--output")
    """Folder of the run: an empty one, or one in which the same training was interrupted."""
    data: tuple[Path, ...] = ()
    """Folders of phiz world voices, or of footage with the built-in head; one or several."""
    check: Path | None = None
    """Others, to measure by."""
    start: Path | None = None
    """Network to begin with, of the same sizes."""
    sync: SyncConfig = sync_network.BUILTIN
    mouth: MouthChanges = field(default_factory=MouthChanges)
    sound: VoiceChanges = field(default_factory=VoiceChanges)

    steps: int = 6000
    """Optimiser steps in all."""
    batch: int = 16
    """Pieces of clips a step, of all processes together; each process compares its own."""
    frames: int = 90
    """Of a piece."""
    reach: int = 15
    """Frames by which a wrong answer is off, at most."""
    pooled: int = 20
    """Frames over which the second loss takes the mean, as judging a film does."""
    pooled_weight: float = 1.0
    """How much that loss counts."""
    rate: float = 0.002
    """Highest learning rate; it rises along a line and falls along a cosine."""
    warm_steps: int = 200
    """Steps in which the rate rises."""
    weight_decay: float = 0.01
    """Pull of weights towards zero; normalisations are left alone."""
    scale: float = 10.0
    """By what cosines are multiplied at first; the network learns a better number."""
    clip: float = 2.0
    """Longest gradient that is followed as it is."""
    half_life: float = 5000.0
    """Pieces after which half of the average of networks is new; 0 keeps no average."""
    remembered: int = 5000
    """Clips that stay in memory once read, a fifth of a megabyte each."""

    measure_every: int = 1000
    """Steps between measurements; 0 for never."""
    measure_count: int = 60
    """Clips of a measurement."""
    workers: int = 0
    """Processes that read and change clips, for each GPU."""
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
        if self.batch < 2 or self.steps < 1 or min(self.workers, self.remembered) < 0:
            raise ValueError("a batch has at least 2 pieces, a training 1 step; workers have no sign")
        if self.reach < 1 or self.pooled < 1 or self.frames < 2 * self.reach + self.pooled:
            raise ValueError("a piece has at least 2 reach + pooled frames, and these are at least 1")
        if min(self.rate, self.clip, self.scale) <= 0 or self.pooled_weight < 0:
            raise ValueError("rate, clip and scale are positive, weights of losses have no sign")

    @staticmethod
    def presets() -> Mapping[str, "TrainSyncnetConfig"]:
        """Return the settings that have a name."""
        return PRESETS


BUILTIN = TrainSyncnetConfig()
DEBUG = replace(
    BUILTIN,
    preset="DEBUG",
    sync=sync_network.TINY,
    batch=4,
    frames=20,
    reach=4,
    pooled=6,
    steps=2,
    warm_steps=1,
    log_every=1,
    snapshot_every=1,
    measure_every=2,
    measure_count=2,
)
PRESETS = {one.preset: one for one in (BUILTIN, DEBUG)}
