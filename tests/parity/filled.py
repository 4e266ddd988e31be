"""Folders of numbers recorded from published networks that were filled by one rule, and that rule.

Such a folder holds ``keys.json`` (the names and shapes of all tensors in order, and the few numbers of the
rule) and ``io.safetensors`` (what went in and what came out). It is known by what its ``keys.json`` holds,
whatever it is called and wherever it lies.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

COMMITTED = Path(__file__).parent / "goldens"
NOTHING = "no recorded numbers of this kind are at hand; name their folder with --goldens"

Doubles = npt.NDArray[np.float64]
Keys = Mapping[str, Any]

WEYL = np.uint64(0x9E3779B97F4A7C15)
MIX = ((np.uint64(30), np.uint64(0xBF58476D1CE4E5B9)), (np.uint64(27), np.uint64(0x94D049BB133111EB)))
LAST_SHIFT = np.uint64(31)
"""Constants of splitmix64 (Steele et al., 2014)."""
DIGITS = 53
"""Bits of a double's mantissa."""
WIDTH = float(np.sqrt(3.0))
"""Half the width of a uniform distribution of variance one."""


def unit(name: str, shape: Sequence[int], seed: int) -> Doubles:
    """Return numbers of mean 0 and variance 1 that depend on a name and a seed alone."""
    digest = hashlib.sha256(f"{seed}|{name}".encode()).digest()
    with np.errstate(over="ignore"):
        state = np.arange(1, math.prod(shape) + 1, dtype=np.uint64)
        state *= WEYL
        state += np.uint64(int.from_bytes(digest[:8], "little"))
        for shift, factor in MIX:
            state ^= state >> shift
            state *= factor
        state ^= state >> LAST_SHIFT
    state >>= np.uint64(64 - DIGITS)
    numbers = state.astype(np.float64)
    numbers *= 2.0**-DIGITS
    return ((2.0 * numbers - 1.0) * WIDTH).reshape(tuple(shape))


def uniform(name: str, shape: Sequence[int], low: float, high: float, seed: int) -> Doubles:
    """Return numbers spread evenly between two bounds."""
    return low + (high - low) * (unit(name, shape, seed) / WIDTH + 1.0) * 0.5


def tensor(name: str, shape: Sequence[int], seed: int) -> Tensor:
    """Return what stands for an input: of mean 0 and variance 1."""
    return torch.from_numpy(unit(name, shape, seed).astype(np.float32))


def state(keys: Keys) -> dict[str, Tensor]:
    """Return all tensors that a ``keys.json`` names; their digest has to be the one it holds."""
    tensors = {name: _filled(name, tuple(shape), keys) for name, shape in keys["shapes"].items()}
    if "state_sha256" in keys:
        total = hashlib.sha256()
        for name, value in tensors.items():
            total.update(name.encode())
            total.update(value.numpy().tobytes())
        assert total.hexdigest() == keys["state_sha256"], "the rule gives other weights than were recorded"
    return tensors


def _filled(name: str, shape: tuple[int, ...], keys: Keys) -> Tensor:
    if name.endswith("num_batches_tracked"):
        return torch.zeros(shape, dtype=torch.int64)
    centre, spread = _law(name, shape, keys)
    numbers = unit(name, shape, keys["seed"])
    return torch.from_numpy(
        (spread(numbers) if centre is None else centre + spread(numbers)).astype(np.float32)
    )


def _law(name: str, shape: tuple[int, ...], keys: Keys) -> tuple[float | None, Callable[[Doubles], Doubles]]:
    """Return around what the numbers of a tensor lie (None: around zero), and how widely.

    Products and quotients stand in the order of the recordings, on which the last bit depends.
    """
    if name.endswith("running_mean"):
        return None, lambda x: 0.1 * x
    if name.endswith("running_var"):
        return 1.0, lambda x: 0.5 * x / WIDTH
    if len(shape) == 1 and ("prelu" in name or name in keys.get("prelu", ())):
        return 0.25, lambda x: 0.1 * x / WIDTH
    if len(shape) == 1 and name.endswith("weight"):
        return 1.0, lambda x: 0.2 * x / WIDTH
    if len(shape) <= 1:
        return None, lambda x: 0.1 * x
    if name.endswith("classbias"):
        return None, lambda x: x
    gain = keys.get("gain", 1.0)
    for pattern, value in (keys.get("overrides") or {}).items():
        gain = value if re.search(pattern, name) else gain
    return None, lambda x: gain * x / np.sqrt(float(math.prod(shape[1:])))


NUMBER = r"\d+(?:\.\d+)?"
TERM = re.compile(
    rf"(?P<scale>{NUMBER})\*(?P<big>kron\()?(?P<rule>unit|uniform)"
    r"\(\"(?P<name>[^\"]+)\",\((?P<shape>[\d, ]+)\),"
    rf"(?:(?P<low>-?{NUMBER}),(?P<high>-?{NUMBER}),)?(?P<seed>\d+)\)"
    r"(?:,ones\((?P<up>\d+),(?P<across>\d+)\)\))?\.float32"
)
TINT = re.compile(rf"second image times \(({NUMBER}(?:, ?{NUMBER})*)\) per channel")


def described(text: str) -> Tensor:
    """Return the input that words of a ``keys.json`` describe: a sum of drawn numbers, some magnified."""
    compact = re.sub(r"\s*([,+*])\s*", r"\1", text)
    terms = list(TERM.finditer(compact))
    assert terms, f"nothing is known of inputs like {text!r}"
    total = torch.zeros(())
    for term in terms:
        shape = [int(n) for n in term["shape"].split(",") if n]
        seed = int(term["seed"])
        if term["rule"] == "unit":
            numbers = unit(term["name"], shape, seed)
        else:
            numbers = uniform(term["name"], shape, float(term["low"]), float(term["high"]), seed)
        if term["big"]:
            numbers = np.kron(numbers, np.ones((int(term["up"]), int(term["across"]))))
        total = total + float(term["scale"]) * torch.from_numpy(numbers.astype(np.float32))
    if tint := TINT.search(compact):
        channels = torch.tensor([float(n) for n in tint[1].split(",")])
        total = torch.stack([total[0], total[1] * channels[:, None, None], *total[2:]])
    return total


@dataclass(frozen=True)
class Golden:
    """One folder: a filled network, what went in and what came out."""

    path: Path
    label: str

    @cached_property
    def keys(self) -> Keys:
        keys: Keys = json.loads((self.path / "keys.json").read_text(encoding="utf-8"))
        return keys

    @property
    def seed(self) -> int:
        seed: int = self.keys["seed"]
        return seed

    def state(self) -> dict[str, Tensor]:
        """Return the weights under their published names."""
        return state(self.keys)

    @cached_property
    def recorded(self) -> dict[str, Tensor]:
        """Return all recorded tensors by name; none where only weights are described."""
        path = self.path / "io.safetensors"
        return load_file(path) if path.is_file() else {}

    def tensors(self, file: str) -> dict[str, Tensor]:
        """Return the tensors of another file of the folder; skip the test where there is none."""
        path = self.path / f"{file}.safetensors"
        if not path.is_file():
            pytest.skip(f"{self.label} has no {path.name}")
        return load_file(path)

    def input(self, name: str) -> Tensor:
        """Return an input: as recorded, or made by the words that describe it."""
        if name in self.recorded:
            return self.recorded[name]
        text = self.keys["inputs"][name]
        if other := re.match(r"same as (\w+) \((\w+)\)", text):
            return Golden(self.path.parent / other[1], other[1]).input(other[2])
        return described(text)

    def thinned(self, name: str, found: Tensor) -> Tensor:
        """Return of a result what was recorded of it, as ``[:,:,::2,::2]`` says for its name."""
        text = self.keys.get("subsampling", {}).get(name, "")
        axes = re.search(r"\[([:\d, ]+)\]", text)
        steps = [axis.strip().rpartition("::")[2] for axis in axes[1].split(",")] if axes else []
        return found[tuple(slice(None, None, int(step) if step.isdigit() else None) for step in steps)]

    def probes(self) -> dict[str, Any]:
        """Return what is known of the tensors between the parts of the network, by part."""
        path = self.path / "probes.json"
        probes: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        return probes


def found(root: Path, marks: Sequence[str], *, label: str = "") -> list[Golden]:
    """Return the folders anywhere below `root` whose network has all tensors that `marks` names."""
    goldens = []
    for path in sorted(root.rglob("keys.json")) if root.is_dir() else ():
        keys = json.loads(path.read_text(encoding="utf-8"))
        shapes = keys.get("shapes") if isinstance(keys, dict) else None
        if isinstance(shapes, dict) and "seed" in keys and set(marks) <= shapes.keys():
            goldens.append(Golden(path.parent, label + path.parent.relative_to(root).as_posix()))
    return goldens


def parametrize(
    metafunc: pytest.Metafunc, marks: Sequence[str], *, argument: str = "golden", needs: Sequence[str] = ()
) -> None:
    """Give a test every folder whose network has the tensors `marks`; call it in `pytest_generate_tests`.

    `needs` are names of recorded tensors without which a folder is no use to the test.
    """
    if argument not in metafunc.fixturenames:
        return
    root: Path = metafunc.config.getoption("--goldens")
    goldens = [*found(COMMITTED, marks, label="committed/"), *found(root, marks)]
    usable = [golden for golden in goldens if set(needs) <= golden.recorded.keys()]
    if usable:
        metafunc.parametrize(argument, usable, ids=[golden.label for golden in usable])
    else:
        metafunc.parametrize(argument, [pytest.param(None, marks=pytest.mark.skip(reason=NOTHING))])
