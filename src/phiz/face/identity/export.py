"""A recogniser as an ``.onnx`` file, for whatever runs those: a phone, a browser, a program elsewhere."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

import phiz
from phiz import exporting
from phiz.console import Console
from phiz.errors import UsageError
from phiz.face.identity import store
from phiz.face.identity.config import to_plain
from phiz.face.identity.networks import Recogniser, unit
from phiz.options import option, positional

BUILT_IN = "built-in"
SUFFIX = ".onnx"
INPUT, OUTPUT = "crops", "embedding"
TRIED = 3
"""Crops on which a file is compared with the network that it was made of."""
FAR_APART = 1e-4
"""A share of an embedding's length by which a file may differ without a warning."""


@dataclass(frozen=True, kw_only=True)
class RecogniserExportConfig:
    """Which recogniser to export, and as what."""

    network: str = positional(BUILT_IN)
    """A recogniser's file, or the built-in one."""
    output: Path = option(Path("identity.onnx"), "-o", "--output")
    """The file to write."""
    unit: bool = False
    """Make embeddings of length one; without it, the length says how clear a face is."""

    def __post_init__(self) -> None:
        if self.output.suffix != SUFFIX:
            raise ValueError(f"a recogniser is exported as {SUFFIX}, not as {self.output.name!r}")


class Program(nn.Module):
    """What is exported: from crops to embeddings, of length one if asked for."""

    def __init__(self, network: Recogniser, *, is_unit: bool) -> None:
        super().__init__()
        self.network, self.is_unit = network, is_unit

    def forward(self, crops: Float[Tensor, "b 3 s s"]) -> Float[Tensor, "b e"]:
        """Return the embeddings of crops."""
        found: Tensor = self.network(crops)
        return unit(found) if self.is_unit else found


def export_recogniser(config: RecogniserExportConfig, console: Console) -> Mapping[str, object]:
    """Write a recogniser as ONNX, and compare it with what it was made of.

    Examples:
        phiz export recogniser -o identity.onnx
        phiz export recogniser r50.safetensors -o r50.onnx --unit
    """
    path = None if config.network == BUILT_IN else Path(config.network)
    if path is not None and path.resolve() == config.output.resolve():
        raise UsageError(f"{path} would be written over. Name another file with -o.")
    exporting.check_packages()
    network = store.load(path)
    program = Program(network, is_unit=config.unit).eval()
    write_onnx(config.output, program, {**store.about(path), "made by": f"phiz {phiz.__version__}"})
    shape = network.config
    console.say(
        f"Wrote {config.output}: {INPUT} (any number, 3, {shape.size}, {shape.size}), RGB in -1 to 1, to "
        f"{OUTPUT} (as many, {shape.embedding})."
    )
    apart = compare(config.output, program) if importlib.util.find_spec("onnxruntime") else None
    if apart is None:
        console.warn(
            "without onnxruntime nobody has compared it with the network. Get that with: "
            "pip install 'phiz[export]'"
        )
    elif apart > FAR_APART:
        console.warn(f"its embeddings differ from those of phiz by a share of {apart:.1e} of their length.")
    else:
        console.say(f"onnxruntime's embeddings differ from those of phiz by a share of {apart:.1e}.")
    return {"output": str(config.output), "apart": apart, "bytes": config.output.stat().st_size}


def write_onnx(path: Path, program: Program, about: Mapping[str, Any]) -> None:
    """Write a recogniser with any number of crops a call, checked by ONNX's own checker."""
    exporting.check_packages()
    size = program.network.config.size
    with torch.no_grad(), exporting.quiet():
        made = torch.onnx.export(
            program,
            (torch.zeros(2, 3, size, size),),
            input_names=[INPUT],
            output_names=[OUTPUT],
            dynamic_shapes={INPUT: {0: torch.export.Dim("batch")}},
            dynamo=True,
            verbose=False,
        )
    told = {"network": to_plain(program.network.config), "unit": program.is_unit, "about": dict(about)}
    exporting.write(path, made, told)


@torch.no_grad()
def compare(path: Path, program: Program) -> float:
    """Return by how much a file's embeddings differ from the network's, as a share of their length."""
    size = program.network.config.size
    crops = torch.rand(TRIED, 3, size, size, generator=torch.Generator().manual_seed(0)) * 2 - 1
    (found,) = exporting.opened(path).run(None, {INPUT: crops.numpy()})
    expected = program(crops)
    return float((torch.from_numpy(found) - expected).norm() / expected.norm())
