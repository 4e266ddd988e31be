"""The rules of the house, each a function from a repository's root to a list of faults.

`test_house.py` applies them to this repository and, each, to a small one that breaks it.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

FLOORS: Mapping[str, int] = {
    # cellar
    "errors": 0,
    # ground
    "options": 1,
    "console": 1,
    "checkpoint": 1,
    "compiling": 1,
    "exporting": 2,
    "trained": 2,
    "media": 2,
    "graphics": 2,
    "layers": 2,
    # stage
    "face": 3,
    "generator": 3,
    "world": 4,
    "speech": 4,
    "avatar": 5,
    "animate": 6,
    "studio": 7,
    "published_recipes": 8,
    "pipelines": 10,
    # workshop
    "prepare": 9,
    "metrics": 9,
    "train": 10,
    "importers": 10,
    # roof
    "demo": 11,
    "verbs": 11,
    "measure_hearing": 11,
    "measure_avatars": 11,
    "hearing_sheets": 10,
    "speak_verb": 11,
    "whom": 9,
    "avatar_verb": 11,
    "talk_verb": 11,
    "mimic_verb": 11,
    "spin_verb": 11,
    "verify": 11,
    "motion_show": 9,
    "speech_text": 8,
    "doctor": 11,
    "mesh": 11,
    "measure": 11,
    "measure_seeing": 11,
    "app": 11,
    "cli": 12,
}
"""Modules import from lower floors and from their own room; rooms of one floor are strangers."""

NARROW: Mapping[tuple[str, str], frozenset[str]] = {
    ("speech", "face"): frozenset({"phiz.face.coeffs"}),
    ("speech", "generator"): frozenset(),
    ("world", "generator"): frozenset(),
}
"""Doors between rooms that are open for certain modules only."""

BASES: Mapping[str, str] = {
    "Module": "parameters that learn",
    "Function": "a gradient of our own",
    "Dataset": "what a loader reads",
    "IterableDataset": "what a loader reads",
    "Sampler": "what a loader asks",
    "Exception": "errors",
    "Protocol": "a shape of things",
    "ModuleType": "a room that can be called",
    "Enum": "names for values",
    "IntEnum": "names for values",
    "IntFlag": "names for bits",
    "NamedTuple": "a tuple with names",
    "TypedDict": "a dict with names",
    "Generic": "a type with a hole",
    "ArgumentParser": "argparse raises our error no other way",
    "Unpickler": "pickles are read safely no other way",
}
"""What a class may inherit from, and why; our own errors and protocols besides."""

BANNED_NAMES = frozenset({"utils", "util", "misc", "common", "helpers", "helper", "base", "core"})
LONGEST_FILE = 400
LONGEST_FUNCTION = 60
MIB = 2**20
LARGEST_WEIGHT, LARGEST_WEIGHTS, LARGEST_FILE = 14 * MIB, 28 * MIB, 45 * MIB

FORBIDDEN_TEXT: Mapping[str, str] = {
    r"(?<![\w.])/(?:home|root|Users|work)/\w": "a path of somebody's machine",
    r"https?://[^\s\"')]*(?:p[y]pi|pythonhosted|anaconda)\.": "the host of a package registry",
    r"--(?:extra-)?[i]ndex-url": "a package registry; pip's own settings decide",
    r"\b(?:T[O]DO|F[I]XME|X[X]X)\b": "work left undone",
}
FORBIDDEN_CODE: Mapping[str, str] = {
    "torch.load": "weights are safetensors; foreign pickles belong to importers/unpickle.py",
    "pickle.load": "a pickle can run any code",
    "pickle.loads": "a pickle can run any code",
    "eval": "text is never run as code",
    "exec": "text is never run as code",
    "print": "words go through phiz.console",
    "os.system": "programs are started with a list of words",
    "torch.manual_seed": "randomness comes in as a torch.Generator",
    "np.random.seed": "randomness comes in as a np.random.Generator",
    "breakpoint": "left over from debugging",
}

UNTESTED: Mapping[str, str] = {}
"""Modules without a test of their own, and why."""


def modules(root: Path) -> Iterator[tuple[str, Path, ast.Module]]:
    """Yield every module of the package: dotted name, file, syntax tree."""
    source = root / "src"
    for path in sorted((source / "phiz").rglob("*.py")):
        parts = path.relative_to(source).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        yield name, path, ast.parse(path.read_text(encoding="utf-8"))


def python_files(root: Path) -> Iterator[Path]:
    """Yield every Python file that we wrote, tests and benchmarks included."""
    for folder in ("src", "tests", "benchmarks", "docs"):
        yield from sorted((root / folder).rglob("*.py"))


def breaks_floors(root: Path) -> list[str]:
    """Return imports that go up, sideways or through a narrow door."""
    known = {name for name, _, _ in modules(root)}
    faults = []
    for name, _, tree in modules(root):
        room = _room(name)
        if room and room not in FLOORS:
            faults.append(f"{name} stands on no floor; give {room!r} one in FLOORS")
            continue
        for target in _imports(tree, known):
            other = _room(target)
            if room in ("", other) or other not in FLOORS:
                continue
            is_narrow = (room, other) in NARROW and target not in NARROW[room, other]
            if FLOORS[other] >= FLOORS[room] or is_narrow:
                faults.append(f"{name} imports {target}")
    return faults


def breaks_import_style(root: Path) -> list[str]:
    """Return imports that are relative, hidden in functions, or of a star."""
    faults = []
    for name, _, tree in modules(root):
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and (node.level or node.names[0].name == "*"):
                faults.append(f"{name}:{node.lineno} imports relatively or with a star")
        if name == "phiz.cli":
            continue
        for function in _functions(tree):
            for node in ast.walk(function):
                if isinstance(node, (ast.Import, ast.ImportFrom)):
                    faults.append(f"{name}:{node.lineno} imports inside {function.name}()")
    return faults


def breaks_size(root: Path) -> list[str]:
    """Return files and functions that are too long to hold one idea."""
    faults = []
    for path in python_files(root):
        text = path.read_text(encoding="utf-8")
        lines = len(text.splitlines())
        if lines > LONGEST_FILE:
            faults.append(f"{path.relative_to(root)} has {lines} lines")
        for function in _functions(ast.parse(text)):
            length = (function.end_lineno or function.lineno) - function.lineno + 1
            if length > LONGEST_FUNCTION:
                faults.append(f"{path.relative_to(root)}: {function.name}() has {length} lines")
    return faults


def breaks_names(root: Path) -> list[str]:
    """Return files and folders whose names say nothing."""
    faults = []
    for path in python_files(root):
        for part in path.relative_to(root).with_suffix("").parts:
            if part in BANNED_NAMES or re.search(r"(?:^|_)v\d+$", part):
                faults.append(str(path.relative_to(root)))
    return faults


def breaks_inheritance(root: Path) -> list[str]:
    """Return classes that inherit from what they should rather have or call."""
    ours = set(BASES)
    classes = [(name, node) for name, _, tree in modules(root) for node in _classes(tree)]
    for _, node in classes:
        if any(_last(base) in ("Exception", "Protocol") for base in node.bases):
            ours.add(node.name)
    for _, node in classes:  # children of our own errors
        if any(_last(base) in ours and _last(base).endswith("Error") for base in node.bases):
            ours.add(node.name)
    return [
        f"{name}: {node.name} inherits from {_last(base)}"
        for name, node in classes
        for base in node.bases
        if _last(base) not in ours
    ]


def breaks_protocols(root: Path) -> list[str]:
    """Return protocols that tests cannot check at run time."""
    return [
        f"{name}: {node.name} is not runtime_checkable"
        for name, _, tree in modules(root)
        for node in _classes(tree)
        if any(_last(base) == "Protocol" for base in node.bases)
        if not any(_last(decorator) == "runtime_checkable" for decorator in node.decorator_list)
    ]


def breaks_shapes(root: Path) -> list[str]:
    """Return public functions that take or give a tensor and do not say its shape."""
    faults = []
    for name, _, tree in modules(root):
        for owner, function in _public_functions(tree):
            arguments = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
            notes = [(a.arg, a.annotation) for a in arguments] + [("return", function.returns)]
            faults += [
                f"{name}: {owner}{function.name}() says no shape for {what}"
                for what, note in notes
                if note is not None and ast.unparse(note) in ("Tensor", "torch.Tensor", "Tensor | None")
            ]
    return faults


def breaks_words(root: Path, paths: list[Path]) -> list[str]:
    """Return files that hold words which have no place in them."""
    faults = []
    for path in paths:
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue  # not text
        for pattern, what in FORBIDDEN_TEXT.items():
            if found := re.search(pattern, text):
                line = text.count("\n", 0, found.start()) + 1
                faults.append(f"{path.relative_to(root)}:{line} holds {what}")
    return faults


def breaks_calls(root: Path) -> list[str]:
    """Return calls that the house has a better way for."""
    return [
        f"{name}:{node.lineno} calls {ast.unparse(node.func)}(): {FORBIDDEN_CODE[ast.unparse(node.func)]}"
        for name, _, tree in modules(root)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) in FORBIDDEN_CODE
    ]


def breaks_mirror(root: Path) -> list[str]:
    """Return modules with code that no test is named after or imports."""
    tests = list((root / "tests").rglob("test_*.py"))
    stems = {path.stem.removeprefix("test_") for path in tests}
    known = {name for name, _, _ in modules(root)}
    imported = {
        target for path in tests for target in _imports(ast.parse(path.read_text(encoding="utf-8")), known)
    }
    return [
        f"{name} has no test"
        for name, path, tree in modules(root)
        if any(_functions(tree)) and path.name != "__init__.py"
        if name not in UNTESTED and name not in imported and path.stem not in stems
    ]


def breaks_weights(root: Path) -> list[str]:
    """Return built-in weights that are too large to ship."""
    folder = root / "src" / "phiz" / "weights"
    files = sorted([*folder.glob("*.safetensors"), *folder.glob("*.avatar")])
    sizes = {path.name: path.stat().st_size for path in files}
    faults = [f"{name} has {size / MIB:.1f} MiB" for name, size in sizes.items() if size > LARGEST_WEIGHT]
    if sum(sizes.values()) > LARGEST_WEIGHTS:
        faults.append(f"all weights together have {sum(sizes.values()) / MIB:.1f} MiB")
    return faults


def breaks_file_size(root: Path, paths: list[Path]) -> list[str]:
    """Return files that are too large for a repository."""
    return [str(path.relative_to(root)) for path in paths if path.stat().st_size > LARGEST_FILE]


def _room(name: str) -> str:
    """Return the part of a module's name that stands in FLOORS; nothing for phiz itself."""
    parts = name.split(".")
    return parts[1] if len(parts) > 1 else ""


def _imports(tree: ast.Module, known: set[str]) -> Iterator[str]:
    """Yield the modules of phiz that a module imports."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "phiz":
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                yield whole if whole in known else str(node.module)


def _functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    yield from (n for n in ast.walk(tree) if isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef)))


def _classes(tree: ast.AST) -> Iterator[ast.ClassDef]:
    yield from (node for node in ast.walk(tree) if isinstance(node, ast.ClassDef))


def _public_functions(tree: ast.Module) -> Iterator[tuple[str, ast.FunctionDef]]:
    """Yield functions that others may call, with the name of their class in front."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            yield "", node
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            for inner in node.body:
                if isinstance(inner, ast.FunctionDef) and not inner.name.startswith("_"):
                    yield f"{node.name}.", inner


def _last(base: ast.expr) -> str:
    """Return the last name of an expression such as ``nn.Module`` or ``Generic[T]``."""
    if isinstance(base, ast.Subscript):
        base = base.value
    return base.attr if isinstance(base, ast.Attribute) else ast.unparse(base)
