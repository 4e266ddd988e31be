"""The settings of the training of our own network that moves heads, and those that have a name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from phiz.options import option
from phiz.speech import head_network
from phiz.speech.head_network import HeadSizes
from phiz.train import voice_changes
from phiz.train.voice_changes import VoiceChanges

CHANGES = VoiceChanges()


@dataclass(frozen=True, kw_only=True)
class TrainHeadMotionConfig:
    """How to train our own network that moves heads."""

    preset: str = "BUILTIN"
    """Where all other settings come from: BUILTIN or DEBUG."""
    output: Path = option(Path("runs/head-motion"), "-o", "--output")
    """Folder of the run: an empty one, or one in which the same training was interrupted."""
    data: Path | None = None
    """Shards of voices, or footage in the guide's layout: audio, and metadata/poses.json."""
    start: Path | None = None
    """Network to begin with, of the same sizes and styles."""
    sizes: HeadSizes = head_network.BUILT_IN

    steps: int = 20_000
    """Optimiser steps in all."""
    batch: int = 8
    """Pieces of sound a step, of all processes together."""
    frames: int = 300
    """Of a piece that is cut out of footage; clips of voices are heard whole."""
    rate: float = 2e-3
    """Highest learning rate."""
    warm_steps: int = 100
    """Steps in which the learning rate rises."""
    cool_share: float = 0.5
    """Share of the steps, the last ones, over which the learning rate falls to nothing."""
    decay: float = 0.01
    """Weight decay."""
    clip: float = 2.0
    """Longest gradient that is followed as it is."""
    delays: tuple[int, ...] = (3, 4, 6)
    """Frames by which a head may be told late; each piece of sound gets one of them. Below 3 is as 3."""
    changes: VoiceChanges = CHANGES
    """How spectrograms are changed."""
    poses_at: tuple[int, ...] = (1, 8, 32)
    """Lengths of the stretches of poses that are compared, in frames."""
    speeds_at: tuple[int, ...] = (1, 4, 12)
    """Lengths of the stretches of speeds."""
    poses_weight: float = 1.0
    """How much poses count."""
    speeds_weight: float = 1.0
    """How much their speed counts."""
    labels_weight: float = 1.5
    """How much it counts to tell accents and talk."""

    remembered: int = 2000
    """Clips that stay in memory, a sixth of a megabyte each; others are read again."""
    workers: int = 0
    """Processes that read, for each GPU."""
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
        if min(self.batch, self.steps, self.frames) < 1 or min(self.workers, self.remembered) < 0:
            raise ValueError("batches, steps and frames are at least 1; workers have no sign")
        if self.rate <= 0 or not 0 <= self.cool_share <= 1:
            raise ValueError("the learning rate is positive, the share of falling rates from 0 to 1")
        if not self.delays or min(self.delays) < 0 or max(self.delays) > self.sizes.longest:
            raise ValueError(
                f"delays are from 0 to {self.sizes.longest}, the longest of --sizes, and at least one"
            )
        if min(*self.poses_at, *self.speeds_at, 1) < 1 or not (self.poses_at and self.speeds_at):
            raise ValueError("stretches are at least 1 frame long, and there is one of each")
        if min(self.poses_weight, self.speeds_weight, self.labels_weight) < 0:
            raise ValueError("weights of losses have no sign")

    @staticmethod
    def presets() -> Mapping[str, "TrainHeadMotionConfig"]:
        """Return the settings that have a name."""
        return PRESETS


BUILTIN = TrainHeadMotionConfig()
DEBUG = replace(
    BUILTIN,
    preset="DEBUG",
    sizes=head_network.TINY,
    delays=(3, 4),
    changes=voice_changes.NONE,
    poses_at=(1, 4),
    speeds_at=(1, 2),
    batch=2,
    frames=10,
    steps=2,
    warm_steps=1,
    log_every=1,
    snapshot_every=1,
)
PRESETS = {one.preset: one for one in (BUILTIN, DEBUG)}
