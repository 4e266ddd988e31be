"""Our own head: what it is, its neutral face, its numbers, and the file it comes from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from head_poses import EYES, MOVED, contact_zone, doubled, express, mirror_image, of, posed
from torch import Tensor

from phiz import checkpoint
from phiz.errors import CheckpointError
from phiz.face.coeffs import neutral
from phiz.face.head import BUILT_IN, Head, at_rest, built_in, read, rigid
from phiz.face.morphable import ARKIT_NAMES, REGIONS, MorphableModel, Part
from phiz.graphics import rotation

# What it is


def test_the_head_is_a_morphable_model(head: Head) -> None:
    assert isinstance(head, MorphableModel)


def test_the_head_has_all_expressions_and_enough_identity(head: Head) -> None:
    assert head.expression_names == ARKIT_NAMES
    assert head.sizes.expression == len(ARKIT_NAMES)
    assert head.sizes.identity >= 50


def test_every_part_is_there_and_regions_are_shares(head: Head) -> None:
    assert set(head.parts.tolist()) == {int(part) for part in Part}
    assert head.regions.shape == (len(head.mean), len(REGIONS))
    assert head.regions.min() >= 0
    assert head.regions.max() <= 1
    assert bool((head.regions.amax(dim=0) > 0.5).all())


def test_masks_are_shares_and_leave_each_other_room(head: Head) -> None:
    for mask in (head.skin_mask, head.lip_mask):
        assert mask.min() >= 0
        assert mask.max() == 1
    assert bool((head.skin_mask + head.lip_mask <= 1 + 1e-6).all())


def test_all_vertices_are_used_and_no_triangle_is_degenerate(head: Head) -> None:
    assert torch.equal(torch.unique(head.triangles), torch.arange(len(head.mean)))
    a, b, c = head.mean[head.triangles].unbind(dim=1)
    assert float(torch.linalg.cross(b - a, c - a).norm(dim=-1).min()) > 0


def test_normals_point_out_of_the_head(head: Head, resting: Tensor) -> None:
    normals = head.normals(resting[None])[0]
    torch.testing.assert_close(normals.norm(dim=-1), torch.ones(len(normals)))
    assert normals[resting[:, 2].argmax(), 2] > 0.5  # tip of the nose
    assert normals[resting[:, 1].argmax(), 1] > 0.5  # crown
    for part in EYES:
        own = of(head, part)
        away = resting[own] - resting[own].mean(dim=0)
        assert float((away * normals[own]).sum(dim=-1).min()) > 0


def test_colours_are_srgb(head: Head) -> None:
    wild = replace(neutral(head.sizes), texture=torch.full((1, head.sizes.texture), 3.0))
    for face in (neutral(head.sizes), wild):
        colours = head.colours(face)
        assert colours.shape == (1, len(head.mean), 3)
        assert colours.min() >= 0
        assert colours.max() <= 1


# The neutral face and its mirror image


def test_the_neutral_face_is_the_mean_up_to_contact(head: Head, resting: Tensor) -> None:
    moved = (resting - head.mean).norm(dim=-1)
    assert float(moved[~contact_zone(head)].max()) < 1e-6
    skin = of(head, Part.SKIN, Part.NOSE, Part.UPPER_LIP, Part.LOWER_LIP)
    assert float(moved[skin].mean()) < 1e-4
    assert float(moved.max()) < 4e-3


def test_without_contact_an_expression_adds_its_mode(head: Head, resting: Tensor) -> None:
    index = head.expression_names.index("browInnerUp")
    mode = torch.zeros_like(head.mean).index_add(0, head.moving, head.expression_modes[index])
    moved = head.vertices(express(head, browInnerUp=0.7))[0] - resting
    free = ~contact_zone(head)
    torch.testing.assert_close(moved[free], 0.7 * mode[free], atol=1e-6, rtol=0)
    assert float(mode[free].norm(dim=-1).max()) > 2e-3


def test_the_mirror_image_of_a_vertex_is_another_or_itself(head: Head) -> None:
    assert torch.equal(head.mirror[head.mirror], torch.arange(len(head.mean)))
    torch.testing.assert_close(head.mirrored(head.mean[None])[0], head.mean, atol=1e-7, rtol=0)


def test_mirrored_coefficients_give_the_mirrored_surface(head: Head) -> None:
    face = posed(head, 6, seed=3)
    there = head.vertices(mirror_image(head, face))
    error = (head.mirrored(head.vertices(face)) - there).norm(dim=-1)
    # Facing points are paired from one side, so a lip in contact may differ by a hair.
    assert float(error[:, ~contact_zone(head)].max()) < 1e-6
    assert float(error.flatten().quantile(0.999)) < 1e-5
    assert float(error.max()) < 3e-4


# Landmarks


def test_landmarks_lie_on_triangles_of_the_skin(head: Head) -> None:
    skin = head.parts <= Part.SHOULDERS
    known = {tuple(sorted(t)) for t in head.triangles[skin].tolist()}
    assert all(tuple(sorted(corners)) in known for corners in head.landmark_corners.tolist())
    assert float(head.landmark_weights.min()) >= 0
    torch.testing.assert_close(head.landmark_weights.sum(dim=1), torch.ones(68))


def test_landmarks_stand_in_the_order_of_ibug(head: Head, resting: Tensor) -> None:
    x, y, z = head.landmarks(resting[None])[0].unbind(dim=-1)
    assert bool((x[:17].diff() > 0).all()), "the jaw line runs from the person's right to the left"
    assert int(y[:17].argmin()) == 8
    assert bool((x[17:27].diff() > 0).all())
    assert bool((y[27:31].diff() < 0).all())
    assert int(z.argmax()) == 30
    assert bool((x[31:36].diff() > 0).all())
    assert x[36:42].max() < 0 < x[42:48].min()
    assert y[17:22].min() > y[36:42].max()
    assert y[22:27].min() > y[42:48].max()
    for first in (36, 42):
        assert y[first + 1 : first + 3].min() > y[first + 4 : first + 6].max()
    assert x[48] < x[51] < x[54]
    assert y[57] < y[51]
    assert y[8] < y[57] < y[33]
    assert bool((y[61:64] > torch.stack([y[67], y[66], y[65]]) - 1e-3).all())


def test_landmarks_move_with_the_surface(head: Head, resting: Tensor) -> None:
    shift = torch.tensor([0.1, -0.2, 0.3])
    torch.testing.assert_close(
        head.landmarks(resting[None] + shift), head.landmarks(resting[None]) + shift, atol=1e-6, rtol=0
    )


# Numbers


def test_a_batch_equals_its_faces_one_by_one(head: Head) -> None:
    faces = posed(head, 4, seed=7)
    singles = torch.cat([head.vertices(faces[i : i + 1]) for i in range(4)])
    torch.testing.assert_close(head.vertices(faces), singles, atol=1e-6, rtol=0)


def test_gradients_reach_every_coefficient_and_are_finite(head: Head) -> None:
    for face in (neutral(head.sizes), posed(head, 1, seed=9)):
        face = replace(face, **{name: getattr(face, name).clone().requires_grad_() for name in MOVED})
        generator = torch.Generator().manual_seed(0)
        (head.vertices(face) * torch.randn(len(head.mean), 3, generator=generator)).sum().backward()
        for name in MOVED:
            gradient = getattr(face, name).grad
            assert bool(gradient.isfinite().all()), name
            assert bool(gradient.any()), name


@pytest.fixture(scope="module")
def double_head() -> Head:
    return built_in().double()


@pytest.mark.parametrize(
    ("name", "is_still"),
    # No expression at rest: mouthClose has a corner there, for it only counts where the jaw is open.
    [
        (name, is_still)
        for name in MOVED
        for is_still in (True, False)
        if (name, is_still) != ("expression", True)
    ],
)
def test_gradients_agree_with_differences(double_head: Head, name: str, is_still: bool) -> None:
    # Contact treats the teeth as fixed, so only what it leaves alone has an exact gradient.
    face = doubled(neutral(double_head.sizes) if is_still else posed(double_head, 1, seed=4))
    generator = torch.Generator().manual_seed(1)
    weight = torch.randn(len(double_head.mean), 3, dtype=torch.float64, generator=generator)
    weight[contact_zone(double_head)] = 0
    start = getattr(face, name)
    way = torch.randn(start.shape, dtype=torch.float64, generator=generator)

    def total(share: Tensor) -> Tensor:
        return (double_head.vertices(replace(face, **{name: start + share * way})) * weight).sum()

    share = torch.zeros((), dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(total(share), share)
    step = 1e-6
    difference = (total(share.detach() + step) - total(share.detach() - step)) / (2 * step)
    torch.testing.assert_close(gradient, difference, rtol=1e-5, atol=1e-7)


def test_double_precision_gives_the_same_surface(head: Head, double_head: Head) -> None:
    face = posed(head, 2, seed=8)
    points = double_head.vertices(doubled(face))
    assert points.dtype == torch.float64
    torch.testing.assert_close(points.float(), head.vertices(face), atol=2e-6, rtol=0)


def test_at_rest_keeps_the_person_and_stills_the_face(head: Head) -> None:
    face = posed(head, 2, seed=5)
    rest = at_rest(face)
    assert torch.equal(rest.identity, face.identity)
    assert all(not getattr(rest, name).any() for name in MOVED if name != "identity")


def test_the_best_rigid_motion_is_found_again() -> None:
    generator = torch.Generator().manual_seed(0)
    rest = torch.randn(12, 3, generator=generator, dtype=torch.float64)
    turn = rotation.from_euler(torch.randn(4, 3, generator=generator, dtype=torch.float64))
    shift = torch.randn(4, 3, generator=generator, dtype=torch.float64)
    found, moved = rigid(rest, torch.einsum("bij,nj->bni", turn, rest) + shift[:, None])
    torch.testing.assert_close(found, turn)
    torch.testing.assert_close(moved, shift)


# The file


def test_the_file_is_small() -> None:
    assert BUILT_IN.stat().st_size <= 5 * 2**20


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.safetensors"
    checkpoint.save(path, kind="motion", config={}, tensors={"x": torch.zeros(1)})
    with pytest.raises(CheckpointError, match="not 'head'"):
        read(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"nowhere\.safetensors"):
        read(tmp_path / "nowhere.safetensors")


def spoilt(change: Callable[[dict[str, object], dict[str, Tensor]], object], path: Path) -> Path:
    """Return a copy of the built-in head with a change to its config or its tensors."""
    saved = checkpoint.load(BUILT_IN, kind="head")
    change(saved.config, saved.tensors)
    checkpoint.save(path, kind="head", config=saved.config, tensors=saved.tensors)
    return path


def test_an_unchanged_copy_is_the_same_head(head: Head, resting: Tensor, tmp_path: Path) -> None:
    copy = read(spoilt(lambda config, tensors: None, tmp_path / "copy.safetensors"))
    assert torch.equal(copy.vertices(neutral(copy.sizes))[0], resting)


def test_a_head_that_lacks_something_says_what_and_what_to_do(tmp_path: Path) -> None:
    lacking = spoilt(lambda config, tensors: tensors.pop("jaw_weight"), tmp_path / "a.safetensors")
    with pytest.raises(CheckpointError, match=r"a\.safetensors.*lacks 'jaw_weight'.*phiz train head"):
        read(lacking)
    nameless = spoilt(lambda config, tensors: config.pop("name"), tmp_path / "b.safetensors")
    with pytest.raises(CheckpointError, match="lacks 'name'"):
        read(nameless)


def test_a_head_whose_parts_do_not_fit_is_refused(tmp_path: Path) -> None:
    def rename(config: dict[str, object], tensors: dict[str, Tensor]) -> None:
        config["expression_names"] = ["smile"] * len(ARKIT_NAMES)

    with pytest.raises(CheckpointError, match=r"do not fit.*phiz train head"):
        read(spoilt(rename, tmp_path / "c.safetensors"))
