"""A folder laid out as the published one: networks of any sizes, filled by the recordings' rule."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.io
import torch
from head_fixtures import EGG
from head_fixtures import _ball as ball
from head_fixtures import _landmarks as face_points
from importers import snapshots
from parity import filled
from parity.stylenerf_fill import filled as of_generator
from safetensors.torch import save_file
from torch import Tensor, nn

from phiz import trained
from phiz.animate import lipaint_network
from phiz.animate.lipaint_network import LIPAINT, LipaintConfig, LipaintNet
from phiz.console import Console
from phiz.face import bfm_file, network_files, parse, regress
from phiz.face.bfm import Bfm
from phiz.face.parse import ParseConfig, Parser
from phiz.face.regress import RegressConfig, Regressor
from phiz.generator import config as generators
from phiz.generator import store
from phiz.generator.config import GeneratorConfig
from phiz.generator.generator import Generator
from phiz.importers import original
from phiz.importers.original import OriginalImportConfig
from phiz.speech import encoder, expression, files, pose_network
from phiz.speech.expression import ExpressionConfig, ExpressionNet
from phiz.speech.pose_network import PoseConfig, PoseNet

SEED = 7
DECIMETRES = 0.1
"""In a centimetre."""


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """How large the published networks are."""

    generator: GeneratorConfig
    parser: ParseConfig
    lipaint: LipaintConfig
    expression: ExpressionConfig
    pose: PoseConfig
    regressor: RegressConfig
    rings: int
    spokes: int
    """Of the head model's egg."""


SMALL = Sizes(
    generator=replace(generators.TINY, resolution=64, volume_resolution=16, channel_base=0.03125),
    parser=replace(parse.TINY, size=512, classes=16),
    lipaint=LipaintConfig(w_size=10, expression=64, hidden=6, basis="bfm2009"),
    expression=replace(expression.PUBLISHED, widths=encoder.TINY),
    pose=pose_network.TINY,
    regressor=replace(regress.DEEP3D, blocks=(1, 1, 1, 1), widths=(2, 3, 4, 5)),
    rings=26,
    spokes=36,
)
FULL = Sizes(
    generator=generators.FFHQ_1024,
    parser=parse.PUBLISHED_16,
    lipaint=lipaint_network.PUBLISHED,
    expression=expression.PUBLISHED,
    pose=pose_network.PUBLISHED,
    regressor=regress.DEEP3D,
    rings=268,
    spokes=267,
)
"""As published; half the egg has as many vertices as the Basel face, to one in a hundred."""


@dataclass(frozen=True, kw_only=True)
class Talker:
    """The networks of an imported folder, opened."""

    folder: Path
    generator: Generator
    parser: Parser | None
    lipaint: LipaintNet | None
    expression: ExpressionNet
    regressor: Regressor
    model: Bfm


def state(network: nn.Module, prefix: str = "") -> dict[str, Tensor]:
    """Return the tensors of a network, filled by the rule."""
    shapes = {name: list(value.shape) for name, value in network.state_dict().items()}
    return {prefix + name: value for name, value in filled.state({"shapes": shapes, "seed": SEED}).items()}


def write(folder: Path, sizes: Sizes = SMALL) -> Path:
    """Write all published files."""
    for inner in ("sad_talker_pretrained", "Deep3DFaceRecon_pytorch/face_recon", "BFM"):
        (folder / inner).mkdir(parents=True)
    (folder / "ffhq_1024.pkl").write_bytes(snapshot(sizes.generator))
    torch.save(state(Parser(sizes.parser)), folder / "seg.pth")
    torch.save({"model_state_dict": state(LipaintNet(sizes.lipaint))}, folder / "LipaintNet.pt")
    spoken, turned = ExpressionNet(sizes.expression), PoseNet(sizes.pose)
    reconstruction = Regressor(sizes.regressor)
    talker = {
        **state(spoken, "audio2exp."),
        **state(turned, "audio2pose."),
        **state(reconstruction, "face_3drecon."),
        "generator.conv.weight": torch.zeros(1),
    }
    save_file(talker, folder / original.TALKER)
    held = {"net_recon": state(reconstruction), "opt_00": {}, "sched_00": {}}
    torch.save(held, folder / "Deep3DFaceRecon_pytorch/face_recon/epoch_20.pth")
    scipy.io.savemat(folder / "BFM/BFM_model_front.mat", head_model(sizes.rings, sizes.spokes))
    return folder


def snapshot(config: GeneratorConfig) -> bytes:
    """Return the bytes of a published generator's snapshot."""
    names = snapshots.generator_names(Generator(config))
    tensors: dict[str, Tensor] = {}
    for name, value in names.items():
        made = of_generator(name, value.shape)
        tensors[name] = value if made is None else made.reshape(value.shape)
    settings = snapshots.settings(config)
    return snapshots.written(G_ema=snapshots.module(tensors, _init_kwargs=settings))


def head_model(rings: int, spokes: int) -> Mapping[str, npt.NDArray[np.generic]]:
    """Return the arrays of a Basel file for half an egg, in decimetres, its modes filled by the rule."""
    points, triangles = ball(rings, spokes)
    points = points * EGG
    front = points[:, 2] >= 0
    place = np.cumsum(front) - 1
    triangles = place[triangles[front[triangles].all(axis=1)]]
    marks = place[face_points(points)]
    count = int(front.sum())
    modes = {
        name: scale * filled.unit(f"bfm/{name}", (3 * count, width), SEED)
        for name, width, scale in (("idBase", 80, 0.002), ("exBase", 64, 0.01), ("texBase", 80, 1.0))
    }
    return {
        "meanshape": DECIMETRES * points[front].reshape(1, -1),
        "meantex": np.full((1, 3 * count), 150.0),
        "tri": triangles + 1.0,
        "keypoints": marks[None] + 1.0,
        "skinmask": np.ones((1, count), np.uint8),
        "frontmask2_idx": np.arange(count)[:, None] + 1.0,
        "tri_mask2": triangles + 1.0,
        **modes,
    }


def imported(folder: Path, output: Path) -> tuple[dict[str, Any], str]:
    """Import a published folder; return what the verb says, as values and as words."""
    told = io.StringIO()
    done = original.import_original(
        OriginalImportConfig(folder=folder, output=output), Console(output=told, errors=told)
    )
    return dict(done), told.getvalue()


def opened(studio: Path) -> Talker:
    """Return the networks of a studio folder."""
    return Talker(
        folder=studio,
        generator=store.load(studio / "generator.safetensors"),
        parser=network_files.load(network_files.PARSER, studio / "parser.safetensors"),
        lipaint=trained.load(LIPAINT, studio / "lipaint.safetensors"),
        expression=files.load(files.EXPRESSION, studio / "speech_expression.safetensors"),
        regressor=network_files.load(network_files.REGRESSOR, studio / "regressor.safetensors"),
        model=bfm_file.load(studio / "facemodel.safetensors"),
    )
