"""Published recognisers as ours: iResNet, MobileFaceNet and transformer files of "ArcFace" and "Partial FC".

``backbone.pth`` and ``model.pt`` hold the tensors of one network, ``checkpoint_gpu_0.pt`` holds them beside
the state of its trainer. What network it is follows from the names and shapes.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from phiz import checkpoint
from phiz.console import Console
from phiz.errors import CheckpointError, UsageError
from phiz.face.identity import store
from phiz.face.identity.config import (
    NETWORKS,
    SIZE,
    MobileConfig,
    RecogniserConfig,
    ResidualConfig,
    TransformerConfig,
)
from phiz.face.identity.networks import Recogniser, build
from phiz.importers import face_tensors
from phiz.importers.face_tensors import STRANGE, Shapes
from phiz.importers.steps import shown
from phiz.options import option, positional

BACKBONE = "state_dict_backbone"
"""Where a trainer's file keeps the network."""
BESIDE = "epoch|global_step|state_dict_softmax_fc|state_optimizer|state_lr_scheduler"
"""What else stands there."""
TERMS = (
    "InsightFace publishes its recognisers for research only, without commerce. The terms of whoever made "
    "the file go with the weights."
)


@dataclass(frozen=True, kw_only=True)
class Published:
    """What is in a published file."""

    network: Recogniser
    name: str
    """What a network of these sizes is called, nothing if it has no name."""
    tensors: int
    """How many tensors it had."""
    skipped: tuple[str, ...]
    """What else is in the file and is not needed: the state of the trainer."""


@dataclass(frozen=True, kw_only=True)
class ArcfaceImportConfig:
    """Which published recogniser to convert, and where to."""

    file: Path = positional()
    """The published backbone.pth, model.pt or checkpoint_gpu_0.pt."""
    output: Path = option(Path("identity.safetensors"), "-o", "--output")
    """The file to write."""


def import_arcface(config: ArcfaceImportConfig, console: Console) -> Mapping[str, object]:
    """Convert a published recogniser without running anything in its file.

    Examples:
        phiz import arcface backbone.pth -o r50.safetensors
    """
    output = config.output if config.output.suffix else config.output.with_suffix(checkpoint.SUFFIX)
    if config.file.resolve() == output.resolve():
        raise UsageError(f"{config.file} would be written over. Name another file with -o.")
    found = read(config.file)
    digest = checkpoint.digest(config.file)
    store.save(output, found.network, about={"imported from": config.file.name, "sha256": digest})
    count = sum(p.numel() for p in found.network.parameters())
    console.say(
        f"{config.file.name}: {found.name or 'a network of sizes that have no name'}, {count} parameters, "
        f"{found.network.config.embedding} numbers a face; "
        f"all of its {found.tensors} tensors are accounted for."
    )
    if found.skipped:
        console.say(f"Not needed, and left out: {', '.join(map(shown, found.skipped))}.")
    console.say(f"{TERMS} Wrote {output}.")
    return {
        "output": str(output),
        "network": found.name,
        "embedding": found.network.config.embedding,
        "tensors": found.tensors,
        "skipped": list(found.skipped),
        "sha256": digest,
    }


def read(path: Path) -> Published:
    """Return the recogniser in a published file; every tensor in it is accounted for."""
    found = face_tensors.read(path, inside=BACKBONE, beside=BESIDE)
    try:
        config = config_of({name: tuple(value.shape) for name, value in found.tensors.items()})
    except STRANGE as error:
        raise CheckpointError(
            f"{path} holds no recogniser that phiz knows ({shown(str(error))}). iResNets, MobileFaceNets and "
            "transformers as InsightFace publishes them can be imported."
        ) from error
    network = face_tensors.filled(build, config, found.tensors, what=f"the recogniser in {path.name}")
    name = next((name for name, known in NETWORKS.items() if _same(known, config)), "")
    return Published(network=network, name=name, tensors=len(found.tensors), skipped=found.rest)


def config_of(shapes: Shapes) -> RecogniserConfig:
    """Return the sizes of the network that has tensors of these names and shapes.

    What leaves no trace there is as published: eight heads, and shares that matter only while learning.
    """
    if {"fc.weight", "features.weight", "layer4.0.conv1.weight"} <= shapes.keys():
        return _residual(shapes)
    if {"conv_sep.layers.0.weight", "features.layers.2.weight"} <= shapes.keys():
        return _mobile(shapes)
    if {"pos_embed", "patch_embed.proj.weight", "feature.2.weight"} <= shapes.keys():
        return _transformer(shapes)
    some = ", ".join(list(shapes)[:3])
    raise ValueError(f"there are tensors called {some}, but none that a recogniser has")


def _residual(shapes: Shapes) -> ResidualConfig:
    first, second, third, fourth = (_count(shapes, rf"layer{number}\.(\d+)\.") for number in (1, 2, 3, 4))
    widths = [shapes[f"layer{number}.0.conv1.weight"][0] for number in (1, 2, 3, 4)]
    embedding, flat = shapes["fc.weight"]
    return ResidualConfig(
        blocks=(first, second, third, fourth),
        widths=(widths[0], widths[1], widths[2], widths[3]),
        embedding=embedding,
        size=16 * math.isqrt(flat // widths[3]),
    )


def _mobile(shapes: Shapes) -> MobileConfig:
    width = shapes["layers.0.layers.0.weight"][0]
    beginning = shapes.get("layers.1.layers.0.weight")
    inside = {number: shapes[f"layers.{number}.layers.0.layers.0.weight"][0] for number in (2, 4, 6)}
    return MobileConfig(
        blocks=(
            1 if beginning else _count(shapes, r"layers\.1\.layers\.(\d+)\."),
            _count(shapes, r"layers\.3\.layers\.(\d+)\."),
            _count(shapes, r"layers\.5\.layers\.(\d+)\."),
            _count(shapes, r"layers\.7\.layers\.(\d+)\."),
        ),
        width=width,
        inner=(
            width // beginning[1] if beginning else MobileConfig().inner[0],
            inside[2],
            inside[4],
            inside[6],
            shapes["layers.5.layers.0.layers.0.layers.0.weight"][0],
        ),
        outer=shapes["conv_sep.layers.0.weight"][0],
        embedding=shapes["features.layers.2.weight"][0],
        size=16 * shapes["features.layers.0.layers.0.weight"][-1],
    )


def _transformer(shapes: Shapes) -> TransformerConfig:
    _, tokens, width = shapes["pos_embed"]
    patch = shapes["patch_embed.proj.weight"][-1]
    return TransformerConfig(
        width=width,
        depth=_count(shapes, r"blocks\.(\d+)\."),
        patch=patch,
        embedding=shapes["feature.2.weight"][0],
        size=SIZE if (SIZE // patch) ** 2 == tokens else patch * math.isqrt(tokens),
    )


def _count(shapes: Shapes, pattern: str) -> int:
    """Return how many parts of a chain there are."""
    return len({match[1] for name in shapes if (match := re.match(pattern, name))})


def _same(known: RecogniserConfig, found: RecogniserConfig) -> bool:
    """Return whether two networks have the same tensors."""
    if isinstance(known, TransformerConfig) and isinstance(found, TransformerConfig):
        ours, theirs = (
            (one.width, one.depth, one.patch, one.size, one.embedding, one.tokens) for one in (known, found)
        )
        return ours == theirs
    return known == found
