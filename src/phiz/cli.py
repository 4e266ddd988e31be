"""The command line: which words call which function.

A verb is a function ``verb(config, console) -> Mapping | None``; its options are the fields of its
config dataclass. The mapping is what ``--json`` prints; an ``exit_code`` in it is the exit code, for
commands whose bad news is a report and not an error. The table below holds the verb's summary as
well, so that ``phiz --help`` imports none of them; a test compares the summaries with the docstrings.
"""

from __future__ import annotations

import contextlib
import importlib
import inspect
import os
import signal
import sys
import tempfile
import traceback
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType, ModuleType

import phiz
from phiz import options
from phiz.console import Console
from phiz.errors import MissingError, PhizError, UsageError

VerbFunction = Callable[..., "Mapping[str, object] | None"]

EXIT_BUG = 70
EXIT_STOPPED = 130
EXIT_PIPE = 141
EXIT_TERMINATED = 143


@dataclass(frozen=True)
class Verb:
    """A command: where its function lives and what it does, in the words of its docstring."""

    home: str
    """``module:function``"""
    summary: str


VERBS: Mapping[str, Verb] = {
    "demo": Verb("phiz.demo:demo", "Make a short film of a talking head from nothing but a seed."),
    "world people": Verb(
        "phiz.world.show:people", "List who lives in the world: the people that seeds stand for."
    ),
    "world sheet": Verb(
        "phiz.world.show:sheet", "Draw a sheet of people who never lived, each in a scene of their own."
    ),
    "world shards": Verb("phiz.world.data.shards:shards_verb", "Write a data set of rendered people."),
    "world portraits": Verb(
        "phiz.world.data.portraits:portraits_verb",
        "Write portraits for a generator to learn from, as flat arrays.",
    ),
    "world voices": Verb(
        "phiz.world.voices.show:voices",
        "Write a data set of synthetic speech with phones, times and mouth curves.",
    ),
    "world turntable": Verb("phiz.world.show:turntable", "Film one person from all sides."),
    "train gan": Verb("phiz.train.gan:train_gan", "Train a generator against a discriminator."),
    "train detector": Verb(
        "phiz.train.detector:train_detector",
        "Train a detector, which finds faces and five points of each.",
    ),
    "train landmarks": Verb(
        "phiz.train.landmarks:train_landmarks", "Train a network that finds the points of a face."
    ),
    "train regress": Verb(
        "phiz.train.regress:train_regress",
        "Train a regressor, which tells a face's coefficients from a crop.",
    ),
    "train parse": Verb(
        "phiz.train.parse:train_parse", "Train a parser, which says what each pixel of a face shows."
    ),
    "train pose": Verb("phiz.train.pose:train_pose", "Train the networks that turn a head while it speaks."),
    "train arcface": Verb("phiz.train.arcface:train_arcface", "Train a network to recognise people."),
    "train head": Verb(
        "phiz.train.head:train_head",
        "Learn our own head's shape and expressions from a folder of scanned ones.",
    ),
    "train layout": Verb(
        "phiz.train.layout_pictures:train_layout",
        "Learn where the points of MediaPipe's 478-point layout lie on our head.",
    ),
    "detect": Verb(
        "phiz.prepare.detect_verb:detect_verb",
        "Find faces and five points of each, in pictures of any kind.",
    ),
    "landmarks": Verb(
        "phiz.prepare.landmarks_verb:landmarks_verb",
        "Find the points of a face: 68 landmarks and the 478-point layout, each with its uncertainty.",
    ),
    "align": Verb(
        "phiz.prepare.align_verb:align_verb",
        "Cut faces out as networks expect them, upright and at one size.",
    ),
    "track": Verb(
        "phiz.prepare.track_verb:track_verb", "Follow a face through a video and write how it moves."
    ),
    "fit": Verb(
        "phiz.prepare.fit_verb:fit_verb", "Fit a head model to one picture or to a whole set of them."
    ),
    "prepare": Verb(
        "phiz.prepare.prepare_verb:prepare_verb",
        "Make a data set to train on of folders of pictures, films and sounds.",
    ),
    "data check": Verb("phiz.prepare.check:check_verb", "Look for faults in a data set."),
    "import stylenerf": Verb(
        "phiz.importers.import_verb:import_stylenerf",
        "Convert a published StyleNeRF pickle without running anything in it.",
    ),
    "import bisenet": Verb(
        "phiz.importers.bisenet:import_bisenet",
        "Convert the published face parser without running anything in its file.",
    ),
    "import deep3d": Verb(
        "phiz.importers.deep3d:import_deep3d",
        "Convert the published face reconstruction without running anything in its file.",
    ),
    "import sadtalker": Verb(
        "phiz.importers.sadtalker:import_sadtalker",
        "Convert SadTalker's speech networks without running anything in their file.",
    ),
    "import arcface": Verb(
        "phiz.importers.arcface:import_arcface",
        "Convert a published recogniser without running anything in its file.",
    ),
    "import facemodel": Verb(
        "phiz.importers.facemodel:import_facemodel",
        "Convert the Basel Face Model, as published or as its makers give it away.",
    ),
    "export generator": Verb(
        "phiz.generator.export:export_verb",
        "Export a generator to ONNX or torch.export, to draw heads without phiz.",
    ),
    "export recogniser": Verb(
        "phiz.face.identity.export:export_recogniser",
        "Write a recogniser as ONNX, and compare it with what it was made of.",
    ),
    "measure generator": Verb(
        "phiz.measure:measure_verb",
        "Measure a generator on portraits that it has never seen, and draw sheets to look at.",
    ),
    "measure seeing": Verb(
        "phiz.measure_seeing:measure_seeing",
        "Measure the built-in networks that see on people whom they have never seen.",
    ),
    "measure identity": Verb(
        "phiz.metrics.recognition:measure_identity",
        "Say how often a recogniser is right about whether two pictures show one person.",
    ),
    "mesh": Verb(
        "phiz.mesh:mesh_verb",
        "Write a drawn head as a mesh with colours for Blender, a game engine or a web page.",
    ),
    "head export": Verb(
        "phiz.face.export:export_verb", "Write a head model for Blender, a game engine or a web page."
    ),
    "head retarget": Verb(
        "phiz.face.retarget:retarget_verb", "Make a motion of one head model into one of another."
    ),
    "doctor": Verb("phiz.doctor:doctor", "Say what this machine has and what phiz misses on it."),
}
"""One line a command; the words of a group stand together."""

GROUPS: Mapping[str, str] = {
    "world": "Look at rendered people and make data sets of them.",
    "train": "Train a part of phiz.",
    "data": "Prepare and check data sets.",
    "import": "Make published weights files of ours.",
    "export": "Write networks for other programs.",
    "measure": "Say in numbers how good a network is.",
    "head": "Work with head models.",
}

EXTRAS: Mapping[str, str] = {
    "scipy": "train",
    "tensorboard": "train",
    "wandb": "watch",
    "starlette": "app",
    "uvicorn": "app",
    "onnx": "export",
    "onnxscript": "export",
    "cv2": "cv",
    "onnxruntime": "export",
}
"""Which optional part of phiz brings a package."""

GLOBAL_FLAGS: Mapping[str, str] = {
    "--json": "print one JSON object instead of words, for scripts",
    "--quiet": "say nothing but warnings and errors",
    "--debug": "show the whole traceback of an error",
}


@dataclass(frozen=True, kw_only=True)
class Call:
    """A command line, taken apart."""

    words: tuple[str, ...]
    json: bool
    quiet: bool
    debug: bool
    wants_help: bool


def main(argv: Sequence[str] | None = None) -> int:
    """Return the exit code of a command line (that of the process by default)."""
    if argv is None:
        signal.signal(signal.SIGTERM, _leave)  # half-written files are cleaned up on the way out
    call = read_call(sys.argv[1:] if argv is None else argv)
    console = Console(json=call.json, quiet=call.quiet)
    try:
        result = _run(call, console)
        console.result(result)
        sys.stdout.flush()
        return int(str(result.get("exit_code", 0)))
    except KeyboardInterrupt:
        return _fail(console, "Stopped", "stopped; what is written so far is whole.", EXIT_STOPPED)
    except BrokenPipeError:
        # Python would complain again when it closes the pipe on its way out.
        with contextlib.suppress(OSError, ValueError), Path(os.devnull).open("w") as nowhere:
            os.dup2(nowhere.fileno(), sys.stdout.fileno())
        return EXIT_PIPE
    except Exception as error:
        if call.debug:
            traceback.print_exc()
        return _explain(console, error, call)


def read_call(argv: Sequence[str]) -> Call:
    """Return the words of a command line without the flags that every command knows."""
    before = list(argv[: argv.index("--")] if "--" in argv else argv)
    rest = list(argv[len(before) :])
    flags = {"-h", "--help", *GLOBAL_FLAGS}
    words = [word for word in before if word not in flags]
    wants_help = "-h" in before or "--help" in before
    if words[:1] == ["help"]:
        words, wants_help = words[1:], True
    return Call(
        words=(*words, *rest),
        json="--json" in before,
        quiet="--quiet" in before,
        debug="--debug" in before,
        wants_help=wants_help,
    )


def find_verb(words: Sequence[str]) -> tuple[str, Sequence[str]]:
    """Return the name of a command and the words that are left for it."""
    for length in (2, 1):
        name = " ".join(words[:length])
        if len(words) >= length and name in VERBS:
            return name, words[length:]
    first = words[0]
    if first in GROUPS:
        known = [name.split(" ", 1)[1] for name in VERBS if name.startswith(f"{first} ")]
        if len(words) == 1:
            raise UsageError(f"phiz {first} needs one more word: {', '.join(known)}.")
        hint = options.suggest(words[1], known)
        raise UsageError(f"there is no command 'phiz {first} {words[1]}'.{hint} See: phiz {first} --help")
    firsts = list(dict.fromkeys(name.split(" ")[0] for name in VERBS))
    raise UsageError(f"there is no command {first!r}.{options.suggest(first, firsts)} See: phiz --help")


def overview(group: str = "") -> str:
    """Return the help of phiz itself or of one group of commands."""
    start = f"{group} " if group else ""
    names = [name for name in VERBS if name.startswith(start)]
    width = max(map(len, names))
    lines = [
        f"usage: phiz {start or ''}COMMAND [OPTIONS]",
        "",
        GROUPS[group] if group else str(phiz.__doc__).strip(),
        "",
        "commands:",
        *(f"  {name.ljust(width)}  {VERBS[name].summary}" for name in names),
        "",
        _global_help("options of every command"),
        "",
        "Each command has its own help: phiz COMMAND --help",
    ]
    return "\n".join(lines)


def load_verb(name: str) -> tuple[VerbFunction, type[object]]:
    """Return the function of a command and its config class."""
    module_name, _, function_name = VERBS[name].home.partition(":")
    function: VerbFunction = getattr(_import(module_name), function_name)
    return function, typing.get_type_hints(function)["config"]


def verb_help(name: str) -> str:
    """Return the help of one command."""
    function, config = load_verb(name)
    about, _, examples = (inspect.getdoc(function) or "").partition("Examples:")
    text = options.help_text(
        config, prog=f"phiz {name}", about=about.strip(), examples=inspect.cleandoc(examples)
    )
    return f"{text}\n{_global_help('options of every command')}"


def _run(call: Call, console: Console) -> Mapping[str, object]:
    if "--version" in call.words[:1]:
        return _show("version", f"phiz {phiz.__version__}", console)
    if not call.words:
        return _show("help", overview(), console)
    if call.wants_help and call.words[0] in GROUPS and len(call.words) == 1:
        return _show("help", overview(call.words[0]), console)
    name, rest = find_verb(call.words)
    if call.wants_help:
        return _show("help", verb_help(name), console)
    function, config = load_verb(name)
    return function(options.parse(config, rest, prog=f"phiz {name}"), console) or {}


def _show(what: str, text: str, console: Console) -> Mapping[str, object]:
    if not console.json:
        sys.stdout.write(f"{text}\n")
    return {what: text}


def _import(module_name: str) -> ModuleType:
    try:
        return importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing == "phiz":
            raise
        extra = EXTRAS.get(missing)
        advice = f"pip install 'phiz[{extra}]'" if extra else f"pip install {missing}"
        raise MissingError(f"this command needs the package {missing!r}. Get it with: {advice}") from error


def _explain(console: Console, error: Exception, call: Call) -> int:
    """Tell what went wrong; return the exit code."""
    kind = type(error).__name__
    if isinstance(error, PhizError):
        return _fail(console, kind, str(error), error.exit_code)
    if isinstance(error, OSError) and error.strerror:
        what = f"{error.filename}: {error.strerror}" if error.filename else error.strerror
        return _fail(console, kind, what, PhizError.exit_code)
    if isinstance(error, MemoryError) or kind == "OutOfMemoryError":
        return _fail(console, kind, f"out of memory ({error}). Try a smaller job.", PhizError.exit_code)
    where = "" if call.debug else f" The whole traceback is in {_write_traceback(error)}."
    return _fail(console, kind, f"this is a fault in phiz: {kind}: {error}.{where}", EXIT_BUG)


def _fail(console: Console, kind: str, message: str, code: int) -> int:
    if console.json:
        console.result({"error": {"kind": kind, "message": message, "exit_code": code}})
    else:
        console.complain(message)
    return code


def _write_traceback(error: Exception) -> str:
    with tempfile.NamedTemporaryFile(
        "w", prefix="phiz-traceback-", suffix=".txt", delete=False, encoding="utf-8"
    ) as file:
        file.writelines(traceback.format_exception(error))
    return file.name


def _global_help(title: str) -> str:
    width = max(map(len, GLOBAL_FLAGS))
    return "\n".join([f"{title}:", *(f"  {f.ljust(width)}  {text}" for f, text in GLOBAL_FLAGS.items())])


def _leave(number: int, frame: FrameType | None) -> None:
    raise SystemExit(EXIT_TERMINATED)


if __name__ == "__main__":
    sys.exit(main())
