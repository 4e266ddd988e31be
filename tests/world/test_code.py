"""Codes: nearly normal in every number, and whole: kinds come back, equals get equal codes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from plain_head import plain_head

from phiz.world import code, people
from phiz.world.expressions import sample_expression
from phiz.world.grown.hair_styles import STYLES
from phiz.world.people import Person, generator, sample_person

HEAD = plain_head()
NAMES = tuple(STYLES)
LAYOUT = code.code_layout(HEAD, NAMES)


def encoded(person: Person, seed: int = 0, expression: torch.Tensor | None = None) -> torch.Tensor:
    rng = generator(seed, "test of codes")
    made = sample_expression(rng, HEAD.expression_names)
    return code.encode(
        person,
        HEAD,
        NAMES,
        expression=made if expression is None else expression,
        gaze=torch.from_numpy(code.GAZE_SPREAD * people.normal(rng, 2)).float(),
        light=torch.from_numpy(people.normal(rng, 4)).float(),
        fill=rng,
    )


@pytest.fixture(scope="module")
def everybody() -> list[Person]:
    return [sample_person(seed, HEAD, NAMES) for seed in range(500)]


@pytest.fixture(scope="module")
def all_codes(everybody: list[Person]) -> torch.Tensor:
    return torch.stack([encoded(person, seed) for seed, person in enumerate(everybody)])


def test_parts_follow_one_another_and_fill_the_code() -> None:
    at = 0
    for _, start, length in LAYOUT.parts:
        assert start == at
        at += length
    assert at == LAYOUT.size
    assert LAYOUT.size - HEAD.sizes.identity + 70 <= 256


def test_every_number_is_nearly_normal_over_the_world(all_codes: torch.Tensor) -> None:
    assert all_codes.mean(dim=0).abs().max() < 0.25
    spread = all_codes.std(dim=0)
    assert spread.min() > 0.75
    assert spread.max() < 1.3


def test_the_numbers_of_rare_kinds_are_normal_too(all_codes: torch.Tensor) -> None:
    hats = all_codes[:, LAYOUT.where("hat")]
    inside = (hats.abs() < 1).float().mean(dim=0)
    assert (inside - 0.683).abs().max() < 0.08


def test_kinds_come_back(everybody: list[Person], all_codes: torch.Tensor) -> None:
    for person, z in zip(everybody, all_codes, strict=True):
        kinds = code.decode_categories(LAYOUT, z)
        assert kinds["style"] == person.hair.style
        assert (kinds["beard"], kinds["glasses"]) == (person.hair.beard, person.glasses)
        assert (kinds["hat"], kinds["clothing"]) == (person.hat, person.clothing)
        assert (kinds["earrings"] == "yes") == person.earrings
        assert int(kinds["cut"]) == person.number % code.CUTS


def test_plain_normal_numbers_choose_kinds_as_often_as_the_world(everybody: list[Person]) -> None:
    drawn = torch.randn(4000, LAYOUT.size, generator=torch.Generator().manual_seed(1)) + LAYOUT.bias()
    hat = drawn[:, LAYOUT.where("hat")].argmax(dim=1)
    bare = sum(person.hat == "none" for person in everybody) / len(everybody)
    assert abs(float((hat == 0).float().mean()) - bare) < 0.04


def test_biases_agree_with_counting() -> None:
    counts = (90, 5, 3, 2)
    bias = torch.tensor(code.biases(counts))
    drawn = torch.randn(100_000, 4, generator=torch.Generator().manual_seed(2)) + bias
    found = torch.bincount(drawn.argmax(dim=1), minlength=4) / 1000
    assert torch.allclose(found, torch.tensor(counts, dtype=torch.float32), atol=0.5)


def test_equal_counts_need_no_bias() -> None:
    assert code.biases((7, 7, 7)) == pytest.approx((0, 0, 0), abs=1e-3)


def test_shares_undo_normal_numbers() -> None:
    numbers = np.linspace(-4, 4, 33)
    assert np.allclose(code.to_normal(code.to_shares(numbers)), numbers, atol=1e-9)


def test_a_change_of_face_changes_the_expression_only(everybody: list[Person]) -> None:
    rest = torch.zeros(len(HEAD.expression_names))
    smile = rest.clone()
    smile[HEAD.expression_names.index("mouthSmileLeft")] = 0.8
    changed = encoded(everybody[0], 3, rest) != encoded(everybody[0], 3, smile)
    assert changed[LAYOUT.where("expression")].all()
    changed[LAYOUT.where("expression")] = False
    assert not changed.any()


def test_a_darker_skin_has_a_larger_number(everybody: list[Person]) -> None:
    at = LAYOUT.where("skin").start
    found = []
    for melanin in (0.0, 0.3, 0.31, 0.9, 1.0):
        skin = replace(everybody[0].skin, melanin=melanin)
        found.append(float(encoded(replace(everybody[0], skin=skin), 3)[at]))
    assert found == sorted(set(found))


def test_components_hold_nearly_all_of_a_face() -> None:
    rng = generator(9, "other faces")
    faces = np.stack([sample_expression(rng, HEAD.expression_names).double().numpy() for _ in range(300)])
    parts = np.stack([code._components(HEAD.expression_names, face) for face in faces])
    _, mean, axes, spread = code._component_table(HEAD.expression_names)
    raw = code.SQUASH * np.sinh(parts * spread / code.SQUASH)
    back = mean + raw @ np.linalg.pinv(axes)
    lost = np.square(back - faces).mean(axis=0)
    assert np.sqrt(lost).max() < 0.09
    assert lost.sum() < 0.04 * faces.var(axis=0).sum()


def test_an_unknown_part_is_refused() -> None:
    with pytest.raises(ValueError, match="no part 'tail'"):
        LAYOUT.where("tail")
