"""Rays through pixels: where they start, where along them one looks, and how that adds up.

Directions are NOT unit vectors: they advance one unit of depth (along the camera's axis) a step,
so that depths along a ray are depths of the picture. Lengths in space are depth steps times the
direction's length, which `composite_weights` wants as `stretch`.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from phiz.graphics import frames
from phiz.graphics.camera import Camera


def pixel_grid(height: int, width: int, device: torch.device | str = "cpu") -> Float[Tensor, "h w 2"]:
    """Return (u, v) of all pixel centres, the top row first."""
    u = (torch.arange(width, device=device) + 0.5) * (2 / width) - 1
    v = (torch.arange(height, device=device) + 0.5) * (2 / height) - 1
    v, u = torch.meshgrid(v, u, indexing="ij")
    return torch.stack([u, v], dim=-1)


def rays_through(
    camera: Camera, uv: Float[Tensor, "b r 2"]
) -> tuple[Float[Tensor, "b 3"], Float[Tensor, "b r 3"]]:
    """Return where the rays through picture points start, and how they go on for one unit of depth."""
    inner = camera.intrinsics[:, None]
    x = (uv[..., 0] - inner[..., 0, 2]) / inner[..., 0, 0]
    y = (inner[..., 1, 2] - uv[..., 1]) / inner[..., 1, 1]
    local = torch.stack([x, y, -torch.ones_like(x)], dim=-1)
    return camera.position, frames.turn(camera.world_from_camera, local)


def points_along(
    origins: Float[Tensor, "b 3"], directions: Float[Tensor, "b r 3"], depths: Float[Tensor, "b r s"]
) -> Float[Tensor, "b r s 3"]:
    """Return the points at some depths of each ray."""
    return origins[:, None, None] + depths[..., None] * directions[..., None, :]


def linear_depths(
    near: float, far: float, samples: int, device: torch.device | str = "cpu"
) -> Float[Tensor, " s"]:
    """Return evenly spaced depths, both ends included."""
    return torch.linspace(near, far, samples, device=device)


def jitter(depths: Float[Tensor, "*b s"], generator: torch.Generator | None = None) -> Float[Tensor, "*b s"]:
    """Return each depth moved at random within its stratum.

    Strata reach from the middle to the neighbour before to the middle to the neighbour after; the
    first begins at the first depth, the last ends at the last. Order is kept.
    """
    middle = (depths[..., 1:] + depths[..., :-1]) / 2
    lower = torch.cat([depths[..., :1], middle], dim=-1)
    upper = torch.cat([middle, depths[..., -1:]], dim=-1)
    chance = torch.rand(depths.shape, generator=generator, dtype=depths.dtype, device=depths.device)
    return lower + (upper - lower) * chance


def even_chances(like: Float[Tensor, "*b s"], samples: int) -> Float[Tensor, "*b n"]:
    """Return evenly spaced numbers from 0 to 1 for each ray: what `inverse_cdf` takes at rest."""
    chances = torch.linspace(0, 1, samples, dtype=like.dtype, device=like.device)
    return chances.expand(*like.shape[:-1], samples)


def inverse_cdf(
    edges: Float[Tensor, "*b e"], weights: Float[Tensor, "*b e-1"], chances: Float[Tensor, "*b n"]
) -> Float[Tensor, "*b n"]:
    """Return where a piecewise constant density has grown to each chance in [0, 1].

    Section 5.2 of NeRF (Mildenhall et al., 2020): many samples where `weights`, one for each
    interval between `edges`, are large. The small constants are the published ones.
    """
    weights = weights + 1e-5
    density = weights / weights.sum(-1, keepdim=True)
    grown = torch.cat([torch.zeros_like(density[..., :1]), density.cumsum(-1)], dim=-1)
    place = torch.searchsorted(grown, chances.contiguous())
    below, above = (place - 1).clamp(min=0), place.clamp(max=edges.shape[-1] - 1)
    start, end = grown.gather(-1, below), grown.gather(-1, above)
    step = end - start
    part = (chances - start) / torch.where(step < 1e-5, torch.ones_like(step), step)
    first, last = edges.gather(-1, below), edges.gather(-1, above)
    return first + part * (last - first)


def finer_depths(
    depths: Float[Tensor, "*b s"], weights: Float[Tensor, "*b s"], chances: Float[Tensor, "*b n"]
) -> Float[Tensor, "*b n"]:
    """Return new depths where the coarse samples weigh much; no gradient flows through them.

    Intervals lie between the middles of neighbouring samples, so the first and the last sample's
    weights have none.
    """
    middle = (depths[..., 1:] + depths[..., :-1]) / 2
    return inverse_cdf(middle.detach(), weights[..., 1:-1].detach(), chances)


def composite_weights(
    density: Float[Tensor, "*b s"],
    depths: Float[Tensor, "*b s"],
    stretch: Float[Tensor, "*b"],
    *,
    opaque: bool,
) -> tuple[Float[Tensor, "*b s"], Float[Tensor, "*b"]]:
    """Return how much each sample adds to its pixel, and how much light passes them all.

    Equation 3 of NeRF (Mildenhall et al., 2020). `density` is not negative; `stretch` is the length
    of the ray's direction. If the last sample is `opaque`, it swallows what is left and the weights
    add up to one; else it has no length, and the second answer is what shows the background.
    """
    absorbed = density[..., :-1] * depths.diff(dim=-1) * stretch[..., None]
    alpha = 1 - torch.exp(-absorbed)
    # parity: the published product, small constant included. A sum of exponents is the same but for
    # the last digit, which finer sampling blows up where a ray holds almost nothing.
    passing = torch.cumprod(1 - alpha + 1e-10, dim=-1)
    through = torch.cat([torch.ones_like(density[..., :1]), passing], dim=-1)  # before each sample
    last = torch.full_like(density[..., :1], float(opaque))
    left = through[..., -1]
    return torch.cat([alpha, last], dim=-1) * through, torch.zeros_like(left) if opaque else left
