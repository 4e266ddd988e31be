"""Changes to labelled pictures, so that what is learned from them holds for photos as well.

Each picture goes through a move (mirroring, turn, size, place), may get another background and something in
front, and then through what cameras and the web do to pictures: light, colour, blur, noise, few pixels,
JPEG. Everything follows from one generator of random numbers. `PUBLISHED` is what the published parser was
trained with, `PHOTO` what makes rendered people teach about photos.
"""

from __future__ import annotations

import io
import math
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image
from torch import Tensor
from torch.nn import functional

from phiz.media import image
from phiz.train import photo_shapes
from phiz.train.labelled_sources import Labelled

GREY = (0.299, 0.587, 0.114)
"""Weights of the colours in what picture libraries call grey."""


@dataclass(frozen=True, kw_only=True)
class PhotoChanges:
    """How pictures are changed before they are learned from."""

    mirror: float = 0.5
    """How often a picture is mirrored; left and right change places in its labels."""
    scales: tuple[float, ...] = (1.0,)
    """Sizes that people are shown at."""
    between: bool = False
    """Any size between the smallest and the largest of those will do."""
    turn_deg: float = 0.0
    """Pictures are turned by up to so much, either way."""
    background: float = 0.0
    """How often the background is replaced by clutter."""
    cover: float = 0.0
    """How often something is in front; it counts as background."""
    jitter: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """By how much brightness, contrast and saturation change, at most, as a share."""
    gamma: float = 0.0
    """By how much middle grey changes, as a share of a factor of e."""
    tint: float = 0.0
    """By how much the colour of the light changes, likewise."""
    grey: float = 0.0
    """How often the colours are taken away."""
    blur: float = 0.0
    """How often a picture is out of focus, or moved."""
    small: float = 0.0
    """How often it is made of few pixels."""
    noise: float = 0.0
    """How often there is noise."""
    jpeg: float = 0.0
    """How often it is packed too tightly."""

    def __post_init__(self) -> None:
        rarely = (self.background, self.cover, self.grey, self.blur, self.small, self.noise, self.jpeg)
        shares = (self.mirror, *rarely)
        if not all(0 <= share <= 1 for share in shares):
            raise ValueError("how often something is done lies between 0 and 1")
        if not self.scales or min(self.scales) <= 0:
            raise ValueError("pictures are shown at one size at least, and no size is zero or less")
        if not all(0 <= share <= 1 for share in self.jitter) or min(self.gamma, self.tint, self.turn_deg) < 0:
            raise ValueError("colours change by shares between 0 and 1, and nothing by less than nothing")


NONE = PhotoChanges(mirror=0.0)
PUBLISHED = PhotoChanges(scales=(0.75, 1.0, 1.25, 1.5, 1.75, 2.0), jitter=(0.5, 0.5, 0.5))
PHOTO = PhotoChanges(
    scales=(0.6, 1.7),
    between=True,
    turn_deg=35.0,
    background=0.4,
    cover=0.25,
    jitter=(0.4, 0.4, 0.5),
    gamma=0.4,
    tint=0.15,
    grey=0.1,
    blur=0.3,
    small=0.25,
    noise=0.35,
    jpeg=0.4,
)


def changed(
    found: Labelled,
    changes: PhotoChanges,
    *,
    size: int,
    crop: int,
    swap: UInt8[Tensor, " 256"],
    rng: np.random.Generator,
) -> tuple[UInt8[Tensor, "3 {crop} {crop}"], UInt8[Tensor, "{crop} {crop}"]]:
    """Return a window of `crop` pixels of a picture whose longer side would have `size`, and its labels.

    `swap` is what each label becomes in a mirrored picture, see `swapped`.
    """
    picture, labels, alpha = moved(found, changes, size=size, crop=crop, swap=swap, rng=rng)
    if rng.random() < changes.background:
        behind = photo_shapes.clutter(crop, crop, rng)
        picture = behind + alpha * (picture - behind)
    if rng.random() < changes.cover:
        picture, mask = photo_shapes.covered(picture, rng)
        labels = torch.where(mask[0] > 0.5, 0, labels).to(torch.uint8)
    picture = photographed(picture, changes, rng)
    return (picture.clamp(0, 1) * 255 + 0.5).to(torch.uint8), labels


def swapped(pairs: tuple[tuple[int, int], ...]) -> UInt8[Tensor, " 256"]:
    """Return what each label becomes when a picture is mirrored: pairs change places."""
    table = torch.arange(256, dtype=torch.uint8)
    for left, right in pairs:
        table[left], table[right] = right, left
    return table


def moved(
    found: Labelled,
    changes: PhotoChanges,
    *,
    size: int,
    crop: int,
    swap: UInt8[Tensor, " 256"],
    rng: np.random.Generator,
) -> tuple[
    Float[Tensor, "3 {crop} {crop}"], UInt8[Tensor, "{crop} {crop}"], Float[Tensor, "1 {crop} {crop}"]
]:
    """Return a window of a picture in [0, 1], its labels, and how much of each pixel the person covers."""
    height, width = found.labels.shape
    scale = _scale(changes, rng) * size / max(height, width)
    if not changes.turn_deg:
        scale = max(scale, crop / min(height, width))  # there is enough to fill the window, as published
    picture = found.image.float() / 255
    cover = torch.cat([picture, found.alpha[None].float() / 255])[None]
    if scale < 1:  # fewer pixels: means of them, so that nothing aliases
        small = (max(round(height * scale), 2), max(round(width * scale), 2))
        cover = functional.interpolate(cover, size=small, mode="bilinear", antialias=True)
    is_mirrored = rng.random() < changes.mirror
    grid = _grid((height, width), scale, crop, math.radians(changes.turn_deg), is_mirrored, rng)
    cover = functional.grid_sample(
        cover, grid, mode="bilinear", padding_mode="reflection", align_corners=False
    )
    levels = found.labels[None, None].float()
    levels = functional.grid_sample(
        levels, grid, mode="nearest", padding_mode="reflection", align_corners=False
    )
    labels = levels[0, 0].to(torch.uint8)
    return cover[0, :3], swap[labels.int()] if is_mirrored else labels, cover[0, 3:]


def photographed(
    picture: Float[Tensor, "3 h w"], changes: PhotoChanges, rng: np.random.Generator
) -> Float[Tensor, "3 h w"]:
    """Return what becomes of a picture in [0, 1] in a camera and on its way through the web."""
    if changes.gamma or changes.tint:
        powers = math.exp(changes.gamma * rng.uniform(-1, 1))
        gains = np.exp(changes.tint * rng.standard_normal((3, 1, 1)).astype(np.float32))
        picture = picture.clamp(min=1e-6) ** powers * torch.from_numpy(gains)
    if any(changes.jitter):
        picture = recoloured(picture, *(1 + share * rng.uniform(-1, 1) for share in changes.jitter))
    if rng.random() < changes.grey:
        picture = _luma(picture).expand(3, -1, -1)
    if rng.random() < changes.small:
        picture = _coarse(picture, rng)
    if rng.random() < changes.blur:
        picture = _smeared(picture, rng) if rng.random() < 0.3 else _blurred(picture, rng)
    if rng.random() < changes.noise:
        picture = _noisy(picture, rng)
    if rng.random() < changes.jpeg:
        picture = _packed(picture, int(rng.integers(12, 80)))
    return picture


def recoloured(
    picture: Float[Tensor, "3 h w"], bright: float, contrast: float, colourful: float
) -> Float[Tensor, "3 h w"]:
    """Return a picture with its brightness, contrast and saturation multiplied, in this order."""
    picture = (picture * bright).clamp(0, 1)
    middle = _luma(picture).mean()
    picture = (middle + contrast * (picture - middle)).clamp(0, 1)
    grey = _luma(picture)
    return (grey + colourful * (picture - grey)).clamp(0, 1)


def _scale(changes: PhotoChanges, rng: np.random.Generator) -> float:
    if changes.between:
        least, most = math.log(min(changes.scales)), math.log(max(changes.scales))
        return math.exp(rng.uniform(least, most))
    return float(changes.scales[int(rng.integers(len(changes.scales)))])


def _grid(
    size: tuple[int, int],
    scale: float,
    crop: int,
    most_turned: float,
    is_mirrored: bool,
    rng: np.random.Generator,
) -> Float[Tensor, "1 c c 2"]:
    """Return where each pixel of a window looks in a picture that is shown at a scale.

    The window lies within the picture where that is large enough, and the picture within the window where it
    is not; a turn is about the middle of the window.
    """
    height, width = size
    places = rng.uniform(-1, 1, 2)
    x0, y0 = (
        place * abs(side * scale - crop) / 2 for place, side in zip(places, (width, height), strict=True)
    )
    if not most_turned:  # whole pixels stay what they are
        x0, y0 = (_whole(at, side, scale, crop) for at, side in ((x0, width), (y0, height)))
    angle = rng.uniform(-1, 1) * most_turned
    steps = torch.arange(crop) + 0.5 - crop / 2
    x, y = (-steps if is_mirrored else steps)[None, :], steps[:, None]
    c, s = math.cos(angle), math.sin(angle)
    across, down = c * x - s * y + x0, s * x + c * y + y0
    return torch.stack([2 * across / (width * scale), 2 * down / (height * scale)], dim=-1)[None].float()


def _whole(at: float, side: int, scale: float, crop: int) -> float:
    """Return a place near another at which pixels of a window and of a picture fall together."""
    half = (side * scale - crop) / 2
    return round(at + half) - half


def _luma(picture: Float[Tensor, "3 h w"]) -> Float[Tensor, "1 h w"]:
    return (picture * picture.new_tensor(GREY)[:, None, None]).sum(0, keepdim=True)


def _coarse(picture: Float[Tensor, "3 h w"], rng: np.random.Generator) -> Float[Tensor, "3 h w"]:
    height, width = picture.shape[1:]
    factor = math.exp(rng.uniform(math.log(1.5), math.log(5)))
    size = (max(round(height / factor), 4), max(round(width / factor), 4))
    small = functional.interpolate(picture[None], size=size, mode="bilinear", antialias=True)
    mode = ("bilinear", "bicubic", "nearest")[int(rng.integers(3))]
    return functional.interpolate(small, size=(height, width), mode=mode)[0].clamp(0, 1)


def _blurred(picture: Float[Tensor, "3 h w"], rng: np.random.Generator) -> Float[Tensor, "3 h w"]:
    sigma = math.exp(rng.uniform(math.log(0.4), math.log(max(0.012 * picture.shape[1], 0.5))))
    reach = max(1, math.ceil(2.5 * sigma))
    steps = torch.arange(-reach, reach + 1, dtype=torch.float32)
    bell = torch.exp(-0.5 * (steps / sigma) ** 2)
    bell = bell / bell.sum()
    padded = functional.pad(picture[:, None], (reach,) * 4, mode="replicate")
    across = functional.conv2d(padded, bell[None, None, None])
    return functional.conv2d(across, bell[None, None, :, None])[:, 0]


def _smeared(picture: Float[Tensor, "3 h w"], rng: np.random.Generator) -> Float[Tensor, "3 h w"]:
    """Return a picture whose camera moved along a line."""
    reach = max(1, round(float(rng.uniform(0.005, 0.02)) * picture.shape[1]))
    angle = rng.uniform(0, math.pi)
    total = torch.zeros_like(picture)
    for step in range(-reach, reach + 1):
        shift = (round(step * math.sin(angle)), round(step * math.cos(angle)))
        padded = functional.pad(picture[None], (reach,) * 4, mode="replicate")[0]
        top, left = reach + shift[0], reach + shift[1]
        total += padded[:, top : top + picture.shape[1], left : left + picture.shape[2]]
    return total / (2 * reach + 1)


def _noisy(picture: Float[Tensor, "3 h w"], rng: np.random.Generator) -> Float[Tensor, "3 h w"]:
    strength, tinted = 0.08 * math.pow(rng.random(), 1.5), float(rng.random())
    grain = torch.from_numpy(rng.standard_normal(tuple(picture.shape), np.float32))
    return (picture + strength * (tinted * grain + (1 - tinted) * grain[:1])).clamp(0, 1)


def _packed(picture: Float[Tensor, "3 h w"], quality: int) -> Float[Tensor, "3 h w"]:
    target = io.BytesIO()
    pixels = image.to_bytes(picture.clamp(0, 1) * 2 - 1).numpy()
    Image.fromarray(pixels).save(target, "JPEG", quality=quality)
    with Image.open(target) as opened:
        unpacked: Tensor = torch.from_numpy(np.array(opened)).movedim(-1, 0)
    shown: Tensor = unpacked.float() / 255
    return shown
