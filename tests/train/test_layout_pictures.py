"""The pictures from which the 478-point layout is learned: nothing hides a face, all of it is shown."""

from __future__ import annotations

from functools import lru_cache

import pytest
import torch

from phiz.face import head as heads
from phiz.face.head import Head
from phiz.graphics import camera as cameras
from phiz.graphics import rotation
from phiz.train.layout_pictures import FACES, TURNS, bare_person, plain_scene
from phiz.world import people
from phiz.world.scene import Scene


@lru_cache(maxsize=1)
def built_in() -> Head:
    return heads.built_in()


def scene_of(number: int, view: int) -> Scene:
    person = bare_person(number, built_in())
    rng = people.generator(number, "layout")
    return plain_scene(number, person, built_in(), TURNS[view], FACES[number % len(FACES)], rng)


@pytest.mark.parametrize("number", range(6))
def test_nothing_hides_a_face(number: int) -> None:
    person = bare_person(number, built_in())
    assert (person.glasses, person.hat, person.hair.beard) == ("none", "none", "none")
    assert person.hair.brow_density >= 0.75


@pytest.mark.parametrize("view", range(len(TURNS)))
def test_the_whole_face_is_in_the_picture_and_turned_as_asked(view: int) -> None:
    head, shown = built_in(), scene_of(3, view)
    face = shown.coeffs
    turn = rotation.from_euler(face.rotation)
    world = head.landmarks(head.vertices(face)) @ turn.transpose(1, 2) + face.translation[:, None]
    marks = cameras.project(shown.camera, world)[0]
    assert float(marks[:, :2].abs().max()) < 0.75
    width = marks[:, 0].max() - marks[:, 0].min()
    assert float(width) > 0.25
    nose, middle = marks[30, 0], (marks[0, 0] + marks[16, 0]) / 2
    assert view == 0 or float((nose - middle) * TURNS[view]) > 0


def test_light_film_and_place_are_the_same_each_time() -> None:
    first, again = scene_of(5, 1), scene_of(5, 1)
    assert torch.equal(first.coeffs.rotation, again.coeffs.rotation)
    assert torch.equal(first.coeffs.light, again.coeffs.light)
    assert first.develop == again.develop
    assert first.develop.blur == 0
    assert first.develop.noise == 0
