"""Heads that networks turn: what is known is told frame by frame, published networks hear the whole sound."""

from __future__ import annotations

import pytest
import torch
from talk_fixtures import mouth_net, murmur

from phiz.errors import UsageError
from phiz.face.coeffs import concatenate
from phiz.speech import head_network, heads, pose_network
from phiz.speech.dials import Dials
from phiz.speech.head_network import HeadConfig, HeadNet
from phiz.speech.heads import HeadStream, KnownHead
from phiz.speech.pose_network import PoseNet
from phiz.speech.speak import speak
from phiz.speech.stream import SpeechStream
from phiz.studio import Studio

VOICE = murmur(2.0)


@pytest.fixture(scope="module")
def network() -> PoseNet:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return PoseNet(pose_network.TINY).eval().requires_grad_(False)


def test_a_known_head_goes_on_where_it_was_and_stays_where_it_ends() -> None:
    poses = torch.arange(18.0).reshape(3, 6)
    head = KnownHead(poses)
    assert isinstance(head, HeadStream)
    windows = torch.zeros(2, 1, 80, 16)
    assert torch.equal(head.push(windows), poses[:2])
    assert torch.equal(head.push(windows), poses[[2, 2]])
    assert len(head.finish()) == 0


def test_a_published_network_turns_the_head_of_a_whole_sound(network: PoseNet) -> None:
    studio = Studio(expression=mouth_net(), pose=network)
    motion = speak(VOICE, None, studio, style="1")
    assert motion.rotation.std(0).min() > 0.01
    assert motion.translation.std() > 0
    twice = speak(VOICE, None, studio, style="1", dials=Dials(head=2))
    torch.testing.assert_close(twice.rotation, 2 * motion.rotation)
    assert not torch.equal(speak(VOICE, None, studio, style="2").rotation, motion.rotation)
    assert not torch.equal(speak(VOICE, None, studio, style="1", seed=5).rotation, motion.rotation)
    assert speak(VOICE, None, studio, dials=Dials(head=0)).rotation.abs().max() == 0


def test_our_network_turns_the_head_of_a_stream() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        ours = HeadNet(HeadConfig(styles=("calm", "lively"), sizes=head_network.TINY)).eval()
    studio = Studio(expression=mouth_net(), pose=ours)
    whole = speak(VOICE, None, studio, seed=2)
    stream = SpeechStream(studio, seed=2)
    parts = [stream.push(piece) for piece in torch.split(VOICE, 640)]
    assert (concatenate([*parts, stream.finish()]).rotation - whole.rotation).abs().max() < 1e-5
    assert not torch.equal(whole.rotation, speak(VOICE, None, studio, seed=3).rotation)
    assert not torch.equal(
        whole.rotation, speak(VOICE, None, Studio(expression=mouth_net()), seed=2).rotation
    )
    assert speak(VOICE, None, studio, dials=Dials(head=0)).rotation.abs().max() == 0
    with pytest.raises(UsageError, match=r"knows calm, lively\. Did you mean 'lively'"):
        SpeechStream(studio, style="livly")
    with pytest.raises(UsageError, match="none knows the style 'calm'"):
        SpeechStream(Studio(expression=mouth_net()), style="calm")


def test_a_stream_of_it_sways_instead(network: PoseNet) -> None:
    talker = SpeechStream(Studio(expression=mouth_net(), pose=network))
    plain = SpeechStream(Studio(expression=mouth_net()))
    assert torch.equal(talker.push(VOICE).rotation, plain.push(VOICE).rotation)


def test_styles_that_nobody_has_are_refused(network: PoseNet) -> None:
    with pytest.raises(UsageError, match="from 0 to 2; there is no '7'"):
        heads.published(network, VOICE, style="7", seed=0, amount=1.0)
    assert len(heads.published(network, VOICE[:10], style="", seed=0, amount=1.0).finish()) == 0
