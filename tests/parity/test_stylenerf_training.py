"""A training step of the generator against recorded losses and gradients, with recorded random numbers."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping
from dataclasses import replace

import torch
from parity.stylenerf_sets import CLOSE, Recorded
from torch import Tensor

from phiz.generator import poses
from phiz.generator.generator import Generator
from phiz.generator.path import render_with_path
from phiz.importers import stylenerf_names as names

Check = Callable[..., None]
RELATIVE = 1e-3


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


def test_a_training_step_matches(trained: tuple[Recorded, str], check: Check) -> None:
    recorded, name = trained
    given, expected = recorded.part(name, "train_inputs"), recorded.part(name, "train_outputs")
    generator = _learning(recorded, float(name.removeprefix("train_alpha")))
    draws = Replayed(given)
    z = given.get("z", recorded.inputs["z"])
    draws.normal(len(z))  # a roll that the published network multiplies by nothing
    styles = generator.styles(z)
    styles.retain_grad()
    image, small, loss = _drawn(generator, recorded, styles, expected, draws)
    assert draws.count == len(draws.recorded)
    for key, found in (("ws", styles), ("img", image), ("img_nerf", small)):
        if key in expected:
            check(recorded, f"{name}/{key}", found, expected[key], tolerance=CLOSE)
    if "reg_loss" in expected:
        found = loss[:, None].expand_as(expected["reg_loss"])
        check(recorded, f"{name}/reg_loss", found, expected["reg_loss"], tolerance=RELATIVE, is_relative=True)
    if "pl_noise" in given:
        lengths = _path_lengths(image, styles, given["pl_noise"])
        check(
            recorded,
            f"{name}/pl_lengths",
            lengths,
            expected["pl_lengths"],
            tolerance=RELATIVE,
            is_relative=True,
        )
    scores = recorded.discriminator().requires_grad_(False)(image)
    check(recorded, f"{name}/D_logits", scores, expected["D_logits"], tolerance=CLOSE)
    total = torch.nn.functional.softplus(-scores).mean() + loss.mean()
    check(recorded, f"{name}/G_loss", total, expected["G_loss"], tolerance=RELATIVE, is_relative=True)
    total.backward()
    _gradients_match(recorded, name, generator, styles, expected, check)
    _buffers_match(recorded, name, generator, expected, check)


def _learning(recorded: Recorded, alpha: float) -> Generator:
    """Return a generator in training, with the recorded weights and averages."""
    generator = copy.deepcopy(recorded.generator())
    generator.load_state_dict(names.generator_tensors(recorded.published))
    generator.progress.fill_(alpha)
    return generator.train().requires_grad_(True)


def _drawn(
    generator: Generator, recorded: Recorded, styles: Tensor, expected: Mapping[str, Tensor], draws: Replayed
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the pictures, the volume's pictures and the path losses."""
    world = expected["world_mat"]
    camera = replace(poses.at_units(generator.config, torch.zeros(len(world), 2)), world_from_camera=world)
    behind = recorded.inputs["z_shape_bg"][: len(styles)] if generator.background is not None else None
    prepared = generator.prepare(styles, behind)
    if generator.config.path_samples:
        path = render_with_path(generator, prepared, camera, draws)
        return path.rendering.image, path.rendering.small, path.loss
    rendering = generator.render(prepared, camera, draws=draws)
    return rendering.image, rendering.small, torch.zeros(len(world))


def _path_lengths(image: Tensor, styles: Tensor, noise: Tensor) -> Tensor:
    """Return how far pictures move with their styles (section 3.2 of StyleGAN2, Karras et al., 2020)."""
    moved = (image * noise).sum() / math.sqrt(image.shape[2] * image.shape[3])
    (steepest,) = torch.autograd.grad(moved, styles, retain_graph=True)
    return steepest.square().sum(2).mean(1).sqrt()


def _gradients_match(
    recorded: Recorded,
    name: str,
    generator: Generator,
    styles: Tensor,
    expected: Mapping[str, Tensor],
    check: Check,
) -> None:
    gradients = {k.removeprefix("grad/"): v for k, v in expected.items() if k.startswith("grad/")}
    of_styles = gradients.pop("ws", None)
    ours = dict(generator.named_parameters())
    theirs = names.generator_tensors(gradients | _shapes_only(recorded, gradients))
    for key in names.generator_tensors(recorded.published).keys() & ours.keys() & theirs.keys():
        if theirs[key].is_meta:
            continue
        found = ours[key].grad
        assert found is not None, f"{key} has no gradient"
        check(recorded, f"{name}/grad/{key}", found, theirs[key], tolerance=RELATIVE, is_relative=True)
    if of_styles is not None:
        # The recorder kept this gradient while it took path lengths, so theirs is in it too, as here.
        assert styles.grad is not None
        check(recorded, f"{name}/grad/ws", styles.grad, of_styles, tolerance=RELATIVE, is_relative=True)


def _shapes_only(recorded: Recorded, gradients: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return stand-ins for tensors without a recorded gradient, so that blocks keep their numbers."""
    return {k: v.to("meta") for k, v in recorded.published.items() if k not in gradients}


def _buffers_match(
    recorded: Recorded, name: str, generator: Generator, expected: Mapping[str, Tensor], check: Check
) -> None:
    after = {k.removeprefix("buffer_after/"): v for k, v in expected.items() if k.startswith("buffer_after/")}
    theirs = names.generator_tensors(after | _shapes_only(recorded, after))
    for key, found in generator.named_buffers():
        if key in theirs and not theirs[key].is_meta:
            check(recorded, f"{name}/{key}", found, theirs[key], tolerance=CLOSE, is_relative=True)
