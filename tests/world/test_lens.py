"""Spectacles' glass: clear or tinted, hidden or in front, and what it mirrors."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from plain_head import plain_head
from torch import Tensor

from phiz.graphics.raster import Hits
from phiz.world import lights
from phiz.world.drawn import lens, samples
from phiz.world.lights import KeyLight
from phiz.world.people import Person, sample_person
from phiz.world.scene import Scene, portrait_scene
from phiz.world.surface import Label, Material, Surface
from phiz.world.worn import shapes

HEAD = plain_head()
SIZE = 24
TINT = (0.2, 0.15, 0.1)


@pytest.fixture(scope="module")
def person() -> Person:
    return sample_person(1, HEAD, ("none",))


@pytest.fixture(scope="module")
def scene(person: Person) -> Scene:
    """Return a scene without any light."""
    return replace(portrait_scene(0, person, HEAD), keys=(), ambient=torch.zeros(9, 3))


def pane(scene: Scene, apart: float = 0.35) -> Surface:
    """Return a flat lens that faces the camera, some metres before it, and fills 0.7 of the picture."""
    frame = scene.camera.world_from_camera[0]
    half = 0.7 * apart / float(scene.camera.intrinsics[0, 0, 0])
    right, up, back, eye = frame[:3, 0], frame[:3, 1], frame[:3, 2], frame[:3, 3]
    side = torch.linspace(-half, half, 9)
    points = eye - apart * back - side[:, None, None] * up + side[None, :, None] * right
    sheet = points.reshape(-1, 3)
    return shapes.surface(sheet, shapes.grid(9, 9), label=Label.GLASSES, colour=TINT, material=Material.GLASS)


def nothing(depth: float = torch.inf) -> Hits:
    """Return what a picture of one wall at a depth hits; at infinity there is no wall."""
    fine = SIZE * samples.SUB
    hit = -1 if depth == torch.inf else 0
    return Hits(
        triangle=torch.full((fine, fine), hit, dtype=torch.int32),
        barycentric=torch.zeros(fine, fine, 3),
        depth=torch.full((fine, fine), depth),
    )


def look(person: Person, scene: Scene, tint: float = 0.0, wall: float = torch.inf) -> tuple[Tensor, ...]:
    return lens.look_through(pane(scene), nothing(wall), replace(person, lens_tint=tint), scene, SIZE)


def lamp(scene: Scene, direction: Tensor, strength: float = 1.0) -> Scene:
    shining = KeyLight(direction=direction, colour=torch.full((3,), strength), softness=0.2)
    return replace(scene, keys=(shining,))


def test_clear_glass_lets_everything_through_and_dark_glass_a_tenth_of_its_colour(
    person: Person, scene: Scene
) -> None:
    torch.testing.assert_close(look(person, scene, 0.0)[1], torch.ones(3, 1))
    torch.testing.assert_close(look(person, scene, 1.0)[1], 0.1 * torch.tensor(TINT)[:, None])


def test_the_darker_the_glass_the_less_comes_through(person: Person, scene: Scene) -> None:
    through = torch.cat([look(person, scene, tint)[1] for tint in (0.0, 0.2, 0.5, 0.8, 1.0)], dim=1)
    assert bool((through.diff(dim=1) < 0).all())


def test_a_lens_covers_the_middle_of_the_picture_in_quarters_of_pixels(person: Person, scene: Scene) -> None:
    share = look(person, scene)[0]
    assert torch.equal(4 * share, (4 * share).round())
    square = share.reshape(SIZE, SIZE)
    assert square[SIZE // 2, SIZE // 2] == 1
    assert square[0].max() == 0
    assert square[:, 0].max() == 0


def test_what_stands_before_a_lens_hides_it_and_what_stands_behind_does_not(
    person: Person, scene: Scene
) -> None:
    assert look(person, scene, wall=0.2)[0].max() == 0
    assert torch.equal(look(person, scene, wall=0.5)[0], look(person, scene)[0])


def test_a_hidden_lens_mirrors_nothing(person: Person, scene: Scene) -> None:
    bright = lamp(scene, scene.camera.world_from_camera[0, :3, 2])
    assert look(person, bright, wall=0.2)[2].abs().max() == 0


def test_without_light_nothing_is_mirrored(person: Person, scene: Scene) -> None:
    assert look(person, scene)[2].abs().max() == 0


def test_a_lamp_behind_the_camera_is_mirrored_in_the_middle_of_a_curved_lens(
    person: Person, scene: Scene
) -> None:
    share, _, mirrored = look(person, lamp(scene, scene.camera.world_from_camera[0, :3, 2]))
    picture, covered = mirrored.mean(0).reshape(SIZE, SIZE), share.reshape(SIZE, SIZE) == 1
    rows, columns = covered.nonzero(as_tuple=True)
    middle = picture[rows.float().mean().long(), columns.float().mean().long()]
    edge = torch.stack([picture[rows.min(), columns.min()], picture[rows.max(), columns.max()]])
    assert middle > 0.3
    assert edge.max() < 0.1 * middle


def test_a_lamp_behind_the_head_is_not_mirrored(person: Person, scene: Scene) -> None:
    assert look(person, lamp(scene, -scene.camera.world_from_camera[0, :3, 2]))[2].max() < 1e-4


def test_glare_is_bounded_however_strong_the_lamp_is(person: Person, scene: Scene) -> None:
    bright = lamp(scene, scene.camera.world_from_camera[0, :3, 2], strength=1000.0)
    assert look(person, bright)[2].max() == pytest.approx(1.5, abs=1e-4)


def test_surroundings_are_mirrored_everywhere_and_in_proportion(person: Person, scene: Scene) -> None:
    dim, bright = (
        look(person, replace(scene, ambient=lights.hemisphere(*[torch.full((3,), level)] * 2)))
        for level in (0.5, 1.0)
    )
    covered = dim[0] > 0
    assert bool((dim[2][:, covered] > 0).all())
    torch.testing.assert_close(bright[2], 2 * dim[2], rtol=1e-4, atol=1e-6)
    assert bright[2].max() < 0.5
