"""``phiz mimic``: somebody does what a driver does, frame by frame."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from avatar_fixtures import making

from phiz import mimic_verb, options
from phiz.avatar.avatar import Avatar
from phiz.console import Console
from phiz.errors import MediaError, UsageError
from phiz.face.head import Head
from phiz.media import video
from phiz.mimic_verb import MimicConfig
from phiz.speech import files

SILENT = Console(quiet=True)


@pytest.fixture(scope="module")
def folder(someone: Avatar, our_head: Head, tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not files.MOUTH.built_in.exists():
        pytest.skip("this copy has no network that hears")
    folder = tmp_path_factory.mktemp("mimic")
    someone.save(folder / "one.avatar")
    motion = making(our_head, 6)
    opened = motion.expression.clone()
    opened[3:, our_head.expression_names.index("jawOpen")] = 0.9
    replace(motion, expression=opened).save(folder / "driver.safetensors")
    return folder


def mimicked(words: list[str]) -> dict[str, object]:
    return dict(mimic_verb.mimic_verb(options.parse(MimicConfig, words), SILENT))


def test_the_mouth_opens_when_the_drivers_does(folder: Path) -> None:
    words = [str(folder / "one.avatar"), str(folder / "driver.safetensors"), "-o", str(folder / "a.mp4")]
    told = mimicked([*words, "--size", "96"])
    assert told["frames"] == 6
    frames = torch.stack(list(video.read(folder / "a.mp4")))
    steps = (frames[1:] - frames[:-1])[..., 60:90, :].abs().mean((1, 2, 3))
    assert int(steps.argmax()) == 2
    assert float(steps[2]) > 5 * float(steps[[0, 1, 3, 4]].max())


def test_wrong_words_are_refused(folder: Path) -> None:
    with pytest.raises(UsageError, match="whom to mimic"):
        mimicked([str(folder / "one.avatar")])
    with pytest.raises(MediaError, match="no video at"):
        mimicked([str(folder / "one.avatar"), str(folder / "none.mp4")])
    with pytest.raises(UsageError, match="amount"):
        options.parse(MimicConfig, ["a.avatar", "b.mp4", "--amount", "9"])
