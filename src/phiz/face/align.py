"""The three ways to cut out a face that networks expect, each with the way back into the photo.

All points are pixel coordinates of the photo: y down, the centre of the first pixel at (0.5, 0.5). Published
tools count pixels from their centres, and some count y upwards; what they print is half a pixel less. Either
the 68 iBUG landmarks or the five alignment points will do (see `phiz.face.points`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from phiz.errors import MediaError
from phiz.face import bicubic, points, warp
from phiz.media import image

FFHQ_SIZE = 1024
RECOGNITION_SIZE = 112
REGRESSION_SIZE = 224

EYE_SPAN, MOUTH_SPAN, MOUTH_SHIFT = 2.0, 1.8, 0.1
"""Half an FFHQ crop's side in distances from eye to eye or from eyes to mouth; its middle below the eyes."""
BORDER, MOST_NEAR, MIRRORED, BLUR = 0.1, 4, 0.3, 0.02
"""Shares of an FFHQ crop's side: kept around it, mirrored beyond edges, blurred; and the pixels from an edge
at which mirroring begins."""

RECOGNITION_POINTS = (
    (38.2946, 51.6963),
    (73.5318, 51.5014),
    (56.0252, 71.7366),
    (41.5493, 92.3655),
    (70.7299, 92.2041),
)
"""Where recognition networks expect the five points in 112 pixels, counted from pixel centres."""

REGRESSION_POINTS = (
    (-0.31148657, 0.29036078, 0.13377953),
    (0.30979887, 0.28972036, 0.13179526),
    (0.0032535, -0.04617932, 0.55244243),
    (-0.25216928, -0.38133916, 0.22405732),
    (0.2484662, -0.38128236, 0.22235769),
)
"""The published face reconstruction's standard face: the five points in three dimensions, y up."""
REGRESSION_SCALE = 102.0
"""Pixels that a unit of the standard face spans in a regression crop."""

_CENTRE = 0.5
"""What pixel coordinates are more than those counted from pixel centres."""


@dataclass(frozen=True, kw_only=True)
class Crop:
    """A square cut out of a photo, and where it lies in it."""

    picture: Float[Tensor, "3 s s"]
    photo_from_crop: Float[Tensor, "2 3"]
    """In float64; takes pixel coordinates of the crop to those of the photo."""
    seen: Float[Tensor, "1 s s"]
    """1 where the crop shows the photo, 0 where it had to be made up: beyond edges, and blurred near them."""

    def to_photo(self, places: Float[Tensor, "*b n 2"]) -> Float[Tensor, "*b n 2"]:
        """Return where points of the crop, landmarks for example, lie in the photo."""
        return warp.apply(self.photo_from_crop, places)

    def to_crop(self, places: Float[Tensor, "*b n 2"]) -> Float[Tensor, "*b n 2"]:
        """Return where points of the photo lie in the crop."""
        return warp.apply(warp.invert(self.photo_from_crop), places)


@dataclass(frozen=True, kw_only=True)
class RegressionFrame:
    """How the published reconstruction places a face: a resized photo, of which 224 pixels are cut out."""

    width: int
    height: int
    """Of the photo."""
    scale: float
    shift: tuple[float, float]
    """Where the standard face's origin lies in the photo, y up, counted from pixel centres."""

    @property
    def resized(self) -> tuple[int, int]:
        """Return the resized photo's width and height."""
        return int(self.width * self.scale), int(self.height * self.scale)

    @property
    def corner(self) -> tuple[int, int]:
        """Return the crop's left and top in the resized photo; either may be negative."""
        half = REGRESSION_SIZE / 2
        across = (self.shift[0] - self.width / 2) * self.scale
        down = (self.height / 2 - self.shift[1]) * self.scale
        return int(self.resized[0] / 2 - half + across), int(self.resized[1] / 2 - half + down)

    @property
    def photo_from_crop(self) -> Float[Tensor, "2 3"]:
        """Return where the crop's pixels really lie, roundings to whole pixels included."""
        across, down = self.width / self.resized[0], self.height / self.resized[1]
        return warp.scaling(across, down, self.corner[0] * across, self.corner[1] * down)

    def published(self, places: Float[Tensor, "*b n 2"]) -> Float[Tensor, "*b n 2"]:
        """Return points of the photo in the crop as the published trainer has them: targets of its loss.

        They are counted from pixel centres with y up, and know nothing of the roundings to whole pixels, so
        they are up to a pixel off from what the crop shows.
        """
        resized = places.new_tensor(self.resized, dtype=torch.float64)
        size = places.new_tensor([self.width, self.height], dtype=torch.float64)
        shift = places.new_tensor(self.shift, dtype=torch.float64)
        centred = _upwards(places.double(), self.height) - shift + size / 2
        return (centred * self.scale - (resized / 2 - REGRESSION_SIZE / 2)).to(places.dtype)


def ffhq_frame(landmarks: Float[Tensor, "n 2"], size: int = FFHQ_SIZE) -> Float[Tensor, "2 3"]:
    """Return ``photo_from_crop`` of the square that FFHQ's makers (Karras et al., 2019) cut around a face.

    It is upright with the eyes, and its side follows from the larger of the distances from eye to eye and
    from the eyes to the mouth.
    """
    left, right, mouth_left, mouth_right = _eyes_and_mouth(landmarks)
    eyes = (left + right) / 2
    between = right - left
    below = (mouth_left + mouth_right) / 2 - eyes
    across = between + torch.stack([below[1], -below[0]])  # both point to the picture's right
    length = torch.maximum(EYE_SPAN * between.norm(), MOUTH_SPAN * below.norm())
    if not (bool(torch.isfinite(landmarks).all()) and float(across.norm()) > 1e-6 and float(length) > 1e-6):
        raise _no_face(landmarks)
    x = across / across.norm() * length
    y = torch.stack([-x[1], x[0]])
    middle = eyes + MOUTH_SHIFT * below
    return torch.stack([x * 2 / size, y * 2 / size, middle - x - y], dim=1)


def ffhq(photo: Float[Tensor, "3 h w"], landmarks: Float[Tensor, "n 2"], size: int = FFHQ_SIZE) -> Crop:
    """Return the crop that generators of the FFHQ kind expect.

    Where it reaches beyond the photo, the photo is mirrored, blurred and faded into its median colour. What
    the published tool does in four steps of whole pixels happens in one here, so the way back is exact.
    """
    frame = ffhq_frame(landmarks, size)
    _refuse_outside(photo, frame, size)
    square = size, size
    part, into = warp.reduce(photo[None], frame[None], square, margin=BORDER * size)
    part_from_crop = into[0]
    side = float(warp.size_of(part_from_crop)) * size
    margins = _mirrored_margins(part_from_crop, size, side, part.shape[-1], part.shape[-2])
    if margins is None:
        cut = warp.sample(part, part_from_crop[None], square)[0]
        return Crop(picture=cut.clamp(-1, 1), photo_from_crop=frame, seen=torch.ones_like(cut[:1]))
    grown, seen = warp.extend(part[0], margins, BLUR * side)
    shift = warp.scaling(1, 1, margins[0], margins[1])
    found = warp.sample(torch.cat([grown, seen])[None], warp.join(shift, part_from_crop)[None], square)[0]
    return Crop(picture=found[:3].clamp(-1, 1), photo_from_crop=frame, seen=found[3:].clamp(0, 1))


def recognition_frame(landmarks: Float[Tensor, "*b n 2"]) -> Float[Tensor, "*b 2 3"]:
    """Return ``photo_from_crop`` of the 112 x 112 crops of recognition networks, for one face or many.

    The similarity that brings the five points nearest to their places (Umeyama, 1991). In a plane it is a
    complex number times a point plus another, found by least squares.
    """
    five = _five(landmarks).double()
    target = five.new_tensor(RECOGNITION_POINTS) + _CENTRE
    middle, aim = five.mean(dim=-2), target.mean(dim=0)
    source = torch.view_as_complex((five - middle[..., None, :]).contiguous())
    wanted = torch.view_as_complex((target - aim).contiguous())
    spread = source.abs().square().sum(dim=-1)
    turn = (source.conj() * wanted).sum(dim=-1) / spread
    if not bool(torch.isfinite(turn).all() and (turn.abs() > 1e-12).all()):
        raise _no_face(landmarks)
    columns = [torch.view_as_real(turn), torch.view_as_real(1j * turn)]
    linear = torch.stack(columns, dim=-1)
    shift = aim - (linear @ middle[..., None])[..., 0]
    return warp.invert(torch.cat([linear, shift[..., None]], dim=-1))


def recognition(
    photo: Float[Tensor, "3 h w"], landmarks: Float[Tensor, "n 2"], *, is_smooth: bool = True
) -> Crop:
    """Return the 112 x 112 crop that recognition networks expect; beyond the photo it is black.

    The published tools interpolate linearly, which is what `is_smooth` off does; it aliases where the photo
    is much larger.
    """
    frame = recognition_frame(landmarks)
    _refuse_outside(photo, frame, RECOGNITION_SIZE)
    square = RECOGNITION_SIZE, RECOGNITION_SIZE
    cut = warp.sample(photo[None], frame[None], square, is_smooth=is_smooth)[0].clamp(-1, 1)
    return Crop(picture=cut, photo_from_crop=frame, seen=_shown(photo, frame, RECOGNITION_SIZE))


def regression_frame(landmarks: Float[Tensor, "n 2"], height: int, width: int) -> RegressionFrame:
    """Return how the published reconstruction (Deng et al., 2019) places a face in its 224 x 224 pixels.

    The affine camera under which the standard face comes nearest to the five points, by least squares; of
    it only the shift and the mean scale of its two rows are used.
    """
    five = _upwards(_five(landmarks).double().cpu(), height)
    if not bool(torch.isfinite(five).all()):
        raise _no_face(landmarks)
    standard = torch.tensor(REGRESSION_POINTS, dtype=torch.float64)
    columns = torch.cat([standard, torch.ones(len(standard), 1, dtype=torch.float64)], dim=1)
    camera = torch.linalg.lstsq(columns, five).solution  # (4, 2): three of rotation and scale, one of shift
    size = float(camera[:3].norm(dim=0).mean())
    if size < 1e-6:
        raise _no_face(landmarks)
    x, y = camera[3].tolist()
    frame = RegressionFrame(width=width, height=height, scale=REGRESSION_SCALE / size, shift=(x, y))
    if min(frame.resized) < 1:
        raise MediaError(
            f"a face {size:.0f} pixels wide in a photo of {width} x {height} leaves nothing to cut. "
            "Check the landmarks."
        )
    return frame


def regression(photo: Float[Tensor, "3 h w"], landmarks: Float[Tensor, "n 2"]) -> Crop:
    """Return the 224 x 224 crop that face reconstruction expects, byte for byte as published.

    The photo is rounded to bytes; Pillow's bicubic filter and its rounding are part of what the published
    network was trained on. Beyond the photo the crop is black.
    """
    frame = regression_frame(landmarks, photo.shape[1], photo.shape[2])
    _refuse_outside(photo, frame.photo_from_crop, REGRESSION_SIZE)
    pixels = image.to_bytes(photo.detach().cpu()).numpy()
    left, top = frame.corner
    right, bottom = left + REGRESSION_SIZE, top + REGRESSION_SIZE
    if frame.scale < 1:
        small = Image.fromarray(pixels).resize(frame.resized, Image.Resampling.BICUBIC)
        cut = np.array(small.crop((left, top, right, bottom)))
    else:
        square = REGRESSION_SIZE, REGRESSION_SIZE
        cut = np.ascontiguousarray(bicubic.enlarged_part(pixels, frame.resized, frame.corner, square))
    across, down = frame.resized
    seen = np.zeros((1, REGRESSION_SIZE, REGRESSION_SIZE), np.float32)
    seen[:, max(-top, 0) : max(down - top, 0), max(-left, 0) : max(across - left, 0)] = 1
    return Crop(
        picture=image.from_bytes(torch.from_numpy(cut)).to(photo),
        photo_from_crop=frame.photo_from_crop.to(photo.device),
        seen=torch.from_numpy(seen).to(photo),
    )


def _five(landmarks: Float[Tensor, "*b n 2"]) -> Float[Tensor, "*b 5 2"]:
    if landmarks.shape[-2] == len(points.MIRROR_68):
        return points.five_points(landmarks)
    if landmarks.shape[-2] != len(points.FIVE_FROM_68):
        raise ValueError(f"alignment takes 68 landmarks or 5 points, not {landmarks.shape[-2]}")
    return landmarks


def _eyes_and_mouth(landmarks: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return the middles of both eyes and the corners of the mouth, the picture's left ones first.

    parity: with 68 landmarks an eye's middle is the mean of all six here, not of its corners.
    """
    wide = landmarks.double()
    left, right, _, mouth_left, mouth_right = _five(wide)
    if len(wide) == len(points.MIRROR_68):
        left, right = (wide[list(eye)].mean(dim=0) for eye in (points.RIGHT_EYE, points.LEFT_EYE))
    return left, right, mouth_left, mouth_right


def _upwards(places: Tensor, height: int) -> Tensor:
    """Return points counted from pixel centres with y up."""
    return torch.stack([places[..., 0] - _CENTRE, height - 1 - (places[..., 1] - _CENTRE)], dim=-1)


def _shown(photo: Tensor, photo_from_crop: Tensor, size: int) -> Tensor:
    """Return 1 where a crop's pixels lie in the photo."""
    middles = torch.arange(size, dtype=torch.float64, device=photo_from_crop.device) + 0.5
    places = warp.apply(photo_from_crop, torch.cartesian_prod(middles, middles).flip(-1))
    edge = places.new_tensor([photo.shape[2], photo.shape[1]])
    inside = ((places >= 0) & (places <= edge)).all(dim=-1)
    return inside.reshape(1, size, size).to(photo)


def _mirrored_margins(
    part_from_crop: Tensor, size: int, side: float, width: int, height: int
) -> tuple[int, int, int, int] | None:
    """Return by how much to grow a picture to the left, top, right and bottom; None if the crop fits."""
    outer = warp.apply(part_from_crop, warp.corners(size, size).to(part_from_crop))
    low, high = outer.amin(dim=0).floor().tolist(), outer.amax(dim=0).ceil().tolist()
    border = max(round(BORDER * side), 3)
    needed = [-low[0] + border, -low[1] + border, high[0] - width + border, high[1] - height + border]
    if max(needed) <= border - MOST_NEAR:
        return None
    least = round(MIRRORED * side)
    left, top, right, bottom = (max(math.ceil(one), least) for one in needed)
    return left, top, right, bottom


def _refuse_outside(photo: Tensor, photo_from_crop: Tensor, size: int) -> None:
    """Raise an error if a crop shows nothing of its photo."""
    outer = warp.apply(photo_from_crop, warp.corners(size, size).to(photo_from_crop))
    low, high = outer.amin(dim=0).tolist(), outer.amax(dim=0).tolist()
    height, width = photo.shape[1:]
    if high[0] > 0 and high[1] > 0 and low[0] < width and low[1] < height:
        return
    raise MediaError(
        f"the face lies around {[round((a + b) / 2) for a, b in zip(low, high, strict=True)]}, outside its "
        f"photo of {width} x {height} pixels. Detect it again, in this photo."
    )


def _no_face(landmarks: Tensor) -> MediaError:
    low, high = landmarks.detach().flatten(0, -2).amin(dim=0), landmarks.detach().flatten(0, -2).amax(dim=0)
    return MediaError(
        f"the landmarks lie between {[round(v, 1) for v in low.tolist()]} and "
        f"{[round(v, 1) for v in high.tolist()]}, which cannot be a face. Detect them again."
    )
