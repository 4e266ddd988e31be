"""The published two-stage fitting of a morphable model, for comparison and for parity.

Adam on the 68 landmarks moves the head as it is (1 000 steps); then Adam on landmarks, rendered colours
and priors bends and paints it (500 steps), with the weights that 3DMM-Fitting-Pytorch ships. The method was
made for the Basel model and keeps that model's camera: decimetres, ten of them away, a focal length of
1 015 pixels whatever the picture's size. It runs here with any head, in the same units, because the speed
of Adam depends on them.

The one deviation, `PublishedConfig.nan_safe`, can be turned off. For a better and faster fit see
`phiz.face.fit`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from phiz.face.bfm import CAMERA_DISTANCE, DECIMETRE, FOCAL
from phiz.face.coeffs import FaceCoeffs, neutral
from phiz.face.morphable import MorphableModel, vertex_normals
from phiz.graphics import raster, rotation, shade

HEAVY = (28, 29, 30, *range(48, 68))
"""Landmarks that count `HEAVY_WEIGHT` times: the nose's ridge and the mouth."""
HEAVY_WEIGHT = 10.0
WHITE = 255.0
"""Colours count from 0 to this in the published losses."""
MARGIN = 0.3
"""By how much the published crop is larger than the face that a detector found."""
RIGID = ("rotation", "translation")
FREE = ("identity", "expression", "light", "texture", "rotation", "translation")
"""What the second stage moves."""
SHARED = ("identity", "texture")
"""What all pictures of one person have in common."""


@dataclass(frozen=True, kw_only=True)
class PublishedConfig:
    """Steps and weights of the published fitting."""

    rigid_steps: int = 1000
    """Steps that move the head as it is."""
    free_steps: int = 500
    """Steps that move everything."""
    rate: float = 1e-2
    """Of Adam, in both stages."""
    landmark_weight: float = 100.0
    photo_weight: float = 1.6
    identity_weight: float = 1e-3
    expression_weight: float = 0.8e-3
    texture_weight: float = 1.7e-6
    reflectance_weight: float = 1.0
    nan_safe: bool = True
    """Give a pixel without any error a gradient of zero. The published loss gives it NaN, which ruins the
    whole fit; it happens where both pictures are clipped to white."""
    one_person: bool = False
    """All pictures show one person: identity and texture are shared, and their priors count once."""
    anchor_weight: float = 1.0
    """Of squared distances from an anchor's rotation and translation (in decimetres), if there is one."""


@dataclass(frozen=True, kw_only=True)
class PublishedFit:
    """What the published fitting found."""

    face: FaceCoeffs
    rigid_losses: tuple[float, ...]
    free_losses: tuple[float, ...]
    """The total of each step, before the step."""


def fit_published(
    model: MorphableModel,
    landmarks: Float[Tensor, "b 68 2"],
    size: int,
    *,
    pictures: Float[Tensor, "b 3 s s"] | None = None,
    config: PublishedConfig | None = None,
    start: FaceCoeffs | None = None,
    triangles: Int[Tensor, "f 3"] | None = None,
    anchor: FaceCoeffs | None = None,
    held: Sequence[str] = (),
) -> PublishedFit:
    """Return the faces whose landmarks, and colours if pictures are given, come near to those given.

    Landmarks are pixels of square pictures of side `size`. All pictures share one optimiser, as published;
    its losses are means over them. `triangles` names what is drawn, for heads that have more than a face;
    without it everything is. An `anchor` pulls at the pose, and what is `held` stays as it was at the start.
    """
    chosen = config or PublishedConfig()
    begin = start if start is not None else neutral(model.sizes, len(landmarks), landmarks.device)
    moving = _leaves(begin, chosen.one_person)
    pull = None if anchor is None else _leaves(anchor, one_person=False)
    with torch.no_grad():
        still = model.vertices(begin)

    def rigid() -> Tensor:
        found = project(before_camera(still, _face(begin, moving), model), model, size)
        return chosen.landmark_weight * landmark_loss(found, landmarks, size) + _pulled(moving, pull, chosen)

    def free() -> Tensor:
        loss = _seen(model, _face(begin, moving), landmarks, pictures, size, chosen, triangles)
        return loss + _prior(moving, chosen) + _pulled(moving, pull, chosen)

    loose = [moving[name] for name in FREE if name not in held]
    first = _descend(rigid, [moving[name] for name in RIGID], chosen.rigid_steps, chosen.rate)
    second = _descend(free, loose, chosen.free_steps, chosen.rate)
    with torch.no_grad():
        found = _face(begin, {name: value.detach() for name, value in moving.items()})
    return PublishedFit(face=found, rigid_losses=first, free_losses=second)


def landmark_weights(like: Float[Tensor, "..."]) -> Float[Tensor, " 68"]:
    """Return how much each landmark counts; together 1."""
    weights = like.new_ones(68)
    weights[list(HEAVY)] = HEAVY_WEIGHT
    return weights / weights.sum()


def landmark_loss(
    found: Float[Tensor, "b 68 2"], wanted: Float[Tensor, "b 68 2"], size: int
) -> Float[Tensor, ""]:
    """Return the weighted mean of squared distances, in shares of the picture's side."""
    squared = (found - wanted).square().sum(-1) / size**2
    return (squared * landmark_weights(found)).sum(-1).mean()


def photo_loss(
    drawn: Float[Tensor, "b h w 3"],
    wanted: Float[Tensor, "b h w 3"],
    mask: Float[Tensor, "b h w"],
    *,
    nan_safe: bool = True,
) -> Float[Tensor, ""]:
    """Return the mean distance of colours inside the mask; colours count from 0 to 255, the loss from 0 to 1.

    The published distance has no gradient where it is zero (NaN); `nan_safe` makes that zero.
    """
    squared = (drawn - wanted).square().sum(-1)
    if nan_safe:
        apart = squared > 0
        distance = torch.where(apart, torch.where(apart, squared, 1.0).sqrt(), 0.0)
    else:
        distance = squared.sqrt()
    share = (mask * distance / WHITE).sum((1, 2)) / mask.sum((1, 2))
    return share.mean()


def reflectance_loss(texture: Float[Tensor, "b v 3"], skin: Float[Tensor, " v"]) -> Float[Tensor, ""]:
    """Return how much the skin's own colour (0 to 255) varies where the skin should be plain."""
    weight = skin[:, None]
    share = texture / WHITE
    mean = (share * weight).sum(1, keepdim=True) / weight.sum()
    return ((share - mean).square() * weight).sum() / (len(texture) * weight.sum())


def padded_box(
    box: Sequence[float], width: int, height: int, margin: float = MARGIN
) -> tuple[int, int, int, int]:
    """Return the published crop about a face: left, top, right, bottom.

    It is a square unless it meets the picture's edge: at the left and at the top it is moved in, at the
    right and at the bottom it is cut off.
    """
    left, top, right, bottom = (int(value) for value in box)
    side = int(max(right - left, bottom - top) * (1 + margin))
    x = max(int((left + right) // 2 - side // 2), 0)
    y = max(int((top + bottom) // 2 - side // 2), 0)
    side = min(side, width - x, height - y)
    return x, y, x + side, y + side


def project(points: Float[Tensor, "b v 3"], model: MorphableModel, size: int) -> Float[Tensor, "b 68 2"]:
    """Return the pixels of the landmarks of surfaces that stand before the published camera."""
    marks = model.landmarks(points)
    flat = FOCAL * marks[..., :2] / marks[..., 2:]
    return torch.stack([flat[..., 0] + size // 2, size - size // 2 - flat[..., 1]], dim=-1)


def before_camera(
    surface: Float[Tensor, "b v 3"], face: FaceCoeffs, model: MorphableModel
) -> Float[Tensor, "b v 3"]:
    """Return a surface in the model's unit as (x, y, depth) before the published camera, in decimetres."""
    scale = model.metres_per_unit / DECIMETRE
    turned = surface * scale @ rotation.from_euler(face.rotation).mT
    x, y, z = (turned + face.translation[:, None] / DECIMETRE).unbind(-1)
    return torch.stack([x, y, CAMERA_DISTANCE - z], dim=-1)


def lit_colours(
    surface: Float[Tensor, "b v 3"], face: FaceCoeffs, model: MorphableModel
) -> tuple[Float[Tensor, "b v 3"], Float[Tensor, "b v 3"]]:
    """Return the colours of a surface's vertices (0 to 255, not clipped) with and without light.

    Other than in the published face reconstruction, large triangles count more in the normals.
    """
    normals = vertex_normals(surface, model.triangles)
    turned = normals @ rotation.from_euler(face.rotation).mT
    plain = model.colours(face) * WHITE
    return plain * shade.irradiance(turned, face.light), plain


def render(
    points: Float[Tensor, "b v 3"],
    colours: Float[Tensor, "b v 3"],
    triangles: Int[Tensor, "f 3"],
    size: int,
) -> tuple[Float[Tensor, "b s s 3"], Bool[Tensor, "b s s"]]:
    """Return the published rendering (0 to 255) of surfaces before the camera, and where they show."""
    half = size / 2
    focal = FOCAL * half / (size // 2)
    x, y, depth = points.unbind(-1)
    screen = torch.stack([half + focal * x / depth, half - focal * y / depth, depth], dim=-1)
    hits = raster.rasterise_batch(screen, triangles, size, size)
    drawn = raster.interpolate(colours, triangles, raster.with_gradients(screen, triangles, hits))
    return drawn.clamp(0, WHITE), hits.covered


def published_picture(
    model: MorphableModel, face: FaceCoeffs, size: int, triangles: Int[Tensor, "f 3"] | None = None
) -> tuple[Float[Tensor, "b s s 3"], Bool[Tensor, "b s s"]]:
    """Return faces as the published method draws them, and where they show."""
    surface = model.vertices(face)
    colours, _ = lit_colours(surface, face, model)
    shown = model.triangles if triangles is None else triangles
    return render(before_camera(surface, face, model), colours, shown, size)


def _seen(
    model: MorphableModel,
    face: FaceCoeffs,
    landmarks: Tensor,
    pictures: Tensor | None,
    size: int,
    config: PublishedConfig,
    triangles: Tensor | None,
) -> Tensor:
    surface = model.vertices(face)
    points = before_camera(surface, face, model)
    colours, plain = lit_colours(surface, face, model)
    total = config.landmark_weight * landmark_loss(project(points, model, size), landmarks, size)
    total = total + config.reflectance_weight * reflectance_loss(plain, model.skin_mask)
    if pictures is None:
        return total
    drawn, covered = render(points, colours, model.triangles if triangles is None else triangles, size)
    wanted = (pictures.movedim(1, -1) + 1) * (WHITE / 2)
    photo = photo_loss(drawn, wanted, covered.float(), nan_safe=config.nan_safe)
    return total + config.photo_weight * photo


def _prior(leaves: dict[str, Tensor], config: PublishedConfig) -> Tensor:
    return (
        config.identity_weight * leaves["identity"].square().sum()
        + config.expression_weight * leaves["expression"].square().sum()
        + config.texture_weight * leaves["texture"].square().sum()
    )


def _pulled(leaves: dict[str, Tensor], anchor: dict[str, Tensor] | None, config: PublishedConfig) -> Tensor:
    if anchor is None:
        return leaves["rotation"].new_zeros(())
    apart = [(leaves[name] - anchor[name].detach()).square().sum() for name in RIGID]
    return config.anchor_weight * torch.stack(apart).sum()


def _descend(loss: Callable[[], Tensor], leaves: list[Tensor], steps: int, rate: float) -> tuple[float, ...]:
    adam = torch.optim.Adam(leaves, lr=rate)
    history = []
    for _ in range(steps):
        adam.zero_grad()
        value = loss()
        value.backward()  # type: ignore[no-untyped-call]
        adam.step()
        history.append(float(value.detach()))
    return tuple(history)


def _leaves(face: FaceCoeffs, one_person: bool) -> dict[str, Tensor]:
    """Return what Adam moves, in the published units: decimetres, light without its ambient part."""
    values = {name: getattr(face, name) for name in FREE}
    if one_person:
        values |= {name: values[name][:1] for name in SHARED}
    values["translation"] = face.translation / DECIMETRE
    values["light"] = face.light - shade.with_ambient(torch.zeros_like(face.light))
    return {name: value.detach().clone().requires_grad_() for name, value in values.items()}


def _face(begin: FaceCoeffs, leaves: dict[str, Tensor]) -> FaceCoeffs:
    own = {name: leaves[name] for name in ("expression", "rotation")}
    own |= {name: leaves[name].expand(begin.batch, -1) for name in SHARED}
    return replace(
        begin,
        **own,
        light=shade.with_ambient(leaves["light"]),
        translation=leaves["translation"] * DECIMETRE,
    )
