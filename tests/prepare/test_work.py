"""One picture and what is found in it."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
import torch
from PIL import Image
from prepare import known_people as people
from prepare.known_people import Knowing

from phiz.face.parse import TINY, Parser
from phiz.media import image
from phiz.prepare import work
from phiz.prepare.eyes import Eyes
from phiz.prepare.judge import Limits
from phiz.prepare.work import Settings

SETTINGS = Settings(size=64, limits=Limits(small=0.25))


@pytest.fixture
def eyes(tmp_path: Path) -> Eyes:
    people.write(tmp_path / "0.png", people.painted(0))
    return Knowing(folder=tmp_path)()


def test_a_good_picture_has_all_that_the_layout_wants(eyes: Eyes, tmp_path: Path) -> None:
    seen = work.look_at_file((tmp_path / "0.png").read_bytes(), eyes, SETTINGS)
    assert seen.reason == ""
    assert len(seen.values["pose"]) == 6
    assert len(seen.values["expression"]) == eyes.head.sizes.expression
    assert len(seen.values["landmarks"]) == 68
    assert image.decode(seen.parts[".jpg"]).shape == (3, 64, 64)
    assert max(work.shown(seen.values["thumb"]).size) <= work.THUMBNAIL


def test_masks_come_with_a_parser(eyes: Eyes, tmp_path: Path) -> None:
    parser = Parser(TINY).eval().requires_grad_(False)
    seeing = Eyes(detector=eyes.detector, points=eyes.points, head=eyes.head, parser=parser)
    seen = work.look_at_file((tmp_path / "0.png").read_bytes(), seeing, SETTINGS)
    with Image.open(io.BytesIO(seen.parts[".png"])) as mask:
        assert (mask.size, mask.mode) == ((64, 64), "L")


def test_what_is_dropped_has_no_parts(eyes: Eyes) -> None:
    seen = work.look(people.nobody().picture, eyes, SETTINGS)
    assert (seen.reason, dict(seen.parts)) == ("no face", {})
    assert seen.values["thumb"]
    broken = work.look_at_file(b"nonsense", eyes, SETTINGS)
    assert broken.reason == "unreadable"
    assert "not a picture" in broken.values["detail"]


def test_a_head_may_be_turned_too_far(eyes: Eyes) -> None:
    strict = Settings(size=64, limits=Limits(small=0.25, pitch_deg=3))
    seen = work.look(people.painted(0).picture, eyes, strict)
    assert seen.reason == "extreme pose"
    assert seen.values["measures"]["pitch"] < -0.1


def test_faces_that_are_shrunk_to_be_opened_count_at_full_size(eyes: Eyes) -> None:
    picture = people.painted(0).picture
    strict = Settings(size=64, limits=Limits(small=2.0))
    assert work.look(picture, eyes, strict).reason == "too small"
    assert work.look(picture, eyes, strict, shrunk=0.25).reason != "too small"


def test_settings_of_several_pictures_do_not_make_results_others() -> None:
    known = SETTINGS.known()
    assert Settings(size=64, limits=Limits(small=0.25, duplicate=9)).known() == known
    assert Settings(size=32, limits=Limits(small=0.25)).known() != known
    assert Settings(size=64, limits=Limits(small=0.2)).known() != known


def test_colours_may_be_fitted_too(eyes: Eyes) -> None:
    picture = people.painted(0).picture
    plain = work.look(picture, eyes, SETTINGS)
    coloured = work.look(picture, eyes, Settings(size=64, limits=Limits(small=0.25), colours=True))
    poses = [torch.tensor(seen.values["pose"]) for seen in (plain, coloured)]
    assert not torch.equal(*poses)
    assert (poses[0][:3] - poses[1][:3]).abs().max() < 0.2
