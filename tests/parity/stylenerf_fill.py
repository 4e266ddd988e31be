"""The numbers that stand in for trained weights in the recordings: a function of name and shape."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

UNFILLED = ("resample_filter", "alpha")


def filled(name: str, shape: Sequence[int]) -> Tensor | None:
    """Return the numbers of a tensor; None for those that keep what the network starts with."""
    leaf, _, owner = name[::-1].partition(".")
    leaf, owner = leaf[::-1], owner[::-1]
    if leaf in UNFILLED:
        return None
    stream = np.random.RandomState(zlib.crc32(name.encode()))  # the recordings' own rule
    numbers = np.asarray(stream.standard_normal(tuple(shape) or ()), dtype=np.float32).reshape(tuple(shape))
    return torch.from_numpy(np.ascontiguousarray(_scaled(name, leaf, owner, numbers), dtype=np.float32))


def _scaled(name: str, leaf: str, owner: str, numbers: Any) -> Any:
    if numbers.ndim == 0:
        numbers = np.float64(numbers)  # single numbers were scaled in double precision
    if leaf == "w_avg":
        return 0.5 * numbers if np.ndim(numbers) == 1 else np.exp(0.25 * numbers)
    if leaf == "noise_strength":
        return 0.1 * numbers
    is_density = owner.endswith("sigma_out")
    if leaf == "bias":
        if ".affine" in name:
            return 1.0 + 0.1 * numbers
        if is_density:
            return np.full_like(numbers, 15.0)
        return (10.0 if "mapping." in name else 0.1) * numbers
    if leaf != "weight":
        return numbers
    if "mapping." in name:
        return 100.0 * numbers
    is_plain = numbers.ndim == 2 and "_nerf" in name and ".affine." not in name and "to_rgb" not in name
    gain = np.float32(np.sqrt(2.0 / numbers.shape[1])) if is_plain else np.float32(1.0)
    return np.float32(20.0) * gain * numbers if is_density else gain * numbers


def regenerated(index: Mapping[str, Mapping[str, Any]], progress: float) -> dict[str, Tensor]:
    """Return all tensors of an index; each has to have the sum that the index holds."""
    tensors = {}
    for name, entry in index.items():
        tensor = filled(name, entry["shape"])
        if tensor is not None:
            found = hashlib.md5(tensor.numpy().tobytes()).hexdigest()
            assert found == entry["md5"], f"{name} does not follow the rule of the recordings"
            tensors[name] = tensor
        elif name.endswith("alpha"):
            tensors[name] = torch.tensor(progress)
    return tensors
