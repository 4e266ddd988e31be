"""One head's expressions on another head.

Two heads describe the same smile by different numbers. Where both have names for their modes (ARKit),
equal names go over as they are. All other motion is matched by what it does to the surface: the target's
coefficients are those that move its points most nearly as the source moves the same points, in
least squares::

    minimise over x   sum_p w_p |T_p x - s R S_p e|^2  +  ridge |x|^2

with the modes S of the source and T of the target at shared points p, and the turn R and scale s that
lay one mean face onto the other. Points are the 68 landmarks and, beside them, vertices whose nearest
neighbour on the other head is close and faces the same way. Both groups have a total weight of their
own, whatever their number of points; the ridge is relative to the target's mean energy a mode.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from jaxtyping import Float, Int
from torch import Tensor

from phiz.console import Console
from phiz.errors import UsageError
from phiz.face import models, modes
from phiz.face.coeffs import Motion, neutral
from phiz.face.correspond import nearest, similarity
from phiz.face.morphable import MorphableModel
from phiz.graphics import frames
from phiz.options import option, positional

SWEEPS = 400
"""At most so many rounds over all modes in the search for weights that are not negative."""
TOLERANCE = 1e-6
"""The search ends once no weight moves further in a round."""


@dataclass(frozen=True, kw_only=True)
class RetargetConfig:
    """How motion is matched between two heads."""

    landmark_weight: float = 1.0
    """Total weight of the 68 landmarks."""
    vertex_weight: float = 1.0
    """Total weight of the vertices that both heads share."""
    reach: float = 0.004
    """How far apart two vertices may lie, in metres, and still count as the same point."""
    facing: float = 0.5
    """The least cosine between the normals of two such vertices."""
    vertices: int = 2000
    """At most so many shared vertices are used, spread evenly over the target's list."""
    ridge: float = 1e-5
    """How strongly small weights are preferred, relative to the mean energy of the target's modes."""
    nonnegative: bool | None = None
    """Whether weights have to be 0 or more; None: where the target's modes have names."""


@dataclass(frozen=True, kw_only=True)
class Retarget:
    """A way from one head's expressions to another's; made by `between`."""

    source: str
    target: str
    named: Float[Tensor, "e d"]
    """1 where a source mode (d) and a target mode (e) have the same name."""
    gram: Float[Tensor, "e e"]
    """The target's modes, each against each, ridge included."""
    cross: Float[Tensor, "e d"]
    """The target's modes against those of the source that have no namesake."""
    nonnegative: bool
    shared_vertices: int
    """How many vertices both heads were found to share."""

    def __call__(self, expression: Float[Tensor, "t d"]) -> Float[Tensor, "t e"]:
        """Return the target's coefficients for any number of the source's at once."""
        named = expression @ self.named.transpose(0, 1).to(expression)
        wish = expression.double() @ self.cross.transpose(0, 1)
        if self.nonnegative:
            return named + nonnegative_solve(self.gram, wish).to(expression)
        solved: Tensor = torch.linalg.solve(self.gram, wish, left=False)
        return named + solved.to(expression)


@dataclass(frozen=True, kw_only=True)
class RetargetVerbConfig:
    """Which motion goes from which head to which."""

    motion: Path = positional()
    """The motion, a file that phiz wrote."""
    from_: str = models.BUILT_IN
    """The head that it was made for: built-in, a folder with head.npz, or a file."""
    to: str = models.BUILT_IN
    """The head that shall move the same way."""
    output: Path = option(Path("retargeted.safetensors"), "-o", "--output")
    """The file to write."""
    how: RetargetConfig = field(default=RetargetConfig())


def retarget_verb(config: RetargetVerbConfig, console: Console) -> Mapping[str, object]:
    """Make a motion of one head model into one of another.

    Examples:
        phiz head retarget hello.safetensors --to BFM_model_front.mat -o hello-basel.safetensors
        phiz head retarget basel.safetensors --from BFM_model_front.mat -o ours.safetensors
    """
    motion = Motion.load(config.motion)
    source, target = models.open_model(config.from_), models.open_model(config.to)
    if motion.basis != source.name:
        raise UsageError(
            f"{config.motion} moves {motion.basis!r}, not {source.name!r}. Give its head with --from."
        )
    way = between(source, target, config.how)
    apply(way, motion).save(config.output)
    console.say(f"{config.output}: {len(motion)} frames, {source.name} to {target.name}")
    return {"output": str(config.output), "frames": len(motion), "shared_vertices": way.shared_vertices}


def between(source: MorphableModel, target: MorphableModel, config: RetargetConfig | None = None) -> Retarget:
    """Return the way from the expressions of `source` to those of `target`."""
    config = config or RetargetConfig()
    named = _namesakes(source, target)
    from_modes, to_modes, weights, shared = _shared_motion(source, target, config)
    weighted = to_modes * weights[:, None]
    gram = torch.einsum("epc,fpc->ef", weighted, to_modes)
    energy = gram.diagonal().mean().clamp(min=1e-20)
    gram = gram + config.ridge * energy * torch.eye(len(gram), dtype=gram.dtype, device=gram.device)
    is_unnamed = (named.sum(dim=0) == 0).to(gram)
    nonnegative = bool(target.expression_names) if config.nonnegative is None else config.nonnegative
    return Retarget(
        source=source.name,
        target=target.name,
        named=named,
        gram=gram,
        cross=torch.einsum("epc,dpc->ed", weighted, from_modes) * is_unnamed,
        nonnegative=nonnegative,
        shared_vertices=shared,
    )


def retarget(
    motion: Motion,
    source: MorphableModel,
    target: MorphableModel,
    config: RetargetConfig | None = None,
) -> Motion:
    """Return the same motion for another head; pose, gaze and blinks mean the same on every head."""
    return apply(between(source, target, config), motion)


def apply(way: Retarget, motion: Motion) -> Motion:
    """Return the same motion for another head, by a way that `between` found."""
    if motion.basis != way.source:
        raise ValueError(f"the motion is one of {motion.basis!r}, not of {way.source!r}")
    return replace(motion, expression=way(motion.expression), basis=way.target)


def nonnegative_solve(gram: Float[Tensor, "e e"], wish: Float[Tensor, "t e"]) -> Float[Tensor, "t e"]:
    """Return, for each row y of `wish`, the x >= 0 that minimises ``x G x / 2 - y x``.

    Goes round the modes and sets each to its best value while the others stand still; for a
    positive definite G this ends at the one minimum (Franc et al., 2005).
    """
    diagonal = gram.diagonal()
    found: Tensor = torch.linalg.solve(gram, wish, left=False).clamp(min=0)
    slope = found @ gram - wish
    for _ in range(SWEEPS):
        furthest = 0.0
        for k in range(gram.shape[0]):
            step = torch.maximum(-slope[:, k] / diagonal[k], -found[:, k])
            found[:, k] += step
            slope += step[:, None] * gram[k]
            furthest = max(furthest, float(step.abs().max()) if len(step) else 0.0)
        if furthest < TOLERANCE:
            break
    return found


@dataclass(frozen=True, kw_only=True)
class _Moves:
    """A mean head and by how much each expression mode moves it, in metres."""

    mean: Float[Tensor, "1 v 3"]
    points: Float[Tensor, "68 3"]
    vertex_moves: Float[Tensor, "e v 3"]
    point_moves: Float[Tensor, "e 68 3"]


def _moves(model: MorphableModel) -> _Moves:
    rest = neutral(model.sizes, 1, model.triangles.device)
    mean, unit = model.vertices(rest), model.metres_per_unit
    moves, point_moves = [], []
    for moved, still in modes.surfaces(model, rest):
        moves.append((moved - still) * unit)
        point_moves.append((model.landmarks(moved) - model.landmarks(still)) * unit)
    return _Moves(
        mean=mean * unit,
        points=model.landmarks(mean)[0] * unit,
        vertex_moves=torch.cat(moves),
        point_moves=torch.cat(point_moves),
    )


def _namesakes(source: MorphableModel, target: MorphableModel) -> Float[Tensor, "e d"]:
    table = torch.zeros(target.sizes.expression, source.sizes.expression, device=target.triangles.device)
    for column, name in enumerate(source.expression_names):
        if name in target.expression_names:
            table[target.expression_names.index(name), column] = 1.0
    return table


@torch.no_grad()
def _shared_motion(
    source: MorphableModel, target: MorphableModel, config: RetargetConfig
) -> tuple[Float[Tensor, "d p 3"], Float[Tensor, "e p 3"], Float[Tensor, " p"], int]:
    """Return how both heads' modes move the shared points, in the target's frame, and their weights."""
    theirs, ours = _moves(source), _moves(target)
    matrix = similarity(theirs.points, ours.points)
    here, there = _shared_vertices(source, target, frames.transform(matrix, theirs.mean), ours.mean, config)
    moved = torch.cat([theirs.point_moves, theirs.vertex_moves[:, here]], dim=1)
    wanted = torch.cat([ours.point_moves, ours.vertex_moves[:, there]], dim=1)
    weights = wanted.new_full((wanted.shape[1],), config.landmark_weight / 68, dtype=torch.float64)
    weights[68:] = config.vertex_weight / max(len(there), 1)
    return frames.turn(matrix, moved).double(), wanted.double(), weights, len(there)


def _shared_vertices(
    source: MorphableModel, target: MorphableModel, from_mean: Tensor, to_mean: Tensor, config: RetargetConfig
) -> tuple[Int[Tensor, " n"], Int[Tensor, " n"]]:
    """Return vertices of the source and of the target that lie at the same place."""
    count = to_mean.shape[1]
    there = torch.arange(0, count, max(1, -(-count // config.vertices)), device=to_mean.device)
    here, away = nearest(to_mean[0, there], from_mean[0])
    facing = (source.normals(from_mean)[0, here] * target.normals(to_mean)[0, there]).sum(dim=-1)
    is_same = (away < config.reach) & (facing > config.facing)
    return here[is_same], there[is_same]
