"""Programs as ``.pt2`` files of torch.export, each with a description of itself inside."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.export import ExportedProgram

import phiz
from phiz import checkpoint
from phiz.errors import CheckpointError
from phiz.exporting import quiet
from phiz.generator.config import GeneratorConfig
from phiz.generator.programs import MEANINGS, PART, Program, Tensors

DESCRIPTION = "phiz.json"
"""The file in the archive that says what the program is."""
PLAIN_PARTS = ("weight_", "tensor_")
"""How names of tensors begin that an archive holds as plain numbers; torch unpickles the others."""


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """An exported program, ready to run."""

    about: Mapping[str, Any]
    """What the file says about itself: see `describe`."""
    run: Callable[[Tensors], dict[str, Tensor]]

    def __call__(self, **tensors: Tensor) -> dict[str, Tensor]:
        """Return what the program answers to tensors of the names and shapes that it wants."""
        wanted = {name: tuple(entry["shape"]) for name, entry in self.about["inputs"].items()}
        given = {name: tuple(value.shape) for name, value in tensors.items()}
        if wanted != given:
            raise ValueError(f"the program {self.about['program']!r} takes {wanted}, not {given}")
        return self.run({name: tensors[name] for name in wanted})


def describe(
    program: Program, config: GeneratorConfig, *, licence: str, told: Mapping[str, object]
) -> dict[str, Any]:
    """Return what a file says about its program, as plain JSON: all that a stranger needs to run it.

    `told` is what the network's own file says about it.
    """
    return {
        "program": program.name,
        "made by": f"phiz {phiz.__version__}",
        "licence": licence,
        "inputs": _described(program.inputs),
        "outputs": _described(program.outputs),
        "generator": asdict(config),
        "about": dict(told),
    }


def traced(program: Program) -> ExportedProgram:
    """Return a program as a graph of torch's operations; it does not say on which machine it was made."""
    with torch.no_grad(), quiet():
        graph = torch.export.export(program.module, (), dict(program.inputs), strict=False)
    for node in graph.graph.nodes:
        node.meta.pop("stack_trace", None)
    return graph


def write_pt2(path: Path, program: Program, about: Mapping[str, Any]) -> None:
    """Write a program for torch.export.load, or `load`."""
    buffer = io.BytesIO()  # an archive's inner names follow the file's, which is another one at first
    with quiet():
        torch.export.save(traced(program), buffer, extra_files={DESCRIPTION: json.dumps(about)})
    with checkpoint.atomic(path) as temporary:
        temporary.write_bytes(buffer.getvalue())


def load_pt2(path: Path) -> Loaded:
    """Return a program from its file.

    An exported program is a program: run those of people whom you trust. One that would have to be
    unpickled is refused; phiz writes none such.
    """
    about = read_about(path)
    with quiet():
        run = torch.export.load(path).module()
    return Loaded(about=about, run=torch.no_grad()(lambda tensors: run(**tensors)))


def read_about(path: Path) -> dict[str, Any]:
    """Return what a ``.pt2`` file says about its program, without loading it."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            found = [name for name in names if name.endswith(f"/{DESCRIPTION}")]
            if len(found) != 1:
                raise CheckpointError(
                    f"{path} was not exported by phiz. Make one with: phiz export generator"
                )
            tables = [json.loads(archive.read(name)) for name in names if name.endswith("_config.json")]
            about: dict[str, Any] = json.loads(archive.read(found[0]))
    except FileNotFoundError:
        raise CheckpointError(f"there is no file {path}. Check the name, or make it first.") from None
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise CheckpointError(f"{path} is damaged ({error}). Copy or make it anew.") from error
    if any(_is_pickled(part) for table in tables for part in table["config"].values()):
        raise CheckpointError(f"{path} holds pickles, which could run any code. phiz did not write it so.")
    return about


def _described(tensors: Tensors) -> dict[str, dict[str, object]]:
    return {
        name: {"shape": list(value.shape), "meaning": MEANINGS.get(name, PART)}
        for name, value in tensors.items()
    }


def _is_pickled(part: Mapping[str, Any]) -> bool:
    return bool(part["use_pickle"]) or not str(part["path_name"]).startswith(PLAIN_PARTS)
