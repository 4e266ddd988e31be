"""Pose, focal length and shape of faces from points in their pictures.

First the mean head is held before the camera in several ways (`phiz.face.fit_pose`, near and far) and the
best is kept; then everything moves together. A model that is not a sum of modes is looked at anew after
every few steps, so that what it does besides (lids, lips) is in the result exactly.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from phiz.face import fit_pose, fit_solve, fit_surface
from phiz.face.coeffs import LIGHT_BANDS, FaceCoeffs, neutral
from phiz.face.fit_shading import LIGHTS
from phiz.face.fit_solve import POSE, Limits, State, Term
from phiz.face.fit_surface import Anchors
from phiz.face.fit_terms import Marks, Points, Prior
from phiz.face.morphable import MorphableModel
from phiz.graphics import rotation

DISTANCE, DISTANCE_SPREAD = 1.2, 0.6
"""Metres from which portraits are taken, and the spread of the logarithm: an arm's length to a long lens."""
DISTANCES = (0.45, 1.2, 3.0)
"""Where the mean head is held first."""
NAMED_SPREAD = 0.25
"""Of expressions that have names, and with them a meaning from 0 to 1."""
RIGID_STEPS, ROUNDS, STEPS = 15, 5, 3


@dataclass(frozen=True, kw_only=True)
class Given:
    """Points in some pictures, and what they are points of."""

    model: MorphableModel
    anchors: Anchors
    xy: Float[Tensor, "b n 2"]
    """Pixels; double."""
    sigma: Float[Tensor, "b n"]
    """Pixels; infinite for points that do not count."""
    centre: Float[Tensor, "b 2"]
    """Where the camera's axis shows, in pixels."""
    focal: Float[Tensor, " b"] | None
    """Pixels, where it is known."""
    nu: float


def solve(given: Given, start: State | None = None) -> State:
    """Return the likeliest faces and cameras, from nothing or from a first guess."""
    state = start if start is not None else stand(given)
    prior, bounds = prior_of(given, state), limits(given, state)
    terms: list[Term] = [marks(given, state), prior]
    best, least = state, fit_solve.total(state, terms)
    for _ in range(ROUNDS):
        state = fit_solve.minimise(state, terms, bounds, STEPS)
        terms = [marks(given, state), prior]
        cost = fit_solve.total(state, terms)
        best = state.chosen(best, cost < least)
        least = torch.minimum(cost, least)
    return best


def stand(given: Given) -> State:
    """Return the mean head as it stands before each camera."""
    chart = fit_surface.chart(given.model)
    mean = given.anchors.on(chart.mean[None]).to(given.xy)
    flat = fit_pose.flat_pose(mean[0], given.xy, given.sigma)
    far = mean.new_tensor(DISTANCES).log()
    guesses = flat.scale.shape[1]
    batch, each = len(given.xy), guesses * len(far)

    def spread(values: Tensor) -> Tensor:
        return values[:, :, None].expand(-1, -1, len(far), *values.shape[2:]).flatten(0, 2)

    distance = far.repeat(batch * guesses)
    if given.focal is None:
        focal = spread(flat.scale).log() + distance
    else:
        focal = given.focal.log().repeat_interleave(each)
        distance = focal - spread(flat.scale).log()
    centre = given.centre.repeat_interleave(each, dim=0)
    away = (spread(flat.middle) - centre) / spread(flat.scale)[:, None]
    place = torch.cat([away * away.new_tensor([1.0, -1.0]), distance[:, None]], dim=1)
    state = State(
        turn=spread(flat.rotation),
        place=place,
        focal=focal,
        shape=mean.new_zeros(batch * each, 0),
        paint=mean.new_zeros(batch * each, 0),
    )
    best = _best_of(given, mean, state, each)
    return replace(best, shape=mean.new_zeros(batch, chart.modes.shape[-1]))


def _best_of(given: Given, mean: Float[Tensor, "1 n 3"], state: State, each: int) -> State:
    """Return the guess with the least cost of each picture, after some rigid steps."""
    rows = torch.arange(len(given.xy), device=mean.device).repeat_interleave(each)
    points = Points(origin=mean.expand(len(rows), -1, -1), modes=mean.new_zeros(*mean.shape[1:], 0))
    near = Marks(
        points=points,
        xy=given.xy[rows],
        sigma=given.sigma[rows],
        centre=given.centre[rows],
        nu=given.nu,
    )
    terms: list[Term] = [near, prior_of(given, state)]
    state = fit_solve.minimise(state, terms, limits(given, state), RIGID_STEPS)
    cost = fit_solve.total(state, terms).reshape(-1, each)
    return state.rows(cost.argmin(1) + torch.arange(len(cost), device=mean.device) * each)


def marks(given: Given, state: State) -> Marks:
    """Return the points as a term, exact for the state's own shape."""
    chart = fit_surface.chart(given.model)
    modes = given.anchors.modes_of(chart.modes).to(state.shape)
    if bool(state.shape.any()):
        with torch.no_grad():
            surface = given.model.vertices(face_of(given.model, state)) * given.model.metres_per_unit
    else:
        surface = chart.mean[None]
    exact = given.anchors.on(surface).to(state.shape)
    return Marks(
        points=Points(origin=exact - torch.einsum("nck,bk->bnc", modes, state.shape), modes=modes),
        xy=given.xy,
        sigma=given.sigma,
        centre=given.centre,
        nu=given.nu,
    )


def prior_of(given: Given, state: State) -> Prior:
    """Return what is likely before a picture is seen."""
    sizes = given.model.sizes
    mean = state.place.new_zeros(state.count)
    spread = torch.full_like(mean, torch.inf)
    mean[5], spread[5] = math.log(DISTANCE), DISTANCE_SPREAD
    shape = spread[POSE : POSE + state.shape.shape[1]]
    shape[:] = 1.0
    if given.model.expression_names:
        shape[sizes.identity :] = NAMED_SPREAD
    return Prior(mean=mean, precision=torch.diag(1 / spread.square()))


def limits(given: Given, state: State) -> Limits:
    """Return what may move: all but a focal length that is known; named expressions from 0 to 1."""
    sizes = given.model.sizes
    free = torch.ones(state.count, dtype=torch.bool, device=state.place.device)
    free[6] = given.focal is None
    low = state.place.new_full((state.shape.shape[1],), -torch.inf)
    high = -low
    if given.model.expression_names:
        low[sizes.identity :], high[sizes.identity :] = 0.0, 1.0
    return Limits(free=free, low=low, high=high)


def face_of(model: MorphableModel, state: State) -> FaceCoeffs:
    """Return the faces of a state; the camera stands one metre before the world's origin."""
    rest = neutral(model.sizes, len(state.focal), state.focal.device)
    x, y, far = state.place.unbind(1)
    sizes = [model.sizes.identity, model.sizes.expression]
    identity, expression = torch.split(state.shape.float(), sizes, dim=1)
    face = replace(
        rest,
        identity=identity,
        expression=expression,
        rotation=rotation.to_euler(state.turn).float(),
        translation=torch.stack([x, y, 1 - far.exp()], dim=1).float(),
    )
    if not state.paint.shape[1]:
        return face
    light, texture = torch.split(state.paint.float(), [LIGHTS, state.paint.shape[1] - LIGHTS], dim=1)
    return replace(face, light=torch.unflatten(light, 1, (3, LIGHT_BANDS)).mT, texture=texture)
