"""Generators and discriminators as files, and the generator that is built in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from phiz import checkpoint
from phiz.checkpoint import Saved
from phiz.errors import CheckpointError, MissingError
from phiz.generator.config import DiscriminatorConfig, GeneratorConfig, from_plain
from phiz.generator.discriminator import Discriminator
from phiz.generator.generator import Generator

BUILT_IN = Path(__file__).resolve().parent.parent / "weights" / "generator.safetensors"
GENERATOR, DISCRIMINATOR = "generator", "discriminator"
ABOUT = "about"
"""Under which name a file keeps what others say about a network, such as how its codes are laid out."""


def save_generator(
    path: Path,
    generator: Generator,
    *,
    about: Mapping[str, object] | None = None,
    is_half: bool = False,
) -> None:
    """Write a generator with its config; in half precision it takes half the room, for what is shipped."""
    tensors = generator.state_dict()
    if is_half:
        tensors = {name: value.half() for name, value in tensors.items()}
    config = {GENERATOR: asdict(generator.config), ABOUT: dict(about or {})}
    checkpoint.save(path, kind=GENERATOR, config=config, tensors=tensors)


def load(path: Path | None = None) -> Generator:
    """Return a generator from its file, the built-in one without a path; it is ready to draw."""
    saved = _read(path)
    generator = Generator(_config(path, GeneratorConfig, saved.config, GENERATOR))
    _fill(path, generator, saved)
    return generator.eval().requires_grad_(False)


def about(path: Path | None = None) -> Mapping[str, Any]:
    """Return what a generator's file says about it beside its sizes."""
    found: Mapping[str, Any] = _read(path).config.get(ABOUT, {})
    return found


def save_discriminator(
    path: Path, discriminator: Discriminator, *, about: Mapping[str, object] | None = None
) -> None:
    """Write a discriminator with its config."""
    config = {DISCRIMINATOR: asdict(discriminator.config), ABOUT: dict(about or {})}
    checkpoint.save(path, kind=DISCRIMINATOR, config=config, tensors=discriminator.state_dict())


def load_discriminator(path: Path) -> Discriminator:
    """Return a discriminator from its file."""
    saved = checkpoint.load(path, kind=DISCRIMINATOR)
    discriminator = Discriminator(_config(path, DiscriminatorConfig, saved.config, DISCRIMINATOR))
    _fill(path, discriminator, saved)
    return discriminator.eval()


def _read(path: Path | None) -> Saved:
    if path is None and not BUILT_IN.exists():
        raise MissingError(
            "this copy of phiz has no built-in generator. Train one with 'phiz train gan', or name a file."
        )
    return checkpoint.load(path or BUILT_IN, kind=GENERATOR)


def _config(path: Path | None, kind: type[Any], config: Mapping[str, Any], name: str) -> Any:
    try:
        return from_plain(kind, config[name])
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{path or BUILT_IN} says nothing usable about its network: {error}") from error


def _fill(path: Path | None, network: Generator | Discriminator, saved: Saved) -> None:
    try:
        network.load_state_dict({name: value.float() for name, value in saved.tensors.items()})
    except RuntimeError as error:
        raise CheckpointError(f"{path or BUILT_IN} does not fit its own config: {error}") from error
