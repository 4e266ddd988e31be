"""Heads at rest: what the model says, found once."""

from __future__ import annotations

from dataclasses import replace

import torch
from plain_head import plain_head

from phiz.face import head as heads
from phiz.face.coeffs import neutral
from phiz.face.morphable import Part
from phiz.world.body import resting

HEAD = plain_head()
IDENTITY = torch.tensor([0.5, -1.0, 0.25])


def test_a_head_at_rest_is_what_the_model_makes_of_the_identity() -> None:
    face = replace(neutral(HEAD.sizes), identity=IDENTITY[None])
    torch.testing.assert_close(resting.vertices(HEAD, IDENTITY), HEAD.vertices(face)[0])


def test_the_same_person_is_found_once_and_another_person_anew() -> None:
    first = resting.vertices(HEAD, IDENTITY)
    assert resting.vertices(HEAD, IDENTITY.clone()) is first
    other = resting.vertices(HEAD, IDENTITY + 0.1)
    assert not torch.equal(other, first)
    assert resting.vertices(HEAD, IDENTITY) is first


def test_another_head_with_the_same_identity_is_not_mixed_up() -> None:
    large = replace(HEAD, points=HEAD.points * 2)
    torch.testing.assert_close(resting.vertices(large, IDENTITY), 2 * resting.vertices(HEAD, IDENTITY))


def test_an_identity_that_learns_is_taken_as_it_stands() -> None:
    learning = IDENTITY.clone().requires_grad_()
    found = resting.vertices(HEAD, learning)
    assert not found.requires_grad
    assert torch.equal(found, resting.vertices(HEAD, IDENTITY))


def test_the_eyes_radius_is_the_eyeballs_in_metres() -> None:
    made = 0.0125  # of the plain head
    assert abs(resting.eye_radius(HEAD) - made) < 1e-5
    in_centimetres = replace(HEAD, points=HEAD.points * 100, metres_per_unit=0.01)
    assert abs(resting.eye_radius(in_centimetres) - made) < 1e-5


def test_the_built_in_heads_eyes_are_as_large_as_peoples() -> None:
    assert 0.010 < resting.eye_radius(heads.built_in()) < 0.016


def test_a_head_without_eyes_has_an_ordinary_radius() -> None:
    blind = replace(HEAD, parts=torch.where(HEAD.parts == Part.LEFT_EYE, int(Part.SKIN), HEAD.parts))
    assert resting.eye_radius(blind) == 0.012
