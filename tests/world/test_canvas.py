"""Shading of what a picture shows: as bright as its light, possible colours, hair where hair covers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from phiz.face import head as heads
from phiz.face.morphable import MorphableModel
from phiz.graphics import camera as cameras
from phiz.graphics import raster, rotation
from phiz.graphics.raster import Hits
from phiz.world import expressions, lights
from phiz.world.drawn import canvas, loops, meshes, samples
from phiz.world.drawn.canvas import Canvas
from phiz.world.figure import Figure, Outfit, dress, pose
from phiz.world.lights import KeyLight
from phiz.world.people import Person, sample_person
from phiz.world.scene import Scene, portrait_scene
from phiz.world.surface import Label

SIZE = 32
FINE = SIZE * samples.SUB
BARE_SKIN = (Label.SKIN, Label.NOSE, Label.NECK)


@pytest.fixture(scope="module")
def model() -> MorphableModel:
    return heads.built_in()


@pytest.fixture(scope="module")
def person(model: MorphableModel) -> Person:
    """Return somebody with short hair, dark brows and nothing before the face."""
    made = sample_person(3, model, ("short_crop",))
    look = replace(made.hair, style="short_crop", beard="none", brow_density=0.9)
    return replace(made, hair=look, glasses="none", hat="none", identity=made.identity * 0)


@pytest.fixture(scope="module")
def outfit(person: Person, model: MorphableModel) -> Outfit:
    return dress(person, model)


@pytest.fixture(scope="module")
def scene(person: Person, model: MorphableModel) -> Scene:
    return portrait_scene(5, person, model)


def drawn(scene: Scene, outfit: Outfit, model: MorphableModel) -> tuple[Figure, Hits]:
    figure = pose(outfit, scene.coeffs, model, scene.camera.position[0], least=0.001)
    screen = meshes.on_screen(scene.camera, figure.vertices, FINE)
    return figure, raster.rasterise(screen, figure.triangles, FINE, FINE)


def closer(scene: Scene, model: MorphableModel, times: float) -> Scene:
    """Return the scene through a longer lens that looks between the brows."""
    local = model.landmarks(model.vertices(scene.coeffs))[0, 27] * model.metres_per_unit
    place = rotation.from_euler(scene.coeffs.rotation)[0] @ local + scene.coeffs.translation[0]
    u, v, _ = cameras.project(scene.camera, place[None, None])[0, 0]
    inside = scene.camera.intrinsics.clone() * torch.tensor([[times], [times], [1.0]])
    inside[0, 0, 2] -= times * u
    inside[0, 1, 2] -= times * v
    return replace(scene, camera=replace(scene.camera, intrinsics=inside))


Shade = Callable[..., Canvas]


@pytest.fixture(scope="module")
def shade(person: Person, scene: Scene, outfit: Outfit, model: MorphableModel) -> Shade:
    """Return a function that shades the same portrait with some things changed."""
    as_it_is = drawn(scene, outfit, model)

    def shaded(
        *, someone: Person = person, lit: Scene = scene, worn: Outfit = outfit, anew: bool = False
    ) -> Canvas:
        figure, hits = drawn(lit, worn, model) if anew else as_it_is
        return canvas.shade(figure, hits, someone, lit, model.expression_names, worn, SIZE)

    return shaded


@pytest.fixture(scope="module")
def plain(shade: Shade) -> Canvas:
    return shade()


def dark(scene: Scene) -> Scene:
    return replace(scene, keys=(), ambient=torch.zeros(9, 3))


def test_all_buffers_are_finite_and_within_bounds(plain: Canvas) -> None:
    covered = plain.alpha > 0
    assert 0.2 < float(covered.float().mean()) < 0.98
    for buffer in (plain.light, plain.albedo, plain.normals, plain.alpha):
        assert bool(torch.isfinite(buffer).all())
    assert plain.light.min() >= 0
    assert plain.albedo.min() >= 0
    assert plain.albedo.max() <= 1 + 1e-5
    assert plain.light[~covered].abs().max() == 0
    assert plain.albedo[~covered].abs().max() == 0
    torch.testing.assert_close(plain.normals[covered].norm(dim=-1), torch.ones(int(covered.sum())))


def test_cloth_has_its_own_colour_also_where_it_covers_a_pixel_in_part(
    outfit: Outfit, scene: Scene, person: Person, model: MorphableModel
) -> None:
    figure, hits = drawn(scene, outfit, model)
    colour = torch.tensor([0.6, 0.4, 0.2])
    dyed = replace(figure, coat=torch.cat([colour.expand(len(figure.coat), 3), figure.coat[:, 3:]], dim=1))
    made = canvas.shade(dyed, hits, person, scene, model.expression_names, outfit, SIZE)
    cloth = made.labels == Label.CLOTH
    for some in (cloth & (made.alpha == 1), cloth & (made.alpha < 1)):
        assert int(some.sum()) > 3
        torch.testing.assert_close(made.albedo[some].median(dim=0).values, colour, atol=1e-4, rtol=0)


def test_without_light_everything_is_black_but_keeps_its_colour(
    shade: Shade, plain: Canvas, scene: Scene
) -> None:
    night = shade(lit=dark(scene))
    assert night.light.abs().max() < 1e-6
    for name in ("albedo", "normals", "alpha", "depth", "labels"):
        assert torch.equal(getattr(night, name), getattr(plain, name)), name


def test_twice_the_light_makes_the_picture_twice_as_bright(shade: Shade, plain: Canvas, scene: Scene) -> None:
    keys = tuple(replace(key, colour=2 * key.colour) for key in scene.keys)
    bright = shade(lit=replace(scene, keys=keys, ambient=2 * scene.ambient))
    torch.testing.assert_close(bright.light, 2 * plain.light, rtol=1e-3, atol=1e-5)


def test_lamps_and_surroundings_add_up(shade: Shade, plain: Canvas, scene: Scene) -> None:
    alone = [shade(lit=replace(dark(scene), keys=(key,))).light for key in scene.keys]
    around = shade(lit=replace(scene, keys=())).light
    torch.testing.assert_close(torch.stack([around, *alone]).sum(0), plain.light, rtol=2e-3, atol=2e-4)


def test_nobody_sends_back_more_than_even_light_brings(shade: Shade, scene: Scene) -> None:
    white = lights.hemisphere(torch.ones(3), torch.ones(3))
    even = shade(lit=replace(scene, keys=(), ambient=white))
    assert even.light.max() <= 1.05
    skin = torch.isin(even.labels, torch.tensor([int(label) for label in BARE_SKIN])) & (even.alpha == 1)
    assert even.light[skin].mean() < 1.2 * even.albedo[skin].mean()


def test_a_lamp_lights_the_side_it_stands_on(shade: Shade, scene: Scene) -> None:
    def sides(turn: float) -> tuple[float, float]:
        key = KeyLight(direction=lights.direction(turn, 10), colour=torch.ones(3), softness=0.1)
        lit = shade(lit=replace(dark(scene), keys=(key,)))
        skin = torch.isin(lit.labels, torch.tensor([int(label) for label in BARE_SKIN]))
        picture = (lit.light.mean(-1) * skin).reshape(SIZE, SIZE)
        return float(picture[:, : SIZE // 2].sum()), float(picture[:, SIZE // 2 :].sum())

    left, right = sides(-80)
    assert left > 2 * right
    left, right = sides(80)
    assert right > 2 * left


def test_what_faces_away_from_a_lamp_is_in_shadow(shade: Shade, plain: Canvas, scene: Scene) -> None:
    behind = KeyLight(direction=torch.tensor([0.0, 0.0, -1.0]), colour=torch.ones(3), softness=0.02)
    before = replace(behind, direction=torch.tensor([0.0, 0.0, 1.0]))
    back, front = (shade(lit=replace(dark(scene), keys=(key,))).light for key in (behind, before))
    nose = plain.labels == Label.NOSE
    assert back[nose].mean() < 0.05 * front[nose].mean()


def test_skin_under_hair_is_labelled_hair_though_no_strand_is_drawn(
    shade: Shade, outfit: Outfit, scene: Scene
) -> None:
    shaven = replace(outfit, hair=(), rooted=())
    labels = shade(worn=shaven, anew=True).labels
    bare = replace(shaven.covers, scalp=torch.zeros_like(shaven.covers.scalp))
    bald = shade(worn=replace(shaven, covers=bare), anew=True).labels
    assert int((labels == Label.HAIR).sum()) > 10
    assert int((bald == Label.HAIR).sum()) == 0
    changed = labels != bald
    assert set(bald[changed].tolist()) == {Label.SKIN}
    rows = changed.reshape(SIZE, SIZE).nonzero()[:, 0].float()
    chin = (bald == Label.NECK).reshape(SIZE, SIZE).nonzero()[:, 0].float().min()
    assert rows.mean() < chin


def test_brows_are_labelled_on_their_side_unless_there_are_none(
    shade: Shade, outfit: Outfit, person: Person
) -> None:
    shaven = replace(outfit, hair=(), rooted=())
    dense = shade(worn=shaven, anew=True).labels.reshape(SIZE, SIZE)
    left, right = ((dense == label).nonzero()[:, 1].float() for label in (Label.LEFT_BROW, Label.RIGHT_BROW))
    assert len(left) > 1
    assert left.min() > right.max()  # the person's left is the picture's right
    thin = replace(person, hair=replace(person.hair, brow_density=0.0))
    none = shade(someone=thin, worn=shaven, anew=True).labels
    assert not bool(torch.isin(none, torch.tensor([int(Label.LEFT_BROW), int(Label.RIGHT_BROW)])).any())


def test_an_open_mouth_shows_teeth_or_tongue_and_is_darker_inside_than_the_lips(
    shade: Shade, scene: Scene, model: MorphableModel
) -> None:
    wide = expressions.weights({"jawOpen": 0.9}, model.expression_names)[None]
    opened = shade(lit=replace(scene, coeffs=replace(scene.coeffs, expression=wide)), anew=True)
    inside = opened.labels == Label.MOUTH
    lips = (opened.labels == Label.UPPER_LIP) | (opened.labels == Label.LOWER_LIP)
    assert int(inside.sum()) > 3
    assert opened.light[inside].mean() < opened.light[lips].mean()


def test_frowns_and_age_fold_the_skin_between_the_eyes(
    outfit: Outfit, scene: Scene, person: Person, model: MorphableModel
) -> None:
    """The geometry stays as it is: only what folds the skin is told."""
    near = closer(scene, model, 16.0)
    figure, hits = drawn(near, outfit, model)
    angry = expressions.weights({"browDown": 1.0, "eyeSquint": 1.0}, model.expression_names)[None]

    def normals(expression: torch.Tensor, age: float) -> torch.Tensor:
        someone = replace(person, skin=replace(person.skin, age=age))
        lit = replace(near, coeffs=replace(near.coeffs, expression=expression))
        return canvas.shade(figure, hits, someone, lit, model.expression_names, outfit, SIZE).normals.reshape(
            SIZE, SIZE, 3
        )

    smooth = normals(0 * angry, 0.0)
    young, calm, both = (
        float((normals(e, age) - smooth).norm(dim=-1).mean())
        for e, age in ((angry, 0.0), (0 * angry, 1.0), (angry, 1.0))
    )
    assert 0.002 < young < calm  # a young face frowns a little,
    assert 1.5 * calm < both < 0.2  # an old one a lot


def test_compiled_and_plain_shading_agree(
    shade: Shade, plain: Canvas, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loops, "ready", lambda _: False)
    slow = shade()
    for name in ("labels", "alpha"):
        assert torch.equal(getattr(slow, name), getattr(plain, name)), name
    torch.testing.assert_close(slow.depth, plain.depth)
    for name in ("light", "albedo", "normals"):
        away = (getattr(slow, name) - getattr(plain, name)).abs().amax(dim=1)
        assert float(away.mean()) < 2e-4, name
        assert float((away > 5e-3).float().mean()) < 0.01, name  # a probe at the edge of a cell


def test_the_same_portrait_is_shaded_the_same_again(shade: Shade, plain: Canvas) -> None:
    again = shade()
    for name in ("light", "albedo", "normals", "alpha", "depth", "labels"):
        assert torch.equal(getattr(again, name), getattr(plain, name)), name
