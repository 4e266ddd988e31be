"""``phiz import``: published weights become files of ours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, dataclass
from pathlib import Path

from phiz import checkpoint
from phiz.console import Console
from phiz.generator import store
from phiz.importers import catalogue, stylenerf
from phiz.options import option, positional


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
    found = stylenerf.read(config.file)
    known = catalogue.look_up(config.file)
    about: dict[str, object] = {"imported from": config.file.name, "sha256": checkpoint.digest(config.file)}
    if known is not None:
        about |= {"licence": known.licence, "source": known.source}
    name, ending = config.output.stem, config.output.suffix or checkpoint.SUFFIX
    raw = config.output.with_name(f"{name}-raw{ending}")
    judge = config.output.with_name(f"{name}-discriminator{ending}")
    store.save_generator(config.output, found.average, about=about)
    store.save_generator(raw, found.generator, about=about)
    store.save_discriminator(judge, found.discriminator)
    shape = found.average.config
    console.say(
        f"{config.file.name}: {shape.resolution} pixels, {shape.upsampling}, {shape.features} features, "
        f"{sum(p.numel() for p in found.average.parameters())} parameters; all of "
        f"{', '.join(f'{count} tensors of {key}' for key, count in found.tensors.items())} are accounted for."
    )
    if known is not None:
        console.say(f"Its licence: {known.licence}. It stays with the weights.")
    else:
        console.say("phiz does not know this file. Its licence is that of whoever made it.")
    console.say(f"Wrote {config.output}, {raw.name} and {judge.name}.")
    return {
        "output": str(config.output),
        "raw": str(raw),
        "discriminator": str(judge),
        "tensors": dict(found.tensors),
        "resolution": shape.resolution,
    }
