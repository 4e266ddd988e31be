"""Carry bundles of tensors to another device."""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar, cast

import torch
from torch import Tensor

Bundle = TypeVar("Bundle")


def moved(bundle: Bundle, device: torch.device | str) -> Bundle:
    """Return a frozen dataclass, tuple or tensor with all tensors inside of it on a device."""
    found: Any = bundle
    if isinstance(found, Tensor):
        return cast(Bundle, found.to(device))
    if isinstance(found, tuple) and not hasattr(found, "_fields"):
        return cast(Bundle, tuple(moved(part, device) for part in found))
    if is_dataclass(found) and not isinstance(found, type):
        parts = {f.name: moved(getattr(found, f.name), device) for f in fields(found)}
        return cast(Bundle, replace(found, **parts))
    return bundle
