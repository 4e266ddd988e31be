"""What ties the samples of a generator to a head in the published way: flat, and found once.

The head's vertices are seen as the published camera sees them, and that picture is laid across the
generator's frontal plane (y, z). Each sample of the frontal view belongs to the vertex, or the pixel of hair
or torso, that is nearest to it there; whatever moves the vertex moves the sample's look-up the other way.
Hair and torso stand still. Depths are those of the frontal view. `PublishedQuirks` says what of this can be
mended.

"NeRFFaceSpeech" (Kim et al., 2024), section 4.3. For the rig that we use see `phiz.avatar.rig`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor
from torch.nn import functional

from phiz.avatar.avatar import Avatar
from phiz.avatar.published_quirks import PUBLISHED, PublishedQuirks
from phiz.face import correspond, parse
from phiz.face.bfm import Bfm
from phiz.face.coeffs import FaceCoeffs
from phiz.face.morphable import MorphableModel
from phiz.face.parse import Parser, Table
from phiz.generator import poses
from phiz.generator.config import GeneratorConfig
from phiz.generator.generator import Depths, Generator, Plan, Prepared, Rendering, Stage, Warp
from phiz.generator.volume import PLAIN, rays_through_pixels, to_depth
from phiz.graphics import frames, raster, rotation
from phiz.graphics.camera import Camera, generator_camera, to_screen
from phiz.graphics.frames import GENERATOR_UNITS_PER_METRE
from phiz.graphics.rays import points_along

STRIDE = 4
"""Of the vertices, and of the pinned pixels, one in so many is used."""
REACH = 0.10
"""Where the edges of a picture lie on the frontal plane, in generator units from its middle."""
PARSED = 512
"""Side of the pictures that the parser is shown."""


@dataclass(frozen=True, kw_only=True)
class PublishedRig:
    """A person's samples, tied to their head."""

    used: Int[Tensor, " v"]
    """Which of the head's vertices."""
    vertices: Float[Tensor, "v 2"]
    """Where they are at rest."""
    pinned: Float[Tensor, "p 2"]
    """Hair and torso, which stand still."""
    depths: Depths
    """Where the frontal view took its samples."""
    coarse: Int[Tensor, " n"]
    """For each coarse sample of the frontal view, its vertex; numbers past those are pinned points."""
    fine: Int[Tensor, " n"] | None
    frontal: Float[Tensor, "3 h w"]
    """The frontal view itself."""


@torch.no_grad()
def tie(
    person: Avatar,
    model: MorphableModel,
    parser: Parser,
    quirks: PublishedQuirks = PUBLISHED,
    prepared: Prepared | None = None,
) -> PublishedRig:
    """Return how the samples of a person hang on their head."""
    view = frontal_view(person.generator, prepared or person.prepare(), quirks)
    used = used_vertices(person, model)
    vertices = flat_vertices(person, model, person.rest, used)[0]
    pinned = pinned_points(parse.parse(parser, shown_to_parser(view.image, quirks))[0], parser.config.table)
    points = torch.cat([vertices, pinned])
    coarse, fine = frontal_samples(person.generator, view.depths)
    return PublishedRig(
        used=used,
        vertices=vertices,
        pinned=pinned,
        depths=view.depths,
        coarse=nearest(coarse, points),
        fine=None if fine is None else nearest(fine, points),
        frontal=view.image[0],
    )


def warp(rig: PublishedRig, moved: Float[Tensor, "v 2"], quirks: PublishedQuirks = PUBLISHED) -> Warp:
    """Return the function that looks up samples where their vertices came from: `moved` is where they are."""
    still = torch.zeros_like(rig.pinned)
    shift = torch.cat([rig.vertices - moved, still])
    points = torch.cat([rig.vertices if quirks.searches_rest else moved, rig.pinned])

    def shifted(samples: Float[Tensor, "b n 3"], stage: Stage) -> Float[Tensor, "b n 3"]:
        if quirks.uses_frontal_table:
            table = rig.coarse if stage is Stage.COARSE else rig.fine
            assert table is not None
            own = shift[table]
        else:
            own = shift[nearest(samples[..., 1:].flatten(0, 1), points)].reshape(*samples.shape[:2], 2)
        # parity: nothing moves towards the camera or away from it.
        return samples + functional.pad(own, (1, 0))

    return shifted


def used_vertices(person: Avatar, model: MorphableModel) -> Int[Tensor, " v"]:
    """Return which vertices samples may belong to: of the published model, which is a face, one in `STRIDE`.

    Of a whole head, those that show from the front: what is behind them, or in the mouth, would take samples
    away from what hides it.
    """
    surface = model.vertices(person.rest)
    if model.name == Bfm.name:
        return torch.arange(0, surface.shape[1], STRIDE, device=surface.device)
    placed = frames.transform(person.generator_from_head, surface * model.metres_per_unit)
    screen = to_screen(frontal_camera(person.generator.config), placed, PARSED, PARSED)
    hits = raster.rasterise(screen[0], model.triangles, PARSED, PARSED)
    shown: Tensor = torch.unique(model.triangles[hits.triangle[hits.covered]])
    return shown


def flat_vertices(
    person: Avatar, model: MorphableModel, face: FaceCoeffs, used: Int[Tensor, " v"]
) -> Float[Tensor, "b v 2"]:
    """Return where some vertices of a person's faces lie on the frontal plane."""
    surface = model.vertices(face)[:, used] * model.metres_per_unit
    return flattened(frames.transform(person.generator_from_head, surface))


def flattened(points: Float[Tensor, "b v 3"]) -> Float[Tensor, "b v 2"]:
    """Return where points of the generator's space show on its frontal plane to the published camera.

    That camera stands a metre away, and the edges of its picture come to lie at `REACH`. So a point keeps
    its y and z at the middle of the head, and what is nearer to the camera is drawn outwards.
    """
    return points[..., 1:] / (1 - points[..., :1] / GENERATOR_UNITS_PER_METRE)


def from_pixels(pixels: Float[Tensor, "*b 2"], size: int) -> Float[Tensor, "*b 2"]:
    """Return where pixels (x to the right, y up) of a picture of side `size` lie on the frontal plane."""
    return pixels * (2 * REACH / size) - REACH


def frontal_view(generator: Generator, person: Prepared, quirks: PublishedQuirks = PUBLISHED) -> Rendering:
    """Return a person seen from the front."""
    return generator.render(person, frontal_camera(generator.config), plan=plan(generator.config, quirks))


def plan(config: GeneratorConfig, quirks: PublishedQuirks) -> Plan:
    """Return where the background is seen from."""
    return replace(PLAIN, background_camera=poses.frozen(config)) if quirks.freezes_background else PLAIN


def camera_for(config: GeneratorConfig, angles: Float[Tensor, "b 3"]) -> Camera:
    """Return the cameras that show heads turned by angles (pitch, yaw, roll): on the sphere, roll included.

    parity: where a head is, and how large it is, the published method does not look at.
    """
    fov, radius = math.radians(config.fov_deg), sum(config.radius) / 2
    return generator_camera(rotation.from_euler(angles), fov, radius)


def frontal_camera(config: GeneratorConfig) -> Camera:
    """Return the camera that looks straight into the face."""
    return camera_for(config, torch.zeros(1, 3))


def shown_to_parser(pictures: Float[Tensor, "b 3 h w"], quirks: PublishedQuirks) -> Float[Tensor, "b 3 n n"]:
    """Return pictures as the parser is shown them; its own normalisation wants [-1, 1]."""
    large = functional.interpolate(pictures, size=(PARSED, PARSED), mode="bicubic", align_corners=False)
    # parity: clamped to [0, 1] and taken for that, which is this in [-1, 1].
    return large.clamp(0, 1) * 2 - 1 if quirks.clamps_parser_input else large


def pinned_points(labels: UInt8[Tensor, "n n"], table: Table) -> Float[Tensor, "p 2"]:
    """Return where hair and torso lie on the frontal plane, one pixel in `STRIDE`, row by row."""
    kinds = labels.new_tensor([*table.torso, table.hair])
    rows, columns = torch.isin(labels, kinds).nonzero()[::STRIDE].unbind(-1)
    # parity: a pixel stands for its upper left corner, and the plane's z points up.
    places = from_pixels(torch.stack([columns, rows], dim=-1).float(), len(labels))
    return places * places.new_tensor([1, -1])


def frontal_samples(
    generator: Generator, depths: Depths
) -> tuple[Float[Tensor, "n 2"], Float[Tensor, "n 2"] | None]:
    """Return where coarse and fine samples of the frontal view lie on its plane, ray by ray."""
    config = generator.config
    camera = frontal_camera(config).to(depths.coarse.device)
    uv = generator.pixels(config.volume_resolution).to(camera.intrinsics)
    origins, directions = rays_through_pixels(camera, uv[None])

    def flat(places: Float[Tensor, "1 r s"]) -> Float[Tensor, "n 2"]:
        return points_along(origins, directions, to_depth(config, places))[..., 1:].flatten(0, 2)

    return flat(depths.coarse), None if depths.fine is None else flat(depths.fine)


def nearest(samples: Float[Tensor, "n 2"], points: Float[Tensor, "k 2"]) -> Int[Tensor, " n"]:
    """Return which point of the plane is nearest to each sample."""
    return correspond.nearest(functional.pad(samples, (1, 0)), functional.pad(points, (1, 0)))[0]
