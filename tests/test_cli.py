"""The command line finds its verbs, helps, and fails in words and numbers that scripts understand."""

from __future__ import annotations

import importlib
import inspect
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

import phiz
from phiz import cli
from phiz.console import Console
from phiz.errors import CheckpointError, PhizError


@dataclass(frozen=True, kw_only=True)
class PlayConfig:
    """How to play."""

    trouble: str = ""
    """What goes wrong."""


def play(config: PlayConfig, console: Console) -> Mapping[str, object] | None:
    """Play a part in these tests.

    It can fail in many ways.

    Examples:
        phiz play
    """
    console.say("playing")
    troubles: Mapping[str, BaseException] = {
        "checkpoint": CheckpointError("a holds 'b', not 'c'."),
        "bug": RuntimeError("wheels came off"),
        "stop": KeyboardInterrupt(),
        "pipe": BrokenPipeError(),
        "disk": OSError(28, "No space left on device", "film.mp4"),
        "memory": MemoryError(),
    }
    if config.trouble in troubles:
        raise troubles[config.trouble]
    if config.trouble == "report":
        return {"faults": 2, "exit_code": 6}
    return None if config.trouble == "nothing" else {"frames": 3}


def lack(config: PlayConfig, console: Console) -> None:
    """Never run: its module cannot be imported."""


@pytest.fixture(autouse=True)
def _verbs(monkeypatch: pytest.MonkeyPatch) -> None:
    extra = {
        "play": cli.Verb(f"{__name__}:play", "Play a part in these tests."),
        "world lack": cli.Verb("test_needs_onnx_that_is_absent:lack", "Lack a package."),
    }
    monkeypatch.setattr(cli, "VERBS", {**cli.VERBS, **extra})


REAL_VERBS = tuple(cli.VERBS)


@pytest.mark.parametrize("name", REAL_VERBS)
def test_each_verb_says_in_the_table_what_its_docstring_says(name: str) -> None:
    home, _, function = cli.VERBS[name].home.partition(":")
    docs = inspect.getdoc(getattr(importlib.import_module(home), function)) or ""
    assert docs.splitlines()[0] == cli.VERBS[name].summary
    assert "Examples:" in docs
    assert f"phiz {name}" in docs


@pytest.mark.parametrize("name", REAL_VERBS)
def test_each_verb_has_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([*name.split(), "--help"]) == 0
    text = capsys.readouterr().out
    assert f"usage: phiz {name}" in text
    assert "examples:" in text


def test_every_group_of_verbs_has_words_of_its_own() -> None:
    assert {name.split(" ")[0] for name in REAL_VERBS if " " in name} == set(cli.GROUPS)


@pytest.mark.parametrize("words", [[], ["--help"], ["help"], ["-h"]])
def test_help_lists_every_verb(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(words) == 0
    text = capsys.readouterr().out
    assert [name for name in cli.VERBS if name not in text] == []
    assert "--json" in text


def test_a_group_has_help_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["world", "--help"]) == 0
    text = capsys.readouterr().out
    assert "world sheet" in text
    assert "doctor" not in text


def test_help_as_a_word_is_help_as_an_option(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["help", "play"]) == 0
    one = capsys.readouterr().out
    assert cli.main(["play", "-h"]) == 0
    assert capsys.readouterr().out == one
    assert "It can fail in many ways." in one
    assert "examples:\n  phiz play" in one


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out == f"phiz {phiz.__version__}\n"
    assert cli.main(["--version", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["version"].endswith(phiz.__version__)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("docter", "there is no command 'docter'. Did you mean 'doctor'?"),
        ("wrold sheet", "Did you mean 'world'?"),
        ("zzz", "there is no command 'zzz'. See: phiz --help"),
        ("world", "phiz world needs one more word: people,"),
        ("world shet", "there is no command 'phiz world shet'. Did you mean 'sheet'?"),
        ("play --truoble x", "there is no option --truoble. Did you mean '--trouble'? See: phiz play --help"),
        ("world lack", "needs the package"),
    ],
)
def test_wrong_words_are_answered_with_a_hint(
    words: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code = cli.main(words.split())
    assert code == (7 if words == "world lack" else 2)
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("trouble", "code", "message"),
    [
        ("checkpoint", 4, "a holds 'b', not 'c'."),
        ("stop", 130, "stopped"),
        ("disk", 1, "film.mp4: No space left on device"),
        ("memory", 1, "out of memory"),
        ("bug", 70, "this is a fault in phiz: RuntimeError: wheels came off."),
    ],
)
def test_each_failure_has_its_code_and_words(
    trouble: str, code: int, message: str,
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path,
) -> None:  # fmt: skip
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    words = ["play", "--trouble", trouble]
    assert cli.main(words) == code
    seen = capsys.readouterr()
    assert message in seen.err
    assert "Traceback" not in seen.err
    assert cli.main([*words, "--json"]) == code
    error = json.loads(capsys.readouterr().out)["error"]
    assert error["exit_code"] == code
    assert message in error["message"]


def test_the_traceback_of_a_fault_is_kept(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    cli.main(["play", "--trouble", "bug"])
    (kept,) = tmp_path.iterdir()
    assert str(kept) in capsys.readouterr().err
    assert "wheels came off" in kept.read_text()
    cli.main(["play", "--trouble", "bug", "--debug"])
    assert "Traceback (most recent call last)" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == [kept]


def test_results_are_words_or_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["play"]) == 0
    assert capsys.readouterr().out == "playing\n"
    assert cli.main(["--json", "play"]) == 0
    seen = capsys.readouterr()
    assert json.loads(seen.out) == {"frames": 3}
    assert seen.err == "playing\n"
    assert cli.main(["play", "--quiet", "--json", "--trouble", "nothing"]) == 0
    seen = capsys.readouterr()
    assert (json.loads(seen.out), seen.err) == ({}, "")


def test_a_report_can_carry_an_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["play", "--trouble", "report", "--json"]) == 6
    assert json.loads(capsys.readouterr().out)["faults"] == 2


def test_words_after_two_dashes_are_left_alone() -> None:
    call = cli.read_call(["play", "--json", "--", "--quiet", "-h"])
    assert (call.words, call.json, call.quiet, call.wants_help) == (
        ("play", "--", "--quiet", "-h"), True, False, False,
    )  # fmt: skip


def test_every_exit_code_is_documented(repository: Path) -> None:
    text = (repository / "docs" / "cli.md").read_text(encoding="utf-8")
    kinds: list[type[PhizError]] = [PhizError, *PhizError.__subclasses__()]
    codes = {kind.exit_code for kind in kinds}
    codes |= {cli.EXIT_BUG, cli.EXIT_STOPPED, cli.EXIT_PIPE, cli.EXIT_TERMINATED}
    assert [code for code in codes if f"| {code} |" not in text] == []


def test_every_verb_is_documented(repository: Path) -> None:
    text = (repository / "docs" / "cli.md").read_text(encoding="utf-8")
    assert [name for name in REAL_VERBS if f"`phiz {name}`" not in text] == []


def test_a_closed_pipe_ends_quietly(repository: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "phiz.cli", "--help"], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env=_environment(repository),
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == cli.EXIT_PIPE


SLOW_WRITER = """
import signal
import sys
from phiz import cli
signal.signal(signal.SIGINT, signal.default_int_handler)  # in the background it is ignored
cli.VERBS = {"slow": cli.Verb("slow:slow", "Write slowly.")}
sys.argv = ["phiz", "slow"]
sys.exit(cli.main())
"""
SLOW_VERB = """
import time
from dataclasses import dataclass
from pathlib import Path
from phiz import checkpoint

@dataclass(frozen=True)
class Config:
    place: str = ""

def slow(config: Config, console):
    with checkpoint.atomic(Path("film.mp4")) as temporary:
        temporary.write_text("half")
        time.sleep(30)
"""


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_leaves_nothing_half_made(
    number: signal.Signals, code: int, repository: Path, tmp_path: Path
) -> None:
    (tmp_path / "slow.py").write_text(SLOW_VERB)
    environment = _environment(repository)
    environment["PYTHONPATH"] += os.pathsep + str(tmp_path)
    process = subprocess.Popen(
        [sys.executable, "-c", SLOW_WRITER], cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True
    )
    _wait_for(lambda: any(p.suffix == ".mp4" and p.stat().st_size for p in tmp_path.iterdir()))
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == code
    assert "Traceback" not in errors
    assert [p.name for p in tmp_path.iterdir() if p.suffix == ".mp4"] == []


def _wait_for(condition: object) -> None:
    assert callable(condition)
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def _environment(repository: Path) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(repository / "src"), "PYTHONDONTWRITEBYTECODE": "1"}


def test_a_missing_part_of_phiz_is_a_fault_and_not_advice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli, "VERBS", {"lost": cli.Verb("phiz.nowhere:lost", "Get lost.")})
    with pytest.raises(ModuleNotFoundError, match=r"phiz\.nowhere"):
        cli.load_verb("lost")
