"""Heads for tests: a miniature head folder made here, and the real one where it is at hand."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from phiz.face import supplied
from phiz.face.supplied import SuppliedHead

Arrays = dict[str, npt.NDArray[np.generic]]

EGG = np.array([7.0, 10.0, 8.0])
RINGS, SPOKES = 26, 36
BUMPS = {
    "jawOpen": ((0, -6, 6), (0, -2.0, -0.5), 3.0),
    "mouthSmile_L": ((2.4, -3.5, 7), (0.8, 0.6, 0), 1.6),
    "mouthSmile_R": ((-2.4, -3.5, 7), (-0.8, 0.6, 0), 1.6),
    "mouthPucker": ((0, -3.5, 7.5), (0, 0, 0.9), 1.8),
    "eyeBlink_L": ((3, 3.4, 6.8), (0, -0.8, 0), 1.2),
    "eyeBlink_R": ((-3, 3.4, 6.8), (0, -0.8, 0), 1.2),
    "browInnerUp_L": ((1.5, 5, 7), (0, 0.7, 0), 1.5),
    "browInnerUp_R": ((-1.5, 5, 7), (0, 0.7, 0), 1.5),
}
"""Expressions of the miniature head: where they act, how they move it, how far they reach; in cm."""


@pytest.fixture(scope="session")
def heads(repository: Path) -> Path:
    """Return the folder of the supplied head; skip the test where it is not at hand."""
    folder = repository.parent / "shared" / "heads"
    if not (folder / "head.npz").is_file():
        pytest.skip(f"no head.npz in {folder}")
    return folder


@pytest.fixture(scope="session")
def miniature_arrays() -> Arrays:
    """Return the arrays of a head folder: an egg with two eyeballs, in centimetres."""
    vertices, triangles = _ball(RINGS, SPOKES)
    eye, eye_triangles = _ball(6, 8)
    points, faces, parts = [vertices * EGG], [triangles], [np.zeros(len(triangles), np.uint8)]
    for part, side in ((7, 3.0), (8, -3.0)):
        faces.append(eye_triangles + sum(map(len, points)))
        points.append(eye + np.array([side, 3.0, 6.0]))
        parts.append(np.full(len(eye_triangles), part, np.uint8))
    v, tri = np.concatenate(points).astype(np.float32), np.concatenate(faces)
    is_eye = np.arange(len(v)) >= len(vertices)
    identity = np.stack([_wave(v, k) for k in range(4)])
    expressions = np.stack([_bump(v, *bump) * ~is_eye[:, None] for bump in BUMPS.values()])
    uv = np.stack([v[:, 0] / 16 + 0.5, v[:, 1] / 24 + 0.5], axis=1)
    return {
        "v": v,
        "tri": tri.astype(np.uint16),
        "part": np.concatenate(parts),
        "uv": np.rint(uv * 65535).astype(np.uint16),
        "uvtri": tri.astype(np.uint16),
        "id_q": np.rint(identity * 100).astype(np.int8),
        "id_scale": np.full((4, 3), 0.01, np.float32),
        "expr_q": np.rint(expressions * 10_000).astype(np.int16),
        "expr_scale": np.full(len(BUMPS), 1e-4, np.float32),
        "expr_names": np.array(list(BUMPS)),
        "landmarks68_art": _landmarks(vertices * EGG).astype(np.uint16),
        "ao": np.full(len(v), 255, np.uint8),
        "ao_open": np.full(len(v), 128, np.uint8),
        "label_uv": _png(_labels()),
        "beard_uv": _png(np.full((32, 32), 51, np.uint8)),
        "brow00": _png(np.full((8, 8), 255, np.uint8)),
        "brow_box": np.array([0.2, 0.35, 0.25, 0.75]),
    }


@pytest.fixture(scope="session")
def miniature_folder(miniature_arrays: Arrays, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the head.npz of the miniature head."""
    folder = tmp_path_factory.mktemp("heads")
    np.savez(folder / "head.npz", **miniature_arrays)  # type: ignore[arg-type]
    return folder


@pytest.fixture
def miniature(miniature_folder: Path) -> SuppliedHead:
    """Return the miniature head, a real head model with few vertices."""
    return supplied.read(miniature_folder)


def _ball(rings: int, spokes: int) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """Return a unit ball; its poles lie on the y axis and its triangles run anticlockwise from outside."""
    polar = np.pi * np.arange(1, rings) / rings
    turn = 2 * np.pi * np.arange(spokes) / spokes
    p, t = np.meshgrid(polar, turn, indexing="ij")
    inner = np.stack([np.sin(p) * np.sin(t), np.cos(p), np.sin(p) * np.cos(t)], axis=-1).reshape(-1, 3)
    vertices = np.concatenate([[[0.0, 1.0, 0.0]], inner, [[0.0, -1.0, 0.0]]])
    last, faces = len(vertices) - 1, []
    for s in range(spokes):
        n = (s + 1) % spokes
        faces.append((0, 1 + s, 1 + n))
        for r in range(rings - 2):
            a, b = 1 + r * spokes, 1 + (r + 1) * spokes
            faces += [(a + s, b + s, b + n), (a + s, b + n, a + n)]
        faces.append((last, last - spokes + n, last - spokes + s))
    return vertices, np.array(faces)


def _bump(
    v: npt.NDArray[np.float32], at: tuple[float, ...], way: tuple[float, ...], width: float
) -> npt.NDArray[np.float64]:
    near = np.exp(-np.square(v - np.array(at)).sum(axis=1) / width**2)
    return np.asarray(near[:, None] * np.array(way))


def _wave(v: npt.NDArray[np.float32], k: int) -> npt.NDArray[np.float64]:
    return np.asarray(0.05 * v * np.sin(v[:, [k % 3]] * 0.2 + k)).clip(-1.2, 1.2)


def _landmarks(egg: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """Return the vertices nearest to a drawing of the 68 points, seen from the front."""

    def arc(
        x: float, y: float, width: float, height: float, angles: npt.NDArray[np.float64]
    ) -> list[list[float]]:
        return [[x + width * np.cos(a), y + height * np.sin(a)] for a in angles]

    ring = np.pi - 2 * np.pi * np.arange(6) / 6
    points = arc(0, 1, 6.2, 8.5, np.pi + np.pi * np.arange(17) / 16)
    points += arc(-3, 4.6, 1.8, 0.8, np.pi * np.linspace(0.9, 0.1, 5))
    points += arc(3, 4.6, 1.8, 0.8, np.pi * np.linspace(0.9, 0.1, 5))
    points += [[0, 3.0 - k] for k in range(4)] + [[0.7 * k, -1] for k in range(-2, 3)]
    points += arc(-3, 3, 1.3, 0.6, ring) + arc(3, 3, 1.3, 0.6, ring)
    points += arc(0, -3.8, 2.4, 1.2, np.pi - 2 * np.pi * np.arange(12) / 12)
    points += arc(0, -3.8, 1.6, 0.4, np.pi - 2 * np.pi * np.arange(8) / 8)
    away = np.square(np.array(points)[:, None] - egg[:, :2]).sum(axis=2) + 1e3 * (egg[:, 2] < 0)
    return np.asarray(away.argmin(axis=1))


def _labels() -> npt.NDArray[np.uint8]:
    labels = np.zeros((48, 48), np.uint8)
    labels[22:26, 20:28] = 1  # nose
    labels[29:31, 18:30] = 2  # upper lip
    labels[31:34, 18:30] = 3  # lower lip
    return labels


def _png(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return np.frombuffer(stream.getvalue(), np.uint8)
