"""Records of faces are read as MXNet wrote them, and damaged ones are refused."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from phiz.errors import DataError, MediaError
from phiz.train import recordio
from phiz.train.recordio import MAGIC, open_records, people_in, read_record

WORD = struct.pack("<I", MAGIC)


def picture(value: int) -> bytes:
    data = io.BytesIO()
    Image.new("RGB", (8, 8), (value, value, value)).save(data, "PNG")
    return data.getvalue()


def header(label: float, labels: tuple[float, ...] = ()) -> bytes:
    return struct.pack("<IfQQ", len(labels), label, 0, 0) + struct.pack(f"<{len(labels)}f", *labels)


def packed(data: bytes) -> bytes:
    """Return a record as MXNet writes it: cut wherever the magic number stands at a multiple of four."""
    parts, start = [], 0
    for place in range(0, len(data) - 3, 4):
        if data[place : place + 4] == WORD:
            parts.append(data[start:place])
            start = place + 4
    parts.append(data[start:])
    out = b""
    for number, part in enumerate(parts):
        kind = 0 if len(parts) == 1 else 1 if number == 0 else 3 if number == len(parts) - 1 else 2
        out += struct.pack("<II", MAGIC, kind << 29 | len(part)) + part + b"\0" * (-len(part) % 4)
    return out


def write_set(folder: Path, people: list[int], *, has_head: bool = True, extra: int = 2) -> Path:
    """Write train.rec and train.idx with a picture for each label, and what published sets have besides."""
    folder.mkdir(exist_ok=True)
    end = float(len(people) + 1)
    records = [header(0, (end, end + extra))] if has_head else []
    records += [header(person) + picture(10 * number) for number, person in enumerate(people)]
    records += [header(0, (1.0, 2.0))] * extra if has_head else []
    data, index = b"", ""
    for number, record in enumerate(records):
        index += f"{number}\t{len(data)}\n"
        data += packed(record)
    (folder / "train.rec").write_bytes(data)
    (folder / "train.idx").write_text(index)
    return folder


@settings(max_examples=40)
@given(st.lists(st.sampled_from([b"abcd", WORD, b"x", b"\0\0\0\0"]), max_size=8).map(b"".join))
def test_a_record_comes_back_whatever_is_in_it(data: bytes) -> None:
    assert read_record(io.BytesIO(packed(data) + packed(b"next"))) == data


def test_a_published_set_has_its_pictures_and_nothing_else(tmp_path: Path) -> None:
    people = [2, 0, 1, 1]
    source = open_records(write_set(tmp_path / "set", people))
    assert source.count == 4
    for number, person in enumerate(people):
        found = source.read(number)
        assert found.label.tolist() == [person]
        assert found.image.unique().tolist() == [10 * number]
    assert people_in(source) == 3
    (tmp_path / "set" / "property").write_text("7,112,112")
    assert people_in(source) == 7
    assert "picture 2" in source.name(2)


def test_a_set_without_a_first_record_about_the_others_is_all_pictures(tmp_path: Path) -> None:
    source = open_records(write_set(tmp_path / "set", [0, 1, 1], has_head=False))
    assert [source.read(number).label.item() for number in range(3)] == [0, 1, 1]


def test_labels_may_stand_in_a_list(tmp_path: Path) -> None:
    folder = write_set(tmp_path / "set", [0, 1])
    record = packed(header(0, (5.0, 9.0)) + picture(3))
    (folder / "train.rec").write_bytes(record)
    source = recordio.RecordSource(path=folder / "train.rec", places=np.array([0]))
    assert source.read(0).label.tolist() == [5]


def test_damaged_records_are_refused(tmp_path: Path) -> None:
    folder = write_set(tmp_path / "set", [0, 1])
    source = open_records(folder)
    whole = (folder / "train.rec").read_bytes()
    place = int(source.places[1])
    for wrong in (whole[: place + 5], whole[: place + 30], whole[:place] + b"\0" * 200):
        (folder / "train.rec").write_bytes(wrong)
        with pytest.raises(MediaError, match="picture 1"):
            source.read(1)
    (folder / "train.rec").write_bytes(whole[:place] + packed(header(1.5) + picture(1)))
    with pytest.raises(MediaError, match="no person"):
        source.read(1)
    (folder / "train.rec").write_bytes(whole[:place] + packed(b"short"))
    with pytest.raises(MediaError, match="cut short"):
        source.read(1)
    first = struct.pack("<II", MAGIC, 2 << 29 | 4) + b"part"
    with pytest.raises(ValueError, match="out of order"):
        read_record(io.BytesIO(first))


def test_a_folder_that_is_no_set_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="0 files of records"):
        open_records(tmp_path)
    folder = write_set(tmp_path / "set", [0, 1])
    (folder / "train.idx").write_text("words\n")
    with pytest.raises(DataError, match="no index"):
        open_records(folder)
    (folder / "train.idx").write_text("0\t0\n")
    with pytest.raises(DataError, match="lists no pictures"):
        open_records(folder)
    (folder / "train.idx").unlink()
    with pytest.raises(DataError, match="needs its index"):
        open_records(folder)
    source = open_records(write_set(tmp_path / "gone", [0, 1]))
    source.path.unlink()
    with pytest.raises(DataError, match="cannot read"):
        source.read(0)
