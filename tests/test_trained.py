"""Trained networks come back from their files, in half precision and as bytes nearly the same."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from torch import nn

from phiz import trained
from phiz.trained import Kind


@dataclass(frozen=True, kw_only=True)
class Sizes:
    width: int = 8


class Small(nn.Module):
    def __init__(self, config: Sizes) -> None:
        super().__init__()
        self.config = config
        self.conv = nn.Conv2d(3, config.width, 3)
        self.norm = nn.BatchNorm2d(config.width)
        self.out = nn.Linear(config.width, 2)


KIND = Kind(name="small", config=Sizes, make=Small, trainer="nobody")


@pytest.mark.parametrize(("is_half", "packed", "most"), [(False, 0, 0.0), (True, 0, 1e-3), (True, 100, 4e-3)])
def test_a_network_comes_back(tmp_path: Path, is_half: bool, packed: int, most: float) -> None:
    torch.manual_seed(0)
    network = Small(Sizes(width=16))
    network.out.weight.data[0] = 0  # a row of nothing
    path = tmp_path / "small.safetensors"
    trained.save(path, KIND, network, about={"steps": 3}, is_half=is_half, packed=packed)
    found = trained.load(KIND, path)
    assert found.config == network.config
    assert trained.about(KIND, path) == {"steps": 3}
    for name, value in network.state_dict().items():
        apart = (found.state_dict()[name] - value).abs().max()
        assert float(apart) <= most * float(value.abs().max())
    assert not any(parameter.requires_grad for parameter in found.parameters())


def test_bytes_take_half_the_room_of_half_precision(tmp_path: Path) -> None:
    network = Small(Sizes(width=512))
    sizes = []
    for packed in (0, 1000):
        path = tmp_path / f"{packed}.safetensors"
        trained.save(path, KIND, network, is_half=True, packed=packed)
        sizes.append(path.stat().st_size)
    assert sizes[1] < 0.75 * sizes[0]
