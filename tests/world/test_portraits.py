"""Portraits on disk: the same files whatever happens on the way, and what they say is true."""

from __future__ import annotations

import hashlib
import json
import pickle
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
import torch

from phiz.console import Console
from phiz.errors import DataError
from phiz.face import head as heads
from phiz.face import models
from phiz.world.code import code_layout
from phiz.world.data import portraits
from phiz.world.data.portraits import (
    PaintedPortraits,
    PortraitsConfig,
    portraits_verb,
    read_portraits,
    write_portraits,
)
from phiz.world.grown.hair_cards import styles_for
from phiz.world.portrait import sample_portrait, sample_view

SIZE, PEOPLE, VIEWS, SEED = 24, 3, 2, 4
QUIET = Console(quiet=True)


@pytest.fixture(scope="module", autouse=True)
def one_head() -> Iterator[None]:
    """Let all makers of these tests share one head: what is counted once is counted for each."""
    if not heads.BUILT_IN.is_file():
        pytest.skip("no head model to paint")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(models, "open_model", lru_cache(models.open_model))
        yield


def maker() -> PaintedPortraits:
    return PaintedPortraits(head=models.BUILT_IN, size=SIZE, seed=SEED, views=VIEWS)


class Stopped(PaintedPortraits):
    """Breaks down before the third person."""

    def __call__(self, number: int) -> dict[str, portraits.Array]:
        if number == 2:
            raise KeyboardInterrupt
        return super().__call__(number)


def digests(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("portraits") / "whole"
    write_portraits(maker(), folder, people=PEOPLE, console=QUIET)
    return folder


def test_an_interrupted_run_ends_with_the_same_files(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(portraits, "AT_ONCE", 2)
    stopping = Stopped(head=models.BUILT_IN, size=SIZE, seed=SEED, views=VIEWS)
    with pytest.raises(KeyboardInterrupt):
        write_portraits(stopping, tmp_path / "p", people=PEOPLE, console=QUIET)
    arrays, index = read_portraits(tmp_path / "p")
    assert index["done"] == 2
    assert len(arrays["images"]) == 2 * VIEWS
    assert len(arrays["codes"]) == 2
    write_portraits(maker(), tmp_path / "p", people=PEOPLE, console=QUIET)
    assert digests(tmp_path / "p") == digests(whole)


def test_a_finished_folder_is_left_alone(whole: Path) -> None:
    before = digests(whole)
    broken = Stopped(head=models.BUILT_IN, size=SIZE, seed=SEED, views=VIEWS)
    write_portraits(broken, whole, people=PEOPLE, console=QUIET)
    assert digests(whole) == before


def test_shapes_and_kinds_are_as_documented(whole: Path) -> None:
    arrays, index = read_portraits(whole)
    n = PEOPLE * VIEWS
    found = {name: (array.dtype.name, array.shape) for name, array in arrays.items()}
    assert found == {
        "images": ("uint8", (n, SIZE, SIZE, 3)),
        "alpha": ("uint8", (n, SIZE, SIZE)),
        "depth": ("uint16", (n, SIZE, SIZE)),
        "labels": ("uint8", (n, SIZE, SIZE)),
        "landmarks": ("float32", (n, 68, 2)),
        "cameras": ("float32", (n, 2)),
        "codes": ("float32", (PEOPLE, index["layout"]["size"])),
        "backgrounds": ("float32", (PEOPLE, 3)),
    }


def test_rows_belong_to_their_person_and_view(whole: Path) -> None:
    arrays, index = read_portraits(whole)
    head = models.open_model(models.BUILT_IN)
    seed = SEED * 10**9 + 2
    sitter = sample_portrait(seed, head, styles_for(head))
    assert torch.equal(torch.from_numpy(arrays["codes"][2].copy()), sitter.code)
    assert torch.equal(torch.from_numpy(arrays["backgrounds"][2].copy()), sitter.background_code)
    assert np.allclose(arrays["cameras"][2 * VIEWS + 1], sample_view(seed, 1))
    layout = code_layout(head, styles_for(head))
    assert index["layout"] == json.loads(json.dumps(layout.as_json()))


def test_depth_is_where_somebody_is_and_near_one(whole: Path) -> None:
    arrays, _ = read_portraits(whole)
    depth = arrays["depth"].astype(np.float64) / portraits.DEPTH_STEPS
    is_there = arrays["alpha"] > 140  # where half is covered, the background may have won
    assert (depth[is_there] > 0).all()
    assert (depth[arrays["alpha"] == 0] == 0).all()
    assert 0.85 < depth[is_there].min() < depth[is_there].max() < 1.3
    middle = depth[:, SIZE // 2, SIZE // 2]
    assert np.abs(middle - 0.95).max() < 0.06


def test_a_folder_of_other_portraits_is_refused(whole: Path, tmp_path: Path) -> None:
    other = PaintedPortraits(head=models.BUILT_IN, size=SIZE, seed=SEED + 1, views=VIEWS)
    with pytest.raises(DataError, match="its seed differs"):
        write_portraits(other, whole, people=PEOPLE, console=QUIET)
    (tmp_path / "letter.txt").write_text("mine")
    with pytest.raises(DataError, match=r"no index\.json"):
        write_portraits(other, tmp_path, people=PEOPLE, console=QUIET)


def test_a_damaged_index_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no portraits"):
        read_portraits(tmp_path)
    (tmp_path / "index.json").write_text('{"format": 1}')
    with pytest.raises(DataError, match="damaged"):
        read_portraits(tmp_path)
    (tmp_path / "index.json").write_text('{"format": 99, "done": 1}')
    with pytest.raises(DataError, match="newer"):
        read_portraits(tmp_path)


def test_the_head_does_not_travel_to_other_processes() -> None:
    make = maker()
    before = pickle.dumps(make)
    make._model = models.open_model(models.BUILT_IN)
    assert pickle.dumps(make) == before


def test_the_verb_writes_what_it_tells(tmp_path: Path) -> None:
    config = PortraitsConfig(output=tmp_path / "p", people=1, views=1, size=16, seed=2, workers=1)
    told = portraits_verb(config, QUIET)
    assert told == {"output": str(tmp_path / "p"), "people": 1, "pictures": 1}
    assert read_portraits(tmp_path / "p")[0]["images"].std() > 5


@pytest.mark.parametrize("wrong", [{"people": 0}, {"size": 8}, {"seed": -1}, {"workers": -1}])
def test_wrong_settings_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=r"must|cannot"):
        PortraitsConfig(**wrong)
