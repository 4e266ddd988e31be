"""Files for other programs, read back by a plain reader of each format."""

from __future__ import annotations

import io
import itertools
import json
import struct
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

from phiz import options
from phiz.console import Console
from phiz.errors import HeadError, UsageError
from phiz.face import export, gltf, modes
from phiz.face.coeffs import FaceCoeffs, Motion, neutral, still
from phiz.face.export import ExportConfig
from phiz.face.morphable import Part
from phiz.face.supplied import SuppliedHead
from phiz.graphics import rotation

COMPONENTS = {5120: "i1", 5121: "u1", 5122: "<i2", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4}


@dataclass(frozen=True, kw_only=True)
class Glb:
    """A .glb file, taken apart and checked against the rules of the specification."""

    document: dict[str, Any]
    binary: bytes

    def __post_init__(self) -> None:
        assert self.document["asset"]["version"] == "2.0"
        assert self.document["buffers"] == [{"byteLength": len(self.binary)}]
        for view in self.document["bufferViews"]:
            assert view["byteLength"] > 0
            assert view["byteOffset"] % 4 == 0
            assert view["byteOffset"] + view["byteLength"] <= len(self.binary)
        for number in range(len(self.document["accessors"])):
            self.values(number)
        self._check_mesh()

    @staticmethod
    def read(path: Path) -> Glb:
        data = path.read_bytes()
        magic, version, length = struct.unpack_from("<4sII", data)
        assert (magic, version, length) == (b"glTF", 2, len(data))
        size, kind = struct.unpack_from("<I4s", data, 12)
        assert (size % 4, kind) == (0, b"JSON")
        start = 20 + size
        rest, kind = struct.unpack_from("<I4s", data, start)
        assert (rest % 4, kind, start + 8 + rest) == (0, b"BIN\0", len(data))
        return Glb(document=json.loads(data[20:start]), binary=data[start + 8 :])

    def _view(self, number: int, dtype: str, count: int, width: int) -> npt.NDArray[Any]:
        view = self.document["bufferViews"][number]
        assert view["byteLength"] == count * width * np.dtype(dtype).itemsize
        found = np.frombuffer(self.binary, dtype, count * width, view["byteOffset"])
        return found.reshape(count, width)

    def values(self, number: int) -> npt.NDArray[Any]:
        """Return the rows of an accessor, after checking that its bounds are true."""
        accessor = self.document["accessors"][number]
        dtype, width, count = (
            COMPONENTS[accessor["componentType"]],
            WIDTHS[accessor["type"]],
            accessor["count"],
        )
        assert count > 0
        rows = np.zeros((count, width), dtype)
        if "bufferView" in accessor:
            rows = self._view(accessor["bufferView"], dtype, count, width).copy()
        if "sparse" in accessor:
            sparse = accessor["sparse"]
            assert 0 < sparse["count"] <= count
            kind = COMPONENTS[sparse["indices"]["componentType"]]
            at = self._view(sparse["indices"]["bufferView"], kind, sparse["count"], 1)[:, 0]
            assert (np.diff(at.astype(int)) > 0).all()
            rows[at] = self._view(sparse["values"]["bufferView"], dtype, sparse["count"], width)
        for name, bound in (("min", rows.min(axis=0)), ("max", rows.max(axis=0))):
            if name in accessor:
                assert accessor[name] == bound.tolist()
        return rows

    def _check_mesh(self) -> None:
        (mesh,) = self.document["meshes"]
        targets = {len(primitive.get("targets", [])) for primitive in mesh["primitives"]}
        assert targets == {len(mesh.get("weights", []))}
        for primitive in mesh["primitives"]:
            attributes = {name: self.values(number) for name, number in primitive["attributes"].items()}
            assert len({len(values) for values in attributes.values()}) == 1
            assert "min" in self.document["accessors"][primitive["attributes"]["POSITION"]]
            np.testing.assert_allclose(np.linalg.norm(attributes["NORMAL"], axis=1), 1, atol=1e-5)
            assert 0 <= attributes["COLOR_0"].min() <= attributes["COLOR_0"].max() <= 1
            indices = self.values(primitive["indices"])
            assert len(indices) % 3 == 0
            assert indices.max() < len(attributes["POSITION"])
            for target in primitive.get("targets", []):
                assert "min" in self.document["accessors"][target["POSITION"]]
                assert {len(self.values(a)) for a in target.values()} == {len(attributes["POSITION"])}

    def attribute(self, name: str) -> npt.NDArray[Any]:
        return self.values(self.document["meshes"][0]["primitives"][0]["attributes"][name])

    def targets(self, name: str = "POSITION") -> npt.NDArray[Any]:
        targets = self.document["meshes"][0]["primitives"][0]["targets"]
        return np.stack([self.values(target[name]) for target in targets])


def _someone(model: SuppliedHead) -> FaceCoeffs:
    face = export.person(model, 3)
    chance = torch.Generator().manual_seed(0)
    return replace(
        face,
        expression=torch.rand(1, model.sizes.expression, generator=chance),
        rotation=torch.tensor([[0.2, -0.5, 0.1]]),
        translation=torch.tensor([[0.1, 0.2, -0.3]]),
    )


def _motion(model: SuppliedHead) -> Motion:
    chance = torch.Generator().manual_seed(1)
    return replace(
        still(model.name, model.sizes.expression, 5),
        expression=torch.rand(5, model.sizes.expression, generator=chance),
        rotation=0.3 * torch.randn(5, 3, generator=chance),
        translation=torch.randn(5, 3, generator=chance),
        gaze=0.3 * torch.randn(5, 2, 2, generator=chance),
        blink=torch.linspace(0, 1, 5)[:, None] * torch.tensor([1.0, 0.0]),
    )


def test_a_glb_file_keeps_all_rules_and_all_triangles(tmp_path: Path, miniature: SuppliedHead) -> None:
    export.write_glb(tmp_path / "a.glb", miniature, neutral(miniature.sizes))
    glb = Glb.read(tmp_path / "a.glb")
    np.testing.assert_array_equal(glb.attribute("POSITION"), miniature.mean.numpy())
    primitives = glb.document["meshes"][0]["primitives"]
    rows = np.concatenate([glb.values(p["indices"]).reshape(-1, 3) for p in primitives])
    assert sorted(map(tuple, rows.tolist())) == sorted(map(tuple, miniature.triangles.tolist()))
    names = [glb.document["materials"][p["material"]]["name"] for p in primitives]
    assert names == [part.name.lower() for part in Part if (miniature.parts == int(part)).any()]


def test_weighted_morph_targets_make_the_model_s_own_surface(tmp_path: Path, miniature: SuppliedHead) -> None:
    face = _someone(miniature)
    export.write_glb(tmp_path / "a.glb", miniature, face)
    glb = Glb.read(tmp_path / "a.glb")
    (mesh,) = glb.document["meshes"]
    assert tuple(mesh["extras"]["targetNames"]) == miniature.expression_names
    moved = glb.attribute("POSITION") + np.tensordot(np.array(mesh["weights"]), glb.targets(), axes=1)
    np.testing.assert_allclose(moved, miniature.vertices(face)[0].numpy(), atol=2e-6)


def test_normals_of_a_target_are_those_of_its_surface(tmp_path: Path, miniature: SuppliedHead) -> None:
    rest = neutral(miniature.sizes)
    export.write_glb(tmp_path / "a.glb", miniature, rest)
    glb = Glb.read(tmp_path / "a.glb")
    smile = replace(rest, expression=torch.eye(miniature.sizes.expression)[2:3])
    expected = miniature.normals(miniature.vertices(smile))[0].numpy()
    np.testing.assert_allclose(glb.attribute("NORMAL") + glb.targets("NORMAL")[2], expected, atol=1e-5)


def test_small_targets_are_sparse(tmp_path: Path, miniature: SuppliedHead) -> None:
    export.write_glb(tmp_path / "a.glb", miniature, neutral(miniature.sizes))
    accessors = Glb.read(tmp_path / "a.glb").document["accessors"]
    assert any("sparse" in accessor for accessor in accessors)


def test_the_node_stands_where_the_face_stands(tmp_path: Path, miniature: SuppliedHead) -> None:
    face = _someone(miniature)
    export.write_glb(tmp_path / "a.glb", miniature, face)
    (node,) = Glb.read(tmp_path / "a.glb").document["nodes"]
    x, y, z, w = node["rotation"]
    turn = rotation.from_quaternion(torch.tensor([w, x, y, z]))
    torch.testing.assert_close(turn, rotation.from_euler(face.rotation)[0], atol=1e-6, rtol=0)
    assert node["translation"] == face.translation[0].tolist()


def test_a_motion_becomes_an_animation(tmp_path: Path, miniature: SuppliedHead) -> None:
    motion, face = _motion(miniature), _someone(miniature)
    export.write_glb(tmp_path / "a.glb", miniature, face, motion=motion)
    glb = Glb.read(tmp_path / "a.glb")
    (animation,) = glb.document["animations"]
    tracks = {}
    for channel in animation["channels"]:
        sampler = animation["samplers"][channel["sampler"]]
        times = glb.document["accessors"][sampler["input"]]
        assert (times["min"], times["max"]) == ([0.0], [pytest.approx(4 / 25)])
        tracks[channel["target"]["path"]] = glb.values(sampler["output"])
    weights = tracks["weights"].reshape(5, -1)
    lid = miniature.expression_names.index("eyeBlinkLeft")
    expected = motion.expression.clone()
    expected[:, lid] = torch.maximum(expected[:, lid], motion.blink[:, 0])
    np.testing.assert_array_equal(weights, expected.numpy())
    own = rotation.from_euler(face.rotation)
    turns = rotation.from_quaternion(torch.from_numpy(np.roll(tracks["rotation"], 1, axis=1)))
    torch.testing.assert_close(turns, own @ rotation.from_euler(motion.rotation), atol=1e-5, rtol=0)
    moved = motion.translation @ own[0].T + face.translation
    np.testing.assert_allclose(tracks["translation"], moved.numpy(), atol=1e-6)


def test_a_gaze_becomes_looks_where_the_head_has_them(tmp_path: Path, miniature: SuppliedHead) -> None:
    names = ("eyeLookInLeft", "eyeLookOutLeft", *miniature.expression_names[2:])
    miniature.expression_names = names
    gaze = torch.zeros(3, 2, 2)
    gaze[:, 0, 0] = torch.tensor([0.0, 0.26, -0.305])  # left eye: ahead, half to the left, half to the right
    motion = replace(still(miniature.name, miniature.sizes.expression, 3), gaze=gaze)
    export.write_glb(tmp_path / "a.glb", miniature, neutral(miniature.sizes), motion=motion)
    glb = Glb.read(tmp_path / "a.glb")
    (animation,) = glb.document["animations"]
    sampler = next(c["sampler"] for c in animation["channels"] if c["target"]["path"] == "weights")
    weights = glb.values(animation["samplers"][sampler]["output"]).reshape(3, -1)
    np.testing.assert_allclose(weights[:, :2], np.array([[0, 0], [0, 0.5], [0.5, 0]]), atol=1e-6)


def test_without_expressions_the_face_is_frozen_as_it_is(tmp_path: Path, miniature: SuppliedHead) -> None:
    face = _someone(miniature)
    export.write_glb(tmp_path / "a.glb", miniature, face, with_expressions=False, motion=_motion(miniature))
    glb = Glb.read(tmp_path / "a.glb")
    np.testing.assert_array_equal(glb.attribute("POSITION"), miniature.vertices(face)[0].numpy())
    paths = [channel["target"]["path"] for channel in glb.document["animations"][0]["channels"]]
    assert paths == ["rotation", "translation"]


def test_colours_become_linear() -> None:
    grey = np.array([[0.0, 0.5, 1.0], [0.02, 1.5, -1.0]], np.float32)
    expected = [[0.0, 0.21404114, 1.0], [0.02 / 12.92, 1.0, 0.0]]
    np.testing.assert_allclose(gltf.to_linear(grey), expected, atol=1e-6)


def test_an_obj_file_holds_the_turned_surface(tmp_path: Path, miniature: SuppliedHead) -> None:
    face = _someone(miniature)
    export.write_obj(tmp_path / "a.obj", miniature, face)
    rows = [line.split() for line in (tmp_path / "a.obj").read_text().splitlines()]
    points = np.array([row[1:] for row in rows if row[0] == "v"], float)
    turn = rotation.from_euler(face.rotation)[0]
    expected = miniature.vertices(face)[0] @ turn.T + face.translation
    np.testing.assert_allclose(points[:, :3], expected.numpy(), atol=1e-6)
    np.testing.assert_allclose(points[:, 3:], miniature.colours(face)[0].numpy(), atol=1e-4)
    faces = [tuple(int(corner.split("//")[0]) - 1 for corner in row[1:]) for row in rows if row[0] == "f"]
    assert sorted(faces) == sorted(map(tuple, miniature.triangles.tolist()))
    used = {row[1] for row in rows if row[0] == "usemtl"}
    materials = (tmp_path / "a.mtl").read_text().splitlines()
    assert {line.split()[1] for line in materials if line.startswith("newmtl")} == used


def test_a_ply_file_holds_the_turned_surface(tmp_path: Path, miniature: SuppliedHead) -> None:
    face = _someone(miniature)
    export.write_ply(tmp_path / "a.ply", miniature, face)
    head, _, body = (tmp_path / "a.ply").read_bytes().partition(b"end_header\n")
    lines = head.decode().splitlines()
    count = len(miniature.mean)
    assert lines[:3] == ["ply", "format binary_little_endian 1.0", f"element vertex {count}"]
    assert f"element face {len(miniature.triangles)}" in lines
    vertices = np.frombuffer(body, [("f", "<f4", 6), ("c", "u1", 3)], count)
    faces = np.frombuffer(body, [("n", "u1"), ("i", "<i4", 3)], offset=vertices.nbytes)
    turn = rotation.from_euler(face.rotation)[0]
    surface = miniature.vertices(face)
    expected = torch.cat(
        [surface[0] @ turn.T + face.translation, miniature.normals(surface)[0] @ turn.T], dim=1
    )
    np.testing.assert_allclose(vertices["f"], expected.numpy(), atol=1e-6)
    np.testing.assert_array_equal(faces["i"], miniature.triangles.numpy())
    assert (faces["n"] == 3).all()
    assert vertices["c"][0].tolist() == [199, 153, 133]


def test_only_one_face_fits_into_a_file(tmp_path: Path, miniature: SuppliedHead) -> None:
    for write in (export.write_glb, export.write_obj, export.write_ply):
        with pytest.raises(ValueError, match="one face"):
            write(tmp_path / "a", miniature, neutral(miniature.sizes, 2))
    assert not list(tmp_path.iterdir())


def test_a_seed_is_a_person(miniature: SuppliedHead) -> None:
    first, again, other = (export.person(miniature, seed).identity for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_an_expression_that_needs_an_open_jaw_is_measured_with_one(miniature: SuppliedHead) -> None:
    miniature.expression_names = ("mouthClose", *miniature.expression_names[1:])
    opened = miniature.expression_modes[miniature.expression_names.index("jawOpen")]
    pairs = list(modes.surfaces(miniature, neutral(miniature.sizes)))
    without = torch.cat([still_ for _, still_ in pairs])
    torch.testing.assert_close(without[0] - miniature.mean, opened, atol=1e-7, rtol=0)
    moves = torch.cat([moved - still_ for moved, still_ in pairs])
    torch.testing.assert_close(moves, miniature.expression_modes, atol=1e-7, rtol=0)


@pytest.mark.parametrize("ending", export.FORMATS)
def test_the_verb_writes_what_the_name_says(tmp_path: Path, miniature_folder: Path, ending: str) -> None:
    path = tmp_path / f"person.{ending}"
    words = ["--model", str(miniature_folder), "--identity-seed", "4", "-o", str(path)]
    said = io.StringIO()
    found = export.export_verb(options.parse(ExportConfig, words), Console(output=said))
    assert found is not None
    assert found["bytes"] == path.stat().st_size > 1000
    assert str(path) in said.getvalue()


def test_the_verb_writes_a_saved_motion(
    tmp_path: Path, miniature_folder: Path, miniature: SuppliedHead
) -> None:
    _motion(miniature).save(tmp_path / "m.safetensors")
    config = ExportConfig(
        model=str(miniature_folder), motion=tmp_path / "m.safetensors", output=tmp_path / "a.glb"
    )
    export.export_verb(config, Console(quiet=True))
    assert "animations" in Glb.read(tmp_path / "a.glb").document


def test_the_verb_says_what_cannot_be(
    tmp_path: Path, miniature_folder: Path, miniature: SuppliedHead
) -> None:
    replace(_motion(miniature), basis="bfm2009").save(tmp_path / "m.safetensors")
    fine = ExportConfig(model=str(miniature_folder), output=tmp_path / "a.glb")
    wrong = [
        (replace(fine, output=tmp_path / "a.fbx"), "--format"),
        (replace(fine, output=tmp_path / "a.ply", motion=tmp_path / "m.safetensors"), "no motion"),
        (replace(fine, motion=tmp_path / "m.safetensors"), "phiz head retarget"),
    ]
    for config, hint in wrong:
        with pytest.raises(UsageError, match=hint):
            export.export_verb(config, Console(quiet=True))
    with pytest.raises(HeadError, match="no head model"):
        export.export_verb(replace(fine, model="nobody"), Console(quiet=True))


def test_names_of_unnamed_modes_are_numbers(tmp_path: Path, miniature: SuppliedHead) -> None:
    miniature.expression_names = ()
    export.write_glb(tmp_path / "a.glb", miniature, neutral(miniature.sizes))
    names = Glb.read(tmp_path / "a.glb").document["meshes"][0]["extras"]["targetNames"]
    assert names == [f"expression_{k:03d}" for k in itertools.islice(itertools.count(), len(names))]
