"""Scores of pictures against numbers recorded from the published discriminator."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any

import pytest
import torch
from parity.stylenerf_rounding import Doubt, in_double
from parity.stylenerf_sets import CLOSE, RELATIVE, Recorded
from torch import Tensor

from phiz.generator.discriminator import Discriminator, Growth

Check = Callable[..., None]
Judge = Callable[[Discriminator, Mapping[str, Tensor]], Tensor]


def test_scores_match(judged: tuple[Recorded, str], check: Check) -> None:
    recorded, name = judged
    discriminator = recorded.discriminator()
    expected = recorded.outputs[f"D/{name}"]
    judge = _penalty if name == "r1_penalty" else _judge(recorded, name, discriminator)

    def again(rounding: AbstractContextManager[Any]) -> dict[str, Tensor]:
        twin = in_double(discriminator)
        with rounding:
            return {"found": judge(twin, recorded.inputs).reshape(expected.shape)}

    found = judge(discriminator, recorded.inputs).reshape(expected.shape)
    is_relative = name == "r1_penalty"
    limit = RELATIVE if is_relative else CLOSE
    check(
        recorded,
        f"D/{name}",
        found,
        expected,
        tolerance=limit,
        is_relative=is_relative,
        doubt=Doubt(again),
        key="found",
    )


def _judge(recorded: Recorded, name: str, discriminator: Discriminator) -> Judge:
    """Return what gives the scores of a case, or the camera that is believed in."""
    found_alpha = re.match(r"alpha_([\d.]+)(?:/|$)", name)
    if found_alpha is None:
        pytest.skip(f"this runner knows no score called {name}")
    growth = _growth(discriminator, float(found_alpha[1])) if "with_fade" in name else None

    def judge(network: Discriminator, inputs: Mapping[str, Tensor]) -> Tensor:
        image = _image(inputs, found_alpha[1], network)
        with torch.no_grad():
            scores, camera = network.judge(image, growth=growth)
        if not name.endswith("camera"):
            return scores
        assert camera is not None
        return camera

    return judge


def _image(inputs: Mapping[str, Tensor], alpha: str, discriminator: Discriminator) -> Tensor:
    """Return the recorded picture of a progress: its own, else the smallest at 0 and the large one at 1."""
    own, smallest = f"D.img_alpha{alpha}", f"D.img{discriminator.config.lowest_head}"
    names = (own, smallest, "D.img") if float(alpha) == 0 else (own, "D.img")
    return inputs[next(each for each in names if each in inputs)].to(discriminator.progress)


def _growth(discriminator: Discriminator, alpha: float) -> Growth:
    """Return how far a discriminator has grown at a progress from 0 to 1."""
    config = discriminator.config
    sizes = [r for r in reversed(config.block_resolutions) if r >= config.lowest_head]
    stages = len(sizes) - 1
    whole = min(int(alpha * stages), stages - 1)
    return Growth(sizes[whole + 1], sizes[whole], alpha * stages - whole)


def _penalty(discriminator: Discriminator, inputs: Mapping[str, Tensor]) -> Tensor:
    leaf = inputs["D.img"].to(discriminator.progress).clone().requires_grad_()
    (steepest,) = torch.autograd.grad(discriminator(leaf).sum(), leaf)
    return steepest.square().sum((1, 2, 3))
