"""One picture: looked at, cut out, judged, fitted; and one sound: brought to one channel at 16 kHz.

What comes back depends on the picture, the eyes and the settings alone, never on who else is looked at.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image
from torch import Tensor

from phiz.errors import MediaError
from phiz.face import align, candidates, parse, warp
from phiz.face.align import Crop
from phiz.face.fit import Fit, FitConfig, fit
from phiz.face.fit_photometry import PHOTO
from phiz.face.fit_points import Landmarks
from phiz.face.landmarks import SPARSE, FacePoints
from phiz.media import image, photo
from phiz.prepare import judge
from phiz.prepare.eyes import Eyes
from phiz.prepare.judge import Limits
from phiz.world.data import layout
from phiz.world.data.produce import one_thread

CROP, MASK = ".jpg", ".png"
"""What belongs to the result of a kept picture."""
QUALITY = 95
THUMBNAIL = 96
"""Greatest side of the small picture that a result keeps, for the sheet."""
DIGITS = 6
"""Significant digits of coefficients."""
PIXEL_DIGITS = 3
"""Digits of landmarks behind the point."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What is wanted of every picture."""

    size: int = 1024
    limits: Limits = field(default_factory=Limits)
    background: str = "white"
    colours: bool = False
    """Fit the colours as well."""

    def known(self) -> dict[str, object]:
        """Return everything that the result of one picture depends on."""
        found = asdict(self)
        del found["limits"]["duplicate"]  # of several pictures
        return found


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What was found in a picture."""

    values: Mapping[str, Any]
    """Plain JSON: reason, detail, measures; of kept pictures pose, expression, landmarks, hash."""
    parts: Mapping[str, bytes]
    """The crop as JPEG and, if wanted, the classes of its pixels as PNG."""

    @property
    def reason(self) -> str:
        """Return why the picture was dropped; nothing if it was kept."""
        return str(self.values["reason"])


def look_at_file(data: bytes, eyes: Eyes, settings: Settings) -> Seen:
    """Return what is found in the bytes of a picture's file."""
    try:
        shown = photo.decode(data, background=settings.background)
    except MediaError as error:
        return _dropped("unreadable", str(error))
    return look(shown.picture, eyes, settings, shrunk=min(shown.scale))


@torch.no_grad()
def look(picture: Float[Tensor, "3 h w"], eyes: Eyes, settings: Settings, *, shrunk: float = 1.0) -> Seen:
    """Return what is found in a picture, which may have been shrunk before; on one thread."""
    with one_thread():
        faces = candidates.search(picture, eyes.detector).faces
        reason = judge.wrong_with_faces(faces, settings.limits)
        if reason:
            return _dropped(reason, f"{len(faces)} faces" if faces else "", picture)
        points = eyes.points.points_of(picture, max(faces, key=lambda face: face.size))
        try:
            crop = align.ffhq(picture, points.sparse[0], settings.size)
        except MediaError as error:
            return _dropped("points unsure", str(error), picture)
        measures = judge.measured(picture, points, crop, shrunk)
        reason, detail = judge.wrong_with_crop(measures, settings.limits)
        if reason:
            return _dropped(reason, detail, picture, measures)
        found = fitted(crop, points, eyes, settings)
        turned, placed = layout.head_pose(found.face, found.camera)
        measures |= {"agreeing": float(found.agreeing[0]), "point_error": float(found.point_error[0])}
        measures |= {"pitch": float(turned[0]), "yaw": float(turned[1])}
        reason, detail = judge.wrong_with_fit(
            measures["pitch"], measures["yaw"], measures["agreeing"], settings.limits
        )
        if reason:
            return _dropped(reason, detail, picture, measures)
        values = {
            "reason": "",
            "detail": "",
            "measures": _rounded(measures),
            "pose": [*_numbers(turned), *_numbers(placed)],
            "expression": _numbers(found.face.expression[0]),
            "landmarks": [
                [round(x, PIXEL_DIGITS), round(y, PIXEL_DIGITS)]
                for x, y in crop.to_crop(points.sparse[0].double()).tolist()
            ],
            "hash": judge.perceptual_hash(crop.picture),
            "thumb": thumbnail(crop.picture),
        }
        return Seen(values=values, parts=_parts(crop, eyes))


def fitted(crop: Crop, points: FacePoints, eyes: Eyes, settings: Settings) -> Fit:
    """Return the head in a crop. It is fitted alone: the last digits of a fit depend on its company."""
    smaller = 1 / float(warp.size_of(crop.photo_from_crop))
    tiny = torch.finfo(torch.float32).tiny
    marks = Landmarks(
        xy=crop.to_crop(points.dense),
        sigma=(points.sigma[:, SPARSE:] * smaller).clamp_min(tiny),
    )
    side = settings.size
    chosen = FitConfig(photo=PHOTO if settings.colours else None)
    pictures = [crop.picture] if settings.colours else None
    return fit(eyes.head, marks, [(side, side)], pictures, config=chosen)


def thumbnail(picture: Float[Tensor, "3 h w"]) -> str:
    """Return a small JPEG of a picture as base64."""
    small = Image.fromarray(image.to_bytes(picture).numpy())
    small.thumbnail((THUMBNAIL, THUMBNAIL), Image.Resampling.BOX)
    target = io.BytesIO()
    small.save(target, "JPEG", quality=80)
    return base64.b64encode(target.getvalue()).decode("ascii")


def shown(thumb: str) -> Image.Image:
    """Return the picture that `thumbnail` made."""
    with Image.open(io.BytesIO(base64.b64decode(thumb))) as found:
        picture: Image.Image = found.convert("RGB")
        return picture


def _parts(crop: Crop, eyes: Eyes) -> dict[str, bytes]:
    parts = {CROP: image.encode(crop.picture, CROP, quality=QUALITY)}
    if eyes.parser is not None:
        parts[MASK] = _png(parse.parse(eyes.parser, crop.picture[None])[0])
    return parts


def _png(classes: UInt8[Tensor, "h w"]) -> bytes:
    target = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(classes.cpu().numpy())).save(target, "PNG", compress_level=4)
    return target.getvalue()


def _dropped(
    reason: str, detail: str, picture: Tensor | None = None, measures: Mapping[str, float] | None = None
) -> Seen:
    values = {
        "reason": reason,
        "detail": detail,
        "measures": _rounded(measures or {}),
        "thumb": "" if picture is None else thumbnail(picture),
    }
    return Seen(values=values, parts={})


def _rounded(values: Mapping[str, float]) -> dict[str, float]:
    return {name: float(f"{value:.4g}") for name, value in values.items()}


def _numbers(values: Tensor) -> list[float]:
    return [float(f"{value:.{DIGITS}g}") for value in values.tolist()]
