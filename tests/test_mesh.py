"""Meshes out of fields: where the field is, in its colours, in our frame, and in files that others read."""

from __future__ import annotations

import io
import math
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from jaxtyping import Float
from surfaces import edge_counts, volume
from torch import Tensor

from phiz import mesh, options
from phiz.avatar.avatar import Avatar
from phiz.console import Console
from phiz.errors import UsageError
from phiz.face import export
from phiz.generator.config import FFHQ_256, PLANES_256, TINY
from phiz.generator.generator import Generator
from phiz.graphics import frames
from tests.face.test_export import Glb

RADIUS, MIDDLE = 0.08, (0.03, -0.01, 0.02)


@dataclass(frozen=True, kw_only=True)
class Ball:
    """A ball with a soft skin, and a speck far from it; the colour tells the place."""

    peak: float = 2000.0
    speck: float = 0.012
    softness: float = 0.002

    def density(self, points: Float[Tensor, "n 3"]) -> Float[Tensor, " n"]:
        assert len(points) <= mesh.AT_ONCE
        ball = RADIUS - (points - torch.tensor(MIDDLE)).norm(dim=-1)
        speck = self.speck - (points + 0.11).norm(dim=-1)
        return self.peak * torch.sigmoid(torch.maximum(ball, speck) / self.softness)

    def colour(self, points: Float[Tensor, "n 3"]) -> Float[Tensor, "n 3"]:
        return points * 5


@dataclass(frozen=True, kw_only=True)
class Even:
    """The same density everywhere."""

    amount: float

    def density(self, points: Float[Tensor, "n 3"]) -> Float[Tensor, " n"]:
        return torch.full_like(points[:, 0], self.amount)

    def colour(self, points: Float[Tensor, "n 3"]) -> Float[Tensor, "n 3"]:
        return torch.zeros_like(points)


def in_generator(
    made: mesh.ColouredMesh, units_per_metre: float = frames.GENERATOR_UNITS_PER_METRE
) -> Tensor:
    return frames.transform(frames.generator_from_head(units_per_metre), made.vertices)


def test_the_surface_of_a_ball_is_where_its_density_is_half_the_peak() -> None:
    made = mesh.mesh_of(Ball(), resolution=48, level=1000.0)
    away = (in_generator(made) - torch.tensor(MIDDLE)).norm(dim=-1)
    assert (away - RADIUS).abs().max() < 0.3 / 47 / 60  # a cell, halved six times
    inside = volume(made.vertices.numpy(), made.triangles.numpy())
    assert inside == pytest.approx(
        4 / 3 * math.pi * (RADIUS / frames.GENERATOR_UNITS_PER_METRE) ** 3, rel=0.02
    )


def test_the_mesh_is_closed_and_without_specks() -> None:
    made = mesh.mesh_of(Ball(), resolution=40)
    assert (edge_counts(made.triangles.numpy()) == 2).all()
    assert made.triangles.unique().tolist() == list(range(len(made.vertices)))
    assert (in_generator(made) - torch.tensor(MIDDLE)).norm(dim=-1).max() < RADIUS + 0.02
    values = mesh.sample_density(Ball(), resolution=40, bounds=0.15)
    assert values[:10, :10, :10].max() > mesh.half_light(0.3 / 39)  # where the speck was


def test_the_mesh_lies_in_the_head_frame_in_metres() -> None:
    """The ball lies before, to the right and above the generator's origin, in its axes."""
    front, left, up = MIDDLE
    for scale in (1.0, 2.5):
        made = mesh.mesh_of(Ball(), resolution=40, level=1000.0, units_per_metre=scale)
        middle = (made.vertices.amin(0) + made.vertices.amax(0)) / 2
        torch.testing.assert_close(middle, torch.tensor([left, up, front]) / scale, atol=3e-4, rtol=0)


def test_colours_are_those_of_the_field_where_the_vertices_are() -> None:
    made = mesh.mesh_of(Ball(), resolution=32)
    expected = (in_generator(made) * 5 + 1) / 2
    torch.testing.assert_close(made.colours, expected.clamp(0, 1), atol=1e-5, rtol=0)


def test_the_level_is_where_a_cell_takes_half_of_the_light() -> None:
    assert math.exp(-mesh.half_light(0.3 / 127) * 0.3 / 127) == pytest.approx(0.5)
    usual = mesh.mesh_of(Ball(), resolution=32)
    named = mesh.mesh_of(Ball(), resolution=32, level=math.log(2) / (0.3 / 31))
    assert torch.equal(usual.vertices, named.vertices)


def test_what_reaches_beyond_the_cube_ends_in_walls() -> None:
    made = mesh.mesh_of(Ball(speck=0.0), resolution=32, bounds=0.08, level=1000.0)
    assert (edge_counts(made.triangles.numpy()) == 2).all()
    assert in_generator(made).amax() == pytest.approx(0.08, abs=1e-6)


def test_a_larger_grid_is_read_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = mesh.mesh_of(Ball(), resolution=24)
    monkeypatch.setattr(mesh, "AT_ONCE", 100)  # the ball refuses more at once
    parts = mesh.mesh_of(Ball(), resolution=24, console=Console(output=io.StringIO(), errors=io.StringIO()))
    torch.testing.assert_close(parts.vertices, whole.vertices)
    torch.testing.assert_close(parts.colours, whole.colours)


def test_no_surface_is_an_error_that_tells_which_densities_there_are() -> None:
    with pytest.raises(
        UsageError, match=r"denser than 1e\+04: its densities reach from .* to 2000.* --level 1"
    ):
        mesh.mesh_of(Ball(), resolution=16, level=10000.0)
    with pytest.raises(UsageError, match="empty"):
        mesh.mesh_of(Even(amount=0.0), resolution=8)
    with pytest.raises(UsageError, match="whole field is denser than 1: its densities reach from 7 to 7"):
        mesh.mesh_of(Even(amount=7.0), resolution=8, level=1.0)
    with pytest.raises(UsageError, match="not finite"):
        mesh.mesh_of(Even(amount=math.nan), resolution=8)


def test_a_glb_file_holds_the_mesh_and_keeps_all_rules(tmp_path: Path) -> None:
    made = mesh.mesh_of(Ball(), resolution=24)
    mesh.write(tmp_path / "head.glb", made)
    glb = Glb.read(tmp_path / "head.glb")
    np.testing.assert_array_equal(glb.attribute("POSITION"), made.vertices.numpy())
    (primitive,) = glb.document["meshes"][0]["primitives"]
    np.testing.assert_array_equal(glb.values(primitive["indices"]).reshape(-1, 3), made.triangles.numpy())
    outward = glb.attribute("POSITION") - glb.attribute("POSITION").mean(axis=0)
    assert ((glb.attribute("NORMAL") * outward).sum(axis=1) > 0).all()


@pytest.mark.parametrize("kind", export.FORMATS)
def test_every_format_is_written_by_its_ending(tmp_path: Path, kind: str) -> None:
    made = mesh.mesh_of(Ball(), resolution=16)
    path = tmp_path / f"head.{kind.upper()}"
    mesh.write(path, made)
    start = path.read_bytes()[:7]
    assert start.startswith({"glb": b"glTF", "obj": b"mtllib ", "ply": b"ply\n"}[kind])
    if kind == "obj":
        lines = path.read_text().splitlines()
        assert sum(line.startswith("v ") for line in lines) == len(made.vertices)
        assert sum(line.startswith("f ") for line in lines) == len(made.triangles)


def test_another_ending_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="glb, obj, ply"):
        mesh.write(tmp_path / "head.stl", mesh.mesh_of(Ball(), resolution=16))
    assert not list(tmp_path.iterdir())


def someone(**changes: bool) -> mesh.Drawn:
    """Return a person of an untrained network: the same numbers for any changes that need no others."""
    with torch.random.fork_rng():
        torch.random.manual_seed(0)
        made = Generator(replace(TINY, **changes))
    return mesh.person_of(made.eval().requires_grad_(False), seed=1, psi=0.7)


def test_a_generator_is_a_field() -> None:
    drawn = someone()
    assert isinstance(drawn, mesh.Field)
    points = 0.1 * torch.randn(20, 3, generator=torch.Generator().manual_seed(0))
    styles = drawn.generator.styles(torch.randn(1, TINY.z_size, generator=torch.Generator().manual_seed(1)))
    person = drawn.generator.prepare(drawn.generator.mapping.average.lerp(styles, 0.7))
    torch.testing.assert_close(drawn.density(points), drawn.generator.density(person, points[None])[0])
    torch.testing.assert_close(drawn.colour(points), drawn.generator.colour(person, points[None])[0])


def test_densities_are_a_generator_unit_whatever_the_network_counts_in() -> None:
    points = 0.1 * torch.randn(200, 3, generator=torch.Generator().manual_seed(0))
    plain, relative = someone(), someone(is_length_relative=True)
    assert plain.density(points).max() > 0
    torch.testing.assert_close(relative.density(points) * (TINY.far - TINY.near), plain.density(points))


def test_a_drawn_head_becomes_a_closed_mesh() -> None:
    drawn = someone()
    seen = mesh.sample_density(drawn, resolution=12, bounds=0.12)
    level = float((seen.min() + seen.max()) / 2)
    made = mesh.mesh_of(drawn, resolution=12, bounds=0.12, level=level)
    assert (edge_counts(made.triangles.numpy()) == 2).all()
    assert 0 <= made.colours.min() <= made.colours.max() <= 1


def test_the_grid_ends_where_nobody_ever_looked() -> None:
    assert mesh.shown(FFHQ_256) == pytest.approx(0.12)
    assert mesh.shown(replace(PLANES_256, planes_span=0.1)) == pytest.approx(0.05)
    assert mesh.shown(replace(PLANES_256, planes_span=0.9)) == pytest.approx(0.12)


@pytest.mark.parametrize("wrong", [{"resolution": 4}, {"seed": -1}, {"bounds": 0.0}, {"level": math.nan}])
def test_settings_that_cannot_be_are_refused(wrong: dict[str, float]) -> None:
    (name,) = wrong
    with pytest.raises(ValueError, match=f"--{name}"):
        mesh.MeshConfig(**wrong)


@pytest.mark.parametrize("kind", export.FORMATS)
def test_a_seed_becomes_a_file(tmp_path: Path, kind: str) -> None:
    generator = someone().generator
    said = io.StringIO()
    config = mesh.MeshConfig(seed=3, output=tmp_path / f"head.{kind}", resolution=12, psi=1.0)
    seen = mesh.sample_density(mesh.person_of(generator, 3), resolution=12, bounds=0.12)
    config = replace(config, level=float(seen.max() + seen.min()) / 2)
    found = mesh.write_person(generator, config, Console(output=said))
    assert found["bytes"] == config.output.stat().st_size > 500
    assert f"{found['vertices']} vertices" in said.getvalue()


def test_other_seeds_are_other_people() -> None:
    generator = someone().generator
    first, again, other = (
        mesh.sample_density(mesh.person_of(generator, seed), resolution=8, bounds=0.12) for seed in (1, 1, 2)
    )
    assert torch.equal(first, again)
    assert not torch.allclose(first, other)


def test_the_verb_says_what_cannot_be_before_it_works(tmp_path: Path) -> None:
    words = ["--seed", "3", "-o", str(tmp_path / "head.fbx")]
    with pytest.raises(UsageError, match="glb, obj, ply"):
        mesh.mesh_verb(options.parse(mesh.MeshConfig, words), Console(quiet=True))
    with pytest.raises(UsageError, match="--resolution 2"):
        options.parse(mesh.MeshConfig, ["--resolution", "2"])
    labelled = Generator(replace(TINY, labels=3))
    with pytest.raises(UsageError, match="label"):
        mesh.write_person(labelled, mesh.MeshConfig(), Console(quiet=True))


def test_an_avatar_becomes_a_mesh(someone: Avatar, tmp_path: Path) -> None:
    someone.save(tmp_path / "one.avatar")
    words = [str(tmp_path / "one.avatar"), "-o", str(tmp_path / "one.ply"), "--resolution", "32"]
    told = mesh.mesh_verb(options.parse(mesh.MeshConfig, words), Console(quiet=True))
    assert int(str(told["triangles"])) > 500
    assert (tmp_path / "one.ply").stat().st_size == told["bytes"]
