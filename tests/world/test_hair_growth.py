"""How strands grow: out of the skin, off the face, as long as planned, and bent by what pulls at them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from round_skull import SKULL, room, roots_on_top

from phiz.world.grown import hair_bounds, hair_growth
from phiz.world.grown.hair_bounds import FaceGate
from phiz.world.grown.hair_fields import MARGIN, Floats, locate
from phiz.world.grown.hair_growth import Plan
from phiz.world.grown.hair_styles import STYLES, HairStyle

COUNT = 240
GATE = FaceGate(heights=np.array([-0.08, 0.08], np.float32), angles=np.array([0.8, 0.8], np.float32))
PLAIN = HairStyle(frizz=0.0, flyaway=0.0, curl=0.0, wander=0.0, ragged=0.0)


def random(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


ROOTS = roots_on_top(COUNT)
LAYER = random(6).random(COUNT).astype(np.float32)


def planned(style: HairStyle) -> Plan:
    return hair_growth.plan(style, SKULL, ROOTS, LAYER, random(1))


def grown(style: HairStyle) -> Floats:
    return hair_growth.grow(style, SKULL, ROOTS, planned(style), GATE, random(2))


def lengths(points: Floats) -> Floats:
    return np.asarray(np.linalg.norm(np.diff(points, axis=1), axis=2).sum(axis=1))


@pytest.mark.parametrize("name", ["short_crop", "afro", "bob", "fringe"])
def test_strands_start_at_their_roots_and_stay_out_of_the_skin(name: str) -> None:
    points = grown(STYLES[name])
    assert points.shape == (COUNT, STYLES[name].steps, 3)
    np.testing.assert_array_equal(points[:, 0], ROOTS.points)
    assert room(points[:, 1:]).min() > MARGIN - 1e-5


def test_strands_are_about_as_long_as_planned() -> None:
    style = replace(PLAIN, top=0.06, front=0.06, side=0.06, back=0.06, open_face=False)
    made = planned(style)
    np.testing.assert_allclose(made.length, 0.06, rtol=1e-3)
    assert 0.8 < np.median(lengths(grown(style)) / made.length) < 1.2


def test_lengths_are_those_of_the_place_where_a_strand_grows() -> None:
    made = planned(replace(PLAIN, top=0.2, front=0.02, side=0.03, back=0.05))
    place = locate(ROOTS.points, SKULL.centre)
    back = (np.abs(place.angle) > 2.6) & (place.rise < 0.02)
    side = (np.abs(np.abs(place.angle) - 1.5) < 0.15) & (place.rise < 0.02)
    crown = place.rise > 0.13
    for chosen, length in ((back, 0.05), (side, 0.03), (crown, 0.2)):
        assert chosen.any()
        np.testing.assert_allclose(made.length[chosen], length, rtol=0.02)


def test_a_fade_shortens_only_what_grows_low() -> None:
    full, faded = planned(PLAIN), planned(replace(PLAIN, fade=1.0))
    rise = locate(ROOTS.points, SKULL.centre).rise
    ratio = faded.length / full.length
    np.testing.assert_allclose(ratio[rise > 0.035], 1, rtol=1e-6)
    assert (ratio[rise < 0.02] < 0.95).all()


def test_strands_are_combed_along_the_skin_and_away_from_the_parting() -> None:
    made = planned(replace(PLAIN, part=0.0, parted=3.0, crown=0.1, downward=0.1))
    np.testing.assert_allclose(np.einsum("nc,nc->n", made.combed, ROOTS.normals), 0, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(made.combed, axis=1), 1, atol=1e-5)
    near = (np.abs(ROOTS.points[:, 0]) < 0.03) & (ROOTS.points[:, 2] > 0.01) & (ROOTS.points[:, 1] > 0.06)
    assert (np.sign(ROOTS.points[near, 0]) == made.side[near]).mean() > 0.95
    assert (made.combed[near, 0] * made.side[near] > 0).mean() > 0.9


def test_weight_pulls_hair_down() -> None:
    long = replace(PLAIN, top=0.12, front=0.12, side=0.12, back=0.12, lift=1.4, side_lift=1.4, hug=0.0)
    tips = [grown(replace(long, gravity=g))[:, -1, 1].mean() for g in (0.0, 10.0, 40.0)]
    assert tips[0] > tips[1] > tips[2]


def test_a_stronger_comb_lays_hair_further_where_it_is_combed_to() -> None:
    up = replace(
        PLAIN, backward=3.0, crown=0.0, downward=0.0, lift=1.4, gravity=0.0, hug=0.0, open_face=False
    )
    tips = [grown(replace(up, comb=comb))[:, -1, 2].mean() for comb in (0.0, 15.0, 60.0)]
    assert tips[0] > tips[1] > tips[2]


def test_hair_that_is_combed_forward_ends_further_ahead_than_hair_combed_back() -> None:
    forward = grown(replace(PLAIN, forward=2.0, open_face=False))[:, -1, 2].mean()
    back = grown(replace(PLAIN, backward=2.0, open_face=False))[:, -1, 2].mean()
    assert forward > back + 0.01


def test_long_hair_leaves_an_opening_for_the_face_unless_it_is_a_fringe() -> None:
    def inside(open_face: bool) -> float:
        points = grown(replace(STYLES["long_straight"], open_face=open_face, steps=12))[:, 1:].reshape(-1, 3)
        angle = np.abs(locate(points, SKULL.centre).angle)
        low = (points[:, 1] < 0.07) & (points[:, 1] > -0.07)
        return float((angle[low] < 0.9 * 0.8).mean())

    assert inside(True) < 1e-3 < 0.02 < inside(False)


def test_the_face_opening_is_widest_at_the_jaw_and_shut_at_the_hairline() -> None:
    marks = np.zeros((68, 3), np.float32)
    marks[:17, 0], marks[:17, 2] = np.linspace(-0.06, 0.06, 17), 0.05
    marks[8, 1], marks[48:60, 1], marks[36:48, 1], marks[17:27, 1] = -0.09, -0.05, 0.0, 0.02
    gate = hair_bounds.face_gate(SKULL, marks)
    assert (np.diff(gate.heights) > 0).all()
    assert gate.angles[-1] == 0
    assert gate.angles.max() < np.arctan2(0.06, 0.05)
    assert 0 < gate.angles.argmax() < len(gate.angles) - 1


def test_courses_run_from_root_to_tip_in_growing_steps() -> None:
    way = hair_growth.course(9)
    assert way[0] == 0
    assert way[-1] == pytest.approx(1)
    assert (np.diff(way, n=2) > 0).all()


def test_pushing_out_twice_is_pushing_out_once_and_roots_stay() -> None:
    strands = (SKULL.centre + 0.12 * random().standard_normal((80, 6, 3))).astype(np.float32)
    once = hair_bounds.push_out(strands, SKULL)
    assert room(once[:, 1:]).min() > MARGIN - 1e-5
    np.testing.assert_array_equal(once[:, 0], strands[:, 0])
    np.testing.assert_allclose(hair_bounds.push_out(once, SKULL), once, atol=2e-6)
    outside = (room(strands[:, 1:]) > 0.05).reshape(80, 5)
    np.testing.assert_array_equal(once[:, 1:][outside], strands[:, 1:][outside])


def test_a_ceiling_keeps_hair_low_on_top_and_does_not_swap_heights() -> None:
    up = SKULL.centre + np.array([0.001, 1, 0.001], np.float32) * np.linspace(0.095, 0.2, 30)[:, None]
    strands = np.stack([up - 0.001, up], axis=1).astype(np.float32)
    side = np.ones(30, np.float32)
    kept = hair_bounds.confine(strands, SKULL, None, side, 0.02)
    height = room(kept[:, 1:])
    assert height.max() < 0.02 + MARGIN + 1e-4
    assert (np.diff(height) > -1e-6).all()
    assert room(hair_bounds.confine(strands, SKULL, None, side, np.inf)[:, 1:]).max() > 0.1


def test_locks_draw_tips_together_and_leave_roots_alone() -> None:
    style = replace(PLAIN, clump=0.8, clumps=12)
    points, made = grown(style), planned(style)
    drawn, lock = hair_growth.gather_locks(points, made, style, random(3))
    np.testing.assert_array_equal(drawn[:, 0], points[:, 0])
    assert set(lock) <= set(range(12))

    def width(strands: Floats) -> float:
        return float(np.mean([strands[lock == k, -1].std(axis=0).sum() for k in np.unique(lock)]))

    assert width(drawn) < 0.8 * width(points)


def test_strands_whose_lock_is_far_away_are_left_alone() -> None:
    points, made = grown(PLAIN), planned(PLAIN)
    drawn, _ = hair_growth.gather_locks(points, made, replace(PLAIN, clump=0.8, clumps=1), random(3))
    moved = np.linalg.norm(drawn[:, -1] - points[:, -1], axis=1)
    assert (moved == 0).sum() > 10
    assert (moved > 0).sum() > 10
    assert moved.max() < 0.8 * hair_growth.FARTHEST + 1e-6


def test_without_clumps_strands_stay_where_they_are() -> None:
    points, made = grown(PLAIN), planned(PLAIN)
    drawn, _ = hair_growth.gather_locks(points, made, replace(PLAIN, clump=0.0), random(3))
    np.testing.assert_array_equal(drawn, points)


def test_hair_without_curls_and_frizz_stays_as_it_is_and_curls_make_it_longer() -> None:
    style = replace(PLAIN, steps=12, hug=0.0, open_face=False)
    points, made = grown(style), planned(style)
    lock = np.arange(COUNT) % 10

    def curled(how: HairStyle) -> Floats:
        return hair_growth.curl(points, made, lock, how, SKULL, GATE, random(4))

    np.testing.assert_allclose(curled(style), points, atol=1e-6)
    waved = curled(replace(style, curl=0.006, curl_length=0.025))
    np.testing.assert_array_equal(waved[:, 0], points[:, 0])
    assert lengths(waved).mean() > 1.1 * lengths(points).mean()
    assert room(waved[:, 1:]).min() > MARGIN - 1e-5


def test_a_cut_leaves_nothing_far_below_its_line_and_short_hair_alone() -> None:
    style = replace(PLAIN, top=0.3, front=0.3, side=0.3, back=0.3, gravity=40.0, part=0.0, steps=12)
    points = grown(style)
    assert points[..., 1].min() < -0.05
    cut = hair_growth.trim(points, SKULL, (0.0, 0.0, 0.0), 0.0, random(5))
    assert cut[..., 1].min() > -0.025  # a ragged line: 3 mm times two normal numbers
    assert (lengths(cut) <= lengths(points) + 1e-5).all()
    above = hair_growth.trim(points, SKULL, (-1.0, -1.0, -1.0), 0.0, random(5))
    np.testing.assert_allclose(above, points, atol=1e-5)


def test_resampling_at_the_points_changes_nothing_and_between_them_is_halfway() -> None:
    points = grown(PLAIN)
    steps = np.broadcast_to(np.arange(9, dtype=np.float32), (COUNT, 9))
    np.testing.assert_allclose(hair_growth.resample(points, steps), points, atol=1e-7)
    half = hair_growth.resample(points, steps[:, :-1] + 0.5)
    np.testing.assert_allclose(half, (points[:, :-1] + points[:, 1:]) / 2, atol=1e-7)
