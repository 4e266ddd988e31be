"""Lips part on one face as far as they do on another."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from avatar_fixtures import making

from phiz.animate import opening
from phiz.animate.opening import Opening
from phiz.face.coeffs import FaceCoeffs, neutral
from phiz.face.head import Head

JAWS = torch.tensor([0.0, 0.1, 0.3, 0.6, 0.9])


def person(head: Head, seed: int, **weights: float) -> FaceCoeffs:
    chance = torch.Generator().manual_seed(seed)
    identity = torch.randn(1, head.sizes.identity, generator=chance)
    return replace(neutral(head.sizes), identity=identity, expression=making(head, **weights).expression)


def apart(head: Head, face: FaceCoeffs, jaws: torch.Tensor) -> torch.Tensor:
    """Return how far lips are apart with the jaw at each weight, by drawing each."""
    jaw = head.expression_names.index("jawOpen")
    found = []
    for weight in jaws:
        expression = face.expression.clone()
        expression[:, jaw] = weight
        points = head.landmarks(head.vertices(replace(face, expression=expression)))[0]
        eyes = (points[36:42].mean(0) - points[42:48].mean(0)).norm()
        lips = points[[61, 62, 63]] - points[[67, 66, 65]]
        found.append(lips.norm(dim=1).mean() / eyes)
    return torch.stack(found)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_lips_part_as_far_on_another_face(our_head: Head, seed: int) -> None:
    meant, made = person(our_head, 0), person(our_head, seed, mouthSmileLeft=0.4, mouthSmileRight=0.4)
    weights = torch.zeros(len(JAWS), our_head.sizes.expression)
    found = Opening.of(our_head, meant, made).moved(weights, JAWS)
    there = found[:, our_head.expression_names.index("jawOpen")]
    wanted = apart(our_head, meant, JAWS) - apart(our_head, meant, JAWS[:1])
    got = apart(our_head, made, there) - apart(our_head, made, JAWS[:1])
    torch.testing.assert_close(got[:4], wanted[:4], atol=0.02, rtol=0)
    assert float((got - wanted).abs()[4]) < 0.1  # a jaw opens no further than it can


def test_the_same_face_opens_as_it_is_asked(our_head: Head) -> None:
    one = person(our_head, 0)
    weights = torch.zeros(len(JAWS), our_head.sizes.expression)
    jaw = our_head.expression_names.index("jawOpen")
    found = Opening.of(our_head, one, one).moved(weights, JAWS)[:, jaw]
    torch.testing.assert_close(found, JAWS, atol=1e-3, rtol=0)
    less = Opening.of(our_head, one, one).moved(weights, JAWS, shut=0.3, amount=0.5)[:, jaw]
    assert less[:3].abs().max() < 1e-3
    assert 0 < float(less[4]) < 0.6


def test_a_mouth_that_was_photographed_open_shuts_for_a_silence(our_head: Head) -> None:
    rest = person(our_head, 4, jawOpen=0.3)
    motion = making(our_head, frames=2, jawOpen=0.3)
    motion.expression[1, our_head.expression_names.index("jawOpen")] = 0.7
    said = opening.spoken(motion, rest, our_head)
    jaw = said.expression[:, our_head.expression_names.index("jawOpen")]
    assert float(jaw[0]) == pytest.approx(0, abs=1e-3)
    assert float(jaw[1]) > 0.2
    others = [k for k, name in enumerate(our_head.expression_names) if name != "jawOpen"]
    assert torch.equal(said.expression[:, others], motion.expression[:, others])


def test_motions_of_other_heads_stay_as_they_are(our_head: Head) -> None:
    motion = replace(making(our_head), basis="another")
    assert opening.spoken(motion, person(our_head, 1), our_head) is motion
    without = Opening(meant=torch.zeros(1), made=torch.zeros(1), jaw=-1)
    weights = torch.rand(2, 64)
    assert without.moved(weights, torch.rand(2)) is weights
