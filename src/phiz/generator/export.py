"""A generator as a file that runs without phiz: ``.onnx`` for anything, ``.pt2`` for torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from phiz import exporting
from phiz.console import Console
from phiz.errors import MissingError, UsageError
from phiz.generator import onnx_files, program_files, programs, store
from phiz.generator.generator import Generator
from phiz.generator.program_files import Loaded
from phiz.generator.programs import CAMERA, Code, Program
from phiz.options import option, positional

BUILT_IN = "built-in"
OURS = "MIT, that of phiz"
UNTOLD = "that of whoever made the weights; their file does not say"
FAR_APART = 1e-3
"""A mean difference from phiz's own answer that deserves a warning."""


class Apart(NamedTuple):
    """How far a file's answers are from those of phiz."""

    largest: float
    """A single ray may differ more than all others: rounding decides at the ends of what it met."""
    mean: float


@dataclass(frozen=True, kw_only=True)
class ExportConfig:
    """Which generator to export, and as what."""

    network: str = positional(BUILT_IN)
    """A generator's weights, or the built-in ones."""
    output: Path = option(Path("head.onnx"), "-o", "--output")
    """The file to write, .onnx or .pt2. Of two programs each puts its name in: head.draw.onnx."""
    whole: bool = False
    """One program from code and camera to picture, instead of one a person and one a picture."""
    seed: int | None = None
    """A program of this person alone: all that it takes is a camera."""
    psi: float = 0.7
    """How far that person may be from the mean one: 0 is the mean, 1 anybody."""
    code: Code = "styles"
    """What stands for a person: the styles of all layers, or z (then psi is told to the program as well)."""
    views: int = 1
    """Cameras that one call draws from."""

    def __post_init__(self) -> None:
        if self.whole and self.seed is not None:
            raise ValueError("--seed builds a person in, --whole leaves them open; give one of them")
        if self.seed is not None and self.seed < 0:
            raise ValueError("--seed must not be negative")
        if self.views < 1:
            raise ValueError(f"--views {self.views} cannot be; it has to be at least 1")


def export_verb(config: ExportConfig, console: Console) -> Mapping[str, object]:
    """Export a generator to ONNX or torch.export, to draw heads without phiz.

    Two programs come out: 'prepare' makes a person of a code, once, and 'draw' draws them from any
    camera. Each file says inside what its tensors mean.

    Examples:
        phiz export generator -o head.onnx
        phiz export generator --seed 7 -o person.pt2
        phiz export generator network.safetensors --whole -o head.onnx
    """
    path = None if config.network == BUILT_IN else Path(config.network).expanduser()
    if ending(config.output) == "onnx":  # before the work, not after
        exporting.check_packages()
    generator, told = store.load(path), store.about(path)
    licence = str(told.get("licence", OURS if path is None else UNTOLD))
    files = []
    for file, program in chosen(generator, config):
        about = program_files.describe(program, generator.config, licence=licence, told=told)
        files.append(write(file, program, about))
        tell(files[-1], console)
    console.say(f"The licence of the weights: {licence}.")
    return {"files": files, "licence": licence}


def chosen(generator: Generator, config: ExportConfig) -> list[tuple[Path, Program]]:
    """Return the programs that are asked for, and where each is to be written."""
    if config.whole:
        return [(config.output, programs.whole(generator, code=config.code, views=config.views))]
    if config.seed is not None:
        return [(config.output, person(generator, config.seed, config.psi, config.views))]
    both = programs.split(generator, code=config.code, views=config.views)
    return [(config.output.with_suffix(f".{each.name}{config.output.suffix}"), each) for each in both]


@torch.no_grad()
def person(generator: Generator, seed: int, psi: float, views: int = 1) -> Program:
    """Return the program of whom a seed stands for, before the background in the middle."""
    if generator.config.labels:
        raise UsageError("this generator draws nobody without a label. Leave out --seed.")
    z = torch.randn(1, generator.config.z_size, generator=torch.Generator().manual_seed(seed))
    styles = generator.styles(z.to(generator.mapping.average), psi=psi)
    return programs.of_person(generator, generator.prepare(styles), views=views)


def write(path: Path, program: Program, about: Mapping[str, object]) -> dict[str, object]:
    """Write a program and run what was written; return what became of it."""
    if ending(path) == "onnx":
        onnx_files.write_onnx(path, program, about)
    else:
        program_files.write_pt2(path, program, about)
    apart = check(path, program)
    return {
        "file": str(path),
        "program": program.name,
        "bytes": path.stat().st_size,
        "apart": None if apart is None else apart._asdict(),
    }


def check(path: Path, program: Program) -> Apart | None:
    """Return how far a file's answers are from phiz's own; None where nothing can run it."""
    try:
        return difference(load(path), program)
    except MissingError:
        return None  # whoever writes ONNX need not be able to run it


def load(path: Path) -> Loaded:
    """Return an exported program, ready to run; `onnxruntime` runs the ``.onnx`` ones."""
    return onnx_files.load_onnx(path) if ending(path) == "onnx" else program_files.load_pt2(path)


@torch.no_grad()
def difference(loaded: Loaded, program: Program) -> Apart:
    """Return how far a file's answers are from those of phiz, seen from other cameras.

    Depths count as much as the head covers. The mean is that of the tensor that is furthest off.
    """
    tensors = dict(program.inputs)
    if CAMERA[0] in tensors:
        tensors[CAMERA[0]] = _aside(tensors[CAMERA[0]])
    ours, theirs = program.module(**tensors), loaded(**tensors)
    if "depth" in ours:
        covered = ours["opacity"]
        ours["depth"], theirs["depth"] = ours["depth"] * covered, theirs["depth"] * covered
    off = [(ours[name] - theirs[name]).abs() for name in ours]
    return Apart(max(float(each.max()) for each in off), max(float(each.mean()) for each in off))


def tell(entry: Mapping[str, Any], console: Console) -> None:
    """Say what became of a program; warn if it became another one."""
    apart = entry["apart"]
    found = (
        "not run, as onnxruntime is not there"
        if apart is None
        else f"{apart['mean']:.0e} from phiz in the mean, {apart['largest']:.0e} at most"
    )
    console.say(f"{entry['file']}: program {entry['program']!r}, {entry['bytes'] / 1e6:.1f} MB, {found}")
    if apart is not None and not apart["mean"] < FAR_APART:
        console.warn(f"{entry['file']} draws otherwise than phiz does. Look at its pictures first.")


def ending(path: Path) -> str:
    """Return what kind of file a name stands for, or say that it is none."""
    found = path.suffix.lower().removeprefix(".")
    if found not in ("onnx", "pt2"):
        raise UsageError(f"{path} ends in neither .onnx nor .pt2. Rename it.")
    return found


def _aside(world_from_camera: Tensor) -> Tensor:
    """Return cameras moved a little to their right, and on."""
    moved = world_from_camera.clone()
    moved[:, :3, 3] += 0.02 * moved[:, :3, 0] - 0.01 * moved[:, :3, 2]
    return moved
