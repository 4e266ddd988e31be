"""The network that draws mouths: published names and sizes, one answer for all styles of the volume."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from phiz import trained
from phiz.animate import lipaint_network
from phiz.animate.lipaint_network import BUILTIN, LIPAINT, PUBLISHED, TINY, LipaintNet, with_mouth
from phiz.generator import config as generators


def made(config: lipaint_network.LipaintConfig = TINY, seed: int = 0) -> LipaintNet:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return LipaintNet(config).eval().requires_grad_(False)


def drawn(*shape: int, seed: int = 1) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def test_the_published_network_has_its_names_and_its_parameters() -> None:
    network = made(PUBLISHED)
    assert list(network.state_dict()) == [
        f"fc{k}.{kind}" for k in (1, 2, 3, 4) for kind in ("weight", "bias")
    ]
    assert sum(p.numel() for p in network.parameters()) == 1_083_392


def test_styles_are_moved_by_what_a_plain_network_says() -> None:
    network, w, expression = made(), drawn(3, 10), drawn(3, 52, seed=2)
    plain = torch.nn.Sequential(
        network.fc1, torch.nn.ReLU(), network.fc2, torch.nn.ReLU(), network.fc3, torch.nn.ReLU(), network.fc4
    )
    both = torch.cat([w, expression], dim=1)
    torch.testing.assert_close(network(w, expression), w + plain(both))


def test_equal_styles_get_what_the_network_gives_one() -> None:
    network, w, expression = made(), drawn(1, 10), drawn(4, 52, seed=2)
    found = with_mouth(network, w[:, None].expand(1, 7, 10), expression, 5)
    expected = network(w.expand(4, -1), expression)
    for k in range(5):
        torch.testing.assert_close(found[:, k], expected)
    assert torch.equal(found[:, 5:], w[:, None].expand(4, 2, 10))


def test_what_makes_styles_differ_stays() -> None:
    network, styles, expression = made(), drawn(1, 7, 10), drawn(4, 52, seed=2)
    found = with_mouth(network, styles, expression, 5)
    moved = found - styles
    torch.testing.assert_close(moved[:, :5], moved[:, :1].expand(-1, 5, -1))
    torch.testing.assert_close(moved[:, 0], network.added(styles[:, :5].mean(1).expand(4, -1), expression))
    assert not moved[:, 5:].any()


def test_a_network_comes_back_from_its_file(tmp_path: Path) -> None:
    network = made()
    trained.save(tmp_path / "lipaint.safetensors", LIPAINT, network, about={"steps": 3})
    found = trained.load(LIPAINT, tmp_path / "lipaint.safetensors")
    assert found.config == TINY
    assert torch.equal(found.fc4.weight, network.fc4.weight)
    assert trained.about(LIPAINT, tmp_path / "lipaint.safetensors") == {"steps": 3}


def test_sizes_fit_the_generators_that_they_are_for() -> None:
    assert BUILTIN.w_size == generators.BUILTIN_256.w_size
    assert PUBLISHED.w_size == generators.FFHQ_1024.w_size
    assert TINY.w_size == generators.TINY.w_size


def test_sizes_that_make_no_sense_are_refused() -> None:
    for wrong in ({"w_size": 0}, {"expression": 0}, {"hidden": 0}):
        with pytest.raises(ValueError, match="at least one number"):
            replace(TINY, **wrong)
