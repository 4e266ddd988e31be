"""The steps of a pickle, walked through before any of them is taken.

A pickle is a list of steps for a machine with a stack. Walking along it without taking them costs little
and finds what the machine would choke on: steps that no published file takes, numbers that make it reserve
all memory, and tuples so deep that Python itself falls over.
"""

from __future__ import annotations

import io
import pickletools
from pathlib import Path

from phiz.errors import CheckpointError

MOST_STEPS = 5_000_000
"""Published files take some hundred thousand."""
LARGEST_TUPLE = 1000
"""What may be in a tuple, and in the tuples in it."""
PROTOCOLS = (2, 3, 4, 5)
PLAIN = frozenset(
    "PROTO FRAME STOP MARK NONE NEWTRUE NEWFALSE BININT BININT1 BININT2 LONG1 LONG4 BINFLOAT BINUNICODE "
    "SHORT_BINUNICODE BINUNICODE8 BINBYTES SHORT_BINBYTES BINBYTES8 EMPTY_TUPLE TUPLE TUPLE1 TUPLE2 TUPLE3 "
    "EMPTY_LIST APPEND APPENDS EMPTY_DICT SETITEM SETITEMS EMPTY_SET ADDITEMS BINPUT LONG_BINPUT MEMOIZE "
    "BINGET LONG_BINGET GLOBAL STACK_GLOBAL".split()
)
"""Steps that make numbers, words, lists and names."""
MAKING = frozenset({"REDUCE", "NEWOBJ", "BUILD"})
"""Steps that make objects of what is named."""

PUTS = frozenset({"BINPUT", "LONG_BINPUT", "MEMOIZE"})
GETS = frozenset({"BINGET", "LONG_BINGET"})
MARKED = -1
LONGEST_WORDS = 300
"""Characters of a foreign file in one of our messages."""


def refused(path: Path, why: str) -> CheckpointError:
    """Return the error for a file that is not read."""
    return CheckpointError(
        f"{path} is not read: {shown(why)}. Nothing in it was run. Get the file again from those who "
        "published it."
    )


def shown(text: str) -> str:
    """Return words that a foreign file may have chosen, fit for a terminal: short, and steering nothing."""
    short = text if len(text) <= LONGEST_WORDS else f"{text[:LONGEST_WORDS]}..."
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in short)


def check(file: io.BytesIO, path: Path, *, allowed: frozenset[str], what: str = "it") -> None:
    """Refuse a pickle that takes other steps than `allowed`, or takes them without measure."""
    stack: list[int] = []
    kept: dict[int, int] = {}
    for count, (step, argument, _) in enumerate(pickletools.genops(file)):
        if step.name not in allowed:
            raise refused(path, f"{what} takes the step {step.name}, which files of this kind never do")
        if step.name == "PROTO" and argument not in PROTOCOLS:
            raise refused(path, f"{what} has protocol {argument}")
        if count > MOST_STEPS:
            raise refused(path, f"{what} is longer than any file of this kind")
        if step.name in PUTS:
            # The machine keeps a row as long as the largest number: one small step could ask for all memory.
            place = argument if isinstance(argument, int) else len(kept)
            if place > len(kept):
                raise refused(path, f"{what} does not number what it keeps one by one")
            kept[place] = stack[-1]
        elif step.name in GETS:
            stack.append(kept[int(argument or 0)])
        elif _size_after(step, stack) > LARGEST_TUPLE:
            raise refused(path, f"{what} is nested too deeply")


def _size_after(step: pickletools.OpcodeInfo, stack: list[int]) -> int:
    """Take what a step takes from the stack, put down what it leaves there; return the size of that.

    A tuple is as large as all that is in it, with the tuples in it again and again wherever they stand;
    everything else counts one. To use a tuple as a key, Python goes through all of that, and deep inside
    falls over; lists and dicts cannot be keys.
    """
    if step.name == "MARK":
        stack.append(MARKED)
        return 0
    before, items = list(step.stack_before), []
    if pickletools.markobject in before:
        start = len(stack) - 1
        while stack[start] != MARKED:
            start -= 1
            if start < 0:
                raise ValueError("it ends a list that it did not begin")
        items = stack[start + 1 :]
        del stack[start:]
        before = before[: before.index(pickletools.markobject)]
    items += [stack.pop() for _ in before]
    if not step.stack_after:
        return 0
    stack.append(1 + sum(items) if step.name.startswith("TUPLE") else 1)
    return stack[-1]
