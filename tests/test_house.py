"""The house keeps its rules, and each rule can fail."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable, Mapping
from pathlib import Path

import house_rules as rules
import pytest

import phiz

Rule = Callable[[Path], list[str]]

RULES: Mapping[str, Rule] = {
    "imports go down": rules.breaks_floors,
    "imports stand at the top": rules.breaks_import_style,
    "files and functions are short": rules.breaks_size,
    "files have telling names": rules.breaks_names,
    "inheritance is rare": rules.breaks_inheritance,
    "protocols can be checked": rules.breaks_protocols,
    "tensors have shapes": rules.breaks_shapes,
    "some calls are never made": rules.breaks_calls,
    "modules have tests": rules.breaks_mirror,
    "weights are small": rules.breaks_weights,
}

TRANSGRESSIONS: Mapping[str, tuple[str, str]] = {
    "imports go down": ("face/shy.py", "from phiz.avatar import rig\n"),
    "imports stand at the top": ("face/late.py", "def f():\n    import os\n"),
    "files and functions are short": ("face/long.py", "x = 1\n" * 401),
    "files have telling names": ("face/utils.py", ""),
    "inheritance is rare": ("face/heir.py", "class Heir(dict):\n    pass\n"),
    "protocols can be checked": ("face/vague.py", "class Vague(Protocol):\n    x: int\n"),
    "tensors have shapes": ("face/bare.py", "def f(x: Tensor) -> int:\n    return 1\n"),
    "some calls are never made": ("face/loud.py", "print(1)\n"),
    "modules have tests": ("face/alone.py", "def f():\n    pass\n"),
}

IMPORT_EVERYTHING = """
import json, os, pkgutil, random, sys
import numpy, torch
import importlib

touched = []
def watch(event, arguments):
    if "__pycache__" in str(arguments[0]):
        return  # compiled code: Python's own, and numba's beside it
    if event == "socket.connect" or event == "subprocess.Popen":
        touched.append(f"{event} {arguments[:2]}")
    if event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wax+"):
        touched.append(f"open {arguments[0]}")
    if event == "os.mkdir":
        touched.append(f"mkdir {arguments[0]}")

def state():
    return [dict(os.environ), torch.get_num_threads(), torch.get_default_dtype(), random.getstate(),
            torch.get_rng_state().tolist(), numpy.random.get_state()[1].tolist()]

before = state()
sys.addaudithook(watch)
absent = []
import phiz
for module in pkgutil.walk_packages(phiz.__path__, "phiz."):
    try:
        importlib.import_module(module.name)
    except ModuleNotFoundError as error:
        if error.name.startswith("phiz"):
            raise
        absent.append(error.name)
names = ["environment", "threads", "dtype", "random", "torch seed", "numpy seed"]
changed = [name for name, old, new in zip(names, before, state()) if old != new]
print(json.dumps({"touched": touched, "changed": changed, "absent": absent}))
"""


@pytest.mark.parametrize("name", RULES)
def test_the_house_keeps_its_rule(name: str, repository: Path) -> None:
    faults = RULES[name](repository)
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize("name", TRANSGRESSIONS)
def test_a_house_that_breaks_a_rule_is_caught(name: str, tmp_path: Path) -> None:
    _house(tmp_path, {"face/__init__.py": "", "avatar/__init__.py": "", "avatar/rig.py": "x = 1\n"})
    assert RULES[name](tmp_path) == []
    path, text = TRANSGRESSIONS[name]
    _house(tmp_path, {path: text})
    assert len(RULES[name](tmp_path)) == 1


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("generator/a.py", "from phiz.face import shape\n"),
        ("generator/a.py", "import phiz.face.shape\n"),
        ("speech/a.py", "from phiz.face.shape import f\n"),
        ("media/a.py", "from phiz import cli\n"),
        ("attic/a.py", ""),
    ],
)
def test_every_way_of_a_wrong_import_is_seen(path: str, text: str, tmp_path: Path) -> None:
    _house(tmp_path, {"face/shape.py": "", "cli.py": "", path: text})
    assert len(rules.breaks_floors(tmp_path)) == 1


def test_imports_to_lower_floors_are_welcome(tmp_path: Path) -> None:
    text = "from phiz.errors import PhizError\nfrom phiz.face import coeffs\nfrom phiz.speech import mel\n"
    _house(tmp_path, {"errors.py": "", "face/coeffs.py": "", "speech/mel.py": "", "speech/a.py": text})
    assert rules.breaks_floors(tmp_path) == []


def test_a_long_function_is_caught(tmp_path: Path) -> None:
    _house(tmp_path, {"face/a.py": "def f():\n" + "    x = 1\n" * 60})
    assert rules.breaks_size(tmp_path) == ["src/phiz/face/a.py: f() has 61 lines"]


def test_errors_may_have_children(tmp_path: Path) -> None:
    _house(tmp_path, {"errors.py": "class AError(Exception): ...\nclass BError(AError): ...\n"})
    assert rules.breaks_inheritance(tmp_path) == []


def test_a_module_counts_as_tested_when_a_test_imports_it(tmp_path: Path) -> None:
    _house(tmp_path, {"face/alone.py": "def f():\n    pass\n"})
    tests = tmp_path / "tests"
    tests.mkdir()
    (tests / "test_other.py").write_text("from phiz.face import alone\n")
    assert rules.breaks_mirror(tmp_path) == []


def test_heavy_weights_are_caught(tmp_path: Path) -> None:
    folder = tmp_path / "src" / "phiz" / "weights"
    folder.mkdir(parents=True)
    for name, size in [("a", 15), ("b", 13), ("c", 1)]:
        with (folder / f"{name}.safetensors").open("wb") as file:
            file.truncate(size * rules.MIB)  # sparse: takes no room
    assert rules.breaks_weights(tmp_path) == [
        "a.safetensors has 15.0 MiB",
        "all weights together have 29.0 MiB",
    ]


@pytest.mark.parametrize(
    "text",
    ["see /" + "home/someone", "at https://" + "pypi.org/simple", "# TO" + "DO", "pip --" + "index-url x"],
)
def test_words_that_have_no_place_are_caught(text: str, tmp_path: Path) -> None:
    path = tmp_path / "notes.md"
    path.write_text(f"fine\n{text}\n")
    assert [fault.split(" ")[0] for fault in rules.breaks_words(tmp_path, [path])] == ["notes.md:2"]


def test_large_files_are_caught(tmp_path: Path) -> None:
    path = tmp_path / "large"
    with path.open("wb") as file:
        file.truncate(46 * rules.MIB)
    assert rules.breaks_file_size(tmp_path, [path]) == ["large"]


def test_no_tracked_file_is_large_or_holds_words_without_place(repository: Path) -> None:
    paths = _tracked(repository)
    assert rules.breaks_file_size(repository, paths) == []
    assert rules.breaks_words(repository, paths) == []


@pytest.mark.parametrize("module", ["phiz", "phiz.cli"])
def test_the_front_door_is_light(module: str, repository: Path) -> None:
    code = f"import {module}, sys; print([m for m in ('torch', 'numpy', 'av') if m in sys.modules])"
    assert _python(code, repository, repository).strip() == "[]"


def test_importing_everything_does_nothing_else(repository: Path, tmp_path: Path) -> None:
    seen = json.loads(_python(IMPORT_EVERYTHING, repository, tmp_path))
    assert seen["touched"] == []
    assert seen["changed"] == []
    assert list(tmp_path.iterdir()) == []


def test_every_public_name_loads(repository: Path) -> None:
    code = "import phiz; print(all(getattr(phiz, n) is not None and n in dir(phiz) for n in phiz.__all__))"
    assert _python(code, repository, repository).strip() == "True"


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = phiz.nothing
    assert {"Motion", "__version__"} <= set(dir(phiz))


def _house(root: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        path = root / "src" / "phiz" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))


def _tracked(repository: Path) -> list[Path]:
    git = shutil.which("git")
    if git is None or not (repository / ".git").exists():
        pytest.skip("not a git checkout")
    listed = subprocess.run(
        [git, "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=repository, check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    return [path for name in listed.split("\0") if name and (path := repository / name).is_file()]


def _python(code: str, repository: Path, folder: Path) -> str:
    """Return what a fresh Python prints; it writes no compiled files."""
    environment = {**os.environ, "PYTHONPATH": str(repository / "src"), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
