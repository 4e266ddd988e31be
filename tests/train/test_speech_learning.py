"""Steps of networks that hear: rates rise and fall, every parameter moves, late mouths meet their sound."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from gan_fixtures import ALONE
from speech_fixtures import QUIET, settings, write_voices

from phiz.speech import sync_network
from phiz.speech.mouth_network import MouthNet
from phiz.speech.sync_network import SyncNet
from phiz.train import speech, speech_learning, voice_sources
from phiz.train.speech_learning import Teaching


@pytest.fixture(scope="module")
def voices(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_voices(tmp_path_factory.mktemp("voices") / "data")


def test_the_rate_rises_stays_and_falls(tmp_path: Path) -> None:
    config = replace(settings(tmp_path, tmp_path), rate=1.0, steps=100, warm_steps=10, cool_share=0.5)
    rates = [speech_learning.rate_at(config, step) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[10:50] == [1.0] * 40
    assert rates[75] == pytest.approx(0.5)
    assert rates[99] < 0.01


def test_every_parameter_is_moved(voices: Path, tmp_path: Path) -> None:
    config = settings(voices, tmp_path)
    source = voice_sources.open_voices([voices], frames=5)
    network = speech.beginner(config, source)
    assert isinstance(network, MouthNet)
    stream = speech.stream_of(config, source, ALONE, 0, QUIET)
    teaching = speech.teaching_of(config, source, torch.device("cpu"))
    optimiser = torch.optim.SGD(network.parameters(), lr=0.1)
    values = speech_learning.learn(config, network, optimiser, next(stream), teaching, 0, ALONE)
    assert all(p.grad is not None for p in network.parameters())
    assert float(values["norm"]) > 0
    # Without labels the same parameters have gradients, of zero.
    bare = replace(next(stream), is_labelled=torch.zeros(2, dtype=torch.bool))
    values = speech_learning.learn(config, network, optimiser, bare, teaching, 0, ALONE)
    assert float(values["loss/labels"]) == 0
    assert all(p.grad is not None for p in network.parameters())


def test_a_late_mouth_is_held_against_the_sound_it_belongs_to(voices: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    sync = SyncNet(sync_network.TINY).requires_grad_(False)
    config = replace(settings(voices, tmp_path), sync_weight=1.0)
    source = voice_sources.open_voices([voices], frames=5)
    network = speech.beginner(config, source)
    assert isinstance(network, MouthNet)
    teaching = Teaching(names=source.names, sync=sync)
    batch = next(speech.stream_of(config, source, ALONE, 0, QUIET))
    found = speech_learning.of_mouth(config, network, batch, teaching)["sync"]
    told, _ = network(batch.windows, batch.delay)
    mouth = sync_network.chosen(network.among_all(told.modes), source.names, sync.config)
    expected = []
    for row, delay in enumerate(batch.delay.tolist()):
        frames = batch.windows.shape[1] - delay
        sound = batch.windows[row : row + 1, :frames]
        expected.append(1 - sync_network.agreement(sync, sound, mouth[row : row + 1, delay:]).mean())
    torch.testing.assert_close(found, torch.stack(expected).mean())


def test_lids_are_those_that_have_names() -> None:
    expression = torch.rand(1, 4, 3)
    batch = _batch(expression)
    names = ("eyeBlinkLeft", "jawOpen", "eyeBlinkRight")
    torch.testing.assert_close(speech_learning.lids(batch, names), expression[..., [0, 2]].mean(2))
    assert not speech_learning.lids(batch, ()).any()


def _batch(expression: torch.Tensor) -> speech_learning.SpeechBatch:
    count, frames = expression.shape[:2]
    return speech_learning.SpeechBatch(
        windows=torch.zeros(count, frames, 1, 80, 16),
        expression=expression,
        labels=torch.zeros(count, frames, 3, dtype=torch.long),
        delay=torch.zeros(count, dtype=torch.long),
        is_known=torch.ones(count, frames, dtype=torch.bool),
        is_labelled=torch.ones(count, dtype=torch.bool),
    )
