"""What learns recognition, and one step of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from phiz.face.identity.networks import Recogniser
from phiz.train import ranks
from phiz.train.arcface_presets import ArcfaceConfig
from phiz.train.arcface_state import WholeCentres, WholeOptimiser
from phiz.train.monitor import gradient_norm
from phiz.train.partial_fc import Centres
from phiz.train.ranks import Ranks
from phiz.train.run import Stateful
from phiz.train.state import GeneratorState

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
Values = dict[str, Tensor | float]
Batch = tuple[Float[Tensor, "b 3 s s"], Int[Tensor, " b"]]


@dataclass(frozen=True, kw_only=True)
class Learners:
    """The network, this process's centres, and everything that changes while they learn."""

    network: Recogniser
    centres: Centres
    optimiser: torch.optim.Optimizer
    optimiser_centres: torch.optim.Optimizer
    scaler: torch.amp.GradScaler
    chance: torch.Generator
    """Of this process: what is dropped, hidden, sampled and varied."""

    @staticmethod
    def begin(
        config: ArcfaceConfig, network: Recogniser, centres: Centres, chance: torch.Generator
    ) -> Learners:
        """Return what trains a network and its centres."""
        device = centres.weight.device.type
        return Learners(
            network=network,
            centres=centres,
            optimiser=_optimiser(config, network),
            optimiser_centres=_optimiser(config, centres),
            scaler=torch.amp.GradScaler(
                device, enabled=config.precision == "float16", growth_interval=config.growth
            ),
            chance=chance,
        )

    def parts(self, here: Ranks) -> dict[str, Stateful]:
        """Return all that a snapshot holds."""
        return {
            "network": self.network,
            "centres": WholeCentres(self.centres),
            "optimiser": self.optimiser,
            "optimiser_centres": WholeOptimiser(self.optimiser_centres, self.centres),
            "scaler": self.scaler,
            "chance": GeneratorState(self.chance, here),
        }


def learn(config: ArcfaceConfig, learners: Learners, batches: Iterable[Batch], rate: float) -> Values:
    """Let network and centres learn from batches, whose gradients add up; return what was measured."""
    network, scaler = learners.network, learners.scaler
    optimisers = learners.optimiser, learners.optimiser_centres
    for optimiser in optimisers:
        for group in optimiser.param_groups:
            group["lr"] = rate
    losses, lengths = [], []
    for crops, labels in batches:
        embeddings = embedded(config, network, crops, learners.chance)
        loss = learners.centres(embeddings, labels, config.margin, learners.chance)
        torch.autograd.backward(scaler.scale(loss))
        losses.append(loss.detach())
        lengths.append(embeddings.detach().norm(dim=1).mean())
    shared = [p for p in network.parameters() if p.requires_grad]
    average_gradients(shared, is_compressed=config.is_compressed)
    if scaler.is_enabled():
        agree_on_infinity(learners.centres.weight)
    for optimiser in optimisers:
        scaler.unscale_(optimiser)
    norm = gradient_norm(shared)
    if config.clip > 0:
        nn.utils.clip_grad_norm_(shared, config.clip)
    for optimiser in optimisers:
        scaler.step(optimiser)
        optimiser.zero_grad(set_to_none=True)
    scaler.update()
    ranks.average_buffers(network)
    return {
        "loss": torch.stack(losses).mean(),
        "rate": rate,
        "norm": norm.detach(),
        "length": torch.stack(lengths).mean(),
        "scale": scaler.get_scale(),
    }


def embedded(
    config: ArcfaceConfig, network: Recogniser, crops: Float[Tensor, "b 3 s s"], chance: torch.Generator
) -> Float[Tensor, "b e"]:
    """Return embeddings: the trunk computed as the settings say, the head always in float32."""
    kind, device = PRECISIONS[config.precision], crops.device.type
    is_half = kind != torch.float32
    with torch.autocast(device, kind if is_half else torch.bfloat16, enabled=is_half):
        last = network.trunk(crops, chance)
    return network.head(last.float())


@torch.no_grad()
def average_gradients(parameters: list[nn.Parameter], *, is_compressed: bool) -> None:
    """Replace gradients by their means over all processes; in float16 they take half the road.

    They are divided before they travel, as published, so that their sum does not become infinite.
    """
    if not is_compressed:
        ranks.average_gradients(parameters)
        return
    grads = [p.grad if p.grad is not None else torch.zeros_like(p) for p in parameters]
    world = len(ranks.all_stacked(torch.zeros(())))
    if world == 1:
        return
    flat = torch.cat([grad.reshape(-1) for grad in grads])
    whole = ranks.all_sum((flat / world).half()).to(flat.dtype)
    for parameter, mean in zip(parameters, torch.split(whole, [g.numel() for g in grads]), strict=True):
        parameter.grad = mean.reshape(parameter.shape).clone()


@torch.no_grad()
def agree_on_infinity(weight: nn.Parameter) -> None:
    """Make a gradient that is not finite in one process so in all of them.

    Centres belong to one process each. If theirs alone overflowed, that process would leave out a step and
    lower its scale, and all others would go on without it.
    """
    grad = weight.grad
    is_bad = grad is not None and not bool(grad.isfinite().all())
    if ranks.any_true(is_bad) and grad is not None and grad.numel():
        grad.view(-1)[0] = float("inf")


def _optimiser(config: ArcfaceConfig, part: nn.Module) -> torch.optim.Optimizer:
    parameters = [p for p in part.parameters() if p.requires_grad]
    if config.optimiser == "adamw":
        return torch.optim.AdamW(parameters, lr=config.rate, weight_decay=config.decay)
    return torch.optim.SGD(parameters, lr=config.rate, momentum=config.momentum, weight_decay=config.decay)
