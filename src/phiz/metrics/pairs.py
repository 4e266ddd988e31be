"""Pairs of faces, of which it is known whether they show one person: what recognisers are tried on.

- ``.bin`` files as published beside training sets (lfw.bin, cfp_fp.bin, agedb_30.bin): a pickle of a list of
  picture files and a list of claims. Only the few steps that make such lists are understood; nothing in the
  file is run.
- a folder of people with a list, as of "Labeled Faces in the Wild": ``pairs.txt``.
"""

from __future__ import annotations

import io
import pickletools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from phiz.errors import DataError
from phiz.media import image

SUFFIX, LIST = ".bin", "pairs.txt"
ENDINGS = (".jpg", ".jpeg", ".png", ".webp")
ENCODE = ("_codecs", "encode")
"""The one function that such files name: older pickles write bytes as text to be encoded."""
MARK, ENCODER = object(), object()


@dataclass(frozen=True, kw_only=True)
class Pairs:
    """Picture files, each two that follow each other a pair, and what is claimed of each pair."""

    name: str
    pictures: Sequence[bytes | Path]
    are_same: Bool[npt.NDArray[np.bool_], " n"]

    def __post_init__(self) -> None:
        if len(self.pictures) != 2 * len(self.are_same):
            raise ValueError(f"{len(self.pictures)} pictures are no {len(self.are_same)} pairs")

    def batches(self, at_once: int) -> Iterator[Float[Tensor, "b 3 s s"]]:
        """Yield all pictures in their order, so many together."""
        for first in range(0, len(self.pictures), at_once):
            read = [self._read(number) for number in range(first, min(first + at_once, len(self.pictures)))]
            shapes = {tuple(picture.shape) for picture in read}
            if len(shapes) > 1 or len(set(read[0].shape[1:])) > 1:
                raise DataError(f"the pictures of {self.name} differ in size, or are not square. Align them.")
            yield torch.stack(read)

    def first(self, count: int) -> Pairs:
        """Return the first so many pairs; 0 returns all."""
        if not 0 < count < len(self.are_same):
            return self
        return Pairs(name=self.name, pictures=self.pictures[: 2 * count], are_same=self.are_same[:count])

    def _read(self, number: int) -> Float[Tensor, "3 h w"]:
        where = self.pictures[number]
        if isinstance(where, Path):
            return image.read(where)
        return image.decode(where, name=f"picture {number} of {self.name}")


def open_pairs(path: Path) -> Pairs:
    """Return the pairs of a .bin file, or of a folder with a pairs.txt."""
    if path.is_dir():
        return read_list(path / LIST, path)
    try:
        return read_bin(path.read_bytes(), path)
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}. Give a .bin file of pairs.") from error


def read_bin(data: bytes, path: Path) -> Pairs:
    """Return the pairs in the bytes of a .bin file; `path` is what errors call it."""
    try:
        found = _Lists().read(data)
        pictures, claims = found
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError, RecursionError) as error:
        raise DataError(
            f"{path} is not read: {_short(error)}. Nothing in it was run. A list of pictures "
            "and a list of claims, such as lfw.bin, is expected."
        ) from error
    are_pictures = isinstance(pictures, list) and all(isinstance(one, bytes) for one in pictures)
    are_claims = isinstance(claims, list) and all(isinstance(one, (bool, int)) for one in claims)
    if not are_pictures or not are_claims or len(pictures) != 2 * len(claims) or not claims:
        raise DataError(f"{path} holds no list of pictures with a claim for each two. Get the file again.")
    return Pairs(name=path.stem, pictures=pictures, are_same=np.array([bool(one) for one in claims]))


def read_list(path: Path, folder: Path) -> Pairs:
    """Return the pairs that a list names: ``NAME 1 4`` for one person, ``NAME 1 OTHER 2`` for two.

    Pictures are NAME/NAME_0001.jpg and so on below `folder`. A first line of numbers only is a heading.
    """
    try:
        lines = [line.split() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot read {path} ({error}). A list of pairs is expected there.") from error
    pictures: list[Path] = []
    claims = []
    for number, words in enumerate(lines, start=1):
        if number == 1 and all(word.isdecimal() for word in words):
            continue
        if len(words) == 3:
            names = [(words[0], words[1]), (words[0], words[2])]
        elif len(words) == 4:
            names = [(words[0], words[1]), (words[2], words[3])]
        else:
            raise DataError(f"{path}, line {number}: {' '.join(words)!r} names no pair. See docs/data.md.")
        pictures += [_find(folder, name, turn, path, number) for name, turn in names]
        claims.append(len(words) == 3)
    if not claims:
        raise DataError(f"{path} lists no pairs. Fill it, or name another set.")
    return Pairs(name=folder.name, pictures=pictures, are_same=np.array(claims))


def _find(folder: Path, name: str, turn: str, path: Path, number: int) -> Path:
    if not turn.isdecimal():
        raise DataError(f"{path}, line {number}: {turn!r} is no number of a picture.")
    stem = folder / name / f"{name}_{int(turn):04d}"
    for ending in ENDINGS:
        if (found := stem.with_name(stem.name + ending)).is_file():
            return found
    raise DataError(f"{path}, line {number}: there is no picture {stem}{ENDINGS[0]}. Check the folder.")


class _Lists:
    """A machine that knows lists, numbers and bytes, and nothing else; a class because it has a stack."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.kept: dict[int, Any] = {}

    def read(self, data: bytes) -> Any:
        """Return what a pickle leaves."""
        for step, argument, _ in pickletools.genops(io.BytesIO(data)):
            if step.name in ("PROTO", "FRAME", "STOP"):
                continue
            if step.name in VALUES:
                self.stack.append(VALUES[step.name](argument))
            elif step.name in STEPS:
                STEPS[step.name](self, argument)
            else:
                raise ValueError(f"it takes the step {step.name}, which files of pairs never do")
        (found,) = self.stack
        return found

    def above(self) -> list[Any]:
        """Take what lies above the last mark, and the mark."""
        place = len(self.stack) - 1
        while self.stack[place] is not MARK:
            place -= 1
            if place < 0:
                raise ValueError("it ends a list that it did not begin")
        items = self.stack[place + 1 :]
        del self.stack[place:]
        return items

    def keep(self, place: int | None) -> None:
        """Note what lies on top; without a place, in the next one."""
        self.kept[len(self.kept) if place is None else place] = self.stack[-1]

    def extend(self, items: list[Any]) -> None:
        """Add items to the list on top."""
        if not isinstance(self.stack[-1], list):
            raise ValueError("it adds to what is no list")
        self.stack[-1].extend(items)

    def name(self, module: object, name: object) -> None:
        """Put down the one name that is known."""
        if (module, name) != ENCODE:
            raise ValueError(f"it names {module}.{name}, which files of pairs never do")
        self.stack.append(ENCODER)

    def call(self) -> None:
        """Encode a text, the one thing that is ever called for."""
        arguments, function = self.stack.pop(), self.stack.pop()
        if function is not ENCODER or not isinstance(arguments, tuple) or arguments[1:] != ("latin1",):
            raise ValueError("it calls something, which files of pairs never do")
        self.stack.append(_bytes(arguments[0]))

    def tuple_of(self, count: int) -> None:
        """Make a tuple of what lies on top."""
        items = [self.stack.pop() for _ in range(count)]
        self.stack.append(tuple(reversed(items)))


def _bytes(value: object) -> bytes:
    if not isinstance(value, (str, bytes, bytearray)):
        raise ValueError("a picture in it is no data")
    return value.encode("latin1") if isinstance(value, str) else bytes(value)


def _same(value: Any) -> Any:
    return value


VALUES: Mapping[str, Callable[[Any], Any]] = {
    **dict.fromkeys(("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1"), _same),
    **dict.fromkeys(("BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"), _bytes),
    **dict.fromkeys(("STRING", "BINSTRING", "SHORT_BINSTRING"), _bytes),
    **dict.fromkeys(("UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"), _same),
    "NEWTRUE": lambda _: True,
    "NEWFALSE": lambda _: False,
    "EMPTY_LIST": lambda _: [],
    "EMPTY_TUPLE": lambda _: (),
    "MARK": lambda _: MARK,
}
"""Steps that put something down, by what becomes of their argument."""

STEPS: Mapping[str, Callable[[_Lists, Any], Any]] = {
    "APPEND": lambda m, _: m.extend([m.stack.pop()]),
    "APPENDS": lambda m, _: m.extend(m.above()),
    "LIST": lambda m, _: m.stack.append(m.above()),
    "TUPLE": lambda m, _: m.stack.append(tuple(m.above())),
    "TUPLE1": lambda m, _: m.tuple_of(1),
    "TUPLE2": lambda m, _: m.tuple_of(2),
    "TUPLE3": lambda m, _: m.tuple_of(3),
    **dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"), lambda m, place: m.keep(place)),
    **dict.fromkeys(("GET", "BINGET", "LONG_BINGET"), lambda m, place: m.stack.append(m.kept[place])),
    "POP": lambda m, _: m.stack.pop(),
    "GLOBAL": lambda m, words: m.name(*words.split(" ", 1)),
    "STACK_GLOBAL": lambda m, _: m.name(m.stack.pop(-2), m.stack.pop()),
    "REDUCE": lambda m, _: m.call(),
}
"""Steps that work with what was put down."""


def _short(error: Exception) -> str:
    text = f"{error}" or type(error).__name__
    return "".join(c if c.isprintable() else "?" for c in text[:200])
