"""Reports tell everything, in little memory."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

from PIL import Image

from phiz.prepare import prepare_sheet, report
from phiz.prepare.jobs import Item
from phiz.prepare.judge import REASONS
from phiz.prepare.report import Cell, Few
from phiz.prepare.store import Store


def _item(number: int, reason: str = "", kind: str = "frame") -> Item:
    return Item("a", kind, "a/x.mp4", number, f"{number:064x}", reason)


def test_what_was_kept_and_dropped_is_listed(tmp_path: Path) -> None:
    with report.opened(tmp_path, {"size": 64}) as found:
        found.keep("a", _item(0), "a/00001", {"measures": {"sharp": 0.5}})
        found.drop("a", _item(1, "blurred"), "sharpness 0.1", {"sharp": 0.1})
        found.drop("b", Item("b", "sound", "b.wav", -1, "k", "sound silent"), "", {})
        found.keep("a", _item(2), "a/00002", {"measures": {}})
    told = json.loads((tmp_path / report.NAME).read_text(encoding="utf-8"))
    assert told["settings"] == {"size": 64}
    assert list(told["kept"]) == ["a/00001", "a/00002"]
    assert told["kept"]["a/00001"] == {"source": "a/x.mp4", "frame": 0, "measures": {"sharp": 0.5}}
    assert [one["reason"] for one in told["dropped"]] == ["blurred", "sound silent"]
    assert told["people"]["a"]["dropped"] == {"blurred": 1}
    assert told["summary"]["pictures"] == 3
    assert report.rows(found)[0][:3] == ("a", 3, 2)


def test_an_empty_report_is_json_too(tmp_path: Path) -> None:
    with report.opened(tmp_path, {}):
        pass
    told = json.loads((tmp_path / report.NAME).read_text(encoding="utf-8"))
    assert (told["kept"], told["dropped"], told["summary"]["pictures"]) == ({}, [], 0)


def test_examples_are_few_and_evenly_spread() -> None:
    few = Few(most=8)
    for number in range(1000):
        few.add(Cell(key=str(number), title="", reason=""))
    numbers = [int(cell.key) for cell in few.cells]
    assert 4 <= len(numbers) <= 8
    assert {b - a for a, b in itertools.pairwise(numbers)} == {few.step}
    assert few.count == 1000


def test_a_sheet_groups_what_was_dropped(tmp_path: Path) -> None:
    kept, dropped = Few(), Few()
    kept.add(Cell(key="0" * 64, title="a/00001", reason=""))
    for reason in ("blurred", "no face", "blurred"):
        dropped.add(Cell(key="1" * 64, title="a long name with \u00fcmlauts " * 4, reason=reason))
    prepare_sheet.write(tmp_path / "sheet.png", kept, dropped, Store(folder=tmp_path))
    with Image.open(tmp_path / "sheet.png") as sheet:
        colours = {colour for _, colour in sheet.getcolors(1 << 20)}
    assert {prepare_sheet.colour_of(reason) for reason in ("", "blurred", "no face")} <= colours


def test_neighbouring_reasons_have_colours_of_their_own() -> None:
    pictures = [reason for reason in REASONS if "sound" not in reason]
    assert len({prepare_sheet.colour_of(reason) for reason in pictures[:12]}) == 12
