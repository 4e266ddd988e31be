"""The published pose networks give the recorded motions: each part alone, and the whole test loop."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache

import pytest
from parity import filled
from parity.filled import Golden
from torch import Tensor

from phiz.importers.sadtalker import pose_config
from phiz.layers.folding import folded
from phiz.speech import pose
from phiz.speech.pose_network import PoseNet

MARKS = ("netG.decoder.pose_linear.weight", "netG.encoder.linear_means.weight", "netD_motion.seq.3.weight")
CLOSE = 1e-5

Check = Callable[..., None]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    filled.parametrize(metafunc, MARKS)


@cache
def network_of(golden: Golden) -> PoseNet:
    """Return the network that a folder describes by names and shapes alone."""
    state = golden.state()
    config = pose_config({name: tuple(value.shape) for name, value in state.items()})
    network = PoseNet(config).eval()
    assert list(network.state_dict()) == list(state)
    network.load_state_dict(state)
    return network.requires_grad_(False)


def compare(golden: Golden, check: Check, name: str, found: Tensor) -> None:
    """Compare a result with what was recorded under a name, in units of its largest number."""
    expected = golden.recorded[name].to(found.dtype)
    check(golden, name, found, expected, tolerance=CLOSE * max(1.0, float(expected.abs().max())))


@pytest.mark.parametrize("is_folded", [False, True], ids=["plain", "folded"])
def test_films_match(golden: Golden, is_folded: bool, check: Check) -> None:
    network, kept = network_of(golden), golden.recorded
    if is_folded:
        network = folded(network)
    titles = [match[1] for name in kept if (match := re.fullmatch(r"(T\d+)/mel", name))]
    for title in titles:
        windows, start = kept[f"{title}/mel"][0], kept[f"{title}/ref_pose"][0]
        style, codes = int(kept[f"{title}/class"]), kept[f"{title}/z"].flatten(0, -2)
        motion = pose.motions(network, windows, start, style=style, codes=codes)
        compare(golden, check, f"{title}/pose_motion_pred", motion[None])
        for name, is_smooth in (("pose_pred", False), ("pose_smoothed", True)):
            found = pose.poses(network, windows, start, style=style, codes=codes, is_smooth=is_smooth)
            compare(golden, check, f"{title}/{name}", found[None])


def test_the_parts_match(golden: Golden, check: Check) -> None:
    network, kept = network_of(golden), golden.recorded
    pair = network.netG
    compare(golden, check, "disc/out", network.netD_motion(kept["disc/in"]))
    compare(golden, check, "resunet/out", pair.decoder.resunet(kept["resunet/in"]))
    if "dec/z" not in kept:
        pytest.skip("nothing was recorded of encoder and decoder alone")
    start, sounds, style = (kept[f"dec/{name}"] for name in ("ref", "audio_emb", "class"))
    compare(golden, check, "dec/pose_motion_pred", pair.decoder(kept["dec/z"], start, sounds, style))
    mean, variance = pair.encoder(kept["enc/pose_motion_gt"], start, sounds, style)
    compare(golden, check, "enc/mu", mean)
    compare(golden, check, "enc/logvar", variance)
