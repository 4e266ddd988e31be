"""Scenes: the same for a seed, heads in the frame, poses and faces within their limits."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from plain_head import plain_head

from phiz.face.morphable import ARKIT_NAMES
from phiz.graphics import camera as cameras
from phiz.graphics import rotation
from phiz.graphics.shade import irradiance
from phiz.world import background, expressions, lights, scene
from phiz.world.background import Backdrop
from phiz.world.people import generator, sample_person
from phiz.world.scene import Scene, portrait_scene, sample_scene, turntable

HEAD = plain_head()
PERSON = sample_person(1, HEAD, ("none",))
SCENES = [sample_scene(seed, PERSON, HEAD) for seed in range(250)]


def head_in_picture(s: Scene) -> torch.Tensor:
    """Return (u, v) of the skin of the head."""
    points = HEAD.vertices(s.coeffs)[0][HEAD.triangles[scene.is_head(HEAD)].reshape(-1)]
    world = points @ rotation.from_euler(s.coeffs.rotation)[0].T + s.coeffs.translation[0]
    return cameras.project(s.camera, world[None])[0, :, :2]


def test_the_same_seed_makes_the_same_scene() -> None:
    again = sample_scene(7, PERSON, HEAD)
    assert again.develop == SCENES[7].develop
    assert again.background == SCENES[7].background
    assert torch.equal(again.coeffs.expression, SCENES[7].coeffs.expression)
    assert torch.equal(again.camera.world_from_camera, SCENES[7].camera.world_from_camera)
    assert torch.equal(again.ambient, SCENES[7].ambient)


def test_heads_fill_the_share_of_the_picture_that_is_claimed_and_stay_inside() -> None:
    for s in SCENES[:60]:
        uv = head_in_picture(s)
        tall = float(uv[:, 1].max() - uv[:, 1].min()) / 2
        assert 0.40 < tall < 1.0
        assert uv.abs().max() < 1.25


def test_poses_cover_their_range_and_peak_in_the_middle() -> None:
    pose = torch.cat([s.coeffs.rotation + s.coeffs.neck for s in SCENES])
    most = torch.tensor([scene.MAX_PITCH, scene.MAX_YAW, scene.MAX_ROLL])
    assert (pose.abs() <= most + 1e-5).all()
    yaw = pose[:, 1].rad2deg()
    assert yaw.min() < -40
    assert yaw.max() > 40
    assert (yaw.abs() < 20).float().mean() > 0.5


def test_necks_and_eyes_turn_no_further_than_they_can() -> None:
    neck = torch.cat([s.coeffs.neck for s in SCENES]).abs()
    gaze = torch.cat([s.coeffs.gaze for s in SCENES]).abs().amax(dim=(0, 1))
    assert (neck <= torch.tensor(scene.NECK_LIMIT) + 1e-6).all()
    assert (gaze <= torch.tensor(scene.GAZE_LIMIT) + 0.05).all()


def test_about_half_of_the_people_look_into_the_camera() -> None:
    sums = torch.stack(
        [s.coeffs.gaze.mean(1)[0] + (s.coeffs.rotation + s.coeffs.neck)[0, [1, 0]] for s in SCENES]
    )
    assert 0.35 < (sums.norm(dim=-1) < 0.12).float().mean() < 0.8


def test_lenses_are_long_to_wide() -> None:
    fov = [2 * math.atan(1 / float(s.camera.intrinsics[0, 1, 1])) for s in SCENES]
    assert min(fov) >= scene.NARROW - 1e-6
    assert max(fov) <= scene.WIDE + 1e-6
    assert max(fov) - min(fov) > math.radians(20)


def test_a_fifth_of_the_faces_are_at_rest_and_weights_stay_within_bounds() -> None:
    weights = torch.cat([s.coeffs.expression for s in SCENES])
    lids = [ARKIT_NAMES.index(n) for n in ARKIT_NAMES if "Blink" in n or "Squint" in n]
    weights[:, lids] = weights[:, lids].clamp(0, 1)
    still = (weights.index_fill(1, torch.tensor(lids), 0).abs().amax(dim=1) == 0).float().mean()
    assert weights.min() >= 0
    assert weights.max() <= 1
    assert 0.12 < still < 0.30


@given(st.lists(st.floats(-0.5, 1.5), min_size=len(ARKIT_NAMES), max_size=len(ARKIT_NAMES)))
def test_whatever_is_asked_of_a_face_muscles_allow_what_comes_out(asked: list[float]) -> None:
    found = dict(zip(ARKIT_NAMES, asked, strict=True))
    expressions.limit(found)
    assert all(0 <= weight <= 1 for weight in found.values())
    assert found["mouthClose"] <= found["jawOpen"]
    assert min(found["jawLeft"], found["jawRight"]) == 0
    assert found["mouthFunnel"] + found["mouthPucker"] <= 1 + 1e-9
    for side in ("Left", "Right"):
        assert min(found[f"mouthSmile{side}"], found[f"mouthFrown{side}"]) == 0
        assert min(found[f"eyeBlink{side}"], found[f"eyeWide{side}"]) == 0


def test_every_mood_and_every_sound_moves_something() -> None:
    for look in (*expressions.MOODS.values(), *expressions.SOUNDS.values()):
        assert expressions.weights(look, ARKIT_NAMES).max() > 0


def test_modes_without_names_stay_at_rest() -> None:
    assert expressions.sample_expression(generator(0, "t"), ()).shape == (0,)
    assert expressions.sample_expression(generator(0, "t"), ("mode 1", "mode 2")).abs().max() == 0


def test_all_light_together_is_the_surround_and_the_lamps() -> None:
    s = next(s for s in SCENES if s.keys)
    key = s.keys[0]
    alone = irradiance(key.direction[None], s.ambient)
    together = irradiance(key.direction[None], s.coeffs.light[0])
    assert (together - alone >= 0.95 * key.colour).all()
    assert float(key.direction.norm()) == pytest.approx(1, abs=1e-5)


def test_faces_are_exposed_so_that_they_can_be_seen() -> None:
    for s in SCENES:
        facing = rotation.from_euler(s.coeffs.rotation + s.coeffs.neck)[0, :, 2]
        assert 0.25 < float(lights.on_face(s.coeffs.light[0], facing).mean()) * s.develop.exposure < 4


def test_warm_light_is_red_and_cold_light_is_blue() -> None:
    warm, cold = lights.kelvin_colour(2700), lights.kelvin_colour(9000)
    assert warm[0] > warm[1] > warm[2]
    assert cold[0] < cold[2]
    torch.testing.assert_close(lights.kelvin_colour(5600), torch.ones(3))


def test_a_hemisphere_lights_what_looks_up_by_the_sky_and_what_looks_down_by_the_ground() -> None:
    above, below = torch.tensor([0.2, 0.5, 0.9]), torch.tensor([0.3, 0.2, 0.1])
    light = lights.hemisphere(above, below)
    normals = torch.tensor([[0.0, 1.0, 0.0], [0.0, -1.0, 0.0]])
    torch.testing.assert_close(irradiance(normals, light), torch.stack([above, below]))


def test_every_kind_of_light_and_of_background_is_used() -> None:
    assert {s.background.kind for s in SCENES} == set(background.KINDS)
    assert {lights.choose(generator(k, "light")).name for k in range(300)} == {p.name for p in lights.PRESETS}
    assert sum(p.share for p in lights.PRESETS) == pytest.approx(1)


@pytest.mark.parametrize("kind", background.KINDS)
def test_a_background_is_the_same_each_time_and_alike_at_any_size(kind: background.Kind) -> None:
    spec = Backdrop(kind=kind, colours=((0.3, 0.3, 0.2), (0.1, 0.2, 0.3)), blur=0.03, brightness=1.0, seed=3)
    small, large = background.paint(spec, 64, 64), background.paint(spec, 128, 128)
    assert torch.equal(small, background.paint(spec, 64, 64))
    assert torch.isfinite(large).all()
    assert large.min() >= 0
    assert (torch.nn.functional.avg_pool2d(large, 2) - small).abs().mean() < 0.02


def test_backgrounds_need_not_be_square() -> None:
    assert background.paint(SCENES[0].background, 90, 160).shape == (3, 90, 160)


def test_a_portrait_looks_straight_into_the_camera() -> None:
    portrait = portrait_scene(0, PERSON, HEAD)
    assert portrait.coeffs.rotation.abs().max() == 0
    assert portrait.develop.noise == 0
    assert len(portrait.keys) == 3


def test_a_turntable_goes_round_once_and_keeps_the_head_in_the_middle() -> None:
    scenes = turntable(PERSON, HEAD, 8)
    yaw = np.array([float(s.coeffs.rotation[0, 1]) for s in scenes])
    np.testing.assert_allclose(np.diff(yaw), 2 * math.pi / 8, rtol=1e-5)
    for s in scenes:
        assert head_in_picture(s).mean(dim=0).abs().max() < 0.2
