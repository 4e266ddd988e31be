"""Lanes of compiled loops hold what plain torch makes of a field on planes."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from phiz.animate.plane_loops import LANES, Net, layer, look, positive, room_for, share_out
from phiz.generator.planes import look_up


def net_of(planes: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, density: torch.Tensor) -> Net:
    nothing = np.float32(0)
    return Net(
        planes=planes.permute(0, 2, 3, 1).flatten().contiguous().numpy(),
        height=planes.shape[2],
        width=planes.shape[3],
        scale=np.float32(1),
        weight=weight.numpy(),
        bias=bias.numpy(),
        to_density=density.numpy(),
        offset=nothing,
        gain=np.float32(1),
        near=nothing,
        far=np.float32(1),
        dark=nothing,
        taken=np.zeros(0, np.uint8),
        cells=0,
        is_soft=True,
        is_relative=False,
        is_fine=True,
        is_opaque=False,
    )


@pytest.mark.parametrize("channels", [8, 16])
@pytest.mark.parametrize("reach", [0.8, 1.3])
def test_points_find_and_a_layer_makes_what_torch_does(channels: int, reach: float) -> None:
    chance = torch.Generator().manual_seed(0)
    planes = torch.randn(3, channels, 6, 5, generator=chance)
    weight, bias = torch.randn(12, channels, generator=chance), torch.randn(12, generator=chance)
    density = torch.randn(12, generator=chance)
    points = (2 * torch.rand(LANES, 3, generator=chance) - 1) * reach
    net, room = net_of(planes, weight, bias, density), room_for(4, channels, 12)
    room.points[:], room.asked[:] = points.T.numpy(), np.arange(LANES)
    look(net, room, LANES)
    share_out(room.pairs, room.across, room.features)
    found = look_up(planes[None], points[None])[0]
    assert torch.allclose(torch.from_numpy(room.features).T, found, atol=1e-5)
    layer(room.features, net.weight, net.bias, net.to_density, room.hidden, room.raw)
    hidden = torch.relu(found @ weight.T + bias)
    assert torch.allclose(torch.from_numpy(room.hidden).T, hidden, atol=1e-4)
    assert torch.allclose(torch.from_numpy(room.raw), hidden @ density, atol=1e-3)


@pytest.mark.parametrize("raw", [-30.0, -1.0, 0.5, 3.0, 40.0])
def test_densities_are_never_negative(raw: float) -> None:
    soft = float(torch.nn.functional.softplus(torch.tensor(raw - 1)))
    assert positive(np.float32(raw), True, np.float32(2)) == pytest.approx(2 * soft, abs=1e-6, rel=1e-5)
    assert positive(np.float32(raw), False, np.float32(2)) == pytest.approx(2 * max(raw, 0.0))
