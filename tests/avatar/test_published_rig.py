"""Samples hang on vertices as published: flat, by the nearest in the frontal view; hair and torso stand."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import scipy.io
import torch
from published_fixtures import SMALL, head_model, state
from torch import Tensor

from phiz.avatar import published_rig
from phiz.avatar.avatar import Avatar
from phiz.avatar.published_person import with_head
from phiz.avatar.published_quirks import MENDED, PUBLISHED, PublishedQuirks
from phiz.avatar.published_rig import PublishedRig
from phiz.face import bfm
from phiz.face.bfm import Bfm
from phiz.face.coeffs import neutral
from phiz.face.head import built_in
from phiz.face.parse import CLASSES_16, Parser
from phiz.generator import poses
from phiz.generator.config import TINY
from phiz.generator.generator import Depths, Generator, Stage
from phiz.graphics import frames
from phiz.world import portrait


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Bfm:
    path = tmp_path_factory.mktemp("head") / "model.mat"
    scipy.io.savemat(path, head_model(16, 20))
    return bfm.read(path)


@pytest.fixture(scope="module")
def parser() -> Parser:
    network = Parser(SMALL.parser).eval().requires_grad_(False)
    network.load_state_dict(state(network))
    return network


@pytest.fixture(scope="module")
def person(model: Bfm) -> Avatar:
    with torch.random.fork_rng():
        torch.manual_seed(3)
        generator = Generator(TINY).eval().requires_grad_(False)
        w = generator.styles(torch.randn(1, TINY.z_size))
    chance = torch.Generator().manual_seed(0)
    face = replace(
        neutral(model.sizes),
        identity=torch.randn(1, 80, generator=chance),
        expression=torch.randn(1, 64, generator=chance),
        rotation=torch.tensor([[0.1, -0.2, 0.05]]),
        translation=torch.tensor([[0.01, -0.02, 0.03]]),
    )
    return Avatar(
        generator=generator,
        w=w,
        background=torch.randn(1, TINY.background_latent, generator=chance),
        camera=poses.at(TINY, (0.5, 0.5)),
        rest=face,
        head="model.mat",
        generator_from_head=torch.eye(4),
    )


@pytest.fixture(scope="module")
def rig(person: Avatar, model: Bfm, parser: Parser) -> PublishedRig:
    return published_rig.tie(with_head(person), model, parser)


def test_vertices_lie_where_the_published_projection_and_map_put_them(person: Avatar, model: Bfm) -> None:
    face = person.rest
    seen = bfm.project(bfm.to_camera(model.vertices(face), face))[:, ::4]
    expected = -0.10 + 0.20 * seen / 224
    headed = with_head(person)
    used = published_rig.used_vertices(headed, model)
    found = published_rig.flat_vertices(headed, model, headed.rest, used)
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=0)


def test_the_edges_and_the_middle_of_a_picture_have_published_places() -> None:
    pixels = torch.tensor([[0.0, 112.0], [224.0, 0.0]])
    expected = torch.tensor([[-0.10, 0.0], [0.10, -0.10]])
    torch.testing.assert_close(published_rig.from_pixels(pixels, 224), expected, atol=1e-8, rtol=0)


def test_samples_belong_to_what_is_nearest_in_the_frontal_view(person: Avatar, rig: PublishedRig) -> None:
    coarse, fine = published_rig.frontal_samples(person.generator, rig.depths)
    assert fine is not None
    assert rig.fine is not None
    points = torch.cat([rig.vertices, rig.pinned])
    for samples, table in ((coarse, rig.coarse), (fine, rig.fine)):
        away = (samples[:, None] - points).norm(dim=-1)
        torch.testing.assert_close(away.gather(1, table[:, None])[:, 0], away.amin(1), atol=1e-7, rtol=0)
    assert len(coarse) == TINY.volume_resolution**2 * TINY.samples


def test_frontal_samples_are_those_that_the_generator_asks_about(person: Avatar, rig: PublishedRig) -> None:
    asked: dict[Stage, Tensor] = {}

    def keep(points: Tensor, stage: Stage) -> Tensor:
        asked[stage] = points
        return points

    camera = published_rig.frontal_camera(TINY)
    person.generator.render(person.prepare(), camera, depths=rig.depths, warp=keep)
    coarse, fine = published_rig.frontal_samples(person.generator, rig.depths)
    assert fine is not None
    torch.testing.assert_close(asked[Stage.COARSE][0, :, 1:], coarse, atol=1e-6, rtol=0)
    torch.testing.assert_close(asked[Stage.FINE][0, :, 1:], fine, atol=1e-6, rtol=0)


@pytest.mark.parametrize("quirks", [PUBLISHED, MENDED], ids=["published", "mended"])
def test_no_motion_moves_no_sample(rig: PublishedRig, quirks: PublishedQuirks) -> None:
    points = torch.randn(1, len(rig.coarse), 3, generator=torch.Generator().manual_seed(0)) * 0.1
    warp = published_rig.warp(rig, rig.vertices, quirks)
    assert torch.equal(warp(points, Stage.COARSE), points)
    assert torch.equal(warp(points, Stage.FINE), points)


def test_a_sample_is_looked_up_where_its_vertex_came_from(rig: PublishedRig) -> None:
    moved = rig.vertices + torch.randn(rig.vertices.shape, generator=torch.Generator().manual_seed(0))
    points = torch.zeros(1, len(rig.coarse), 3)
    found = published_rig.warp(rig, moved)(points, Stage.COARSE)[0]
    assert not found[:, 0].any()  # parity: never along the depth
    count = len(rig.vertices)
    for table, shift in zip(rig.coarse.tolist(), found[:, 1:], strict=True):
        expected = rig.vertices[table] - moved[table] if table < count else torch.zeros(2)
        assert torch.equal(shift, expected)


def test_what_is_pinned_stays_and_what_is_not_follows(rig: PublishedRig) -> None:
    pinned = rig.coarse >= len(rig.vertices)
    assert pinned.any()
    assert not pinned.all()
    shift = published_rig.warp(rig, rig.vertices + 0.01)(torch.zeros(1, len(rig.coarse), 3), Stage.COARSE)
    assert not shift[0, pinned].any()
    assert (shift[0, ~pinned, 1:] < 0).all()


def test_mended_a_sample_asks_for_the_vertex_that_is_there_now(rig: PublishedRig) -> None:
    alone = replace(rig, pinned=torch.zeros(0, 2))
    moved = rig.vertices + torch.tensor([0.3, 0.0])
    points = torch.cat([torch.zeros(len(moved), 1), moved], dim=1)[None]
    found = published_rig.warp(alone, moved, MENDED)(points, Stage.COARSE)
    torch.testing.assert_close(found[0, :, 1:], rig.vertices, atol=1e-6, rtol=0)


def test_pixels_of_hair_and_torso_are_pinned_one_in_four() -> None:
    labels = torch.zeros(512, 512, dtype=torch.uint8)
    labels[0, :8] = 10
    labels[511, 504:] = 14
    labels[256, 256:260] = 15
    labels[100] = 1
    found = published_rig.pinned_points(labels, CLASSES_16)
    step = 0.2 / 512
    expected = torch.tensor(
        [[-0.1, 0.1], [-0.1 + 4 * step, 0.1], [0.0, 0.0]]
        + [[0.1 - 8 * step, -0.1 + step], [0.1 - 4 * step, -0.1 + step]]
    )
    torch.testing.assert_close(found, expected, atol=1e-7, rtol=0)


def test_the_published_parser_sees_darkness_as_black() -> None:
    picture = torch.tensor([-1.0, -0.2, 0.0, 0.4, 1.0])[None, None, None].expand(1, 3, 5, 5)
    shown = published_rig.shown_to_parser(picture, PUBLISHED)
    assert shown.shape == (1, 3, 512, 512)
    whole = published_rig.shown_to_parser(picture, MENDED)
    torch.testing.assert_close(shown, whole.clamp(0, 1) * 2 - 1)
    assert float(shown[..., :150].max()) == -1.0  # all that is darker than middle grey
    assert float(whole[..., 150].min()) > -1.0


def test_cameras_are_the_published_ones() -> None:
    frontal = published_rig.frontal_camera(TINY)
    expected = torch.tensor([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    torch.testing.assert_close(frontal.world_from_camera[0, :3, :3], expected)
    torch.testing.assert_close(frontal.position[0], torch.tensor([1.0, 0.0, 0.0]))
    assert float(frontal.intrinsics[0, 0, 0]) == pytest.approx(1 / math.tan(math.radians(6)), rel=1e-6)
    yaw = torch.tensor([[0.0, 0.3, 0.0]])
    turned = published_rig.camera_for(TINY, yaw)
    same = poses.turned(TINY, torch.tensor([-0.3]), torch.zeros(1))
    torch.testing.assert_close(turned.world_from_camera, same.world_from_camera, atol=1e-6, rtol=0)


def test_a_whole_head_ties_with_what_shows_from_the_front(person: Avatar) -> None:
    head = built_in()
    rest = neutral(head.sizes)
    whole = replace(
        person, rest=rest, generator_from_head=portrait.generator_from_head(rest.identity[0], head)
    )
    used = published_rig.used_vertices(whole, head)
    surface = head.vertices(rest)[0]
    assert 0.2 < len(used) / len(surface) < 0.6
    normals = head.normals(surface[None])[0, used]
    assert float((normals[:, 2] > -0.2).float().mean()) > 0.97


def test_generators_without_fine_samples_have_one_table(person: Avatar, model: Bfm, parser: Parser) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(3)
        flat = Generator(replace(TINY, is_hierarchical=False)).eval().requires_grad_(False)
    rig = published_rig.tie(with_head(replace(person, generator=flat)), model, parser)
    assert rig.fine is None
    assert isinstance(rig.depths, Depths)
    assert frames.GENERATOR_UNITS_PER_METRE == 0.90625


def test_a_table_that_was_made_once_knows_no_moved_vertices() -> None:
    with pytest.raises(ValueError, match="moved since"):
        PublishedQuirks(searches_rest=False)
