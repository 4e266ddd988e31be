"""StyleNeRF snapshots: both generators and the discriminator of a published pickle, as our networks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jaxtyping import Shaped
from torch import Tensor

from phiz.errors import CheckpointError
from phiz.generator.discriminator import Discriminator
from phiz.generator.generator import Generator
from phiz.importers import stylenerf_names as names
from phiz.importers.unpickle import Thing, plain, read_pickle, refused
from phiz.layers import supplied

Tensors = dict[str, Tensor]


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
    if not isinstance(whole, dict) or not {"G", "D", "G_ema"} <= set(whole):
        raise refused(path, "it holds no G, D and G_ema, as snapshots of StyleNeRF do")
    counts = {}
    networks: dict[str, Generator | Discriminator] = {}
    for key in ("G_ema", "G", "D"):
        thing = whole[key]
        if not isinstance(thing, Thing) or not isinstance(thing.state, dict):
            raise refused(path, f"its {key} is no network")
        tensors = state_of(thing)
        counts[key] = len(tensors)
        try:
            networks[key] = _discriminator(thing, tensors) if key == "D" else _generator(thing, tensors)
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise CheckpointError(
                f"{path}: {key} is built in a way that phiz does not know ({type(error).__name__}: {error}). "
                "StyleNeRF snapshots of the published configurations can be imported."
            ) from error
    average, generator, discriminator = networks["G_ema"], networks["G"], networks["D"]
    assert isinstance(average, Generator)
    assert isinstance(generator, Generator)
    assert isinstance(discriminator, Discriminator)
    return Published(
        average=average,
        generator=generator,
        discriminator=discriminator,
        tensors=counts,
        training_set=plain(whole.get("training_set_kwargs") or {}),
    )


def state_of(thing: Thing, prefix: str = "") -> dict[str, Shaped[Tensor, "..."]]:
    """Return the tensors of a network and of all in it, under the names that torch gives them."""
    held = thing.state if isinstance(thing.state, dict) else {}
    found: Tensors = {}
    for group in ("_parameters", "_buffers"):
        for name, tensor in (held.get(group) or {}).items():
            if isinstance(tensor, Tensor):
                found[prefix + name] = tensor
    for name, inner in (held.get("_modules") or {}).items():
        if isinstance(inner, Thing):
            found |= state_of(inner, f"{prefix}{name}.")
    return found


def settings_of(thing: Thing) -> dict[str, Any]:
    """Return the key words that a network was made with."""
    settings = plain(thing.state.get("_init_kwargs") or {})
    if not isinstance(settings, dict):
        raise TypeError("it does not say what it was made with")
    return settings


def _generator(thing: Thing, tensors: Tensors) -> Generator:
    settings = settings_of(thing)
    config = names.generator_config(settings, int(settings["img_resolution"]), tensors)
    generator = Generator(config)
    supplied.fill(generator, names.generator_tensors(tensors), what="this generator")
    return generator.eval().requires_grad_(False)


def _discriminator(thing: Thing, tensors: Tensors) -> Discriminator:
    discriminator = Discriminator(names.discriminator_config(settings_of(thing), tensors))
    supplied.fill(discriminator, names.discriminator_tensors(tensors), what="this discriminator")
    return discriminator.eval().requires_grad_(False)
