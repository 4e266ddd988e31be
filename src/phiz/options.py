"""A command line made from a config dataclass.

Each field is an option: its type says how to read it, its default what happens without it, the string
under it is its help. A field that is a dataclass itself adds options with a dot: ``--generator.width``.

    @dataclass(frozen=True, kw_only=True)
    class TalkConfig:
        photo: Path = positional()
        output: Path = option(Path("talk.mp4"), "-o", "--output")
        seed: int = 0
        \"\"\"Which of the many possible motions.\"\"\"

A config with a field ``preset`` and a static method ``presets()`` takes its defaults from the preset
that is named: ``--preset GUIDE_1024 --batch 16``.
"""

from __future__ import annotations

import argparse
import ast
import dataclasses
import difflib
import inspect
import itertools
import textwrap
import types
import typing
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import MISSING, Field
from enum import Enum
from pathlib import Path
from typing import Any, Literal, NoReturn, TypeVar

from phiz.errors import UsageError

C = TypeVar("C")

FLAGS = "phiz.flags"
PRESET, PRESETS = "preset", "presets"
POSITIONAL = "phiz.positional"
PLACEHOLDERS: Mapping[object, str] = {int: "N", float: "X", str: "TEXT", Path: "PATH"}
WORDS: Mapping[object, str] = {int: "a whole number", float: "a number"}


def positional(default: Any = MISSING) -> Any:
    """Return a dataclass field that is given by its place on the command line, without a name."""
    return dataclasses.field(default=default, metadata={POSITIONAL: True})


def option(default: Any, *flags: str) -> Any:
    """Return a dataclass field with flags of its own; ``MISSING`` as its default makes it required."""
    wrong = [flag for flag in flags if not flag.startswith("-")]
    if wrong:
        raise ValueError(f"flags start with a dash; {wrong[0]!r} does not")
    return dataclasses.field(default=default, metadata={FLAGS: flags})


def parse(config: type[C], words: Sequence[str], *, prog: str = "phiz") -> C:
    """Return the config that the words of a command line describe."""
    parser = _parser(config, prog=prog)
    found, unknown = parser.parse_known_intermixed_args(list(words))
    if unknown:
        raise UsageError(_unknown_words(unknown, _flags_of(parser), prog))
    # A word that may be left out, and is, comes back as argparse's own mark, read as if it had been given.
    values = {name: value for name, value in vars(found).items() if str(value) != argparse.SUPPRESS}
    return _build(config, values, _preset(config, values))


def help_text(config: type[object], *, prog: str, about: str = "", examples: str = "") -> str:
    """Return the help of a command: usage, what it does, its options and its examples."""
    return _parser(config, prog=prog, about=about, examples=examples).format_help()


def suggest(word: str, known: Iterable[str]) -> str:
    """Return ``" Did you mean ...?"`` for a word that is nearly known, and nothing for others."""
    near = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f" Did you mean {near[0]!r}?" if near else ""


def field_docs(config: type[object]) -> dict[str, str]:
    """Return the string under each field of a dataclass; Python itself throws them away."""
    docs: dict[str, str] = {}
    for owner in reversed(config.__mro__[:-1]):
        try:
            tree = ast.parse(textwrap.dedent(inspect.getsource(owner)))
        except (OSError, TypeError):
            continue  # no source at hand: help without words
        body = tree.body[0].body if isinstance(tree.body[0], ast.ClassDef) else []
        for field, below in itertools.pairwise(body):
            if (
                isinstance(field, ast.AnnAssign)
                and isinstance(field.target, ast.Name)
                and isinstance(below, ast.Expr)
                and isinstance(below.value, ast.Constant)
                and isinstance(below.value.value, str)
            ):
                docs[field.target.id] = inspect.cleandoc(below.value.value)
    return docs


class _Parser(argparse.ArgumentParser):
    """An argument parser that raises our error; argparse offers no other way than inheritance."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message.removeprefix('argument ')}. See: {self.prog} --help")


def _parser(config: type[object], *, prog: str, about: str = "", examples: str = "") -> _Parser:
    parser = _Parser(
        prog=prog,
        description=about or None,
        epilog=f"examples:\n{textwrap.indent(examples, '  ')}" if examples else None,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
        add_help=False,
        argument_default=argparse.SUPPRESS,
    )
    _add_fields(parser, config, prefix="", whole=MISSING)
    return parser


def _add_fields(parser: argparse.ArgumentParser, config: type[object], *, prefix: str, whole: object) -> None:
    """Add an option for each field; `whole` is the config that holds the defaults, if there is one."""
    docs = field_docs(config)
    hints = typing.get_type_hints(config)
    group: Any = parser.add_argument_group(prefix.rstrip(".")) if prefix else parser
    for field in dataclasses.fields(config):  # type: ignore[arg-type]
        if not field.init:
            continue
        hint = hints[field.name]
        default = _default_of(field) if whole is MISSING else getattr(whole, field.name)
        if dataclasses.is_dataclass(hint):
            if prefix:
                raise TypeError(f"{config.__name__}.{field.name}: configs nest one level deep, no more")
            inner = typing.cast("type[object]", hint)
            _add_fields(parser, inner, prefix=f"{field.name.rstrip('_')}.", whole=default)
        else:
            _add_field(group, field, hint, docs.get(field.name, ""), prefix, default)


def _add_field(group: Any, field: Field[Any], hint: object, doc: str, prefix: str, default: object) -> None:
    settings = _reading(hint)
    settings["help"] = _help(doc, default).replace("%", "%%")
    is_required = default is MISSING
    if field.metadata.get(POSITIONAL):
        if not is_required:
            settings["nargs"] = "*" if settings.get("nargs") else "?"
        settings["metavar"] = field.name.rstrip("_").replace("_", "-")
        group.add_argument(f"{prefix}{field.name}", **settings)
        return
    flags = field.metadata.get(FLAGS) or (f"--{prefix}{field.name.rstrip('_').replace('_', '-')}",)
    group.add_argument(*flags, dest=f"{prefix}{field.name}", required=is_required, **settings)


def _default_of(field: Field[Any]) -> object:
    """Return what a field holds when nothing is given, ``MISSING`` when something has to be."""
    return field.default if field.default_factory is MISSING else field.default_factory()


def _reading(hint: object) -> dict[str, Any]:
    """Return how argparse reads a value of a type."""
    hint, _ = _without_none(hint)
    origin = typing.get_origin(hint)
    if hint is bool:
        return {"action": argparse.BooleanOptionalAction}
    if origin is tuple:
        items = typing.get_args(hint)
        if len(set(items) - {...}) != 1:
            raise TypeError(f"a tuple on the command line holds one type, not {hint}")
        nargs: object = "+" if items[-1] is ... else len(items)
        return {**_reading(items[0]), "nargs": nargs}
    if origin is Literal:
        return _choice({str(value): value for value in typing.get_args(hint)})
    if isinstance(hint, type) and issubclass(hint, Enum):
        return _choice({member.name.lower().replace("_", "-"): member for member in hint})
    if hint in (int, float, str, Path):
        return {"type": _scalar(typing.cast("type[object]", hint)), "metavar": PLACEHOLDERS[hint]}
    raise TypeError(f"the command line cannot read a {hint}")


def _without_none(hint: object) -> tuple[object, bool]:
    """Return a type without its ``| None``, and whether there was one."""
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        rest = [part for part in typing.get_args(hint) if part is not type(None)]
        if len(rest) == 1:
            return rest[0], True
    return hint, False


def _scalar(kind: type[object]) -> Any:
    def read(text: str) -> object:
        try:
            return Path(text).expanduser() if kind is Path else kind(text)  # type: ignore[call-arg]
        except (ValueError, RuntimeError):
            raise argparse.ArgumentTypeError(f"{text!r} is not {WORDS.get(kind, 'a path')}") from None

    return read


def _choice(values: Mapping[str, object]) -> dict[str, Any]:
    def read(text: str) -> object:
        if text not in values:
            raise argparse.ArgumentTypeError(
                f"there is no {text!r}; choose from {', '.join(values)}.{suggest(text, values)}".rstrip(".")
            )
        return values[text]

    return {"type": read, "metavar": "{" + ",".join(values) + "}"}


def _help(doc: str, default: object) -> str:
    if default is MISSING or default is None or default is False or default in ("", ()):
        return doc
    if isinstance(default, tuple):
        shown = " ".join(map(str, default))
    elif isinstance(default, Enum):
        shown = default.name.lower().replace("_", "-")
    else:
        shown = "yes" if default is True else str(default)
    return f"{doc} (default: {shown})".strip()


def _flags_of(parser: argparse.ArgumentParser) -> list[str]:
    return [flag for action in parser._actions for flag in action.option_strings]


def _unknown_words(unknown: Sequence[str], known: Sequence[str], prog: str) -> str:
    strange = next((word for word in unknown if word.startswith("-")), unknown[0])
    name = strange.partition("=")[0]
    if not name.startswith("-"):
        return f"{name!r} is one word too many. See: {prog} --help"
    return f"there is no option {name}.{suggest(name, known)} See: {prog} --help"


def _preset(config: type[C], found: Mapping[str, Any]) -> C | None:
    """Return the config whose values stand where the command line says nothing, if one is named."""
    name = found.get(PRESET)
    if not name or not hasattr(config, PRESETS):
        return None
    known: Mapping[str, C] = getattr(config, PRESETS)()
    if name not in known:
        raise UsageError(f"there is no preset {name!r}.{suggest(name, known)} Known are {', '.join(known)}.")
    return known[name]


def _build(config: type[C], found: Mapping[str, Any], start: C | None = None) -> C:
    """Return a config from values by name; names with a dot go one level down."""
    hints = typing.get_type_hints(config)
    values: dict[str, Any] = {}
    for field in dataclasses.fields(config):  # type: ignore[arg-type]
        name = field.name
        default = _default_of(field) if start is None else getattr(start, name)
        if field.init and dataclasses.is_dataclass(hints[name]):
            prefix = f"{name.rstrip('_')}."
            inner = {key.removeprefix(prefix): found[key] for key in found if key.startswith(prefix)}
            if inner or default is MISSING or start is not None:
                values[name] = _nested(hints[name], default, inner)
        elif name in found:
            values[name] = tuple(found[name]) if isinstance(found[name], list) else found[name]
        elif field.init and start is not None:
            values[name] = default
    return _checked(config, values)


def _nested(kind: type[C], default: object, inner: Mapping[str, Any]) -> C:
    given = {name: tuple(value) if isinstance(value, list) else value for name, value in inner.items()}
    if not isinstance(default, kind):
        return _checked(kind, given)
    whole = {f.name: getattr(default, f.name) for f in dataclasses.fields(kind) if f.init}  # type: ignore[arg-type]
    return _checked(type(default), {**whole, **given})


def _checked(config: type[C], values: Mapping[str, Any]) -> C:
    try:
        return config(**values)
    except ValueError as error:
        raise UsageError(str(error)) from error
