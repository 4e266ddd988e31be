"""Write glTF 2.0 in its binary form (``.glb``): one mesh with colours, expressions and motion.

Follows the Khronos glTF 2.0 specification. Its axes are ours (y up, the front towards +z, metres), so
nothing is turned. Colours are linear there, ours are sRGB; they are converted.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]

BYTE, SHORT, WHOLE, FLOAT = 5121, 5123, 5125, 5126
"""Numbers that glTF gives to unsigned integers of 1, 2 and 4 bytes and to floats."""
VERTEX_DATA, INDEX_DATA = 34962, 34963
SPARSE_BELOW = 0.6
"""A morph target that moves a smaller share of the vertices than this names those it moves."""
STILL = 1e-7
"""Metres; what moves less does not move."""


@dataclass(frozen=True, kw_only=True)
class Material:
    """How a group of triangles looks beside its vertex colours."""

    name: str
    roughness: float = 0.6


@dataclass(frozen=True, kw_only=True)
class Target:
    """One expression: by how much it moves each vertex and turns its normal."""

    name: str
    offsets: Floats
    normals: Floats | None = None


@dataclass(frozen=True, kw_only=True)
class Animation:
    """Weights of all targets, a turn and a place of the whole figure, one row a frame."""

    times: Floats
    weights: Floats
    quaternions: Floats
    """(x, y, z, w) as glTF wants it."""
    translations: Floats


@dataclass(frozen=True, kw_only=True)
class Scene:
    """All that goes into the file. Lengths in metres, colours sRGB in [0, 1]."""

    vertices: Floats
    normals: Floats
    colours: Floats
    groups: Sequence[tuple[Material, Ints]]
    """Triangles with the same material."""
    targets: Sequence[Target] = ()
    weights: Sequence[float] = ()
    quaternion: Sequence[float] = (0.0, 0.0, 0.0, 1.0)
    translation: Sequence[float] = (0.0, 0.0, 0.0)
    animation: Animation | None = None
    generator: str = "phiz"


def encode(scene: Scene) -> bytes:
    """Return the bytes of a ``.glb`` file."""
    buffer = _Buffer()
    document = _document(scene, buffer)
    text = json.dumps(document, separators=(",", ":"), allow_nan=False).encode()
    text += b" " * (-len(text) % 4)
    data = bytes(buffer.data)  # every view is padded to four bytes
    chunks = (
        struct.pack("<II", len(text), 0x4E4F534A) + text + struct.pack("<II", len(data), 0x004E4942) + data
    )
    return struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks


def to_linear(colours: Floats) -> Floats:
    """Return linear values of sRGB colours (IEC 61966-2-1)."""
    clipped = np.clip(colours, 0, 1)
    curve = ((clipped + 0.055) / 1.055) ** 2.4
    return np.where(clipped <= 0.04045, clipped / 12.92, curve).astype(np.float32)


class _Buffer:
    """The binary chunk while it grows, with the views and accessors that describe it."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.views: list[dict[str, Any]] = []
        self.accessors: list[dict[str, Any]] = []

    def view(self, array: npt.NDArray[Any], target: int | None = None) -> int:
        """Add bytes at a multiple of four and return the number of their view."""
        raw = np.ascontiguousarray(array).tobytes()
        about = {"buffer": 0, "byteOffset": len(self.data), "byteLength": len(raw)}
        self.views.append(about if target is None else {**about, "target": target})
        self.data += raw + b"\0" * (-len(raw) % 4)
        return len(self.views) - 1

    def accessor(self, **about: Any) -> int:
        self.accessors.append(about)
        return len(self.accessors) - 1

    def floats(self, array: Floats, target: int | None = None, *, with_bounds: bool = False) -> int:
        """Add rows of floats and return the number of their accessor."""
        array = np.asarray(array, np.float32)
        kind = "SCALAR" if array.ndim == 1 else f"VEC{array.shape[1]}"
        view = self.view(array, target)
        bounds = _bounds(array) if with_bounds else {}
        return self.accessor(bufferView=view, componentType=FLOAT, count=len(array), type=kind, **bounds)

    def indices(self, triangles: Ints, vertices: int) -> int:
        kind, dtype = _index_kind(vertices)
        flat = triangles.reshape(-1).astype(dtype)
        view = self.view(flat, INDEX_DATA)
        return self.accessor(bufferView=view, componentType=kind, count=len(flat), type="SCALAR")

    def offsets(self, array: Floats) -> int:
        """Add what a morph target does: whole, or only the rows that are not zero."""
        array = np.where(np.abs(array) < STILL, 0, array).astype(np.float32)
        moving = np.flatnonzero(array.any(axis=1))
        if len(moving) >= SPARSE_BELOW * len(array):
            return self.floats(array, VERTEX_DATA, with_bounds=True)
        about = {"componentType": FLOAT, "count": len(array), "type": "VEC3", **_bounds(array)}
        moving = moving if len(moving) else np.array([0])  # an empty list is not allowed
        kind, dtype = _index_kind(len(array))
        sparse = {
            "count": len(moving),
            "indices": {"bufferView": self.view(moving.astype(dtype)), "componentType": kind},
            "values": {"bufferView": self.view(array[moving])},
        }
        return self.accessor(**about, sparse=sparse)


def _document(scene: Scene, buffer: _Buffer) -> dict[str, Any]:
    node = {
        "name": "head",
        "mesh": 0,
        "rotation": [float(x) for x in scene.quaternion],
        "translation": [float(x) for x in scene.translation],
    }
    document: dict[str, Any] = {
        "asset": {"version": "2.0", "generator": scene.generator},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [node],
        "meshes": [_mesh(scene, buffer)],
        "materials": [_material(material) for material, _ in scene.groups],
    }
    if scene.animation is not None:
        document["animations"] = [_animation(scene.animation, buffer, bool(scene.targets))]
    return {
        **document,
        "accessors": buffer.accessors,
        "bufferViews": buffer.views,
        "buffers": [{"byteLength": len(buffer.data)}],
    }


def _mesh(scene: Scene, buffer: _Buffer) -> dict[str, Any]:
    """Return the mesh: one primitive a group, all over the same vertices and targets."""
    attributes = {
        "POSITION": buffer.floats(scene.vertices, VERTEX_DATA, with_bounds=True),
        "NORMAL": buffer.floats(_unit(scene.normals), VERTEX_DATA),
        "COLOR_0": buffer.floats(to_linear(scene.colours), VERTEX_DATA),
    }
    targets = []
    for target in scene.targets:
        entry = {"POSITION": buffer.offsets(target.offsets)}
        targets.append(
            entry if target.normals is None else {**entry, "NORMAL": buffer.offsets(target.normals)}
        )
    primitives: list[dict[str, Any]] = []
    for number, (_, triangles) in enumerate(scene.groups):
        indices = buffer.indices(triangles, len(scene.vertices))
        primitive = {"attributes": attributes, "indices": indices, "material": number, "mode": 4}
        primitives.append({**primitive, "targets": targets} if targets else primitive)
    mesh: dict[str, Any] = {"name": "head", "primitives": primitives}
    if targets:
        mesh["weights"] = [float(x) for x in scene.weights] or [0.0] * len(targets)
        mesh["extras"] = {"targetNames": [target.name for target in scene.targets]}
    return mesh


def _material(material: Material) -> dict[str, Any]:
    surface = {"metallicFactor": 0.0, "roughnessFactor": material.roughness}
    return {"name": material.name, "pbrMetallicRoughness": surface}


def _animation(animation: Animation, buffer: _Buffer, has_targets: bool) -> dict[str, Any]:
    times = buffer.floats(animation.times, with_bounds=True)
    paths = {"rotation": animation.quaternions, "translation": animation.translations}
    if has_targets:
        paths["weights"] = animation.weights.reshape(-1)
    samplers = [
        {"input": times, "output": buffer.floats(values), "interpolation": "LINEAR"}
        for values in paths.values()
    ]
    channels = [{"sampler": i, "target": {"node": 0, "path": path}} for i, path in enumerate(paths)]
    return {"name": "motion", "samplers": samplers, "channels": channels}


def _index_kind(count: int) -> tuple[int, str]:
    """Return the shortest whole number that can name all vertices; the highest value is reserved."""
    return (SHORT, "<u2") if count <= 0xFFFF else (WHOLE, "<u4")


def _bounds(array: Floats) -> dict[str, list[float]]:
    rows = array.reshape(len(array), -1)
    return {"min": rows.min(axis=0).tolist(), "max": rows.max(axis=0).tolist()}


def _unit(normals: Floats) -> Floats:
    """Return normals of length one; a vertex without triangles has none and gets one that points up."""
    length = np.linalg.norm(normals, axis=1, keepdims=True)
    up = np.array([0, 1, 0], np.float32)
    return np.where(length > 0.5, normals / np.maximum(length, 1e-12), up).astype(np.float32)
