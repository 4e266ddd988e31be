"""``phiz talk``: a person, a sound or a text, a film; wrong words are refused before the work."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from phiz import demo, options, talk_verb
from phiz.avatar.avatar import Avatar
from phiz.console import Console
from phiz.errors import MediaError, UsageError
from phiz.face.coeffs import still
from phiz.media import audio, provenance, video
from phiz.speech import files
from phiz.talk_verb import TalkConfig

SILENT = Console(quiet=True)


@pytest.fixture(scope="module")
def folder(someone: Avatar, tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not files.MOUTH.built_in.exists():
        pytest.skip("this copy has no network that hears")
    folder = tmp_path_factory.mktemp("talk")
    someone.save(folder / "one.avatar")
    audio.write(folder / "hel.wav", audio.read(demo.HELLO)[5000:9000])
    return folder


def talked(words: list[str]) -> dict[str, object]:
    return dict(talk_verb.talk_verb(options.parse(TalkConfig, words), SILENT))


def test_an_avatar_says_a_word(folder: Path) -> None:
    output = folder / "a.mp4"
    told = talked([str(folder / "one.avatar"), str(folder / "hel.wav"), "-o", str(output), "--size", "64"])
    info = video.probe(output)
    assert (info.frames, info.width, info.has_audio) == (told["frames"], 64, True)
    report = provenance.read(output)
    assert report.state == "valid"
    assert not list(folder.glob(".a.mp4*"))


def test_a_head_moves_as_another_did_and_nothing_is_signed_where_nobody_wants_it(folder: Path) -> None:
    still("phiz", 52, 5).save(folder / "motion.safetensors")
    words = [str(folder / "one.avatar"), str(folder / "hel.wav"), "-o", str(folder / "b.mp4"), "--size", "32"]
    poses = ["--poses", str(folder / "motion.safetensors"), "--no-sign", "--no-mark"]
    told = talked([*words, *poses])
    assert told["bridged"] == 0
    assert provenance.read(folder / "b.mp4").state == "none"
    frames = torch.stack(list(video.read(folder / "b.mp4")))
    assert float((frames[1:] - frames[:-1])[..., :8, :].abs().mean()) < 0.01  # the head rests


def test_with_a_seed_the_first_word_is_the_sound(folder: Path) -> None:
    config = options.parse(TalkConfig, ["--seed", "3", "a.wav"])
    assert config.sound() == Path("a.wav")
    assert config.whom().path is None
    config = options.parse(TalkConfig, ["b.avatar", "a.wav"])
    assert (config.sound(), config.whom().path) == (Path("a.wav"), Path("b.avatar"))


def test_wrong_words_are_refused(folder: Path) -> None:
    with pytest.raises(UsageError, match="sound or --text"):
        talked([str(folder / "one.avatar")])
    with pytest.raises(UsageError, match="sound or --text"):
        talked([str(folder / "one.avatar"), str(folder / "hel.wav"), "--text", "Hello."])
    with pytest.raises(MediaError, match="no sound at"):
        talked([str(folder / "one.avatar"), str(folder / "none.wav")])
    with pytest.raises(UsageError, match="say whom"):
        talked(["--text", "Hello."])
