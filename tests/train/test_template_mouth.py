"""Teeth, gums and a tongue along dental arches that are read off made-up teeth."""

from __future__ import annotations

import numpy as np
import pytest
from surfaces import edge_counts, volume

from phiz.train.template import mouth
from phiz.train.template.chart import Floats, Ints, border_loops
from phiz.train.template.globe import globe
from phiz.train.template.mouth import Arch

TEETH = 7
HALF = np.array([0.0036, 0.0060, 0.0036])


def made_up_teeth() -> tuple[Floats, Ints]:
    """Return 28 egg-shaped teeth along two parabolas, mirrored in x."""
    ball, faces = globe(np.linspace(0, np.pi, 8)[1:-1], 10)
    points, triangles = [], []
    for height in (-0.030, -0.042):
        for number in range(TEETH):
            x = 0.0038 + 0.0040 * number
            for side in (1, -1):
                centre = np.array([side * x, height, 0.100 - 30 * x**2])
                triangles.append((faces if side > 0 else faces[:, [0, 2, 1]]) + len(ball) * len(points))
                points.append(ball * [side, 1, 1] * HALF + centre)
    return np.concatenate(points), np.concatenate(triangles)


@pytest.fixture(scope="module")
def arches() -> tuple[Arch, Arch]:
    return mouth.read_arches(*made_up_teeth())


def test_parts_that_do_not_touch_are_split() -> None:
    vertices, triangles = made_up_teeth()
    parts = mouth.split(vertices, triangles)
    assert len(parts) == 4 * TEETH
    assert sum(map(len, parts)) == len(triangles)


def test_arches_are_read_from_the_middle_to_the_back(arches: tuple[Arch, Arch]) -> None:
    for arch, gumward, height in zip(arches, (1, -1), (-0.030, -0.042), strict=True):
        assert arch.gumward == gumward
        assert len(arch.teeth) == TEETH
        x = np.array([tooth.centre[0] for tooth in arch.teeth])
        np.testing.assert_allclose(x, 0.0038 + 0.0040 * np.arange(TEETH), atol=2e-4)
        for tooth in arch.teeth:
            lowered = mouth.LOWERED["upper" if gumward > 0 else "lower"]
            assert tooth.edge == pytest.approx(height - gumward * HALF[1] + lowered, abs=1e-3)
            assert 0.002 < tooth.half_depth <= 0.004


@pytest.mark.parametrize("number", range(TEETH))
def test_every_tooth_is_closed_and_looks_outwards(arches: tuple[Arch, Arch], number: int) -> None:
    triangles = mouth.tooth_triangles()
    assert (edge_counts(triangles) == 2).all()
    for arch in arches:
        points = mouth.tooth_points(arch, number)
        assert len(points) == triangles.max() + 1
        assert volume(points - points.mean(axis=0), triangles) > 0


def test_a_tooth_ends_at_its_biting_edge_and_reaches_into_the_gum(arches: tuple[Arch, Arch]) -> None:
    for arch in arches:
        for number, tooth in enumerate(arch.teeth):
            along = arch.gumward * (mouth.tooth_points(arch, number)[:, 1] - tooth.edge)
            assert along.min() == pytest.approx(0, abs=1e-9)
            assert along.max() > arch.crown[number]


def test_neighbouring_teeth_touch_but_hardly_overlap(arches: tuple[Arch, Arch]) -> None:
    for arch in arches:
        for number in range(TEETH - 1):
            one, other = mouth.tooth_points(arch, number), mouth.tooth_points(arch, number + 1)
            way = arch.teeth[number + 1].centre - arch.teeth[number].centre
            way = way / np.linalg.norm(way)
            gap = (other @ way).min() - (one @ way).max()
            assert -0.0012 < gap < 0.0006


def test_the_front_teeth_meet_in_the_middle(arches: tuple[Arch, Arch]) -> None:
    for arch in arches:
        assert 0 <= mouth.tooth_points(arch, 0)[:, 0].min() < 2e-4


def test_gums_are_a_symmetric_strip_that_looks_away_from_the_bone(arches: tuple[Arch, Arch]) -> None:
    for arch in arches:
        points, triangles = mouth.gums(arch)
        assert edge_counts(triangles).max() == 2
        assert len(border_loops(triangles)) == 1
        mirrored = points * [-1, 1, 1]
        away = np.linalg.norm(points[None] - mirrored[:, None], axis=2).min(axis=1)
        assert away.max() < 1e-12
        a, b, c = (points[triangles[:, k]] for k in range(3))
        front = np.abs((a + b + c)[:, 0] / 3) < 0.004
        lip_side = front & (np.cross(b - a, c - a)[:, 2] > 0)
        z = (a + b + c)[:, 2] / 3
        assert z[lip_side].mean() > z[front & ~lip_side].mean()


def test_gums_leave_the_crowns_free(arches: tuple[Arch, Arch]) -> None:
    for arch in arches:
        points, _ = mouth.gums(arch)
        edge = np.mean([tooth.edge for tooth in arch.teeth])
        assert (arch.gumward * (points[:, 1] - edge)).min() > 0.002


def test_the_tongue_is_closed_symmetric_and_inside_the_lower_arch(arches: tuple[Arch, Arch]) -> None:
    lower = arches[1]
    points, triangles = mouth.tongue(lower)
    assert (edge_counts(triangles) == 2).all()
    assert volume(points - points.mean(axis=0), triangles) > 0
    mirrored = points * [-1, 1, 1]
    assert np.linalg.norm(points[None] - mirrored[:, None], axis=2).min(axis=1).max() < 1e-9
    first = lower.teeth[0]
    assert points[:, 2].max() < first.centre[2] - first.half_depth
    assert np.abs(points[:, 0]).max() < lower.teeth[4].centre[0]


def test_a_tongue_that_is_put_out_moves_forward_most_at_its_tip(arches: tuple[Arch, Arch]) -> None:
    points, _ = mouth.tongue(arches[1])
    moved = mouth.tongue_out(points)
    tip, root = points[:, 2].argmax(), points[:, 2].argmin()
    assert moved[tip, 2] == pytest.approx(moved[:, 2].max())
    assert moved[tip, 2] > 0.02
    assert np.abs(moved[root]).max() < 1e-9
    assert (moved[:, 2] >= 0).all()


def test_weaving_puts_a_gap_before_every_tooth() -> None:
    line = np.array([[-1.0, 0], [1.0, 0], [3.0, 2], [5.0, 4]])
    np.testing.assert_allclose(mouth.weave_line(line), [[0, 0], [1, 0], [2, 1], [3, 2]])
