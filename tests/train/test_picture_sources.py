from __future__ import annotations

import io
import itertools
import json
import pickle
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from phiz.console import Console
from phiz.errors import DataError, MediaError
from phiz.train.picture_archives import expand, samples_of
from phiz.train.picture_sources import Source, Subset, find_pictures, pack_names
from phiz.train.pictures import open_source
from phiz.world.data.writing import write_shards

COUNT = 7
QUIET = Console(quiet=True, errors=io.StringIO())


def draw(number: int, *, kind: str = "JPEG", size: tuple[int, int] = (12, 12)) -> bytes:
    """Return the file of a small picture, always the same for a number."""
    pixels = np.random.default_rng(number).integers(0, 256, (*size, 3), dtype=np.uint8)
    target = io.BytesIO()
    Image.fromarray(pixels).save(target, kind)
    return target.getvalue()


def files() -> dict[str, bytes]:
    return {f"{number // 3:02d}/{number:05d}.jpg": draw(number) for number in range(COUNT)}


def write_folder(path: Path, content: Mapping[str, bytes]) -> Path:
    for name, data in content.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(data)
    return path


def write_zip(path: Path, content: Mapping[str, bytes], method: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in content.items():
            archive.writestr(name, data)
    return path


def write_tar(path: Path, content: Mapping[str, bytes], form: int = tarfile.PAX_FORMAT) -> Path:
    with tarfile.open(path, "w", format=form) as tar:
        for name, data in content.items():
            about = tarfile.TarInfo(name)
            about.size, about.mtime = len(data), 12.5  # pax keeps halves of seconds in a header of its own
            tar.addfile(about, io.BytesIO(data))
    return path


def in_folder(tmp: Path) -> Path:
    return write_folder(tmp / "folder", {**files(), "notes.txt": b"no picture", ".hidden/x.jpg": b"neither"})


def in_zip(tmp: Path) -> Path:
    return write_zip(tmp / "stored.zip", dict(reversed(files().items())))


def in_deflated_zip(tmp: Path) -> Path:
    return write_zip(tmp / "deflated.zip", {**files(), "__MACOSX/a.jpg": b""}, zipfile.ZIP_DEFLATED)


def in_tars(tmp: Path) -> Path:
    pairs = list(files().items())
    (tmp / "tars").mkdir()
    write_tar(tmp / "tars" / "a-0.tar", dict(pairs[:4]))
    write_tar(tmp / "tars" / "a-1.tar", dict(pairs[4:]), tarfile.GNU_FORMAT)
    return tmp / "tars"


def by_pattern(tmp: Path) -> str:
    return str(in_tars(tmp) / "a-{0..1}.tar")


def in_shards(tmp: Path) -> Path:
    def make(number: int) -> dict[str, bytes]:
        return {"jpg": draw(number), "labels.png": draw(99, kind="PNG"), "json": b"{}"}

    write_shards(make, tmp / "shards", count=COUNT, per_shard=3, recipe={}, console=QUIET)
    return tmp / "shards"


KINDS = [in_folder, in_zip, in_deflated_zip, in_tars, by_pattern, in_shards]


@pytest.mark.parametrize("kind", KINDS)
def test_all_kinds_of_sources_hold_the_same_pictures(kind: Callable[[Path], Path], tmp_path: Path) -> None:
    source = open_source(kind(tmp_path))
    assert isinstance(source, Source)
    assert (source.count, source.labels) == (COUNT, 0)
    for number in range(COUNT):
        with Image.open(io.BytesIO(draw(number))) as opened:
            expected = torch.from_numpy(np.array(opened)).movedim(-1, 0)
        picture = source.read(number)
        assert torch.equal(picture.image, expected)
        assert picture.label.shape == (0,)


@pytest.mark.parametrize("kind", KINDS)
def test_a_source_travels_to_another_process_as_arrays(kind: Callable[[Path], Path], tmp_path: Path) -> None:
    source = open_source(kind(tmp_path))
    there = pickle.loads(pickle.dumps(source))
    assert torch.equal(there.read(3).image, source.read(3).image)
    assert there.name(3) == source.name(3)
    assert "00003.jpg" in source.name(3)


def test_the_world_paints_what_its_shards_hold() -> None:
    source = open_source("world:5", resolution=16)
    assert isinstance(source, Source)
    assert source.count is None
    painted = source.read(2)
    assert painted.image.shape == (3, 16, 16)
    assert painted.image.float().std() > 5
    assert torch.equal(painted.image, open_source("world:5", resolution=16).read(2).image)


@pytest.mark.parametrize("suffix", ["png", "jpeg", "webp", "PNG"])
def test_tars_may_hold_other_formats(suffix: str, tmp_path: Path) -> None:
    data = draw(1, kind={"jpeg": "JPEG", "webp": "WEBP"}.get(suffix, "PNG"))
    source = open_source(write_tar(tmp_path / "a.tar", {f"x.{suffix}": data, "y.txt": b"words"}))
    assert source.count == 1
    assert source.read(0).image.shape == (3, 12, 12)


def test_long_and_foreign_names_in_tars_stay_apart(tmp_path: Path) -> None:
    content = {f"{'d' * 120}/{letter * 90}.jpg": draw(n) for n, letter in enumerate(("é", "è", "z"))}
    for form in (tarfile.PAX_FORMAT, tarfile.GNU_FORMAT):
        source = open_source(write_tar(tmp_path / "a.tar", content, form))
        assert source.count == 3
        assert source.name(1).startswith(f"{'d' * 120}/{'è' * 90}.jpg")


CLASSES = {name: number % 3 for number, name in enumerate(files())}
VALUES = {name: [number / 4, -1] for number, name in enumerate(files())}


def with_json(labels: Mapping[str, object]) -> dict[str, bytes]:
    return {**files(), "dataset.json": json.dumps({"labels": list(labels.items())}).encode()}


def with_each(labels: Mapping[str, object], suffix: str) -> dict[str, bytes]:
    content = {}
    for name, data in files().items():
        label = labels[name] if suffix == "cls" else {"label": labels[name], "more": 1}
        content |= {name: data, name.replace("jpg", suffix): json.dumps(label).encode()}
    return content


@pytest.mark.parametrize("labels", [CLASSES, VALUES], ids=["classes", "values"])
def test_labels_are_the_same_in_all_kinds_of_sources(labels: Mapping[str, object], tmp_path: Path) -> None:
    places = [
        write_folder(tmp_path / "folder", with_json(labels)),
        write_zip(tmp_path / "a.zip", with_json(labels)),
        write_tar(tmp_path / "a.tar", with_each(labels, "json")),
    ]
    if labels is CLASSES:
        places.append(write_tar(tmp_path / "b.tar", with_each(labels, "cls")))
    for place in places:
        source = open_source(place, use_labels=True)
        for number, label in enumerate(labels.values()):
            expected = torch.eye(3)[label] if isinstance(label, int) else torch.tensor(label)
            assert torch.equal(source.read(number).label, expected)
        assert source.labels == len(expected)
        assert open_source(place).labels == 0


@pytest.mark.parametrize(
    ("labels", "says"),
    [
        ({**CLASSES, "02/00006.jpg": [1.0]}, "differ in kind"),
        ({**CLASSES, "02/00006.jpg": -1}, "differ in kind"),
        ({**VALUES, "02/00006.jpg": [1.0]}, "differ in kind"),
        ({**VALUES, "02/00006.jpg": [float("nan"), 1]}, "differ in kind"),
        (dict(list(CLASSES.items())[:-1]), "02/00006.jpg in .* has no label"),
        ({}, "has no labels"),
    ],
)
def test_labels_that_make_no_sense_are_refused(
    labels: Mapping[str, object], says: str, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=says):
        open_source(write_zip(tmp_path / "a.zip", with_json(labels)), use_labels=True)


@pytest.mark.parametrize("kind", [*KINDS, lambda tmp: "world"])
def test_labels_that_are_not_there_are_missed(kind: Callable[[Path], Path], tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no labels"):
        open_source(kind(tmp_path), use_labels=True)


def test_a_damaged_label_names_its_picture(tmp_path: Path) -> None:
    tar = write_tar(tmp_path / "a.tar", {"a/1.png": draw(1), "a/1.cls": b"three"})
    with pytest.raises(DataError, match=r"a/1.png in .* is damaged"):
        open_source(tar, use_labels=True)
    folder = write_folder(tmp_path / "folder", {"a.png": draw(1), "dataset.json": b"{"})
    with pytest.raises(DataError, match="is damaged"):
        open_source(folder, use_labels=True)


@pytest.mark.parametrize("kind", [in_zip, in_deflated_zip, in_shards])
def test_a_changed_byte_in_an_archive_with_checksums_is_noticed(
    kind: Callable[[Path], Path], tmp_path: Path
) -> None:
    place = kind(tmp_path)
    path = place if place.is_file() else place / "000001.tar"
    data = path.read_bytes()
    at = data.index(b"\xff\xd9") - 20 if kind is not in_deflated_zip else 300  # near the end of a picture
    path.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
    outcomes = []
    source = open_source(place)
    for number in range(COUNT):
        try:
            source.read(number)
            outcomes.append(True)
        except MediaError:
            outcomes.append(False)
    assert source.count == COUNT
    assert outcomes.count(False) == 1


def test_a_tar_that_is_cut_short_keeps_what_came_before(tmp_path: Path) -> None:
    tar = write_tar(tmp_path / "a.tar", files(), tarfile.USTAR_FORMAT)
    lies = [sample.files["jpg"] for sample in samples_of(tar)]
    tar.write_bytes(tar.read_bytes()[: sum(lies[4]) - 5])
    source = open_source(tar)
    assert source.count == 5
    assert torch.equal(source.read(3).image, open_source(in_folder(tmp_path)).read(3).image)
    with pytest.raises(MediaError, match="cut short"):
        source.read(4)


def test_a_damaged_header_in_a_tar_costs_one_picture(tmp_path: Path) -> None:
    tar = write_tar(tmp_path / "a.tar", files(), tarfile.USTAR_FORMAT)
    offset, _ = [sample.files["jpg"] for sample in samples_of(tar)][2]
    data = bytearray(tar.read_bytes())
    data[offset - 512 : offset - 500] = b"\xff" * 12
    tar.write_bytes(data)
    assert open_source(tar).count == COUNT - 1


def test_a_header_that_is_damaged_leaves_the_numbers_of_our_shards_alone(tmp_path: Path) -> None:
    folder = in_shards(tmp_path)
    whole = open_source(folder).read(6).image
    data = bytearray((folder / "000000.tar").read_bytes())
    at = data.index(b"00000001.jpg")
    data[at : at + 12] = b"\xff" * 12
    (folder / "000000.tar").write_bytes(data)
    source = open_source(folder)
    assert torch.equal(source.read(6).image, whole)
    with pytest.raises(MediaError, match=r"00000001.jpg in .*000000.tar is damaged"):
        source.read(1)


def test_what_cannot_be_used_is_explained(tmp_path: Path) -> None:
    text = b"words"
    shards = in_shards(tmp_path)
    cases = {
        tmp_path / "nothing": "there are no pictures at",
        write_folder(tmp_path / "empty", {"a.txt": text}): "has no pictures",
        write_zip(tmp_path / "empty.zip", {"a.txt": text}): "has no pictures",
        write_tar(tmp_path / "empty.tar", {"a.txt": text}): "no pictures",
        write_folder(tmp_path / "both", {"a.png": text, "a.tar": text}): "holds pictures .* and tars",
        write_folder(tmp_path, {"broken.zip": text}) / "broken.zip": "cannot be read as a zip",
        write_folder(tmp_path, {"a.txt": text}) / "a.txt": "is no collection of pictures",
        write_folder(tmp_path, {"gz.tar": b"\x1f\x8b" + text}) / "gz.tar": "Unpack it",
        write_zip(tmp_path / "lzma.zip", files(), zipfile.ZIP_LZMA): "packed in a way",
        f"{shards}/0000{{00..09}}.tar": "000003.tar is missing",
        f"{shards}/0000{{09..00}}.tar": "counts from",
        "world:mars": "names no world",
    }
    for data, says in cases.items():
        with pytest.raises(DataError, match=says):
            open_source(data)
    (shards / "000001.tar").unlink()
    with pytest.raises(DataError, match=r"000001.tar is missing"):
        open_source(shards)
    with pytest.raises(DataError, match="16 is the least"):
        open_source("world", resolution=8)


def test_shards_that_are_not_finished_are_refused(tmp_path: Path) -> None:
    folder = in_shards(tmp_path)
    index = json.loads((folder / "index.json").read_text())
    index["shards"].pop()
    (folder / "index.json").write_text(json.dumps(index))
    with pytest.raises(DataError, match="not finished: 6 of 7"):
        open_source(folder)


def test_an_archive_that_disappears_is_no_damaged_picture(tmp_path: Path) -> None:
    path = in_zip(tmp_path)
    source = open_source(path)
    path.unlink()
    with pytest.raises(DataError, match="cannot read"):
        source.read(0)


def test_folders_that_hold_themselves_end(tmp_path: Path) -> None:
    folder = in_folder(tmp_path)
    (folder / "again").symlink_to(folder, target_is_directory=True)
    assert find_pictures(folder) == sorted(files())


def test_names_come_back_from_one_piece_of_memory() -> None:
    names = ["", "a", "ü/b.png", "\udcff.png", "a"]
    packed = pack_names(names)
    assert [packed[number] for number in range(len(packed))] == names


def test_braces_count_with_leading_zeros() -> None:
    assert [str(path) for path in expand("a-{008..010}.tar")] == ["a-008.tar", "a-009.tar", "a-010.tar"]
    two = ["-".join(pair) for pair in itertools.product("12", "89")]
    assert [str(path) for path in expand("{1..2}-{8..9}")] == two


def test_a_subset_renumbers(tmp_path: Path) -> None:
    whole = open_source(in_folder(tmp_path))
    subset = Subset(whole=whole, numbers=np.array([5, 2]))
    assert isinstance(subset, Source)
    assert (subset.count, subset.name(1)) == (2, whole.name(2))
    assert torch.equal(subset.read(0).image, whole.read(5).image)
