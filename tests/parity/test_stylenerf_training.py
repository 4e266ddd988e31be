"""A training step of the generator against recorded losses and gradients, with recorded random numbers."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any

import torch
from parity.stylenerf_rounding import Doubt
from parity.stylenerf_sets import CLOSE, Recorded
from torch import Tensor

from phiz.generator import poses
from phiz.generator.generator import Generator
from phiz.generator.path import render_with_path
from phiz.importers import stylenerf_names as names

Check = Callable[..., None]
Agree = Callable[..., None]
ABSOLUTE = frozenset({"ws", "img", "img_nerf", "D_logits"})
"""What has to be right to so many digits behind the point; everything else, to so many of its own."""


class Replayed:
    """Random numbers as they were recorded, in the order in which they were drawn."""

    def __init__(self, recorded: Mapping[str, Tensor]) -> None:
        self.recorded = {k: v for k, v in recorded.items() if k.startswith("draw.")}
        self.count = 0

    def _next(self, kind: str, shape: tuple[int, ...]) -> Tensor:
        drawn = self.recorded[f"draw.{self.count}.{kind}"]
        self.count += 1
        assert drawn.numel() == math.prod(shape), (
            f"draw {self.count - 1} is {tuple(drawn.shape)}, not {shape}"
        )
        return drawn.reshape(shape)

    def uniform(self, *shape: int) -> Tensor:
        return self._next("u", shape)

    def normal(self, *shape: int) -> Tensor:
        return self._next("n", shape)


def test_a_training_step_matches(trained: tuple[Recorded, str], check: Check, agree: Agree) -> None:
    recorded, name = trained
    expected = _expected(recorded, name)
    generator = _learning(recorded, name)
    found = _step(recorded, name, generator)

    def again(rounding: AbstractContextManager[Any]) -> Mapping[str, Tensor]:
        with rounding:
            return _step(recorded, name, _learning(recorded, name).double())

    doubt = Doubt(again)
    shared = found.keys() & expected.keys()
    for key in sorted(shared & ABSOLUTE):
        check(recorded, f"{name}/{key}", found[key], expected[key], tolerance=CLOSE, doubt=doubt, key=key)
    others = sorted(shared - ABSOLUTE)
    agree(recorded, name, {k: found[k] for k in others}, {k: expected[k] for k in others}, doubt)
    _buffers_match(recorded, name, generator, check)


def _learning(recorded: Recorded, name: str) -> Generator:
    """Return a generator in training, with the recorded weights and averages."""
    generator = copy.deepcopy(recorded.generator())
    generator.load_state_dict(names.generator_tensors(recorded.published))
    generator.progress.fill_(float(name.removeprefix("train_alpha")))
    return generator.train().requires_grad_(True)


def _step(recorded: Recorded, name: str, generator: Generator) -> dict[str, Tensor]:
    """Return everything that a step makes, in the precision of its generator."""
    kind = generator.progress.dtype
    given = {k: v.to(kind) for k, v in recorded.part(name, "train_inputs").items()}
    draws = Replayed(given)
    z = given.get("z", recorded.inputs["z"].to(kind))
    draws.normal(len(z))  # a roll that the published network multiplies by nothing
    styles = generator.styles(z)
    styles.retain_grad()
    world = recorded.tensors("train_outputs")[f"{name}/world_mat"].to(kind)
    image, small, loss = _drawn(generator, recorded, styles, world, draws)
    assert draws.count == len(draws.recorded)
    made = {"ws": styles, "img": image, "img_nerf": small, "reg_loss": loss}
    if "pl_noise" in given:
        made["pl_lengths"] = _path_lengths(image, styles, given["pl_noise"])
    scores = recorded.discriminator().to(kind).requires_grad_(False)(image)
    total = torch.nn.functional.softplus(-scores).mean() + loss.mean()
    total.backward()
    made |= {"D_logits": scores, "G_loss": total}
    made |= {f"grad/{k}": v.grad for k, v in generator.named_parameters() if v.grad is not None}
    # The recorder kept this gradient while it took path lengths, so theirs is in it too, as here.
    assert styles.grad is not None
    return {k: v.detach() for k, v in made.items()} | {"grad/ws": styles.grad}


def _drawn(
    generator: Generator, recorded: Recorded, styles: Tensor, world: Tensor, draws: Replayed
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the pictures, the volume's pictures and the path losses."""
    camera = poses.at_units(generator.config, torch.zeros(len(world), 2, dtype=world.dtype))
    camera = replace(camera, world_from_camera=world)
    behind = None
    if generator.background is not None:
        behind = recorded.inputs["z_shape_bg"][: len(styles)].to(styles.dtype)
    prepared = generator.prepare(styles, behind)
    if generator.config.path_samples:
        path = render_with_path(generator, prepared, camera, draws)
        return path.rendering.image, path.rendering.small, path.loss
    rendering = generator.render(prepared, camera, draws=draws)
    return rendering.image, rendering.small, torch.zeros(len(world), dtype=styles.dtype)


def _path_lengths(image: Tensor, styles: Tensor, noise: Tensor) -> Tensor:
    """Return how far pictures move with their styles (section 3.2 of StyleGAN2, Karras et al., 2020)."""
    moved = (image * noise).sum() / math.sqrt(image.shape[2] * image.shape[3])
    (steepest,) = torch.autograd.grad(moved, styles, retain_graph=True)
    return steepest.square().sum(2).mean(1).sqrt()


def _expected(recorded: Recorded, name: str) -> dict[str, Tensor]:
    """Return what was recorded of a step, gradients under our names for their tensors."""
    recorded_numbers = recorded.part(name, "train_outputs")
    gradients = {k.removeprefix("grad/"): v for k, v in recorded_numbers.items() if k.startswith("grad/")}
    expected = {k: v for k, v in recorded_numbers.items() if not k.startswith("grad/")}
    if "ws" in gradients:
        expected["grad/ws"] = gradients.pop("ws")
    if "reg_loss" in expected:
        expected["reg_loss"] = expected["reg_loss"].flatten(1)[:, 0]
    theirs = names.generator_tensors(gradients | _shapes_only(recorded, gradients))
    return expected | {f"grad/{k}": v for k, v in theirs.items() if not v.is_meta}


def _shapes_only(recorded: Recorded, gradients: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return stand-ins for tensors without a recorded gradient, so that blocks keep their numbers."""
    return {k: v.to("meta") for k, v in recorded.published.items() if k not in gradients}


def _buffers_match(recorded: Recorded, name: str, generator: Generator, check: Check) -> None:
    recorded_numbers = recorded.part(name, "train_outputs")
    after = {
        k.removeprefix("buffer_after/"): v
        for k, v in recorded_numbers.items()
        if k.startswith("buffer_after/")
    }
    theirs = names.generator_tensors(after | _shapes_only(recorded, after))
    for key, found in generator.named_buffers():
        if key in theirs and not theirs[key].is_meta:
            check(recorded, f"{name}/{key}", found, theirs[key], tolerance=CLOSE, is_relative=True)
