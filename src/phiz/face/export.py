"""Any head as a file for other programs: glTF (``.glb``), OBJ or PLY.

Lengths become metres, y is up and the face looks towards +z, as in glTF. A ``.glb`` file holds every
expression as a morph target under its name, and a motion if one is given; OBJ and PLY hold one still.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from phiz import checkpoint
from phiz.console import Console
from phiz.errors import UsageError
from phiz.face import gltf, models, modes
from phiz.face.coeffs import FaceCoeffs, Motion, neutral
from phiz.face.head import LOOKS
from phiz.face.morphable import MorphableModel, Part
from phiz.graphics import rotation
from phiz.options import option

BROADEST = 2.2
"""Random identities stay within so many standard deviations."""
SHINY: Mapping[Part, float] = {Part.LEFT_EYE: 0.1, Part.RIGHT_EYE: 0.1, Part.EYE_RIM: 0.2, Part.TONGUE: 0.3}
"""Roughness of wet parts; everything else is as rough as skin."""
LID_NAMES = ("eyeBlinkLeft", "eyeBlinkRight")
FORMATS = ("glb", "obj", "ply")


@dataclass(frozen=True, kw_only=True)
class ExportConfig:
    """Which head to write, and how."""

    output: Path = option(Path("head.glb"), "-o", "--output")
    """The file to write."""
    model: str = models.BUILT_IN
    """The head: built-in, a folder with head.npz, or a file of BFM 2009 (.mat) or FLAME (.npz)."""
    identity_seed: int | None = None
    """Draw a person by chance; without it the mean head is written."""
    motion: Path | None = None
    """A motion of this head, written into the .glb file as an animation."""
    expressions: bool = True
    """Write every expression into the .glb file."""
    format: Literal["auto", "glb", "obj", "ply"] = "auto"
    """The kind of file; auto goes by the ending of its name."""


def export_verb(config: ExportConfig, console: Console) -> Mapping[str, object]:
    """Write a head model for Blender, a game engine or a web page.

    Examples:
        phiz head export -o head.glb
        phiz head export --identity-seed 7 -o person.ply
        phiz head export --model BFM_model_front.mat -o basel.glb
    """
    kind = _format(config)
    if kind != "glb" and config.motion is not None:
        raise UsageError(f"a .{kind} file holds no motion. Write a .glb file, or leave out --motion.")
    model = models.open_model(config.model)
    face = neutral(model.sizes) if config.identity_seed is None else person(model, config.identity_seed)
    motion = None if config.motion is None else Motion.load(config.motion)
    if motion is not None and motion.basis != model.name:
        raise UsageError(
            f"{config.motion} moves {motion.basis!r}, not {model.name!r}. Use: phiz head retarget"
        )
    if motion is not None and motion.gaze.any() and not set(LOOKS) & set(model.expression_names):
        console.warn(f"{model.name} has no expressions that look somewhere; the gaze is left out")
    if kind == "glb":
        write_glb(config.output, model, face, motion=motion, with_expressions=config.expressions)
    elif kind == "obj":
        write_obj(config.output, model, face)
    else:
        write_ply(config.output, model, face)
    size = config.output.stat().st_size
    console.say(f"{config.output}: {model.name}, {len(model.regions)} vertices, {size / 1e6:.1f} MB")
    return {"output": str(config.output), "model": model.name, "vertices": len(model.regions), "bytes": size}


def person(model: MorphableModel, seed: int) -> FaceCoeffs:
    """Return a person by chance: identity and texture from a clipped normal distribution."""
    chance = torch.Generator().manual_seed(seed)
    sizes = model.sizes
    identity = torch.randn(1, sizes.identity, generator=chance).clamp(-BROADEST, BROADEST)
    texture = torch.randn(1, sizes.texture, generator=chance).clamp(-BROADEST, BROADEST)
    device = model.triangles.device
    return replace(neutral(sizes, 1, device), identity=identity.to(device), texture=texture.to(device))


@torch.no_grad()
def write_glb(
    path: Path,
    model: MorphableModel,
    face: FaceCoeffs,
    *,
    motion: Motion | None = None,
    with_expressions: bool = True,
) -> None:
    """Write one face with all its expressions, and a motion, as binary glTF.

    The mesh is the face without its expression, which stands in the mesh's weights; the face's
    rotation and translation move its node.
    """
    if face.batch != 1:
        raise ValueError(f"a .glb file holds one face, not {face.batch}")
    if motion is not None and motion.basis != model.name:
        raise ValueError(f"the motion is one of {motion.basis!r}, not of {model.name!r}")
    rest = replace(face, expression=torch.zeros_like(face.expression)) if with_expressions else face
    surface = model.vertices(rest)
    scene = gltf.Scene(
        vertices=_array(surface[0] * model.metres_per_unit),
        normals=_array(model.normals(surface)[0]),
        colours=_array(model.colours(rest)[0]),
        groups=_groups(model),
        targets=_targets(model, rest) if with_expressions else (),
        weights=face.expression[0].tolist() if with_expressions else (),
        quaternion=_quaternions(rotation.from_euler(face.rotation))[0].tolist(),
        translation=face.translation[0].tolist(),
        animation=None if motion is None else _animation(model, face, motion),
    )
    with checkpoint.atomic(path) as temporary:
        temporary.write_bytes(gltf.encode(scene))


@torch.no_grad()
def write_obj(path: Path, model: MorphableModel, face: FaceCoeffs) -> None:
    """Write one face as OBJ: colours at the vertices, and a material a part in an ``.mtl`` file beside it."""
    points, normals, colours = _still(model, face)
    materials = path.with_suffix(".mtl")
    lines = [f"mtllib {materials.name}"]
    rows = np.concatenate([points, colours], axis=1)
    lines += [f"v {x:.7g} {y:.7g} {z:.7g} {r:.4f} {g:.4f} {b:.4f}" for x, y, z, r, g, b in rows.tolist()]
    lines += [f"vn {x:.5f} {y:.5f} {z:.5f}" for x, y, z in normals.tolist()]
    looks = []
    for material, triangles in _groups(model):
        red, green, blue = colours[triangles].mean(axis=(0, 1))
        looks += [f"newmtl {material.name}", f"Kd {red:.4f} {green:.4f} {blue:.4f}", "illum 1", ""]
        lines += [f"g {material.name}", f"usemtl {material.name}"]
        lines += [f"f {a}//{a} {b}//{b} {c}//{c}" for a, b, c in (triangles + 1).tolist()]
    for target, text in ((materials, looks), (path, [*lines, ""])):
        with checkpoint.atomic(target) as temporary:
            temporary.write_text("\n".join(text), encoding="utf-8")


@torch.no_grad()
def write_ply(path: Path, model: MorphableModel, face: FaceCoeffs) -> None:
    """Write one face as binary PLY with normals and colours."""
    points, normals, colours = _still(model, face)
    triangles = _array(model.triangles)
    names = ("x", "y", "z", "nx", "ny", "nz")
    header = ["ply", "format binary_little_endian 1.0", f"element vertex {len(points)}"]
    header += [f"property float {name}" for name in names]
    header += [f"property uchar {name}" for name in ("red", "green", "blue")]
    header += [f"element face {len(triangles)}", "property list uchar int vertex_indices", "end_header", ""]
    vertices = np.zeros(len(points), [("floats", "<f4", 6), ("colour", "u1", 3)])
    vertices["floats"] = np.concatenate([points, normals], axis=1)
    vertices["colour"] = np.rint(colours * 255)
    faces = np.zeros(len(triangles), [("corners", "u1"), ("vertices", "<i4", 3)])
    faces["corners"], faces["vertices"] = 3, triangles
    with checkpoint.atomic(path) as temporary:
        temporary.write_bytes("\n".join(header).encode() + vertices.tobytes() + faces.tobytes())


def _format(config: ExportConfig) -> str:
    if config.format != "auto":
        return config.format
    ending = config.output.suffix.lower().removeprefix(".")
    if ending not in FORMATS:
        raise UsageError(
            f"{config.output} ends in none of {', '.join(FORMATS)}. Rename it, or give --format."
        )
    return ending


def _still(model: MorphableModel, face: FaceCoeffs) -> tuple[gltf.Floats, gltf.Floats, gltf.Floats]:
    """Return points in metres, normals and colours of one face, turned and moved as it says."""
    if face.batch != 1:
        raise ValueError(f"the file holds one face, not {face.batch}")
    surface = model.vertices(face)
    turned = rotation.from_euler(face.rotation).transpose(-1, -2)
    points = surface * model.metres_per_unit @ turned + face.translation[:, None]
    normals = model.normals(surface) @ turned
    return _array(points[0]), _array(normals[0]), _array(model.colours(face)[0].clamp(0, 1))


def _groups(model: MorphableModel) -> list[tuple[gltf.Material, gltf.Ints]]:
    """Return the triangles of each part that the model has, with its material."""
    triangles, parts = _array(model.triangles), _array(model.parts)
    groups = []
    for part in Part:
        own = triangles[parts == int(part)]
        if len(own):
            material = gltf.Material(name=part.name.lower(), roughness=SHINY.get(part, 0.6))
            groups.append((material, own))
    return groups


def _targets(model: MorphableModel, rest: FaceCoeffs) -> list[gltf.Target]:
    """Return what each expression does at a weight of 1 to this very face."""
    count = model.sizes.expression
    names = model.expression_names or tuple(f"expression_{k:03d}" for k in range(count))
    targets: list[gltf.Target] = []
    for moved, still in modes.surfaces(model, rest):
        turned = _array(model.normals(moved) - model.normals(still))
        for offsets, normals in zip(_array((moved - still) * model.metres_per_unit), turned, strict=True):
            targets.append(gltf.Target(name=names[len(targets)], offsets=offsets, normals=normals))
    return targets


def _animation(model: MorphableModel, face: FaceCoeffs, motion: Motion) -> gltf.Animation:
    """Return the motion, with blinks and gaze as expressions where the model has such."""
    weights = motion.expression.clone()
    for eye, name in enumerate(LID_NAMES):
        if name in model.expression_names:
            mode = model.expression_names.index(name)
            weights[:, mode] = torch.maximum(weights[:, mode], motion.blink[:, eye])
    for name, (eye, axis, angle) in LOOKS.items():
        if name in model.expression_names:
            mode = model.expression_names.index(name)
            weights[:, mode] = (weights[:, mode] + (motion.gaze[:, eye, axis] / angle).clamp(min=0)).clamp(
                max=1
            )
    whole = rotation.from_euler(face.rotation.to(motion.rotation))[0]
    turned = whole @ rotation.from_euler(motion.rotation)
    moved = motion.translation @ whole.transpose(0, 1) + face.translation[0].to(motion.translation)
    return gltf.Animation(
        times=np.arange(len(motion), dtype=np.float32) / np.float32(motion.fps),
        weights=_array(weights),
        quaternions=_array(_quaternions(turned)),
        translations=_array(moved),
    )


def _quaternions(matrices: Tensor) -> Tensor:
    """Return (x, y, z, w), which is the order of glTF."""
    return rotation.to_quaternion(matrices).roll(-1, dims=-1)


def _array(tensor: Tensor) -> npt.NDArray[Any]:
    return tensor.detach().cpu().numpy()
