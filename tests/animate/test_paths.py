"""Camera paths: built in, and from a file."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch

from phiz.animate import paths
from phiz.errors import DataError


def test_paths_go_as_far_as_they_are_told_and_close() -> None:
    circle = paths.path("circle", 100, yaw=0.5, pitch=0.2)
    assert float(circle[:, 0].max()) == pytest.approx(0.5, abs=1e-3)
    assert float(circle[:, 1].max()) == pytest.approx(0.2, abs=1e-3)
    step = (circle[1:] - circle[:-1]).norm(dim=-1).max()
    assert float((circle[0] - circle[-1]).norm()) <= float(step) + 1e-5
    sway = paths.path("sway", 100, yaw=0.5, pitch=0.2)
    assert float(sway[:, 1].abs().max()) == 0
    assert float(paths.path("nod", 100, yaw=0.5, pitch=0.2)[:, 0].abs().max()) == 0
    with pytest.raises(DataError, match="circle, sway, nod"):
        paths.path("spiral", 10, yaw=0, pitch=0)


def test_stops_of_a_file_are_passed_in_time(tmp_path: Path) -> None:
    file = tmp_path / "way.json"
    file.write_text(json.dumps([{"yaw": -30}, {"yaw": 30, "pitch": 10, "closer": 2}, {"yaw": 0}]))
    way = paths.read(file, 21)
    assert way[0].tolist() == pytest.approx([-math.radians(30), 0, 1])
    assert way[10].tolist() == pytest.approx([math.radians(30), math.radians(10), 2])
    assert way[20].tolist() == pytest.approx([0, 0, 1])
    assert bool((way[1:11, 0] >= way[:10, 0]).all())
    assert torch.isfinite(paths.read(file, 1)).all()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "no camera path"),
        ("[1, 2]", "no camera path"),
        ('[{"jaw": 3}, {}]', "knows nothing of jaw"),
        ('[{"yaw": 3}]', "two or more"),
        ('[{"closer": 0}, {}]', "0.2 to 5"),
        ('[{"yaw": 1e999}, {}]', "finite"),
    ],
)
def test_files_that_are_no_paths_are_refused(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "way.json"
    file.write_text(text)
    with pytest.raises(DataError, match=said):
        paths.read(file, 10)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.json"):
        paths.read(tmp_path / "none.json", 10)
