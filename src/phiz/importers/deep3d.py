"""The published face reconstruction as our regressor: ``epoch_20.pth``, or SadTalker's collected file.

The first holds the network beside the state of its trainer (Adam, the schedule), which is not needed; the
second holds it behind a prefix, beside the other networks of the talking head.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from phiz import checkpoint
from phiz.console import Console
from phiz.errors import CheckpointError, UsageError
from phiz.face import network_files
from phiz.face.bfm import SPLIT
from phiz.face.regress import ANGLES, DEEP3D, DEPTH, LIGHT, REGRESSORS, SHIFT, RegressConfig, Regressor
from phiz.importers import face_tensors
from phiz.importers.face_tensors import STRANGE, Shapes
from phiz.importers.steps import shown
from phiz.options import option, positional

NETWORK, BESIDE = "net_recon", r"(?:opt|sched)_\d+"
"""Where a trainer's file keeps the network, and what else is in it."""
PREFIX = "face_3drecon."
OTHERS = ("kp_extractor.", "generator.", "audio2exp.", "audio2pose.", "he_estimator.", "mapping.")
"""What stands in front of names in SadTalker's collected file: this network, and the others."""
TERMS = (
    "The published reconstruction is under the MIT licence, SadTalker's file under the Apache licence 2.0. "
    "Its numbers describe faces of the Basel Face Model, which is under terms of its own."
)


@dataclass(frozen=True, kw_only=True)
class Published:
    """What is in a published file."""

    network: Regressor
    tensors: int
    """How many tensors the network had."""
    skipped: tuple[str, ...]
    """What else is in the file and is not needed."""


@dataclass(frozen=True, kw_only=True)
class Deep3dImportConfig:
    """Which published reconstruction to convert, and where to."""

    file: Path = positional()
    """The published epoch_20.pth, or SadTalker_V0.0.2_256.safetensors."""
    output: Path = option(Path("regressor.safetensors"), "-o", "--output")
    """The file to write."""


def import_deep3d(config: Deep3dImportConfig, console: Console) -> Mapping[str, object]:
    """Convert the published face reconstruction without running anything in its file.

    Examples:
        phiz import deep3d epoch_20.pth -o deep3d.safetensors
        phiz import deep3d SadTalker_V0.0.2_256.safetensors -o deep3d.safetensors
    """
    output = config.output if config.output.suffix else config.output.with_suffix(checkpoint.SUFFIX)
    if config.file.resolve() == output.resolve():
        raise UsageError(f"{config.file} would be written over. Name another file with -o.")
    found = read(config.file)
    digest = checkpoint.digest(config.file)
    about = {"imported from": config.file.name, "sha256": digest, "licence": TERMS}
    network_files.save(output, network_files.REGRESSOR, found.network, about=about)
    name = next((name for name, known in REGRESSORS.items() if known == found.network.config), "")
    count = sum(p.numel() for p in found.network.parameters())
    console.say(
        f"{config.file.name}: {name or 'sizes that have no name'}, {count} parameters; all of its "
        f"{found.tensors} tensors are accounted for."
    )
    if found.skipped:
        console.say(f"Not needed, and left out: {', '.join(found.skipped)}.")
    console.say(f"{TERMS} Wrote {output}.")
    return {
        "output": str(output),
        "network": name,
        "tensors": found.tensors,
        "skipped": list(found.skipped),
        "sha256": digest,
    }


def read(path: Path) -> Published:
    """Return the network in a published file; every tensor in it is accounted for."""
    whole = face_tensors.read(path, inside=NETWORK, beside=BESIDE, prefix=PREFIX, others=OTHERS)
    try:
        config = config_of({name: tuple(value.shape) for name, value in whole.tensors.items()})
    except STRANGE as error:
        raise CheckpointError(
            f"{path} holds no face reconstruction that phiz knows ({shown(str(error))}). Give the published "
            "epoch_20.pth or SadTalker's collected file."
        ) from error
    what = f"the face reconstruction in {path.name}"
    network = face_tensors.filled(Regressor, config, whole.tensors, what=what)
    return Published(network=network, tensors=len(whole.tensors), skipped=whole.rest)


def config_of(shapes: Shapes) -> RegressConfig:
    """Return the sizes of the network that has tensors of these names and shapes."""
    layers = [f"backbone.layer{number}." for number in (1, 2, 3, 4)]
    blocks = [
        len({match[1] for name in shapes if (match := re.match(re.escape(layer) + r"(\d+)\.", name))})
        for layer in layers
    ]
    identity, expression, texture, *others = (shapes[f"final_layers.{k}.weight"][0] for k in range(7))
    if tuple(others) != (ANGLES, LIGHT, SHIFT, DEPTH):
        raise ValueError(f"its heads tell {tuple(others)} numbers besides identity, expression and texture")
    if (identity, expression, texture) != SPLIT[:3]:
        raise ValueError(f"it has {identity}, {expression} and {texture} modes, not those of the Basel model")
    return RegressConfig(
        basis=DEEP3D.basis,
        identity=identity,
        expression=expression,
        texture=texture,
        blocks=tuple(blocks),
        widths=tuple(shapes[f"{layer}0.conv1.weight"][0] for layer in layers),
        has_bottlenecks="backbone.layer1.0.conv3.weight" in shapes,
        stem=shapes["backbone.conv1.weight"][-1],
    )
