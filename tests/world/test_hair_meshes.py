from __future__ import annotations

import io

import numpy as np
import numpy.typing as npt
import pytest
import torch
from PIL import Image

from phiz.errors import HeadError
from phiz.world.grown.hair_meshes import HairMesh, dress, read_hair_meshes, sample
from phiz.world.surface import Label, Material

Arrays = dict[str, npt.NDArray[np.generic]]
HEAD = np.random.default_rng(0).uniform(-10, 10, (60, 3)).astype(np.float32)


def png(values: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    stream = io.BytesIO()
    Image.fromarray(values).save(stream, "PNG")
    return np.frombuffer(stream.getvalue(), np.uint8)


def folder() -> Arrays:
    """Return arrays as a head folder has them: one strip of hair, 3 cm wide, with a texture seam."""
    luminance = np.tile(np.linspace(60, 180, 16, dtype=np.uint8)[:, None], (1, 16))
    alpha = np.full((16, 16), 255, np.uint8)
    alpha[:, :8] = 0
    strip = np.array([[0, 10, 5], [3, 10, 5], [0, 5, 6], [3, 5, 6], [0, 0, 6], [3, 0, 6]], np.float16)
    uv = np.array(
        [[0, 65535], [65535, 65535], [0, 30000], [65535, 30000], [0, 0], [65535, 0], [9, 9]], np.uint16
    )
    return {
        "v": HEAD,
        "hair_names": np.array(["strip"]),
        "hair0_v": strip,
        "hair0_tri": np.array([[0, 2, 1], [1, 2, 3], [2, 4, 3], [3, 4, 5]], np.uint16),
        "hair0_uv": uv,
        "hair0_uvtri": np.array([[0, 2, 1], [1, 2, 3], [2, 4, 3], [3, 6, 5]], np.uint16),
        "hair0_lum": png(luminance),
        "hair0_alpha": png(alpha),
        "hair0_bi": np.arange(24, dtype=np.uint16).reshape(6, 4),
        "hair0_bw": np.tile(np.array([[85, 85, 85, 0]], np.uint8), (6, 1)),
    }


def strip(rest: torch.Tensor | None = None) -> HairMesh:
    (mesh,) = read_hair_meshes(folder(), rest)
    return mesh


def test_a_folder_without_hair_gives_none() -> None:
    assert read_hair_meshes({"v": HEAD}) == ()


def test_a_missing_array_is_named() -> None:
    arrays = folder()
    del arrays["hair0_bw"]
    with pytest.raises(HeadError, match="hair0_bw"):
        read_hair_meshes(arrays)


def test_vertices_are_split_where_the_texture_has_a_seam() -> None:
    mesh = strip()
    assert len(mesh.vertices) == 7  # one of the six has two places in the texture
    assert mesh.triangles.shape == (4, 3)
    torch.testing.assert_close(
        mesh.vertices[mesh.triangles[0, 0]], torch.tensor([0.0, 0.10, 0.05]), atol=1e-4, rtol=0
    )
    torch.testing.assert_close(mesh.uv[mesh.triangles[0, 0]], torch.tensor([0.0, 0.0]))


def test_hair_rests_with_the_head_and_moves_with_it() -> None:
    mesh, head = strip(), torch.from_numpy(HEAD) * 0.01
    torch.testing.assert_close(dress(mesh, head, (0.1, 0.1, 0.1)).vertices, mesh.vertices)
    shift = torch.tensor([0.01, -0.02, 0.03])
    worn = dress(mesh, head + shift, (0.1, 0.2, 0.3))
    torch.testing.assert_close(worn.vertices, mesh.vertices + shift)
    assert worn.material is Material.HAIR
    assert (worn.labels == Label.HAIR).all()
    torch.testing.assert_close(worn.colour[0], torch.tensor([0.1, 0.2, 0.3]))


def test_another_head_is_followed_by_its_nearest_vertices() -> None:
    order = torch.randperm(60, generator=torch.Generator().manual_seed(1))
    head = torch.from_numpy(HEAD) * 0.01
    other = head[order]
    moved = head + 0.01 * torch.sin(50 * head)
    own = dress(strip(), moved, (0.1, 0.1, 0.1)).vertices
    torch.testing.assert_close(dress(strip(other), moved[order], (0.1, 0.1, 0.1)).vertices, own)


def test_the_texture_tells_light_and_opacity() -> None:
    mesh = strip()
    luminance, alpha = sample(mesh, torch.tensor([[0.9, 0.1], [0.9, 0.9], [0.1, 0.5]]))
    assert luminance[0] < 0.8 < 1.2 < luminance[1]
    torch.testing.assert_close(alpha, torch.tensor([1.0, 1.0, 0.0]))


def test_hair_runs_down_the_texture() -> None:
    mesh = strip()
    down = mesh.along[mesh.triangles[0]]
    assert (down[:, 1] < -0.9).all()
