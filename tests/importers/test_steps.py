"""A walk along the steps of a pickle finds what would make Python fall over, before a step is taken."""

from __future__ import annotations

import io
import pickle
import re
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phiz.errors import CheckpointError
from phiz.importers import steps

NOWHERE = Path("foreign.pkl")
ALL = steps.PLAIN | steps.MAKING
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.binary(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=3), inner, max_size=4)
        | st.tuples(inner, inner)
        | st.sets(st.integers(), max_size=3)
    ),
    max_leaves=20,
)


def _walk(data: bytes, allowed: frozenset[str] = ALL) -> None:
    steps.check(io.BytesIO(data), NOWHERE, allowed=allowed)


@given(values, st.sampled_from([3, 4, 5]))
def test_everything_plain_is_let_through_in_every_protocol(value: object, protocol: int) -> None:
    _walk(pickle.dumps(value, protocol))


@given(st.text(max_size=400))
def test_foreign_words_are_short_and_printable_and_ordinary_ones_unchanged(text: str) -> None:
    found = steps.shown(text)
    assert found.isprintable()
    assert len(found) <= 10 * (steps.LONGEST_WORDS + 3)
    assert found == text or not text.isprintable() or len(text) > steps.LONGEST_WORDS


def test_what_is_shared_is_counted_where_it_is_and_lists_may_be_long() -> None:
    inner = list(range(5000))
    _walk(pickle.dumps([inner] * 300, 4))
    _walk(pickle.dumps({str(n): (n, inner) for n in range(3000)}, 4))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"\x80\x04]r\xff\xff\xff\x7f.", "number what it keeps"),
        (b"\x80\x04]q\x01.", "number what it keeps"),
        (b"\x80\x04})" + b"\x85" * 5000 + b"K\x01s.", "nested too deeply"),
        (b"\x80\x09.", "protocol 9"),
        (b"\x80\x02\x82\x01.", "the step EXT1"),
        (b"\x80\x02\x83\x01\x00.", "the step EXT2"),
        (b"\x80\x02(cos\nsystem\no.", "the step OBJ"),
        (b"\x80\x02(ios\nsystem\n.", "the step INST"),
        (b"\x80\x02Pname\n.", "the step PERSID"),
        (b"\x80\x02NQ.", "the step BINPERSID"),
        (b"\x80\x05\x97.", "the step NEXT_BUFFER"),
        (b"\x80\x04N2.", "the step DUP"),
        (b"\x80\x04NN0.", "the step POP"),
    ],
)
def test_harmful_steps_are_refused_before_any_is_taken(data: bytes, words: str) -> None:
    with pytest.raises(CheckpointError, match=words):
        _walk(data)


def test_a_tuple_of_tuples_over_and_over_is_refused() -> None:
    doubled: tuple[object, ...] = ()
    for _ in range(60):  # to hash it, Python would go through 2 ** 60 tuples
        doubled = (doubled, doubled)
    with pytest.raises(CheckpointError, match="nested too deeply"):
        _walk(pickle.dumps(doubled, 4))


@pytest.mark.parametrize(
    "data", [b"\x80\x04\x86.", b"\x80\x04u.", b"\x80\x04h\x05.", b"\x80\x04t.", b"\x80\x04\x94."]
)
def test_steps_that_take_from_nothing_are_errors_and_not_crashes(data: bytes) -> None:
    with pytest.raises((ValueError, LookupError)):
        _walk(data)


def test_steps_that_make_objects_are_for_those_who_allow_them() -> None:
    data = b"\x80\x04cbuiltins\nint\n)R."
    _walk(data)
    with pytest.raises(CheckpointError, match=re.escape("the step REDUCE")):
        _walk(data, steps.PLAIN)


def test_a_file_without_measure_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "MOST_STEPS", 50)
    with pytest.raises(CheckpointError, match="longer than any"):
        _walk(pickle.dumps(["x"] + [None] * 100, 4))


def test_claims_of_more_than_there_is_are_errors() -> None:
    with pytest.raises(ValueError, match="remain"):
        _walk(b"\x80\x04\x8e" + struct.pack("<Q", 2**40) + b"abc.")
