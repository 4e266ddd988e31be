"""Light, texture and the last of the shape, from the colours of the pictures.

Each face is cut out at one size. What the camera sees of it is found by drawing it; some of those points are
kept and followed (`phiz.face.fit_shading`). Light and texture come first, the head standing still; then
everything moves, points of the picture included, and the visible points are found anew after every few steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import interpolate, normalize

from phiz.face import fit_geometry, fit_solve, fit_surface
from phiz.face.fit_draw import face_pixels
from phiz.face.fit_geometry import Given
from phiz.face.fit_shading import LIGHTS, Corners, Shading, paint_prior, with_slopes
from phiz.face.fit_solve import State
from phiz.face.fit_surface import Anchors, Chart
from phiz.face.fit_terms import NEAREST, Points, Prior
from phiz.graphics import raster, shade
from phiz.graphics.raster import Hits

ROOM = 1.1
"""Side of the cut-out in sizes of the face."""
STRICT, LEAST_TOLERANCE = 1.5, 0.01
"""The tolerance in median deviations of colours, and the least that it may be."""
PAINT_STEPS, ROUNDS, STEPS = 5, 4, 4


@dataclass(frozen=True, kw_only=True)
class PhotoConfig:
    """How much colours count, and how closely they are looked at."""

    size: int = 160
    """Width and height of the cut-out face in pixels."""
    samples: int = 1200
    """Points of the skin that are compared."""
    evidence: float = 200.0
    """How many independent colours all points together are worth; neighbours err alike."""
    tolerance: float = 0.06
    """A deviation, as a share of white, up to which colours count fully; less where most deviate less."""


PHOTO = PhotoConfig()


@dataclass(frozen=True, kw_only=True)
class Cut:
    """Faces cut out of their pictures."""

    picture: Float[Tensor, "b 3 s s"]
    """RGB in [0, 1]."""
    corner: Float[Tensor, "b 2"]
    """Of the cut-out's first pixel, in pixels of the whole picture."""
    scale: Float[Tensor, " b"]
    """Pixels of the cut-out for one of the picture."""


def refine(
    given: Given, state: State, pictures: Sequence[Float[Tensor, "3 h w"]], config: PhotoConfig
) -> tuple[State, Float[Tensor, " b"]]:
    """Return the faces after their colours were looked at as well, and how far colours still differ."""
    cut = cut_out(given, state, pictures, config.size)
    own, state = _into(given, cut), _zoomed(state, cut.scale)
    texture = given.model.sizes.texture
    state = _with_paint(state, texture)
    prior, bounds = _prior(own, state, texture), fit_geometry.limits(own, state)
    still = replace(
        bounds, free=torch.arange(state.count, device=bounds.free.device) >= state.count - LIGHTS - texture
    )
    image = with_slopes(cut.picture)
    colours = shading(own, state, image, config, bends=False)
    state = fit_solve.minimise(state, [colours, prior], still, PAINT_STEPS)
    for _ in range(ROUNDS):
        colours = _stricter(shading(own, state, image, config), state, config)
        state = fit_solve.minimise(state, [fit_geometry.marks(own, state), prior, colours], bounds, STEPS)
    last = _stricter(shading(own, state, image, config, bends=False), state, config)
    state = fit_solve.minimise(state, [last, prior], still, PAINT_STEPS)
    return _zoomed(state, 1 / cut.scale), last.mean_distance(state)


def cut_out(given: Given, state: State, pictures: Sequence[Float[Tensor, "3 h w"]], size: int) -> Cut:
    """Return the square about each fitted face, made `size` pixels wide; black beyond the picture."""
    model = given.model
    face = torch.unique(model.triangles[fit_surface.chart(model).is_face])
    surface = model.vertices(fit_geometry.face_of(model, state))[:, face] * model.metres_per_unit
    xy = _screen(surface, state, given.centre)[..., :2]
    whole = 2 * given.centre.to(xy)[:, None]
    xy = torch.minimum(torch.maximum(xy, -whole), 2 * whole)  # no picture's worth of black on any side
    low, high = xy.amin(1), xy.amax(1)
    side = ((high - low).amax(1) * ROOM).ceil().clamp_min(2)
    corner = ((low + high) / 2 - side[:, None] / 2).round()
    pieces = []
    for picture, (left, top), wide in zip(
        pictures, corner.long().tolist(), side.long().tolist(), strict=True
    ):
        piece = _square(picture, left, top, wide)[None] / 2 + 0.5
        pieces.append(interpolate(piece, (size, size), mode="bilinear", antialias=True, align_corners=False))
    return Cut(picture=torch.cat(pieces), corner=corner.double(), scale=(size / side).double())


def _square(picture: Tensor, left: int, top: int, wide: int) -> Tensor:
    """Return a square of a picture, black where it lies beyond."""
    height, width = picture.shape[-2:]
    square = torch.full((3, wide, wide), -1.0, device=picture.device)
    first_x, last_x = max(left, 0), min(left + wide, width)
    first_y, last_y = max(top, 0), min(top + wide, height)
    if first_x < last_x and first_y < last_y:
        inside = picture[:, first_y:last_y, first_x:last_x].float()
        square[:, first_y - top : last_y - top, first_x - left : last_x - left] = inside
    return square


def shading(
    given: Given,
    state: State,
    image: Float[Tensor, "b 9 s s"],
    config: PhotoConfig,
    *,
    bends: bool = True,
) -> Shading:
    """Return the colours of visible points as a term, for faces as they stand now.

    `bends` says whether shapes will change: how normals turn with them takes half of the time.
    """
    model, chart = given.model, fit_surface.chart(given.model)
    face = fit_geometry.face_of(model, state)
    surface = model.vertices(face)
    normals = model.normals(surface)
    surface = surface * model.metres_per_unit
    screen = _screen(surface, state, given.centre)
    hits = raster.rasterise_batch(screen, model.triangles, *image.shape[-2:])
    shown = face_pixels(hits, chart.is_face)
    lit = model.colours(face) * shade.irradiance(normals @ state.turn.float().mT, face.light)
    slopes = _slopes(raster.interpolate(lit, model.triangles, hits), shown)
    chosen = [_visible(model.triangles, hits[k], shown[k], config.samples) for k in range(len(shown))]
    points = [_points(a, surface[k], chart, state.shape[k]) for k, (a, _, _) in enumerate(chosen)]
    corners = [
        _corners(a, normals[k], surface[k] if bends else None, chart, state.shape[k])
        for k, (a, _, _) in enumerate(chosen)
    ]
    counted = torch.stack([weight for _, weight, _ in chosen])
    return Shading(
        points=_together(points),
        corners=Corners(
            shares=torch.stack([one.shares for one in corners]),
            normals=_together([one.normals for one in corners]),
            skin=torch.stack([one.skin for one in corners]),
            skin_modes=torch.stack([one.skin_modes for one in corners]),
        ),
        picture=image,
        slope=torch.stack([slopes[k].flatten(0, 1)[picked] for k, (_, _, picked) in enumerate(chosen)]),
        weight=counted * config.evidence,
        centre=given.centre.float(),
        tolerance=torch.full((len(counted),), config.tolerance, device=counted.device),
    )


def _slopes(drawn: Float[Tensor, "b s s 3"], shown: Bool[Tensor, "b s s"]) -> Float[Tensor, "b s s 3 2"]:
    """Return how drawn colours change along x and y; zero where a neighbour shows no face."""
    whole = with_slopes(drawn.movedim(-1, 1)).movedim(1, -1)
    beside = torch.nn.functional.pad(shown, (1, 1, 1, 1))
    along = beside[:, 1:-1, 2:] & beside[:, 1:-1, :-2]
    down = beside[:, 2:, 1:-1] & beside[:, :-2, 1:-1]
    inside = (along & down)[..., None, None]
    return torch.stack([whole[..., 3:6], whole[..., 6:]], dim=-1) * inside


def _stricter(colours: Shading, state: State, config: PhotoConfig) -> Shading:
    """Return the term with a tolerance that is not larger than colours usually deviate."""
    typical = (STRICT * colours.typical_distance(state)).nan_to_num(config.tolerance)
    return replace(colours, tolerance=typical.clamp(LEAST_TOLERANCE, config.tolerance))


def _visible(
    triangles: Tensor, hits: Hits, shown: Tensor, count: int
) -> tuple[Anchors, Float[Tensor, " n"], Int[Tensor, " n"]]:
    """Return points of the surface that a picture shows, evenly spread, each one's share, and its pixel."""
    where = shown.flatten().nonzero()[:, 0]
    if len(where) == 0:
        none = torch.zeros(count, dtype=torch.long, device=where.device)
        nothing = hits.barycentric.new_zeros(count, 3)
        return Anchors(corners=triangles[none], weights=nothing), nothing[:, 0], none
    step = torch.arange(count, device=where.device) * max(len(where), count) // count
    picked = where[step.clamp_max(len(where) - 1)]
    counted = (step < len(where)).float()
    corners = triangles[hits.triangle.flatten()[picked].long()].long()
    weights = hits.barycentric.reshape(-1, 3)[picked]
    return Anchors(corners=corners, weights=weights), counted / counted.sum(), picked


def _points(anchors: Anchors, surface: Tensor, chart: Chart, shape: Tensor) -> Points:
    """Return points of one face as sums of modes."""
    modes = anchors.modes_of(chart.modes)
    return Points(origin=anchors.on(surface[None])[0] - modes @ shape.float(), modes=modes)


def _corners(
    anchors: Anchors, normals: Tensor, surface: Tensor | None, chart: Chart, shape: Tensor
) -> Corners:
    """Return what the colours of some points are mixed from; normals turn only if a surface is given."""
    own, where = torch.unique(anchors.corners, return_inverse=True)
    if surface is None:
        turns = chart.modes.new_zeros(len(own), 3, chart.modes.shape[-1])
    else:
        turns = chart.normals_turn(own, surface)
    upright = normalize(normals[own], dim=-1) - turns @ shape.float()
    flat = where.flatten()
    return Corners(
        shares=anchors.weights,
        normals=Points(origin=upright[flat], modes=turns[flat]),
        skin=chart.colour[anchors.corners],
        skin_modes=chart.colour_modes[anchors.corners],
    )


def _together(some: list[Points]) -> Points:
    """Return the points of several faces as one batch."""
    return Points(
        origin=torch.stack([one.origin for one in some]), modes=torch.stack([one.modes for one in some])
    )


def _screen(surface: Tensor, state: State, centre: Tensor) -> Float[Tensor, "b v 3"]:
    """Return the pixels and the depth of every vertex."""
    local = surface @ state.turn.float().mT
    depth = (state.place[:, 2:].exp().float() - local[..., 2]).clamp_min(NEAREST)
    flat = (local[..., :2] + state.place[:, None, :2].float()) / depth[..., None]
    scale = state.focal.exp().float()[:, None, None] * flat.new_tensor([1.0, -1.0])
    return torch.cat([centre[:, None].float() + scale * flat, depth[..., None]], dim=-1)


def _into(given: Given, cut: Cut) -> Given:
    """Return the same points in pixels of the cut-outs."""
    scale = cut.scale[:, None]
    return replace(
        given,
        xy=(given.xy - cut.corner[:, None]) * scale[..., None],
        sigma=given.sigma * scale,
        centre=(given.centre - cut.corner) * scale,
        focal=None if given.focal is None else given.focal * cut.scale,
    )


def _zoomed(state: State, scale: Float[Tensor, " b"]) -> State:
    return replace(state, focal=state.focal + scale.log())


def _with_paint(state: State, texture: int) -> State:
    if state.paint.shape[1]:
        return state
    mean, _ = paint_prior(texture, state.place)
    return replace(state, paint=mean.expand(len(state.focal), -1))


def _prior(given: Given, state: State, texture: int) -> Prior:
    """Return what is likely of pose and shape, and of light and texture as well."""
    prior = fit_geometry.prior_of(given, state)
    mean, precision = prior.mean.clone(), prior.precision.clone()
    first = len(mean) - LIGHTS - texture
    mean[first:], precision[first:, first:] = paint_prior(texture, mean)
    return Prior(mean=mean, precision=precision)
