"""Whoever tells, in whose modes, and how late."""

from __future__ import annotations

from dataclasses import replace

import torch
from talk_fixtures import known, mouth_net, published_net

from phiz.speech import expression, sources
from phiz.speech.expression import ExpressionNet
from phiz.speech.hearing import Hearing, Told
from phiz.speech.sources import Known, Modes


def test_what_is_known_is_told_frame_by_frame_and_then_nothing() -> None:
    hearing = known(5, jawOpen=0.4).hearing
    assert isinstance(hearing, Hearing)
    windows = torch.zeros(4, 1, 80, 16)
    first, second = hearing.push(windows), hearing.push(windows)
    assert first.expression.max() == second.expression[0].max() == torch.tensor(0.4)
    assert second.expression.shape == (4, 52)
    assert second.expression[1:].abs().max() == second.talking[1:].max() == 0
    assert isinstance(second, Told)
    assert len(hearing.finish()) == 0


def test_what_is_known_may_be_told_late() -> None:
    told = known(9, jawOpen=0.4).hearing.push(torch.zeros(9, 1, 80, 16))
    late = Known(told, delay=2)
    counts = [len(late.push(torch.zeros(count, 1, 80, 16))) for count in (1, 1, 1, 4)]
    assert counts == [0, 0, 1, 4]
    assert len(late.finish()) == 2


def test_our_network_tells_as_late_as_it_can() -> None:
    net = mouth_net()
    rest = torch.zeros(52)
    assert sources.of_network(net, rest, 2).hearing.delay == 2
    assert sources.of_network(net, rest, 40).hearing.delay == net.config.sizes.longest
    found = sources.of_network(net, rest, 0)
    assert found.tells_talk
    assert found.tells_brows
    assert found.modes.names == net.config.names


def test_a_published_network_starts_from_the_rest_and_knows_no_talk() -> None:
    found = sources.of_network(published_net(), torch.tensor([0.1, 0.2, 0.3]), 9)
    assert found.hearing.delay == 0
    assert not found.tells_talk
    assert not found.modes.is_added
    assert not found.modes.is_weights
    config = replace(expression.TINY, names=("jawOpen", "browInnerUp", "mouthClose"))
    named = sources.of_network(ExpressionNet(config).eval(), torch.zeros(3), 0)
    assert named.modes.is_weights
    assert named.tells_brows


def test_modes_are_found_by_name() -> None:
    modes = Modes(basis="x", count=3, names=("jawOpen", "tongueOut", "mouthClose"))
    assert modes.where(("tongueOut", "noseSneerLeft")).tolist() == [0, 1, 0]
    assert Modes(basis="x", count=2).where(("jawOpen",)).tolist() == [0, 0]
