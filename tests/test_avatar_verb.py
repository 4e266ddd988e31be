"""``phiz avatar``: a seed or a photo becomes a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from phiz import avatar_verb, options
from phiz.avatar import avatar
from phiz.avatar_verb import AvatarConfig
from phiz.console import Console
from phiz.errors import UsageError
from phiz.media import image
from phiz.speech import files

SILENT = Console(quiet=True)


def made(words: list[str]) -> dict[str, object]:
    return dict(avatar_verb.avatar_verb(options.parse(AvatarConfig, words), SILENT))


def test_a_seed_becomes_a_file_and_a_picture_to_look_at(tmp_path: Path) -> None:
    if not files.MOUTH.built_in.exists():
        pytest.skip("this copy has no built-in studio")
    words = ["--seed", "1", "--seconds", "0", "-o", str(tmp_path / "one.avatar")]
    told = made([*words, "--preview", str(tmp_path / "one.png")])
    assert told["seed"] == 1
    assert told["bytes"] == (tmp_path / "one.avatar").stat().st_size
    assert avatar.load(tmp_path / "one.avatar").about["seed"] == 1
    assert image.read(tmp_path / "one.png").shape[1] == 256
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one.avatar", "one.png"]


def test_other_endings_are_refused_before_the_work(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="Rename"):
        made(["--seed", "1", "-o", str(tmp_path / "one.mp4")])
