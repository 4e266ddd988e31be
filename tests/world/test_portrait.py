"""Portraits: both cameras see the same, nothing but the camera moves, nothing is left to chance."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from phiz.face import head as heads
from phiz.face.morphable import MorphableModel
from phiz.graphics import camera as cameras
from phiz.graphics import frames
from phiz.world import background, portrait
from phiz.world.body import resting
from phiz.world.code import CUTS, code_layout
from phiz.world.drawn import develop
from phiz.world.figure import dress
from phiz.world.grown.hair_styles import STYLES
from phiz.world.paint import Picture, paint
from phiz.world.portrait import Portrait, orbit_camera, sample_portrait, sample_view, seen_from
from phiz.world.surface import Label

NAMES = tuple(STYLES)
SIZE = 64
VIEWS = (-0.35, 0.35)


@pytest.fixture(scope="module")
def model() -> MorphableModel:
    if not heads.BUILT_IN.is_file():
        pytest.skip("no head model to paint")
    made = heads.built_in()
    code_layout(made, NAMES)  # what is counted once
    return made


@pytest.fixture(scope="module")
def sitter(model: MorphableModel) -> Portrait:
    """Return somebody with a bare, matt face, lit from their left."""
    made = sample_portrait(3, model, NAMES)
    skin = replace(made.person.skin, oil=0.0, age=0.0, melanin=0.3)
    hair = replace(made.person.hair, style="buzz", beard="none")
    person = replace(made.person, skin=skin, hair=hair, glasses="none", hat="none")
    ambient, keys = portrait.portrait_lights(torch.tensor([2.0, 0.0, 0.0, 0.0]))
    coeffs = replace(made.scene.coeffs, expression=torch.zeros_like(made.scene.coeffs.expression))
    return replace(made, person=person, scene=replace(made.scene, ambient=ambient, keys=keys, coeffs=coeffs))


@pytest.fixture(scope="module")
def pictures(sitter: Portrait, model: MorphableModel) -> tuple[Picture, ...]:
    with torch.no_grad():
        worn = dress(sitter.person, model)
        scenes = [seen_from(sitter, model, yaw, 0.0) for yaw in VIEWS]
        return tuple(paint(sitter.person, s, model, size=SIZE, outfit=worn) for s in scenes)


def test_the_same_seed_sits_for_the_same_portrait(model: MorphableModel) -> None:
    one, other = (sample_portrait(5, model, NAMES) for _ in range(2))
    assert torch.equal(one.code, other.code)
    assert torch.equal(one.background_code, other.background_code)
    assert one.scene.background == other.scene.background
    assert not torch.equal(one.code, sample_portrait(6, model, NAMES).code)


def test_nothing_about_a_sitter_is_left_to_chance(model: MorphableModel) -> None:
    sitters = [sample_portrait(seed, model, NAMES) for seed in range(12)]
    seeds = {(s.person.skin.seed, s.person.eyes.seed, s.person.hair.seed, s.scene.seed) for s in sitters}
    assert len(seeds) == 1
    assert {s.person.number for s in sitters} == set(range(CUTS))


@pytest.mark.parametrize(("yaw", "pitch"), [(0.0, 0.0), (0.5, -0.1), (-0.8, 0.3)])
def test_both_cameras_show_a_point_at_the_same_place(yaw: float, pitch: float, model: MorphableModel) -> None:
    sitter = sample_portrait(2, model, NAMES)
    points = model.vertices(sitter.scene.coeffs)[0] * model.metres_per_unit
    inside, world = orbit_camera(sitter.person, model, yaw, pitch)
    moved = frames.transform(portrait.generator_from_world(sitter.person, model), points)
    first = cameras.project(inside, moved[None])
    second = cameras.project(world, points[None])
    assert torch.allclose(first[..., :2], second[..., :2], atol=2e-5)
    assert torch.allclose(
        first[..., 2], second[..., 2] * portrait.PORTRAIT_UNITS_PER_METRE, rtol=0, atol=1e-5
    )


def test_a_positive_yaw_looks_from_the_persons_left_and_a_positive_pitch_from_below() -> None:
    angles = torch.tensor([0.3, 0.0]), torch.tensor([0.0, 0.2])
    world = cameras.orbit(*angles, 1.0)
    seen = portrait.view_camera(*angles)
    turn = frames.generator_from_head(1.0)
    assert torch.allclose(seen.position, world[:, :3, 3] @ turn[:3, :3].T, atol=1e-6)
    assert seen.position[0, 1] > 0.2
    assert seen.position[1, 2] < -0.1


def test_the_middle_of_the_picture_lies_below_and_behind_the_eyes(model: MorphableModel) -> None:
    person = sample_portrait(4, model, NAMES).person
    points = resting.vertices(model, person.identity) * model.metres_per_unit
    marks = model.landmarks(points[None] / model.metres_per_unit)[0] * model.metres_per_unit
    moved = frames.transform(portrait.generator_from_world(person, model), marks)
    eyes = moved[36:48].mean(dim=0) / portrait.PORTRAIT_UNITS_PER_METRE
    assert 0.045 < float(eyes[0]) < 0.07  # lids lie a little before or behind the eyeballs' front
    assert abs(float(eyes[1])) < 0.005
    assert 0.004 < float(eyes[2]) < 0.016


def test_views_are_mostly_frontal_and_never_too_far() -> None:
    views = torch.tensor([sample_view(seed, k) for seed in range(150) for k in range(2)])
    assert sample_view(1, 0) == sample_view(1, 0) != sample_view(1, 1)
    assert views[:, 0].abs().max() <= portrait.MOST_YAW
    assert views[:, 1].abs().max() <= portrait.MOST_PITCH
    assert views.mean(dim=0).abs().max() < 0.06
    assert 0.3 < float(views[:, 0].std()) < 0.42
    assert 0.12 < float(views[:, 1].std()) < 0.18


def test_the_head_in_the_picture_lies_about_the_generators_origin(
    sitter: Portrait, model: MorphableModel, pictures: tuple[Picture, ...]
) -> None:
    at = (torch.arange(SIZE) + 0.5) * 2 / SIZE - 1
    v, u = torch.meshgrid(at, at, indexing="ij")
    for yaw, picture in zip(VIEWS, pictures, strict=True):
        inside, _ = orbit_camera(sitter.person, model, yaw, 0.0)
        depth = picture.depth * portrait.PORTRAIT_UNITS_PER_METRE
        face = (picture.labels == Label.SKIN) | (picture.labels == Label.NOSE)
        places = cameras.unproject(inside, torch.stack([u, v, depth], -1)[face][None])[0]
        assert len(places) > 500
        assert float(places.norm(dim=-1).max()) < 0.2


def test_a_landmarks_depth_leads_back_to_the_landmark(
    sitter: Portrait, model: MorphableModel, pictures: tuple[Picture, ...]
) -> None:
    nose = model.landmarks(model.vertices(sitter.scene.coeffs))[0, 30] * model.metres_per_unit
    expected = frames.transform(portrait.generator_from_world(sitter.person, model), nose[None])[0]
    for yaw, picture in zip(VIEWS, pictures, strict=True):
        inside, _ = orbit_camera(sitter.person, model, yaw, 0.0)
        uv = cameras.from_pixels(picture.landmarks68[30], SIZE, SIZE)
        column, row = picture.landmarks68[30].long().tolist()
        depth = picture.depth[row, column] * portrait.PORTRAIT_UNITS_PER_METRE
        found = cameras.unproject(inside, torch.cat([uv, depth[None]])[None, None])[0, 0]
        assert float((found - expected).norm()) < 0.008


def _cheek(picture: Picture, jaw: int, nose: int) -> float:
    """Return the light of a cheek, between jaw and nose."""
    x, y = (0.4 * picture.landmarks68[jaw] + 0.6 * picture.landmarks68[nose]).long().tolist()
    patch = picture.image[:, y - 1 : y + 2, x - 1 : x + 2] / 2 + 0.5
    return float(develop.linear(patch).mean())


def test_light_stays_with_the_head_when_the_view_moves(pictures: tuple[Picture, ...]) -> None:
    left = [_cheek(picture, 14, 35) for picture in pictures]
    right = [_cheek(picture, 2, 31) for picture in pictures]
    apart = min(left) - max(right)
    assert apart > 0.1
    assert abs(left[0] - left[1]) < 0.35 * apart
    assert abs(right[0] - right[1]) < 0.35 * apart


def test_the_wall_is_even_and_the_same_from_everywhere(sitter: Portrait, model: MorphableModel) -> None:
    wall = background.paint(sitter.scene.background, 64, 64)
    assert float((wall.amax((1, 2)) / wall.amin((1, 2))).max()) < 1.03
    assert seen_from(sitter, model, 0.6, 0.1).background == sitter.scene.background


def test_walls_range_from_dark_to_bright() -> None:
    dark, bright = (portrait.background_colour(torch.tensor([x, 0.0, 0.0])) for x in (-2.0, 2.0))
    assert max(dark) < 0.05
    assert min(bright) > 0.4


def test_mirrored_light_numbers_mirror_the_lamps() -> None:
    lamps = [portrait.portrait_lights(torch.tensor([x, 0.3, 0.1, 0.0]))[1] for x in (-1.0, 1.0)]
    for one, other in zip(*lamps, strict=True):
        assert torch.allclose(one.direction * torch.tensor([-1.0, 1.0, 1.0]), other.direction, atol=1e-6)
        assert torch.equal(one.colour, other.colour)
    assert math.isclose(float(lamps[0][0].direction.norm()), 1.0, abs_tol=1e-6)
