from __future__ import annotations

import contextlib
import io
import itertools
import multiprocessing
import os
import signal
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from phiz import options
from phiz.console import Console
from phiz.errors import DataError
from phiz.media import image
from phiz.train.picture_reading import PictureBatch, make_square
from phiz.train.pictures import (
    PicturesConfig,
    PictureStream,
    batches,
    draw,
    lanczos,
    limit,
    on_device,
    open_source,
    resize_early,
)

COUNT = 10
SIDE = 8


@pytest.fixture
def config(tmp_path: Path) -> PicturesConfig:
    """Return how to read ten pictures whose red is their number; only the left half is green."""
    for number in range(COUNT):
        pixels = np.zeros((SIDE, SIDE, 3), dtype=np.uint8)
        pixels[..., 0] = number
        pixels[:, : SIDE // 2, 1] = 255
        Image.fromarray(pixels).save(tmp_path / f"{number:02d}.png")
    return PicturesConfig(data=str(tmp_path), resolution=SIDE, workers=0)


@contextlib.contextmanager
def reading(config: PicturesConfig, **settings: int) -> Iterator[tuple[PictureStream, str]]:
    told = io.StringIO()
    with contextlib.closing(
        batches(config, **{"batch": 2, **settings}, console=Console(errors=told))
    ) as stream:
        yield stream, told


def shown(batch: PictureBatch) -> list[tuple[int, bool]]:
    """Return number and whether mirrored of each picture in a batch."""
    return [(int(one[0, 0, 0]), not one[1, 0, 0]) for one in batch.images]


def seen_by(config: PicturesConfig, count: int, **settings: int) -> list[tuple[int, bool]]:
    with reading(config, **settings) as (stream, _):
        return [one for batch in itertools.islice(stream, count) for one in shown(batch)]


def interleave(lists: Sequence[list[tuple[int, bool]]]) -> list[tuple[int, bool]]:
    return [one for turn in zip(*lists, strict=True) for one in turn]


@given(
    count=st.integers(1, 12),
    mirror=st.booleans(),
    seed=st.integers(0, 2**40),
    seen=st.integers(0, 60),
    world=st.integers(1, 5),
)
def test_all_ranks_together_continue_one_order(
    count: int, mirror: bool, seed: int, seen: int, world: int
) -> None:
    whole = list(itertools.islice(draw(count, mirror=mirror, seed=seed), seen + 6 * world))
    parts = [
        list(itertools.islice(draw(count, mirror=mirror, seed=seed, first=seen + rank, step=world), 6))
        for rank in range(world)
    ]
    assert [item for turn in zip(*parts, strict=True) for item in turn] == whole[seen:]


@pytest.mark.parametrize("mirror", [False, True])
def test_an_epoch_has_everything_once_and_the_next_in_another_order(mirror: bool) -> None:
    length = 50 * (1 + mirror)
    items = list(itertools.islice(draw(50, mirror=mirror, seed=3), 2 * length))
    first, second = items[:length], items[length:]
    assert sorted(first) == sorted(second) == list(range(0, 100, 2 - mirror))
    assert first != second
    assert first != list(itertools.islice(draw(50, mirror=mirror, seed=4), length))


GOLDEN = [6, 3, 4, 9, 0, 2, 8, 7, 5, 1, 5, 9]


def test_the_order_of_a_seed_never_changes() -> None:
    """Golden: runs that were interrupted before an upgrade go on in the order in which they began."""
    assert list(itertools.islice(draw(5, mirror=True, seed=7), 12)) == GOLDEN


def test_a_source_without_end_is_mirrored_by_lot() -> None:
    items = list(itertools.islice(draw(None, mirror=True, seed=1), 400))
    assert [item // 2 for item in items] == list(range(400))
    assert 150 < sum(item % 2 for item in items) < 250
    assert list(itertools.islice(draw(None, mirror=True, seed=1, first=7, step=3), 50)) == items[7:157:3]
    assert next(draw(None, mirror=False, seed=1, first=9)) == 18


def test_ranks_share_an_epoch(config: PicturesConfig) -> None:
    parts = [seen_by(config, 5, rank=rank, world=2) for rank in range(2)]
    assert sorted(interleave(parts)) == sorted(itertools.product(range(COUNT), (False, True)))


def test_resumed_reading_equals_uninterrupted_reading(config: PicturesConfig) -> None:
    whole = seen_by(config, 30, batch=2)
    assert seen_by(config, 15, batch=2, seen=30) == whole[30:]
    assert interleave([seen_by(config, 2, batch=5, seen=40, rank=r, world=2) for r in range(2)]) == whole[40:]
    assert seen_by(replace(config, seed=1), 30) != whole


def test_worker_processes_change_nothing(config: PicturesConfig) -> None:
    (Path(config.data) / "04.png").write_bytes(b"damaged")
    with reading(replace(config, workers=2)) as (stream, _):
        many = [one for batch in itertools.islice(stream, 20) for one in shown(batch)]
        assert [*stream.damaged] == [4]
    assert many == seen_by(config, 20)
    assert not multiprocessing.active_children()


# torch's handler of dead children may speak up just while the loader is being taken down.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_worker_that_dies_is_explained_and_one_asked_to_stop_goes_on(config: PicturesConfig) -> None:
    with reading(replace(config, workers=1)) as (stream, _):
        next(stream)
        (worker,) = multiprocessing.active_children()
        os.kill(worker.pid, signal.SIGTERM)  # meant for the parent, which wants to end the step first
        assert [len(next(stream).images) for _ in range(20)] == [2] * 20
        # The loader's own words reach whatever the parent is doing when the worker dies.
        with pytest.raises((DataError, RuntimeError), match=r"Use fewer workers|killed by signal"):
            kill_and_go_on(worker.pid, stream)


def kill_and_go_on(process: int, stream: PictureStream) -> None:
    os.kill(process, signal.SIGKILL)
    for _ in stream:
        pass


def test_mirroring_twice_changes_nothing(config: PicturesConfig) -> None:
    with reading(config, batch=2 * COUNT) as (stream, _):
        batch = next(stream)
    pictures = dict(zip(shown(batch), batch.images, strict=True))
    for number in range(COUNT):
        assert torch.equal(pictures[number, True].flip(-1), pictures[number, False])
        assert not torch.equal(pictures[number, True], pictures[number, False])


def test_without_mirroring_nothing_is_mirrored(config: PicturesConfig) -> None:
    seen = seen_by(replace(config, mirror=False), COUNT // 2)
    assert sorted(seen) == [(number, False) for number in range(COUNT)]


def test_a_damaged_picture_is_replaced_by_the_next_and_counted(config: PicturesConfig) -> None:
    whole = seen_by(config, COUNT)
    for number in (4, 5, 9):
        (Path(config.data) / f"{number:02d}.png").write_bytes(b"damaged")
    with reading(config) as (stream, told):
        seen = [one for batch in itertools.islice(stream, COUNT) for one in shown(batch)]
    instead = {4: 6, 5: 6, 9: 0}
    assert seen == [(instead.get(number, number), mirrored) for number, mirrored in whole]
    assert sorted(stream.damaged) == [4, 5, 9]
    assert "09.png" in stream.damaged[9]
    assert told.getvalue().count("warning") == 1


def test_every_hundred_damaged_pictures_are_worth_a_word(tmp_path: Path) -> None:
    for number in range(230):
        (tmp_path / f"{number}.png").write_bytes(b"damaged")
    Image.new("RGB", (4, 4)).save(tmp_path / "whole.png")
    config = PicturesConfig(data=str(tmp_path), resolution=4, mirror=False, workers=0)
    with reading(config, batch=11) as (stream, told):
        list(itertools.islice(stream, 21))
    assert len(stream.damaged) == 230
    words = told.getvalue().splitlines()
    assert [line.split()[1] for line in words] == ["1", "100", "200"]


def test_when_nothing_can_be_read_the_training_stops(tmp_path: Path) -> None:
    for number in range(3):
        (tmp_path / f"{number}.png").write_bytes(b"damaged")
    config = PicturesConfig(data=str(tmp_path), resolution=4, workers=0)
    with (
        reading(config) as (stream, _),
        pytest.raises(DataError, match=r"^none of 3 pictures can be read; the last: .*png is not a picture"),
    ):
        next(stream)


def test_pictures_that_are_not_square_are_refused_or_cut(config: PicturesConfig) -> None:
    wide = np.zeros((SIDE, 3 * SIDE, 3), dtype=np.uint8)
    wide[:, SIDE : 2 * SIDE] = 200
    Image.fromarray(wide).save(Path(config.data) / "03.png")
    with reading(config) as (stream, _), pytest.raises(DataError, match=r"03.png has 24 x 8 pixels"):
        list(itertools.islice(stream, COUNT))
    with reading(replace(config, crop="centre"), batch=2 * COUNT) as (stream, _):
        images = next(stream).images
    assert sum(bool((one == 200).all()) for one in images) == 2


@pytest.mark.parametrize(("size", "resolution"), [((21, 16), 8), ((5, 5), 8), ((16, 16), 16)])
def test_every_size_becomes_the_resolution(size: tuple[int, int], resolution: int) -> None:
    square = make_square(torch.full((3, *size), 77, dtype=torch.uint8), resolution)
    assert torch.equal(square, torch.full((3, resolution, resolution), 77, dtype=torch.uint8))


def test_a_subset_is_drawn_by_lot_and_stays_the_same(config: PicturesConfig) -> None:
    some = replace(config, max_pictures=4, mirror=False)
    seen = {number for number, _ in seen_by(some, 6)}
    assert len(seen) == 4
    assert {number for number, _ in seen_by(some, 6, rank=1, world=3, seen=17)} <= seen
    assert {number for number, _ in seen_by(replace(some, seed=1), 6)} != seen
    source = open_source(config.data)
    assert limit(source, COUNT, seed=0) is source
    assert limit(source, 0, seed=0) is source


def test_some_people_of_the_world_come_again() -> None:
    config = PicturesConfig(data="world:3", resolution=16, workers=0, max_pictures=2, mirror=False)
    with reading(config, batch=4) as (stream, _):
        images = next(stream).images
        assert stream.source.count == 2
        expected = {tuple(stream.source.read(number).image.flatten().tolist()) for number in range(2)}
    assert {tuple(one.flatten().tolist()) for one in images} == expected


def test_pictures_arrive_on_the_device_as_everybody_expects_them(config: PicturesConfig) -> None:
    with reading(config, batch=3) as (stream, _):
        batch = next(stream)
    images, labels = on_device(batch, torch.device("cpu"))
    for one, (number, is_mirrored) in zip(images, shown(batch), strict=True):
        expected = image.read(Path(config.data) / f"{number:02d}.png")
        assert torch.equal(one, expected.flip(-1) if is_mirrored else expected)
    assert images.is_contiguous()
    assert labels.shape == (3, 0)


def test_labels_come_with_their_pictures(config: PicturesConfig) -> None:
    words = ", ".join(f'["{number:02d}.png", {number % 3}]' for number in range(COUNT))
    (Path(config.data) / "dataset.json").write_text(f'{{"labels": [{words}]}}')
    with reading(replace(config, use_labels=True), batch=9) as (stream, _):
        batch = next(stream)
        assert stream.source.labels == 3
    assert batch.labels.argmax(dim=1).tolist() == [number % 3 for number, _ in shown(batch)]
    assert batch.labels.sum(dim=1).tolist() == [1] * 9


def test_reading_draws_nothing_from_the_shared_generator(config: PicturesConfig) -> None:
    before = torch.get_rng_state()
    seen_by(config, 3)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_closed_stream_ends(config: PicturesConfig) -> None:
    stream = batches(config, batch=1)
    stream.close()
    assert list(stream) == []


@pytest.mark.parametrize(
    "wrong", [{"rank": 2, "world": 2}, {"rank": -1}, {"batch": 0}, {"seen": -1}], ids=str
)
def test_impossible_places_are_refused(config: PicturesConfig, wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="no rank"):
        batches(config, **{"batch": 1, **wrong})


def test_impossible_settings_are_refused(config: PicturesConfig) -> None:
    for wrong in ({"workers": -1}, {"seed": -1}, {"max_pictures": -1}, {"resolution": 2}):
        with pytest.raises(ValueError, match=r"negative|cannot have"):
            replace(config, **wrong)


def test_every_setting_has_a_word_of_help() -> None:
    assert set(options.field_docs(PicturesConfig)) == set(PicturesConfig.__dataclass_fields__)
    parsed = options.parse(PicturesConfig, ["--data", "world", "--crop", "centre", "--no-mirror"])
    assert parsed == PicturesConfig(data="world", crop="centre", mirror=False)


def test_early_resizing_has_pillow_as_its_slow_twin() -> None:
    generator = torch.Generator().manual_seed(0)
    pixels = torch.rand(40, 52, generator=generator)
    rows, columns = (torch.from_numpy(lanczos(size, 12, 3)).float() for size in (40, 52))
    twin = Image.fromarray(pixels.numpy()).resize((12, 12), Image.Resampling.LANCZOS)
    assert torch.allclose(rows @ pixels @ columns.mT, torch.from_numpy(np.array(twin)), atol=2e-6)


def test_early_resizing_leaves_flat_pictures_and_mirror_images_alone() -> None:
    generator = torch.Generator().manual_seed(1)
    images = torch.rand(2, 3, 64, 64, generator=generator) * 2 - 1
    small = resize_early(images, 16)
    assert small.shape == (2, 3, 16, 16)
    assert torch.allclose(resize_early(images.flip(-1), 16), small.flip(-1), atol=1e-6)
    assert torch.allclose(resize_early(torch.full_like(images, 0.3), 8), torch.full((2, 3, 8, 8), 0.3))
    assert resize_early(images, 64) is images
    assert float(resize_early(images.sign(), 16).abs().max()) <= 1


def test_early_resizing_keeps_coarse_waves_and_removes_fine_ones() -> None:
    places = (torch.arange(256) + 0.5) / 256
    for waves, kept in ((3, 1.0), (100, 0.0)):
        rows = torch.cos(2 * torch.pi * waves * places) * 0.5
        small = resize_early(rows.expand(1, 3, 256, 256), 32)[0, 0, 16]
        wave = torch.cos(2 * torch.pi * waves * (torch.arange(32) + 0.5) / 32) * 0.5
        assert torch.allclose(small[4:-4], kept * wave[4:-4], atol=0.02)


def test_early_resizing_refuses_to_enlarge() -> None:
    with pytest.raises(ValueError, match="cannot be reduced"):
        resize_early(torch.zeros(1, 3, 8, 8), 16)
