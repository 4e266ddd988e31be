"""The settings of a recogniser's training, and every published one as a row of a table.

Published results, to aim at (IJB-C, true pairs at a false rate of 1e-4): ms1mv3_r50 96.37, ms1mv3_r100 96.85,
glint360k_r50 97.16, glint360k_r100 97.55, wf42m_pfc02_r100 97.70 per cent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from phiz.face.identity.config import NETWORKS
from phiz.options import option
from phiz.train.margins import ARCFACE, COSFACE, Margin


@dataclass(frozen=True, kw_only=True)
class ArcfaceConfig:
    """How to train a recogniser."""

    preset: str = ""
    """Settings to begin with: ms1mv3_r50, glint360k_r100, ..., BUILTIN; see docs/training.md."""
    data: str = ""
    """A folder with one for each person, one with train.rec, shards of rendered people, or synthetic:1000."""
    output: Path = option(Path("runs/arcface"), "-o", "--output")
    """Folder of the run."""
    network: str = "r50"
    """r18 to r2060, mbf, mbf_large, vit_t to vit_h, builtin; see phiz.face.identity.config."""
    embedding: int = 0
    """Numbers that stand for a face; 0 leaves what the network has."""
    dropout: float = 0.0
    """Share of a residual network's last map that is put out."""
    start: Path | None = None
    """Recogniser to begin with, such as an imported one."""

    margin: Margin = ARCFACE
    sample: float = 1.0
    """Share of the centres that a step compares with; 0 takes only those of its own people."""
    epochs: int = 20
    warm_epochs: int = 0
    """Epochs in which the learning rate rises; negative is none."""
    batch: int = 128
    """Faces a step and process."""
    accumulate: int = 1
    """Batches whose gradients add up to a step."""
    optimiser: Literal["sgd", "adamw"] = "sgd"
    rate: float = 0.1
    """Highest learning rate."""
    rate_batch: int = 0
    """The rate is meant for so many faces of all processes together and scaled to yours; 0 for as it is."""
    decay: float = 5e-4
    """Weight decay, of the centres as well."""
    momentum: float = 0.9
    """Of SGD."""
    power: float = 1.0
    """The rate falls along a line for 1, along a parabola for 2."""
    falls: tuple[int, ...] = ()
    """Epochs, counted from 1, at whose beginning the rate falls to a tenth; with any, it falls only there."""
    is_first_full: bool = True
    """Take the very first step at the full rate even in a warm-up, as the published trainer does."""
    clip: float = 5.0
    """Longest gradient of the network that is followed as it is; 0 for any."""

    precision: Literal["float32", "bfloat16", "float16"] = "float32"
    """Numbers to compute with up to the last map; the rest is always float32."""
    growth: int = 100
    """Steps after which float16 tries a larger scale of the loss."""
    is_compressed: bool = False
    """Send gradients between processes in float16, as the published trainer does."""
    norm: Literal["each", "all"] = "each"
    """Normalise by the faces of each process, as published, or by those of all, for small batches."""
    is_checkpointed: bool = False
    """Compute blocks twice instead of keeping them: less memory, more time."""

    mirror: bool = True
    """Show half of the faces mirrored."""
    is_varied: bool = False
    """Make some faces coarse, blurred, of other colours or grey (the published dali_aug)."""
    workers: int = 2
    """Processes that read pictures, for each GPU."""
    expected: tuple[int, ...] = ()
    """People and pictures that the preset was published for."""

    pairs: tuple[Path, ...] = ()
    """Verify on these: .bin files, or folders with a pairs.txt."""
    held_out: int = 0
    """Learn nothing about so many of the last people, and verify on them."""
    pairs_held_out: int = 1000
    """Pairs of one person, and as many of two, to make of those."""
    verify_every: int = 2000
    """Steps between verifications; 0 for never."""

    device: str = "auto"
    """Where to compute: auto, cpu, cuda."""
    seed: int = 2048
    """Which of the many possible courses the training takes."""
    minutes: float = 0.0
    """Stop, with a snapshot, after so many minutes; 0 goes on to the end."""
    snapshot_every: int = 2000
    """Steps between snapshots, which hold everything: the network, all centres, optimisers, chance."""
    keep: int = 2
    """Snapshots that stay."""
    log_every: int = 10
    """Steps between lines of the log."""
    tensorboard: bool = True
    """Write for TensorBoard as well."""
    wandb: Literal["off", "offline", "online"] = "off"
    """Write for Weights & Biases as well."""

    def __post_init__(self) -> None:
        if self.network not in NETWORKS:
            raise ValueError(f"there is no network {self.network!r}; choose from {', '.join(NETWORKS)}")
        if min(self.batch, self.accumulate, self.epochs, self.growth) < 1:
            raise ValueError("--batch, --accumulate, --epochs and --growth are at least 1")
        if not 0 <= self.sample <= 1:
            raise ValueError(f"--sample is a share from 0 to 1, not {self.sample}")
        if min(self.held_out, self.embedding, self.clip, self.workers, self.rate_batch) < 0:
            raise ValueError("--held-out, --embedding, --clip, --workers and --rate-batch are not negative")

    @staticmethod
    def presets() -> Mapping[str, ArcfaceConfig]:
        """Return the settings that have a name."""
        return PRESETS


MS1MV2, MS1MV3, GLINT = (85_742, 5_822_653), (93_431, 5_179_510), (360_232, 17_091_657)
WF4M, WF12M, WF42M = (205_990, 4_235_242), (617_970, 12_720_066), (2_059_906, 42_474_557)
CONFLICT, WEBFACE = (1_017_970, WF12M[1]), (10_572,)
"""People and pictures of faces_emore, ms1m-retinaface-t1, Glint360K and WebFace in its sizes."""
THREE = tuple(Path(f"{name}.bin") for name in ("lfw", "cfp_fp", "agedb_30"))
"""What is verified on, found beside the training data."""
NOISY = replace(COSFACE, filter=0.4)

ARC = ArcfaceConfig(precision="float16", is_compressed=True, pairs=THREE)
COS = replace(ARC, margin=COSFACE)
QUIET = replace(COS, pairs=())
FLIPPED = replace(QUIET, network="r50", warm_epochs=2, expected=WF12M)
LARGE = replace(COS, sample=0.2, rate=0.4, warm_epochs=2, expected=WF42M)
PFC03 = replace(LARGE, sample=0.3)
VIT = replace(PFC03, pairs=(), optimiser="adamw", rate=1e-3, decay=0.1, batch=384, epochs=40, warm_epochs=4)
OLD = ArcfaceConfig(precision="float16", pairs=THREE, rate_batch=512, epochs=25, falls=(10, 16, 22))
"""The published trainer before the present one: rates for 512 faces that fall to a tenth."""
OLD_GLINT = replace(OLD, margin=COSFACE, epochs=20, falls=(8, 12, 15, 18), expected=GLINT)
OLD_SYNTHETIC = replace(OLD, network="r50", epochs=30, pairs=())

BUILTIN = ArcfaceConfig(
    network="builtin",
    margin=replace(COSFACE, gap=0.35, scale=32.0),
    epochs=30,
    warm_epochs=1,
    batch=128,
    decay=1e-4,
    is_varied=True,
    held_out=500,
    verify_every=500,
    snapshot_every=500,
    precision="bfloat16",
)
"""The recogniser that is built in, from shards of rendered people, 16 pictures or more of each."""
DEBUG = ArcfaceConfig(
    data="synthetic:6:48",
    network="tiny",
    margin=replace(COSFACE, gap=0.2, scale=16.0),
    epochs=2,
    batch=8,
    workers=0,
    held_out=2,
    pairs_held_out=10,
    verify_every=4,
    snapshot_every=2,
    log_every=1,
    device="cpu",
)

PRESETS: Mapping[str, ArcfaceConfig] = {
    "3millions": replace(
        QUIET, network="mbf", sample=0.1, batch=512, epochs=30, warm_epochs=-1, data="synthetic:300000"
    ),
    "glint360k_mbf": replace(COS, network="mbf", decay=1e-4, expected=GLINT),
    "glint360k_r50": replace(COS, network="r50", decay=1e-4, expected=GLINT),
    "glint360k_r100": replace(COS, network="r100", decay=1e-4, expected=GLINT),
    "ms1mv2_mbf": replace(ARC, network="mbf", decay=1e-4, epochs=40, expected=MS1MV2),
    "ms1mv2_r50": replace(ARC, network="r50", expected=MS1MV2),
    "ms1mv2_r100": replace(ARC, network="r100", expected=MS1MV2),
    "ms1mv3_mbf": replace(ARC, network="mbf", decay=1e-4, epochs=40, expected=MS1MV3),
    "ms1mv3_r50": replace(ARC, network="r50", expected=MS1MV3),
    "ms1mv3_r100": replace(ARC, network="r100", expected=MS1MV3),
    "ms1mv3_r50_onegpu": replace(ARC, network="r50", rate=0.02, expected=MS1MV3),
    "wf4m_mbf": replace(COS, network="mbf", decay=1e-4, expected=WF4M),
    "wf4m_r50": replace(COS, network="r50", expected=WF4M),
    "wf4m_r100": replace(COS, network="r100", expected=WF4M),
    "wf12m_mbf": replace(QUIET, network="mbf", decay=1e-4, expected=WF12M),
    "wf12m_r50": replace(QUIET, network="r50", expected=WF12M),
    "wf12m_r100": replace(QUIET, network="r100", expected=WF12M),
    "wf12m_pfc02_r100": replace(QUIET, network="r100", sample=0.2, expected=WF12M),
    "wf12m_flip_r50": FLIPPED,
    "wf12m_flip_pfc01_filter04_r50": replace(FLIPPED, margin=NOISY, sample=0.1),
    "wf12m_conflict_r50": replace(FLIPPED, expected=CONFLICT),
    "wf12m_conflict_r50_pfc03_filter04": replace(FLIPPED, margin=NOISY, sample=0.3, expected=CONFLICT),
    "wf42m_pfc0008_32gpu_r100": replace(LARGE, network="r100", sample=0.0, batch=512),
    "wf42m_pfc02_16gpus_mbf_bs8k": replace(LARGE, network="mbf", batch=512, decay=1e-4, pairs=()),
    "wf42m_pfc02_16gpus_r100": replace(LARGE, network="r100", batch=256, rate=0.3, warm_epochs=1),
    "wf42m_pfc02_16gpus_r50_bs8k": replace(LARGE, network="r50", batch=512, rate=0.6, warm_epochs=4),
    "wf42m_pfc02_32gpus_r50_bs4k": replace(LARGE, network="r50"),
    "wf42m_pfc02_8gpus_r50_bs4k": replace(LARGE, network="r50", batch=512),
    "wf42m_pfc02_r100": replace(LARGE, network="r100", rate=0.1, warm_epochs=0),
    "wf42m_pfc02_r100_16gpus": replace(LARGE, network="r100", rate=0.2),
    "wf42m_pfc02_r100_32gpus": replace(LARGE, network="r100"),
    "wf42m_pfc03_32gpu_r18": replace(PFC03, network="r18"),
    "wf42m_pfc03_32gpu_r50": replace(PFC03, network="r50"),
    "wf42m_pfc03_32gpu_r100": replace(PFC03, network="r100"),
    "wf42m_pfc03_32gpu_r200": replace(PFC03, network="r200"),
    "wf42m_pfc02_vit_h": replace(
        VIT, network="vit_h", sample=0.5, batch=768, epochs=16, warm_epochs=2, is_varied=True
    ),
    "wf42m_pfc03_40epoch_64gpu_vit_t": replace(VIT, network="vit_t_dp005_mask0"),
    "wf42m_pfc03_40epoch_64gpu_vit_s": replace(VIT, network="vit_s_dp005_mask_0"),
    "wf42m_pfc03_40epoch_64gpu_vit_b": replace(VIT, network="vit_b_dp005_mask_005"),
    "wf42m_pfc03_40epoch_64gpu_vit_l": replace(VIT, network="vit_l_dp005_mask_005"),
    "wf42m_pfc03_40epoch_8gpu_vit_b": replace(VIT, network="vit_b_dp005_mask_005", batch=256, accumulate=12),
    "wf42m_pfc03_40epoch_8gpu_vit_t": replace(VIT, network="vit_t_dp005_mask0", batch=512),
    "old_3millions": replace(OLD_SYNTHETIC, batch=64, sample=0.99, margin=COSFACE, data="synthetic:3000000"),
    "old_3millions_pfc": replace(OLD_SYNTHETIC, sample=0.1, data="synthetic:3000000"),
    "old_speed": replace(OLD_SYNTHETIC, data="synthetic:1000000"),
    "old_glint360k_mbf": replace(OLD_GLINT, network="mbf", sample=0.1, decay=2e-4),
    "old_glint360k_r18": replace(OLD_GLINT, network="r18"),
    "old_glint360k_r34": replace(OLD_GLINT, network="r34"),
    "old_glint360k_r50": replace(OLD_GLINT, network="r50"),
    "old_glint360k_r100": replace(OLD_GLINT, network="r100"),
    "old_ms1mv3_mbf": replace(OLD, network="mbf", decay=2e-4, epochs=30, falls=(10, 20, 25), expected=MS1MV3),
    "old_ms1mv3_r18": replace(OLD, network="r18", expected=MS1MV3),
    "old_ms1mv3_r34": replace(OLD, network="r34", expected=MS1MV3),
    "old_ms1mv3_r50": replace(OLD, network="r50", expected=MS1MV3),
    "old_ms1mv3_r2060": replace(OLD, network="r2060", batch=64, is_checkpointed=True, expected=MS1MV3),
    "old_emore_r50": replace(OLD, network="r50", epochs=16, falls=(8, 14), expected=MS1MV2),
    "old_ms1m_r50": replace(OLD, network="r50", falls=(11, 17, 22), expected=MS1MV3),
    "old_webface_r50": replace(OLD, network="r50", epochs=34, falls=(20, 28, 32), expected=WEBFACE),
    "BUILTIN": BUILTIN,
    "DEBUG": DEBUG,
}
"""Under the names of the published configurations; rates are for the number of GPUs that those say."""
