"""The settings of the training of pose networks, and those that have a name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from phiz.options import option
from phiz.speech import pose_network
from phiz.speech.pose_network import PoseConfig


@dataclass(frozen=True, kw_only=True)
class TrainPoseConfig:
    """How to train the networks that turn a head."""

    preset: str = "PUBLISHED"
    """Where all other settings come from: PUBLISHED or DEBUG."""
    output: Path = option(Path("runs/pose"), "-o", "--output")
    """Folder of the run: an empty one, or one in which the same training was interrupted."""
    data: Path | None = None
    """Talkers, a folder in the guide's layout: audio, and metadata/poses.json."""
    start: Path | None = None
    """Pose networks to begin with, of the same sizes."""
    ears: Path | None = None
    """Pose or expression network whose audio encoder is taken over and stays as it is, as published."""
    pose: PoseConfig = pose_network.PUBLISHED

    epochs: int = 150
    """How often each start of a motion comes."""
    steps: int = 0
    """Optimiser steps in all; 0 for as many as the epochs take."""
    batch: int = 64
    """Motions a step, of all processes together."""
    rate: float = 1e-4
    """Learning rate of the networks."""
    judge_rate: float = 1e-4
    """Learning rate of the judge."""
    same_weight: float = 1.0
    """How much it counts that a motion comes back the same."""
    spread_weight: float = 1.0
    """How much it counts that latent codes are spread like random ones."""
    judge_weight: float = 0.7
    """How much it counts what the judge says."""
    is_exact: bool = True
    """Tell the variance of codes as published, by the layer of the means."""

    workers: int = 0
    """Processes that cut motions out, for each GPU."""
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
        if self.batch < 2 or self.epochs < 1 or self.steps < 0 or self.workers < 0:
            raise ValueError(
                "a batch has at least 2 motions, a training 1 epoch; steps and workers have no sign"
            )
        if min(self.rate, self.judge_rate) <= 0:
            raise ValueError("learning rates are positive")
        if min(self.same_weight, self.spread_weight, self.judge_weight) < 0:
            raise ValueError("weights of losses have no sign")

    @staticmethod
    def presets() -> Mapping[str, "TrainPoseConfig"]:
        """Return the settings that have a name."""
        return PRESETS


PUBLISHED = TrainPoseConfig()
DEBUG = replace(
    PUBLISHED,
    preset="DEBUG",
    pose=pose_network.TINY,
    batch=4,
    steps=2,
    log_every=1,
    snapshot_every=1,
)
PRESETS = {one.preset: one for one in (PUBLISHED, DEBUG)}
