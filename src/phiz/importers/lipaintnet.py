"""The published network that draws mouths as ours: ``LipaintNet.pt`` of NeRFFaceSpeech.

It holds the network under ``model_state_dict``, with the state of its optimiser beside it. Its sizes follow
from the shapes of its tensors.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from phiz import checkpoint, trained
from phiz.animate import lipaint_network
from phiz.animate.lipaint_network import LIPAINT, LipaintConfig, LipaintNet
from phiz.console import Console
from phiz.errors import CheckpointError, UsageError
from phiz.importers import face_tensors
from phiz.importers.face_tensors import STRANGE, Shapes
from phiz.importers.steps import shown
from phiz.options import option, positional

NETWORK, BESIDE = "model_state_dict", r"optimizer_state_dict|optimizer|scheduler_state_dict|epoch|step|loss"
"""Where the file keeps the network, and what else of its trainer's is in it."""
TERMS = (
    "NeRFFaceSpeech is under the MIT licence. The expressions that the network takes are those of the Basel "
    "Face Model, which is under terms of its own."
)


class Published(NamedTuple):
    """What is in a published file."""

    network: LipaintNet
    tensors: int
    """How many tensors the network had; each of them is in its place."""
    skipped: tuple[str, ...]
    """What else is in the file and is not needed."""


@dataclass(frozen=True, kw_only=True)
class LipaintnetImportConfig:
    """Which published file to convert, and where to."""

    file: Path = positional()
    """The published LipaintNet.pt."""
    output: Path = option(Path("lipaint.safetensors"), "-o", "--output")
    """The file to write."""


def import_lipaintnet(config: LipaintnetImportConfig, console: Console) -> Mapping[str, object]:
    """Convert the published network that draws mouths without running anything in its file.

    Examples:
        phiz import lipaintnet LipaintNet.pt -o lipaint.safetensors
    """
    output = config.output if config.output.suffix else config.output.with_suffix(checkpoint.SUFFIX)
    if config.file.resolve() == output.resolve():
        raise UsageError(f"{config.file} would be written over. Name another file with -o.")
    found = read(config.file)
    digest = checkpoint.digest(config.file)
    about = {"imported from": config.file.name, "sha256": digest, "licence": TERMS}
    trained.save(output, LIPAINT, found.network, about=about)
    count = sum(p.numel() for p in found.network.parameters())
    console.say(
        f"{config.file.name}: {count} parameters; all of its {found.tensors} tensors are accounted for."
    )
    if found.skipped:
        console.say(f"Not needed, and left out: {', '.join(found.skipped)}.")
    console.say(f"{TERMS} Wrote {output}.")
    return {
        "output": str(output),
        "tensors": found.tensors,
        "skipped": list(found.skipped),
        "sha256": digest,
    }


def read(path: Path) -> Published:
    """Return the network in a published file."""
    whole = face_tensors.read(path, inside=NETWORK, beside=BESIDE)
    try:
        config = config_of({name: tuple(value.shape) for name, value in whole.tensors.items()})
    except STRANGE as error:
        raise CheckpointError(
            f"{path} holds no LipaintNet that phiz knows ({shown(str(error))}). Give LipaintNet.pt."
        ) from error
    network = face_tensors.filled(LipaintNet, config, whole.tensors, what=f"the LipaintNet in {path.name}")
    return Published(network=network, tensors=len(whole.tensors), skipped=whole.rest)


def config_of(shapes: Shapes) -> LipaintConfig:
    """Return the sizes of the network that has tensors of these names and shapes."""
    hidden, inputs = shapes["fc1.weight"]
    w_size = shapes["fc4.weight"][0]
    return replace(lipaint_network.PUBLISHED, w_size=w_size, expression=inputs - w_size, hidden=hidden)
