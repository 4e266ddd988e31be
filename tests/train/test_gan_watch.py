"""What is looked at while training has the right size and honest names."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from gan_fixtures import ALONE, settings

from phiz.generator.config import TINY, GeneratorConfig
from phiz.generator.generator import Generator
from phiz.train import gan_watch


def seeded(config: GeneratorConfig) -> Generator:
    with torch.random.fork_rng():
        torch.random.set_rng_state(torch.Generator().manual_seed(0).get_state())
        return Generator(config).eval()


@pytest.fixture(scope="module")
def generator() -> Generator:
    return seeded(TINY)


@pytest.fixture(scope="module")
def solid() -> Generator:
    """Return a generator whose heads let no light through."""
    return seeded(replace(TINY, density="softplus", density_gain=300.0))


def test_people_are_the_same_for_a_seed(generator: Generator) -> None:
    first, again = (gan_watch.codes(generator, 3, 4) for _ in range(2))
    assert torch.equal(first[0], again[0])
    assert first[2] is None
    assert not torch.equal(first[0], gan_watch.codes(generator, 4, 4)[0])


def test_sheets_hold_everybody(generator: Generator) -> None:
    size = TINY.resolution
    assert gan_watch.people(generator, 0).shape == (3, 4 * size, 6 * size)
    turn, depth = gan_watch.turns(generator, 0)
    assert turn.shape == (3, 4 * size, 5 * size)
    assert depth.shape == (3, 4 * 8, 5 * 8)
    assert float(turn.abs().max()) <= 1


def test_rows_that_are_not_full_are_left_out() -> None:
    tiles = torch.arange(5.0).reshape(5, 1, 1, 1).expand(5, 3, 2, 2) / 5
    assert gan_watch.tiled(tiles, 2).shape == (3, 4, 4)


def test_views_of_one_head_agree_as_far_as_its_shape_explains_them(solid: Generator) -> None:
    error = gan_watch.pose_error(solid, 0, count=2)
    assert 0 < error < 2
    still = gan_watch.pose_error(solid, 0, count=2, turn_deg=0.0)
    assert still == pytest.approx(0, abs=1e-4)  # a picture agrees with itself


def test_depths_are_bright_where_the_head_is_near(solid: Generator) -> None:
    _, depth = gan_watch.turns(solid, 0)
    assert torch.equal(depth[0], depth[1])
    assert -1 <= float(depth.min()) < float(depth.max()) <= 1


def test_people_with_labels_and_without_background_are_drawn_as_well() -> None:
    generator = seeded(replace(TINY, labels=3, background="none"))
    _, behind, labels = gan_watch.codes(generator, 0, 50)
    assert behind is None
    assert labels is not None
    assert labels.sum(1).tolist() == [1] * 50
    assert bool((labels.sum(0) > 5).all())
    assert gan_watch.people(generator, 0).isfinite().all()
    turn, _ = gan_watch.turns(generator, 0)
    assert turn.isfinite().all()


def test_measured_people_follow_from_the_seed(generator: Generator) -> None:
    first, second = gan_watch.drawn_batches(generator, 2, 5)
    again, _ = gan_watch.drawn_batches(generator, 2, 5)
    assert first.shape == (gan_watch.AT_ONCE, 3, 32, 32)
    assert torch.equal(first, again)
    assert not torch.equal(first, second)


def test_measurements_say_on_which_features_they_rest(solid: Generator, faces: Path, tmp_path: Path) -> None:
    config = settings(faces, tmp_path / "run", "--measure-count 9")
    found = gan_watch.measure(config, solid, ALONE)
    names = ("fid", "kid", "kid_error", "precision", "recall")
    assert set(found) == {*(f"{name}_builtin" for name in names), "pose_error"}
    assert all(math.isfinite(value) for value in found.values())
    assert found["fid_builtin"] > 0
    assert gan_watch.measure(config, solid, ALONE) == found


@pytest.mark.parametrize(
    ("words", "world", "advice"),
    [
        (
            "--batch 32 --batch-gpu 4",
            1,
            "--batch-gpu 2 (the batch of 32 stays and is gathered in 16 parts), then --precision bfloat16, "
            "then --is-checkpointed.",
        ),
        ("--batch 32 --batch-gpu 4", 8, "--batch-gpu 2 (the batch of 32 stays and is gathered in 2 parts)"),
        ("--batch 16 --batch-gpu 16", 8, "--batch-gpu 1 (the batch of 16 stays and is gathered in 2 parts)"),
        (
            "--batch 8 --batch-gpu 1 --precision bfloat16 --is-checkpointed",
            1,
            "Try --generator.resolution 16 and the same for the discriminator.",
        ),
    ],
)
def test_advice_has_the_numbers_to_use(tmp_path: Path, words: str, world: int, advice: str) -> None:
    config = settings(tmp_path, tmp_path / "run", words)
    text = gan_watch.memory_advice(config, world)
    assert advice in text
    if found := re.search(r"--batch-gpu (\d+)", text):  # half of what a process draws at once now
        assert int(found[1]) * 2 == min(config.batch_gpu, config.batch // world)
