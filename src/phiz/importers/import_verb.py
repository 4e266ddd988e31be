"""``phiz import``: published weights become files of ours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass
from pathlib import Path

import numpy as np

from phiz import checkpoint
from phiz.console import Console
from phiz.errors import UsageError
from phiz.generator import store
from phiz.generator.config import FFHQ_256, FFHQ_512, FFHQ_1024, GeneratorConfig
from phiz.importers import catalogue, stylenerf
from phiz.options import option, positional

CONFIGURATIONS = {config.resolution: config for config in (FFHQ_256, FFHQ_512, FFHQ_1024)}
"""What was published as text; the files that were published differ from it."""


@dataclass(frozen=True, kw_only=True)
class ImportConfig:
    """Which published file to convert, and where to."""

    file: Path = positional()
    """The published pickle."""
    output: Path = option(MISSING, "-o", "--output")
    """The file to write; the networks that were being trained go beside it."""


def import_stylenerf(config: ImportConfig, console: Console) -> Mapping[str, object]:
    """Convert a published StyleNeRF pickle without running anything in it.

    Three files come out: the averaged generator, and beside it the generator and the discriminator that
    were being trained, to go on from.

    Examples:
        phiz import stylenerf ffhq_256.pkl -o ffhq_256.safetensors
    """
    name, ending = config.output.stem, config.output.suffix or checkpoint.SUFFIX
    output = config.output.with_suffix(ending)
    raw = output.with_name(f"{name}-raw{ending}")
    judge = output.with_name(f"{name}-discriminator{ending}")
    if config.file.resolve() in {path.resolve() for path in (output, raw, judge)}:
        raise UsageError(f"{config.file} would be written over. Name another file with -o.")
    found = stylenerf.read(config.file)
    known = catalogue.look_up(config.file)
    about: dict[str, object] = {"imported from": config.file.name, "sha256": checkpoint.digest(config.file)}
    if known is not None:
        about |= {"licence": known.licence, "source": known.source}
    store.save_generator(output, found.average, about=about)
    store.save_generator(raw, found.generator, about=about)
    store.save_discriminator(judge, found.discriminator, about=about)
    shape = found.average.config
    console.say(
        f"{config.file.name}: {shape.resolution} pixels, {shape.upsampling}, {shape.features} features, "
        f"{sum(p.numel() for p in found.average.parameters())} parameters; all of "
        f"{', '.join(f'{count} tensors of {key}' for key, count in found.tensors.items())} are accounted for."
    )
    if changes := differences(shape):
        told = ", ".join(f"{field} {here} ({there})" for field, (here, there) in changes.items())
        console.say(f"Unlike the published configuration (in brackets): {told}.")
    if known is not None:
        console.say(f"Its licence: {known.licence}. It stays with the weights.")
    else:
        console.say("phiz does not know this file. Its licence is that of whoever made it.")
    console.say(f"Wrote {output}, {raw.name} and {judge.name}.")
    return {
        "output": str(output),
        "raw": str(raw),
        "discriminator": str(judge),
        "tensors": dict(found.tensors),
        "resolution": shape.resolution,
        "sha256": about["sha256"],
        "licence": known.licence if known is not None else None,
        "differences": {field: list(both) for field, both in changes.items()},
    }


def differences(config: GeneratorConfig) -> dict[str, tuple[object, object]]:
    """Return what a generator has otherwise than the published configuration of its size: (here, there)."""
    published = CONFIGURATIONS.get(config.resolution)
    if published is None:
        return {}
    here, there = asdict(config), asdict(published)
    return {name: (here[name], there[name]) for name in here if not _same(here[name], there[name])}


def _same(one: object, other: object) -> bool:
    if (
        isinstance(one, (float, tuple))
        and isinstance(other, (float, tuple))
        and np.shape(one) == np.shape(other)
    ):
        return bool(np.allclose(one, other))
    return one == other
