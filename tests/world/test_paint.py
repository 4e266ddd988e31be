"""Pictures of people: what is labelled, how far it is, and that light behaves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from phiz.face import coeffs, head, supplied
from phiz.face.morphable import MorphableModel
from phiz.graphics import camera as cameras
from phiz.world import paint
from phiz.world.figure import Outfit, dress
from phiz.world.grown.hair_styles import STYLES
from phiz.world.paint import Picture
from phiz.world.people import Person, sample_person
from phiz.world.scene import Scene, portrait_scene
from phiz.world.surface import Label

SIZE = 64


@pytest.fixture(scope="module")
def model(repository: Path) -> MorphableModel:
    """Return the built-in head, or the supplied one where only that is at hand."""
    if head.BUILT_IN.is_file():
        return head.built_in()
    folder = repository.parent / "shared" / "heads"
    if not (folder / "head.npz").is_file():
        pytest.skip("no head model to paint")
    return supplied.read(folder)


@pytest.fixture(scope="module")
def person(model: MorphableModel) -> Person:
    """Return somebody with hair but nothing else before the face."""
    made = sample_person(3, model, tuple(STYLES))
    look = replace(made.hair, style="short_crop" if "short_crop" in STYLES else "buzz", beard="none")
    return replace(made, hair=look, glasses="none", hat="none", identity=made.identity * 0)


@pytest.fixture(scope="module")
def outfit(person: Person, model: MorphableModel) -> Outfit:
    return dress(person, model)


@pytest.fixture(scope="module")
def scene(person: Person, model: MorphableModel) -> Scene:
    made = portrait_scene(5, person, model)
    return replace(made, develop=replace(made.develop, noise=0.0, blur=0.0, jpeg_quality=0))


@pytest.fixture(scope="module")
def picture(person: Person, scene: Scene, model: MorphableModel, outfit: Outfit) -> Picture:
    return paint.paint(person, scene, model, size=SIZE, outfit=outfit)


def _label_near(picture: Picture, landmark: int, wanted: set[Label]) -> bool:
    """Return whether a wanted label lies within a pixel and a half of a landmark."""
    x, y = picture.landmarks68[landmark].tolist()
    rows = picture.labels[max(int(y - 1.5), 0) : int(y + 1.5) + 1, max(int(x - 1.5), 0) : int(x + 1.5) + 1]
    return bool({int(label) for label in wanted} & set(rows.reshape(-1).tolist()))


def test_a_portrait_shows_all_that_a_face_has(picture: Picture) -> None:
    seen = set(picture.labels.reshape(-1).tolist())
    assert {Label.BACKGROUND, Label.SKIN, Label.NOSE, Label.UPPER_LIP, Label.LOWER_LIP, Label.NECK} <= seen
    assert {Label.LEFT_EYE, Label.RIGHT_EYE, Label.LEFT_BROW, Label.RIGHT_BROW, Label.HAIR} <= seen


def test_landmarks_lie_on_what_they_are_named_after(picture: Picture) -> None:
    lips = {Label.UPPER_LIP, Label.LOWER_LIP, Label.MOUTH}
    assert all(_label_near(picture, corner, lips) for corner in (48, 54, 51, 57))
    assert _label_near(picture, 30, {Label.NOSE})
    eyes = {Label.LEFT_EYE, Label.RIGHT_EYE}
    assert all(_label_near(picture, lid, eyes) for lid in (37, 41, 43, 47))


def test_sides_are_told_apart_the_way_the_constant_says(picture: Picture) -> None:
    row, column = (picture.labels == Label.LEFT_EYE).nonzero(as_tuple=True)
    assert len(row) > 0
    is_left_in_picture = float(column.float().mean()) < float(picture.landmarks68[30, 0])
    assert is_left_in_picture == paint.SIDES_ARE_THE_VIEWERS


def test_swapping_sides_twice_changes_nothing() -> None:
    labels = torch.arange(len(Label))
    assert torch.equal(paint.data_set_sides(paint.data_set_sides(labels)), labels)


def test_buffers_agree_about_where_somebody_is(picture: Picture) -> None:
    covered = picture.alpha > 0
    assert torch.equal(picture.labels > 0, picture.labels != 0)
    assert bool(torch.isfinite(picture.depth[picture.labels > 0]).all())
    assert bool(torch.isinf(picture.depth[~covered]).all())
    assert bool((picture.labels[~covered] == 0).all())
    quarters = picture.alpha * 4
    assert torch.equal(quarters, quarters.round())


def test_normals_are_unit_and_face_the_camera(picture: Picture, scene: Scene) -> None:
    length = picture.normals.norm(dim=0)[picture.alpha > 0]
    torch.testing.assert_close(length, torch.ones_like(length), atol=1e-4, rtol=1e-4)
    skin = picture.labels == Label.SKIN
    assert float((picture.normals[2][skin] > -0.2).float().mean()) > 0.95


def test_colours_are_possible(picture: Picture) -> None:
    assert float(picture.albedo.min()) >= 0
    assert float(picture.albedo.max()) <= 1
    assert float(picture.image.min()) >= -1
    assert float(picture.image.max()) <= 1
    assert bool(torch.isfinite(picture.image).all())


def test_unprojected_depth_gives_back_the_tip_of_the_nose(picture: Picture, scene: Scene) -> None:
    x, y = picture.landmarks68[30].tolist()
    depth = picture.depth[int(y), int(x)]
    uv = cameras.from_pixels(torch.tensor([int(x) + 0.5, int(y) + 0.5]), SIZE, SIZE)
    point = cameras.unproject(scene.camera, torch.cat([uv, depth[None]])[None, None])[0, 0]
    again = cameras.to_screen(scene.camera, point[None, None], SIZE, SIZE)[0, 0]
    torch.testing.assert_close(again[:2], torch.tensor([int(x) + 0.5, int(y) + 0.5]), atol=1e-3, rtol=0)
    assert bool(picture.landmarks_visible[30] == 1)
    distance = float((scene.camera.position[0] - point).norm())
    assert 0.2 < distance < 5


def test_the_same_picture_twice_is_the_same_bytes(
    picture: Picture, person: Person, scene: Scene, model: MorphableModel
) -> None:
    again = paint.paint(person, scene, model, size=SIZE)
    for name in ("image", "labels", "depth", "normals", "albedo", "alpha"):
        assert torch.equal(getattr(picture, name), getattr(again, name)), name


def test_without_key_lights_nothing_throws_a_shadow_and_it_is_darker(
    picture: Picture, person: Person, scene: Scene, model: MorphableModel, outfit: Outfit
) -> None:
    dim = paint.paint(person, replace(scene, keys=()), model, size=SIZE, outfit=outfit)
    assert torch.equal(dim.labels, picture.labels)
    assert torch.equal(dim.albedo, picture.albedo)
    somebody = picture.alpha == 1
    assert bool((dim.image[:, somebody] <= picture.image[:, somebody] + 1e-5).all())


def test_animation_yields_a_frame_for_every_moment_and_stillness_stands_still(
    person: Person, scene: Scene, model: MorphableModel
) -> None:
    still = coeffs.still(model.name, model.sizes.expression, 2)
    quiet = replace(scene, develop=replace(scene.develop, noise=0.0))
    frames = list(paint.animate_person(person, quiet, still, model, 32))
    assert len(frames) == 2
    assert torch.equal(frames[0], frames[1])


def test_a_motion_of_another_head_is_refused(person: Person, scene: Scene, model: MorphableModel) -> None:
    frames: Iterator[torch.Tensor] = paint.animate_person(
        person, scene, coeffs.still("other", 3, 1), model, 32
    )
    with pytest.raises(ValueError, match="retarget"):
        next(frames)
