"""What people wear: it fits heads of any shape, hides what it should, and follows the neck."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from jaxtyping import Float, Int
from plain_head import plain_head
from torch import Tensor

from phiz.face.coeffs import neutral
from phiz.face.morphable import Part
from phiz.graphics import raster, rotation
from phiz.world import people
from phiz.world.people import Person, sample_person
from phiz.world.surface import Label, Material, Surface
from phiz.world.worn import clothing, hats, shapes
from phiz.world.worn.glasses import glasses
from phiz.world.worn.jewellery import earrings

HEAD = plain_head()
PERSON = replace(sample_person(2, HEAD, ("none",)), glasses="none", hat="none", earrings=False)
SHAPES = ((0.0, 0.0, 0.0), (2.2, -1.5, 1.0), (-2.0, 2.0, -1.0))
"""Identities of an ordinary, a broad and a narrow head."""


def rest(shape: tuple[float, float, float] = SHAPES[0]) -> Float[Tensor, "v 3"]:
    return HEAD.vertices(replace(neutral(HEAD.sizes), identity=torch.tensor([shape])))[0]


def seen(
    vertices: Float[Tensor, "v 3"], worn: list[Surface], yaw: float, pitch: float = 0.0, pixels: int = 160
) -> tuple[Int[Tensor, "h w"], Float[Tensor, "h w 3"]]:
    """Return the number of the triangle that each pixel shows, seen from far away, and the point."""
    points, triangles = [vertices], [HEAD.triangles]
    for s in worn:
        triangles.append(s.triangles + sum(len(p) for p in points))
        points.append(s.vertices)
    every, faces = torch.cat(points), torch.cat(triangles)
    turned = every @ rotation.from_euler(torch.tensor([pitch, yaw, 0.0])).T
    scale = pixels / 0.5
    screen = torch.stack(
        [
            turned[:, 0] * scale + pixels / 2,
            (0.05 - turned[:, 1]) * scale + pixels / 2 - 40,
            2 - turned[:, 2],
        ],
        dim=-1,
    )
    hits = raster.rasterise(screen, faces, pixels, pixels)
    return hits.triangle.long(), raster.interpolate(every, faces, hits)


def everything(person: Person, vertices: Float[Tensor, "v 3"]) -> list[Surface]:
    made = (glasses, hats.hat, earrings, clothing.clothing)
    return [s for make in made for s in make(person, vertices, HEAD)]


def test_whoever_wears_nothing_carries_nothing_but_clothes() -> None:
    assert {int(s.labels[0]) for s in everything(PERSON, rest())} == {Label.CLOTH}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("k", range(6))
def test_all_that_is_worn_is_made_of_sound_triangles(shape: tuple[float, float, float], k: int) -> None:
    person = replace(
        PERSON,
        number=k,
        glasses=people.GLASSES[k % 4],
        hat=people.HATS[k % 4],
        clothing=people.CLOTHES[k],
        earrings=True,
    )
    for s in everything(person, rest(shape)):
        assert torch.isfinite(s.vertices).all()
        assert s.vertices.abs().max() < 1
        assert int(s.triangles.min()) >= 0
        assert int(s.triangles.max()) < len(s.vertices)
        assert len(s.labels) == len(s.triangles)
        assert s.colour.min() >= 0
        assert s.colour.max() <= 1


def test_the_same_person_wears_the_same_things() -> None:
    person = replace(PERSON, glasses="round", hat="cap", earrings=True)
    for first, second in zip(everything(person, rest()), everything(person, rest()), strict=True):
        assert torch.equal(first.vertices, second.vertices)
        assert torch.equal(first.colour, second.colour)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", people.GLASSES)
def test_lenses_sit_in_front_of_the_eyes_and_clear_of_skin(
    kind: people.Glasses, shape: tuple[float, float, float]
) -> None:
    vertices = rest(shape)
    _, lenses = glasses(replace(PERSON, glasses=kind), vertices, HEAD)
    assert lenses.material == Material.GLASS
    for side, part in ((1.0, Part.LEFT_EYE), (-1.0, Part.RIGHT_EYE)):
        lens = lenses.vertices[lenses.vertices[:, 0] * side > 0]
        eye = shapes.points_of(HEAD, vertices, (part,))
        assert lens[:, 2].min() > eye[:, 2].max() + 0.001
        assert (lens.mean(dim=0) - eye.mean(dim=0))[:2].abs().max() < 0.008
        skin = shapes.points_of(HEAD, vertices, (Part.SKIN,))
        for point in lens[::7]:
            near = skin[(skin[:, :2] - point[:2]).norm(dim=-1) < 0.004]
            assert (near[:, 2] < point[2]).all()


def test_dark_lenses_are_glasses_and_clear_ones_are_what_lies_behind() -> None:
    dark = glasses(replace(PERSON, glasses="sunglasses", lens_tint=0.9), rest(), HEAD)[1]
    clear = glasses(replace(PERSON, glasses="round", lens_tint=0.05), rest(), HEAD)[1]
    assert (dark.labels == Label.GLASSES).all()
    assert (clear.labels == Label.BACKGROUND).all()
    assert dark.colour.mean() < 0.2 < 0.8 < clear.colour.mean()


def test_temples_run_beside_the_head_to_the_ears() -> None:
    vertices = rest()
    frame = glasses(replace(PERSON, glasses="square"), vertices, HEAD)[0].vertices
    ear = shapes.points_of(HEAD, vertices, (Part.LEFT_EAR,))
    assert torch.cdist(frame, ear).min() < 0.01
    assert frame[:, 2].min() < ear[:, 2].mean()


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", people.CLOTHES)
def test_no_skin_shows_below_a_neckline_and_no_cut_anywhere(
    kind: people.Clothing, shape: tuple[float, float, float]
) -> None:
    vertices = rest(shape)
    worn = clothing.clothing(replace(PERSON, clothing=kind), vertices, HEAD)
    edge = float(worn[0].vertices[: clothing.AROUND, 1].min())
    assert worn[0].vertices[:, 1].min() < vertices[:, 1].min() - 0.25
    for yaw in (0.0, 0.8, math.pi / 2, math.pi, -2.2):
        triangle, point = seen(vertices, worn, yaw)
        is_skin = (triangle >= 0) & (triangle < len(HEAD.triangles))
        assert not (is_skin & (point[..., 1] < edge - 0.008)).any()


def test_clothes_stay_at_rest_with_the_head_and_follow_the_neck_where_they_touch_it() -> None:
    vertices = rest()
    garment = clothing.clothing(replace(PERSON, clothing="turtleneck"), vertices, HEAD)[0]
    worn = clothing.put_on(garment, vertices, HEAD)
    assert torch.equal(clothing.follow(worn, vertices, vertices).vertices, garment.vertices)
    moved = clothing.follow(worn, vertices, vertices + torch.tensor([0.01, 0.0, 0.0])).vertices
    shift = (moved - garment.vertices)[:, 0]
    assert shift[garment.vertices[:, 1] < -0.4].max() < 1e-4
    assert shift[garment.vertices[:, 1] > -0.11].min() > 0.004


def test_a_head_without_shoulders_wears_no_clothes() -> None:
    bust = replace(HEAD, parts=torch.full_like(HEAD.parts, int(Part.SKIN)))
    assert clothing.clothing(PERSON, rest(), bust) == []


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", ["beanie", "cap", "brim"])
def test_the_scalp_stays_under_the_hat(kind: people.Hat, shape: tuple[float, float, float]) -> None:
    vertices = rest(shape)
    person = replace(PERSON, hat=kind)
    worn = hats.hat(person, vertices, HEAD)
    for yaw, pitch in ((0.0, 0.0), (math.pi / 2, 0.0), (math.pi, 0.0), (0.0, 1.2), (2.0, 0.7)):
        triangle, point = seen(vertices, worn, yaw, pitch)
        is_skin = (triangle >= 0) & (triangle < len(HEAD.triangles))
        scalp = point[is_skin & (HEAD.parts[triangle.clamp(0, len(HEAD.parts) - 1)] == Part.SCALP)]
        covered = hats.under_hat(scalp - torch.tensor([0.0, 0.006, 0.0]), person, vertices, HEAD)
        assert covered.float().mean().nan_to_num() < 0.01


def test_hair_on_the_crown_has_no_room_under_a_hat_and_hair_at_the_nape_has() -> None:
    points = torch.tensor([[0.0, 0.16, 0.0], [0.0, -0.06, -0.08]])
    assert hats.under_hat(points, PERSON, rest(), HEAD).tolist() == [False, False]
    for kind in ("beanie", "cap", "brim"):
        assert hats.under_hat(points, replace(PERSON, hat=kind), rest(), HEAD).tolist() == [True, False]
    assert hats.under_hat(points, replace(PERSON, hat="headscarf"), rest(), HEAD).all()


def test_earrings_hang_at_both_ears() -> None:
    for number in range(8):
        worn = earrings(replace(PERSON, earrings=True, number=number), rest(), HEAD)[0]
        for part in (Part.LEFT_EAR, Part.RIGHT_EAR):
            ear = shapes.points_of(HEAD, rest(), (part,))
            lobe = ear[ear[:, 1].argmin()]
            assert (worn.vertices - lobe).norm(dim=-1).min() < 0.012


def test_a_tube_is_closed_and_its_walls_keep_their_distance_from_its_path() -> None:
    path = torch.stack([torch.linspace(0, 1, 9), torch.zeros(9), torch.zeros(9)], dim=-1)
    points, triangles = shapes.tube(path, 0.1, corners=12)
    torch.testing.assert_close(points[:-2, 1:].norm(dim=-1), torch.full((108,), 0.1))
    edges = torch.cat([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    _, count = torch.unique(edges.sort(dim=1).values, dim=0, return_counts=True)
    assert (count == 2).all()


def test_a_smooth_path_goes_through_its_points() -> None:
    corners = torch.tensor([[0.0, 0.0, 0.0], [1.0, 2.0, 0.0], [3.0, 1.0, 1.0], [4.0, 0.0, 0.0]])
    torch.testing.assert_close(shapes.smooth_path(corners, 31)[::10], corners)
