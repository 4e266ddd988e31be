"""Expressions from one head to another."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import scipy.optimize
import torch
from torch import Tensor

from phiz import options
from phiz.console import Console
from phiz.errors import UsageError
from phiz.face import retarget, supplied
from phiz.face.coeffs import Motion, still
from phiz.face.correspond import nearest, similarity
from phiz.face.retarget import RetargetConfig, RetargetVerbConfig
from phiz.face.supplied import SuppliedHead
from phiz.graphics import frames, rotation

EXACT = RetargetConfig(ridge=1e-9, nonnegative=False)


def _random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def _remixed(head: SuppliedHead) -> tuple[SuppliedHead, Tensor]:
    """Return the head with its expression modes turned among themselves, and the turn."""
    count = head.sizes.expression
    turn = torch.linalg.qr(_random(count, count, seed=3))[0]
    other = copy.deepcopy(head)
    other.name = "remix"
    other.expression_names = ()
    other.expression_modes = torch.einsum("ef,fvc->evc", turn, head.expression_modes)
    return other, turn


def _motion(head: SuppliedHead, frames_: int = 20) -> Motion:
    chance = torch.Generator().manual_seed(1)
    return replace(
        still(head.name, head.sizes.expression, frames_),
        expression=torch.rand(frames_, head.sizes.expression, generator=chance),
        rotation=torch.randn(frames_, 3, generator=chance),
        blink=torch.rand(frames_, 2, generator=chance),
    )


def test_between_two_bases_of_the_same_space_the_round_trip_is_exact(miniature: SuppliedHead) -> None:
    other, turn = _remixed(miniature)
    motion = _motion(miniature)
    there = retarget.retarget(motion, miniature, other, EXACT)
    back = retarget.retarget(there, other, miniature, EXACT)
    assert (there.basis, back.basis) == ("remix", "supplied")
    torch.testing.assert_close(there.expression, motion.expression @ turn.T, atol=1e-4, rtol=0)
    torch.testing.assert_close(back.expression, motion.expression, atol=1e-4, rtol=0)


def test_everything_but_the_expression_stays(miniature: SuppliedHead) -> None:
    other, _ = _remixed(miniature)
    motion = _motion(miniature)
    there = retarget.retarget(motion, miniature, other)
    for name in ("rotation", "translation", "gaze", "blink"):
        assert torch.equal(getattr(there, name), getattr(motion, name))
    assert there.fps == motion.fps


def test_where_a_head_stands_how_it_is_turned_and_how_large_it_is_do_not_matter(
    miniature: SuppliedHead,
) -> None:
    other, turn = _remixed(miniature)
    matrix = frames.rigid(
        1.7 * rotation.from_euler(torch.tensor([0.3, -0.5, 0.2])), torch.tensor([1.0, 2.0, 3.0])
    )
    other.mean = frames.transform(matrix, other.mean)
    other.expression_modes = frames.turn(matrix, other.expression_modes)
    way = retarget.between(miniature, other, EXACT)
    expression = _random(5, miniature.sizes.expression)
    torch.testing.assert_close(way(expression), expression @ turn.T, atol=1e-3, rtol=0)


def test_landmarks_alone_are_enough_for_modes_that_they_tell_apart(miniature: SuppliedHead) -> None:
    other, turn = _remixed(miniature)
    way = retarget.between(miniature, other, replace(EXACT, vertex_weight=0.0))
    expression = _random(5, miniature.sizes.expression)
    torch.testing.assert_close(way(expression), expression @ turn.T, atol=1e-3, rtol=0)


def test_equal_names_go_over_as_they_are(miniature: SuppliedHead) -> None:
    order = torch.randperm(miniature.sizes.expression, generator=torch.Generator().manual_seed(0)).tolist()
    other = copy.deepcopy(miniature)
    other.name = "shuffled"
    other.expression_names = tuple(miniature.expression_names[k] for k in order)
    other.expression_modes = 3 * miniature.expression_modes[order]  # the names count, not the sizes
    motion = _motion(miniature)
    there = retarget.retarget(motion, miniature, other)
    assert torch.equal(there.expression, motion.expression[:, order])


def test_what_has_no_namesake_is_matched_by_what_it_does(miniature: SuppliedHead) -> None:
    other = copy.deepcopy(miniature)
    other.name = "renamed"
    other.expression_names = ("jaw_drop", *miniature.expression_names[1:])
    way = retarget.between(miniature, other, replace(EXACT, nonnegative=None))
    assert way.nonnegative
    expression = _motion(miniature).expression
    torch.testing.assert_close(way(expression), expression, atol=1e-4, rtol=0)


def test_named_weights_are_never_negative(miniature: SuppliedHead) -> None:
    other, _ = _remixed(miniature)
    way = retarget.between(other, miniature)
    assert float(way(_random(30, miniature.sizes.expression)).min()) >= 0


def test_the_search_finds_what_scipy_finds() -> None:
    chance = np.random.default_rng(4)
    modes = chance.standard_normal((40, 12)) @ np.diag(np.logspace(0, -2, 12))
    goals = chance.standard_normal((6, 40))
    gram, wish = torch.from_numpy(modes.T @ modes), torch.from_numpy(goals @ modes)
    found = retarget.nonnegative_solve(gram, wish)
    expected = np.stack([scipy.optimize.nnls(modes, goal)[0] for goal in goals])
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-4)


def test_a_stronger_ridge_gives_smaller_weights(miniature: SuppliedHead) -> None:
    other, _ = _remixed(miniature)
    expression = _random(5, miniature.sizes.expression)
    sizes = [
        float(retarget.between(miniature, other, replace(EXACT, ridge=ridge))(expression).norm())
        for ridge in (1e-6, 1e-2, 1.0, 100.0)
    ]
    assert sizes == sorted(sizes, reverse=True)


def test_no_motion_at_all_stays_none(miniature: SuppliedHead) -> None:
    other, _ = _remixed(miniature)
    assert not retarget.between(other, miniature)(torch.zeros(3, miniature.sizes.expression)).any()
    assert len(retarget.between(other, miniature)(torch.zeros(0, miniature.sizes.expression))) == 0


def test_a_motion_of_another_head_is_refused(miniature: SuppliedHead) -> None:
    with pytest.raises(ValueError, match="'remix'"):
        retarget.retarget(replace(_motion(miniature), basis="remix"), miniature, miniature)


def test_a_similarity_is_found_again() -> None:
    matrix = frames.rigid(
        0.4 * rotation.from_euler(torch.tensor([0.3, 1.0, -2.0])), torch.tensor([1.0, -2.0, 0.5])
    )
    points = _random(30, 3)
    torch.testing.assert_close(
        similarity(points, frames.transform(matrix, points)), matrix, atol=1e-5, rtol=0
    )


def test_a_mirror_image_is_not_matched_by_a_mirror() -> None:
    points = _random(30, 3)
    found = similarity(points, points * torch.tensor([-1.0, 1.0, 1.0]))
    assert torch.linalg.det(found[:3, :3]) > 0


def test_every_point_is_nearest_to_itself() -> None:
    points = _random(2500, 3)
    index, away = nearest(points, points)
    assert torch.equal(index, torch.arange(2500))
    assert not away.any()


def test_another_person_gets_the_same_expressions(heads: Path) -> None:
    head = supplied.read(heads)
    other, _ = _remixed(head)
    person = torch.zeros(1, head.sizes.identity)
    person[0, :10] = _random(10, seed=7).clamp(-2, 2)
    other.mean = head.mean + torch.einsum("bi,ivc->vc", person, head.identity_modes)
    config = RetargetConfig(vertices=300)
    chance = torch.Generator().manual_seed(2)
    weights = torch.rand(8, head.sizes.expression, generator=chance)
    weights = weights * (torch.rand(weights.shape, generator=chance) < 0.2)
    back = retarget.between(other, head, config)(retarget.between(head, other, config)(weights))
    wrong = torch.einsum("te,evc->tvc", back - weights, head.expression_modes).norm(dim=-1)
    moved = torch.einsum("te,evc->tvc", weights, head.expression_modes).norm(dim=-1)
    assert wrong.mean() < 0.03 * moved.mean()


def test_the_verb_goes_from_folder_to_folder(
    tmp_path: Path, miniature_folder: Path, miniature: SuppliedHead
) -> None:
    motion = _motion(miniature)
    motion.save(tmp_path / "a.safetensors")
    words = [str(tmp_path / "a.safetensors"), "--from", str(miniature_folder), "--to", str(miniature_folder)]
    words += ["-o", str(tmp_path / "b.safetensors"), "--how.ridge", "0.001"]
    config = options.parse(RetargetVerbConfig, words)
    assert config.how.ridge == 0.001
    assert retarget.retarget_verb(config, Console(quiet=True))["frames"] == 20
    assert torch.equal(Motion.load(tmp_path / "b.safetensors").expression, motion.expression)


def test_the_verb_refuses_a_motion_of_another_head(
    tmp_path: Path, miniature_folder: Path, miniature: SuppliedHead
) -> None:
    replace(_motion(miniature), basis="remix").save(tmp_path / "a.safetensors")
    folder = str(miniature_folder)
    with pytest.raises(UsageError, match="--from"):
        retarget.retarget_verb(
            RetargetVerbConfig(motion=tmp_path / "a.safetensors", from_=folder, to=folder), Console()
        )
