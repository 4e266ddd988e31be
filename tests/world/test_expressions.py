"""Faces that people make: named muscles only, both sides, never two opposites at once."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from phiz.face.morphable import ARKIT_NAMES
from phiz.world import expressions
from phiz.world.expressions import MOODS, SHARES, SOUNDS

LOOKS = {**MOODS, **SOUNDS}
NUMBER = {name: k for k, name in enumerate(ARKIT_NAMES)}
DRAWN = torch.stack(
    [expressions.sample_expression(np.random.default_rng(seed), ARKIT_NAMES) for seed in range(2400)]
)


def both(name: str) -> tuple[str, ...]:
    return (name,) if name in NUMBER else (f"{name}Left", f"{name}Right")


@pytest.mark.parametrize("look", LOOKS)
def test_looks_are_made_of_names_that_heads_know(look: str) -> None:
    for name, weight in LOOKS[look].items():
        assert set(both(name)) <= set(ARKIT_NAMES)
        assert 0 < weight <= 1


@pytest.mark.parametrize("look", LOOKS)
def test_a_look_moves_what_it_names_and_nothing_else(look: str) -> None:
    named = {sided for name in LOOKS[look] for sided in both(name)}
    found = expressions.weights(LOOKS[look], ARKIT_NAMES)
    assert {ARKIT_NAMES[k] for k in found.nonzero()[:, 0].tolist()} <= named
    assert found.max() > 0.2


@pytest.mark.parametrize("look", LOOKS)
def test_a_name_without_a_side_moves_both_sides_alike(look: str) -> None:
    found = expressions.weights(LOOKS[look], ARKIT_NAMES)
    for name in LOOKS[look]:
        if len(both(name)) == 2 and not any(other.startswith(name) for other in LOOKS[look] if other != name):
            left, right = (float(found[NUMBER[sided]]) for sided in both(name))
            assert left == right


@pytest.mark.parametrize("look", LOOKS)
def test_a_look_of_no_strength_is_rest_and_a_stronger_one_moves_no_less(look: str) -> None:
    assert expressions.weights(LOOKS[look], ARKIT_NAMES, 0.0).abs().max() == 0
    sums = [float(expressions.weights(LOOKS[look], ARKIT_NAMES, s).sum()) for s in (0.2, 0.5, 0.8)]
    assert sums[0] < sums[1] < sums[2]


def test_weights_follow_the_order_of_the_heads_names() -> None:
    names = ARKIT_NAMES[::-1]
    torch.testing.assert_close(
        expressions.weights(MOODS["smile"], names), expressions.weights(MOODS["smile"], ARKIT_NAMES).flip(0)
    )


@given(st.lists(st.floats(-0.5, 1.5), min_size=len(ARKIT_NAMES), max_size=len(ARKIT_NAMES)))
def test_what_is_possible_is_left_as_it_is(asked: list[float]) -> None:
    found = dict(zip(ARKIT_NAMES, asked, strict=True))
    expressions.limit(found)
    again = dict(found)
    expressions.limit(again)
    assert again == pytest.approx(found, abs=1e-9)


def test_what_one_muscle_does_alone_is_always_possible() -> None:
    lone = set(ARKIT_NAMES) - {"mouthClose", "tongueOut"}  # these need an open jaw
    for name in lone:
        found = dict.fromkeys(ARKIT_NAMES, 0.0) | {name: 0.7}
        expressions.limit(found)
        assert found[name] == 0.7
        assert sum(found.values()) == 0.7


def test_a_shut_mouth_keeps_its_tongue_in_and_a_wide_one_cannot_puff_its_cheeks() -> None:
    shut = dict.fromkeys(ARKIT_NAMES, 0.0) | {"tongueOut": 0.8, "mouthClose": 0.5}
    expressions.limit(shut)
    assert shut["tongueOut"] == shut["mouthClose"] == 0
    wide = dict.fromkeys(ARKIT_NAMES, 0.0) | {"tongueOut": 0.8, "jawOpen": 0.6, "cheekPuff": 1.0}
    expressions.limit(wide)
    assert wide["tongueOut"] == 0.8
    assert wide["cheekPuff"] == 0


def test_drawn_faces_are_possible_and_leave_the_gaze_to_others() -> None:
    assert DRAWN.min() >= 0
    assert DRAWN.max() <= 1
    looks = [k for name, k in NUMBER.items() if name.startswith("eyeLook")]
    assert DRAWN[:, looks].abs().max() == 0


def test_every_muscle_but_those_of_the_gaze_is_used() -> None:
    unused = {ARKIT_NAMES[k] for k in (DRAWN.amax(dim=0) == 0).nonzero()[:, 0].tolist()}
    assert all(name.startswith("eyeLook") for name in unused)


def test_lids_close_and_wink_as_often_as_claimed() -> None:
    left, right = (DRAWN[:, NUMBER[f"eyeBlink{side}"]] for side in ("Left", "Right"))
    assert float(((left > 0.9) != (right > 0.9)).float().mean()) == pytest.approx(expressions.WINK, abs=0.03)
    shut = ((left > 0.9) & (right > 0.9)).float().mean()
    assert float(shut) == pytest.approx(expressions.BLINK * 0.55, abs=0.03)


def test_neither_side_of_the_face_is_favoured() -> None:
    sides = [DRAWN[:, [k for n, k in NUMBER.items() if n.endswith(side)]].sum() for side in ("Left", "Right")]
    assert 0.9 < float(sides[0] / sides[1]) < 1.1


def test_crooked_looks_are_crooked_to_either_side() -> None:
    left, right = (DRAWN[:, NUMBER[f"mouthDimple{side}"]] for side in ("Left", "Right"))
    only_left, only_right = int(((left > 0) & (right == 0)).sum()), int(((right > 0) & (left == 0)).sum())
    assert 0.5 < only_left / only_right < 2


def test_kinds_of_faces_add_up_to_all() -> None:
    assert sum(SHARES.values()) == pytest.approx(1)


def test_a_seed_makes_its_face() -> None:
    again = expressions.sample_expression(np.random.default_rng(11), ARKIT_NAMES)
    assert torch.equal(again, DRAWN[11])
