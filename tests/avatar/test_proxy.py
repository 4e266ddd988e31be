import pytest
import torch
from sitter_fixtures import sitter

from phiz.avatar import proxy
from phiz.avatar.sides import Sitter
from phiz.face import head
from phiz.graphics import camera as cameras
from phiz.graphics import raster


@pytest.fixture(scope="module")
def person() -> Sitter:
    return sitter(head.built_in())


def outline(person, thick: float) -> torch.Tensor:
    """Return where a head shows whose scalp is raised by so much."""
    model = person.head
    bare = model.vertices(person.found.rest)
    up = bare[0] * model.metres_per_unit + thick * model.regions[:, :1] * model.normals(bare)[0]
    screen = cameras.to_screen(person.camera, up[None], person.size, person.size)[0]
    return raster.rasterise_depth(screen, model.triangles, person.size, person.size).isfinite()


def raise_to(person: Sitter, matte: torch.Tensor) -> float:
    bare = person.head.vertices(person.found.rest)
    normals = person.head.normals(bare)[0]
    return proxy.raised(
        person.head, bare[0] * person.head.metres_per_unit, normals, person.camera, matte, person.seen
    )[1]


def test_a_bald_head_stays_bald_and_hair_is_as_thick_as_its_outline(person: Sitter) -> None:
    assert raise_to(person, outline(person, 0.0)[None, None].float()) == 0
    found = raise_to(person, outline(person, 0.03)[None, None].float())
    assert abs(found - 0.03) < 0.0076


def test_what_is_not_known_is_filled_in_between_what_is() -> None:
    values = torch.zeros(1, 1, 16, 16)
    values[..., 8:] = 1
    known = torch.zeros(1, 1, 16, 16)
    known[..., :3], known[..., 13:] = 1, 1
    whole = proxy.filled(values, known)
    assert torch.equal(whole[known > 0], values[known > 0])
    row = whole[0, 0, 8]
    assert float(row.diff().min()) >= -1e-5
    assert 0.2 < float(row[8]) < 0.8


def test_a_curtain_hangs_where_the_person_is_and_tears_at_jumps(person: Sitter) -> None:
    depth = torch.full((1, 1, 64, 64), 1.2)
    depth[..., 32:] = 1.3
    inside = torch.zeros(1, 1, 64, 64)
    inside[..., 16:48, 16:48] = 1
    points, triangles = proxy.curtain(depth, inside, person.camera)
    screen = cameras.to_screen(person.camera, points[None], 64, 64)[0]
    covered = raster.rasterise_depth(screen, triangles, 64, 64).isfinite()
    assert not bool(covered[:14].any())
    assert bool(covered[20:44, 20:30].all())
    assert bool(covered[20:44, 34:44].all())
    far = points[triangles.long()][..., 2]
    assert float((far.amax(1) - far.amin(1)).max()) < proxy.JUMP + 1e-4


def test_the_head_is_cut_off_at_the_persons_outline(person: Sitter) -> None:
    half = person.parsed.matte.clone()
    half[..., :32] = 0
    vertices = person.proxy.vertices
    kept = proxy.cut_off(vertices, person.proxy.triangles, person.camera, half, person.seen)
    x = cameras.to_screen(person.camera, vertices[None], 64, 64)[0, :, 0]
    assert float(x[person.proxy.triangles[kept].long()].min()) > 32 - proxy.GROWN - 1
    unseen = torch.zeros_like(person.seen)
    assert bool(proxy.cut_off(vertices, person.proxy.triangles, person.camera, half, unseen).all())


def test_colours_creep_to_what_is_near_and_of_the_same_kind() -> None:
    places = torch.tensor([[0.0, 0, 0]] * 20 + [[0.02, 0, 0]] * 20 + [[0.005, 0, 0]])
    colours = torch.cat([torch.full((20, 3), -1.0), torch.full((20, 3), 1.0), torch.zeros(1, 3)])
    sure = torch.tensor([1.0] * 40 + [0.0])
    plain = proxy.crept(colours, sure, places, torch.zeros(41))
    assert torch.allclose(plain[-1], torch.full((3,), -1.0))
    hair = torch.tensor([0.0] * 20 + [1.0] * 21)
    assert torch.allclose(proxy.crept(colours, sure, places, hair)[-1], torch.full((3,), 1.0))
    assert torch.equal(plain[:40], colours[:40])
