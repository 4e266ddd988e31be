"""Snapshots of the published structure, written by the tests themselves: names, nesting and blobs."""

from __future__ import annotations

import io
import pickle
import pickletools
import re
import sys
import types
from collections import OrderedDict
from typing import Any

import torch
from torch import Tensor

from phiz.generator.config import TINY, TINY_D, GeneratorConfig
from phiz.generator.discriminator import Discriminator
from phiz.generator.generator import Generator

ROW = torch.tensor([1.0, 3.0, 3.0, 1.0])
FILTER = ROW.outer(ROW) / 64
"""The constant that every published layer holds."""


class Persistent:
    """Pickles as the published loop's objects do: a call, and a dict with source text that must not run."""

    def __init__(self, name: str, state: dict[str, Any]) -> None:
        self.meta = {
            "type": "class",
            "version": 6,
            "module_src": "raise SystemExit('somebody ran this')",
            "class_name": name,
            "state": state,
        }

    def __reduce__(self) -> tuple[Any, tuple[dict[str, Any]]]:
        return sys.modules["torch_utils.persistence"]._reconstruct_persistent_obj, (self.meta,)


def module(tensors: dict[str, Tensor], **more: Any) -> Persistent:
    """Return a network, nested as torch nests modules."""
    inner: dict[str, dict[str, Tensor]] = {}
    own: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        first, dot, rest = name.partition(".")
        if dot:
            inner.setdefault(first, {})[rest] = tensor
        else:
            own[first] = tensor
    parameters = OrderedDict((k, v) for k, v in own.items() if k in ("weight", "bias", "noise_strength"))
    buffers = OrderedDict((k, v) for k, v in own.items() if k not in parameters)
    modules = OrderedDict((name, module(part)) for name, part in inner.items())
    state = {"training": False, "_parameters": parameters, "_buffers": buffers, "_modules": modules, **more}
    return Persistent("Module", state)


def generator_names(generator: Generator) -> dict[str, Tensor]:
    """Return a generator's tensors under their published names and in their published shapes."""
    config, out = generator.config, {}
    convolved = ("foreground", "upsampler") if config.source == "encoding" else ("upsampler",)
    for name, tensor in generator.state_dict().items():
        is_conv = name.startswith(convolved) and ".style." not in name
        old = re.sub(
            r"foreground\.planes\.blocks\.(\d)",
            lambda m: f"synthesis.in_b{config.plane_resolutions[int(m[1])]}",
            name.replace("foreground.planes.constant", "synthesis.in_b8.const"),
        )
        old = re.sub(r"\.noise$", ".noise_const", old)
        old = old.replace("progress", "synthesis.alpha").replace("mapping.average", "mapping.w_avg")
        old = re.sub(r"mapping\.layers\.(\d)", r"mapping.fc\1", old)
        old = old.replace("foreground.", "synthesis.fg_nerf.").replace("background.", "synthesis.bg_nerf.")
        old = old.replace("nerf.layers.0", "nerf.fc_in")
        old = re.sub(r"nerf\.layers\.(\d)", lambda m: f"nerf.blocks.{int(m[1]) - 1}", old)
        old = old.replace("nerf.colour", "nerf.to_rgb").replace("density", "sigma_out")
        old = old.replace("features", "feat_out").replace("style", "affine").replace("magnitude", "w_avg")
        old = re.sub(
            r"upsampler\.blocks\.(\d)", lambda m: f"synthesis.b{config.block_resolutions[int(m[1])]}", old
        )
        old = old.replace(".first", ".conv0").replace(".second", ".conv1").replace("adapter", "conv0.adapter")
        old = re.sub(r"(synthesis\.(?:in_)?b\d+)\.colour", r"\1.torgb", old)
        is_conv = tensor.ndim == 2 and (is_conv or "to_rgb" in old or "torgb.weight" in old)
        out[old] = tensor[:, :, None, None] if is_conv and old.endswith(".weight") else tensor
    return out | {"synthesis.fg_nerf.fc_in.resample_filter": FILTER.clone()}


def discriminator_names(judge: Discriminator) -> dict[str, Tensor]:
    """Return a discriminator's tensors under their published names and in their published shapes."""
    out = {}
    for name, tensor in judge.state_dict().items():
        old = name.replace("progress", "alpha").replace("from_rgb", "fromrgb").replace("dense", "fc")
        old = re.sub(r"blocks\.(\d)", lambda m: f"b{judge.config.block_resolutions[int(m[1])]}", old)
        old = old.replace("last", "b4").replace(".first", ".conv0").replace(".second", ".conv1")
        is_conv = "fromrgb.weight" in old
        out[old] = tensor[:, :, None, None] if is_conv else tensor
    return out | {"b4.conv.resample_filter": FILTER.clone()}


def settings(config: GeneratorConfig = TINY) -> dict[str, Any]:
    """Return the key words of a tiny published generator."""
    upsampling = {"fir": "default"}.get(config.upsampling, config.upsampling)
    camera = {
        "range_u": list(config.azimuth), "range_v": list(config.polar), "range_radius": [1.0, 1.0],
        "depth_range": [config.near, config.far], "fov": 12, "gaussian_camera": True, "bg_start": 0.5,
        "ray_align_corner": False, "dists_normalized": False, "depth_transform": None, "angular_camera": True,
    }  # fmt: skip
    synthesis = {
        "resolution_vol": config.volume_resolution, "upsample_mode": upsampling, "conv_clamp": 256,
        "magnitude_ema_beta": 0.999, "z_dim_bg": config.background_latent,
        "n_reg_samples": config.path_samples,
        "camera_kwargs": camera,
        "renderer_kwargs": {"n_ray_samples": config.samples, "n_bg_samples": 4, "hierarchical": True},
    }  # fmt: skip
    return {
        "z_dim": config.z_size, "w_dim": config.w_size, "img_resolution": config.resolution,
        "synthesis_kwargs": synthesis,
    }  # fmt: skip


def networks() -> tuple[Generator, Generator, Discriminator]:
    """Return an averaged generator, one that learns, and a discriminator."""
    with torch.random.fork_rng():
        torch.random.set_rng_state(torch.Generator().manual_seed(4).get_state())
        return Generator(TINY).eval(), Generator(TINY).eval(), Discriminator(TINY_D).eval()


def written(**changes: Any) -> bytes:
    """Return the bytes of a snapshot; `changes` replace what stands under its names."""
    average, learning, judge = networks()
    judged = {"conv_clamp": 256, "epilogue_kwargs": {"mbstd_group_size": 2}, "lowres_head": 8}
    whole = {
        "training_set_kwargs": {"class_name": "training.dataset.ImageFolderDataset", "use_labels": False},
        "G": module(generator_names(learning), _init_kwargs=settings()),
        "D": module(discriminator_names(judge), _init_kwargs=judged),
        "G_ema": module(generator_names(average), _init_kwargs=settings()),
        "augment_pipe": None,
        **changes,
    }
    return dumped(whole)


def dumped(value: Any) -> bytes:
    """Return a pickle whose objects claim to come from the published package."""
    package, inner = types.ModuleType("torch_utils"), types.ModuleType("torch_utils.persistence")

    def _reconstruct_persistent_obj(meta: object) -> None:
        raise AssertionError("somebody called the published loader")

    _reconstruct_persistent_obj.__module__ = "torch_utils.persistence"
    _reconstruct_persistent_obj.__qualname__ = "_reconstruct_persistent_obj"
    inner._reconstruct_persistent_obj = _reconstruct_persistent_obj  # type: ignore[attr-defined]
    sys.modules |= {"torch_utils": package, "torch_utils.persistence": inner}
    try:
        return pickle.dumps(value, protocol=4)
    finally:
        del sys.modules["torch_utils"], sys.modules["torch_utils.persistence"]


def blob(numbers: Tensor) -> bytes:
    """Return a row of numbers as torch's old format has it."""
    held = numbers.untyped_storage()
    row = torch.storage.TypedStorage(wrap_storage=held, dtype=numbers.dtype, _internal=True)
    return next(arg for _, arg, _ in pickletools.genops(pickle.dumps(row)) if isinstance(arg, bytes))


def pieces(data: bytes) -> list[bytes]:
    """Return the five pickles that a row of numbers begins with, and the numbers."""
    file, found = io.BytesIO(data), []
    for _ in range(5):
        start = file.tell()
        for _ in pickletools.genops(file):
            pass
        found.append(data[start : file.tell()])
    return [*found, file.read()]
