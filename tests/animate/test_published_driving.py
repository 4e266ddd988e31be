"""Somebody's film becomes a motion as published: whole frames, absolute angles, the last one held."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from published_fixtures import SMALL, state

from phiz.animate.published_driving import driven, with_poses
from phiz.avatar.published_person import seen
from phiz.errors import MediaError
from phiz.face.coeffs import still
from phiz.face.regress import Regressor


@pytest.fixture(scope="module")
def regressor() -> Regressor:
    network = Regressor(SMALL.regressor).eval().requires_grad_(False)
    network.load_state_dict(state(network))
    return network


def pictures(count: int) -> list[torch.Tensor | None]:
    chance = torch.Generator().manual_seed(0)
    return [torch.rand(3, 40, 50, generator=chance) * 2 - 1 for _ in range(count)]


def test_each_frame_tells_pose_and_expression(regressor: Regressor) -> None:
    film = pictures(3)
    motion = driven(regressor, film, fps=30.0)
    assert (motion.basis, motion.fps, len(motion)) == ("bfm2009", 30.0, 3)
    for number, picture in enumerate(film):
        assert picture is not None
        face = seen(regressor, picture)
        assert torch.equal(motion.expression[number], face.expression[0])
        assert torch.equal(motion.rotation[number], face.rotation[0])
        assert torch.equal(motion.translation[number], face.translation[0])
    assert not torch.equal(motion.rotation[0], motion.rotation[1])
    assert not motion.blink.any()


def test_a_frame_that_cannot_be_read_repeats_the_last(regressor: Regressor) -> None:
    first, second = pictures(2)
    motion = driven(regressor, [first, None, second])
    assert torch.equal(motion.expression[1], motion.expression[0])
    assert not torch.equal(motion.expression[2], motion.expression[0])


def test_frames_before_the_first_need_a_face_to_start_from(regressor: Regressor) -> None:
    (picture,) = pictures(1)
    assert picture is not None
    with pytest.raises(MediaError, match="frame 1 cannot be read"):
        driven(regressor, [None, picture])
    start = replace(seen(regressor, picture), rotation=torch.full((1, 3), 0.25))
    assert driven(regressor, [None, picture], start=start).rotation[0].tolist() == [0.25, 0.25, 0.25]
    with pytest.raises(MediaError, match="no frame to follow"):
        driven(regressor, [])


def test_the_last_pose_is_held_and_spare_ones_are_left_out() -> None:
    poses = torch.arange(6.0).reshape(2, 3)
    found = with_poses(still("bfm2009", 64, 4), poses)
    assert found.rotation.tolist() == [[0, 1, 2], [3, 4, 5], [3, 4, 5], [3, 4, 5]]
    assert with_poses(still("bfm2009", 64, 1), poses).rotation.tolist() == [[0, 1, 2]]
    with pytest.raises(MediaError, match="no poses"):
        with_poses(still("bfm2009", 64, 1), torch.zeros(0, 3))
