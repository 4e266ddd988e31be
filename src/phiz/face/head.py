"""Our own head: learned shape and expressions, jaw, neck and eyes that turn, soft parts that touch.

The numbers come from one file (``phiz train head`` makes it). A face is built in this order: mean,
identity, expression; then the jaw turns, the eyeballs turn, lips and lids are kept from passing
through what they meet, and last the neck turns everything above it.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float
from torch import Tensor, nn

from phiz import checkpoint
from phiz.errors import CheckpointError
from phiz.face.coeffs import FaceCoeffs, Sizes
from phiz.face.contact import FacingEdges, LidContact, TeethContact
from phiz.face.morphable import REGIONS, Part, add_at, vertex_normals
from phiz.graphics import rotation

STRAIGHT = 1e-16
"""Added to the squared angle of the neck."""

BUILT_IN = Path(__file__).parents[1] / "weights" / "head.safetensors"

LOOKS = {
    "eyeLookOutLeft": (0, 0, 0.52),
    "eyeLookInLeft": (0, 0, -0.61),
    "eyeLookUpLeft": (0, 1, -0.44),
    "eyeLookDownLeft": (0, 1, 0.52),
    "eyeLookOutRight": (1, 0, -0.52),
    "eyeLookInRight": (1, 0, 0.61),
    "eyeLookUpRight": (1, 1, -0.44),
    "eyeLookDownRight": (1, 1, 0.52),
}
"""How far, in radians, an expression at 1 turns an eyeball: (eye, yaw or pitch, angle)."""


class Head(nn.Module):
    """Our own head, as a `phiz.face.morphable.MorphableModel`."""

    mean: Tensor
    triangles: Tensor
    parts: Tensor
    regions: Tensor
    mirror: Tensor
    identity_modes: Tensor
    expression_modes: Tensor
    moving: Tensor
    texture_mean: Tensor
    texture_modes: Tensor
    jaw_weight: Tensor
    neck_weight: Tensor
    occlusion: Tensor
    eye_local: Tensor
    skin_mask: Tensor
    lip_mask: Tensor
    landmark_corners: Tensor
    landmark_weights: Tensor
    dense_corners: Tensor
    dense_weights: Tensor
    eye_weights: Tensor
    eye_vertices: Tensor
    looks: Tensor
    anchors: Tensor
    chin: Tensor
    """Vertices that turn with the jaw."""
    throat: Tensor
    """Vertices that turn with the neck only in part, or not at all."""

    metres_per_unit = 1.0

    def __init__(self, config: dict[str, Any], tensors: dict[str, Tensor]) -> None:
        super().__init__()
        self.hair_arrays: dict[str, npt.NDArray[np.generic]] = {}
        self.name = str(config["name"])
        self.expression_names = tuple(config["expression_names"])
        self.hinge = tuple(config["jaw_hinge"])
        self.neck_pivot = tuple(config["neck_pivot"])
        for name, value in unpack(tensors).items():
            self.register_buffer(name, value)
        self.sizes = Sizes(
            identity=self.identity_modes.shape[0],
            expression=self.expression_modes.shape[0],
            texture=self.texture_modes.shape[0],
        )
        self.lips = _edges(self.mean, tensors, "lip")
        self.blinks = nn.ModuleList(_edges(self.mean, tensors, f"{side}_blink") for side in ("left", "right"))
        self.lids = nn.ModuleList(
            LidContact(
                tensors[f"{side}_lids"].long(), tensors[f"{side}_lid_weight"].float(), float(config["cornea"])
            )
            for side in ("left", "right")
        )
        upper, lower = self.lips.upper, self.lips.lower
        self.teeth = nn.ModuleList(
            TeethContact(torch.cat([upper, lower]), **config[f"{side}_arch"]) for side in ("upper", "lower")
        )
        self.register_buffer("looks", _looks(self.expression_names))
        self.register_buffer("chin", (self.jaw_weight > 0).nonzero()[:, 0])
        self.register_buffer("throat", (self.neck_weight < 1).nonzero()[:, 0])
        self._opening = self.expression_names.index("jawOpen")
        self._closing = self.expression_names.index("mouthClose")
        self._blinking = [self.expression_names.index(f"eyeBlink{side}") for side in ("Left", "Right")]

    def linear(self, face: FaceCoeffs) -> Float[Tensor, "b v 3"]:
        """Return mean, identity and expression alone: nothing turns, nothing touches."""
        shape = torch.einsum("bi,ivc->bvc", face.identity, self.identity_modes) + self.mean
        moved = torch.einsum("be,emc->bmc", self.effective(face.expression), self.expression_modes)
        return add_at(shape, self.moving, moved)

    def effective(self, expression: Float[Tensor, "b e"]) -> Float[Tensor, "b e"]:
        """Return the weights that are really used: mouthClose only undoes an open jaw, as ARKit means it."""
        opening, closing = expression[:, self._opening], expression[:, self._closing]
        limited = torch.minimum(closing, opening.clamp_min(0))
        return torch.cat(
            [expression[:, : self._closing], limited[:, None], expression[:, self._closing + 1 :]], dim=1
        )

    def vertices(self, face: FaceCoeffs) -> Float[Tensor, "b v 3"]:
        """Return the surface in metres, in the figure's frame: shoulders upright, before rotation."""
        points = self._chew(self.linear(face), face.jaw)
        points = self._touch(points, face)
        return self._bow(points, face.neck)

    def _chew(self, points: Float[Tensor, "b v 3"], jaw: Float[Tensor, "b 3"]) -> Float[Tensor, "b v 3"]:
        """Return the points with the jaw turned about its hinge; cheeks follow part of the way."""
        chin = self.chin
        local = points[:, chin] - points.new_tensor(self.hinge)
        swung = local @ rotation.from_euler(jaw).mT - local
        return add_at(points, chin, swung * self.jaw_weight[chin, None])

    def _touch(self, points: Float[Tensor, "b v 3"], face: FaceCoeffs) -> Float[Tensor, "b v 3"]:
        """Return the points with eyeballs turned, lids and lips in contact."""
        turns = self.eye_rotation(face)
        for side, (blink, lids) in enumerate(zip(self.blinks, self.lids, strict=True)):
            assert isinstance(blink, FacingEdges)
            centre, radius = self._eyeball(points, side)
            own = self.eye_vertices[side]
            local = points[:, own] - centre[:, None]
            swung = torch.einsum("bij,bvj->bvi", turns[:, side], local)
            points = add_at(points, own, swung - local)
            closing = (face.expression[:, self._blinking[side]].clamp(0, 1) * 2 - 1).clamp_min(0)
            points = blink.shut(points, closing * closing * (3 - 2 * closing))
            points = lids(points, centre, radius, turns[:, side, :, 2])
        for number, teeth in enumerate(self.teeth):
            points = teeth(points, *self._arch(points, number))
        return self.lips.apart(points)

    def _arch(self, points: Float[Tensor, "b v 3"], number: int) -> tuple[Tensor, Tensor]:
        """Return how the upper or the lower teeth have moved from the mean: rotation and shift."""
        own = self.anchors[number]
        return rigid(self.mean[own], points[:, own])

    def eye_rotation(self, face: FaceCoeffs) -> Float[Tensor, "b 2 3 3"]:
        """Return how each eyeball is turned, by ``gaze`` and by the expressions that look somewhere."""
        turned = face.gaze + torch.einsum("be,eij->bij", face.expression, self.looks)
        yaw, pitch = turned.unbind(dim=-1)
        return rotation.from_euler(torch.stack([pitch, yaw, torch.zeros_like(yaw)], dim=-1))

    def _eyeball(self, points: Float[Tensor, "b v 3"], side: int) -> tuple[Tensor, Tensor]:
        """Return an eyeball's centre and radius; its last vertex is its back pole."""
        own = points[:, self.eye_vertices[side]]
        centre = torch.einsum("n,bnc->bc", self.eye_weights[side], own)
        back = own[:, -1]
        return centre, (back - centre).norm(dim=-1)

    def _bow(self, points: Float[Tensor, "b v 3"], neck: Float[Tensor, "b 3"]) -> Float[Tensor, "b v 3"]:
        """Return the points with the head turned on its neck; the neck's skin follows part of the way."""
        turn = rotation.from_euler(neck)
        pivot = points.new_tensor(self.neck_pivot)
        upright = (points - pivot) @ turn.mT
        throat = self.throat
        bent = _bent(points[:, throat] - pivot, turn, self.neck_weight[throat])
        return upright.index_copy(1, throat, bent) + pivot

    def skull(self, face: FaceCoeffs) -> Float[Tensor, "b 4 4"]:
        """Return where the neck puts whatever is fixed to the head: figure_from_skull."""
        turn = rotation.from_euler(face.neck)
        pivot = turn.new_tensor(self.neck_pivot)
        shift = pivot - turn @ pivot
        top = torch.cat([turn, shift[..., None]], dim=-1)
        bottom = turn.new_tensor([0.0, 0.0, 0.0, 1.0]).expand(len(turn), 1, 4)
        return torch.cat([top, bottom], dim=1)

    def normals(self, vertices: Float[Tensor, "b v 3"]) -> Float[Tensor, "b v 3"]:
        """Return a unit normal for each vertex."""
        return vertex_normals(vertices, self.triangles)

    def colours(self, face: FaceCoeffs) -> Float[Tensor, "b v 3"]:
        """Return the skin's own colour, sRGB in [0, 1], without light."""
        moved = torch.einsum("bt,tvc->bvc", face.texture, self.texture_modes)
        return (self.texture_mean + moved).clamp(0, 1)

    def landmarks(self, vertices: Float[Tensor, "b v 3"]) -> Float[Tensor, "b 68 3"]:
        """Return the 68 iBUG points."""
        return torch.einsum("nk,bnkc->bnc", self.landmark_weights, vertices[:, self.landmark_corners])

    def landmarks478(self, vertices: Float[Tensor, "b v 3"]) -> Float[Tensor, "b n 3"]:
        """Return the points of the 478-point layout; irises last."""
        return torch.einsum("nk,bnkc->bnc", self.dense_weights, vertices[:, self.dense_corners])

    def mirrored(self, vertices: Float[Tensor, "b v 3"]) -> Float[Tensor, "b v 3"]:
        """Return the mirror image of a surface, left and right exchanged."""
        return vertices[:, self.mirror] * vertices.new_tensor([-1.0, 1.0, 1.0])


def _bent(
    local: Float[Tensor, "b n 3"], turn: Float[Tensor, "b 3 3"], weight: Float[Tensor, " n"]
) -> Float[Tensor, "b n 3"]:
    """Return points turned by a share of a rotation each.

    Rodrigues' formula divided through by the angle, which never reaches zero: a straight neck, where
    every fit begins, has no axis but does have a gradient.
    """
    whole = rotation.to_axis_angle(turn)[:, None]  # (b, 1, 3)
    angle = (whole.square().sum(dim=-1, keepdim=True) + STRAIGHT).sqrt()
    part = angle * weight[:, None]
    across: Tensor = torch.linalg.cross(whole.expand_as(local), local)
    along = whole * (whole * local).sum(dim=-1, keepdim=True)
    bend = ((part / 2).sin() / angle).square() * 2
    return local * part.cos() + across * (part.sin() / angle) + along * bend


def _edges(mean: Tensor, tensors: dict[str, Tensor], name: str) -> FacingEdges:
    pairs, upper, lower = (tensors[f"{name}_{n}"].long() for n in ("pairs", "upper", "lower"))
    return FacingEdges(mean, pairs, upper, lower)


def rigid(rest: Float[Tensor, "n 3"], moved: Float[Tensor, "b n 3"]) -> tuple[Tensor, Tensor]:
    """Return the rotation and shift that carry ``rest`` best onto ``moved`` (Kabsch, without scale).

    The result is treated as a constant: contact pushes lips, it does not pull at teeth.
    """
    with torch.no_grad():
        middle, centre = rest.mean(dim=0), moved.mean(dim=1)
        between = torch.einsum("ni,bnj->bij", rest - middle, moved - centre[:, None])
        left, _, right = torch.linalg.svd(between)
        sign = torch.det(right.mT @ left.mT).sign()
        fix = torch.stack([torch.ones_like(sign), torch.ones_like(sign), sign], dim=-1)
        turn = right.mT @ torch.diag_embed(fix) @ left.mT
        return turn, centre - turn @ middle


def _looks(names: tuple[str, ...]) -> Float[Tensor, "e 2 2"]:
    table = torch.zeros(len(names), 2, 2)
    for number, name in enumerate(names):
        if name in LOOKS:
            eye, axis, angle = LOOKS[name]
            table[number, int(eye), int(axis)] = angle
    return table


def unpack(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the buffers of a head from the compact numbers of its file."""
    regions = tensors["regions"].float() / 255
    parts = tensors["parts"].long()
    triangles = tensors["triangles"].long()
    lips = regions[:, [REGIONS.index("upper_lip"), REGIONS.index("lower_lip")]].amax(dim=1)
    plain = torch.zeros(len(regions))
    plain[triangles[(parts == Part.SKIN) | (parts == Part.NOSE)].flatten()] = 1
    other = [REGIONS.index(n) for n in ("scalp", "left_brow", "right_brow", "upper_lip", "lower_lip")]
    found = {
        "triangles": triangles,
        "parts": parts,
        "regions": regions,
        "lip_mask": lips,
        "skin_mask": plain * (1 - regions[:, other].amax(dim=1)),
        "identity_modes": tensors["identity"].float() * tensors["identity_scale"][:, None, None],
        "expression_modes": tensors["expression"].float() * tensors["expression_scale"][:, None, None],
        "texture_mean": tensors["texture_mean"].float() / 255,
        "texture_modes": tensors["texture"].float() * tensors["texture_scale"][:, None, None],
        "occlusion": tensors["occlusion"].float() / 255,
    }
    for name in ("mirror", "moving", "landmark_corners", "dense_corners", "eye_vertices", "anchors"):
        found[name] = tensors[name].long()
    for name in ("mean", "jaw_weight", "neck_weight", "eye_local", "landmark_weights", "dense_weights"):
        found[name] = tensors[name].float()
    found["eye_weights"] = tensors["eye_weights"].float()
    return found


def read(path: Path) -> Head:
    """Return the head in a file that ``phiz train head`` wrote."""
    saved = checkpoint.load(path, kind="head")
    try:
        return Head(saved.config, saved.tensors)
    except KeyError as error:
        raise CheckpointError(
            f"{path} is a head, but lacks {error}. Make it anew with: phiz train head"
        ) from error
    except (ValueError, TypeError, RuntimeError) as error:
        raise CheckpointError(
            f"{path} is a head, but its parts do not fit ({error}). Make it anew with: phiz train head"
        ) from error


def built_in() -> Head:
    """Return the head that comes with phiz."""
    return read(BUILT_IN)


def at_rest(face: FaceCoeffs) -> FaceCoeffs:
    """Return the same person with a still face, upright and straight."""
    zero = torch.zeros_like
    return replace(
        face,
        expression=zero(face.expression),
        rotation=zero(face.rotation),
        translation=zero(face.translation),
        jaw=zero(face.jaw),
        neck=zero(face.neck),
        gaze=zero(face.gaze),
    )
