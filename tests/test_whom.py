"""A command knows whom it is about, by file or by number."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from phiz import whom
from phiz.avatar.avatar import Avatar
from phiz.avatar.descent import Progress
from phiz.console import Console
from phiz.errors import MediaError, UsageError
from phiz.media import image
from phiz.studio import Studio
from phiz.whom import Telling, Whom

SILENT = Console(quiet=True)


@pytest.mark.parametrize(
    ("path", "rest", "said"),
    [
        (None, {}, "say whom"),
        (Path("a.avatar"), {"seed": 3}, "one of them"),
        (None, {"seed": -1}, "0 or more"),
        (Path("a.jpg"), {"face": 0}, "from 1"),
        (Path("a.jpg"), {"seconds": -2.0}, "86400"),
    ],
)
def test_nobody_and_two_at_once_are_refused(path: Path | None, rest: dict[str, int], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        Whom(path=path, **rest)


def test_a_seed_without_work_is_the_generators_own(someone: Avatar) -> None:
    found = whom.meet(Whom(path=None, seed=1, seconds=0), Studio(), SILENT)
    assert torch.equal(found.w, someone.w)
    assert Whom(path=None, seed=1).files() == ()


def test_an_avatar_is_read_and_a_missing_one_named(someone: Avatar, tmp_path: Path) -> None:
    someone.save(tmp_path / "one.avatar")
    one = Whom(path=tmp_path / "one.avatar")
    assert torch.equal(whom.meet(one, Studio(), SILENT).w, someone.w)
    assert one.files()[0].title == "one.avatar"
    with pytest.raises(MediaError, match="nothing at"):
        whom.meet(Whom(path=tmp_path / "none.jpg"), Studio(), SILENT)


def test_a_picture_without_a_face_says_so(tmp_path: Path) -> None:
    image.write(tmp_path / "wall.png", torch.zeros(3, 96, 96))
    with pytest.raises(MediaError, match="face"):
        whom.meet(Whom(path=tmp_path / "wall.png"), Studio(), SILENT)


def test_progress_is_told_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    console = Console(quiet=True)
    monkeypatch.setattr(console, "say", said.append)
    now = [0.0]
    monkeypatch.setattr(whom.time, "monotonic", lambda: now[0])
    telling = Telling(console)
    progress = Progress(label="tuning", step=3, of=9, losses={"loss": 0.5}, seconds_left=7.0)
    assert not telling(progress)
    now[0] = whom.EVERY_S
    assert not telling(progress)
    assert said == [str(progress)]
