"""Labelled pictures come from the world, from folders, and from CelebAMask-HQ; what is wrong is named."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from phiz.console import Console
from phiz.errors import DataError, MediaError
from phiz.face import head as heads
from phiz.face import models
from phiz.media import image
from phiz.train import labelled_sources
from phiz.train.labelled_sources import (
    CelebaMasks,
    LabelFiles,
    Labelled,
    LabelledSource,
    PortraitLabels,
    ShardLabels,
    open_source,
)
from phiz.world.data.layout import decode
from phiz.world.data.portraits import read_portraits
from phiz.world.data.produce import PaintedPeople
from phiz.world.data.reading import read_shards
from phiz.world.data.writing import write_shards

SIZE = 24


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not heads.BUILT_IN.is_file():
        pytest.skip("no head model to paint")
    folder = tmp_path_factory.mktemp("shards")
    make = PaintedPeople(head=models.BUILT_IN, heads=None, size=SIZE, seed=1, per_person=1)
    write_shards(make, folder, count=2, per_shard=1, recipe={"size": SIZE}, console=Console(quiet=True))
    return folder


@pytest.fixture
def celeba(tmp_path: Path) -> Path:
    """Return two faces as CelebAMask-HQ has them: pictures of 48 pixels, masks of 24 (0 or 255)."""
    (tmp_path / "CelebA-HQ-img").mkdir()
    rng = np.random.default_rng(0)
    for face in (0, 2001):
        shown = rng.integers(0, 256, (2 * SIZE, 2 * SIZE, 3), dtype=np.uint8)
        Image.fromarray(shown).save(tmp_path / "CelebA-HQ-img" / f"{face}.jpg")
        folder = tmp_path / "CelebAMask-HQ-mask-anno" / str(face // 2000)
        folder.mkdir(parents=True)
        for part, rows in (("skin", slice(4, 20)), ("nose", slice(8, 12)), ("hair", slice(0, 6))):
            mask = np.zeros((SIZE, SIZE), np.uint8)
            mask[rows] = 255
            Image.fromarray(mask).save(folder / f"{face:05d}_{part}.png")
    return tmp_path


def test_shards_give_pictures_labels_and_coverage(shards: Path) -> None:
    source = open_source(shards)
    assert isinstance(source, ShardLabels)
    assert source.count == 2
    for sample in read_shards(shards, seed=0, mix=0):
        expected, found = decode(sample.files), source.read(sample.number)
        assert torch.equal(found.image, image.to_bytes(expected["image"]).movedim(-1, 0))
        assert torch.equal(found.labels, expected["labels"])
        assert torch.equal(found.alpha, (expected["alpha"] * 255 + 0.5).to(torch.uint8))
        assert found.labels.unique().numel() > 3


def test_portraits_give_the_same(few_portraits: Path) -> None:
    source = open_source(few_portraits)
    assert isinstance(source, PortraitLabels)
    arrays, _ = read_portraits(few_portraits)
    assert source.count == len(arrays["images"])
    found = source.read(1)
    assert np.array_equal(found.image.movedim(0, -1).numpy(), arrays["images"][1])
    assert np.array_equal(found.labels.numpy(), arrays["labels"][1])
    assert np.array_equal(found.alpha.numpy(), arrays["alpha"][1])


def test_masks_lie_over_each_other_in_the_order_of_the_classes(celeba: Path) -> None:
    source = open_source(celeba)
    assert isinstance(source, CelebaMasks)
    assert source.count == 2
    found = source.read(1)
    assert source.name(1).endswith("2001.jpg")
    assert found.labels[:, 0].tolist() == [17] * 6 + [1] * 2 + [10] * 4 + [1] * 8 + [0] * 4
    assert found.image.shape == (3, SIZE, SIZE)  # pictures have the size of the masks
    assert torch.equal(found.alpha > 0, found.labels > 0)


def test_labels_are_found_beside_pictures(tmp_path: Path) -> None:
    for folder in ("images", "labels"):
        (tmp_path / folder).mkdir()
    labels = np.arange(16, dtype=np.uint8).reshape(4, 4)
    Image.fromarray(labels).save(tmp_path / "labels" / "a.png")
    Image.fromarray(np.full((4, 4, 3), 7, np.uint8)).save(tmp_path / "images" / "a.png")
    source = open_source(tmp_path)
    assert isinstance(source, LabelFiles)
    found = source.read(0)
    assert np.array_equal(found.labels.numpy(), labels)
    assert found.image.unique().tolist() == [7]
    (tmp_path / "images" / "a.png").unlink()
    with pytest.raises(MediaError, match=r"has no picture .*a\.jpg"):
        source.read(0)
    Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(tmp_path / "labels" / "a.png")
    with pytest.raises(MediaError, match="pixels of the kind RGB"):
        source.read(0)


def test_sources_travel_to_other_processes(shards: Path, few_portraits: Path, celeba: Path) -> None:
    for folder in (shards, few_portraits, celeba):
        source: LabelledSource = open_source(folder)
        before = source.read(0)
        after: Labelled = pickle.loads(pickle.dumps(source)).read(0)
        assert all(torch.equal(one, other) for one, other in zip(before, after, strict=True))
        assert isinstance(source, LabelledSource)


def test_damage_is_told_from_what_makes_all_pointless(shards: Path, celeba: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    copy.mkdir()
    for path in shards.iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    data = bytearray((copy / "000000.tar").read_bytes())
    data[1200] ^= 0xFF
    (copy / "000000.tar").write_bytes(data)
    source = open_source(copy)
    with pytest.raises(MediaError, match="is damaged"):
        source.read(0)
    assert source.read(1).labels.shape == (SIZE, SIZE)
    for path in (celeba / "CelebAMask-HQ-mask-anno" / "0").iterdir():
        path.unlink()
    with pytest.raises(MediaError, match="has no masks"):
        open_source(celeba).read(0)


@pytest.mark.parametrize(
    ("made", "message"),
    [
        ((), "holds no labelled pictures"),
        (("labels",), "has no PNG files"),
        (("CelebAMask-HQ-mask-anno", "CelebA-HQ-img"), "has no pictures"),
    ],
)
def test_folders_without_labelled_pictures_are_refused(
    tmp_path: Path, made: tuple[str, ...], message: str
) -> None:
    for name in made:
        (tmp_path / name).mkdir()
    with pytest.raises(DataError, match=message):
        _ = open_source(tmp_path).count
    with pytest.raises(DataError, match="there is no folder"):
        open_source(tmp_path / "nowhere")


def test_labels_that_a_network_does_not_have_are_refused(celeba: Path) -> None:
    found = open_source(celeba).read(0)
    labelled_sources.check_classes(found, 19, "it")
    with pytest.raises(DataError, match=r"it has the label 17 \(hair\), the network 16 classes.*classes 19"):
        labelled_sources.check_classes(found, 16, "it")
