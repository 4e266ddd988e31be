"""What moves with a head, and what does not."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from avatar_fixtures import making

from phiz.animate import acting
from phiz.avatar import rig as rigs
from phiz.avatar.avatar import Avatar
from phiz.avatar.rig import Rig, Seen
from phiz.face.head import Head
from phiz.face.morphable import Part
from phiz.generator.volume import Stage
from phiz.graphics import camera as cameras
from phiz.graphics import frames, raster
from phiz.world import portrait

SIZE = 64


@pytest.fixture(scope="module")
def rig(someone: Avatar, our_head: Head) -> Rig:
    return Rig.of(someone, our_head)


def seen_from(rig: Rig, our_head: Head, yaw: float = 0.0, **weights: float) -> tuple[Seen, torch.Tensor]:
    moved = rig.vertices(acting.faces(rig.rest, making(our_head, **weights), our_head))
    camera = portrait.view_camera(torch.tensor([yaw]), torch.zeros(1))
    return rig.seen(camera, moved, SIZE), moved


@pytest.mark.parametrize("yaw", [0.0, 0.4])
def test_a_point_of_the_moved_head_is_looked_up_where_it_was(rig: Rig, our_head: Head, yaw: float) -> None:
    seen, moved = seen_from(rig, our_head, yaw, jawOpen=0.8, mouthSmileLeft=1.0)
    hits = raster.rasterise(
        cameras.to_screen(seen.camera, moved, SIZE, SIZE)[0], our_head.triangles, SIZE, SIZE, cull=True
    )
    outside = hits.covered & ~rig.is_inside[hits.triangle.clamp(min=0).long()]
    corners = our_head.triangles[hits.triangle[outside].long()].long()
    weights = hits.barycentric[outside][..., None]
    now, before = ((points[corners] * weights).sum(1) for points in (moved[0], rig.still))
    rays = torch.zeros(SIZE * SIZE, 3)
    rays[outside.flatten()] = now
    found = seen.warp(rays[None], Stage.COARSE)[0][outside.flatten()]
    assert float((now - before).norm(dim=-1).max()) > 0.01
    assert float((found - before).norm(dim=-1).max()) < 1e-5


def test_a_face_at_rest_moves_nothing(rig: Rig, our_head: Head) -> None:
    seen, _ = seen_from(rig, our_head)
    assert float(seen.shift.abs().max()) < 1e-6
    assert float(seen.inside.sum()) == 0


def test_lips_do_not_bleed_across_the_slit(rig: Rig, our_head: Head) -> None:
    """Of an open mouth, each lip goes back to its own lip, however near the other one lies."""
    seen, moved = seen_from(rig, our_head, jawOpen=0.25)
    hits = raster.rasterise(
        cameras.to_screen(seen.camera, moved, SIZE, SIZE)[0], our_head.triangles, SIZE, SIZE, cull=True
    )
    part = our_head.parts[hits.triangle.clamp(min=0).long()] * hits.covered
    lifted = seen.shift[0].reshape(SIZE, SIZE, 3)[..., 2]  # up, in the generator's frame
    upper, lower = lifted[part == Part.UPPER_LIP], lifted[part == Part.LOWER_LIP]
    assert min(len(upper), len(lower)) > 10
    assert float(lower.min()) > 1.5 * float(upper.abs().max())
    assert float(seen.inside.sum()) > 3


def test_lids_that_close_are_looked_up_above(rig: Rig, our_head: Head) -> None:
    seen, _ = seen_from(rig, our_head, eyeBlinkLeft=1.0)
    lifted = seen.shift[0].reshape(SIZE, SIZE, 3)[..., 2]
    assert float(lifted.max()) > 0.005
    rows, columns = torch.nonzero(lifted > 0.004, as_tuple=True)
    assert float(columns.float().min()) > SIZE / 2  # the person's left is right in the picture
    assert float(rows.float().max() - rows.float().min()) < 8


def test_closed_lids_are_asked_further_up_and_nothing_else_is(rig: Rig, our_head: Head) -> None:
    open_, closed = (
        acting.faces(rig.rest, making(our_head, **weights), our_head)
        for weights in ({"jawOpen": 1.0}, {"eyeBlinkLeft": 1.0})
    )
    assert torch.equal(rig.asked(open_)[0], rig.still)
    lifted = (rig.asked(closed)[0] - rig.still) / rig.unit
    assert float(lifted[:, 2].max()) == pytest.approx(rigs.LIFT, rel=1e-3)
    assert float(lifted[:, :2].abs().max()) < 1e-5
    moves = lifted[:, 2] > 0.5 * rigs.LIFT
    left = our_head.vertices(rig.rest)[0, moves]
    assert float(left[:, 0].min()) > 0  # the person's left
    assert float(left[:, 1].max() - left[:, 1].min()) < 0.03


def test_far_before_and_behind_the_surface_and_beside_the_head_nothing_moves(
    rig: Rig, our_head: Head
) -> None:
    seen, _ = seen_from(rig, our_head, jawOpen=0.8)
    origin, forward = seen.camera.position, -seen.camera.world_from_camera[:, :3, 2]
    for depth in (0.8, 1.2):
        points = (origin + depth * forward).expand(1, SIZE * SIZE, 3)
        assert torch.equal(seen.warp(points, Stage.FINE), points)
    corner = replace(seen, depth=torch.ones_like(seen.depth))
    points = (origin + forward).expand(1, SIZE * SIZE, 3)
    still = (corner.warp(points, Stage.FINE) - points)[0].reshape(SIZE, SIZE, 3)
    assert float(still[:5].abs().max()) == 0  # above the hair
    assert float(still.abs().max()) > 0.01


def test_a_batch_of_cameras_gives_what_each_gives_alone(rig: Rig, our_head: Head) -> None:
    moved = rig.vertices(acting.faces(rig.rest, making(our_head, 2, jawOpen=0.5), our_head))
    both = portrait.view_camera(torch.tensor([0.0, 0.3]), torch.zeros(2))
    together = rig.seen(both, moved, 32)
    points = torch.rand(2, 32 * 32 * 3, 3, generator=torch.Generator().manual_seed(0)) * 0.2 - 0.1
    found = together.warp(points, Stage.COARSE)
    for k in range(2):
        alone = rig.seen(both[k : k + 1], moved[k : k + 1], 32)
        assert torch.allclose(alone.warp(points[k : k + 1], Stage.COARSE), found[k : k + 1], atol=1e-6)


def test_a_neck_turns_the_head_and_leaves_the_shoulders(rig: Rig, our_head: Head) -> None:
    turned = replace(making(our_head), rotation=torch.tensor([[0.1, 0.3, 0.0]]))
    skull, pivot = acting.skull(turned, our_head), acting.pivot_of(our_head)
    neck = rig.turned(skull, pivot)
    moved = rig.bent(rig.still[None], neck)
    matrix = rig.generator_from_head
    head = frames.transform(matrix, frames.transform(skull, our_head.vertices(rig.rest)))
    above, below = our_head.neck_weight == 1, our_head.neck_weight < rigs.SHOULDERS
    assert torch.allclose(moved[:, above], head[:, above], atol=2e-3)
    assert torch.equal(moved[:, below], rig.still[None, below])
    high = our_head.mean[:, 1] > 0
    assert float((neck.undo(moved)[0, high] - rig.still[high]).norm(dim=-1).max()) < 1e-5
    camera = portrait.view_camera(torch.zeros(1), torch.zeros(1))
    seen = rig.seen(camera, moved, SIZE, neck)
    hits = raster.rasterise(
        cameras.to_screen(camera, moved, SIZE, SIZE)[0], our_head.triangles, SIZE, SIZE, cull=True
    )
    outside = (hits.covered & ~rig.is_inside[hits.triangle.clamp(min=0).long()]).flatten()
    corners = our_head.triangles[hits.triangle.flatten()[outside].long()].long()
    weights = hits.barycentric.flatten(0, 1)[outside][..., None]
    now, before = ((points[corners] * weights).sum(1) for points in (moved[0], rig.still))
    rays = torch.zeros(SIZE * SIZE, 3)
    rays[outside] = now
    found = seen.warp(rays[None], Stage.COARSE)[0][outside]
    assert float((found - before).norm(dim=-1).max()) < 1e-5


def test_values_spread_to_where_nothing_is_known() -> None:
    known = torch.zeros(1, 1, 9, 9)
    known[..., 4, 4] = 1
    values, strength = rigs.spread_out(torch.full((1, 2, 9, 9), 7.0) * known, known, 1.0)
    assert torch.allclose(values[0, :, 4, 3:6], torch.tensor(7.0))
    assert strength[0, 0, 4, 4] == 1
    assert 0 < strength[0, 0, 4, 5] < 1
    assert strength[0, 0, 0, 0] == 0
