"""Scores of pictures against numbers recorded from the published discriminator."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
import torch
from parity.stylenerf_sets import CLOSE, Recorded
from torch import Tensor

from phiz.generator.discriminator import Discriminator, Growth

Check = Callable[..., None]
RELATIVE = 1e-3


def test_scores_match(judged: tuple[Recorded, str], check: Check) -> None:
    recorded, name = judged
    discriminator = recorded.discriminator()
    expected = recorded.outputs[f"D/{name}"]
    if name == "r1_penalty":
        found = _penalty(discriminator, recorded.inputs["D.img"])
        check(recorded, f"D/{name}", found, expected, tolerance=RELATIVE, is_relative=True)
        return
    found_alpha = re.match(r"alpha_([\d.]+)(?:/|$)", name)
    if found_alpha is None:
        pytest.skip(f"this runner knows no score called {name}")
    alpha = float(found_alpha[1])
    image = _image(recorded, found_alpha[1], discriminator)
    growth = _growth(discriminator, alpha) if "with_fade" in name else None
    with torch.no_grad():
        scores, camera = discriminator.judge(image, growth=growth)
    if name.endswith("camera"):
        assert camera is not None
        check(recorded, f"D/{name}", camera.reshape(expected.shape), expected, tolerance=CLOSE)
    else:
        check(recorded, f"D/{name}", scores, expected, tolerance=CLOSE)


def _image(recorded: Recorded, alpha: str, discriminator: Discriminator) -> Tensor:
    """Return the recorded picture of a progress: its own, else the smallest at 0 and the large one at 1."""
    inputs = recorded.inputs
    if (own := f"D.img_alpha{alpha}") in inputs:
        return inputs[own]
    if float(alpha) == 0:
        return inputs.get(f"D.img{discriminator.config.lowest_head}", inputs["D.img"])
    return inputs["D.img"]


def _growth(discriminator: Discriminator, alpha: float) -> Growth:
    """Return how far a discriminator has grown at a progress from 0 to 1."""
    config = discriminator.config
    sizes = [r for r in reversed(config.block_resolutions) if r >= config.lowest_head]
    stages = len(sizes) - 1
    whole = min(int(alpha * stages), stages - 1)
    return Growth(sizes[whole + 1], sizes[whole], alpha * stages - whole)


def _penalty(discriminator: Discriminator, image: Tensor) -> Tensor:
    leaf = image.clone().requires_grad_()
    (steepest,) = torch.autograd.grad(discriminator(leaf).sum(), leaf)
    return steepest.square().sum((1, 2, 3))
