"""What stands between SadTalker's networks gives the recorded numbers: blinks, poses out of a clip."""

from __future__ import annotations

import random
import re
from collections.abc import Callable

import pytest
import torch
from parity import recorded
from parity.recorded import Bundle

from phiz.speech import blink, pose
from phiz.speech.windows import FRAME, WindowStream

PATTERNS = (
    ("drawn", r"blink_random_\d+_seed\d+"),
    ("fixed", r"blink_fixed_\d+"),
    ("followed", r"refpose_out"),
)
POSE = slice(64, 70)
"""Where SadTalker keeps the pose among a frame's coefficients."""

Check = Callable[..., None]
Case = tuple[Bundle, str]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    recorded.parametrize(metafunc, PATTERNS)


def test_random_blinks_match(drawn: Case, check: Check) -> None:
    bundle, name = drawn
    frames, seed = (int(number) for number in re.findall(r"\d+", name))
    found = blink.published_ratio(frames, random.Random(seed))
    check(bundle, name, found[:, None], bundle.tensors[name].float(), tolerance=1e-6)


def test_fixed_blinks_match(fixed: Case, check: Check) -> None:
    bundle, name = fixed
    found = blink.published_ratio_fixed(int(name.split("_")[-1]))
    check(bundle, name, found[:, None], bundle.tensors[name].float(), tolerance=1e-6)


def test_poses_out_of_a_clip_match(followed: Case, check: Check) -> None:
    bundle, name = followed
    before, clip = bundle.tensors["coeff"], bundle.tensors["refpose_coeff"]
    turned = pose.follow(before[:, POSE], clip[:, POSE])
    found = torch.cat([before[:, : POSE.start], turned], dim=1)
    check(bundle, name, found, bundle.tensors[name], tolerance=1e-6)


def test_sounds_have_the_recorded_number_of_frames(followed: Case) -> None:
    bundle, _ = followed
    for name, told in bundle.keys.items():
        length = re.match(r"parse_audio_length\((\d+),16000,25\)", name)
        if length is None:
            continue
        samples, frames = told
        stream = WindowStream()
        stream.push(torch.zeros(int(length[1])))
        stream.finish()
        assert stream.frames == frames
        assert frames * FRAME == samples
