"""The published face parser as ours: ``79999_iter.pth`` with 19 classes, ``seg.pth`` with 16.

Both hold the tensors of one network under bare names. Its sizes follow from their shapes.
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
from phiz.face.parse import PARSERS, ParseConfig, Parser
from phiz.importers import face_tensors
from phiz.importers.face_tensors import STRANGE, Shapes
from phiz.importers.steps import shown
from phiz.options import option, positional

TERMS = (
    "The published parser is under the MIT licence; the pictures it was trained on (CelebAMask-HQ) are for "
    "research only, without commerce."
)


@dataclass(frozen=True, kw_only=True)
class BisenetImportConfig:
    """Which published parser to convert, and where to."""

    file: Path = positional()
    """The published 79999_iter.pth or seg.pth."""
    output: Path = option(Path("parser.safetensors"), "-o", "--output")
    """The file to write."""


def import_bisenet(config: BisenetImportConfig, console: Console) -> Mapping[str, object]:
    """Convert the published face parser without running anything in its file.

    Examples:
        phiz import bisenet 79999_iter.pth -o parser.safetensors
    """
    output = config.output if config.output.suffix else config.output.with_suffix(checkpoint.SUFFIX)
    if config.file.resolve() == output.resolve():
        raise UsageError(f"{config.file} would be written over. Name another file with -o.")
    parser, tensors = read(config.file)
    digest = checkpoint.digest(config.file)
    about = {"imported from": config.file.name, "sha256": digest, "licence": TERMS}
    network_files.save(output, network_files.PARSER, parser, about=about)
    name = next((name for name, known in PARSERS.items() if known == parser.config), "")
    count = sum(p.numel() for p in parser.parameters())
    console.say(
        f"{config.file.name}: {name or 'sizes that have no name'}, {parser.config.classes} classes, {count} "
        f"parameters; all of its {tensors} tensors are accounted for."
    )
    console.say(f"{TERMS} Wrote {output}.")
    return {
        "output": str(output),
        "network": name,
        "classes": parser.config.classes,
        "tensors": tensors,
        "skipped": [],
        "sha256": digest,
    }


def read(path: Path) -> tuple[Parser, int]:
    """Return the parser in a published file, and how many tensors it had; each of them is in its place."""
    whole = face_tensors.read(path)
    if whole.rest:
        raise CheckpointError(
            f"{path} holds {shown(', '.join(whole.rest))} besides tensors, as no published parser does. Give "
            "79999_iter.pth or seg.pth."
        )
    try:
        config = config_of({name: tuple(value.shape) for name, value in whole.tensors.items()})
    except STRANGE as error:
        raise CheckpointError(
            f"{path} holds no parser that phiz knows ({shown(str(error))}). Give 79999_iter.pth or seg.pth."
        ) from error
    parser = face_tensors.filled(Parser, config, whole.tensors, what=f"the parser in {path.name}")
    return parser, len(whole.tensors)


def config_of(shapes: Shapes) -> ParseConfig:
    """Return the sizes of the parser that has tensors of these names and shapes."""
    layers = [f"cp.resnet.layer{number}." for number in (1, 2, 3, 4)]
    blocks = [
        len({match[1] for name in shapes if (match := re.match(re.escape(layer) + r"(\d+)\.", name))})
        for layer in layers
    ]
    return ParseConfig(
        classes=shapes["conv_out.conv_out.weight"][0],
        blocks=tuple(blocks),
        widths=tuple(shapes[f"{layer}0.conv1.weight"][0] for layer in layers),
        stem=shapes["cp.resnet.conv1.weight"][-1],
        context=shapes["cp.arm16.conv.conv.weight"][0],
        fusion=shapes["ffm.convblk.conv.weight"][0],
        sides=shapes["conv_out16.conv.conv.weight"][0],
    )
