"""Pieces of work are done once each, on threads of our own; loops see numbers as torch has them."""

from __future__ import annotations

import os
from collections.abc import Iterator

import numpy as np
import pytest
import torch

from phiz.generator import growing_loops, pieces


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
def test_numbers_are_read_and_written_by_their_bits(kind: torch.dtype) -> None:
    x = torch.tensor([0.0, -1.0, 1.00390625, 3e38, -2e-38, 0.1]).to(kind)
    by = pieces.shift(x)
    for number, bits in zip(x.float().tolist(), pieces.bits(x), strict=True):
        assert growing_loops.read(bits, by) == number
        assert growing_loops.write(np.float32(number), by) == bits


@pytest.fixture
def three_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize(("whole", "size", "count"), [(0, 4, 0), (1, 4, 1), (4, 4, 1), (5, 4, 2)])
def test_the_last_piece_may_be_smaller(whole: int, size: int, count: int) -> None:
    assert pieces.pieces(whole, size) == count


@pytest.mark.usefixtures("three_threads")
@pytest.mark.parametrize("count", [0, 1, 2, 20])
def test_every_piece_is_done_once(count: int) -> None:
    seen: list[int] = []
    pieces.share(count, lambda: seen.append)
    assert sorted(seen) == list(range(count))


@pytest.mark.usefixtures("three_threads")
def test_torch_keeps_its_threads_and_gets_one_on_each_of_ours() -> None:
    seen: list[int] = []
    pieces.share(6, lambda: lambda _: seen.append(torch.get_num_threads()))
    assert seen == [1] * 6
    assert torch.get_num_threads() == 3


@pytest.mark.usefixtures("three_threads")
def test_pieces_know_no_gradients_and_the_precision_that_was_asked_for() -> None:
    seen: list[tuple[bool, torch.dtype]] = []

    def piece(_: int) -> None:
        product = torch.mm(torch.ones(2, 2), torch.ones(2, 2))
        seen.append((torch.is_grad_enabled(), product.dtype))

    pieces.share(3, lambda: piece)
    with torch.autocast("cpu", torch.bfloat16):
        pieces.share(3, lambda: piece)
    assert seen == [(False, torch.float32)] * 3 + [(False, torch.bfloat16)] * 3


@pytest.mark.usefixtures("three_threads")
def test_what_was_made_in_inference_mode_can_be_filled() -> None:
    with torch.inference_mode():
        x = torch.zeros(4)
        pieces.share(4, lambda: lambda number: x[number].fill_(number))
    assert x.tolist() == [0, 1, 2, 3]


@pytest.mark.usefixtures("three_threads")
def test_what_goes_wrong_on_a_thread_is_heard_of() -> None:
    def wrong(number: int) -> None:
        raise ValueError(f"piece {number}")

    with pytest.raises(ValueError, match="piece"):
        pieces.share(4, lambda: wrong)


@pytest.mark.usefixtures("three_threads")
def test_a_forked_process_has_threads_of_its_own() -> None:
    pieces.share(3, lambda: lambda _: None)
    child = os.fork()
    if child == 0:
        pieces.share(3, lambda: lambda _: None)
        os._exit(7)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
