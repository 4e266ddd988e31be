"""Tensors out of files of torch or of safetensors, into networks that see faces."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from jaxtyping import Shaped
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from phiz.errors import CheckpointError
from phiz.importers import torch_file
from phiz.importers.steps import refused, shown
from phiz.layers import supplied

N = TypeVar("N", bound=nn.Module)
C = TypeVar("C")
Shapes = Mapping[str, tuple[int, ...]]

STRANGE = (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)
"""What sizes that make no sense end in."""
WRAPPED = "module."
"""In front of all names where a network was saved together with what spread it over GPUs."""
COUNTER = "num_batches_tracked"


@dataclass(frozen=True, kw_only=True)
class Found:
    """What is in a file: one network, and all else by name."""

    tensors: Mapping[str, Shaped[Tensor, "..."]]
    rest: tuple[str, ...] = ()
    """What else is in it and is not needed: parts of a trainer's state, other networks."""


def read(
    path: Path, *, inside: str = "", beside: str = "", prefix: str = "", others: tuple[str, ...] = ()
) -> Found:
    """Return the tensors of one network in a file, in single precision, under bare names.

    A file of torch holds the network alone, or under the name `inside` with parts of its trainer's state
    `beside` it (a pattern of names). A file of safetensors may hold the network behind a `prefix`, with
    other networks, which `others` has the prefixes of.
    """
    if _is_safetensors(path):
        return _from_safetensors(path, prefix, others)
    whole = torch_file.read(path)
    rest: tuple[str, ...] = ()
    if inside and isinstance(whole, Mapping) and inside in whole:
        rest = tuple(sorted(shown(str(name)) for name in whole if name != inside))
        if strange := [name for name in rest if not re.fullmatch(beside, name)]:
            raise refused(path, f"besides {inside} it holds {strange[0]}, which is not known")
        whole = whole[inside]
    return Found(tensors=bare(torch_file.tensors_of(whole, path), path), rest=rest)


def bare(tensors: Mapping[str, Shaped[Tensor, "..."]], path: Path) -> dict[str, Shaped[Tensor, "..."]]:
    """Return tensors in single precision, under names without wrapping; refuse other kinds of numbers."""
    is_wrapped = all(name.startswith(WRAPPED) for name in tensors)
    found = {}
    for name, value in tensors.items():
        is_count = name.endswith(COUNTER)
        if is_count != (value.dtype == torch.int64) or not (is_count or value.is_floating_point()):
            raise refused(path, f"its {name} holds numbers of the kind {value.dtype}")
        found[name.removeprefix(WRAPPED) if is_wrapped else name] = value if is_count else value.float()
    return found


def filled(
    make: Callable[[C], N], config: C, tensors: Mapping[str, Shaped[Tensor, "..."]], *, what: str
) -> N:
    """Return a network with tensors, each in its place; their shapes are compared before memory is taken."""
    with torch.device("meta"):
        draft = make(config)
    supplied.fill(draft, {name: value.to("meta") for name, value in tensors.items()}, what=what)
    network = make(config)
    supplied.fill(network, tensors, what=what)
    return network.eval().requires_grad_(False)


def _is_safetensors(path: Path) -> bool:
    """Return whether a file looks like safetensors: the length of a header, then the header's bracket."""
    try:
        with path.open("rb") as file:
            return file.read(9)[8:] == b"{"
    except OSError as error:
        raise CheckpointError(f"cannot read {path}: {error.strerror}. Check the name.") from error


def _from_safetensors(path: Path, prefix: str, others: tuple[str, ...]) -> Found:
    try:
        with safe_open(path, "pt") as file:
            names = list(file.keys())
            is_shared = bool(prefix) and any(name.startswith(prefix) for name in names)
            mine = [name for name in names if name.startswith(prefix)] if is_shared else names
            left = [name for name in names if is_shared and not name.startswith(prefix)]
            strange = [name for name in left if not name.startswith(others)]
            if strange:
                raise refused(
                    path, f"it holds {shown(strange[0])}, which belongs to no network that is known"
                )
            tensors: dict[str, Any] = {name.removeprefix(prefix): file.get_tensor(name) for name in mine}
    except (SafetensorError, OSError) as error:
        raise refused(path, f"it is damaged or cut short ({error})") from error
    counts = {other: sum(name.startswith(other) for name in left) for other in others}
    rest = tuple(f"{other}* ({count} tensors)" for other, count in counts.items() if count)
    return Found(tensors=bare(tensors, path), rest=rest)
