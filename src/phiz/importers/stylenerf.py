"""StyleNeRF snapshots: both generators and the discriminator of a published pickle, as our networks."""

from __future__ import annotations

import math
import re
import typing
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

import torch
from jaxtyping import Shaped
from torch import Tensor

from phiz.errors import CheckpointError
from phiz.generator.config import DiscriminatorConfig, GeneratorConfig
from phiz.generator.discriminator import Discriminator
from phiz.generator.generator import Generator
from phiz.importers import stylenerf_names as names
from phiz.importers import stylenerf_settings
from phiz.importers.steps import refused, shown
from phiz.importers.storage import View
from phiz.importers.unpickle import Thing, plain, read_pickle
from phiz.layers import supplied

Tensors = dict[str, Tensor]
N = TypeVar("N", Generator, Discriminator)

MOST_MODULES = 10_000
LONGEST_NAME = 200
"""Characters of a tensor's name with all that it is in."""
LARGEST_SIZE = 2**20
"""No size in a published file comes near this."""
FILTER = (1.0, 3.0, 3.0, 1.0)
"""The low-pass filter of all published networks; they keep a copy in every layer."""
STRANGE = (ArithmeticError, AttributeError, LookupError, MemoryError, RuntimeError, TypeError, ValueError)
"""What settings that make no sense end in."""


@dataclass(frozen=True, kw_only=True)
class Published:
    """What is in a snapshot."""

    average: Generator
    """The running average, which draws best."""
    generator: Generator
    discriminator: Discriminator
    tensors: Mapping[str, int]
    """How many tensors each of the three had in the file, constants included."""
    training_set: Mapping[str, Any]


def read(path: Path) -> Published:
    """Return the networks of a published snapshot; every tensor in it is accounted for."""
    whole = read_pickle(path)
    if not isinstance(whole, dict) or not {"G", "D", "G_ema"} <= whole.keys():
        raise refused(path, "it holds no G, D and G_ema, as snapshots of StyleNeRF do")
    room, key = path.stat().st_size, ""
    counts: dict[str, int] = {}
    try:
        found: dict[str, Tensors] = {}
        for key in ("G_ema", "G", "D"):
            if not isinstance(whole[key], Thing) or not isinstance(whole[key].state, dict):
                raise TypeError("it is no network")
            found[key] = state_of(whole[key], room)
            counts[key] = len(found[key])
        key = "D"
        discriminator = _discriminator(whole[key], found[key], f"{key} of {path.name}")
        key = "G"
        generator = _generator(whole[key], found[key], f"{key} of {path.name}")
        key = "G_ema"
        average = _generator(whole[key], found[key], f"{key} of {path.name}")
        key = "training_set_kwargs"
        training_set = dict(plain(whole.get(key) or {}))
    except STRANGE as error:
        raise CheckpointError(
            f"{path}: {key} is built in a way that phiz does not know "
            f"({shown(f'{type(error).__name__}: {error}')}). "
            "StyleNeRF snapshots of the published configurations can be imported."
        ) from error
    return Published(
        average=average,
        generator=generator,
        discriminator=discriminator,
        tensors=counts,
        training_set=training_set,
    )


def state_of(thing: Thing, room: int) -> dict[str, Shaped[Tensor, "..."]]:
    """Return the tensors of a network and of all in it, under the names that torch gives them.

    `room` is how many bytes they may take together: those of the file. A file could otherwise name the same
    numbers a thousand times.
    """
    found: Tensors = {}
    waiting = [("", thing)]
    for _ in range(MOST_MODULES):
        if not waiting:
            return found
        prefix, module = waiting.pop()
        if len(prefix) > LONGEST_NAME:
            raise ValueError("its parts are nested too deeply")
        for group in ("_parameters", "_buffers"):
            for name, value in _entries(module, group):
                if not isinstance(value, View) or prefix + name in found:
                    raise TypeError(f"its {prefix}{name} is no tensor, or there twice")
                found[prefix + name] = value.tensor()
                room -= math.prod(value.size) * value.held.values.itemsize
        for name, value in _entries(module, "_modules"):
            if not isinstance(value, Thing):
                raise TypeError(f"its {prefix}{name} is no network")
            waiting.append((f"{prefix}{name}.", value))
        if room < 0:
            raise ValueError("its tensors take more room than the file has")
    raise ValueError("its parts have no end")


def _entries(module: Thing, group: str) -> Iterator[tuple[str, Any]]:
    """Yield what stands under names in one of the dicts that make a module of torch."""
    held = module.state.get(group) if isinstance(module.state, dict) else None
    if not isinstance(held or {}, dict) or not all(_is_name(name) for name in held or {}):
        raise TypeError(f"its {group} have no names")
    yield from ((name, value) for name, value in (held or {}).items() if value is not None)


def _is_name(name: object) -> bool:
    """Return whether torch may have called a part so; it ends up in names of tensors, and in messages."""
    return isinstance(name, str) and re.fullmatch(r"\w{1,100}", name, re.ASCII) is not None


def settings_of(thing: Thing) -> dict[str, Any]:
    """Return the key words that a network was made with."""
    settings = plain(thing.state.get("_init_kwargs") or {})
    if not isinstance(settings, dict):
        raise TypeError("it does not say what it was made with")
    return settings


def _generator(thing: Thing, tensors: Tensors, what: str) -> Generator:
    settings = settings_of(thing)
    stylenerf_settings.check_generator(settings, float(tensors["synthesis.alpha"]))
    config = names.generator_config(settings, int(settings["img_resolution"]), tensors)
    return _filled(Generator, config, tensors, names.generator_tensors(tensors), what)


def _discriminator(thing: Thing, tensors: Tensors, what: str) -> Discriminator:
    settings = settings_of(thing)
    stylenerf_settings.check_discriminator(settings)
    config = names.discriminator_config(settings, tensors)
    return _filled(Discriminator, config, tensors, names.discriminator_tensors(tensors), what)


def _filled(
    kind: type[N],
    config: GeneratorConfig | DiscriminatorConfig,
    published: Tensors,
    ours: Tensors,
    what: str,
) -> N:
    """Return a network with the published tensors; their shapes are compared before memory is taken."""
    check_settings(config)
    constants = [name for name in published if name.endswith("resample_filter")]
    row = torch.tensor(FILTER)
    for name in constants:
        if not torch.allclose(published[name].float(), row.outer(row) / row.sum() ** 2, atol=1e-6):
            raise ValueError(f"its {name} is another filter than the published one")
    with torch.device("meta"):
        draft = kind(config)  # type: ignore[arg-type]
    supplied.fill(draft, {name: value.to("meta") for name, value in ours.items()}, what=what)
    network = kind(config)  # type: ignore[arg-type]
    supplied.fill(network, ours, what=what)
    return network.eval().requires_grad_(False)


def check_settings(config: GeneratorConfig | DiscriminatorConfig) -> None:
    """Refuse a config whose values are not of their kind, as the dataclass itself does not."""
    hints = typing.get_type_hints(type(config))
    for name, value in asdict(config).items():
        if not _fits(value, hints[name]):
            raise ValueError(f"{name} cannot be what the file says")


def _fits(value: object, hint: Any) -> bool:
    inner = typing.get_args(hint)
    if typing.get_origin(hint) is Literal:
        return isinstance(value, str) and value in inner
    if typing.get_origin(hint) is tuple:
        kinds = inner[:-1] * len(value) if inner[-1] is Ellipsis and isinstance(value, tuple) else inner
        return (
            isinstance(value, tuple)
            and len(value) == len(kinds)
            and all(_fits(one, kind) for one, kind in zip(value, kinds, strict=True))
        )
    if hint is float:
        return type(value) in (int, float) and math.isfinite(typing.cast("float", value))
    if hint is int:
        return type(value) is int and 0 <= value <= LARGEST_SIZE
    return type(value) is hint
