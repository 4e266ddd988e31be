"""All networks that see are measured on strangers; those that are not there are named."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
import seeing_fixtures

from phiz import measure_seeing, options
from phiz.console import Console
from phiz.errors import UsageError
from phiz.face.identity import store
from phiz.face.network_files import CLOSEUP, DETECTOR, LANDMARKS, PARSER, REGRESSOR
from phiz.measure_seeing import MeasureSeeingConfig


@pytest.fixture(scope="module")
def strangers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return seeing_fixtures.write_people(tmp_path_factory.mktemp("people") / "shards", count=4, per_person=2)


def test_what_is_built_in_is_measured(strangers: Path, tmp_path: Path) -> None:
    output, told = tmp_path / "seeing.json", io.StringIO()
    words = ["--data", str(strangers), "--faces", str(strangers), "-o", str(output), "--count", "2"]
    found = measure_seeing.measure_seeing(
        options.parse(MeasureSeeingConfig, words), Console(output=told, errors=told)
    )
    assert json.loads(output.read_text()) == {k: v for k, v in found.items() if k != "output"}
    kinds = {
        "detector": (DETECTOR.built_in, "recall"),
        "landmarks": (LANDMARKS.built_in, "landmarks, detector included (median)"),
        "closeup": (CLOSEUP.built_in, "strangers/after/lids"),
        "parser": (PARSER.built_in, "mean overlap"),
        "regressor": (REGRESSOR.built_in, "rotation degrees"),
        "identity": (store.BUILT_IN, "accuracy"),
    }
    for name, (path, measure) in kinds.items():
        if path.is_file():
            assert measure in found[name]  # type: ignore[operator]
            assert measure in told.getvalue()
        else:
            assert name not in found
            assert f"{name}: " in told.getvalue()


def test_strangers_have_to_be_named() -> None:
    with pytest.raises(UsageError, match="say on whom to measure"):
        measure_seeing.measure_seeing(MeasureSeeingConfig(), Console(quiet=True))
    with pytest.raises(ValueError, match="must be positive"):
        MeasureSeeingConfig(count=0)
