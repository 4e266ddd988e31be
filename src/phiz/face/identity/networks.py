"""Recognisers of all families: how they are made, and what is asked of them."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from phiz.face.identity import mobile, residual, transformer
from phiz.face.identity.config import MobileConfig, RecogniserConfig, ResidualConfig
from phiz.face.identity.mobile import MobileFaceNet
from phiz.face.identity.residual import IResNet
from phiz.face.identity.transformer import FaceTransformer

Recogniser = IResNet | MobileFaceNet | FaceTransformer

AT_ONCE = 16
"""Crops that are embedded together; more take more memory and no less time."""


def build(config: RecogniserConfig) -> Recogniser:
    """Return a network that has learned nothing; its weights are whatever torch puts there."""
    if isinstance(config, ResidualConfig):
        return IResNet(config)
    if isinstance(config, MobileConfig):
        return MobileFaceNet(config)
    return FaceTransformer(config)


def begin(config: RecogniserConfig, chance: torch.Generator) -> Recogniser:
    """Return a network whose random weights depend on `chance` alone; it is ready to learn."""
    with torch.random.fork_rng(devices=[]):  # what torch draws by itself is drawn over
        network = build(config)
    network.start(chance)
    return network.train()


def repeated(network: Recogniser) -> list[nn.Module]:
    """Return the parts that a network is a chain of: what may be computed twice to save memory."""
    kinds = (residual.Block, mobile.Unit, transformer.Block)
    return [part for part in network.modules() if isinstance(part, kinds)]


@torch.no_grad()
def embed(
    network: nn.Module, crops: Float[Tensor, "b 3 s s"], *, is_mirrored: bool = False, at_once: int = AT_ONCE
) -> Float[Tensor, "b e"]:
    """Return the embeddings of crops, as long as the network makes them (see `unit`).

    With `is_mirrored`, that of each crop's mirror image is added, as published comparisons do.
    """
    parts = []
    for part in torch.split(crops, at_once):
        found = network(part)
        parts.append(found + network(part.flip(-1)) if is_mirrored else found)
    return torch.cat(parts)


def unit(embeddings: Float[Tensor, "*b e"]) -> Float[Tensor, "*b e"]:
    """Return embeddings of length one; the product of two is how alike they are, from -1 to 1."""
    return functional.normalize(embeddings, dim=-1)
