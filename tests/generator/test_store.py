"""A network that was written is the network that is read; files that are no networks are refused."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch

from phiz import checkpoint
from phiz.errors import CheckpointError, MissingError
from phiz.generator import poses, store
from phiz.generator.config import TINY, TINY_D
from phiz.generator.discriminator import Discriminator
from phiz.generator.generator import Generator


@pytest.fixture(scope="module")
def generator() -> Generator:
    with torch.random.fork_rng():
        torch.random.set_rng_state(torch.Generator().manual_seed(3).get_state())
        made = Generator(replace(TINY, groups=(2, 3), group_bias=(0.5, 0.0, 0.0, 1.0, 0.0)))
    made.progress.fill_(0.5)
    return made.eval().requires_grad_(False)


def picture(generator: Generator) -> torch.Tensor:
    z = torch.randn(2, generator.config.z_size, generator=torch.Generator().manual_seed(0))
    return generator.render(generator.styles(z), poses.at(generator.config, (0.3, 0.5, 0.5))).image


def test_a_generator_comes_back_as_it_was(generator: Generator, tmp_path: Path) -> None:
    store.save_generator(tmp_path / "g.safetensors", generator, about={"code": {"size": 12}})
    found = store.load(tmp_path / "g.safetensors")
    assert found.config == generator.config
    assert torch.equal(picture(found), picture(generator))
    assert not found.training
    assert not any(p.requires_grad for p in found.parameters())
    assert store.about(tmp_path / "g.safetensors") == {"code": {"size": 12}}


def test_half_precision_takes_half_the_room_and_draws_nearly_the_same(
    generator: Generator, tmp_path: Path
) -> None:
    whole, half = tmp_path / "whole.safetensors", tmp_path / "half.safetensors"
    store.save_generator(whole, generator)
    store.save_generator(half, generator, is_half=True)
    sizes = [sum(t.nbytes for t in checkpoint.load(path, kind="generator").tensors.values()) for path in (whole, half)]  # noqa: E501  # fmt: skip
    assert sizes[0] == 2 * sizes[1]
    assert store.load(half).progress.dtype == torch.float32
    assert (picture(store.load(half)) - picture(generator)).abs().max() < 0.02
    assert store.about(half) == {}


def test_a_discriminator_comes_back_as_it_was(tmp_path: Path) -> None:
    judge = Discriminator(TINY_D)
    store.save_discriminator(tmp_path / "d.safetensors", judge)
    found = store.load_discriminator(tmp_path / "d.safetensors")
    images = torch.linspace(-1, 1, 2 * 3 * 32 * 32).reshape(2, 3, 32, 32)
    assert torch.equal(found(images), judge(images))
    assert found.config == TINY_D


def test_without_a_path_the_built_in_generator_is_meant(
    generator: Generator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "BUILT_IN", tmp_path / "built-in.safetensors")
    for ask in (store.load, store.about):
        with pytest.raises(MissingError, match="no built-in generator"):
            ask()
    store.save_generator(tmp_path / "built-in.safetensors", generator, about={"who": "us"})
    assert torch.equal(picture(store.load()), picture(generator))
    assert store.about() == {"who": "us"}


def test_files_of_other_things_are_refused(generator: Generator, tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    store.save_generator(path, generator)
    with pytest.raises(CheckpointError, match="holds 'generator', not 'discriminator'"):
        store.load_discriminator(path)
    store.save_discriminator(path, Discriminator(TINY_D))
    with pytest.raises(CheckpointError, match="holds 'discriminator', not 'generator'"):
        store.load(path)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({}, "nothing usable about its network"),
        ({"generator": {**asdict(TINY), "wings": 2}}, "knows nothing of wings"),
        ({"generator": {**asdict(TINY), "samples": 1}}, "at least 3 samples"),
        ({"generator": {**asdict(TINY), "hidden": "many"}}, "nothing usable"),
        ({"generator": {**asdict(TINY), "hidden": 24}}, "does not fit its own config"),
    ],
)
def test_a_file_that_contradicts_itself_is_refused(
    generator: Generator, tmp_path: Path, config: dict[str, object], message: str
) -> None:
    path = tmp_path / "g.safetensors"
    checkpoint.save(path, kind="generator", config=config, tensors=generator.state_dict())
    with pytest.raises(CheckpointError, match=message):
        store.load(path)
