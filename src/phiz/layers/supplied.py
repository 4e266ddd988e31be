"""Weights that the user brings: read from safetensors, renamed, every tensor accounted for."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from jaxtyping import Shaped
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from phiz import checkpoint
from phiz.errors import CheckpointError

Rules = Sequence[tuple[str, str | None]]
"""Pattern of a whole published name and our name for it, or None for what is not needed."""


def read_tensors(path: Path, *, kind: str) -> dict[str, Shaped[Tensor, "..."]]:
    """Return the tensors of a file of ours that holds `kind`, or of anybody's safetensors file."""
    try:
        checkpoint.read_about(path)
    except CheckpointError as error:
        try:
            return load_file(path)
        except (SafetensorError, OSError):
            raise error from None  # it says what the file is
    return checkpoint.load(path, kind=kind).tensors


def renamed(
    tensors: Mapping[str, Shaped[Tensor, "..."]], rules: Rules, *, what: str
) -> dict[str, Shaped[Tensor, "..."]]:
    """Return tensors under our names; refuse names that no rule knows and names that come twice."""
    ours: dict[str, Tensor] = {}
    unknown = []
    for name, tensor in tensors.items():
        rule = next(((new, match) for old, new in rules if (match := re.fullmatch(old, name))), None)
        if rule is None:
            unknown.append(name)
        elif rule[0] is not None:
            new = rule[1].expand(rule[0])
            if new in ours:
                raise CheckpointError(f"the weights for {what} hold {new} twice. Give each part once.")
            ours[new] = tensor
    if unknown:
        raise CheckpointError(
            f"the weights for {what} hold {_some(unknown)}, which it does not have. Give the published file."
        )
    return ours


def fill(module: nn.Module, tensors: Mapping[str, Shaped[Tensor, "..."]], *, what: str) -> None:
    """Copy tensors into a network; each of its own has to be there, of its shape, and no other."""
    own = module.state_dict()
    missing, extra = sorted(own.keys() - tensors.keys()), sorted(tensors.keys() - own.keys())
    if missing or extra:
        fault = f"lack {_some(missing)}" if missing else f"hold {_some(extra)}, which it does not have"
        raise CheckpointError(f"the weights for {what} {fault}. Give the whole published file.")
    for name, tensor in tensors.items():
        if tensor.shape != own[name].shape:
            raise CheckpointError(
                f"the weights for {what} hold {name} of shape {tuple(tensor.shape)}, not "
                f"{tuple(own[name].shape)}. Give the published file."
            )
    module.load_state_dict(dict(tensors))


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more
