"""A folded network gives what the plain one gives, on every path, and refuses what it cannot fold."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from phiz.layers import folding
from phiz.layers.folding import Folded, convolved, folded


class Chain(nn.Module):
    """What a network may hold: a bias, no normalisation, groups, a sum, a rectifier or none."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 3, 2, 1)
        self.bn1 = nn.BatchNorm2d(8)
        self.conv2 = nn.Conv2d(8, 8, 3, 1, 2, dilation=2, groups=4, bias=False)
        self.bn2 = nn.BatchNorm2d(8)
        self.conv3 = nn.Conv2d(8, 8, 3, padding=1)
        self.head = nn.Conv2d(8, 5, 1)
        self.other = nn.BatchNorm2d(5)

    def forward(self, x: Tensor) -> Tensor:
        y = convolved(x, self.conv1, self.bn1)
        y = convolved(y, self.conv2, self.bn2, plus=y)
        y = convolved(y, self.conv2, self.bn2, plus=y, is_rectified=False)
        y = convolved(y, self.conv3, nn.Identity(), plus=y)
        y = convolved(y, self.conv3, nn.Identity(), plus=2 * y, is_rectified=False)
        return convolved(y, self.head, self.other, is_rectified=False)


@pytest.fixture
def chain() -> Chain:
    chance = torch.Generator().manual_seed(0)
    network = Chain().eval()
    for value in network.state_dict().values():
        if value.is_floating_point():
            value.copy_(torch.rand(value.shape, generator=chance) + 0.2)
    return network


@pytest.fixture
def picture() -> Tensor:
    return torch.randn(2, 3, 20, 14, generator=torch.Generator().manual_seed(1))


def test_a_folded_network_gives_the_same(chain: Chain, picture: Tensor) -> None:
    ready = folded(chain)
    assert isinstance(ready.conv1, Folded)
    assert isinstance(ready.bn2, nn.Identity)
    assert isinstance(chain.conv1, nn.Conv2d)  # the network itself stays as it was
    with torch.no_grad():
        plain = chain(picture)
        scale = float(plain.abs().max())
        assert scale > 1
        torch.testing.assert_close(ready(picture), plain, atol=1e-5 * scale, rtol=0)
        torch.testing.assert_close(ready(picture[:1]), plain[:1], atol=1e-5 * scale, rtol=0)


def test_without_onednn_it_gives_the_same(
    chain: Chain, picture: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    ready = folded(chain)
    with torch.no_grad():
        first = ready(picture)
        monkeypatch.setattr(folding, "FUSED", "nothing of this name")
        torch.testing.assert_close(ready(picture), first, atol=1e-5 * float(first.abs().max()), rtol=0)


def test_gradients_of_pictures_are_those_of_the_network(chain: Chain, picture: Tensor) -> None:
    grads = []
    for network in (chain, folded(chain)):
        leaf = picture.clone().requires_grad_(True)
        network(leaf).square().mean().backward()
        assert leaf.grad is not None
        grads.append(leaf.grad)
    torch.testing.assert_close(grads[1], grads[0], atol=1e-4 * float(grads[0].abs().max()), rtol=0)


def test_half_precision_is_near_and_takes_half_the_room(chain: Chain, picture: Tensor) -> None:
    half = folded(chain, dtype=torch.bfloat16)
    assert {value.dtype for value in half.state_dict().values() if value.is_floating_point()} == {
        torch.bfloat16
    }
    with torch.no_grad():
        plain, found = chain(picture), half(picture)
    assert found.dtype == torch.bfloat16
    assert (found.float() - plain).norm() < 0.02 * plain.norm()


def test_weights_that_change_their_kind_are_prepared_anew(chain: Chain, picture: Tensor) -> None:
    ready = folded(chain)
    with torch.no_grad():
        plain = ready(picture)
        for one in (ready.conv1, ready.conv2, ready.conv3, ready.head):
            assert isinstance(one, Folded)
        half = ready.bfloat16()(picture)
    assert (half.float() - plain).norm() < 0.02 * plain.norm()


def test_what_is_folded_no_longer_learns(chain: Chain) -> None:
    assert list(folded(chain.train()).parameters()) == []
    assert chain.training


def test_convolutions_that_cannot_be_folded_are_refused(chain: Chain) -> None:
    other = copy.deepcopy(chain)
    other.conv1 = nn.Conv2d(3, 8, 3, padding="same")
    with pytest.raises(ValueError, match="a fixed number of zeros"):
        folded(other)
    chain.bn1 = nn.BatchNorm2d(8, track_running_stats=False)
    with pytest.raises(ValueError, match="without recorded statistics"):
        folded(chain)
