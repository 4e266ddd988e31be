"""What this machine has, and what phiz misses on it."""

from __future__ import annotations

import importlib.util
import json
import os
import platform
import shutil
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import av
import torch

import phiz
from phiz import checkpoint
from phiz.console import Console
from phiz.errors import CheckpointError, HeadError, MissingError, UsageError
from phiz.face import supplied
from phiz.options import option

Health = Literal["good", "optional", "poor", "missing"]
"""Optional can be added, poor is worth knowing, missing is required and makes the command fail."""

OLDEST_PYTHON = (3, 10)
OLDEST_TORCH = (2, 4)
LITTLE_MEMORY = 4 * 2**30
LITTLE_DISK = 2 * 2**30
WEIGHTS = Path(__file__).parent / "weights"
KINDS = (checkpoint.SUFFIX, ".avatar")
"""What built-in files end in."""
MANIFEST = "MANIFEST.json"

CPU_FEATURES = ("avx2", "avx512f", "avx512_bf16", "amx_bf16", "asimd", "bf16")
"""Flags of /proc/cpuinfo that decide how fast the networks run; the last two are ARM's."""

ENCODERS: Mapping[str, str] = {
    "libx264": "films are written as MPEG-4 part 2, which is larger and plays in fewer places",
    "aac": "films with sound cannot be written as mp4",
}
"""Encoders that films want, and what their absence costs."""

OPTIONAL: Mapping[str, tuple[str, str]] = {
    "scipy": ("train", "no FID between picture sets, no loading of foreign .mat head models"),
    "tensorboard": ("train", "no curves in the browser while training; metrics.jsonl is still written"),
    "cv2": ("cv", "no detection with OpenCV's cascade; phiz has a detector of its own"),
    "uvicorn": ("app", "no studio in the browser"),
    "onnx": ("export", "no export of networks to ONNX"),
    "onnxscript": ("export", "no export of networks to ONNX"),
    "onnxruntime": ("export", "no check that an exported network computes the same"),
}
"""Optional packages: the part of phiz that brings them, and what their absence costs."""


@dataclass(frozen=True, kw_only=True)
class DoctorConfig:
    """What to look at."""

    head: Path | None = option(None, "--head")
    """A folder with a head of your own (head.npz) to look at as well."""
    write_manifest: bool = False
    """Write the list of built-in weights anew, for whoever makes a release."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that was looked at."""

    name: str
    health: Health
    found: str
    advice: str = ""


@dataclass(frozen=True, kw_only=True)
class Weight:
    """One built-in weight file."""

    file: str
    kind: str
    bytes: int
    sha256: str


def doctor(config: DoctorConfig, console: Console) -> Mapping[str, object]:
    """Say what this machine has and what phiz misses on it.

    The command fails when something is missing that phiz cannot work without. What is merely poor
    or optional is told with what it costs.

    Examples:
        phiz doctor
        phiz doctor --json
        phiz doctor --head heads/mine
    """
    if config.write_manifest:
        console.say(f"wrote {write_manifest(WEIGHTS)}")
    findings = [
        *look_at_software(),
        *look_at_processor(),
        look_at_memory(),
        look_at_disk(Path.cwd()),
        *look_at_codecs(),
        *look_at_packages(),
        *look_at_weights(WEIGHTS),
        *([look_at_head(config.head)] if config.head else []),
    ]
    console.table(["what", "health", "found"], [[f.name, f.health, f.found] for f in findings])
    for finding in findings:
        if finding.advice:
            console.say(f"{finding.name}: {finding.advice}")
    missing = [finding.name for finding in findings if finding.health == "missing"]
    if missing:
        console.warn(f"phiz cannot work here without: {', '.join(missing)}")
    return {
        "exit_code": MissingError.exit_code if missing else 0,
        "version": phiz.__version__,
        "findings": [asdict(finding) for finding in findings],
    }


def look_at_software() -> list[Finding]:
    """Return what is known about Python and torch."""
    python = sys.version_info[:2]
    torch_version = tuple(int(part) for part in torch.__version__.split("+")[0].split(".")[:2])
    return [
        Finding(
            name="Python",
            health="good" if python >= OLDEST_PYTHON else "missing",
            found=f"{platform.python_version()} on {platform.system()} {platform.machine()}",
            advice="" if python >= OLDEST_PYTHON else "install Python 3.10 or later",
        ),
        Finding(
            name="torch",
            health="good" if torch_version >= OLDEST_TORCH else "missing",
            found=f"{torch.__version__}, {torch.get_num_threads()} threads",
            advice="" if torch_version >= OLDEST_TORCH else "install torch 2.4 or later",
        ),
    ]


def look_at_processor() -> list[Finding]:
    """Return what computes: the processor with what it is good at, and accelerators."""
    model, flags = read_cpu()
    features = " ".join(name for name in CPU_FEATURES if name in flags) or "flags unknown"
    level = torch.backends.cpu.get_cpu_capability()
    is_fast = level not in ("DEFAULT", "NO AVX")
    return [
        Finding(
            name="processor",
            health="good" if is_fast else "poor",
            found=f"{model}, {os.cpu_count()} threads; torch uses {level}; {features}",
            advice="" if is_fast else "torch has no vector code for this processor; expect it to be slow",
        ),
        Finding(name="accelerator", health="good", found=_accelerators()),
    ]


def read_cpu(cpuinfo: Path = Path("/proc/cpuinfo")) -> tuple[str, frozenset[str]]:
    """Return the processor's name and its flags; both may be unknown."""
    fallback = platform.processor() or platform.machine() or "unknown"
    try:
        lines = cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return fallback, frozenset()
    pairs = [line.partition(":") for line in lines if ":" in line]
    values = {key.strip().lower(): value.strip() for key, _, value in reversed(pairs)}
    flags = values.get("flags") or values.get("features") or ""
    return values.get("model name", fallback), frozenset(flags.split())


def look_at_memory() -> Finding:
    """Return how much memory there is."""
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return Finding(name="memory", health="good", found="unknown")
    is_enough = total >= LITTLE_MEMORY
    return Finding(
        name="memory",
        health="good" if is_enough else "poor",
        found=f"{total / 2**30:.1f} GiB",
        advice="" if is_enough else "make small pictures; training needs 4 GiB or more",
    )


def look_at_disk(folder: Path) -> Finding:
    """Return how much room is left where results go."""
    free = shutil.disk_usage(folder).free
    is_enough = free >= LITTLE_DISK
    return Finding(
        name="disk",
        health="good" if is_enough else "poor",
        found=f"{free / 2**30:.1f} GiB free here",
        advice="" if is_enough else "long films and data sets will not fit",
    )


def look_at_codecs() -> list[Finding]:
    """Return which encoders for films are there."""
    return [
        Finding(
            name=f"encoder {name}",
            health="good" if name in av.codecs_available else "poor",
            found="yes" if name in av.codecs_available else "no",
            advice="" if name in av.codecs_available else cost,
        )
        for name, cost in ENCODERS.items()
    ]


def look_at_packages(packages: Mapping[str, tuple[str, str]] = OPTIONAL) -> list[Finding]:
    """Return which optional packages are there and what the absent ones cost."""
    findings = []
    for name, (extra, cost) in packages.items():
        is_there = importlib.util.find_spec(name) is not None
        advice = "" if is_there else f"without it, {cost}. Get it with: pip install 'phiz[{extra}]'"
        findings.append(
            Finding(
                name=name,
                health="good" if is_there else "optional",
                found="yes" if is_there else "not installed",
                advice=advice,
            )
        )
    return findings


def look_at_weights(folder: Path) -> list[Finding]:
    """Return whether the built-in networks are there and are those of the release."""
    try:
        weights = list_weights(folder)
    except CheckpointError as error:
        return [Finding(name="weights", health="missing", found="damaged", advice=str(error))]
    findings = [
        Finding(name=w.file, health="good", found=f"{w.kind}, {w.bytes / 2**20:.1f} MiB, {w.sha256[:12]}")
        for w in weights
    ]
    return findings + _compare(weights, read_manifest(folder))


def list_weights(folder: Path) -> list[Weight]:
    """Return what weight files a folder holds, in the order of their names."""
    return [
        Weight(
            file=path.name,
            kind=checkpoint.read_about(path).kind,
            bytes=path.stat().st_size,
            sha256=checkpoint.digest(path),
        )
        for path in sorted(path for kind in KINDS for path in folder.glob(f"*{kind}"))
    ]


def write_manifest(folder: Path) -> Path:
    """Write which weight files a folder holds; return the manifest's path."""
    path = folder / MANIFEST
    entries = {weight.file: asdict(weight) for weight in list_weights(folder)}
    with checkpoint.atomic(path) as temporary:
        temporary.write_text(json.dumps(entries, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    return path


def read_manifest(folder: Path) -> dict[str, Weight] | None:
    """Return what `write_manifest` wrote, None where there is no manifest."""
    path = folder / MANIFEST
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
        return {name: Weight(**entry) for name, entry in entries.items()}
    except FileNotFoundError:
        return None
    except (AttributeError, TypeError, ValueError) as error:
        raise UsageError(
            f"{path} cannot be read ({error}). Write it anew: phiz doctor --write-manifest"
        ) from (error)


def look_at_head(folder: Path) -> Finding:
    """Return whether a head model of the user's own can be used."""
    try:
        head = supplied.read(folder)
    except HeadError as error:
        return Finding(name="head", health="poor", found=str(folder), advice=str(error))
    found = (
        f"{len(head.mean)} vertices, {head.sizes.identity} identity, {head.sizes.expression} expression modes"
    )
    return Finding(name="head", health="good", found=found)


def _compare(weights: list[Weight], manifest: dict[str, Weight] | None) -> list[Finding]:
    """Return what differs between the weights at hand and those of the release."""
    if manifest is None:
        return []
    here = {weight.file: weight for weight in weights}
    again = "install phiz again to get the released file"
    findings = [
        Finding(name=name, health="missing", found="not there", advice=again)
        for name in sorted(manifest.keys() - here.keys())
    ]
    for name, weight in here.items():
        if name not in manifest:
            advice = "it is not part of the release"
            findings.append(Finding(name=name, health="poor", found="not in the manifest", advice=advice))
        elif manifest[name] != weight:
            findings.append(Finding(name=name, health="poor", found="changed", advice=again))
    return findings


def _accelerators() -> str:
    names = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    if torch.backends.mps.is_available():
        names.append("Apple GPU (MPS)")
    return ", ".join(names) or "none; everything runs on the processor"
