"""Recognisers of all families: what they give, what they leave to chance, and how they begin."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from phiz.face.identity import dropping, mobile, residual, transformer
from phiz.face.identity.config import TINY_RESIDUAL, TINY_TRANSFORMER, RecogniserConfig
from phiz.face.identity.mobile import MobileFaceNet
from phiz.face.identity.networks import Recogniser, begin, build, embed, repeated, unit
from phiz.face.identity.residual import IResNet
from phiz.face.identity.transformer import FaceTransformer


def chance(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_crops_become_embeddings_each_for_itself(network: Recogniser, crops: torch.Tensor) -> None:
    found = network(crops)
    assert found.shape == (5, 8)
    alone = torch.cat([network(crop[None]) for crop in crops])
    assert torch.allclose(found, alone, atol=1e-5)
    assert torch.allclose(found, network.head(network.trunk(crops)))


def test_embedding_in_parts_and_with_mirror_images(network: Recogniser, crops: torch.Tensor) -> None:
    whole = embed(network, crops)
    assert torch.allclose(embed(network, crops, at_once=2), whole, atol=1e-5)
    both = embed(network, crops, is_mirrored=True)
    assert torch.allclose(both, whole + embed(network, crops.flip(-1)), atol=1e-5)
    assert torch.allclose(both, embed(network, crops.flip(-1), is_mirrored=True), atol=1e-5)
    assert torch.allclose(unit(whole).norm(dim=1), torch.ones(5))


def test_a_beginner_depends_on_chance_alone(config: RecogniserConfig) -> None:
    before = torch.get_rng_state()
    one, two, other = (begin(config, chance(seed)).state_dict() for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(one[name], two[name]) for name in one)
    learning = [name for name, _ in build(config).named_parameters() if one[name].dim() > 1]
    assert all(not torch.equal(one[name], other[name]) for name in learning)


def test_everything_that_learns_has_a_gradient(config: RecogniserConfig, crops: torch.Tensor) -> None:
    network = begin(replace(config, mask=0.3) if hasattr(config, "mask") else config, chance())
    network(crops, chance(3)).square().sum().backward()
    lazy = [name for name, p in network.named_parameters() if p.requires_grad and p.grad is None]
    assert lazy == []


def test_the_scale_of_a_residual_embedding_stays_one() -> None:
    network = begin(TINY_RESIDUAL, chance())
    assert isinstance(network.features, nn.BatchNorm1d)
    assert not network.features.weight.requires_grad
    assert network.features.weight.tolist() == [1.0] * 8


def test_chance_decides_what_a_transformer_does_not_see(crops: torch.Tensor) -> None:
    network = begin(replace(TINY_TRANSFORMER, mask=0.4, drop_path=0.0), chance())
    tokens = network.trunk(crops, chance(1))
    assert torch.equal(tokens, network.trunk(crops, chance(1)))
    hidden = (tokens == network.mask_token).all(-1)  # type: ignore[union-attr]
    assert hidden.sum(1).tolist() == [TINY_TRANSFORMER.tokens - int(TINY_TRANSFORMER.tokens * 0.6)] * 5
    assert not torch.equal(hidden, (network.trunk(crops, chance(2)) == network.mask_token).all(-1))  # type: ignore[union-attr]
    network.eval()
    assert torch.equal(network.trunk(crops), network.trunk(crops))


def test_tokens_stay_where_they_were_when_some_are_hidden(crops: torch.Tensor) -> None:
    network = begin(replace(TINY_TRANSFORMER, depth=1, mask=0.4, drop_path=0.0), chance())
    for block in network.blocks:  # type: ignore[union-attr]
        nn.init.zeros_(block.attn.proj.weight)  # tokens no longer look at each other
    seen = network.trunk(crops, chance(1))
    whole = network.eval().trunk(crops)
    hidden = (seen == network.mask_token).all(-1)  # type: ignore[union-attr]
    assert torch.allclose(seen[~hidden], whole[~hidden], atol=1e-6)


def test_what_is_put_out_is_made_up_for() -> None:
    ones = torch.ones(4000, 5)
    kept = dropping.dropped(ones, 0.25, chance())
    assert kept.unique().tolist() == pytest.approx([0, 4 / 3])
    assert float(kept.mean()) == pytest.approx(1, abs=0.02)
    whole = dropping.passed_over(ones, 0.5, chance())
    assert set(whole.sum(1).tolist()) == {0.0, 10.0}
    assert float(whole.mean()) == pytest.approx(1, abs=0.05)
    assert dropping.dropped(ones, 0.0, None) is ones
    assert dropping.passed_over(ones, 0.0, None) is ones


def test_dropout_of_a_residual_network_is_chance_and_for_learning_only(crops: torch.Tensor) -> None:
    network = begin(replace(TINY_RESIDUAL, dropout=0.5), chance())
    flat = network.trunk(crops, chance(1))
    assert float((flat == 0).float().mean()) == pytest.approx(0.5, abs=0.15)
    assert not (network.eval().trunk(crops) == 0).any()


def test_the_repeated_parts_are_known(network: Recogniser) -> None:
    kinds = {IResNet: residual.Block, MobileFaceNet: mobile.Unit, FaceTransformer: transformer.Block}
    parts = repeated(network)
    assert len(parts) >= 2
    assert {type(part) for part in parts} == {kinds[type(network)]}
