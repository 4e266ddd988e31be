"""Stages: order, errors, ends and room, as a plain loop would have them, with work that overlaps."""

from __future__ import annotations

import os
import signal
import threading
import time
import traceback
import weakref
from collections.abc import Iterator
from contextlib import closing

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from phiz.media import stages

WAIT_S = 10.0  # much more than anything here takes


def threads() -> int:
    """Return how many threads of ours run."""
    return sum(thread.name.startswith("phiz-stage") for thread in threading.enumerate())


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    yield
    assert threads() == 0


def counting(made: list[int], closed: threading.Event | None = None) -> Iterator[int]:
    """Yield numbers without an end, and write down each that was asked for."""
    try:
        while True:
            made.append(len(made))
            yield made[-1]
    finally:
        if closed is not None:
            closed.set()


def settled(made: list[int], count: int) -> int:
    """Return how many were made, once there are `count` and time for one more has passed."""
    end = time.monotonic() + WAIT_S
    while len(made) < count and time.monotonic() < end:
        time.sleep(0.001)
    time.sleep(0.02)
    return len(made)


@given(st.lists(st.integers(), max_size=30), st.integers(1, 4), st.integers(1, 3))
def test_stages_change_nothing(items: list[int], depth: int, workers: int) -> None:
    assert list(stages.ahead(iter(items), depth)) == items
    doubled = [2 * item for item in items]
    assert list(stages.mapped(lambda item: 2 * item, items, workers=workers, depth=depth)) == doubled


def test_results_keep_their_order_when_later_ones_are_done_first() -> None:
    second_is_done = threading.Event()

    def work(item: int) -> int:
        if item == 0:
            assert second_is_done.wait(WAIT_S)
        if item == 1:
            second_is_done.set()
        return item

    assert list(stages.mapped(work, range(6), workers=2)) == list(range(6))


@pytest.mark.parametrize("depth", [1, 3])
def test_no_more_items_wait_than_there_is_room_for(depth: int) -> None:
    made: list[int] = []
    items = stages.ahead(counting(made), depth)
    assert threads() == 0
    assert next(items) == 0
    assert settled(made, 1 + depth) == 1 + depth
    assert next(items) == 1
    assert settled(made, 2 + depth) == 2 + depth
    items.close()


def test_no_more_results_wait_than_there_is_room_for() -> None:
    made: list[int] = []
    results = stages.mapped(lambda item: item, counting(made), workers=2, depth=3)
    assert next(results) == 0
    assert settled(made, 3) == 3
    results.close()


def test_the_next_item_is_made_while_this_one_is_used() -> None:
    made: list[int] = []
    for number in stages.ahead(counting(made), 1):
        assert settled(made, number + 2) == number + 2
        if number == 3:
            break


def failing() -> Iterator[int]:
    yield 1
    raise RuntimeError("the painter fell")


@pytest.mark.parametrize("inner", [False, True])
def test_an_error_comes_out_behind_the_items_with_the_place_where_it_happened(inner: bool) -> None:
    items = stages.ahead(failing(), 4)
    if inner:
        items = stages.ahead((2 * item for item in items), 2)
    assert next(items) == (2 if inner else 1)
    with pytest.raises(RuntimeError, match="painter") as caught:
        next(items)
    assert "failing" in [frame.name for frame in traceback.extract_tb(caught.tb)]


def test_an_error_of_a_worker_comes_out_in_its_place() -> None:
    def work(item: int) -> int:
        return 6 // (2 - item)

    results = stages.mapped(work, range(5), workers=2)
    assert [next(results), next(results)] == [3, 6]
    with pytest.raises(ZeroDivisionError) as caught:
        next(results)
    assert "work" in [frame.name for frame in traceback.extract_tb(caught.tb)]


@pytest.mark.parametrize("kind", [KeyboardInterrupt, ValueError])
def test_an_error_downstream_ends_every_stage(kind: type[BaseException]) -> None:
    made: list[int] = []
    closed = threading.Event()
    first = stages.ahead(counting(made, closed), 2)
    second = stages.mapped(lambda item: item + 1, first, workers=2)
    third = stages.ahead(second, 2)

    def use() -> None:
        with closing(third):
            for item in third:
                if item == 5:
                    raise kind

    with pytest.raises(kind):
        use()
    assert threads() == 0
    assert closed.is_set()


def test_ctrl_c_ends_a_stage_that_is_waited_for() -> None:
    def slow() -> Iterator[int]:
        yield 0
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.05)
        yield 1

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        items = stages.ahead(slow(), 1)
        next(items)
        with pytest.raises(KeyboardInterrupt):
            next(items)
        assert threads() == 0
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_stage_that_is_forgotten_ends_by_itself() -> None:
    made: list[int] = []
    next(stages.ahead(counting(made), 2))
    assert threads() == 0


def test_a_stage_that_nobody_asks_never_begins() -> None:
    made: list[int] = []
    stages.ahead(counting(made), 2)
    assert made == []


def test_items_that_were_taken_are_not_kept() -> None:
    items = stages.ahead((torch.zeros(1) for _ in range(3)), 1)
    first = weakref.ref(next(items))
    next(items)
    assert first() is None
    items.close()


def settings() -> tuple[object, ...]:
    return (
        torch.is_grad_enabled(),
        torch.is_inference_mode_enabled(),
        torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else None,
        torch.get_num_threads(),
    )


@pytest.mark.parametrize("mode", [torch.no_grad, torch.enable_grad, torch.inference_mode])
def test_torch_behaves_as_where_the_items_are_asked_for(mode: type[torch.no_grad]) -> None:
    threads_before = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        with mode(), torch.autocast("cpu", torch.float16, enabled=mode is torch.no_grad):
            here = settings()
            assert next(stages.ahead((settings() for _ in range(1)), 1)) == here
            assert next(stages.ahead(stages.ahead((settings() for _ in range(1)), 1), 1)) == here
            worked = list(stages.mapped(lambda _: settings(), range(4), workers=3))
        assert worked == [(*here[:-1], 1)] * 4  # three workers share three threads
        assert torch.get_num_threads() == 3
        fresh: list[int] = []
        other = threading.Thread(target=lambda: fresh.append(torch.get_num_threads()))
        other.start()
        other.join()
        assert fresh == [3]
    finally:
        torch.set_num_threads(threads_before)


@pytest.mark.parametrize(("workers", "depth"), [(0, 2), (2, 0)])
def test_a_stage_without_room_is_refused_at_once(workers: int, depth: int) -> None:
    with pytest.raises(ValueError, match="at least"):
        stages.mapped(abs, [1], workers=workers, depth=depth)
    with pytest.raises(ValueError, match="at least"):
        stages.ahead([1], 0)
