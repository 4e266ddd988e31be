"""From linear light to a picture: what lens, sensor and file format do to it."""

from __future__ import annotations

import io
import math

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from phiz.world.drawn import blur_loops, loops
from phiz.world.scene import Develop

SHOULDER = 0.72
"""Display light above this is compressed instead of cut off, as film does."""
CURVE = 0.28
"""How much of an S-curve every camera's own contrast puts on its pictures."""
GREY = 0.5


def develop(light: Float[Tensor, "3 h w"], settings: Develop, seed: int) -> Float[Tensor, "3 h w"]:
    """Return a picture in [-1, 1] of linear light; the seed drives the sensor's noise."""
    gain = light.new_tensor(settings.white_balance)[:, None, None] * settings.exposure
    exposed = blur(light * gain, settings.blur * light.shape[-2]) * _corners(light, settings.vignette)
    shown = srgb(shoulder(exposed))
    shown = torch.lerp(shown, shown * shown * (3 - 2 * shown), CURVE)
    grey = (shown * shown.new_tensor([0.2126, 0.7152, 0.0722])[:, None, None]).sum(0, keepdim=True)
    shown = grey + settings.saturation * (shown - grey)
    shown = GREY + settings.contrast * (shown - GREY)
    shown = (shown + _noise(shown, settings.noise, seed)).clamp(0, 1)
    return jpeg(shown, settings.jpeg_quality) * 2 - 1


def srgb(light: Float[Tensor, "*n"]) -> Float[Tensor, "*n"]:
    """Return sRGB values of linear light, both in [0, 1]."""
    light = light.clamp(0, 1)
    return torch.where(light <= 0.0031308, 12.92 * light, 1.055 * light.clamp(min=1e-4) ** (1 / 2.4) - 0.055)


def linear(shown: Float[Tensor, "*n"]) -> Float[Tensor, "*n"]:
    """Return linear light of sRGB values, both in [0, 1]."""
    return torch.where(shown <= 0.04045, shown / 12.92, ((shown + 0.055) / 1.055) ** 2.4)


def shoulder(light: Float[Tensor, "*n"]) -> Float[Tensor, "*n"]:
    """Return light with highlights rolled off towards 1; below `SHOULDER` nothing changes."""
    over = (light - SHOULDER).clamp(min=0) / (1 - SHOULDER)
    rolled = SHOULDER + (1 - SHOULDER) * (1 - torch.exp(-over))
    return torch.where(light > SHOULDER, rolled, light)


def gaussian(sigma: float) -> Float[Tensor, " k"]:
    """Return a normalised bell; a single 1 where it is too narrow to matter."""
    if sigma < 0.15:
        return torch.ones(1)
    reach = max(1, math.ceil(2.5 * sigma))
    steps = torch.arange(-reach, reach + 1, dtype=torch.float32)
    bell = torch.exp(-0.5 * (steps / sigma).square())
    return bell / bell.sum()


def blur(picture: Float[Tensor, "c h w"], sigma: float) -> Float[Tensor, "c h w"]:
    """Return the picture under a Gaussian of `sigma` pixels; edges repeat."""
    bell = gaussian(sigma).to(picture)
    reach = bell.shape[0] // 2
    if reach == 0:
        return picture
    reach_h, reach_w = min(reach, picture.shape[-2]), min(reach, picture.shape[-1])
    bell = bell if reach_h == reach_w == reach else gaussian(min(reach_h, reach_w) / 2.6).to(picture)
    reach = bell.shape[0] // 2
    if loops.ready(picture):
        out = np.empty(picture.shape, np.float32)
        blur_loops.blur(loops.array(picture), loops.array(bell), out)
        return torch.from_numpy(out)
    padded = torch.nn.functional.pad(picture[None], (reach,) * 4, mode="replicate")[0]
    height, width = picture.shape[-2:]
    rows = bell[0] * padded[:, :height]
    for k in range(1, 2 * reach + 1):
        rows = rows + bell[k] * padded[:, k : k + height]
    both = bell[0] * rows[:, :, :width]
    for k in range(1, 2 * reach + 1):
        both = both + bell[k] * rows[:, :, k : k + width]
    return both


def jpeg(shown: Float[Tensor, "3 h w"], quality: int) -> Float[Tensor, "3 h w"]:
    """Return the picture (in [0, 1]) after a trip through a JPEG file; quality 0 is no trip."""
    if quality <= 0:
        return shown
    pixels = (shown.permute(1, 2, 0).cpu() * 255 + 0.5).clamp(0, 255).to(torch.uint8).numpy()
    with io.BytesIO() as buffer:
        Image.fromarray(pixels).save(buffer, format="JPEG", quality=quality)
        back = np.asarray(Image.open(buffer).convert("RGB"), np.float32) / 255
    return torch.from_numpy(back).permute(2, 0, 1).to(shown)


def _corners(light: Tensor, amount: float) -> Tensor:
    height, width = light.shape[-2:]
    y = (torch.arange(height, device=light.device) + 0.5) * 2 / height - 1
    x = (torch.arange(width, device=light.device) + 0.5) * 2 / width - 1
    return 1 - amount * ((x.square() + y[:, None].square()) / 2).square()


def _noise(shown: Tensor, amount: float, seed: int) -> Tensor:
    """Return sensor noise: a bit more where it is bright, and blotchier in colour than in grey."""
    if amount <= 0:
        return torch.zeros_like(shown)
    random = torch.Generator().manual_seed(seed)
    grain = torch.randn(4, *shown.shape[-2:], generator=random).to(shown)
    mixed = 0.8 * grain[:1] + 0.6 * grain[1:]
    return amount * mixed * (0.5 + shown.clamp(0, 1)).sqrt()
