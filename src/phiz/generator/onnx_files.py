"""Programs as ``.onnx`` files, for whatever runs those: a phone, a browser, a program without Python."""

from __future__ import annotations

import itertools
import operator
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from phiz import exporting
from phiz.generator.program_files import Loaded, traced
from phiz.generator.programs import Program, Tensors


def running_product(x: Float[Tensor, "*b"], axis: int) -> Float[Tensor, "*b"]:
    """Return `torch.cumprod` in steps that ONNX knows."""
    return torch.stack(list(itertools.accumulate(x.unbind(axis), operator.mul)), axis)


def places_in(
    ascending: Float[Tensor, "*b e"], values: Float[Tensor, "*b n"], **rest: Any
) -> Int[Tensor, "*b n"]:
    """Return `torch.searchsorted` by comparing all with all; rows are short."""
    assert not any(rest.values())
    return (ascending[..., None, :] < values[..., None]).sum(-1)


PORTABLE: Mapping[Any, Callable[..., Tensor]] = {
    torch.ops.aten.cumprod.default: running_product,
    torch.ops.aten.searchsorted.Tensor: places_in,
}
"""What stands in for operations that ONNX has no word for."""


def write_onnx(path: Path, program: Program, about: Mapping[str, Any]) -> None:
    """Write a program in its portable form, checked by ONNX's own checker."""
    exporting.check_packages()
    with torch.no_grad(), exporting.quiet():
        made = torch.onnx.export(
            traced(program).run_decompositions(dict(PORTABLE)),
            (),
            input_names=list(program.inputs),
            output_names=list(program.outputs),
            dynamo=True,
            verbose=False,
        )
    meanings = {
        name: entry["meaning"] for part in ("inputs", "outputs") for name, entry in about[part].items()
    }
    exporting.write(path, made, about, meanings)


def load_onnx(path: Path) -> Loaded:
    """Return a program from its file, run by onnxruntime on the processor."""
    session = exporting.opened(path)
    about = exporting.told(session, path)

    def run(tensors: Tensors) -> dict[str, Tensor]:
        found = session.run(None, {name: value.detach().cpu().numpy() for name, value in tensors.items()})
        return dict(zip(about["outputs"], map(torch.from_numpy, found), strict=True))

    return Loaded(about=about, run=run)
