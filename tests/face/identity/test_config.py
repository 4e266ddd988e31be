"""Sizes of recognisers are the published ones, survive a file, and are refused where they cannot be."""

from __future__ import annotations

import json

import pytest
import torch

from phiz.face.identity.config import NETWORKS, SIZE, RecogniserConfig, from_plain, to_plain
from phiz.face.identity.config import MobileConfig as Mobile
from phiz.face.identity.config import ResidualConfig as Residual
from phiz.face.identity.config import TransformerConfig as Transformer
from phiz.face.identity.networks import build

MILLIONS = {
    "r18": 24.03, "r34": 34.14, "r50": 43.59, "r100": 65.16, "r200": 118.83, "mbf": 2.06, "vit_t": 19.14,
    "vit_s": 76.02, "vit_b": 113.83, "vit_l": 255.68,
}  # fmt: skip
"""Parameters, counted in the published networks."""


@pytest.mark.parametrize("name", [name for name in MILLIONS if name != "r200"])
def test_networks_have_the_published_size(name: str) -> None:
    with torch.device("meta"):
        network = build(NETWORKS[name])
    count = sum(p.numel() for p in network.parameters())
    assert count / 1e6 == pytest.approx(MILLIONS[name], abs=0.01)
    assert network.config.size == SIZE
    assert network.config.embedding == 512


def test_the_built_in_network_is_small() -> None:
    network = build(NETWORKS["builtin"])
    room = sum(2 * t.numel() for t in network.state_dict().values())
    assert room < 2.4 * 2**20
    assert 64 <= network.config.embedding <= 128


@pytest.mark.parametrize("name", NETWORKS)
def test_a_config_survives_a_file(name: str) -> None:
    config = NETWORKS[name]
    assert from_plain(json.loads(json.dumps(to_plain(config)))) == config


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"family": "cubist"}, "no family"),
        ({"blocks": [1, 2]}, "blocks cannot be"),
        ({"embedding": "512"}, "embedding cannot be"),
        ({"dropout": 1.5}, "dropout"),
        ({"colour": 3}, "differ in colour"),
        ({"size": 100}, "multiple of 16"),
    ],
)
def test_what_a_file_cannot_say_is_refused(change: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        from_plain({**to_plain(NETWORKS["r18"]), **change})


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Residual(blocks=(0, 1, 1, 1)), "positive"),
        (lambda: Mobile(width=100), "do not divide"),
        (lambda: Transformer(width=100), "does not divide"),
        (lambda: Transformer(patch=200), "fits into"),
        (lambda: Transformer(mask=1.0), "shares"),
    ],
)
def test_sizes_that_cannot_be_are_refused(make: object, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        make()  # type: ignore[operator]


def test_a_file_without_a_setting_is_refused() -> None:
    config: RecogniserConfig = NETWORKS["mbf"]
    plain = to_plain(config)
    del plain["width"]
    with pytest.raises(ValueError, match="differ in width"):
        from_plain(plain)
