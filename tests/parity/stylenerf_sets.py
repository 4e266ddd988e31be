"""Folders of numbers recorded from the published StyleNeRF, whatever they are called and however made."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import pytest
import torch
from parity.stylenerf_fill import regenerated
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor

from phiz.generator.config import DiscriminatorConfig
from phiz.generator.discriminator import Discriminator
from phiz.generator.generator import Generator
from phiz.graphics.camera import Camera
from phiz.importers import stylenerf_names as names

COMMITTED = Path(__file__).parent / "goldens"
CLOSE = 1e-4
"""What pictures, features and scores may deviate by."""
RELATIVE = 1e-3
"""What losses and gradients may deviate by, as a part of their length."""


@dataclass(frozen=True)
class Recorded:
    """One folder."""

    path: Path
    label: str

    @cached_property
    def config(self) -> dict[str, Any]:
        config: dict[str, Any] = json.loads((self.path / "config.json").read_text(encoding="utf-8"))
        return config

    @property
    def cases(self) -> Mapping[str, Mapping[str, Any]]:
        cases: Mapping[str, Mapping[str, Any]] = self.config.get("cases", {})
        return cases

    @property
    def tolerance(self) -> float:
        """Return what pictures may deviate by: more only where the recorder deviates more from itself."""
        noise: float = self.config.get("thread_noise_floor_max_abs", 0.0)
        return CLOSE if noise <= CLOSE else 2 * noise

    def tensors(self, file: str) -> dict[str, Tensor]:
        path = self.path / f"{file}.safetensors"
        if not path.is_file():
            pytest.skip(f"{self.label} has no {path.name}")
        return load_file(path)

    @cached_property
    def inputs(self) -> dict[str, Tensor]:
        return self.tensors("inputs")

    @cached_property
    def outputs(self) -> dict[str, Tensor]:
        return self.tensors("outputs")

    def names(self, file: str = "outputs") -> list[str]:
        """Return the names of recorded tensors, without reading those."""
        path = self.path / f"{file}.safetensors"
        if not path.is_file():
            return []
        with safe_open(path, "pt") as opened:
            return sorted(opened.keys())

    def part(self, prefix: str, file: str = "outputs") -> dict[str, Tensor]:
        """Return what was recorded below a prefix, under the rest of its name."""
        tensors = self.outputs if file == "outputs" else self.tensors(file)
        return {k[len(prefix) + 1 :]: v for k, v in tensors.items() if k.startswith(f"{prefix}/")}

    @cached_property
    def published(self) -> dict[str, Tensor]:
        """Return the generator's tensors under their published names."""
        if (self.path / "params.safetensors").is_file():
            return self.tensors("params")
        if "param_index" in self.config:
            return regenerated(self.config["param_index"], self.config.get("alpha", 1.0))
        other = self.path / str(self.config.get("params", ""))
        if not other.is_file():
            pytest.skip(f"{self.label} has no weights, and nothing to make them from")
        return load_file(other)

    @property
    def resolution(self) -> int:
        """Return the size of the picture, which the upsampler's blocks tell where nothing else does."""
        common = self.config.get("common_kwargs", {})
        blocks = [
            int(k.split(".")[1][1:]) for k in self.published if k.startswith("synthesis.b") and "conv0" in k
        ]
        return int(common.get("img_resolution", max(blocks)))

    def generator(self) -> Generator:
        """Return the generator with the recorded weights; made once."""
        return _generator(self)

    def discriminator(self) -> Discriminator:
        """Return the discriminator with the recorded weights."""
        published = self.tensors("d_params")
        config: DiscriminatorConfig = names.discriminator_config(self.config["D_kwargs"], published)
        network = Discriminator(config).eval()
        network.load_state_dict(names.discriminator_tensors(published))
        return network


@cache
def _generator(recorded: Recorded) -> Generator:
    published = recorded.published
    settings = recorded.config.get("G_init_kwargs_after") or recorded.config["G_kwargs"]
    generator = Generator(names.generator_config(settings, recorded.resolution, published)).eval()
    generator.load_state_dict(names.generator_tensors(published))
    return generator.requires_grad_(False)


def found_in(root: Path, mark: str) -> list[Recorded]:
    """Return the recordings of a folder and of those in it, known by what they hold."""
    if not root.is_dir():
        return []
    folders = [root, *sorted(path for path in root.iterdir() if path.is_dir())]
    return [
        Recorded(path, mark + path.name)
        for path in folders
        if (path / "config.json").is_file() and (path / "outputs.safetensors").is_file()
        if "G_kwargs" in json.loads((path / "config.json").read_text(encoding="utf-8"))
    ]


def camera_from(world: Tensor, inverse: Tensor) -> Camera:
    """Return our camera of a recorded cam-to-world matrix and recorded inverse intrinsics."""
    one = torch.ones_like(inverse[:, 0, 0])
    focal = torch.stack([1 / inverse[:, 0, 0], 1 / inverse[:, 1, 1], one], dim=-1)
    return Camera(world_from_camera=world, intrinsics=torch.diag_embed(focal))
