"""A folder belongs to one run, and says to which."""

from __future__ import annotations

import json
from enum import Enum
from pathlib import Path

import pytest
import torch

from phiz.errors import UsageError
from phiz.train import folder

ABOUT = {"settings": {"trainer": "toy", "data": Path("faces"), "sizes": (4, 8)}}


def test_the_same_run_keeps_its_name(tmp_path: Path) -> None:
    run = folder.open_folder(tmp_path / "run", ABOUT, resume=True)
    assert folder.open_folder(tmp_path / "run", ABOUT, resume=True) == run
    assert folder.open_folder(tmp_path / "other", ABOUT, resume=True) != run
    assert folder.read_config(tmp_path / "run")["settings"]["sizes"] == [4, 8]


def test_hidden_files_make_no_folder_foreign(tmp_path: Path) -> None:
    (tmp_path / ".config-12.part.json").write_text("")
    folder.open_folder(tmp_path, ABOUT, resume=True)


def test_a_file_in_the_way_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("a file")
    with pytest.raises(UsageError, match="is a file"):
        folder.open_folder(tmp_path / "run", ABOUT, resume=True)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"format": 1, "run": "x", "settings": 3}'])
def test_the_config_of_another_program_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(UsageError, match="not the config of a run"):
        folder.open_folder(tmp_path, ABOUT, resume=True)
    assert (tmp_path / "config.json").read_text() == text


def test_a_later_format_and_a_missing_file_are_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot read"):
        folder.read_config(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"format": 99}))
    with pytest.raises(UsageError, match="format 99"):
        folder.read_config(tmp_path)


def test_settings_become_plain() -> None:
    kind = Enum("kind", ["SMALL"])
    values = {"path": Path("a"), "kind": kind.SMALL, "dtype": torch.float16, "pair": (1, 2)}
    assert folder.to_plain(values) == {"path": "a", "kind": "SMALL", "dtype": "torch.float16", "pair": [1, 2]}
    with pytest.raises(TypeError, match="object"):
        folder.to_plain({"odd": object()})


def test_nested_settings_become_flat() -> None:
    assert folder.flat({"a": {"b": {"c": 1}, "d": {}}, "e": [1]}) == {"a.b.c": 1, "a.d": {}, "e": [1]}
