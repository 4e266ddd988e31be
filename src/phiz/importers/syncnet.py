"""The published judge of lips and sound as ours: ``syncnet_v2.model``, which LSE-D and LSE-C come from.

It holds the tensors of one network under bare names, in the older format of torch. Its sizes follow from
their shapes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Shaped
from torch import Tensor

from phiz import checkpoint
from phiz.console import Console
from phiz.errors import CheckpointError, UsageError
from phiz.importers import face_tensors
from phiz.importers.face_tensors import COUNTER, STRANGE, Shapes
from phiz.importers.steps import shown
from phiz.options import option, positional
from phiz.speech import sync_files
from phiz.speech.published_sync import PixelSyncConfig, PixelSyncNet
from phiz.speech.sync_files import PIXEL_SYNC

TERMS = (
    "The code of SyncNet is under the MIT licence; its weights were learned from films of the BBC, and who "
    "published them says nothing of terms for these."
)
CONVOLUTIONS = (0, 4, 8, 11, 14, 18)
"""Which layers of both towers are convolutions."""


@dataclass(frozen=True, kw_only=True)
class SyncnetImportConfig:
    """Which published file to convert, and where to."""

    file: Path = positional()
    """The published syncnet_v2.model."""
    output: Path = option(Path("syncnet.safetensors"), "-o", "--output")
    """The file to write."""


def import_syncnet(config: SyncnetImportConfig, console: Console) -> Mapping[str, object]:
    """Convert the published judge of lips and sound without running anything in its file.

    Examples:
        phiz import syncnet syncnet_v2.model -o syncnet.safetensors
    """
    output = config.output if config.output.suffix else config.output.with_suffix(checkpoint.SUFFIX)
    if config.file.resolve() == output.resolve():
        raise UsageError(f"{config.file} would be written over. Name another file with -o.")
    network, tensors = read(config.file)
    digest = checkpoint.digest(config.file)
    about = {"imported from": config.file.name, "sha256": digest, "licence": TERMS}
    sync_files.save(output, PIXEL_SYNC, network, about=about)
    count = sum(p.numel() for p in network.parameters())
    console.say(f"{config.file.name}: {count} parameters; all of its {tensors} tensors are accounted for.")
    console.say(f"{TERMS} Wrote {output}.")
    return {"output": str(output), "tensors": tensors, "skipped": [], "sha256": digest}


def read(path: Path) -> tuple[PixelSyncNet, int]:
    """Return the network in a published file, and how many tensors it had; each of them is in its place."""
    whole = face_tensors.read(path)
    if whole.rest:
        raise CheckpointError(
            f"{path} holds {shown(', '.join(whole.rest))} besides tensors, as no published SyncNet does. "
            "Give syncnet_v2.model."
        )
    try:
        config = config_of({name: tuple(value.shape) for name, value in whole.tensors.items()})
    except STRANGE as error:
        raise CheckpointError(
            f"{path} holds no SyncNet that phiz knows ({shown(str(error))}). Give syncnet_v2.model."
        ) from error
    tensors = counted(whole.tensors, config)
    network = face_tensors.filled(PixelSyncNet, config, tensors, what=f"the SyncNet in {path.name}")
    return network, len(whole.tensors)


def config_of(shapes: Shapes) -> PixelSyncConfig:
    """Return the sizes of the network that has tensors of these names and shapes."""
    return PixelSyncConfig(
        heard=tuple(shapes[f"netcnnaud.{number}.weight"][0] for number in CONVOLUTIONS),
        seen=tuple(shapes[f"netcnnlip.{number}.weight"][0] for number in CONVOLUTIONS),
        hidden=shapes["netfcaud.0.weight"][0],
        embedding=shapes["netfcaud.3.weight"][0],
    )


def counted(
    tensors: Mapping[str, Shaped[Tensor, "..."]], config: PixelSyncConfig
) -> dict[str, Shaped[Tensor, "..."]]:
    """Return tensors with the counters that files of old versions of torch lack; nothing depends on them."""
    if any(name.endswith(COUNTER) for name in tensors):
        return dict(tensors)
    with torch.device("meta"):
        names = [name for name in PixelSyncNet(config).state_dict() if re.search(rf"\.{COUNTER}$", name)]
    return {**tensors, **{name: torch.zeros((), dtype=torch.int64) for name in names}}
