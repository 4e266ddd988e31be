"""Trunks have the published sizes and names, keep the size of signals, and refuse what makes no sense."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from phiz.layers import residual
from phiz.layers.residual import RESNET_18, RESNET_50, Trunk, TrunkConfig

SMALL = TrunkConfig(blocks=(1, 2, 1), widths=(4, 6, 8))


@pytest.mark.parametrize(("config", "values"), [(RESNET_18, 11_176_512), (RESNET_50, 23_508_032)])
def test_published_trunks_have_as_many_numbers_as_they_should(config: TrunkConfig, values: int) -> None:
    with torch.device("meta"):
        trunk = Trunk(config)
    assert sum(p.numel() for p in trunk.parameters()) == values


def test_every_layer_but_the_first_halves_the_map() -> None:
    maps = Trunk(SMALL).eval()(torch.zeros(2, 3, 64, 48))
    assert [tuple(one.shape) for one in maps] == [(2, 4, 16, 12), (2, 6, 8, 6), (2, 8, 4, 3)]
    larger = Trunk(replace(SMALL, has_pool=False, stem=3)).eval()(torch.zeros(1, 3, 64, 48))
    assert [tuple(one.shape[-2:]) for one in larger] == [(32, 24), (16, 12), (8, 6)]


def test_bottlenecks_are_four_times_as_wide_outside() -> None:
    config = replace(SMALL, has_bottlenecks=True)
    maps = Trunk(config).eval()(torch.zeros(1, 3, 32, 32))
    assert [one.shape[1] for one in maps] == list(config.outputs) == [16, 24, 32]


def test_names_are_the_published_ones() -> None:
    names = set(Trunk(replace(SMALL, has_bottlenecks=True)).state_dict())
    assert {
        "conv1.weight",
        "bn1.running_var",
        "layer1.0.downsample.0.weight",
        "layer2.1.conv3.weight",
    } <= names
    assert "layer2.1.downsample.0.weight" not in names
    assert "layer1.0.downsample.0.weight" not in Trunk(SMALL).state_dict()


def test_signals_keep_their_size_at_the_start() -> None:
    chance = torch.Generator().manual_seed(0)
    trunk = Trunk(TrunkConfig(blocks=(2, 2), widths=(32, 64)))
    residual.start(list(trunk.modules()), chance)
    trunk.eval().requires_grad_(False)
    deep = trunk(torch.randn(2, 3, 64, 64, generator=chance))[-1]
    assert 0.3 < float(deep.std()) < 30
    other = Trunk(TrunkConfig(blocks=(2, 2), widths=(32, 64)))
    residual.start(list(other.modules()), torch.Generator().manual_seed(0))
    assert torch.equal(other.layer2[1].conv2.weight, trunk.layer2[1].conv2.weight)  # type: ignore[union-attr,index]


@pytest.mark.parametrize(
    "wrong", [{"blocks": (1, 1)}, {"blocks": (1, 0, 1)}, {"widths": (4, 6)}, {"stem": 4}, {"stem": 0}]
)
def test_sizes_that_make_no_sense_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="a trunk"):
        replace(SMALL, **wrong)
