"""From the points of a face through a film to its motion: whose head it is, then how it moves.

    found = track(head.built_in(), list(followed(video.read(path), BuiltInFollower())), fps=25.0)
    found.motion.save(path)

Shape and focal length come from some frames together and stay. Pose and expression of all other moments are
found by second-order steps on the points, many frames at once, and then smoothed without lag; moments without
a face are drawn through and reported. Gaze comes from the irises, blinks from the lids.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from phiz.errors import MediaError
from phiz.face import eyeballs, fit, fit_geometry, fit_pose, fit_solve, fit_surface, lids, smooth
from phiz.face.coeffs import FaceCoeffs, Motion, neutral
from phiz.face.fit import FitConfig
from phiz.face.fit_geometry import NAMED_SPREAD
from phiz.face.fit_points import Landmarks
from phiz.face.fit_solve import POSE, Limits, State, Term
from phiz.face.fit_surface import Anchors
from phiz.face.fit_terms import Marks, Points, Prior
from phiz.face.follow import LEAST_SCORE, Frame
from phiz.face.head import Head
from phiz.face.landmarks import SPARSE
from phiz.face.morphable import MorphableModel
from phiz.graphics import rotation
from phiz.graphics.camera import Camera

FEW, OTHERS = 12, 4
"""So many frames tell whose head it is; beside the 68 landmarks every so manieth dense point is used."""
IRISES = 468
INFLATED = 2.0
"""Neighbouring points err together: each is worth less than its deviation says."""
AT_ONCE = 64
"""Frames that are solved together."""
ROUNDS = 9
DOUBTFUL = 0.35
"""Share of points that agree with the fit; with fewer, a frame is not believed."""
CUTOFFS_HZ = {"rotation": 6.0, "translation": 4.0, "expression": 9.0, "gaze": 9.0, "blink": 12.0}
"""Faster motion than this is noise. Heads turn slowly, lips and lids do not."""
NO_FACE, POOR = "no face to be seen", "too few points agree"
BLINKS = ("eyeBlinkLeft", "eyeBlinkRight")


@dataclass(frozen=True, kw_only=True)
class Gap:
    """Frames that were drawn through."""

    first: int
    last: int
    why: str


@dataclass(frozen=True, kw_only=True)
class Track:
    """A face through a film."""

    motion: Motion
    """As the head moves; its translation is about where it mostly is."""
    face: FaceCoeffs
    """The same as faces before `camera`, with the shape that all frames share."""
    camera: Camera
    known: Bool[Tensor, " t"]
    """Frames in which the face was found."""
    point_error: Float[Tensor, " t"]
    """Mean distance of the points from those found, in shares of the eyes' distance; NaN where unknown."""
    gaps: tuple[Gap, ...]


def track(model: Head, frames: Sequence[Frame], *, fps: float, config: FitConfig | None = None) -> Track:
    """Return how the face in some frames moves; raise an error if it is in none of them."""
    seen = torch.tensor([frame.score >= LEAST_SCORE for frame in frames])
    if not bool(seen.any()):
        raise MediaError(
            f"no face in any of the {len(frames)} frames. Use a video in which a face is larger, brighter or "
            "more frontal."
        )
    anchors, chosen = measured(model)
    where = torch.nonzero(seen)[:, 0]
    xy = torch.stack([frames[int(k)].xy for k in where])
    sigma = torch.stack([frames[int(k)].sigma for k in where])
    sizes = [frames[int(k)].size for k in where]
    points = Landmarks(xy=xy[:, chosen], sigma=sigma[:, chosen] * INFLATED, anchors=anchors)
    person, focal = whose(model, points, sizes, config or FitConfig(photo=None))
    state, agreeing, apart = solve(model, points, person, focal, sizes)
    good = agreeing >= DOUBTFUL
    if not bool(good.any()):
        good = torch.ones_like(good)  # better a doubtful motion than none
    known = torch.zeros(len(frames), dtype=torch.bool)
    known[where[good]] = True
    face = posed(model, state, person)
    gaze = eyeballs.gazes(model, face, xy[:, SPARSE + IRISES :], focal, sizes)
    curves = _curves(model, face, gaze)
    curves["blink"] = torch.maximum(curves["blink"], lids.closures(xy[:, :SPARSE]))
    full = {name: _spread(value, where, len(frames)) for name, value in curves.items()}
    weights = torch.zeros(len(frames))
    weights[where] = torch.where(good, agreeing, 0.0)
    calm = {
        name: smooth.smoothed(value, weights, torch.full((value.shape[1],), CUTOFFS_HZ[name]), fps)
        for name, value in full.items()
    }
    error = torch.full((len(frames),), torch.nan)
    error[where] = apart / eye_distance(xy)
    return Track(
        motion=_motion(model, calm, fps),
        face=_faces(model, calm, person),
        camera=fit.camera_of(state.rows(torch.tensor([0])), sizes[:1]),
        known=known,
        point_error=error,
        gaps=_gaps(seen, known),
    )


def measured(model: MorphableModel) -> tuple[Anchors, Int[Tensor, " n"]]:
    """Return the points by which a moving face is found, and their places among all that are followed."""
    dense = torch.arange(0, IRISES, OTHERS)
    one, other = fit_surface.anchors68(model), fit_surface.anchors478(model)
    some = Anchors(corners=other.corners[dense], weights=other.weights[dense])
    return one.joined(some), torch.cat([torch.arange(SPARSE), SPARSE + dense])


def whose(
    model: MorphableModel, points: Landmarks, sizes: Sequence[tuple[int, int]], config: FitConfig
) -> tuple[Float[Tensor, "1 i"], Float[Tensor, ""]]:
    """Return the identity that some frames have in common, and the focal length in pixels.

    Each frame is fitted by itself; what they say is put together as independent measurements of one thing,
    each of which had the same prior, which counts once.
    """
    picked = torch.linspace(0, points.batch - 1, min(FEW, points.batch)).round().long()
    some = Landmarks(xy=points.xy[picked], sigma=points.sigma[picked], anchors=points.anchors)
    found = fit.fit(model, some, [sizes[int(k)] for k in picked], config=config)
    trust = found.agreeing[:, None].clamp_min(0.05)
    precision = trust / found.deviation["identity"].double().square().clamp_min(1e-6)
    own = (precision - trust).clamp_min(0)  # without the prior of one
    identity = (precision * found.face.identity.double()).sum(0) / (own.sum(0) + 1.0)
    half = torch.tensor([sizes[int(k)][1] / 2 for k in picked])
    focal = found.camera.intrinsics[:, 0, 0] * half
    sure = found.agreeing / found.deviation["focal"].square().clamp_min(1e-6)
    log = (sure * focal.log()).sum() / sure.sum()
    return identity[None].float(), log.exp()


def solve(
    model: MorphableModel,
    points: Landmarks,
    identity: Float[Tensor, "1 i"],
    focal: Float[Tensor, ""],
    sizes: Sequence[tuple[int, int]],
) -> tuple[State, Float[Tensor, " t"], Float[Tensor, " t"]]:
    """Return pose and expression in each frame, the share of points that agree, and their mean distance."""
    anchors = points.on(model)
    chart = fit_surface.chart(model)
    rest = replace(neutral(model.sizes), identity=identity)
    with torch.no_grad():
        surface = model.vertices(rest) * model.metres_per_unit
    shape = Points(
        origin=anchors.on(surface)[0].double(),
        modes=anchors.modes_of(chart.modes[..., model.sizes.identity :]).double(),
    )
    states, agreeing, distance = [], [], []
    for start in range(0, points.batch, AT_ONCE):
        some = points[start : start + AT_ONCE]
        centre = some.xy.new_tensor([[w / 2, h / 2] for h, w in sizes[start : start + AT_ONCE]]).double()
        state = _stand(shape, some, focal, centre)
        marks = Marks(
            points=shape, xy=some.xy.double(), sigma=some.sigma.double(), centre=centre, nu=FitConfig().nu
        )
        terms: list[Term] = [marks, _prior(state)]
        state = fit_solve.minimise(state, terms, _limits(model, state), ROUNDS)
        _, off = marks.errors(state)
        states.append(state)
        agreeing.append((off.square().sum(-1) < fit.AGREES**2).float().mean(1))
        distance.append((off.norm(dim=-1) * some.sigma.double()).mean(1).float())
    names = State.__dataclass_fields__
    joined = State(**{name: torch.cat([getattr(one, name) for one in states]) for name in names})
    return joined, torch.cat(agreeing), torch.cat(distance)


def posed(model: MorphableModel, state: State, identity: Float[Tensor, "1 i"]) -> FaceCoeffs:
    """Return the faces of a state, whose camera stands one metre before the world's origin."""
    shape = torch.cat([identity.double().expand(len(state.focal), -1), state.shape], dim=1)
    return fit_geometry.face_of(model, replace(state, shape=shape))


def eye_distance(xy: Float[Tensor, "t n 2"]) -> Float[Tensor, " t"]:
    """Return how far apart the outer corners of the eyes are."""
    apart: Tensor = (xy[:, 45] - xy[:, 36]).norm(dim=1)
    return apart.clamp_min(1e-6)


def unwound(angles: Float[Tensor, "t c"]) -> Float[Tensor, "t c"]:
    """Return angles that never jump by more than half a turn from one moment to the next."""
    steps = angles.diff(dim=0)
    turns = (steps / (2 * math.pi)).round() * (2 * math.pi)
    return torch.cat([angles[:1], angles[1:] - turns.cumsum(0)])


def turned_apart(one: Float[Tensor, "t 3"], other: Float[Tensor, "t 3"]) -> Float[Tensor, " t"]:
    """Return the angle between rotations given as pitch, yaw and roll."""
    return rotation.angle_between(rotation.from_euler(one), rotation.from_euler(other))


def _stand(shape: Points, some: Landmarks, focal: Float[Tensor, ""], centre: Float[Tensor, "b 2"]) -> State:
    """Return how a still face stands in each frame, seen from afar: the better of two ways."""
    xy, sigma = some.xy.double(), some.sigma.double()
    flat = fit_pose.flat_pose(shape.origin, xy, sigma)
    logs = focal.double().log()
    both = []
    for way in range(flat.scale.shape[1]):
        scale = flat.scale[:, way]
        away = (flat.middle[:, way] - centre) / scale[:, None]
        distance = logs - scale.log()
        place = torch.cat([away * away.new_tensor([1.0, -1.0]), distance[:, None]], dim=1)
        both.append(
            State(
                turn=flat.rotation[:, way],
                place=place,
                focal=logs.expand(len(xy)),
                shape=xy.new_zeros(len(xy), shape.modes.shape[-1]),
                paint=xy.new_zeros(len(xy), 0),
            )
        )
    still = Marks(points=shape, xy=xy, sigma=sigma, centre=centre, nu=FitConfig().nu)
    costs = torch.stack([still.cost(one) for one in both])
    return both[0].chosen(both[1], costs[0] <= costs[1])


def _prior(state: State) -> Prior:
    spread = state.place.new_full((state.count,), torch.inf)
    spread[POSE:] = NAMED_SPREAD
    return Prior(mean=torch.zeros_like(spread), precision=torch.diag(1 / spread.square()))


def _limits(model: MorphableModel, state: State) -> Limits:
    """Return what may move: pose, and expressions from 0 to 1 but for those that turn the eyes."""
    free = torch.ones(state.count, dtype=torch.bool)
    free[6] = False  # the focal length
    for k, name in enumerate(model.expression_names):
        free[POSE + k] = not name.startswith("eyeLook")
    low = state.place.new_zeros(state.shape.shape[1])
    return Limits(free=free, low=low, high=low + 1)


def _curves(model: Head, face: FaceCoeffs, gaze: Float[Tensor, "t 2 2"]) -> dict[str, Float[Tensor, "t c"]]:
    """Return all that moves; blinks stand apart from expressions."""
    blinks = [model.expression_names.index(name) for name in BLINKS]
    expression = face.expression.clone()
    expression[:, blinks] = 0
    return {
        "rotation": unwound(face.rotation),
        "translation": face.translation,
        "expression": expression,
        "gaze": gaze.flatten(1),
        "blink": face.expression[:, blinks],
    }


def _spread(values: Tensor, where: Tensor, count: int) -> Tensor:
    full = values.new_zeros(count, values.shape[1])
    full[where] = values
    return full


def _motion(model: Head, calm: dict[str, Tensor], fps: float) -> Motion:
    middle = calm["translation"].median(0).values
    return Motion(
        expression=calm["expression"].clamp(0, 1),
        basis=model.name,
        rotation=calm["rotation"],
        translation=calm["translation"] - middle,
        gaze=calm["gaze"].reshape(-1, 2, 2),
        blink=calm["blink"].clamp(0, 1),
        fps=fps,
    )


def _faces(model: Head, calm: dict[str, Tensor], identity: Float[Tensor, "1 i"]) -> FaceCoeffs:
    """Return the smoothed faces, blinks among their expressions."""
    count = len(calm["rotation"])
    expression = calm["expression"].clamp(0, 1).clone()
    expression[:, [model.expression_names.index(name) for name in BLINKS]] = calm["blink"].clamp(0, 1)
    return replace(
        neutral(model.sizes, count),
        identity=identity.expand(count, -1),
        expression=expression,
        rotation=calm["rotation"],
        translation=calm["translation"],
        gaze=calm["gaze"].reshape(-1, 2, 2),
    )


def _gaps(seen: Bool[Tensor, " t"], known: Bool[Tensor, " t"]) -> tuple[Gap, ...]:
    """Return runs of frames that were not found, each with its reason."""
    gaps: list[Gap] = []
    for k in range(len(known)):
        if known[k]:
            continue
        why = POOR if seen[k] else NO_FACE
        if gaps and gaps[-1].last == k - 1 and gaps[-1].why == why:
            gaps[-1] = replace(gaps[-1], last=k)
        else:
            gaps.append(Gap(first=k, last=k, why=why))
    return tuple(gaps)
