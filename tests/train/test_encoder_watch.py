"""Measurements are those of the formulas, and people who are measured by are not learned from."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from encoder_fixtures import settings, write_generator

from phiz.avatar.encoder_network import EncoderNet, Told
from phiz.generator import store
from phiz.generator.generator import Generator
from phiz.train import encoder, encoder_watch
from phiz.train.encoder_config import TrainEncoderConfig
from phiz.train.encoder_samples import chance_of, subjects


@pytest.fixture
def config(tmp_path: Path) -> TrainEncoderConfig:
    return settings(write_generator(tmp_path / "generator.safetensors"), tmp_path / "run")


@pytest.fixture
def generator(config: TrainEncoderConfig) -> Generator:
    return store.load(config.generator)


def test_who_tells_the_truth_is_not_wrong_at_all(
    config: TrainEncoderConfig, generator: Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = encoder_watch.as_it_is(encoder_watch.known(config, generator, 3)["drawn"])
    network = encoder.beginner(config, generator).eval()
    who = batch.who
    true = Told(
        styles=generator.styles(who.z),
        background=who.background,
        yaw=who.angles[:, 0],
        pitch=who.angles[:, 1] + 0.1,
    )
    monkeypatch.setattr(EncoderNet, "forward", lambda *_: true)
    found = encoder_watch.measure(network, generator, batch)
    assert found["w"] == 0
    assert found["yaw deg"] == 0
    assert found["pitch deg"] == pytest.approx(5.73, abs=0.01)
    right = Told(**{**true.__dict__, "pitch": who.angles[:, 1]})
    monkeypatch.setattr(EncoderNet, "forward", lambda *_: right)
    assert encoder_watch.measure(network, generator, batch)["PSNR"] > 45
    mean = Told(**{**true.__dict__, "styles": network.middle.expand_as(true.styles)})
    monkeypatch.setattr(EncoderNet, "forward", lambda *_: mean)
    wrong = encoder_watch.measure(network, generator, batch)
    assert wrong["w"] == pytest.approx(1)
    assert wrong["PSNR head"] < 45


def test_the_measured_are_others_than_those_that_are_drawn(
    config: TrainEncoderConfig, generator: Generator
) -> None:
    known = encoder_watch.known(config, generator, 3)["drawn"].who
    drawn = subjects(generator.config, 3, 1, chance_of(config.seed, 20, 0, 0))
    assert not torch.equal(known.z, drawn.z)
    assert torch.equal(known.z, encoder_watch.known(config, generator, 3)["drawn"].who.z)


def test_photos_show_the_same_people_changed(config: TrainEncoderConfig, generator: Generator) -> None:
    samples = encoder_watch.known(config, generator, 3)["drawn"]
    plain, changed = encoder_watch.as_it_is(samples), encoder_watch.as_photos(samples)
    assert plain.who is changed.who
    assert float((plain.pictures - changed.pictures).abs().mean()) > 0.01


def test_a_sheet_has_pictures_above_what_is_drawn_from_them(
    config: TrainEncoderConfig, generator: Generator
) -> None:
    network = encoder.beginner(config, generator).eval()
    batch = encoder_watch.as_it_is(encoder_watch.known(config, generator, 3)["drawn"])
    shown = encoder_watch.sheet(network, generator, batch.pictures, 32)
    assert shown.shape == (3, 64, 96)
    torch.testing.assert_close(shown[:, :32, 32:64], batch.pictures[1])
