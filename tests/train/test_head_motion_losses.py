"""The energy score is least for the true distribution: neither its mean nor one draw of it will do."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from phiz.train import head_motion_losses as losses

COUNT, FRAMES = 400, 12


def swings(seed: int, *, amount: float = 1.0, shift: float = 0.0) -> torch.Tensor:
    """Return slow curves of spread `amount`: sines of any phase."""
    phase = 6.2832 * torch.rand(COUNT, 1, 6, generator=torch.Generator().manual_seed(seed))
    clock = torch.arange(FRAMES)[None, :, None] / 3
    return 1.414 * amount * torch.sin(clock + phase) + shift


def score(one: torch.Tensor, other: torch.Tensor) -> float:
    return float(losses.trajectories(one, other, swings(0), (1, 4)))


def test_the_truth_has_the_least_score() -> None:
    best = score(swings(1), swings(2))
    assert best < score(torch.zeros(COUNT, FRAMES, 6), torch.zeros(COUNT, FRAMES, 6))
    assert best < score(swings(1, amount=0.5), swings(2, amount=0.5))
    assert best < score(swings(1, amount=1.6), swings(2, amount=1.6))
    assert best < score(swings(1, shift=0.5), swings(2, shift=0.5))
    assert best < score(swings(1), swings(1))  # always the same movement


def test_speeds_tell_what_poses_hardly_do() -> None:
    jumps = torch.randn(2, COUNT, FRAMES, 6, generator=torch.Generator().manual_seed(3))
    draws, true = (jumps[0], jumps[1]), swings(0)

    def gained(change: Callable[[torch.Tensor], torch.Tensor]) -> float:
        smooth = losses.energy(change(swings(1)), change(swings(2)), change(true), (1, 4))
        return float(losses.energy(change(draws[0]), change(draws[1]), change(true), (1, 4)) - smooth)

    assert gained(losses.speeds) > gained(lambda poses: poses) + 0.1


def test_stretches_overlap_by_half() -> None:
    rows = torch.arange(10.0)[None, :, None]
    found = losses.stretches(rows, 4)
    assert found[0].tolist() == [[0, 1, 2, 3], [2, 3, 4, 5], [4, 5, 6, 7], [6, 7, 8, 9]]
    assert losses.stretches(rows, 1).shape == (1, 10, 1)


def test_stretches_longer_than_a_piece_are_left_out() -> None:
    one, other, true = swings(1), swings(2), swings(0)
    both = losses.energy(one, other, true, (1, 99))
    torch.testing.assert_close(both, losses.energy(one, other, true, (1,)))


def test_equal_draws_have_slopes_without_nan() -> None:
    one = swings(1).requires_grad_(True)
    losses.trajectories(one, one, one.detach(), (1, 4)).backward()
    assert one.grad is not None
    assert one.grad.isfinite().all()


def test_speeds_are_differences() -> None:
    assert losses.speeds(torch.ones(1, 5, 6)).shape == (1, 4, 6)
    assert float(losses.speeds(torch.arange(5.0)[None, :, None].expand(1, 5, 6)).mean()) == pytest.approx(1)


def test_labels_count_only_where_they_are_known() -> None:
    about = torch.zeros(2, 3, 2)
    about[..., 1] = 1.0
    logits = torch.tensor([[-9.0] * 3, [9.0] * 3])
    known = losses.labels_apart(logits, -logits, about, torch.tensor([1.0, 0.0]))
    wrong = losses.labels_apart(logits, -logits, about, torch.tensor([0.0, 1.0]))
    none = losses.labels_apart(logits, -logits, about, torch.zeros(2))
    assert (float(known) < 0.01, float(wrong) > 8, float(none)) == (True, True, 0.0)
