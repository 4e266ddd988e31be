"""A fitted head lies in its crop as the generator's camera would have seen it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import pytest
import torch
from jaxtyping import Float
from torch import Tensor

from phiz.avatar import framing
from phiz.avatar.framing import Framed
from phiz.face import fit, warp
from phiz.face.coeffs import FaceCoeffs, neutral
from phiz.face.fit_points import Landmarks, evenly
from phiz.face.head import Head
from phiz.generator.config import BUILTIN_256
from phiz.graphics import camera as cameras
from phiz.graphics import frames, rotation
from phiz.graphics.camera import Camera

CONFIG = replace(BUILTIN_256, resolution=128)
SIZE = 200


@dataclass(frozen=True, kw_only=True)
class Known:
    """Somebody whose points are known to the last digit."""

    points: Float[Tensor, "1 n 2"]

    def find(self, picture: Float[Tensor, "3 h w"]) -> Landmarks:
        """Return them, whatever the picture."""
        return evenly(self.points)


def sitting(our_head: Head, angles: tuple[float, float, float]) -> tuple[FaceCoeffs, Camera, Known]:
    """Return a turned head, a camera a little aside, and where its 478 points show."""
    face = replace(
        neutral(our_head.sizes),
        rotation=torch.tensor([angles]),
        translation=torch.tensor([[0.03, 0.01, 0.0]]),
    )
    eye = frames.rigid(torch.eye(3)[None], torch.tensor([[0.0, 0.0, 1.0]]))
    camera = cameras.from_fov(eye, math.radians(22))
    surface = our_head.vertices(face) * our_head.metres_per_unit
    points = our_head.landmarks478(surface)
    world = points @ rotation.from_euler(face.rotation).mT + face.translation[:, None]
    uv = cameras.project(camera, world)[..., :2]
    return face, camera, Known(points=cameras.to_pixels(uv, SIZE, SIZE))


ANGLES = (0.1, 0.3, 0.7)


@pytest.fixture(scope="module")
def found(our_head: Head) -> tuple[Framed, Known]:
    """Return a head that is turned to its left, and tilted, in its framing."""
    _, _, known = sitting(our_head, ANGLES)
    return framing.of_photo(torch.zeros(3, SIZE, SIZE), CONFIG, finder=known, head=our_head), known


def test_the_head_shows_in_the_crop_where_it_shows_in_the_photo(
    our_head: Head, found: tuple[Framed, Known]
) -> None:
    framed, known = found
    surface = our_head.vertices(framed.rest) * our_head.metres_per_unit
    points = frames.transform(framed.generator_from_head, our_head.landmarks478(surface))
    uv = cameras.project(framed.camera, points)[..., :2]
    drawn = cameras.to_pixels(uv, CONFIG.resolution, CONFIG.resolution)
    apart = warp.apply(framed.photo_from_crop.double(), drawn[0].double()) - known.points[0]
    assert float(apart.norm(dim=1).median()) < 0.02 * SIZE
    assert framed.agreeing > 0.9


def test_the_camera_looks_from_where_the_head_faces(found: tuple[Framed, Known]) -> None:
    framed, _ = found
    x, y, z = (framed.camera.position[0] @ torch.tensor(frames.GENERATOR_AXES)).tolist()
    turned = rotation.from_euler(torch.tensor(ANGLES))
    aside, up, ahead = turned[2].tolist()  # where the camera of the photo stands, as the head sees it
    assert math.atan2(x, z) == pytest.approx(math.atan2(aside, ahead), abs=0.08)
    assert math.asin(y) == pytest.approx(math.asin(up), abs=0.08)
    assert float(framed.rest.rotation.abs().max()) == float(framed.rest.translation.abs().max()) == 0


def test_a_tilted_head_becomes_upright(found: tuple[Framed, Known]) -> None:
    framed, known = found
    turn = framing.turned_upright(framed.camera, CONFIG.resolution)
    eyes = warp.apply(warp.invert(framed.photo_from_crop.double()), known.points[0, [33, 263]].double())
    level = warp.apply(warp.invert(turn), eyes)
    tilted = math.atan2(*(eyes[1] - eyes[0]).flip(0).tolist())
    left = math.atan2(*(level[1] - level[0]).flip(0).tolist())
    assert abs(tilted) > 0.5
    assert abs(left) < 0.12
    middle = torch.full((1, 2), CONFIG.resolution / 2, dtype=torch.float64)
    torch.testing.assert_close(warp.apply(turn, middle), middle)


def test_what_lies_beyond_the_photo_is_made_up_and_said() -> None:
    photo = torch.rand(3, 40, 40, generator=torch.Generator().manual_seed(0)) * 2 - 1
    inside, seen = framing.cut(photo, warp.scaling(0.5, 0.5, 5, 5), 32)
    assert float(seen.min()) > 0.999
    exact, _ = framing.cut(photo, warp.scaling(1.0, 1.0, 4, 4), 32)
    torch.testing.assert_close(exact, photo[:, 4:36, 4:36], atol=1e-4, rtol=0)
    assert float(inside.abs().max()) <= 1
    beyond, seen = framing.cut(photo, warp.scaling(1.0, 1.0, 20, 0), 32)
    assert float(seen[0, :, :10].min()) > 0.9
    assert float(seen[0, :, -8:].max()) < 1e-5
    assert float(beyond.abs().max()) <= 1


def test_large_photos_are_kept_smaller() -> None:
    kept, scale = framing.smaller(torch.zeros(3, 60, 120), largest=40)
    assert kept.shape == (3, 20, 40)
    assert scale == pytest.approx(1 / 3)
    assert framing.smaller(torch.zeros(3, 60, 120))[1] == 1


def test_doubts_are_said(our_head: Head) -> None:
    _, _, known = sitting(our_head, (0.0, 0.0, 0.0))
    empty = fit.fit(our_head, evenly(known.points), [(SIZE, SIZE)])
    seen, straight, near = torch.ones(1, 8, 8), torch.eye(3), warp.scaling(2.0, 2.0)
    assert framing.doubts(empty, straight, seen, near) == ()
    aside = rotation.from_euler(torch.tensor([0.0, 1.1, 0.0]))
    (said,) = framing.doubts(empty, aside, seen, near)
    assert "turned by 63 degrees" in said
    (said,) = framing.doubts(empty, straight, seen, warp.scaling(0.2, 0.2))
    assert "small" in said
    (said,) = framing.doubts(empty, straight, 0.4 * seen, near)
    assert "60% of the framing" in said
    (said,) = framing.doubts(replace(empty, agreeing=torch.tensor([0.2])), straight, seen, near)
    assert "only 20%" in said
