import pytest
import torch
from sitter_fixtures import BEHIND, CONFIG, sitter

from phiz.avatar import sides
from phiz.avatar.sides import Sitter
from phiz.face import fit_draw, head
from phiz.graphics import camera as cameras
from phiz.graphics import frames
from phiz.graphics.camera import Camera
from phiz.world import portrait


@pytest.fixture(scope="module")
def person() -> Sitter:
    return sitter(head.built_in())


def seen_from(yaw: float) -> Camera:
    return portrait.view_camera(torch.tensor([yaw]), torch.zeros(1))


def test_the_photo_is_the_first_view_and_the_person_counts_most(person: Sitter) -> None:
    view = sides.photo_view(person)
    on, off = person.parsed.matte > 0.5, person.outer < 0.5
    wanted = torch.where(on, person.found.crop[None], view.pictures)
    assert torch.equal(view.pictures, wanted)
    assert float(view.weight[on].min()) > float(view.weight[off].max())
    wrong = (view.pictures - BEHIND[None, :, None, None]).abs() * off
    assert float(wrong.max()) < 0.02, "behind the person is the wall"


def test_the_photos_depth_is_that_of_the_head(person: Sitter) -> None:
    view = sides.photo_view(person)
    sure = view.depth_weight == 1
    assert int(sure.sum()) > 20
    assert float(view.depth[sure].min()) > 0.9
    assert float(view.depth[sure].max()) < 1.02, "the face lies before the middle of the generator"


def test_another_side_shows_what_a_camera_there_would_have_seen(person: Sitter) -> None:
    camera = seen_from(0.3)
    view = sides.side_view(person, camera)
    in_head = cameras.move(camera, frames.invert(person.found.generator_from_head))
    size = CONFIG.resolution
    drawn, is_face = fit_draw.draw(person.head, person.found.rest, in_head, size, size)
    sure = (view.weight > 0.4)[0, 0] & is_face[0]
    assert int(sure.sum()) > 250
    wrong = (view.pictures[0] - drawn[0]).abs().mean(0)[sure]
    unturned = (person.found.crop - drawn[0]).abs().mean(0)[sure]
    assert float(wrong.median()) < 0.03
    assert float(wrong.mean()) < 0.5 * float(unturned.mean())


def test_what_the_photo_cannot_show_counts_less(person: Sitter) -> None:
    view = sides.side_view(person, seen_from(0.7))
    surface = person.surface(seen_from(0.7))
    on = surface.is_face > 0.5
    assert float(view.weight[on].max()) > 0.45
    assert float(view.weight[on].min()) < 0.2
    assert float(view.weight[~surface.depth.isfinite()].max()) <= sides.SIDES.behind + 1e-6


def test_nobody_stands_beside_the_head(person: Sitter) -> None:
    view = sides.side_view(person, seen_from(0.3))
    corner = view.opacity[0, 0, 0]
    assert float(corner.max()) == 0
    assert float(view.opacity_weight[0, 0, 0].min()) == 1
    assert float(view.opacity.max()) == 1


def test_sides_too_far_round_are_left_out() -> None:
    frontal, turned = (sides.views(sitter(head.built_in(), yaw)) for yaw in (0.0, 0.6))
    assert frontal.count == 1 + len(sides.SIDES_DEG)
    assert turned.count < frontal.count
    assert float(turned.chance[0]) == sides.SIDES.photo_chance * (turned.count - 1)


def test_the_other_half_of_a_turned_face_is_guessed_from_the_one_that_shows() -> None:
    person = sitter(head.built_in(), yaw=0.7)
    camera = seen_from(-0.5)
    surface = person.surface(camera)
    sure = person.looked_up(surface.points, surface.normals, person.inner)[1].reshape(surface.is_face.shape)
    hidden = (sure < 0.01) & (surface.is_face > 0.5)
    weight = sides.side_view(person, camera).weight[hidden]
    crept = sides.SIDES.crept
    assert int(hidden.sum()) > 100, "much of this side is hidden in the photo"
    assert float((weight > 1.5 * crept).float().mean()) > 0.5
    assert float(weight.max()) <= sides.SIDES.side * sides.MIRRORED + crept
