"""The settings of the training of a generator, and those that have a name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from phiz.generator import config as configs
from phiz.generator.config import BUILTIN_256, DiscriminatorConfig, GeneratorConfig
from phiz.options import option
from phiz.train.augment import PIPES
from phiz.train.warm_config import WarmConfig


@dataclass(frozen=True, kw_only=True)
class GanConfig:
    """How to train a generator."""

    preset: str = ""
    """Settings to begin with; see docs/training.md. Other options override them."""
    data: str = ""
    """Pictures: folder, zip, tars, shards, a folder of portraits, or world[:SEED]."""
    output: Path = option(Path("runs/gan"), "-o", "--output")
    """Folder of the run."""
    generator: GeneratorConfig = configs.FFHQ_256
    discriminator: DiscriminatorConfig = configs.FFHQ_256_D
    mirror: bool = True
    """Have the mirror image of each picture as well."""
    crop: Literal["refuse", "centre"] = "refuse"
    """What to do with pictures that are not square."""
    use_labels: bool = False
    """Condition the pictures on the labels of the data."""
    max_pictures: int = 0
    """Use only so many pictures, drawn by lot; 0 uses all."""
    workers: int = 2
    """Processes that read pictures, for each GPU."""

    kimg: float = 25_000.0
    """Thousands of pictures to learn from in all."""
    batch: int = 32
    """Pictures a step, of all processes together."""
    batch_gpu: int = 4
    """Pictures that a process draws at once; a larger share of the batch is accumulated."""
    rate_g: float = 0.002
    """Learning rate of the generator."""
    rate_d: float = 0.002
    """Learning rate of the discriminator."""
    betas: tuple[float, float] = (0.0, 0.99)
    """Memory of Adam: of the gradient, and of its square."""
    half_life_kimg: float = 10.0
    """Thousands of pictures after which half of the average is new."""
    ramp_up: float = 0.0
    """With a positive value, the half-life is at most this share of the pictures seen."""
    g_every: int = 4
    """Steps between regularisations of the generator; 0 for never."""
    d_every: int = 16
    """Steps between regularisations of the discriminator; 0 for never."""
    gamma: float = 2.0
    """Weight of R1, the discriminator's steepness at real pictures."""
    path_length: float = 2.0
    """Weight of the path length regularisation."""
    path_decay: float = 0.01
    """How fast its mean length follows."""
    path_shrink: int = 2
    """It looks at the batch divided by this."""
    mixing: float = 0.9
    """How often a picture has the styles of two people."""
    nerf_path: float = 1.0
    """Weight of the NeRF-path loss."""
    grow_kimg: tuple[float, float] = (500.0, 5000.0)
    """When the network begins and ends to grow from the volume's resolution; 0 0 for whole from the start."""

    pipe: str = "noaug"
    """Changes to pictures before they are judged: noaug, bgc, or another published pipe."""
    augment_p: float = 0.0
    """How often each change is made, or is made at first."""
    ada_target: float = 0.0
    """Adapt that to this mean sign of the scores of real pictures (0.6 is usual); 0 for never."""
    ada_every: int = 4
    """Steps between adaptations."""
    ada_kimg: float = 500.0
    """Thousands of pictures in which it may go from 0 to 1."""

    warm_start: bool = False
    """First fit the generator to portraits by regression."""
    warm: WarmConfig = field(default_factory=WarmConfig)
    anchor: float = 0.0
    """Weight of the regression to portraits that goes on beside the discriminator."""
    start: Path | None = None
    """Generator to begin with, such as an imported one."""
    start_discriminator: Path | None = None
    """Discriminator to begin with."""

    precision: Literal["float32", "bfloat16", "float16"] = "float32"
    """Numbers to compute with where it is safe."""
    is_checkpointed: bool = False
    """Compute parts twice instead of keeping them: less memory, more time."""
    device: str = "auto"
    """Where to compute: auto, cpu, cuda, mps."""
    seed: int = 0
    """Which of the many possible courses the training takes."""
    minutes: float = 0.0
    """Stop, with a snapshot, after so many minutes; 0 goes on to the end."""
    snapshot_every: int = 1000
    """Steps between snapshots."""
    keep: int = 2
    """Snapshots that stay."""
    log_every: int = 10
    """Steps between lines of the log."""
    picture_every: int = 500
    """Steps between sheets of drawn people, turns and depths."""
    measure_every: int = 5000
    """Steps between measurements of fidelity; 0 for never."""
    measure_count: int = 2000
    """Pictures to measure on."""
    inception: Path | None = None
    """Weights of the Inception network of FID; without them fidelity is that of built-in features."""
    tensorboard: bool = True
    """Write for TensorBoard as well."""
    wandb: Literal["off", "offline", "online"] = "off"
    """Write for Weights & Biases as well."""

    def __post_init__(self) -> None:
        if self.pipe not in PIPES:
            raise ValueError(f"there is no pipe {self.pipe!r}; choose from {', '.join(PIPES)}")
        if self.generator.resolution != self.discriminator.resolution:
            raise ValueError(
                f"the generator draws {self.generator.resolution} pixels, the discriminator sees "
                f"{self.discriminator.resolution}; give --generator.resolution and --discriminator.resolution"
            )
        if self.batch < 1 or self.batch_gpu < 1:
            raise ValueError("--batch and --batch-gpu are at least 1")

    @staticmethod
    def presets() -> Mapping[str, GanConfig]:
        """Return the settings that have a name."""
        return PRESETS


GUIDE_1024 = GanConfig(generator=configs.FFHQ_1024, discriminator=configs.FFHQ_1024_D)
"""What the training guide promises: 8 GPUs of 4 pictures, rates of 0.002, 25 million pictures."""
PAPER_256 = GanConfig(batch=64, batch_gpu=8, rate_g=0.0025, rate_d=0.0025, gamma=0.5, half_life_kimg=20)
PAPER_512 = replace(PAPER_256, generator=configs.FFHQ_512, discriminator=configs.FFHQ_512_D)
PAPER_1024 = GUIDE_1024
BUILTIN = GanConfig(
    data="portraits",
    generator=BUILTIN_256,
    discriminator=configs.BUILTIN_256_D,
    mirror=False,
    kimg=1000,
    batch=16,
    batch_gpu=16,
    rate_g=0.001,
    rate_d=0.002,
    gamma=1.0,
    path_length=0.0,
    g_every=0,
    mixing=0.0,
    grow_kimg=(0.0, 0.0),
    warm_start=True,
    anchor=1.0,
    precision="bfloat16",
)
"""The generator that is built in: portraits by heart first, then a discriminator for what is fine."""
DEBUG = GanConfig(
    data="world",
    generator=configs.TINY,
    discriminator=configs.TINY_D,
    kimg=0.008,
    batch=4,
    batch_gpu=2,
    grow_kimg=(0.0, 0.0),
    workers=0,
    snapshot_every=1,
    log_every=1,
    measure_every=0,
    device="cpu",
)
PRESETS: Mapping[str, GanConfig] = {
    "GUIDE_1024": GUIDE_1024,
    "PAPER_256": PAPER_256,
    "PAPER_512": PAPER_512,
    "PAPER_1024": PAPER_1024,
    "BUILTIN_256": BUILTIN,
    "DEBUG": DEBUG,
}
