"""Samples to points and pixels; shadows; bumps."""

from __future__ import annotations

import torch

from phiz.graphics import raster
from phiz.world.drawn import samples, shadow


def _square(depth: float = 2.0) -> tuple[torch.Tensor, torch.Tensor]:
    screen = torch.tensor([[1.0, 1, depth], [9, 1, depth], [9, 9, depth], [1, 9, depth]])
    return screen, torch.tensor([[0, 1, 2], [0, 2, 3]], dtype=torch.int32)


def test_shares_of_a_pixel_add_up_to_its_cover() -> None:
    screen, triangles = _square()
    found = samples.blocks(raster.rasterise(screen, triangles, 16, 16))
    chosen = found.triangle >= 0
    cover = chosen.float().mean(1)
    for pick in (samples.once_a_pixel, samples.every_sample, samples.every_other):
        points = pick(found, chosen, triangles)
        total = torch.zeros(64).index_add(0, points.pixel, points.share)
        torch.testing.assert_close(total, cover)


def test_mixed_corners_give_the_place_on_the_screen() -> None:
    screen, triangles = _square()
    found = samples.blocks(raster.rasterise(screen, triangles, 16, 16))
    points = samples.every_sample(found, found.triangle >= 0, triangles)
    place = points.mix(screen)
    pixel = (place[:, :2] / samples.SUB).floor()
    torch.testing.assert_close(pixel[:, 1] * 8 + pixel[:, 0], points.pixel.float())


def test_the_commonest_label_wins_and_the_first_of_equals() -> None:
    values = torch.tensor([[1, 1, 2, 2], [3, 2, 2, 1], [0, 5, 5, 5], [4, 4, 4, 4]])
    winner, holders = samples.majority(values)
    assert winner.tolist() == [1, 2, 5, 4]
    assert holders.sum(1).tolist() == [2, 2, 3, 4]


def test_a_flat_height_map_leaves_normals_alone_and_a_ramp_tilts_them() -> None:
    y, x = torch.meshgrid(torch.arange(8.0), torch.arange(8.0), indexing="ij")
    places = torch.stack([x, -y, 0 * x], dim=-1).reshape(-1, 3) * 1e-3
    normals = torch.tensor([0.0, 0, 1]).expand(64, 3)
    points = samples.Points(
        pixel=torch.arange(64),
        triangle=torch.zeros(64, dtype=torch.long),
        weights=torch.full((64, 3), 1 / 3),
        corners=torch.zeros(64, 3, dtype=torch.long),
        share=torch.ones(64),
    )
    flat = samples.relief(points, places, normals, torch.full((64,), 0.01), 8, 64)
    torch.testing.assert_close(flat, normals)
    ramp = samples.relief(points, places, normals, places[:, 0] * 0.5, 8, 64)
    inner = ramp.reshape(8, 8, 3)[1:6, 1:6].reshape(-1, 3)
    torch.testing.assert_close(inner[:, 0] / inner[:, 2], torch.full((25,), -0.5), atol=1e-4, rtol=1e-4)


def test_a_roof_throws_a_shadow_with_a_soft_edge() -> None:
    roof = torch.tensor([[-1.0, 1, -1], [0, 1, -1], [0, 1, 1], [-1, 1, 1]])
    floor = torch.tensor([[-2.0, 0, -2], [2, 0, -2], [2, 0, 2], [-2, 0, 2]])
    triangles = torch.tensor([[0, 1, 2], [0, 2, 3], [4, 5, 6], [4, 6, 7]], dtype=torch.int32)
    vertices = torch.cat([roof, floor]) * 0.1
    seen = shadow.cast(vertices, triangles, torch.tensor([0.0, 1.0, 0.0]), 128)
    points = torch.tensor([[-0.05, 0.0, 0.0], [0.0, 0.0, 0.0], [0.1, 0.0, 0.0]])
    open_ = shadow.openness(seen, points, softness=0.1, turn=torch.zeros(3))
    assert float(open_[0]) < 0.05
    assert 0.1 < float(open_[1]) < 0.9
    assert float(open_[2]) > 0.95


def test_deeper_in_hair_is_darker() -> None:
    sheet = torch.tensor([[-1.0, 0, -1], [1, 0, -1], [1, 0, 1], [-1, 0, 1]]) * 0.1
    triangles = torch.tensor([[0, 1, 2], [0, 2, 3]], dtype=torch.int32)
    seen = shadow.cast(sheet, triangles, torch.tensor([0.0, 1.0, 0.0]), 64)
    depths = torch.tensor([[0.0, 0.0, 0.0], [0.0, -0.01, 0.0], [0.0, -0.03, 0.0]])
    open_ = shadow.openness(seen, depths, softness=0.1, turn=torch.zeros(3), depth_scale=0.01)
    assert float(open_[0]) > float(open_[1]) > float(open_[2]) > 0
