"""Hair on an egg: a small head of another topology than any real one, so nothing counts on numbers."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from torch import Tensor

from phiz.face.coeffs import FaceCoeffs, Sizes
from phiz.face.morphable import REGIONS, Part, vertex_normals
from phiz.graphics import rotation
from phiz.world.grown import hair_fields, hair_skull
from phiz.world.grown.beard import BEARDS, beard_cover, grow_beard
from phiz.world.grown.brows import grow_brows, grow_lashes
from phiz.world.grown.hair import STYLES, grow_hair, scalp_cover
from phiz.world.grown.hair_ribbons import ribbons
from phiz.world.grown.hair_rooted import Rooted, follow, root
from phiz.world.people import HairLook
from phiz.world.surface import Label, Material, Strands

RADII = torch.tensor([0.075, 0.112, 0.095])
CENTRE = torch.tensor([0.0, 0.03, 0.005])
LOOK = HairLook(
    style="short_crop",
    colour=(0.1, 0.05, 0.02),
    grey=0.2,
    brow_density=0.8,
    brow_thickness=0.6,
    lash_length=0.8,
    beard="full",
    beard_colour=(0.1, 0.05, 0.02),
    seed=1,
)
GROWN = tuple(name for name in STYLES if name != "none")


@dataclass(frozen=True)
class Egg:
    """An ellipsoid with a face drawn on it; a head model without any coefficients."""

    mean: Tensor
    triangles: Tensor
    parts: Tensor
    regions: Tensor
    points68: Tensor
    name: str = "egg"
    metres_per_unit: float = 1.0
    expression_names: tuple[str, ...] = ()

    @property
    def sizes(self) -> Sizes:
        return Sizes(identity=0, expression=0, texture=0)

    @property
    def skin_mask(self) -> Tensor:
        return torch.ones(len(self.mean))

    @property
    def lip_mask(self) -> Tensor:
        return torch.zeros(len(self.mean))

    def vertices(self, face: FaceCoeffs) -> Tensor:
        return self.mean.expand(face.batch, -1, 3)

    def normals(self, vertices: Tensor) -> Tensor:
        return vertex_normals(vertices, self.triangles)

    def colours(self, face: FaceCoeffs) -> Tensor:
        return torch.full((face.batch, len(self.mean), 3), 0.6)

    def landmarks(self, vertices: Tensor) -> Tensor:
        return vertices[:, self.points68]


def shell(angle: Tensor, height: Tensor) -> Tensor:
    """Return the egg's surface at angles around its axis and heights."""
    up = (height - CENTRE[1]) / RADII[1]
    around = (1 - up**2).clamp_min(0).sqrt()
    return torch.stack([around * angle.sin(), up, around * angle.cos()], dim=-1) * RADII + CENTRE


def landmark_places() -> Tensor:
    """Return angle and height of each of the 68 points, roughly where a face has them."""

    def row(left: float, right: float, count: int, heights: list[float]) -> list[list[float]]:
        return [[float(a), h] for a, h in zip(torch.linspace(left, right, count), heights, strict=True)]

    jaw = row(-1.2, 1.2, 17, [0.035 - 0.105 * (1 - ((k - 8) / 8) ** 2) for k in range(17)])
    brow = [0.050, 0.056, 0.059, 0.058, 0.055]
    nose = row(0, 0, 4, [0.035, 0.023, 0.011, 0.0]) + row(-0.15, 0.15, 5, [-0.008] * 5)
    lid = [(-0.50, 0.034), (-0.40, 0.040), (-0.27, 0.040), (-0.17, 0.033), (-0.27, 0.029), (-0.40, 0.029)]
    left = [lid[3], lid[2], lid[1], lid[0], lid[5], lid[4]]
    mouth = row(-0.32, 0.32, 7, [-0.036, -0.03, -0.027, -0.028, -0.027, -0.03, -0.036])
    mouth += row(0.22, -0.22, 5, [-0.042, -0.045, -0.046, -0.045, -0.042]) + row(-0.25, 0.25, 8, [-0.036] * 8)
    eyes = [[a, h] for a, h in lid] + [[-a, h] for a, h in left]
    return torch.tensor(
        jaw + row(-0.62, -0.14, 5, brow) + row(0.14, 0.62, 5, brow[::-1]) + nose + eyes + mouth
    )


def make_egg(around: int = 72, rows: int = 48) -> Egg:
    up = torch.linspace(-0.999, 0.999, rows) * RADII[1] + CENTRE[1]
    angle = torch.arange(around) * (2 * torch.pi / around)
    place = torch.stack([angle.repeat(rows), up.repeat_interleave(around)], dim=1)
    mean = shell(place[:, 0], place[:, 1])
    first = (torch.arange(rows - 1)[:, None] * around + torch.arange(around)).reshape(-1)
    side = first - first % around + (first + 1) % around
    triangles = torch.cat(
        [torch.stack([first, side, side + around], 1), torch.stack([first, side + around, first + around], 1)]
    )
    x, y, z = mean.T
    turn = torch.atan2(x.abs(), z)
    scalp = torch.sigmoid((y - torch.where(turn < 1.1, 0.09, 0.0)) / 0.0025)
    front = (z > 0.03).float()
    brow = torch.exp(-(((y - 0.056) / 0.006) ** 2)) * front * (x.abs() > 0.008) * (x.abs() < 0.06)
    lips = front * (x.abs() < 0.025)
    soft = {
        "scalp": scalp,
        "left_brow": brow * (x > 0),
        "right_brow": brow * (x < 0),
        "beard": torch.sigmoid((-0.012 - y) / 0.004) * (z > -0.02),
        "moustache": lips * ((y + 0.018).abs() < 0.01),
        "upper_lip": lips * ((y + 0.032).abs() < 0.004),
        "lower_lip": lips * ((y + 0.041).abs() < 0.005),
    }
    regions = torch.stack([soft.get(name, torch.zeros_like(x)).float() for name in REGIONS], dim=1)
    parts = torch.where(scalp[triangles].mean(dim=1) > 0.5, int(Part.SCALP), int(Part.SKIN))
    wanted = landmark_places()
    points68 = torch.cdist(shell(wanted[:, 0], wanted[:, 1]), mean).argmin(dim=1)
    return Egg(mean=mean, triangles=triangles, parts=parts, regions=regions, points68=points68)


EGG = make_egg()
NORMALS = EGG.normals(EGG.mean[None])[0]


def hair(style: str, seed: int = 0) -> list[Strands]:
    look = replace(LOOK, style=style)
    return grow_hair(look, EGG.mean, NORMALS, EGG, np.random.default_rng(seed))


def facial(seed: int = 0, look: HairLook = LOOK) -> list[Rooted]:
    rng = np.random.default_rng(seed)
    args = (look, EGG.mean, NORMALS, EGG, rng)
    return grow_brows(*args) + grow_lashes(*args) + grow_beard(*args)


def depth(points: Tensor) -> Tensor:
    """Return how far from the egg's centre points are, in radii: below 1 is inside."""
    return ((points - CENTRE) / RADII).norm(dim=-1)


def test_the_style_none_grows_nothing() -> None:
    assert hair("none") == []
    assert scalp_cover(replace(LOOK, style="none"), EGG.mean, EGG).abs().max() == 0


def test_an_unknown_style_is_refused_with_the_names_there_are() -> None:
    with pytest.raises(ValueError, match="long_wavy"):
        hair("beehive")


@pytest.mark.parametrize("style", GROWN)
def test_every_style_stays_out_of_the_head_and_within_its_budget(style: str) -> None:
    grown = hair(style)
    for strands in grown:
        assert torch.isfinite(strands.points).all()
        assert strands.label is Label.HAIR
        assert (strands.width > 0).all()
        assert strands.width.max() < 0.008
        assert strands.colour.min() >= 0
        assert strands.colour.max() <= 1
        assert depth(strands.points[:, 1:]).min() > 0.995
    assert 1500 <= sum(s.count for s in grown) <= 5500
    assert sum(s.points.shape[0] * s.points.shape[1] for s in grown) <= 62_000


@pytest.mark.parametrize("style", ["short_crop", "long_straight", "bun", "balding"])
def test_roots_stand_on_the_scalp(style: str) -> None:
    start = hair(style)[0].points[:, 0]
    assert (depth(start) - 1).abs().max() < 0.01  # flat triangles lie a little inside of the egg
    scalp = EGG.regions[:, REGIONS.index("scalp")]
    assert scalp[torch.cdist(start, EGG.mean).topk(8, largest=False).indices].max(dim=1).values.min() > 0.01


def test_the_same_seed_grows_the_same_hair_and_another_seed_other_hair() -> None:
    first, again, other = hair("long_curly", 3)[0], hair("long_curly", 3)[0], hair("long_curly", 4)[0]
    assert torch.equal(first.points, again.points)
    assert torch.equal(first.colour, again.colour)
    assert not torch.equal(first.points[:500], other.points[:500])


def test_styles_differ_in_where_their_hair_ends() -> None:
    ends = [hair(name)[0].points[:, -1] for name in GROWN]
    shape = torch.stack([torch.cat([end.mean(dim=0), end.std(dim=0)]) for end in ends])
    assert (torch.cdist(shape, shape) + torch.eye(len(GROWN))).min() > 3e-4


@pytest.mark.parametrize("style", ["long_straight", "bob", "wavy_shoulder"])
def test_long_hair_leaves_the_face_free(style: str) -> None:
    points = hair(style)[0].points
    face = (points[..., 1] > -0.06) & (points[..., 1] < 0.05) & (points[..., 0].abs() < 0.03)
    inside = face & (points[..., 2] > 0.03)
    assert inside.any(dim=1).float().mean() < 0.01


def test_a_fringe_covers_the_forehead_but_not_the_eyes() -> None:
    points = hair("fringe")[0].points
    front = (points[..., 0].abs() < 0.03) & (points[..., 2] > 0.05)
    assert (front & (points[..., 1] < 0.075)).any(dim=1).sum() > 50
    assert (front & (points[..., 1] < 0.03)).any(dim=1).sum() < 20


def test_grey_hair_is_brighter_and_paler() -> None:
    rng = [np.random.default_rng(5) for _ in range(2)]
    dark, pale = (
        grow_hair(replace(LOOK, grey=g), EGG.mean, NORMALS, EGG, r)[0].colour.reshape(-1, 3).mean(dim=0)
        for g, r in zip((0.0, 0.9), rng, strict=True)
    )
    assert pale.mean() > 2 * dark.mean()
    assert pale[0] / pale[2] < dark[0] / dark[2]


def test_cover_lies_within_its_region() -> None:
    for cover, name in (
        (scalp_cover(LOOK, EGG.mean, EGG), "scalp"),
        (beard_cover(LOOK, EGG.mean, EGG), "beard"),
    ):
        weight = EGG.regions[:, REGIONS.index(name)]
        assert 0.5 < cover.max() <= 1
        assert cover[weight < 0.01].max() < 0.05 or name == "beard"  # the moustache has its own region


def test_brows_lie_on_their_side_above_the_eyes() -> None:
    left, right = grow_brows(LOOK, EGG.mean, NORMALS, EGG, np.random.default_rng(0))
    assert {left.strands.label, right.strands.label} == {Label.LEFT_BROW, Label.RIGHT_BROW}
    assert left.strands.points[..., 0].min() > 0 > right.strands.points[..., 0].max()
    for brow in (left, right):
        assert brow.strands.count > 100
        assert brow.strands.points[..., 1].min() > 0.042


def test_thin_brows_have_fewer_hairs() -> None:
    def count(density: float) -> int:
        look = replace(LOOK, brow_density=density)
        return sum(
            b.strands.count for b in grow_brows(look, EGG.mean, NORMALS, EGG, np.random.default_rng(0))
        )

    assert count(0.2) < 0.7 * count(1.0)


def test_lashes_start_at_the_lids_and_point_away_from_the_eye() -> None:
    eyes = EGG.mean[EGG.points68[36:48]]
    for lashes in grow_lashes(LOOK, EGG.mean, NORMALS, EGG, np.random.default_rng(0)):
        points = lashes.strands.points
        assert torch.cdist(points[:, 0], eyes).min(dim=1).values.max() < 0.008
        upper = points[:, 0, 1] > 0.0365
        assert (points[upper, -1, 1] > points[upper, 0, 1]).float().mean() > 0.9
        assert (points[:, -1, 2] > points[:, 0, 2] - 0.004).all()


def test_no_lashes_without_length() -> None:
    assert grow_lashes(replace(LOOK, lash_length=0), EGG.mean, NORMALS, EGG, np.random.default_rng(0)) == []


@pytest.mark.parametrize("beard", list(BEARDS))
def test_beards_grow_on_skin_outside_of_mouth_and_head(beard: str) -> None:
    look = replace(LOOK, beard=beard)
    (grown,) = grow_beard(look, EGG.mean, NORMALS, EGG, np.random.default_rng(0))
    strands = grown.strands
    assert strands.label is Label.SKIN
    assert strands.count > 200
    assert depth(strands.points).min() > 0.985
    lips = EGG.regions[:, [REGIONS.index("upper_lip"), REGIONS.index("lower_lip")]].amax(dim=1)
    assert (lips[grown.corners] * grown.weights).sum(dim=1).max() < 0.5
    grows = EGG.regions[:, [REGIONS.index("beard"), REGIONS.index("moustache")]].amax(dim=1)
    assert (grows[grown.corners] * grown.weights).sum(dim=1).min() > 0.01


def test_a_shaven_face_has_no_beard() -> None:
    look = replace(LOOK, beard="none")
    assert grow_beard(look, EGG.mean, NORMALS, EGG, np.random.default_rng(0)) == []
    assert beard_cover(look, EGG.mean, EGG).abs().max() == 0


def test_a_long_beard_hangs_below_a_short_one() -> None:
    def lowest(beard: str) -> float:
        look = replace(LOOK, beard=beard)
        (grown,) = grow_beard(look, EGG.mean, NORMALS, EGG, np.random.default_rng(0))
        return float(grown.strands.points[..., 1].min())

    assert lowest("long") < lowest("short") - 0.03


def test_hair_stays_where_it_is_while_the_face_rests() -> None:
    for grown in facial():
        torch.testing.assert_close(
            follow(grown, EGG.mean, NORMALS).points, grown.strands.points, atol=2e-6, rtol=0
        )


def test_hair_turns_with_a_face_that_turns() -> None:
    turn = rotation.from_euler(torch.tensor([0.2, -0.7, 0.3]))
    shift = torch.tensor([0.1, -0.2, 0.3])
    vertices = EGG.mean @ turn.T + shift
    for grown in facial():
        moved = follow(grown, vertices, NORMALS @ turn.T)
        torch.testing.assert_close(moved.points, grown.strands.points @ turn.T + shift, atol=2e-6, rtol=0)


def test_roots_stay_on_skin_that_bulges() -> None:
    vertices = EGG.mean + 0.01 * NORMALS * torch.sin(40 * EGG.mean[:, :1])
    normals = EGG.normals(vertices[None])[0]
    for grown in facial():
        roots = (vertices[grown.corners] * grown.weights[..., None]).sum(dim=1)
        gap = follow(grown, vertices, normals).points[:, 0] - roots
        assert gap.norm(dim=-1).max() < 3e-4  # brows start a little above the skin


def test_strands_rooted_by_hand_follow_like_grown_ones() -> None:
    grown = facial()[0]
    again = root(grown.strands, grown.corners, grown.weights, EGG.mean, NORMALS)
    torch.testing.assert_close(again.frame, grown.frame)


def test_ribbons_face_the_camera_and_are_as_wide_as_the_strands() -> None:
    strands, eye = hair("side_part")[0], torch.tensor([0.1, 0.2, 1.0])
    surface = ribbons(strands, eye)
    count, steps = strands.points.shape[:2]
    pairs = surface.vertices.reshape(count, steps, 2, 3)
    torch.testing.assert_close(pairs.mean(dim=2), strands.points, atol=1e-6, rtol=0)
    across = pairs[:, :, 1] - pairs[:, :, 0]
    torch.testing.assert_close(across.norm(dim=-1), strands.width, atol=1e-6, rtol=1e-3)
    view = torch.nn.functional.normalize(eye - strands.points, dim=-1)
    assert (across * view).sum(dim=-1).abs().max() < 1e-5
    assert surface.material is Material.HAIR
    assert surface.triangles.max() == len(surface.vertices) - 1
    torch.testing.assert_close(surface.along.norm(dim=-1), torch.ones(count * steps * 2))


def test_ribbons_are_what_a_loop_over_strands_makes() -> None:
    whole, eye = hair("bob")[0], torch.tensor([0.0, 0.0, 1.0])
    strands = Strands(
        points=whole.points[:3], width=whole.width[:3], colour=whole.colour[:3], label=whole.label
    )
    triangles = []
    for number in range(3):
        for step in range(strands.points.shape[1] - 1):
            first = 2 * (number * strands.points.shape[1] + step)
            triangles += [(first, first + 1, first + 2), (first + 1, first + 3, first + 2)]
    assert set(map(tuple, ribbons(strands, eye).triangles.tolist())) == set(triangles)


def test_a_least_width_holds_for_every_ribbon() -> None:
    strands = hair("buzz")[0]
    pairs = ribbons(strands, torch.tensor([0.0, 0.0, 1.0]), least=0.002).vertices.reshape(-1, 2, 3)
    assert (pairs[:, 1] - pairs[:, 0]).norm(dim=-1).min() > 0.0019


def test_the_map_of_the_skull_finds_the_egg() -> None:
    skull = hair_skull.measure(EGG.mean.numpy(), EGG)
    place = hair_fields.locate(EGG.mean.numpy(), skull.centre)
    above = place.rise > -0.05
    error = hair_fields.skin_reach(skull, place)[above] - place.reach[above]
    assert abs(error).mean() < 0.001
    assert error.min() > -0.003


def test_a_place_on_the_map_leads_back_to_its_point() -> None:
    rng = np.random.default_rng(0)
    points = rng.uniform(-0.2, 0.2, (200, 3)).astype(np.float32)
    centre = np.array([0.0, 0.02, 0.01], np.float32)
    place = hair_fields.locate(points, centre)
    axis = np.stack([np.zeros(200), np.minimum(points[:, 1], 0.02), np.full(200, 0.01)], axis=1)
    np.testing.assert_allclose(axis + place.reach[:, None] * place.out, points, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(place.out, axis=1), 1, atol=1e-5)
