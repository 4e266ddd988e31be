"""The settings of the training of networks that hear, and those that have a name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from phiz.options import option
from phiz.speech import encoder, mouth_network
from phiz.speech.encoder import Widths
from phiz.speech.mouth_network import MouthSizes
from phiz.train import voice_changes
from phiz.train.voice_changes import VoiceChanges


@dataclass(frozen=True, kw_only=True)
class TrainSpeechConfig:
    """How to train a network that tells expressions from sound."""

    preset: str = "BUILTIN"
    """Where all other settings come from: BUILTIN, guide, PUBLISHED or DEBUG."""
    output: Path = option(Path("runs/speech"), "-o", "--output")
    """Folder of the run: an empty one, or one in which the same training was interrupted."""
    data: tuple[Path, ...] = ()
    """Shards of voices, or footage in the guide's layout: audio, and metadata/expressions.json."""
    check: Path | None = None
    """Speech of others, of the same kind, that is measured on."""
    start: Path | None = None
    """Network to begin with, of the same sizes."""
    sync: Path | None = None
    """Network that tells whether mouth and sound belong together (phiz train syncnet); it teaches as well."""
    network: Literal["own", "published"] = "own"
    """Our network, or the published one, which starts from an expression and sees no past."""
    sizes: MouthSizes = mouth_network.BUILT_IN
    """Of our network."""
    widths: Widths = encoder.PUBLISHED
    """Channels of the published network's audio encoder."""

    steps: int = 20_000
    """Optimiser steps in all."""
    batch: int = 8
    """Pieces of sound a step, of all processes together."""
    frames: int = 300
    """Of a piece that is cut out of footage; clips of voices are heard whole."""
    rate: float = 2e-3
    """Highest learning rate."""
    warm_steps: int = 200
    """Steps in which the learning rate rises."""
    cool_share: float = 0.4
    """Share of the steps, the last ones, over which the learning rate falls to nothing."""
    decay: float = 0.01
    """Weight decay."""
    clip: float = 1.0
    """Longest gradient that is followed as it is."""
    delays: tuple[int, ...] = tuple(range(13))
    """Frames by which our network may tell late; each piece of sound gets one of them."""
    changes: VoiceChanges = voice_changes.USUAL
    """How spectrograms are changed."""

    modes_weight: float = 1.0
    """How much the coefficients count: mean squares, in spreads of each."""
    speed_weight: float = 2.0
    """How much their change from frame to frame counts."""
    places_weight: float = 1.0
    """How much it counts where the head's mouth and lids are: mean squares, in spreads of all."""
    eyes_share: float = 0.2
    """What a point of the eyes counts beside one of the mouth."""
    labels_weight: float = 0.3
    """How much it counts to tell the kind of sound, closed lips, and whether anybody talks."""
    sync_weight: float = 0.03
    """How much it counts that mouth and sound belong together, where there is a network that tells."""
    head: str = "built-in"
    """Head model whose points count; it must have the modes that are learned. Empty for none."""

    workers: int = 0
    """Processes that read, for each GPU."""
    measure_every: int = 500
    """Steps between measurements on the speech of others."""
    measure_count: int = 40
    """Pieces of it."""
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
        if min(self.batch, self.steps, self.frames) < 1 or self.workers < 0:
            raise ValueError("batches, steps and frames are at least 1; workers have no sign")
        if self.rate <= 0 or not 0 <= self.cool_share <= 1:
            raise ValueError("the learning rate is positive, the share of falling rates from 0 to 1")
        if not self.delays or min(self.delays) < 0 or max(self.delays) > self.sizes.longest:
            raise ValueError(
                f"delays are from 0 to {self.sizes.longest}, the longest of --sizes, and at least one"
            )
        weights = (self.modes_weight, self.speed_weight, self.places_weight, self.labels_weight)
        if min(*weights, self.sync_weight, self.eyes_share) < 0:
            raise ValueError("weights of losses have no sign")

    @staticmethod
    def presets() -> Mapping[str, "TrainSpeechConfig"]:
        """Return the settings that have a name."""
        return PRESETS


BUILTIN = TrainSpeechConfig()
GUIDE = replace(BUILTIN, preset="guide", sizes=mouth_network.GUIDE, rate=1e-4, frames=125, delays=(0, 3, 6))
"""Stage 3 of the training guide: 256 numbers of sound, 512 of the mapping, a learning rate of 1e-4."""
PUBLISHED = replace(BUILTIN, preset="PUBLISHED", network="published", rate=1e-4, frames=25, batch=16)
DEBUG = replace(
    BUILTIN,
    preset="DEBUG",
    sizes=mouth_network.TINY,
    widths=encoder.TINY,
    delays=(0, 2),
    changes=voice_changes.NONE,
    batch=2,
    frames=10,
    steps=2,
    warm_steps=1,
    measure_every=1,
    measure_count=2,
    log_every=1,
    snapshot_every=1,
)
PRESETS = {one.preset: one for one in (BUILTIN, GUIDE, PUBLISHED, DEBUG)}
