"""SadTalker's published speech networks as ours: what a voice does to the face, and to the head.

They come in one collected file (``SadTalker_V0.0.2_256.safetensors``), each behind a prefix, or each in a
file of its own (``auido2exp_00300-model.pth``, ``auido2pose_00140-model.pth``), beside the state of its
trainer. The face reconstruction in the collected file is imported by ``phiz import deep3d``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple, TypeVar

from phiz import checkpoint
from phiz.console import Console
from phiz.errors import CheckpointError, UsageError
from phiz.face.bfm import SPLIT
from phiz.importers import face_tensors
from phiz.importers.face_tensors import STRANGE, Found, Shapes
from phiz.importers.steps import shown
from phiz.options import option, positional
from phiz.speech import expression, files
from phiz.speech.encoder import STEPS, Widths
from phiz.speech.expression import ExpressionConfig, ExpressionNet
from phiz.speech.pose_network import DEGREES, PoseConfig, PoseNet

NETWORK, BESIDE = "model", r"optimizer|epoch"
"""Where a trainer's file keeps the network, and what else is in it."""
EXPRESSION, POSE, FACE = "audio2exp.", "audio2pose.", "face_3drecon."
OTHERS = ("kp_extractor.", "generator.", FACE, "he_estimator.", "mapping.")
"""What stands in front of names in the collected file: these networks, and the others."""
SPEAKS, TURNS = "mapping1.weight", "netG.decoder.pose_linear.weight"
"""Tensors that only the one network has, and only the other."""
TERMS = (
    "SadTalker is under the Apache licence 2.0. Its expressions are those of the Basel Face Model, which is "
    "under terms of its own; audio2pose holds the audio encoder of Wav2Lip, which is for research only."
)

C = TypeVar("C")


class Published(NamedTuple):
    """What is in a published file."""

    expression: ExpressionNet | None
    pose: PoseNet | None
    tensors: Mapping[str, int]
    """How many tensors each network had."""
    skipped: tuple[str, ...]
    """What else is in the file and is not needed."""


@dataclass(frozen=True, kw_only=True)
class SadtalkerImportConfig:
    """Which published file to convert, and where to."""

    file: Path = positional()
    """The published SadTalker_V0.0.2_256.safetensors, or one of the older .pth files."""
    output: Path = option(Path(), "-o", "--output")
    """Folder to write speech_expression.safetensors and speech_pose.safetensors to."""


def import_sadtalker(config: SadtalkerImportConfig, console: Console) -> Mapping[str, object]:
    """Convert SadTalker's speech networks without running anything in their file.

    Examples:
        phiz import sadtalker SadTalker_V0.0.2_256.safetensors -o sadtalker
        phiz import sadtalker auido2exp_00300-model.pth -o sadtalker
    """
    outputs = {
        kind: config.output / f"{kind.name}{checkpoint.SUFFIX}" for kind in (files.EXPRESSION, files.POSE)
    }
    if config.file.resolve() in {path.resolve() for path in outputs.values()}:
        raise UsageError(f"{config.file} would be written over. Name another folder with -o.")
    found = read(config.file)
    digest = checkpoint.digest(config.file)
    about = {"imported from": config.file.name, "sha256": digest, "licence": TERMS}
    written = {}
    if found.expression is not None:
        files.save(outputs[files.EXPRESSION], files.EXPRESSION, found.expression, about=about)
        written["expression"] = str(outputs[files.EXPRESSION])
    if found.pose is not None:
        files.save(outputs[files.POSE], files.POSE, found.pose, about=about)
        written["pose"] = str(outputs[files.POSE])
    counts = " and ".join(f"{count} tensors of {name}" for name, count in found.tensors.items())
    console.say(f"{config.file.name}: all of {counts} are accounted for.")
    if found.skipped:
        console.say(f"Not needed, and left out: {', '.join(found.skipped)}.")
    if any(name.startswith(FACE) for name in found.skipped):
        console.say(f"The face reconstruction, {FACE}*, is imported by: phiz import deep3d {config.file}")
    console.say(f"{TERMS} Wrote {' and '.join(written.values())}.")
    return {
        "output": written,
        "tensors": dict(found.tensors),
        "skipped": list(found.skipped),
        "sha256": digest,
    }


def read(path: Path) -> Published:
    """Return the networks in a published file; every tensor in it is accounted for."""
    heard = _found(path, EXPRESSION)
    # A file without prefixes, or without the first network, comes back whole.
    is_pose_behind = any(name.startswith(POSE) for name in (*heard.rest, *heard.tensors))
    turned = _found(path, POSE) if is_pose_behind else heard
    speaks, turns = SPEAKS in heard.tensors, TURNS in turned.tensors
    if not speaks and not turns:
        raise CheckpointError(
            f"{path} holds neither audio2exp nor audio2pose. Give SadTalker_V0.0.2_256.safetensors, or one "
            "of the older files auido2exp_00300-model.pth and auido2pose_00140-model.pth."
        )
    tensors: dict[str, int] = {}
    made_expression, made_pose = None, None
    if speaks:
        what, tensors["audio2exp"] = f"audio2exp in {path.name}", len(heard.tensors)
        sizes = _sizes(expression_config, heard, what)
        made_expression = face_tensors.filled(ExpressionNet, sizes, heard.tensors, what=what)
    if turns:
        what, tensors["audio2pose"] = f"audio2pose in {path.name}", len(turned.tensors)
        made_pose = face_tensors.filled(PoseNet, _sizes(pose_config, turned, what), turned.tensors, what=what)
    rest = {*heard.rest, *turned.rest}
    skipped = tuple(sorted(name for name in rest if not name.startswith((EXPRESSION, POSE))))
    return Published(expression=made_expression, pose=made_pose, tensors=tensors, skipped=skipped)


def expression_config(shapes: Shapes) -> ExpressionConfig:
    """Return the sizes of the expression network that has tensors of these names and shapes."""
    expressions = shapes[SPEAKS][0]
    if expressions != SPLIT[1]:
        raise ValueError(f"it tells {expressions} expressions, not the {SPLIT[1]} of the Basel model")
    return replace(expression.PUBLISHED, widths=_widths(shapes, "audio_encoder"))


def pose_config(shapes: Shapes) -> PoseConfig:
    """Return the sizes of the pose networks that have tensors of these names and shapes."""
    coder, decoder = "netG.encoder", "netG.decoder"
    styles, latent = shapes[f"{decoder}.classbias"]
    spread = shapes[f"{decoder}.MLP.L0.weight"][0], shapes[f"{decoder}.MLP.L1.weight"][0]
    layers = ("input_layer.0", "residual_conv_1.conv_block.2", "residual_conv_2.conv_block.2")
    filters = [shapes[f"{decoder}.resunet.{name}.weight"][0] for name in (*layers, "bridge.conv_block.2")]
    judges = [name for name in shapes if re.fullmatch(r"netD_motion\.seq\.\d+\.conv\.weight", name)]
    return PoseConfig(
        frames=spread[1] // DEGREES,
        latent=latent,
        styles=styles,
        sound=shapes[f"{decoder}.linear_audio.weight"][0],
        squeezed=(spread[1], shapes[f"{coder}.MLP.L0.weight"][0]),
        spread=spread,
        filters=(filters[0], filters[1], filters[2], filters[3]),
        judge=tuple(shapes[name][0] for name in sorted(judges)),
        widths=_widths(shapes, "audio_encoder.audio_encoder"),
    )


def _found(path: Path, prefix: str) -> Found:
    others = tuple(name for name in (EXPRESSION, POSE, *OTHERS) if name != prefix)
    return face_tensors.read(path, inside=NETWORK, beside=BESIDE, prefix=prefix, others=others)


def _widths(shapes: Shapes, prefix: str) -> Widths:
    first = {step.width: number for number, step in reversed(list(enumerate(STEPS)))}
    return tuple(shapes[f"{prefix}.{first[k]}.conv_block.0.weight"][0] for k in sorted(first))


def _sizes(config_of: Callable[[Shapes], C], found: Found, what: str) -> C:
    try:
        return config_of({name: tuple(value.shape) for name, value in found.tensors.items()})
    except STRANGE as error:
        raise CheckpointError(
            f"{what} is no network that phiz knows ({shown(str(error))}). Give the published file."
        ) from error
