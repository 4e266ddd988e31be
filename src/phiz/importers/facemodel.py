"""The Basel Face Model of 2009 as a file of ours, from the published ``.mat`` or from what that was made of.

The published file is made of the model as the University of Basel gives it away (``01_MorphableModel.mat``),
of the expressions of Guo et al. (``Exp_Pca.bin``, ``std_exp.txt``) and of lists of vertices that come with
the published reconstruction. With all of them in one folder, it is made here, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from phiz import checkpoint
from phiz.console import Console
from phiz.errors import HeadError, UsageError
from phiz.face import bfm, bfm_file, matfile
from phiz.face.bfm import SPLIT
from phiz.face.matfile import Array
from phiz.options import option, positional

MODEL, FRONT, TRIMMED, FACTS = (
    "01_MorphableModel.mat",
    "BFM_front_idx.mat",
    "BFM_exp_idx.mat",
    "facemodel_info.mat",
)
EXPRESSIONS, SPREADS = "Exp_Pca.bin", "std_exp.txt"
PARTS = (MODEL, FRONT, TRIMMED, FACTS, EXPRESSIONS, SPREADS)
UNIT = 1e5
"""The model counts in micrometres; the published file in decimetres."""
TERMS = (
    "The Basel Face Model is under the terms of the University of Basel, who gives it to those who ask: no "
    "commerce, and no passing on."
)

Doubles = npt.NDArray[np.float64]
Places = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class FacemodelImportConfig:
    """Which face model to convert, and where to."""

    file: Path = positional()
    """The published BFM_model_front.mat or BFM09_model_info.mat, or a folder with what they are made of."""
    output: Path = option(Path("bfm.safetensors"), "-o", "--output")
    """The file to write."""


def import_facemodel(config: FacemodelImportConfig, console: Console) -> Mapping[str, object]:
    """Convert the Basel Face Model, as published or as its makers give it away.

    Examples:
        phiz import facemodel BFM_model_front.mat -o bfm.safetensors
        phiz import facemodel BFM/ -o bfm.safetensors
    """
    output = config.output if config.output.suffix else config.output.with_suffix(checkpoint.SUFFIX)
    if config.file.resolve() == output.resolve():
        raise UsageError(f"{config.file} would be written over. Name another file with -o.")
    arrays, skipped = read(config.file)
    about: dict[str, object] = {"imported from": config.file.name, "licence": TERMS}
    if config.file.is_file():
        about["sha256"] = checkpoint.digest(config.file)
    bfm_file.save(output, arrays, about=about)
    model = bfm_file.load(output)
    console.say(
        f"{config.file.name}: {len(model.mean)} vertices, {len(model.triangles)} triangles; identity, "
        f"expression and texture have {SPLIT[0]}, {SPLIT[1]} and {SPLIT[2]} modes."
    )
    if skipped:
        console.say(f"Not needed, and left out: {', '.join(skipped)}.")
    console.say(f"{TERMS} Wrote {output}.")
    return {
        "output": str(output),
        "vertices": len(model.mean),
        "triangles": len(model.triangles),
        "skipped": list(skipped),
    }


def read(path: Path) -> tuple[dict[str, Array], tuple[str, ...]]:
    """Return the arrays of a face model under their published names, and those that are not needed."""
    if path.is_dir():
        return _made(path)
    arrays = matfile.read(path)
    found = bfm_file.checked(arrays, path)
    bfm.read(path)  # its sizes fit together
    return found, tuple(sorted(arrays.keys() - found.keys()))


def _made(folder: Path) -> tuple[dict[str, Array], tuple[str, ...]]:
    """Return the arrays of the published file, made as that was."""
    if missing := [name for name in PARTS if not (folder / name).is_file()]:
        raise HeadError(f"{folder} lacks {', '.join(missing)}. docs/heads.md says where they come from.")
    model, facts = matfile.read(folder / MODEL), matfile.read(folder / FACTS)
    front = _places(folder / FRONT, "idx")
    trimmed = _places(folder / TRIMMED, "trimIndex")
    try:
        arrays = _front(model, front, trimmed, folder)
        arrays |= {name: facts[name] for name in ("skinmask", *bfm_file.INDICES)}
        bfm.Bfm(arrays)
    except KeyError as error:
        raise HeadError(f"the files in {folder} lack {error}. Get them again.") from None
    except (IndexError, RuntimeError, ValueError) as error:
        raise HeadError(f"the files in {folder} do not belong together ({error}). Get them again.") from None
    return arrays, (f"all but the first modes of {MODEL} and {EXPRESSIONS}", *bfm_file.REBUILT)


def _front(model: Mapping[str, Array], front: Places, trimmed: Places, folder: Path) -> dict[str, Array]:
    """Return mean and modes of the face's vertices: `front` counts within `trimmed`, that in the model."""
    places = trimmed[front]
    identities, expressions, textures = SPLIT[:3]
    shapes = _modes(model["shapePC"], model["shapeEV"], identities)
    colours = _modes(model["texPC"], model["texEV"], textures)
    moved = _modes(_components(folder / EXPRESSIONS, len(trimmed)), _spreads(folder / SPREADS), expressions)
    return {
        "meanshape": _rows(model["shapeMU"].astype(np.float64), places).reshape(1, -1) / UNIT,
        "idBase": _rows(shapes, places) / UNIT,
        "exBase": _rows(moved, front) / UNIT,
        "meantex": _rows(model["texMU"].astype(np.float64), places).reshape(1, -1),
        "texBase": _rows(colours, places),
    }


def _modes(components: Array, spreads: Array, count: int) -> Doubles:
    """Return the first modes, each as long as one standard deviation."""
    return components[:, :count].astype(np.float64) * spreads.reshape(-1)[:count].astype(np.float64)


def _rows(values: Doubles, places: Places) -> Doubles:
    """Return the rows of some vertices, three each."""
    return values.reshape(-1, 3, values.shape[1])[places].reshape(-1, values.shape[1])


def _places(path: Path, name: str) -> Places:
    """Return a list of vertices that counts from zero; the files count from one."""
    arrays = matfile.read(path)
    if name not in arrays or not arrays[name].size or arrays[name].astype(np.int64).min() < 1:
        raise HeadError(f"{path} holds no list {name!r} of vertices. Get it again.")
    return arrays[name].astype(np.int64).reshape(-1) - 1


def _components(path: Path, vertices: int) -> Doubles:
    """Return the modes of expression; the file holds their number, their mean, and one after the other."""
    data = path.read_bytes()
    count = int.from_bytes(data[:4], "little", signed=True)
    if count < 1 or len(data) != 4 + 4 * 3 * vertices * (count + 1):
        raise HeadError(f"{path} does not hold expressions of {vertices} vertices. Get it again.")
    numbers = np.frombuffer(data, "<f4", offset=4).reshape(count + 1, 3 * vertices)
    modes: Doubles = numbers[1:].T.astype(np.float64)
    return modes


def _spreads(path: Path) -> Doubles:
    try:
        return np.array(path.read_text(encoding="ascii").split(), np.float64)
    except ValueError as error:
        raise HeadError(f"{path} should hold numbers ({error}). Get it again.") from error
