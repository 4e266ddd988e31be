"""The 478-point layout: learned back from marks, placed on a head, the same on both sides."""

from __future__ import annotations

import sys
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
import torch
from jaxtyping import Float
from torch import Tensor

from phiz.errors import DataError, MissingError
from phiz.face import head as heads
from phiz.face.coeffs import neutral
from phiz.face.head import Head
from phiz.graphics import camera as cameras
from phiz.graphics import frames, rotation
from phiz.graphics.camera import from_fov
from phiz.train import layout as layouts
from phiz.train.layout import Layout, Sightings, place_layout, read_layout
from phiz.train.template.chart import Floats, Ints

UPPER = [191, 80, 81, 82, 13, 312, 311, 310, 415]
LOWER = [95, 88, 178, 87, 14, 317, 402, 318, 324]
"""Points of the inner rims of the lips; the corners are left out."""
IRIS = 0.4
YAWS = (-0.45, 0.0, 0.45)
PEOPLE = 2


@lru_cache(maxsize=1)
def built_in() -> Head:
    return heads.built_in()


@lru_cache(maxsize=1)
def placed() -> tuple[Ints, Floats]:
    head = built_in()
    mean = head.mean.double().numpy()
    return place_layout(read_layout(), mean, head.triangles.numpy(), head.parts.numpy(), head.mirror.numpy())


def points_of(vertices: Float[Tensor, "*b v c"]) -> Float[Tensor, "*b 478 c"]:
    corners, weights = placed()
    return torch.einsum("nk,...nkc->...nc", torch.from_numpy(weights).float(), vertices[..., corners, :])


@lru_cache(maxsize=1)
def pictures() -> Sightings:
    """Return what a faultless detector would mark on some people, mouths closed and open."""
    head, rng = built_in(), torch.Generator().manual_seed(0)
    count = PEOPLE * len(YAWS)
    identity = 0.6 * torch.randn(PEOPLE, head.sizes.identity, generator=rng)
    expression = torch.zeros(count, head.sizes.expression)
    expression[::2, head.expression_names.index("jawOpen")] = 0.25
    turn = torch.zeros(count, 3)
    turn[:, 1] = torch.tensor(YAWS).repeat(PEOPLE)
    face = replace(
        neutral(head.sizes, count),
        identity=identity.repeat_interleave(len(YAWS), dim=0),
        expression=expression,
        rotation=turn,
    )
    world = head.vertices(face) @ rotation.from_euler(turn).transpose(1, 2)
    eye = torch.tensor([0.0, 0.0, 1.4]).repeat(count, 1)
    camera = from_fov(frames.rigid(torch.eye(3).repeat(count, 1, 1), eye), 0.25)
    marks = points_of(cameras.to_screen(camera, world, 512, 512))[..., :2]
    return Sightings(points=marks, vertices=world, camera=camera, size=512)


def test_spots_are_learned_back_from_where_they_appear() -> None:
    some = np.union1d(np.arange(0, layouts.FACE, 60), [*UPPER[::3], *LOWER[::3]])
    found, surfaces = layouts.find_spots(pictures(), built_in(), some)
    truth = points_of(built_in().mean).numpy()[some]
    assert np.linalg.norm(found - truth, axis=1).max() < 3e-4
    named = dict(zip(some.tolist(), surfaces, strict=True))
    assert {named[j] for j in UPPER[::3]} == {"upper_lip"}
    assert {named[j] for j in LOWER[::3]} == {"lower_lip"}


def test_a_few_wrong_marks_do_no_harm() -> None:
    seen = pictures()
    marks = seen.points.clone()
    marks[0] += 25
    some = np.arange(0, layouts.FACE, 60)
    found, _ = layouts.find_spots(replace(seen, points=marks), built_in(), some)
    assert np.linalg.norm(found - points_of(built_in().mean).numpy()[some], axis=1).max() < 1e-3


def test_mirror_partners_are_found_from_the_cloud_alone() -> None:
    layout = read_layout()
    rng = np.random.default_rng(0)
    shaken = layout.positions[:468] + rng.normal(scale=1e-4, size=(468, 3))
    found = layouts.mirror_partners(shaken, list(layout.surfaces[:468]))
    assert (found == layout.partners[:468]).all()


def test_a_lopsided_cloud_has_no_mirror_partners() -> None:
    rng = np.random.default_rng(1)
    with pytest.raises(DataError, match="both sides"):
        layouts.mirror_partners(rng.normal(size=(40, 3)), ["skin"] * 40)


def test_irises_are_found_whichever_way_the_marks_are_ordered() -> None:
    order = np.array([7, 3, 0, 9, 1, 5, 2, 8, 4, 6])
    seen = pictures()
    marks = seen.points.clone()
    marks[:, layouts.FACE :] = marks[:, layouts.FACE + order]
    straight, _, sides = layouts.iris_points(seen, built_in(), IRIS)
    turned, partners, _ = layouts.iris_points(replace(seen, points=marks), built_in(), IRIS)
    np.testing.assert_allclose(turned, straight[order], atol=1e-12)
    np.testing.assert_allclose(turned[partners], turned * (-1.0, 1.0, 1.0), atol=1e-12)
    assert sides == list(read_layout().surfaces[layouts.FACE :])


def test_the_layout_is_the_same_on_both_sides() -> None:
    layout = read_layout()
    everyone = np.arange(layouts.COUNT)
    assert (layout.partners[layout.partners] == everyone).all()
    assert int((layout.partners == everyone).sum()) == 28
    mirrored = layout.positions[layout.partners] * (-1.0, 1.0, 1.0)
    np.testing.assert_allclose(mirrored, layout.positions, atol=1e-9)


def test_points_of_a_mirrored_face_are_the_mirrored_points() -> None:
    head = built_in()
    rng = torch.Generator().manual_seed(3)
    face = replace(neutral(head.sizes), identity=torch.randn(1, head.sizes.identity, generator=rng))
    vertices = head.vertices(face)
    there = points_of(head.mirrored(vertices))[0]
    back = points_of(vertices)[0][read_layout().partners] * torch.tensor([-1.0, 1.0, 1.0])
    torch.testing.assert_close(there, back, rtol=0, atol=1e-6)


def test_points_are_placed_where_they_were_learned_and_on_their_own_surface() -> None:
    head, layout = built_in(), read_layout()
    corners, weights = placed()
    assert (weights >= 0).all()
    np.testing.assert_allclose(weights.sum(axis=1), 1)
    away = np.linalg.norm(points_of(head.mean).numpy() - layout.positions, axis=1)
    assert away.max() < 1e-3
    triangles, parts = head.triangles.numpy(), head.parts.numpy()
    for name, group in layouts.SURFACES.items():
        own = triangles[np.isin(parts, group)]
        assert np.isin(corners[np.array(layout.surfaces) == name], own).all(), name


def test_inner_lips_part_when_the_mouth_opens() -> None:
    head = built_in()
    expression = torch.zeros(1, head.sizes.expression)
    expression[:, head.expression_names.index("jawOpen")] = 0.6
    still = points_of(head.vertices(neutral(head.sizes)))[0]
    wide = points_of(head.vertices(replace(neutral(head.sizes), expression=expression)))[0]
    gap = (wide[UPPER] - wide[LOWER])[:, 1] - (still[UPPER] - still[LOWER])[:, 1]
    assert float(gap.min()) > 0.002
    assert float(gap[len(gap) // 2]) > 0.01


def test_irises_turn_with_the_eyes() -> None:
    head = built_in()
    gaze = torch.zeros(1, 2, 2)
    gaze[:, :, 0] = 0.3
    moved = points_of(head.vertices(replace(neutral(head.sizes), gaze=gaze)))[0] - points_of(head.mean)
    assert float(moved[layouts.FACE :, 0].min()) > 0.003


def test_faultless_marks_disagree_with_nothing() -> None:
    scores = layouts.disagreement(pictures(), built_in(), read_layout())
    assert max(scores.values()) < 0.01


def test_a_layout_is_read_as_it_was_written(tmp_path: Path) -> None:
    layout = read_layout()
    layouts.write_layout(layout, tmp_path / "layout.json")
    again = read_layout(tmp_path / "layout.json")
    assert (again.positions == layout.positions).all()
    assert (again.partners == layout.partners).all()
    assert again.surfaces == layout.surfaces


@pytest.mark.parametrize(
    "text", ["", "{}", '{"positions": [[0, 0, 0]], "partners": [0], "surfaces": ["skin"]}']
)
def test_a_broken_layout_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "layout.json").write_text(text)
    with pytest.raises(DataError, match="Install phiz anew"):
        read_layout(tmp_path / "layout.json")


def test_without_a_detector_one_is_told_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mediapipe", None)
    with pytest.raises(MissingError, match="pip install"):
        layouts.detect_points(torch.zeros(3, 8, 8))


def test_placing_needs_nothing_but_the_layout() -> None:
    head = built_in()
    layout: Layout = read_layout()
    shifted = replace(layout, positions=layout.positions + (0.0, 0.0, 0.0005))
    mean = head.mean.double().numpy()
    arrays = (head.triangles.numpy(), head.parts.numpy(), head.mirror.numpy())
    corners, weights = place_layout(shifted, mean, *arrays)
    moved = np.einsum("nk,nkc->nc", weights, mean[corners]) - layout.positions
    assert np.linalg.norm(moved, axis=1).max() < 1.5e-3
