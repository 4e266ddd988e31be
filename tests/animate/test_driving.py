"""Somebody's film moves somebody else, as far as they move from their own rest."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from avatar_fixtures import making

from phiz.animate import driving
from phiz.avatar.avatar import Avatar
from phiz.errors import MediaError
from phiz.face.coeffs import Motion
from phiz.face.head import Head
from phiz.graphics import rotation
from phiz.media import image


@pytest.fixture
def driver(our_head: Head) -> Motion:
    """Return somebody whose head is turned aside and nods, and whose mouth opens now and then."""
    motion = making(our_head, 40, browDownLeft=0.3)
    expression, turned = motion.expression.clone(), torch.zeros(40, 3)
    jaw = our_head.expression_names.index("jawOpen")
    expression[:, jaw] = 0.1 + 0.5 * (torch.arange(40) % 10 > 6)
    turned[:, 1] = 0.4
    turned[:, 0] = 0.1 * torch.sin(torch.arange(40) / 3.0)
    return replace(motion, expression=expression, rotation=turned)


def test_what_is_always_there_does_not_go_over_and_what_moves_does(
    driver: Motion, someone: Avatar, our_head: Head
) -> None:
    told = driving.mimicked(driver, someone)
    brow, jaw = (our_head.expression_names.index(name) for name in ("browDownLeft", "jawOpen"))
    assert float(told.expression[:, brow].abs().max()) < 1e-6
    assert float(told.expression[:, jaw].min()) == pytest.approx(0, abs=1e-6)
    assert float(told.expression[:, jaw].max()) == pytest.approx(0.5, abs=0.1)  # lips count, not weights
    half = driving.mimicked(driver, someone, amount=0.5)
    assert 0.2 < float(half.expression[:, jaw].max()) < 0.8 * float(told.expression[:, jaw].max())


def test_a_driver_whose_face_is_known_opens_the_mouth_as_it_is(
    driver: Motion, someone: Avatar, our_head: Head
) -> None:
    told = driving.mimicked(driver, someone, face=someone.rest)
    jaw = our_head.expression_names.index("jawOpen")
    assert torch.allclose(told.expression[:, jaw], driver.expression[:, jaw], atol=1e-3)


def test_the_face_moves_from_the_persons_own_rest(driver: Motion, someone: Avatar, our_head: Head) -> None:
    smiling = torch.zeros_like(someone.rest.expression)
    smile = our_head.expression_names.index("mouthSmileLeft")
    smiling[0, smile] = 0.4
    told = driving.mimicked(driver, replace(someone, rest=replace(someone.rest, expression=smiling)))
    assert torch.allclose(told.expression[:, smile], torch.full((40,), 0.4))


def test_poses_count_from_the_drivers_middle_one_unless_they_are_wanted_as_they_are(
    driver: Motion, our_head: Head
) -> None:
    said = making(our_head, 40)
    counted = driving.with_head(said, driver)
    assert float(counted.rotation[:, 1].abs().max()) < 0.02
    assert float(counted.rotation[:, 0].max()) > 0.05
    assert torch.equal(driving.with_head(said, driver, is_absolute=True).rotation, driver.rotation)
    turn = rotation.from_euler(driver.rotation[7]) @ rotation.from_euler(driver.rotation.median(0).values).T
    assert torch.allclose(rotation.from_euler(counted.rotation[7]), turn, atol=1e-5)


def test_a_short_driver_goes_back_and_forth_without_a_jump(driver: Motion, our_head: Head) -> None:
    turned = driving.with_head(making(our_head, 200), driver, is_absolute=True).rotation
    step = (driver.rotation[1:] - driver.rotation[:-1]).abs().max()
    assert float((turned[1:] - turned[:-1]).abs().max()) <= float(step) + 1e-6
    assert torch.equal(turned[39 + 39], driver.rotation[0])


def test_another_frame_rate_is_the_same_motion_in_time(driver: Motion, our_head: Head) -> None:
    faster = replace(making(our_head, 78), fps=50.0)
    turned = driving.with_head(faster, driver, is_absolute=True).rotation
    assert torch.allclose(turned[::2], driver.rotation[:39], atol=1e-6)


def test_a_motion_is_read_and_nothing_is_refused(driver: Motion, tmp_path: Path) -> None:
    driver.save(tmp_path / "motion.safetensors")
    found = driving.motion_of(tmp_path / "motion.safetensors")
    assert torch.equal(found.motion.rotation, driver.rotation)
    assert found.bridged == 0
    assert not driving.has_sound(tmp_path / "motion.safetensors")
    with pytest.raises(MediaError, match="nothing at"):
        driving.motion_of(tmp_path / "none.mp4")


def test_frames_without_any_face_say_so(tmp_path: Path) -> None:
    for k in range(2):
        image.write(tmp_path / f"{k}.png", torch.zeros(3, 64, 64))
    with pytest.raises(MediaError, match="no face in any"):
        driving.motion_of(tmp_path)
    assert not driving.has_sound(tmp_path)
