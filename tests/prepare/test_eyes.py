"""Eyes are opened once, and known by what they see with."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
from prepare.known_people import Knowing

from phiz.errors import HeadError
from phiz.face import network_files
from phiz.prepare import eyes
from phiz.prepare.eyes import Eyes, Networks, Opener, PointFinder


def test_networks_travel_and_are_opened_once(tmp_path: Path) -> None:
    opener = Knowing(folder=tmp_path)
    assert eyes.opened(opener) is eyes.opened(Knowing(folder=tmp_path))
    assert pickle.loads(pickle.dumps(Networks(model="x"))) == Networks(model="x")
    assert isinstance(opener, Opener)
    assert isinstance(Networks(), Opener)


def test_the_built_in_networks_are_eyes() -> None:
    if not all(kind.built_in.exists() for kind in (network_files.DETECTOR, network_files.LANDMARKS)):
        pytest.skip("no built-in networks")
    seeing = Networks()()
    assert isinstance(seeing, Eyes)
    assert isinstance(seeing.points, PointFinder)
    assert seeing.parser is None


def test_fingerprints_tell_eyes_apart(tmp_path: Path) -> None:
    head = tmp_path / "head.mat"
    head.write_bytes(b"one")
    prints = {
        Networks().fingerprint(),
        Networks(detector="opencv").fingerprint(),
        Networks(has_parser=True).fingerprint(),
        Networks(model=str(head)).fingerprint(),
    }
    head.write_bytes(b"two")
    prints.add(Networks(model=str(head)).fingerprint())
    assert len(prints) == 5
    assert Networks().fingerprint() == Networks().fingerprint()


def test_a_wrong_head_is_told_when_eyes_open() -> None:
    with pytest.raises(HeadError, match="no head model"):
        Networks(model="nowhere")()
