"""Results become a data set."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from phiz.errors import DataError
from phiz.prepare import assemble, report
from phiz.prepare.assemble import Person, Target
from phiz.prepare.jobs import Item
from phiz.prepare.store import Store


@pytest.fixture
def target(tmp_path: Path) -> Target:
    store = Store(folder=tmp_path / "set" / ".work")
    return Target(folder=tmp_path / "set", store=store, fps=25.0, duplicate=3, basis="built-in")


def _kept(target: Target, number: int, bits: int, person: str = "a") -> Item:
    key = f"{number:064x}"
    values = {
        "reason": "", "detail": "", "measures": {}, "hash": f"{bits:064x}", "thumb": "",
        "pose": [0.0] * 6, "expression": [0.0, 1.0], "landmarks": [[1.0, 2.0]] * 68,
    }  # fmt: skip
    target.store.write(key, values, {".jpg": bytes([number])})
    return Item(person, "picture", f"{person}/{number}.jpg", -1, key, "")


def test_pictures_with_nearly_the_same_hash_are_duplicates(target: Target) -> None:
    bits = [0, 0b111, 0b1111, 2**255 - 1]
    person = Person(name="a", pictures=[_kept(target, k, b) for k, b in enumerate(bits)])
    judged = list(assemble.without_doubles(person, target))
    assert [one.item.reason for one in judged] == ["", "duplicate", "", ""]
    assert judged[1].detail == "of a/0.jpg"
    all_of_them = Target(**{**vars(target), "duplicate": -1})
    assert not any(one.item.reason for one in assemble.without_doubles(person, all_of_them))


def test_frames_of_a_film_are_no_duplicates(target: Target) -> None:
    frames = [_kept(target, k, 0)._replace(kind="frame", source="a/x.mp4", number=k) for k in range(3)]
    assert not any(one.item.reason for one in assemble.without_doubles(Person("a", frames), target))


def test_the_layout_is_written_person_by_person(target: Target) -> None:
    items = [_kept(target, 1, 1), _kept(target, 2, 2**80 - 1), _kept(target, 3, 5, "\u00e9ve")]
    target.store.write("f" * 64, {"reason": "no face", "detail": "", "measures": {}, "thumb": ""})
    items.insert(1, Item("a", "picture", "a/x.jpg", -1, "f" * 64, "no face"))
    with report.opened(target.folder, {}) as told:
        assemble.assemble(items, target, told)
    assert (target.folder / "images" / "a" / "00002.jpg").read_bytes() == b"\2"
    poses = json.loads((target.folder / "metadata" / "poses.json").read_text(encoding="utf-8"))
    assert list(poses["frames"]) == ["a/00001", "a/00002", "\u00e9ve/00001"]
    basis = json.loads((target.folder / "metadata" / "expressions.json").read_text(encoding="utf-8"))
    assert basis["header"]["basis"] == "built-in"
    assert told.summary()["dropped"] == {"no face": 1}


def test_a_result_that_disappears_is_told(target: Target) -> None:
    item = _kept(target, 1, 1)
    target.store.path(item.key).unlink()
    with report.opened(target.folder, {}) as told, pytest.raises(DataError, match="disappeared"):
        assemble.assemble([item], target, told)
