"""Tiny networks that hear, and sounds to hear, shared by the tests of what becomes of them."""

from __future__ import annotations

import torch
from torch import Tensor

from phiz.face.morphable import ARKIT_NAMES
from phiz.speech import expression, mouth_network
from phiz.speech.expression import ExpressionNet
from phiz.speech.hearing import Told
from phiz.speech.mouth_network import HEARD, MouthConfig, MouthNet
from phiz.speech.sources import Known, Modes, Source
from phiz.studio import Studio
from phiz.world.data import guide

NAMED = MouthConfig(
    basis="phiz",
    modes=len(ARKIT_NAMES),
    told=tuple(ARKIT_NAMES.index(name) for name in HEARD),
    names=ARKIT_NAMES,
    sizes=mouth_network.TINY,
)


def mouth_net() -> MouthNet:
    """Return a network that tells a lot, none of it true."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = MouthNet(NAMED).eval().requires_grad_(False)
    net.mean.fill_(0.3)
    net.spread.fill_(0.5)
    net.about.weight.mul_(3)
    return net


def published_net() -> ExpressionNet:
    """Return a network of the published kind."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = ExpressionNet(expression.TINY).eval().requires_grad_(False)
        torch.nn.init.normal_(net.mapping1.weight, std=0.4)
    return net


def studio() -> Studio:
    """Return a studio with a tiny network of ours."""
    return Studio(expression=mouth_net())


def murmur(seconds: float, *, seed: int = 0) -> Tensor:
    """Return a sound like a voice."""
    return guide.murmur(seconds, seed=seed)


def known(
    frames: int, *, talking: Tensor | None = None, closed: Tensor | None = None, **weights: float
) -> Source:
    """Return a source that tells the same mouth in each frame, in ARKit's words."""
    row = torch.tensor([weights.get(name, 0.0) for name in ARKIT_NAMES])
    told = Told(
        expression=row.expand(frames, -1).clone(),
        closed=torch.zeros(frames) if closed is None else closed,
        talking=torch.ones(frames) if talking is None else talking,
    )
    modes = Modes(basis="phiz", count=len(ARKIT_NAMES), names=ARKIT_NAMES)
    return Source(hearing=Known(told), modes=modes, tells_brows=True, is_certain=True)
