"""Words go where they belong, and progress is told when it takes long."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from phiz.console import Console, describe, duration, tabulate


class Screen(io.StringIO):
    """A terminal that remembers."""

    def isatty(self) -> bool:
        return True


class Clock:
    """A clock that moves when told."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def _work(clock: Clock, items: int, seconds: float) -> Iterator[int]:
    for item in range(items):
        yield item
        clock.now += seconds


def _run(console: Console, clock: Clock, items: int, seconds: float) -> None:
    for _ in console.progress(range(items), label="frames"):
        clock.now += seconds


def test_words_go_out_and_warnings_go_aside() -> None:
    output, errors = io.StringIO(), io.StringIO()
    console = Console(output=output, errors=errors)
    console.say("hello")
    console.warn("careful")
    console.complain("no")
    console.result({"a": 1})
    assert output.getvalue() == "hello\n"
    assert errors.getvalue() == "warning: careful\nphiz: no\n"


def test_json_leaves_the_output_to_one_object() -> None:
    output, errors = io.StringIO(), io.StringIO()
    console = Console(json=True, output=output, errors=errors)
    console.say("hello")
    console.table(["a"], [[1]])
    assert list(console.progress([1, 2])) == [1, 2]
    console.result({"path": Path("a/b"), "frames": 3})
    assert json.loads(output.getvalue()) == {"path": str(Path("a/b")), "frames": 3}
    assert errors.getvalue().startswith("hello\n")


def test_results_that_are_not_plain_are_refused() -> None:
    with pytest.raises(TypeError, match="return plain values"):
        Console(json=True, output=io.StringIO()).result({"a": object()})


def test_the_quiet_hear_warnings_only() -> None:
    output, errors, clock = Screen(), Screen(), Clock()
    console = Console(quiet=True, output=output, errors=errors, clock=clock)
    console.say("hello")
    _run(console, clock, 5, 10.0)
    console.warn("careful")
    assert (output.getvalue(), errors.getvalue()) == ("", "warning: careful\n")


def test_short_work_gets_no_bar() -> None:
    errors, clock = Screen(), Clock()
    _run(Console(errors=errors, clock=clock), clock, 10, 0.1)
    assert errors.getvalue() == ""


def test_long_work_gets_a_bar_that_is_wiped_at_the_end() -> None:
    errors, clock = Screen(), Clock()
    _run(Console(errors=errors, clock=clock), clock, 4, 1.0)
    states = errors.getvalue().split("\r")
    assert states[1].startswith("frames [############............] 2/4, 2 s left")
    assert states[-1] == ""
    assert states[-2].strip() == ""


def test_a_bar_is_wiped_before_a_word_and_after_a_failure() -> None:
    output, errors, clock = io.StringIO(), Screen(), Clock()
    console = Console(output=output, errors=errors, clock=clock)
    work = console.progress(range(4))
    for _ in range(2):
        next(work)
        clock.now += 3.0
    assert not errors.getvalue().endswith("\r")
    console.say("word")
    assert errors.getvalue().endswith("\r")
    next(work)
    work.close()  # type: ignore[attr-defined]
    assert errors.getvalue().endswith("\r")


def test_a_log_gets_a_line_now_and_then() -> None:
    errors, clock = io.StringIO(), Clock()
    _run(Console(errors=errors, clock=clock), clock, 25, 1.0)
    lines = errors.getvalue().splitlines()
    assert len(lines) == 2
    assert lines[0] == "frames [#########...............] 10/25, 15 s left"


def test_work_of_unknown_length_tells_its_speed() -> None:
    errors, clock = io.StringIO(), Clock()
    list(Console(errors=errors, clock=clock).progress(_work(clock, 12, 1.0)))
    assert describe("x", 10, None, 5.0) == "x 10, 2 a second"
    assert errors.getvalue().splitlines()[0].endswith("a second")


def test_progress_yields_what_it_was_given_and_stops_where_it_is_left() -> None:
    console = Console(errors=io.StringIO())
    assert list(console.progress(iter("abc"), total=3)) == ["a", "b", "c"]
    source = iter(range(10))
    for item in console.progress(source):
        if item == 3:
            break
    assert next(source) == 4


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (59.6, "1:00"), (185, "3:05"), (7385, "2:03:05")]
)
def test_time_spans_read_well(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_numbers_stand_at_the_right_of_a_table() -> None:
    assert tabulate(["name", "n"], [["a", 1], ["bcdef", 123.456], ["c", 22]]) == [
        "name       n",
        "-----  -----",
        "a          1",
        "bcdef  123.5",
        "c         22",
    ]
    assert tabulate(["is"], [[True], [False]])[2:] == ["yes", " no"]
    assert tabulate(["empty"], []) == ["empty", "-----"]


def test_a_row_that_does_not_fit_its_headers_is_refused() -> None:
    with pytest.raises(ValueError, match="2 cells under 1 headers"):
        tabulate(["a"], [[1, 2]])
