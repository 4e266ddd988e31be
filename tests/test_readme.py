"""What the documents promise: their commands are commands, their code runs."""

from __future__ import annotations

import inspect
import re
import shlex
from pathlib import Path

import pytest

from phiz import cli, options

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
COMMAND = re.compile(r"^\s*(?:\$ )?phiz (.+?)(?:\s+#.*)?$", re.MULTILINE)


def commands_in_documents() -> list[tuple[str, str]]:
    found = []
    for path in DOCUMENTS:
        for block in re.findall(
            r"```(?:console|sh|bash|text)?\n(.*?)```", path.read_text("utf-8"), re.DOTALL
        ):
            found += [(path.name, line) for line in COMMAND.findall(block)]
    return found


def examples_of_verbs() -> list[tuple[str, str]]:
    found = []
    for name in cli.VERBS:
        function, _ = cli.load_verb(name)
        _, _, examples = (inspect.getdoc(function) or "").partition("Examples:")
        found += [(name, line) for line in COMMAND.findall(examples)]
    return found


@pytest.mark.parametrize(("where", "line"), commands_in_documents() + examples_of_verbs())
def test_a_command_that_we_show_is_understood(where: str, line: str) -> None:
    call = cli.read_call(shlex.split(line.split("|")[0].split(" > ")[0]))
    if not call.words or call.wants_help or call.words[0].startswith("--"):
        return
    if call.words[0].isupper() or "COMMAND" in call.words:
        return
    name, rest = cli.find_verb(call.words)
    _, config = cli.load_verb(name)
    options.parse(config, rest, prog=f"phiz {name}")


def test_the_readme_shows_commands_and_so_do_all_verbs() -> None:
    assert any(where == "README.md" for where, _ in commands_in_documents())
    assert {name for name, _ in examples_of_verbs()} == set(cli.VERBS)


def test_the_code_of_the_readme_runs() -> None:
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)
    assert blocks
    for block in blocks:
        scope: dict[str, object] = {}
        exec(compile(block.replace("size=512", "size=64"), "README.md", "exec"), scope)
        assert scope["picture"].image.shape == (3, 64, 64)  # type: ignore[attr-defined]
