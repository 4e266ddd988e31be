"""Compiled loops and plain torch are twins: both give the same numbers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor

from phiz.face import head
from phiz.graphics import raster
from phiz.graphics.camera import Camera, from_fov
from phiz.world import paint
from phiz.world.body import creases, texture_loops, textures
from phiz.world.drawn import (
    blur_loops,
    develop,
    light_loops,
    mesh_loops,
    meshes,
    sample_loops,
    samples,
    shade_loops,
    shading,
    shadow,
)
from phiz.world.drawn.samples import Points
from phiz.world.drawn.shading import Lamp, Light
from phiz.world.drawn.shadow import ShadowMap
from phiz.world.grown import ribbon_loops
from phiz.world.grown.hair_styles import STYLES
from phiz.world.people import sample_person
from phiz.world.scene import portrait_scene
from phiz.world.surface import Label, Material, Strands
from phiz.world.worn import hats
from phiz.world.worn.hats import Skull


@pytest.fixture
def random() -> torch.Generator:
    return torch.Generator().manual_seed(11)


def _sheet(random: torch.Generator, count: int = 60) -> tuple[Tensor, Tensor]:
    """Return corners and triangles of a soup."""
    return torch.rand(count, 3, generator=random), torch.randint(0, count, (2 * count, 3), generator=random)


def _unit(random: torch.Generator, count: int) -> Tensor:
    return torch.nn.functional.normalize(torch.randn(count, 3, generator=random), dim=-1)


def _light(random: torch.Generator, count: int) -> Light:
    lamps = tuple(
        Lamp(
            direction=_unit(random, 1)[0],
            colour=torch.rand(3, generator=random),
            softness=0.1 + 0.2 * k,
            visible=torch.rand(count, generator=random).round(decimals=1),
        )
        for k in range(2)
    )
    return Light(
        ambient=0.4 * torch.randn(9, 3, generator=random),
        open=torch.rand(count, generator=random),
        lamps=lamps,
    )


LOOPS = (blur_loops, light_loops, mesh_loops, sample_loops, shade_loops, texture_loops)


@pytest.mark.parametrize("module", LOOPS, ids=lambda module: module.__name__.rsplit(".", 1)[-1])
def test_compiled_loops_keep_strict_arithmetic(module: ModuleType) -> None:
    options = [made.targetoptions for made in vars(module).values() if hasattr(made, "targetoptions")]
    assert options
    assert not any(chosen.get("fastmath", False) or chosen.get("parallel", False) for chosen in options)


def test_normals_of_a_mesh_are_the_same(twins: Any, random: torch.Generator) -> None:
    points, triangles = _sheet(random)
    torch.testing.assert_close(*twins(lambda: meshes.normals(points, triangles)), atol=2e-5, rtol=0)


@pytest.mark.parametrize("within", [0.05, 0.2, 3.0])
def test_nearest_points_are_the_same(twins: Any, random: torch.Generator, within: float) -> None:
    some, others = torch.rand(200, 3, generator=random) * 1.4 - 0.2, torch.rand(90, 3, generator=random)
    fast, slow = twins(lambda: meshes.nearest(some, others, within))
    torch.testing.assert_close(fast[0], slow[0], atol=1e-6, rtol=0)
    assert torch.equal(fast[1], slow[1])


def test_places_in_a_picture_are_the_same(twins: Any, random: torch.Generator) -> None:
    points, _ = _sheet(random)
    eye = torch.eye(4)
    eye[:3, 3] = torch.tensor([0.1, 0.4, 4.0])
    camera: Camera = from_fov(eye[None], 0.5)
    torch.testing.assert_close(*twins(lambda: meshes.on_screen(camera, points, 256)), atol=1e-3, rtol=0)


def test_shadow_maps_are_the_same(twins: Any, random: torch.Generator) -> None:
    points, triangles = _sheet(random)
    fast, slow = twins(lambda: shadow.cast(points, triangles, _unit(random.manual_seed(3), 1)[0], 32))
    near = (fast.depth - slow.depth).abs() < 1e-5
    assert float((near | (fast.depth == slow.depth)).float().mean()) > 0.99
    assert fast.scale == pytest.approx(slow.scale)


@pytest.mark.parametrize("depth_scale", [0.0, 0.05])
def test_as_much_light_passes_a_shadow_map(twins: Any, random: torch.Generator, depth_scale: float) -> None:
    depth = torch.rand(24, 24, generator=random)
    depth[:5] = torch.inf
    seen = ShadowMap(axes=torch.eye(3), low=torch.zeros(2), scale=24.0, depth=depth)
    points, turn = torch.rand(300, 3, generator=random) - 0.8, torch.rand(300, generator=random)
    made = twins(
        lambda: shadow.openness(seen, points, softness=0.2, turn=turn, depth_scale=depth_scale, taps=6)
    )
    torch.testing.assert_close(*made, atol=2e-5, rtol=0)


def test_samples_are_sorted_alike(twins: Any, random: torch.Generator) -> None:
    points, triangles = _sheet(random)
    hits = raster.rasterise(points * 24 + torch.tensor([0.0, 0.0, 1.0]), triangles.int(), 24, 24)
    material = torch.randint(0, len(Material), (len(triangles),), generator=random).to(torch.int8)
    labels = torch.randint(1, len(Label), (len(triangles),), generator=random).to(torch.int8)
    fast, slow = twins(lambda: samples.sort(hits, triangles.int(), material, labels))
    assert torch.equal(fast.labels, slow.labels)
    torch.testing.assert_close((fast.alpha, fast.depth), (slow.alpha, slow.depth))
    for one, other in zip(fast.points, slow.points, strict=True):
        assert all(torch.equal(getattr(one, n), getattr(other, n)) for n in ("pixel", "triangle", "corners"))
        torch.testing.assert_close((one.weights, one.share), (other.weights, other.share))


def test_points_mix_a_table_alike(twins: Any, random: torch.Generator) -> None:
    table, corners = torch.rand(20, 5, generator=random), torch.randint(7, 27, (50, 3), generator=random)
    whole = torch.zeros(50, dtype=torch.long)
    weights = torch.rand(50, 3, generator=random)
    points = Points(pixel=whole, triangle=whole, weights=weights, corners=corners, share=weights[:, 0])
    torch.testing.assert_close(*twins(lambda: points.mix(table, first=7)))


@pytest.mark.parametrize(
    "name", ["unit", "dot", "surround", "matt", "subsurface", "gloss", "dull", "strands"]
)
def test_surfaces_are_lit_alike(twins: Any, random: torch.Generator, name: str) -> None:
    count = 200
    light, normals, view = _light(random, count), _unit(random, count), _unit(random, count)
    along, colour = _unit(random, count), torch.rand(count, 3, generator=random)
    one = torch.rand(count, generator=random)
    makes: dict[str, Callable[[], Tensor]] = {
        "unit": lambda: shading.unit(3 * colour),
        "dot": lambda: shading.dot(normals, view),
        "surround": lambda: shading.surround(light, normals),
        "matt": lambda: shading.matt(light, normals, wrap=0.2),
        "subsurface": lambda: shading.subsurface(light, normals, one),
        "gloss": lambda: shading.gloss(light, normals, view, 0.2 + 0.5 * one, 0.03),
        "dull": lambda: shading.gloss(light, normals, view, one, 0.1 * one[:, None], surroundings=False),
        "strands": lambda: shading.strands(light, along, normals, view, colour, 0.1 * one),
    }
    torch.testing.assert_close(*twins(makes[name]), atol=5e-5, rtol=5e-4)


def test_noise_and_creases_are_looked_up_alike(twins: Any, random: torch.Generator) -> None:
    points = torch.rand(200, 3, generator=random) * 0.3 - 0.15
    torch.testing.assert_close(
        *twins(lambda: textures.lookup(textures.tones(), points, 0.07)), atol=1e-3, rtol=0
    )
    maps = torch.rand(5, 40, 40, generator=random)
    torch.testing.assert_close(*twins(lambda: creases.Creases(maps=maps).at(points)), atol=1e-4, rtol=0)


@pytest.mark.parametrize("sigma", [0.05, 0.6, 3.0])
def test_pictures_are_blurred_alike(twins: Any, random: torch.Generator, sigma: float) -> None:
    picture = torch.rand(2, 20, 30, generator=random)
    torch.testing.assert_close(*twins(lambda: develop.blur(picture, sigma)))


def test_hair_becomes_the_same_ribbons(twins: Any, random: torch.Generator) -> None:
    points = torch.rand(9, 5, 3, generator=random)
    grown = Strands(points=points, width=points[..., 0] / 50, colour=points, label=Label.HAIR)
    fast, slow = twins(lambda: ribbon_loops.ribbons(grown, torch.tensor([0.0, 0.1, 2.0]), least=0.002))
    assert torch.equal(fast.triangles.long(), slow.triangles)
    for name in ("vertices", "colour", "gloss", "along"):
        torch.testing.assert_close(getattr(fast, name), getattr(slow, name))


def test_a_skull_is_as_wide(twins: Any, random: torch.Generator) -> None:
    skull = Skull(
        centre=torch.zeros(3), away=_unit(random, 400), radius=torch.rand(400, generator=random),
        brow=0.0, ear=0.0, nape=0.0, size=1.0,
    )  # fmt: skip
    torch.testing.assert_close(*twins(lambda: hats._radius(skull, skull.away[:50] + 0.0)), atol=2e-4, rtol=0)


def test_a_whole_picture_is_the_same_without_compiled_loops(twins: Any) -> None:
    if not head.BUILT_IN.is_file():
        pytest.skip("no head model to paint")
    model = head.built_in()
    made = sample_person(3, model, tuple(STYLES))
    bald = replace(made, hair=replace(made.hair, style="none", beard="none"), glasses="round", hat="none")
    scene = portrait_scene(5, bald, model)
    fast, slow = twins(lambda: paint.paint(bald, scene, model, size=24))
    assert float((fast.labels == slow.labels).float().mean()) > 0.995
    away = (fast.image - slow.image).abs() * 127.5
    assert float(away.mean()) < 0.2
    assert float((away > 2).float().mean()) < 0.01
    torch.testing.assert_close(fast.alpha, slow.alpha, atol=0.26, rtol=0)
