"""A network fills the mouth where the lips have opened, and nowhere else."""

from __future__ import annotations

import pytest
import torch
from avatar_fixtures import making, psnr

from phiz.animate import lipaint
from phiz.animate.animate import Look, Stage
from phiz.animate.lipaint import Filling
from phiz.animate.lipaint_network import BUILTIN, TINY, LipaintNet
from phiz.avatar.avatar import Avatar
from phiz.errors import MissingError, UsageError
from phiz.face.head import Head
from phiz.studio import Studio


@pytest.fixture(scope="module")
def network() -> LipaintNet:
    torch.manual_seed(0)
    return LipaintNet(BUILTIN).eval().requires_grad_(False)


@pytest.fixture(scope="module")
def stage(someone: Avatar, network: LipaintNet) -> Stage:
    return Stage.of(someone, Look(mouth="lipaint"), Studio(lipaint=network))


@pytest.fixture(scope="module")
def plain(someone: Avatar) -> Stage:
    return Stage.of(someone, Look(mouth="none", quality="fine"))


def test_a_shut_mouth_is_left_alone(stage: Stage, plain: Stage, our_head: Head) -> None:
    motion = making(our_head, browInnerUp=0.5)
    assert psnr(stage.draw(motion), plain.draw(motion)) > 60


def test_an_open_one_is_filled_and_the_rest_of_the_face_stays(
    stage: Stage, plain: Stage, our_head: Head
) -> None:
    motion = making(our_head, jawOpen=0.8)
    change = (stage.draw(motion) - plain.draw(motion)).abs().amax(1)[0]
    assert float(change[180:215, 110:150].mean()) > 0.02
    assert float(change[:120].max()) < 1e-5


def test_the_networks_answer_at_rest_is_taken_off(someone: Avatar, network: LipaintNet) -> None:
    filling = Filling.of(someone, network)
    mean = someone.w[:, : someone.generator.config.volume_styles].mean(1)
    assert torch.equal(filling.at_rest, network.added(mean, someone.rest.expression))


def test_the_place_of_a_mouth_has_a_soft_edge() -> None:
    inside = torch.zeros(1, 16, 16)
    inside[0, 8, 6:10] = 1
    share = lipaint.opening(inside)[0, 0]
    assert float(share[8, 8]) > 0.7
    assert 0 < float(share[11, 8]) < 0.5
    assert float(share[0].max()) == 0


def test_networks_that_do_not_fit_or_are_not_there_are_refused(someone: Avatar) -> None:
    with pytest.raises(UsageError, match="styles of 10"):
        Filling.of(someone, LipaintNet(TINY))
    with pytest.raises(MissingError, match="phiz train lipaint"):
        Stage.of(someone, Look(mouth="lipaint"), Studio())
