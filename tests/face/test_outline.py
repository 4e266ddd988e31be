"""Regions drawn from 68 landmarks."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from phiz.face import outline, supplied
from phiz.face.morphable import REGIONS, Part
from phiz.face.supplied import SuppliedHead


def test_regions_are_weights_and_every_drawn_one_is_somewhere(miniature: SuppliedHead) -> None:
    regions = outline.regions_from_landmarks(miniature.mean, miniature.landmarks(miniature.mean[None])[0])
    assert regions.shape == (len(miniature.mean), len(REGIONS))
    assert 0 <= float(regions.min()) <= float(regions.max()) <= 1
    empty = {name for name, column in zip(REGIONS, regions.T, strict=True) if column.max() < 0.5}
    assert empty <= {"scalp", "ears"}


def test_left_is_the_person_s_left(miniature: SuppliedHead) -> None:
    regions = outline.regions_from_landmarks(miniature.mean, miniature.landmarks(miniature.mean[None])[0])
    x = miniature.mean[:, 0]
    assert (x[regions[:, REGIONS.index("left_brow")] > 0.5] > 0).all()
    assert (x[regions[:, REGIONS.index("right_brow")] > 0.5] < 0).all()


def test_neither_size_nor_place_matters(miniature: SuppliedHead) -> None:
    points = miniature.landmarks(miniature.mean[None])[0]
    here = outline.regions_from_landmarks(miniature.mean, points)
    there = outline.regions_from_landmarks(10 * miniature.mean + 3, 10 * points + 3)
    torch.testing.assert_close(here, there, atol=1e-3, rtol=0)


def test_a_mirrored_face_has_mirrored_regions(miniature: SuppliedHead) -> None:
    mean = miniature.mean * torch.tensor([-1.0, 1.0, 1.0])
    order = [*range(16, -1, -1), *range(26, 16, -1), 27, 28, 29, 30, 35, 34, 33, 32, 31]
    order += [45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40, 54, 53, 52, 51, 50, 49, 48]
    order += [59, 58, 57, 56, 55, 64, 63, 62, 61, 60, 67, 66, 65]
    points = miniature.landmarks(miniature.mean[None])[0]
    mirrored = points[order] * torch.tensor([-1.0, 1.0, 1.0])
    here = outline.regions_from_landmarks(miniature.mean, points)
    there = outline.regions_from_landmarks(mean, mirrored)
    swapped = [
        REGIONS.index({"left_brow": "right_brow", "right_brow": "left_brow"}.get(n, n)) for n in REGIONS
    ]
    torch.testing.assert_close(here, there[:, swapped], atol=1e-3, rtol=0)


@pytest.mark.parametrize(
    ("name", "least"), [("nose", 0.7), ("upper_lip", 0.5), ("lower_lip", 0.45), ("neck", 0.8)]
)
def test_the_drawing_agrees_with_the_labels_of_the_real_head(heads: Path, name: str, least: float) -> None:
    head = supplied.read(heads)
    drawn = outline.regions_from_landmarks(head.mean, head.landmarks(head.mean[None])[0])
    ours, theirs = (regions[:, REGIONS.index(name)] > 0.5 for regions in (drawn, head.regions))
    assert (ours & theirs).sum() > least * (ours | theirs).sum()


def test_parts_follow_the_regions(miniature: SuppliedHead) -> None:
    parts = outline.parts_from_regions(miniature.regions, miniature.triangles, miniature.mean)
    inside = miniature.regions[miniature.triangles].mean(dim=1)
    assert ((parts == int(Part.NOSE)) == (inside[:, REGIONS.index("nose")] > 0.5)).all()
    left = miniature.mean[miniature.triangles].mean(dim=1)[:, 0]
    assert (left[parts == int(Part.LEFT_EAR)] > 0).all()
