"""Recognisers as files, and the one that is built in."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from phiz import checkpoint
from phiz.checkpoint import Saved
from phiz.errors import CheckpointError, MissingError
from phiz.face.identity.config import from_plain, to_plain
from phiz.face.identity.networks import Recogniser, build
from phiz.layers import supplied

BUILT_IN = Path(__file__).resolve().parents[2] / "weights" / "identity.safetensors"
KIND, NETWORK, ABOUT = "recogniser", "network", "about"


def save(
    path: Path, network: Recogniser, *, about: Mapping[str, object] | None = None, is_half: bool = False
) -> None:
    """Write a recogniser with its config; in half precision it takes half the room, for what is shipped."""
    tensors = dict(network.state_dict())
    if is_half:
        tensors = {name: t.half() if t.is_floating_point() else t for name, t in tensors.items()}
    config = {NETWORK: to_plain(network.config), ABOUT: dict(about or {})}
    checkpoint.save(path, kind=KIND, config=config, tensors=tensors)


def load(path: Path | None = None) -> Recogniser:
    """Return a recogniser from its file, the built-in one without a path; it is ready to be asked."""
    saved = _read(path)
    where = path or BUILT_IN
    try:
        network = build(from_plain(saved.config[NETWORK]))
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{where} says nothing usable about its network: {error}") from error
    tensors = {name: t.float() if t.is_floating_point() else t for name, t in saved.tensors.items()}
    supplied.fill(network, tensors, what=f"the recogniser in {where}")
    return network.eval().requires_grad_(False)


def about(path: Path | None = None) -> Mapping[str, Any]:
    """Return what a recogniser's file says about it beside its sizes."""
    found: Mapping[str, Any] = _read(path).config.get(ABOUT, {})
    return found


def _read(path: Path | None) -> Saved:
    if path is None and not BUILT_IN.exists():
        raise MissingError(
            "this copy of phiz has no built-in recogniser. Train one with 'phiz train arcface', import one "
            "with 'phiz import arcface', or name a file."
        )
    return checkpoint.load(path or BUILT_IN, kind=KIND)
