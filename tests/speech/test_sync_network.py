"""The judge of sound and mouth: a film takes one pass, gradients reach the curves, sides count alike."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from phiz.face.morphable import ARKIT_NAMES
from phiz.speech import sync_network
from phiz.speech.sync_network import BUILTIN, NAMES, TINY, SyncNet, agreement, chosen


def made(config: sync_network.SyncConfig = TINY, seed: int = 0) -> SyncNet:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return SyncNet(config).eval()


def heard(frames: int, seed: int = 1) -> torch.Tensor:
    return torch.randn(1, frames, 1, 80, 16, generator=torch.Generator().manual_seed(seed))


def seen(frames: int, seed: int = 2) -> torch.Tensor:
    return torch.rand(1, frames, len(TINY.names), generator=torch.Generator().manual_seed(seed))


def test_points_lie_on_a_sphere() -> None:
    network = made()
    for points in network(heard(9), seen(9)):
        assert points.shape == (1, 9, TINY.embedding)
        torch.testing.assert_close(points.norm(dim=2), torch.ones(1, 9))


def test_a_piece_of_a_film_has_the_points_of_the_film() -> None:
    network, edge = made(), (TINY.span - 1) // 2
    windows, curves = heard(30), seen(30)
    whole = network(windows, curves)
    part = network(windows[:, 8:22], curves[:, 8:22])
    for one, other in zip(whole, part, strict=True):
        torch.testing.assert_close(other[:, edge:-edge], one[:, 8 + edge : 22 - edge])


def test_a_frame_depends_on_its_span_alone() -> None:
    network, edge = made(), (TINY.span - 1) // 2
    curves = seen(31)
    other = curves.clone()
    other[:, 15] += 1
    apart = (network.mouth(curves) - network.mouth(other)).abs().amax(dim=2)[0]
    assert torch.nonzero(apart).flatten().tolist() == list(range(15 - edge, 16 + edge))


def test_gradients_reach_the_curves() -> None:
    network = made().requires_grad_(False)
    curves = seen(12).requires_grad_(True)
    torch.autograd.backward((1 - agreement(network, heard(12), curves)).mean())
    assert curves.grad is not None
    assert (curves.grad.abs().amax(dim=2) > 0).all()


def test_curves_that_follow_the_gradient_agree_better() -> None:
    network = made().requires_grad_(False)
    windows, curves = heard(12), seen(12).requires_grad_(True)
    before = agreement(network, windows, curves).mean()
    (slope,) = torch.autograd.grad(before, curves)
    assert agreement(network, windows, curves + slope).mean() > before + 1e-4


def test_long_sounds_are_heard_in_pieces_with_the_same_result(monkeypatch: pytest.MonkeyPatch) -> None:
    network = made()
    windows = heard(40)
    with torch.no_grad():
        whole = network.sound(windows)
        monkeypatch.setattr(sync_network, "AT_ONCE", 7)
        torch.testing.assert_close(network.sound(windows), whole)


def test_left_and_right_count_alike() -> None:
    network = made()
    curves = seen(9)
    mirrored = curves[..., [0, 1, 3, 2]]
    assert not torch.equal(mirrored, curves)
    torch.testing.assert_close(network.mouth(mirrored), network.mouth(curves))


def test_looks_of_the_frame_itself_are_heard() -> None:
    network = made()
    windows = heard(9)
    outside = windows.clone()
    outside[..., :6] = outside[..., 10:] = 0
    torch.testing.assert_close(network.sound(outside), network.sound(windows))
    inside = windows.clone()
    inside[..., 6] = 0
    assert not torch.allclose(network.sound(inside), network.sound(windows))


def test_curves_are_chosen_by_name() -> None:
    expression = torch.arange(52.0).expand(3, 52)
    found = chosen(expression, ARKIT_NAMES, BUILTIN)
    assert found[0].tolist() == [ARKIT_NAMES.index(name) for name in NAMES]
    few = chosen(torch.ones(3, 2), ("jawOpen", "browInnerUp"), BUILTIN)
    assert few[0].tolist() == [1.0] + [0.0] * (len(NAMES) - 1)
    with pytest.raises(ValueError, match="none of jawOpen"):
        chosen(torch.ones(3, 1), ("browInnerUp",), BUILTIN)


def test_the_built_in_network_is_small_and_sees_half_a_second() -> None:
    count = sum(p.numel() for p in made(BUILTIN).parameters())
    assert 200_000 < count < 300_000
    assert BUILTIN.span == 13


def test_sizes_that_make_no_sense_are_refused() -> None:
    for wrong in ({"names": ()}, {"names": ("jawOpen", "jawOpen")}, {"looks": 17}, {"reaches": (0,)}):
        with pytest.raises(ValueError, match=r"curve|sizes"):
            replace(TINY, **wrong)
