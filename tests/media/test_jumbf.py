"""Labelled boxes in boxes."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phiz.media import jumbf

INNER = jumbf.node(b"cbor", "inner", contents=((b"cbor", b"\1\2"),))
OUTER = jumbf.node(b"c2pa", "outer", children=(INNER,))
DATA = jumbf.box(b"jumb", OUTER.body)


def test_there_and_back_with_padding_behind() -> None:
    for padding in (b"", bytes(100)):
        found = jumbf.parse(DATA + padding)
        assert found == OUTER
        assert found.child("inner").content(b"cbor") == b"\1\2"
        assert found.child("inner").body == INNER.body


def test_the_bytes_are_those_of_the_standard() -> None:
    about = b"cbor" + bytes.fromhex("00110010800000aa00389b71") + b"\x03inner\0"
    jumd = (8 + len(about)).to_bytes(4, "big") + b"jumd" + about
    assert INNER.body == jumd + b"\0\0\0\x0acbor\1\2"


def test_what_is_missing_is_said() -> None:
    with pytest.raises(ValueError, match="outer holds no 'other'"):
        OUTER.child("other")
    with pytest.raises(ValueError, match="inner holds no 'json'"):
        INNER.content(b"json")


def test_doubles_and_missing_labels_are_refused() -> None:
    twice = jumbf.node(b"c2pa", "outer", children=(INNER, INNER))
    with pytest.raises(ValueError, match="two boxes of one name"):
        jumbf.parse(jumbf.box(b"jumb", twice.body))
    with pytest.raises(ValueError, match="without a label"):
        jumbf.parse(jumbf.box(b"jumb", jumbf.box(b"cbor", b"")))
    with pytest.raises(ValueError, match="does not begin"):
        jumbf.parse(jumbf.box(b"cbor", b""))


@given(st.integers(0, len(DATA) - 1), st.integers(0, 255))
def test_any_changed_byte_is_read_or_refused(at: int, value: int) -> None:
    with contextlib.suppress(ValueError):
        jumbf.parse(DATA[:at] + bytes([value]) + DATA[at + 1 :])


@given(st.integers(0, len(DATA) - 1))
def test_what_is_cut_short_is_refused(length: int) -> None:
    with pytest.raises(ValueError, match=r"early|longer|begin"):
        jumbf.parse(DATA[:length])
