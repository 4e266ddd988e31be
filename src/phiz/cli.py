"""The command line: which words call which function.

A verb is a function ``verb(config, console) -> Mapping | None``; its options are the fields of its
config dataclass. The mapping is what ``--json`` prints; an ``exit_code`` in it is the exit code, for
commands whose bad news is a report and not an error. Which words there are stands in `phiz.verbs`.
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
from phiz.verbs import GROUPS, VERBS, Verb

__all__ = ["GROUPS", "VERBS", "Verb", "main"]

VerbFunction = Callable[..., "Mapping[str, object] | None"]

EXIT_BUG = 70
EXIT_STOPPED = 130
EXIT_PIPE = 141
EXIT_TERMINATED = 143


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
