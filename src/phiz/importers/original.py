"""A folder of published weights as one studio folder: what each file is, and what one lacks without it.

The folder is laid out as the published `pretrained_networks/`. Each file goes through the importer for its
kind; nothing in any of them is run. What was done stands in `manifest.json`, with digests of both sides, so
that a second call does only what is new, was changed or went wrong.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from phiz import checkpoint
from phiz.checkpoint import SUFFIX
from phiz.console import Console
from phiz.errors import CheckpointError, PhizError, UsageError
from phiz.importers import facemodel, import_verb
from phiz.importers.bisenet import BisenetImportConfig, import_bisenet
from phiz.importers.deep3d import Deep3dImportConfig, import_deep3d
from phiz.importers.facemodel import FacemodelImportConfig, import_facemodel
from phiz.importers.import_verb import import_stylenerf
from phiz.importers.lipaintnet import LipaintnetImportConfig, import_lipaintnet
from phiz.importers.sadtalker import SadtalkerImportConfig, import_sadtalker
from phiz.options import option, positional

FOLDER = "pretrained_networks"
"""How the published folder is called, for whoever names the one that it is in."""
MANIFEST = "manifest.json"
FORMAT = 1
TALKER = "sad_talker_pretrained/SadTalker_V0.0.2_256.safetensors"
HEAD_MODEL = "facemodel"

Importer = Callable[[Path, Path, Console], object]
"""Reads a published file, or a folder of parts, and writes into a studio folder."""


@dataclass(frozen=True, kw_only=True)
class Piece:
    """One part of a studio, and where the published folder has it."""

    name: str
    """What its file in the studio is called."""
    places: tuple[str, ...]
    """Where it may lie, the usual place first."""
    lack: str
    """What one cannot do without it."""
    run: Importer
    others: tuple[str, ...] = ()
    """What else the importer writes, if it is in the file."""


@dataclass(frozen=True, kw_only=True)
class Done:
    """What became of one part."""

    source: str
    """Where it was found in the published folder."""
    sha256: str
    """Of that; of all its parts where it was a folder."""
    files: Mapping[str, str]
    """What was written, with the digest of each."""


@dataclass(frozen=True, kw_only=True)
class OriginalImportConfig:
    """Which published folder to convert, and where to."""

    folder: Path = positional()
    """A folder laid out as the published pretrained_networks, or one that has it inside."""
    output: Path = option(Path("studio"), "-o", "--output")
    """The studio folder to write."""


def import_original(config: OriginalImportConfig, console: Console) -> Mapping[str, object]:
    """Convert a folder of all published weights into a studio folder.

    What is missing is named, with what one cannot do without it; a file that cannot be read is told at the
    end and stops nothing. Call it again after adding files: what is done already is left alone.

    Examples:
        phiz import original pretrained_networks -o studio
    """
    folder = _published_folder(config.folder)
    found = {piece.name: place for piece in PIECES if (place := find(piece, folder)) is not None}
    if not found:
        raise UsageError(
            f"{folder} holds none of the published files, such as {PIECES[0].places[0]} or "
            f"{PIECES[1].places[0]}. Name the folder that does."
        )
    before, done, failed = read_manifest(config.output), dict[str, Done](), dict[str, str]()
    for piece in PIECES:
        if piece.name not in found:
            continue
        console.say(f"{piece.name}: {found[piece.name].relative_to(folder)}")
        try:
            done[piece.name] = _one(piece, found[piece.name], folder, config.output, before, console)
        except PhizError as error:
            failed[piece.name] = str(error)
            console.warn(f"{piece.name}: {error}")
        _write_manifest(config.output, {**before, **done})
    missing = {
        piece.name: piece.lack for piece in PIECES if piece.name not in found and piece.name not in before
    }
    for name, lack in missing.items():
        console.warn(f"{name} is missing ({places_of(name)}): {lack}.")
    console.say(f"{len({**before, **done})} of {len(PIECES)} parts are in {config.output}.")
    told: dict[str, object] = {
        "output": str(config.output),
        "done": {name: asdict(part) for name, part in done.items()},
        "missing": missing,
        "failed": failed,
    }
    return told | ({"exit_code": CheckpointError.exit_code} if failed else {})


def find(piece: Piece, folder: Path) -> Path | None:
    """Return where a published folder has a part, nothing where it has it not."""
    for place in (folder / name for name in piece.places):
        if place.is_file() or (place.is_dir() and (place / facemodel.MODEL).is_file()):
            return place
    return None


def places_of(name: str) -> str:
    """Return where a part is expected, in words."""
    return " or ".join(next(piece.places for piece in PIECES if piece.name == name))


def read_manifest(output: Path) -> dict[str, Done]:
    """Return what was done in a studio folder before; nothing where there is no manifest."""
    path = output / MANIFEST
    if not path.exists():
        return {}
    try:
        whole = json.loads(path.read_text(encoding="utf-8"))
        if int(whole["format"]) > FORMAT:
            raise CheckpointError(
                f"{path} was written by a newer phiz. Install that, or name another folder."
            )
        return {name: Done(**part) for name, part in whole["parts"].items()}
    except (OSError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise CheckpointError(
            f"{path} cannot be read ({error}). Move it away; everything is imported anew then."
        ) from error


def _published_folder(folder: Path) -> Path:
    if not folder.is_dir():
        raise UsageError(f"{folder} is no folder. Name the folder that holds {PIECES[0].places[0]}.")
    inner = folder / FOLDER
    return inner if inner.is_dir() else folder


def _one(
    piece: Piece, source: Path, folder: Path, output: Path, before: Mapping[str, Done], console: Console
) -> Done:
    """Import one part, unless that is done."""
    digest = _digest(source)
    last = before.get(piece.name)
    if last is not None and last.sha256 == digest and _is_whole(last, output):
        console.say("  is there already.")
        return last
    output.mkdir(parents=True, exist_ok=True)
    piece.run(source, output, console)
    names = [f"{name}{SUFFIX}" for name in (piece.name, *piece.others)]
    files = {name: checkpoint.digest(output / name) for name in names if (output / name).is_file()}
    if f"{piece.name}{SUFFIX}" not in files:
        raise CheckpointError(f"{source} holds no {piece.name}. Give the published file.")
    return Done(source=source.relative_to(folder).as_posix(), sha256=digest, files=files)


def _digest(source: Path) -> str:
    """Return the digest of a file; of a folder, that of the digests of its parts."""
    if source.is_file():
        return checkpoint.digest(source)
    parts = [source / name for name in facemodel.PARTS]
    each = "".join(checkpoint.digest(part) for part in parts if part.is_file())
    return hashlib.sha256(each.encode()).hexdigest()


def _is_whole(done: Done, output: Path) -> bool:
    return all(
        (output / name).is_file() and checkpoint.digest(output / name) == digest
        for name, digest in done.files.items()
    )


def _write_manifest(output: Path, parts: Mapping[str, Done]) -> None:
    order: Sequence[str] = [piece.name for piece in PIECES if piece.name in parts]
    whole: dict[str, Any] = {"format": FORMAT, "parts": {name: asdict(parts[name]) for name in order}}
    with checkpoint.atomic(output / MANIFEST) as path:
        path.write_text(json.dumps(whole, indent=2) + "\n", encoding="utf-8")


def _to(output: Path, name: str) -> Path:
    return output / f"{name}{SUFFIX}"


PIECES: tuple[Piece, ...] = (
    Piece(
        name="generator",
        places=("ffhq_1024.pkl", "ffhq_512.pkl", "ffhq_256.pkl"),
        lack="nobody can be drawn by the published generator; the built-in one draws 256 pixels",
        run=lambda file, output, console: import_stylenerf(
            import_verb.ImportConfig(file=file, output=_to(output, "generator")), console
        ),
        others=("generator-raw", "generator-discriminator"),
    ),
    Piece(
        name="parser",
        places=("seg.pth",),
        lack="hair and torso cannot be held still, nor the mouth found, as published; the built-in parser "
        "stands in",
        run=lambda file, output, console: import_bisenet(
            BisenetImportConfig(file=file, output=_to(output, "parser")), console
        ),
    ),
    Piece(
        name="lipaint",
        places=("LipaintNet.pt",),
        lack="open mouths show nothing inside with the published method",
        run=lambda file, output, console: import_lipaintnet(
            LipaintnetImportConfig(file=file, output=_to(output, "lipaint")), console
        ),
    ),
    Piece(
        name="speech_expression",
        places=(TALKER,),
        lack="speech cannot be made into expressions of the published head model",
        run=lambda file, output, console: import_sadtalker(
            SadtalkerImportConfig(file=file, output=output), console
        ),
        others=("speech_pose",),
    ),
    Piece(
        name="regressor",
        places=("Deep3DFaceRecon_pytorch/face_recon/epoch_20.pth", TALKER),
        lack="the pose of a photo and of driving frames cannot be told as published",
        run=lambda file, output, console: import_deep3d(
            Deep3dImportConfig(file=file, output=_to(output, "regressor")), console
        ),
    ),
    Piece(
        name=HEAD_MODEL,
        places=(
            "BFM/BFM_model_front.mat",
            "BFM_for_3DMM-Fitting-Pytorch/BFM/BFM09_model_info.mat",
            "BFM",
        ),
        lack="the published networks speak of the Basel Face Model: without it neither the published fit nor "
        "the published rig is possible (its makers give it to those who ask; docs/heads.md)",
        run=lambda file, output, console: import_facemodel(
            FacemodelImportConfig(file=file, output=_to(output, HEAD_MODEL)), console
        ),
    ),
)
