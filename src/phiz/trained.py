"""Trained networks as files: what they learned, with the sizes they were made with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar, get_type_hints

import torch
from torch import Tensor, nn

from phiz import checkpoint
from phiz.checkpoint import Saved
from phiz.errors import CheckpointError, MissingError

WEIGHTS = Path(__file__).resolve().parent / "weights"
SIZES, ABOUT = "sizes", "about"
"""Under which names a file keeps a network's config, and what else is known about it."""

BYTES, SCALE = ".bytes", ".row_scale"
"""Behind the names of weights that are kept as bytes, and of what their rows are multiplied by."""

N = TypeVar("N", bound=nn.Module)


@dataclass(frozen=True, kw_only=True)
class Kind(Generic[N]):
    """A kind of network."""

    name: str
    """What its files call it; also the name of the built-in file."""
    config: type[Any]
    make: Callable[[Any], N]
    trainer: str
    """The command that makes one."""

    @property
    def built_in(self) -> Path:
        return WEIGHTS / f"{self.name}{checkpoint.SUFFIX}"


def save(
    path: Path,
    kind: Kind[N],
    network: N,
    *,
    about: Mapping[str, object] | None = None,
    is_half: bool = False,
    packed: int = 0,
) -> None:
    """Write a network with its config; in half precision it takes half the room, for what is shipped.

    Weights of at least `packed` numbers, if that is not 0, become bytes: each row with a scale of its own.
    """
    tensors = network.state_dict()
    if packed:
        tensors = {name: v for key, value in tensors.items() for name, v in _packed(key, value, packed)}
    if is_half:
        tensors = {name: v.half() if v.is_floating_point() else v for name, v in tensors.items()}
    config = {SIZES: asdict(network.config), ABOUT: dict(about or {})}  # type: ignore[call-overload]
    checkpoint.save(path, kind=kind.name, config=config, tensors=tensors)


def load(kind: Kind[N], path: Path | None = None) -> N:
    """Return a network from its file, the built-in one without a path; it is ready to be used."""
    saved, where = _read(kind, path), path or kind.built_in
    try:
        network = kind.make(_config(kind.config, saved.config[SIZES]))
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{where} says nothing usable about its network: {error}") from error
    own = network.state_dict()
    try:
        network.load_state_dict({name: v.to(own[name].dtype) for name, v in _unpacked(saved.tensors).items()})
    except (KeyError, RuntimeError) as error:
        raise CheckpointError(f"{where} does not fit its own config: {error}") from error
    return network.eval().requires_grad_(False)


def about(kind: Kind[N], path: Path | None = None) -> Mapping[str, Any]:
    """Return what a network's file says about it beside its sizes."""
    found: Mapping[str, Any] = _read(kind, path).config.get(ABOUT, {})
    return found


def _packed(name: str, value: Tensor, least: int) -> list[tuple[str, Tensor]]:
    """Return a tensor under its name, or as bytes and what each row of them is multiplied by."""
    if value.ndim < 2 or value.numel() < least or not value.is_floating_point():
        return [(name, value)]
    rows = value.detach().float().flatten(1)
    scale = (rows.abs().amax(1, keepdim=True) / 127).clamp_min(torch.finfo(torch.float16).tiny).half()
    whole = (rows / scale.float()).round().clamp(-127, 127).to(torch.int8)
    return [(name + BYTES, whole.view(value.shape)), (name + SCALE, scale[:, 0])]


def _unpacked(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return tensors by their own names."""
    found = {}
    for name, value in tensors.items():
        if name.endswith(BYTES):
            own = name.removesuffix(BYTES)
            scale = tensors[own + SCALE].float()
            found[own] = value.float() * scale.view(-1, *[1] * (value.ndim - 1))
        elif not name.endswith(SCALE):
            found[name] = value
    return found


def _read(kind: Kind[N], path: Path | None) -> Saved:
    if path is None and not kind.built_in.exists():
        raise MissingError(
            f"this copy of phiz has no built-in {kind.name}. Train one with {kind.trainer!r}, or name a file."
        )
    return checkpoint.load(path or kind.built_in, kind=kind.name)


def _config(kind: type[Any], values: Mapping[str, Any]) -> Any:
    """Return a config of plain values; configs in it are made the same way."""
    types = get_type_hints(kind)
    if strange := sorted(set(values) - {field.name for field in fields(kind)}):
        raise ValueError(f"{kind.__name__} knows nothing of {', '.join(strange)}; install a newer phiz")
    made = {}
    for name, value in values.items():
        if is_dataclass(types[name]):
            made[name] = _config(types[name], value)
        else:
            made[name] = tuple(value) if isinstance(value, list) else value
    return kind(**made)
