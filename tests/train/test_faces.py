"""Faces of all kinds of data have numbers and people; their order is a law; pairs are what they claim."""

from __future__ import annotations

import itertools
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from phiz.console import Console
from phiz.errors import DataError, MediaError
from phiz.face import align, models
from phiz.face import head as heads
from phiz.train import faces
from phiz.train.faces import Faces, open_faces, order, pairs_of, parted
from phiz.world.data.produce import PaintedPeople
from phiz.world.data.writing import write_shards


def people_folder(folder: Path, counts: dict[str, int]) -> Path:
    for place, (name, count) in enumerate(counts.items()):
        (folder / name).mkdir(parents=True)
        for number in range(count):
            Image.new("RGB", (8, 8), (10 * place, number, 0)).save(folder / name / f"{number}.png")
    return folder


def test_a_folder_for_each_person(tmp_path: Path) -> None:
    folder = people_folder(tmp_path / "faces", {"ann": 2, "bo": 1, "cy": 3})
    (folder / "loose.png").write_bytes((folder / "ann" / "0.png").read_bytes())  # belongs to nobody
    found = open_faces(str(folder), size=112)
    assert found.classes == 3
    assert found.people is not None
    assert found.people.tolist() == [0, 0, 1, 2, 2, 2]
    for number, person in enumerate(found.people):
        picture = found.source.read(number)
        assert picture.label.tolist() == [person]
        assert picture.image[0].unique().tolist() == [10 * person]
    assert found.source.name(2).endswith("bo/0.png")


def test_synthetic_people_look_like_themselves() -> None:
    found = open_faces("synthetic:4:12", size=16)
    assert (found.classes, found.source.count) == (4, 12)
    assert open_faces("synthetic:4", size=16).source.count == 100_000
    shown = [found.source.read(number) for number in range(12)]
    assert [int(one.label) for one in shown] == [0, 1, 2, 3] * 3
    assert all(one.image.shape == (3, 16, 16) for one in shown)
    away = torch.cdist(*[torch.stack([one.image.float().flatten() for one in shown])] * 2)
    is_same = torch.tensor([[int(a.label) == int(b.label) for a in shown] for b in shown])
    assert away[is_same].max() < away[~is_same].min()
    assert (away.fill_diagonal_(1) > 0).all()


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of shards: two people, two pictures of each."""
    if not heads.BUILT_IN.is_file():
        pytest.skip("no head model to paint")
    folder = tmp_path_factory.mktemp("people")
    make = PaintedPeople(head=models.BUILT_IN, size=64, seed=3, per_person=2)
    recipe = {"per_person": 2}
    write_shards(make, folder, count=4, per_shard=3, recipe=recipe, console=Console(quiet=True))
    return folder


def test_rendered_people_are_cut_out_by_their_landmarks(rendered: Path) -> None:
    found = open_faces(str(rendered), size=112)
    assert found.classes == 2
    assert found.people is not None
    assert found.people.tolist() == [0, 0, 1, 1]
    for number in range(4):
        picture = found.source.read(number)
        assert picture.image.shape == (3, align.RECOGNITION_SIZE, align.RECOGNITION_SIZE)
        assert picture.label.tolist() == [number // 2]
        assert picture.image.float().std() > 10
    assert found.source.name(1).startswith("sample 1")


def test_shards_that_cannot_be_used_are_refused(rendered: Path, tmp_path: Path) -> None:
    single = tmp_path / "single"
    single.mkdir()
    text = (rendered / "index.json").read_text()
    (single / "index.json").write_text(text.replace('"per_person": 2', '"per_person": 1'))
    with pytest.raises(DataError, match="only one picture of each"):
        open_faces(str(single), size=112)
    (single / "index.json").write_text(text)
    found = open_faces(str(single), size=112)
    for path in rendered.glob("*.tar"):
        (single / path.name).write_bytes(path.read_bytes()[:700])
    with pytest.raises(MediaError, match="damaged"):
        found.source.read(0)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ("synthetic:1", "nobody"),
        ("synthetic:many", "nobody"),
        ("synthetic:5:0", "nobody"),
        ("nowhere", "no folder of faces"),
    ],
)
def test_data_that_is_not_there_is_refused(data: str, words: str) -> None:
    with pytest.raises(DataError, match=words):
        open_faces(data, size=112)


def test_one_person_is_not_enough(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="two people or more"):
        open_faces(str(people_folder(tmp_path / "faces", {"ann": 2})), size=112)


def test_the_last_people_are_held_out() -> None:
    whole = open_faces("synthetic:5:20", size=16)
    known, strangers = parted(whole, 2)
    assert strangers is not None
    assert (known.classes, known.source.count, strangers.source.count) == (3, 12, 8)
    assert {int(known.source.read(n).label) for n in range(12)} == {0, 1, 2}
    assert {int(strangers.source.read(n).label) for n in range(8)} == {3, 4}
    assert known.source.name(3) == whole.source.name(5)
    assert parted(whole, 0) == (whole, None)
    with pytest.raises(DataError, match="cannot be held out"):
        parted(whole, 4)
    with pytest.raises(DataError, match="records"):
        parted(Faces(source=whole.source, people=None, classes=5), 1)


@settings(max_examples=40)
@given(st.integers(1, 30), st.integers(1, 6), st.integers(0, 100), st.booleans())
def test_processes_together_see_every_face_once_an_epoch(
    count: int, world: int, seen: int, mirror: bool
) -> None:
    alone = list(itertools.islice(order(count, seed=1, mirror=mirror), seen + 3 * count))
    for epoch in range(3):
        part = [item // 2 for item in alone[epoch * count : (epoch + 1) * count]]
        assert sorted(part) == list(range(count))
    shares = [order(count, seed=1, first=seen + rank, step=world, mirror=mirror) for rank in range(world)]
    together = [next(share) for _ in range(2 * count // world) for share in shares]
    assert together == alone[seen : seen + len(together)]
    assert mirror or all(item % 2 == 0 for item in alone)


def test_half_of_the_faces_are_mirrored_and_others_each_epoch() -> None:
    items = list(itertools.islice(order(1000, seed=0), 2000))
    first, second = ({item // 2: item % 2 for item in part} for part in (items[:1000], items[1000:]))
    assert 400 < sum(first.values()) < 600
    assert 400 < sum(first[n] != second[n] for n in first) < 600


def test_pairs_claim_what_is_true() -> None:
    people = np.array([0, 0, 0, 1, 1, 2, 3, 3])
    whole = Faces(source=open_faces("synthetic:4:8", size=16).source, people=people, classes=4)
    pairs, claims = pairs_of(whole, 30, seed=5)
    assert claims == [True, False] * 30
    for (one, other), claim in zip(pairs, claims, strict=True):
        assert one != other
        assert (people[one] == people[other]) == claim
    used = Counter(int(people[one]) for (one, _), claim in zip(pairs, claims, strict=True) if claim)
    assert used == {0: 10, 1: 10, 3: 10}  # person 2 has one picture only
    assert pairs_of(whole, 30, seed=5)[0] == pairs
    assert pairs_of(whole, 30, seed=6)[0] != pairs


def test_pairs_need_people_with_two_pictures() -> None:
    whole = open_faces("synthetic:4:4", size=16)
    with pytest.raises(DataError, match="two pictures"):
        pairs_of(whole, 3)
    with pytest.raises(ValueError, match="known"):
        pairs_of(Faces(source=whole.source, people=None, classes=4), 3)


def test_records_are_faces(tmp_path: Path) -> None:
    (tmp_path / "train.rec").write_bytes(b"")
    with pytest.raises(DataError, match="index"):
        faces.open_faces(str(tmp_path), size=112)
