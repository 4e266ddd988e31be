"""The published fitting of films, with and without what is not meant in it."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from phiz.face import fit_published
from phiz.face.coeffs import FaceCoeffs, neutral
from phiz.face.fit_published import PublishedConfig
from phiz.face.fit_published_video import AS_MEANT, PublishedVideoConfig, fit_published_video
from phiz.face.supplied import SuppliedHead

SIZE = 64
FEW = PublishedVideoConfig(
    shape=PublishedConfig(rigid_steps=30, free_steps=6, one_person=True),
    shape_frames=2,
    frame=PublishedConfig(rigid_steps=8, free_steps=4),
)


@pytest.fixture
def film(miniature: SuppliedHead) -> Tensor:
    """Return the landmarks of a head that turns."""
    turned = torch.stack([torch.tensor([0.0, 0.12 * t, 0.0]) for t in range(4)])
    face = replace(neutral(miniature.sizes, 4), rotation=turned)
    seen = fit_published.before_camera(miniature.vertices(face), face, miniature)
    return fit_published.project(seen, miniature, SIZE)


def _fitted(model: SuppliedHead, film: Tensor, config: PublishedVideoConfig) -> FaceCoeffs:
    return fit_published_video(model, film, SIZE, torch.Generator().manual_seed(0), config=config)


def test_one_person_turns(miniature: SuppliedHead, film: Tensor) -> None:
    found = _fitted(miniature, film, FEW)
    assert found.batch == 4
    assert torch.equal(found.identity[0], found.identity[3])
    assert found.rotation[3, 1] > found.rotation[0, 1]
    assert torch.equal(found.rotation, _fitted(miniature, film, FEW).rotation)


def test_the_first_frame_pulls_at_all_others_unless_the_last_is_meant(
    miniature: SuppliedHead, film: Tensor
) -> None:
    strong = replace(FEW, frame=replace(FEW.frame, rigid_steps=40, anchor_weight=100.0))
    published = _fitted(miniature, film, strong)
    meant = _fitted(miniature, film, replace(strong, anchor="last"))
    assert torch.equal(published.rotation[:2], meant.rotation[:2])
    away = [(found.rotation[3, 1] - found.rotation[0, 1]).abs() for found in (published, meant)]
    assert away[0] < 0.95 * away[1]


def test_a_frozen_person_is_held(miniature: SuppliedHead, film: Tensor) -> None:
    assert AS_MEANT.freezes_person
    loose = _fitted(miniature, film, FEW)
    frozen = _fitted(miniature, film, replace(FEW, freezes_person=True))
    assert torch.equal(loose.identity, frozen.identity)
    assert not torch.equal(loose.expression[1:], frozen.expression[1:])
