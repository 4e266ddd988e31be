"""``phiz measure avatars``: avatars beside the truth."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from talk_fixtures import murmur

from phiz import measure_avatars
from phiz.animate.animate import Look, Stage
from phiz.avatar.avatar import Avatar
from phiz.console import Console
from phiz.generator import store
from phiz.measure_avatars import Drawn, Judge, MeasureAvatarsConfig
from phiz.media import audio, image
from phiz.metrics import truth
from phiz.metrics.truth import Sitter
from phiz.speech import files

QUIET = Console(quiet=True, errors=io.StringIO())


@pytest.fixture(scope="module")
def sitter() -> Sitter:
    return truth.sitting(7)


@pytest.fixture(scope="module")
def judge() -> Judge:
    return Judge(64, 1)


def test_the_truth_beside_itself_is_faultless(judge: Judge, sitter: Sitter) -> None:
    motion = truth.resting(sitter, 6)
    jaw = sitter.head.expression_names.index("jawOpen")
    expression = motion.expression.clone()
    expression[:, jaw] = torch.tensor([0.0, 0.4, 0.8, 0.5, 0.1, 0.0])
    true = truth.painted(sitter, replace(motion, expression=expression), 64)
    itself = Drawn(true.pictures, true)
    assert judge.pictures(itself)["mouth SSIM"] == pytest.approx(1)
    shapes = judge.shapes(itself, 8.0)
    assert shapes["landmarks off, % of eyes"] == 0
    assert shapes["mouth r"] > 0.8
    assert shapes["mouth late, ms"] == shapes["mouth of the truth, as found late, ms"]
    late = Drawn(true.pictures.roll(1, dims=0), true)
    assert judge.shapes(late, 8.0)["mouth late, ms"] == pytest.approx(125, abs=60)
    assert judge.pictures(late)["mouth SSIM"] < 0.95
    assert measure_avatars.flickering(itself)["flicker of what rests, steps of 255"] < 0.5


def test_a_blink_that_is_not_drawn_is_seen(judge: Judge, sitter: Sitter) -> None:
    true = truth.painted(sitter, measure_avatars._blinking(sitter), 64)
    assert judge.lids(Drawn(true.pictures, true))["blink's change, of the true"] == pytest.approx(1)
    staring = judge.lids(Drawn(true.pictures[:1].expand_as(true.pictures), true))
    assert staring["blink's change, of the true"] == 0
    assert staring["lids left open"] == pytest.approx(1, abs=0.01)
    assert staring["lids left open in truth"] < 0.4


def test_somebody_is_told_from_the_crowd(judge: Judge, sitter: Sitter) -> None:
    true = truth.painted(sitter, truth.resting(sitter, 1), 64)
    told = judge.sameness(Drawn(true.pictures, true), judge.face_of(sitter))
    assert told["features nearest to their own"] == 1
    other = truth.painted(truth.sitting(measure_avatars.CROWD_FROM), truth.resting(sitter, 1), 64)
    told = judge.sameness(Drawn(other.pictures, other), judge.face_of(sitter))
    assert told["features nearest to their own"] == 0
    assert told["features nearest to their own in truth"] == 0


def test_an_avatar_turns_as_the_truth_does(sitter: Sitter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measure_avatars, "YAWS_DEG", (-30.0, 30.0))
    someone = _by_code(sitter)
    drawn = Judge(someone.generator.config.resolution, 1).turn(Stage.of(someone), sitter, "plain")
    right = measure_avatars._turned(drawn)
    mirrored = measure_avatars._turned(Drawn(drawn.pictures.flip(0), drawn.truth))
    assert all(right[side] > value + 2 for side, value in mirrored.items())


def test_numbers_and_sheets_are_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measure_avatars, "YAWS_DEG", (30.0,))
    if not files.MOUTH.built_in.exists():
        pytest.skip("this copy has no built-in studio")
    audio.write(tmp_path / "talk.wav", murmur(1.0))
    config = MeasureAvatarsConfig(
        seeds=(7,),
        kinds=("plain",),
        sound=tmp_path / "talk.wav",
        every=10,
        crowd=1,
        look=Look(mouth="none"),
        output=tmp_path / "measured",
    )
    told = measure_avatars.measure_avatars(config, QUIET)
    written = json.loads((tmp_path / "measured" / "numbers.json").read_text())
    assert told["plain"] == written["plain"]["mean"]
    assert {"mouth PSNR, dB", "mouth r", "person PSNR at +30 degrees, dB"} <= set(written["plain"]["7"])
    sheet = image.read(tmp_path / "measured" / "plain_7.png")
    assert sheet.shape == (3, 4 * 256, 3 * 256)


@pytest.mark.parametrize("wrong", [{"seeds": ()}, {"seeds": (-1,)}, {"every": 0}, {"seconds": 0.0}])
def test_wishes_that_cannot_be_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="--"):
        replace(MeasureAvatarsConfig(), **wrong)  # type: ignore[arg-type]


def _by_code(sitter: Sitter) -> Avatar:

    return measure_avatars.by_code(sitter, store.load())
