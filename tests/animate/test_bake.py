"""What is remembered never shows: pictures are those that the whole work would make."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
import torch
from avatar_fixtures import making, psnr
from bake_fixtures import PLANES, person_of
from torch import Tensor

from phiz.animate import acting
from phiz.animate.bake import Bake, Box, Quality, boxes, margin
from phiz.avatar.avatar import Avatar
from phiz.avatar.rig import Neck, Rig
from phiz.face.coeffs import Motion
from phiz.face.head import Head
from phiz.generator.config import TINY, GeneratorConfig
from phiz.generator.generator import Generator
from phiz.graphics.camera import Camera


def nodding(person: Avatar, head: Head, motion: Motion) -> tuple[Rig, Camera, Tensor, Neck]:
    """Return what `Stage.draw` finds where the head turns on its neck."""
    rig = Rig.of(person, head)
    neck = rig.turned(acting.skull(motion, head), acting.pivot_of(head))
    moved = rig.bent(rig.vertices(acting.faces(person.rest, motion, head)), neck)
    return rig, person.camera.repeated(len(motion)), moved, neck


def scene(person: Avatar, head: Head, motion: Motion) -> tuple[Rig, Camera, Tensor]:
    rig = Rig.of(person, head)
    moved = rig.vertices(acting.faces(person.rest, motion, head))
    return rig, acting.camera_of(person.camera, motion, head, person.generator_from_head), moved


def neck_of(neck: Neck, number: int) -> Neck:
    return replace(neck, still_from_turned=neck.still_from_turned[number : number + 1])


def talking(head: Head, frames: int = 3) -> Motion:
    motion = making(head, frames, mouthFunnel=0.3, browInnerUp=0.1)
    jaw = head.expression_names.index("jawOpen")
    motion.expression[:, jaw] = torch.linspace(0.05, 0.5, frames)
    return motion


def turning(head: Head, frames: int = 3) -> Motion:
    return replace(talking(head, frames), rotation=torch.linspace(-0.2, 0.2, 3 * frames).reshape(frames, 3))


def alone(bake: Bake, camera: Camera, moved: Tensor) -> Tensor:
    return torch.cat([bake.images(camera[k : k + 1], moved[k : k + 1]) for k in range(len(moved))])


@pytest.mark.parametrize(("quality", "least"), [("normal", 60.0), ("draft", 45.0)])
@pytest.mark.parametrize("moves", [talking, turning])
def test_pictures_are_those_of_the_whole_work(
    someone: Avatar, our_head: Head, quality: Quality, least: float, moves: object
) -> None:
    assert callable(moves)
    rig, camera, moved = scene(someone, our_head, moves(our_head, 2))
    fine, drawn = (Bake.of(someone, rig, quality=q).images(camera, moved) for q in ("fine", quality))
    assert psnr(fine, drawn) > least
    rest = Bake.of(someone, rig).images(someone.camera, rig.still[None])
    assert psnr(fine[1:], rest) < least - 10


@pytest.mark.parametrize("config", [TINY, PLANES], ids=["encoding", "planes"])
def test_of_any_generator_pictures_are_those_of_the_whole_work(
    config: GeneratorConfig, our_head: Head
) -> None:
    person = person_of(config, our_head)
    for motion in (talking(our_head), turning(our_head)):
        rig, camera, moved = scene(person, our_head, motion)
        fine, drawn = (Bake.of(person, rig, quality=q).images(camera, moved) for q in ("fine", "normal"))
        assert psnr(fine, drawn) > 50


@pytest.mark.parametrize("config", [TINY, PLANES], ids=["encoding", "planes"])
def test_a_head_turns_on_its_neck_as_the_whole_work_draws_it(config: GeneratorConfig, our_head: Head) -> None:
    person = person_of(config, our_head)
    motion = turning(our_head)
    straight = replace(motion, rotation=torch.tensor([[0.0, 0.0, 0.0]] * 2 + [[0.1, 0.2, 0.0]]))
    for moves in (motion, straight):
        rig, camera, moved, neck = nodding(person, our_head, moves)
        fine, drawn = (
            Bake.of(person, rig, quality=q).images(camera, moved, neck) for q in ("fine", "normal")
        )
        assert psnr(fine, drawn) > 50
        fresh = [
            Bake.of(person, rig).images(camera[k : k + 1], moved[k : k + 1], neck_of(neck, k))
            for k in range(3)
        ]
        assert torch.allclose(torch.cat(fresh), drawn, atol=1e-5)


def test_neither_batch_nor_earlier_frames_show(someone: Avatar, our_head: Head) -> None:
    person = person_of(PLANES, our_head)
    mixed = [talking(our_head, 2), turning(our_head, 2), talking(our_head, 2)]
    motion = Motion(
        expression=torch.cat([part.expression for part in mixed]),
        basis=mixed[0].basis,
        rotation=torch.cat([part.rotation for part in mixed]),
        translation=torch.zeros(6, 3),
        gaze=torch.zeros(6, 2, 2),
        blink=torch.zeros(6, 2),
    )
    rig, camera, moved = scene(person, our_head, motion)
    together = Bake.of(person, rig).images(camera, moved)
    bake = Bake.of(person, rig)
    one_by_one = alone(bake, camera, moved)
    fresh = torch.cat([alone(Bake.of(person, rig), camera[k : k + 1], moved[k : k + 1]) for k in range(6)])
    assert torch.allclose(together, fresh, atol=1e-5)
    assert torch.allclose(one_by_one, fresh, atol=1e-5)
    assert float((fresh[0] - fresh[2]).abs().max()) > 0.01


def test_before_a_resting_camera_only_what_moves_is_drawn_and_no_seam_shows(our_head: Head) -> None:
    person = person_of(PLANES, our_head)
    blinking = replace(making(our_head, 2), blink=torch.ones(2, 2))
    rig, camera, moved = scene(person, our_head, blinking)
    bake = Bake.of(person, rig)
    baked = bake.images(camera, moved)[1]
    whole = Bake.of(person, rig).images(camera[:1], moved[:1])[0]
    rest = Bake.of(person, rig).images(camera[:1], rig.still[None])[0]
    assert torch.allclose(baked, whole, atol=1e-5)
    same = (baked == rest).all(0).float().mean()
    assert 0.2 < float(same) < 0.99


def test_what_is_remembered_is_bounded(our_head: Head) -> None:
    person = person_of(TINY, our_head)
    rig = Rig.of(person, our_head)
    bake = Bake.of(person, rig)
    for number in range(4):
        aside = replace(making(our_head, 2), rotation=torch.full((2, 3), 0.05 * number))
        bake.images(*scene(person, our_head, aside)[1:])
    assert len(bake._stills) == 2


@pytest.mark.parametrize(
    "config",
    [
        PLANES,
        replace(PLANES, kernel=1),
        replace(PLANES, upsampling="nn_cat", kernel=1),
        replace(PLANES, upsampling="pixelshuffle"),
        replace(PLANES, upsampling="fir"),
    ],
    ids=["nearest", "nearest 1 x 1", "nn_cat", "pixelshuffle", "fir"],
)
def test_a_pixel_of_the_map_shows_no_further_than_the_margin(config: GeneratorConfig) -> None:
    torch.manual_seed(0)
    generator = Generator(config).eval()
    chance = torch.Generator().manual_seed(3)
    size, by = config.volume_resolution, config.resolution // config.volume_resolution
    features = torch.randn(1, config.features, size, size, generator=chance)
    image = torch.randn(1, 3, size, size, generator=chance)
    with torch.no_grad():
        blocks = generator.prepare(generator.styles(torch.randn(1, config.z_size, generator=chance))).blocks
        before = generator.upsampler(blocks, features, image)
        other, tint = features.clone(), image.clone()
        other[..., 16, 14] += 3
        tint[..., 16, 14] += 1
        after = generator.upsampler(blocks, other, tint)
    changed = (before != after).any(1)[0]
    reach = margin(config)
    assert reach is not None
    shown = Box(16, 17, 14, 15).grown(reach, size)
    inside = torch.zeros_like(changed)
    inside[shown.top * by : shown.bottom * by, shown.left * by : shown.right * by] = True
    assert not bool((changed & ~inside).any())
    assert bool(changed.any())


def test_a_part_that_cannot_grow_alone_has_no_margin() -> None:
    assert margin(replace(PLANES, upsampling="bilinear")) is None


def test_boxes_hold_all_that_moves_and_split_where_it_pays() -> None:
    chance = torch.Generator().manual_seed(4)
    for _ in range(20):
        moving = torch.rand(16, 16, generator=chance) < 0.02
        found = boxes(moving, 1)
        held = torch.zeros_like(moving)
        for box in found:
            held[box.top : box.bottom, box.left : box.right] = True
        assert not bool((moving & ~held).any())
        for one, other in itertools.combinations(found, 2):
            assert one.bottom <= other.top
    far = torch.zeros(32, 32, dtype=torch.bool)
    far[2, 3:6], far[30, 10:20] = True, True
    assert boxes(far, 2) == [Box(2, 3, 3, 6), Box(30, 31, 10, 20)]
    near = torch.zeros(32, 32, dtype=torch.bool)
    near[10, 3:6], near[13, 3:6] = True, True
    assert boxes(near, 2) == [Box(10, 14, 3, 6)]
    assert boxes(torch.zeros(4, 4, dtype=torch.bool), 1) == []
