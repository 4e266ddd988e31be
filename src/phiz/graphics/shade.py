"""Light from all around in nine numbers a colour channel (spherical harmonics of order 2).

The basis is the published Deep3D one. For a unit normal (x, y, z) it is::

    [c0, -c1 y, c1 z, -c1 x, c2 xy, -c2 yz, c2 / (2 sqrt 3) (3 z^2 - 1), -c2 xz, c2 / 2 (x^2 - y^2)]
    c0 = pi / sqrt(4 pi),  c1 = 2 pi / sqrt(4 pi),  c2 = 2 pi / sqrt 8 * 3 sqrt 5 / sqrt(12 pi)

which is the cosine-convolved basis of Ramamoorthi and Hanrahan (2001) with band 1 stretched by
sqrt 3 and band 2 by sqrt 8; the stretch is part of the convention and costs nothing but care.
Colours are linear factors on the skin's own colour: 1 is a white surface in full, even light.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

C0 = math.pi / math.sqrt(4 * math.pi)
C1 = 2 * math.pi / math.sqrt(4 * math.pi)
C2 = 2 * math.pi / math.sqrt(8) * 3 * math.sqrt(5) / math.sqrt(12 * math.pi)

AMBIENT = 0.8
"""What the published model adds to the first coefficient of each channel before it shades."""

STRETCH = (1.0, math.sqrt(3), math.sqrt(8))
"""By how much each band of the basis exceeds the cosine-convolved one."""

COSINE = (math.pi, 2 * math.pi / 3, math.pi / 4)
"""What convolution with the clamped cosine does to each band."""

BAND = (0, 1, 1, 1, 2, 2, 2, 2, 2)
"""The band of each coefficient."""


def sh_basis(normals: Float[Tensor, "*b 3"]) -> Float[Tensor, "*b 9"]:
    """Return the nine basis functions at unit normals."""
    x, y, z = normals.unbind(-1)
    parts = [
        torch.full_like(x, C0),
        -C1 * y,
        C1 * z,
        -C1 * x,
        C2 * x * y,
        -C2 * y * z,
        C2 / (2 * math.sqrt(3)) * (3 * z * z - 1),
        -C2 * x * z,
        C2 / 2 * (x * x - y * y),
    ]
    return torch.stack(parts, dim=-1)


def irradiance(normals: Float[Tensor, "*n 3"], light: Float[Tensor, "*b 9 c"]) -> Float[Tensor, "*m c"]:
    """Return by how much each normal's surface is lit, one number a channel.

    Either one light (9, c) for normals of any shape, or lights (b, 9, c) for normals (b, n, 3).
    `light` is complete: coefficients of the published kind need `with_ambient` first.
    """
    return sh_basis(normals) @ light


def with_ambient(gamma: Float[Tensor, "*b 9 c"]) -> Float[Tensor, "*b 9 c"]:
    """Return complete light from published coefficients, which leave out 0.8 of the first band."""
    ambient = gamma.new_zeros(9, 1)
    ambient[0] = AMBIENT
    return gamma + ambient


def rotate_light(
    light: Float[Tensor, "*b 9 c"], rotation: Float[Tensor, "*b 3 3"]
) -> Float[Tensor, "*b 9 c"]:
    """Return the light after the whole surroundings have turned; exact, no band leaks.

    Band 1 is a vector ``d`` (its value at n is ``d . n``) and turns as ``R d``; band 2 is a
    symmetric matrix ``M`` without a trace (its value is ``n M n``) and turns as ``R M R^T``.
    """
    r = rotation[..., None, :, :]  # one for all channels
    vector = torch.stack([-light[..., 3, :], -light[..., 1, :], light[..., 2, :]], dim=-1)  # (*b, c, 3)
    turned = (r @ vector[..., None])[..., 0]
    forms = _quadratic_forms(light)
    matrix = torch.einsum("...kc,kij->...cij", light[..., 4:, :], forms)
    matrix = r @ matrix @ r.transpose(-1, -2)
    norms = forms.square().sum((-1, -2))
    second = torch.einsum("...cij,kij->...kc", matrix, forms) / norms[:, None]
    first = torch.stack([-turned[..., 1], turned[..., 2], -turned[..., 0]], dim=-2)
    return torch.cat([light[..., :1, :].expand_as(first[..., :1, :]), first, second], dim=-2)


def directional_light(
    direction: Float[Tensor, "*b 3"], colour: Float[Tensor, "*b c"]
) -> Float[Tensor, "*b 9 c"]:
    """Return the light of a lamp far away in a unit direction, as nine smooth numbers.

    It comes as near to `key_light` as nine numbers can: full-on surfaces get 1.0625 of the colour
    and those turned away up to 0.06 of it, sometimes negative. For crisp shadows use `key_light`.
    """
    return (sh_basis(direction) * _unlit(direction))[..., None] * colour[..., None, :]


def light_from_environment(
    directions: Float[Tensor, "n 3"], radiance: Float[Tensor, "n c"], solid_angles: Float[Tensor, " n"]
) -> Float[Tensor, "9 c"]:
    """Return the light of surroundings, given as samples of their radiance.

    Shading is the irradiance over pi, so surroundings of radiance 1 light a surface by 1. For a
    panorama, `panorama_directions` gives directions and solid angles.
    """
    weights = sh_basis(directions) * _unlit(directions) * (solid_angles / math.pi)[:, None]
    return weights.transpose(0, 1) @ radiance


def panorama_directions(height: int, width: int) -> tuple[Float[Tensor, "h w 3"], Float[Tensor, "h w"]]:
    """Return the direction and the solid angle of each pixel of an equirectangular panorama.

    Its top is up (+y), its middle is +z (where a head looks), and the right half shows +x.
    """
    polar = (torch.arange(height) + 0.5) * (math.pi / height)
    turn = ((torch.arange(width) + 0.5) / width - 0.5) * (2 * math.pi)
    polar, turn = torch.meshgrid(polar, turn, indexing="ij")
    directions = [polar.sin() * turn.sin(), polar.cos(), polar.sin() * turn.cos()]
    edges = torch.arange(height + 1) * (math.pi / height)
    bands = (edges.cos()[:-1] - edges.cos()[1:]) * (2 * math.pi / width)
    return torch.stack(directions, dim=-1), bands[:, None].expand(height, width)


def fit_light(
    normals: Float[Tensor, "n 3"],
    shading: Float[Tensor, "n c"],
    weights: Float[Tensor, " n"] | None = None,
    ridge: float = 1e-4,
) -> Float[Tensor, "9 c"]:
    """Return the light under which the normals are shaded most nearly as given (least squares).

    `ridge` keeps unseen directions dark instead of wild; it is relative to the mean weight.
    """
    weight = normals.new_ones(len(normals)) if weights is None else weights
    basis = sh_basis(normals)
    weighted = basis * (weight / weight.sum().clamp(min=1e-12))[:, None]
    normal = weighted.transpose(0, 1) @ basis + ridge * torch.eye(9, dtype=basis.dtype, device=basis.device)
    factor = torch.linalg.cholesky(normal)
    return torch.cholesky_solve(weighted.transpose(0, 1) @ shading, factor)


def key_light(
    normals: Float[Tensor, "*n 3"], direction: Float[Tensor, " 3"], colour: Float[Tensor, " c"]
) -> Float[Tensor, "*n c"]:
    """Return by how much one lamp far away in a unit direction lights each normal's surface."""
    return (normals @ direction).clamp(min=0)[..., None] * colour


def _unlit(like: Tensor) -> Float[Tensor, " 9"]:
    """Return the factors from a basis function to the coefficient that a unit lamp gives it.

    A lamp at w shades n by ``sum_k A_k Y_k(w) Y_k(n)``; basis_k is ``S_k A_k Y_k`` with the stretch
    S, so the coefficient of basis_k(n) is ``basis_k(w) / (S_k^2 A_k)``.
    """
    return like.new_tensor([1 / (STRETCH[b] ** 2 * COSINE[b]) for b in BAND])


def _quadratic_forms(like: Tensor) -> Float[Tensor, "5 3 3"]:
    """Return the matrices of band 2: basis_k(n) is ``n Q_k n`` for unit n. All are perpendicular."""
    h, d = C2 / 2, C2 / (2 * math.sqrt(3))
    forms = [
        [[0, h, 0], [h, 0, 0], [0, 0, 0]],
        [[0, 0, 0], [0, 0, -h], [0, -h, 0]],
        [[-d, 0, 0], [0, -d, 0], [0, 0, 2 * d]],
        [[0, 0, -h], [0, 0, 0], [-h, 0, 0]],
        [[h, 0, 0], [0, -h, 0], [0, 0, 0]],
    ]
    return like.new_tensor(forms)
