"""``phiz measure identity``: how well a recogniser tells people apart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from phiz.console import Console
from phiz.errors import UsageError
from phiz.face.identity import store
from phiz.face.identity.fast import ready
from phiz.face.identity.networks import AT_ONCE
from phiz.metrics import templates, verification
from phiz.metrics.pairs import open_pairs
from phiz.options import option, positional

BUILT_IN = "built-in"


@dataclass(frozen=True, kw_only=True)
class RecognitionConfig:
    """Which recogniser to try, and on what."""

    network: str = positional(BUILT_IN)
    """A recogniser's file, or the built-in one."""
    pairs: tuple[Path, ...] = ()
    """Pairs of faces: .bin files, or folders with a pairs.txt."""
    first: int = 0
    """Take only so many of the pairs of each; 0 takes all."""
    templates: Path | None = option(None, "--templates")
    """A folder of IJB-B or IJB-C: loose_crop and its three lists."""
    by_score: bool = True
    """Let faces of templates count by the score of their detection."""
    by_length: bool = True
    """Let them count by the length of their embedding."""
    batch: int = AT_ONCE
    """Faces at once."""
    device: str = "cpu"
    """Where to compute: cpu, cuda."""

    def __post_init__(self) -> None:
        if self.batch < 1 or self.first < 0:
            raise ValueError("--batch is at least 1, and --first not negative")


def measure_identity(config: RecognitionConfig, console: Console) -> Mapping[str, object]:
    """Say how often a recogniser is right about whether two pictures show one person.

    Examples:
        phiz measure identity r50.safetensors --pairs lfw.bin cfp_fp.bin agedb_30.bin
        phiz measure identity r50.safetensors --templates IJBC --device cuda
    """
    if not config.pairs and config.templates is None:
        raise UsageError("say what to try it on: phiz measure identity --pairs lfw.bin")
    plain = store.load(None if config.network == BUILT_IN else Path(config.network))
    device = torch.device(config.device)
    network = ready(plain) if device.type == "cpu" else plain.to(device)
    told: dict[str, object] = {}
    rows = []
    for path in config.pairs:
        pairs = open_pairs(path).first(config.first)
        found = verification.verify(network, pairs, device=device, at_once=config.batch)
        told[pairs.name] = found.numbers()
        rows.append([pairs.name, len(pairs.are_same), *_shown(found)])
    if rows:
        console.table(["pairs", "count", "accuracy", "TAR at FAR 1e-3", "area", "length"], rows)
    if config.templates is not None:
        told[config.templates.name] = _on_templates(config, network, device, console)
    return told


def _shown(found: verification.Verification) -> list[str]:
    return [
        f"{100 * found.accuracy:.2f} +- {100 * found.spread:.2f} %",
        f"{100 * found.accepted:.2f} %",
        f"{found.area:.4f}",
        f"{found.length:.3g}",
    ]


def _on_templates(
    config: RecognitionConfig, network: torch.nn.Module, device: torch.device, console: Console
) -> dict[str, float]:
    assert config.templates is not None
    protocol = templates.read_protocol(config.templates)
    found = templates.features(network, protocol, device=device, at_once=config.batch, console=console)
    numbers, embeddings = templates.template_features(
        found, protocol, by_score=config.by_score, by_length=config.by_length
    )
    curve = templates.compare(numbers, embeddings, protocol)
    published, exact = curve.nearest(templates.RATES), curve.true_at(templates.RATES)
    rows = [
        [f"{rate:.0e}", f"{100 * near:.2f} %", f"{100 * line:.2f} %"]
        for rate, near, line in zip(templates.RATES, published, exact, strict=True)
    ]
    console.say(f"{len(numbers)} templates of {len(protocol.names)} faces, {len(protocol.are_same)} pairs:")
    console.table(["FAR", "TAR, as published", "TAR, between points"], rows)
    return {f"tar_at_far_{rate:.0e}": near for rate, near in zip(templates.RATES, published, strict=True)}
