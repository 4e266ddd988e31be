"""CBOR: the examples of the RFC, the way there and back, and nothing that is damaged."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phiz.media import cbor

EXAMPLES: list[tuple[object, str]] = [  # RFC 8949, appendix A
    (0, "00"),
    (23, "17"),
    (24, "1818"),
    (1000, "1903e8"),
    (1000000000000, "1b000000e8d4a51000"),
    (-1, "20"),
    (-1000, "3903e7"),
    (False, "f4"),
    (None, "f6"),
    (b"\1\2\3\4", "4401020304"),
    ("IETF", "6449455446"),
    ("\u00fc", "62c3bc"),
    ([1, [2, 3], [4, 5]], "8301820203820405"),
    ({"a": 1, "b": [2, 3]}, "a26161016162820203"),
    (cbor.Tagged(1, 1363896240), "c11a514b67b0"),
]

PLAIN: Any = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**64), 2**64 - 1)
    | st.binary(max_size=40)
    | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=30) | st.dictionaries(st.text(max_size=5), inner, max_size=30),
    max_leaves=20,
)


@pytest.mark.parametrize(("value", "expected"), EXAMPLES)
def test_examples_of_the_standard(value: object, expected: str) -> None:
    assert cbor.encode(value).hex() == expected
    assert cbor.decode(bytes.fromhex(expected)) == value


@given(PLAIN)
def test_there_and_back(value: object) -> None:
    assert cbor.decode(cbor.encode(value)) == value


@pytest.mark.parametrize(
    "damaged",
    [
        "",  # nothing
        "19 03",  # a number cut short
        "44 01 02",  # bytes cut short
        "00 00",  # something behind
        "9b ff ff ff ff ff ff ff ff",  # a list of more items than bytes
        "9f 01 ff",  # a length that is told later
        "f9 3c 00",  # a float
        "a2 61 61 01 61 61 02",  # a key twice
        "a1 80 01",  # a list as a key
        "61 ff",  # no text
        "f8 20",  # an unknown simple value
        "81" * 40,  # too deep
    ],
)
def test_damaged_data_is_refused(damaged: str) -> None:
    with pytest.raises(ValueError, match=r"early|many|later|twice|key|decode|simple|deeply"):
        cbor.decode(bytes.fromhex(damaged))


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    with contextlib.suppress(ValueError):
        cbor.decode(data)


def test_a_float_is_not_written() -> None:
    with pytest.raises(TypeError):
        cbor.encode(0.5)
    with pytest.raises(ValueError, match="too large"):
        cbor.encode(2**64)
