from __future__ import annotations

import importlib.util
import io
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from phiz.console import Console
from phiz.prepare.check import CheckConfig, check
from phiz.world.data.guide import write_guide

SIDE, PICTURES = 32, 12


@pytest.fixture(scope="session")
def toys() -> ModuleType:
    path = Path(__file__).parents[1] / "world" / "toy_pictures.py"
    spec = importlib.util.spec_from_file_location("toy_pictures", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["toy_pictures"] = module  # dataclasses look their own module up by name
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def talkers(tmp_path: Path, toys: ModuleType) -> Path:
    """A data set of two people in which everything is as it should be, at a small size."""
    quiet = Console(quiet=True, errors=io.StringIO())
    folder = tmp_path / "talkers"
    write_guide(toys.Toy(size=SIDE), folder, count=2 * PICTURES, per_person=PICTURES, seed=0, console=quiet)
    return folder


@pytest.fixture
def problems_of() -> Callable[..., dict[str, list[tuple[str, str]]]]:
    """Check a data set; return where each kind of problem was found, and the detail."""

    def problems(folder: Path, **wanted: object) -> dict[str, list[tuple[str, str]]]:
        settings = {"side": SIDE, "minimum": PICTURES, "workers": 1, **wanted}
        config = CheckConfig(data=folder, **settings)  # type: ignore[arg-type]
        summary = check(config, Console(quiet=True, errors=io.StringIO()))
        found = summary["problems"]
        assert isinstance(found, list)
        return {p["kind"]: [(e["where"], e["detail"]) for e in p["examples"]] for p in found}

    return problems
