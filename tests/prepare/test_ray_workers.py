"""Ray spreads work as processes do; without Ray, its absence is told."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

import pytest
from prepare import footage

from phiz.errors import DataError, MissingError
from phiz.prepare import ray_workers

HAS_RAY = importlib.util.find_spec("ray") is not None


@pytest.fixture(autouse=True)
def _machines_find_the_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let Ray's processes import what these tests hand them."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(path for path in sys.path if path))


@pytest.mark.skipif(HAS_RAY, reason="Ray is installed")
def test_the_remedy_is_named_where_ray_is_missing() -> None:
    with pytest.raises(MissingError, match="pip install"), ray_workers.cluster("local", workers=1):
        pass


@pytest.mark.skipif(not HAS_RAY, reason="Ray is not installed: pip install ray")
@pytest.mark.filterwarnings("ignore")
def test_a_cluster_writes_what_one_process_writes(tmp_path: Path) -> None:
    source = footage.make_few(tmp_path / "footage")
    footage.run(source, tmp_path / "one")
    footage.run(source, tmp_path / "ray", "--ray", "local", "--workers", "2")
    assert footage.digests(tmp_path / "one") == footage.digests(tmp_path / "ray")


@pytest.mark.skipif(not HAS_RAY, reason="Ray is not installed: pip install ray")
@pytest.mark.filterwarnings("ignore")
def test_results_come_in_order_and_our_errors_as_they_are() -> None:
    with ray_workers.cluster("local", workers=2) as ray:
        assert ray_workers.count(ray) == 2
        assert list(ray_workers.spread(_halved, range(0, 40, 2), ray=ray)) == list(range(20))
        with pytest.raises(DataError, match="odd"):
            list(ray_workers.spread(_halved, [2, 3], ray=ray))


def _halved(number: int) -> int:
    if number % 2:
        raise DataError("odd")
    return number // 2
