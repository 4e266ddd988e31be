"""What all engines have in common: phones that fill the sound, programs that are run, errors that help."""

from __future__ import annotations

import itertools
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phiz.errors import DataError, MissingError
from phiz.world.voices import engines
from phiz.world.voices.engines import Phone

TIMES = st.floats(0, 3)


@given(st.lists(st.tuples(st.sampled_from(["a", "p", ""]), TIMES, TIMES), max_size=8))
def test_filled_phones_cover_all_of_the_time_once(drawn: list[tuple[str, float, float]]) -> None:
    phones = [Phone(symbol=s, start=min(a, b), end=max(a, b)) for s, a, b in drawn]
    whole = engines.filled(phones, 2.5)
    assert whole[0].start == pytest.approx(0, abs=2e-4)
    assert whole[-1].end == pytest.approx(2.5, abs=2e-4)
    for one, other in itertools.pairwise(whole):
        assert other.start == pytest.approx(one.end, abs=2e-4)
        assert one.symbol or other.symbol


def test_gaps_between_phones_become_silence() -> None:
    whole = engines.filled(
        (Phone(symbol="a", start=0.1, end=0.2), Phone(symbol="b", start=0.5, end=0.6)), 1.0
    )
    assert [phone.symbol for phone in whole] == ["", "a", "", "b", ""]


def test_a_program_that_is_not_there_is_named() -> None:
    with pytest.raises(MissingError, match="no-such-synthesiser is not installed"):
        engines.run("no-such-synthesiser", [])


def test_a_program_that_fails_tells_what_it_said() -> None:
    assert (
        engines.run(sys.executable, ["-c", "import sys; sys.stdout.write(sys.stdin.read())"], text=b"a")
        == b"a"
    )
    with pytest.raises(DataError, match=r"exit code 1\): no tongue"):
        engines.run(sys.executable, ["-c", "import sys; sys.exit('no tongue')"])


def test_sixteen_bits_become_numbers_within_one() -> None:
    ends = engines.to_float(np.array([-32768, 0, 32767], np.int16))
    assert ends[0] == -1
    assert ends[1] == 0
    assert 0.999 < ends[2] < 1
