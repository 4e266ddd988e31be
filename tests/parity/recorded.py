"""Folders of recorded numbers without a network: known by the names of their tensors, wherever they lie."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
from parity.filled import COMMITTED, NOTHING
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor


@dataclass(frozen=True)
class Bundle:
    """One folder: what went in and what came out, by name."""

    path: Path
    label: str

    @cached_property
    def tensors(self) -> dict[str, Tensor]:
        return load_file(self.path / "io.safetensors")

    @cached_property
    def keys(self) -> dict[str, Any]:
        """Return what ``keys.json`` says beside the tensors."""
        path = self.path / "keys.json"
        keys: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        return keys


def found(root: Path, pattern: str, beside: str, *, label: str = "") -> list[tuple[Bundle, str]]:
    """Return every tensor below `root` whose name fits a pattern, with its folder.

    Folders count in which another tensor's name fits `beside`.
    """
    cases = []
    for path in sorted(root.rglob("io.safetensors")) if root.is_dir() else ():
        with safe_open(path, "pt") as file:
            every = list(file.keys())
        if not any(re.fullmatch(beside, name) for name in every):
            continue
        names = [name for name in every if re.fullmatch(pattern, name)]
        bundle = Bundle(path.parent, label + path.parent.relative_to(root).as_posix())
        cases += [(bundle, name) for name in sorted(names)]
    return cases


def parametrize(
    metafunc: pytest.Metafunc, patterns: Sequence[tuple[str, str]], *, beside: str = ".*"
) -> None:
    """Give a test every recorded tensor that fits the pattern of its argument."""
    for argument, pattern in patterns:
        if argument not in metafunc.fixturenames:
            continue
        root: Path = metafunc.config.getoption("--goldens")
        cases = [*found(COMMITTED, pattern, beside, label="committed/"), *found(root, pattern, beside)]
        if cases:
            metafunc.parametrize(argument, cases, ids=[f"{bundle.label}:{name}" for bundle, name in cases])
        else:
            metafunc.parametrize(argument, [pytest.param(None, marks=pytest.mark.skip(reason=NOTHING))])
