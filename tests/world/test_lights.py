"""Lamps and surroundings: where they stand, what colour they have, how often each kind is drawn."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from phiz.graphics.shade import irradiance
from phiz.world import lights
from phiz.world.lights import PORTRAIT, PRESETS, KeyLight, Preset

WHITE, BLACK = torch.ones(3), torch.zeros(3)
FRONT, BACK = torch.tensor([0.0, 0.0, 1.0]), torch.tensor([0.0, 0.0, -1.0])


def random(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@given(turn=st.floats(-180, 180), height=st.floats(-89, 89))
def test_directions_are_unit_vectors_of_the_angles_asked_for(turn: float, height: float) -> None:
    x, y, z = lights.direction(turn, height).tolist()
    assert math.hypot(x, y, z) == pytest.approx(1, abs=1e-5)
    assert math.degrees(math.asin(y)) == pytest.approx(height, abs=0.1)
    away = math.degrees(math.atan2(x, z)) - turn
    assert (away + 180) % 360 - 180 == pytest.approx(0, abs=0.1)


def test_no_turn_is_at_the_camera_and_a_quarter_turn_on_the_pictures_right() -> None:
    torch.testing.assert_close(lights.direction(0, 0), FRONT)
    torch.testing.assert_close(lights.direction(90, 0), torch.tensor([1.0, 0.0, 0.0]), atol=1e-6, rtol=0)


@given(st.floats(1500, 12000))
def test_colours_of_heat_have_a_mean_of_one_and_no_dark_channel(kelvin: float) -> None:
    colour = lights.kelvin_colour(kelvin)
    assert float(colour.mean()) == pytest.approx(1, abs=1e-5)
    assert colour.min() > 0


def test_hotter_light_is_bluer() -> None:
    ratio = torch.stack([lights.kelvin_colour(k) for k in range(2000, 10000, 500)])
    assert bool((ratio[:, 2] / ratio[:, 0]).diff().min() > 0)


@pytest.mark.parametrize("preset", [*PRESETS, PORTRAIT])
def test_lamps_stay_within_the_ranges_of_their_kind(preset: Preset) -> None:
    for seed in range(20):
        _, keys = lights.sample_lights(random(seed), preset)
        assert len(keys) <= len(preset.lamps)
        lowest = min(lamp.height[0] for lamp in preset.lamps)
        highest = max(lamp.height[1] for lamp in preset.lamps)
        for key in keys:
            assert float(key.direction.norm()) == pytest.approx(1, abs=1e-5)
            height = math.degrees(math.asin(float(key.direction[1])))
            assert lowest - 0.1 <= height <= highest + 0.1
            strength = float(key.colour.mean())
            assert strength <= max(lamp.strength[1] for lamp in preset.lamps) + 1e-5
            assert 0 < key.softness < math.radians(41)


@pytest.mark.parametrize("preset", PRESETS)
def test_the_other_side_mirrors_lamps_and_changes_nothing_else(preset: Preset) -> None:
    ambient, keys = lights.sample_lights(random(3), preset)
    same, mirrored = lights.sample_lights(random(3), preset, side=-1.0)
    assert torch.equal(ambient, same)
    for key, other in zip(keys, mirrored, strict=True):
        torch.testing.assert_close(other.direction, key.direction * torch.tensor([-1.0, 1, 1]))
        assert torch.equal(other.colour, key.colour)
        assert other.softness == key.softness


def test_lamps_too_weak_to_be_seen_are_left_out() -> None:
    counts = {len(lights.sample_lights(random(k), PRESETS[1])[1]) for k in range(60)}  # overcast: 0 to 0.3
    assert counts == {0, 1}


def test_surroundings_light_every_side_with_something() -> None:
    normals = torch.nn.functional.normalize(torch.randn(50, 3, generator=torch.Generator().manual_seed(1)))
    for preset in PRESETS:
        ambient, _ = lights.sample_lights(random(1), preset)
        assert irradiance(normals, ambient).min() > 0


def test_more_light_comes_from_the_sky_than_from_the_ground() -> None:
    up_and_down = torch.tensor([[0.0, 1.0, 0.0], [0.0, -1.0, 0.0]])
    for seed in range(10):
        ambient, _ = lights.sample_lights(random(seed), PRESETS[1])  # overcast: the ground gives up to 0.6
        above, below = irradiance(up_and_down, ambient).mean(dim=1).tolist()
        assert 0.2 < below / above < 0.65


def test_kinds_are_drawn_as_often_as_their_shares_say() -> None:
    rng, count = random(), 6000
    drawn = [lights.choose(rng).name for _ in range(count)]
    for preset in PRESETS:
        assert drawn.count(preset.name) / count == pytest.approx(preset.share, abs=0.02)
    assert PORTRAIT.name not in drawn


def test_light_adds_up() -> None:
    ambient = lights.hemisphere(WHITE, 0.5 * WHITE)
    one = KeyLight(direction=FRONT, colour=0.7 * WHITE, softness=0.1)
    two = KeyLight(direction=lights.direction(60, 30), colour=torch.tensor([0.3, 0.2, 0.1]), softness=0.1)
    torch.testing.assert_close(lights.all_light(ambient, ()), ambient)
    both = lights.all_light(ambient, (one, two))
    torch.testing.assert_close(both, lights.all_light(lights.all_light(ambient, (two,)), (one,)))


def test_a_face_is_lit_by_a_lamp_before_it_and_hardly_by_one_behind_it() -> None:
    lamp = (KeyLight(direction=FRONT, colour=WHITE, softness=0.1),)
    light = lights.all_light(torch.zeros(9, 3), lamp)
    towards, away = lights.on_face(light, FRONT), lights.on_face(light, BACK)
    assert towards.min() > 0.6
    assert away.max() < 0.15


def test_even_light_is_as_bright_on_every_face_and_darkness_is_never_quite_dark() -> None:
    even = lights.hemisphere(WHITE, WHITE)
    for turn in range(0, 360, 45):
        torch.testing.assert_close(lights.on_face(even, lights.direction(turn, 10)), WHITE)
    assert lights.on_face(lights.hemisphere(BLACK, BLACK), FRONT).min() > 0


def test_a_seed_gives_its_light() -> None:
    first, again, other = (lights.sample_lights(random(s), PRESETS[5])[0] for s in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
