"""People: the same everywhere for a seed, and as varied as their documentation claims."""

from __future__ import annotations

import dataclasses
import hashlib
from collections import Counter

import numpy as np
import pytest
import torch
from plain_head import plain_head

from phiz.world import people
from phiz.world.grown.hair_styles import STYLES
from phiz.world.people import Person, fitzpatrick, generator, normal, on_another_day, sample_person

HEAD = plain_head()
STYLE_NAMES = tuple(STYLES)


def crowd(count: int = 600) -> list[Person]:
    return [sample_person(seed, HEAD, STYLE_NAMES) for seed in range(count)]


CROWD = crowd()


def fingerprint(person: Person) -> str:
    """Return a digest of every bit of a person."""
    whole = dataclasses.asdict(person)
    whole["identity"] = person.identity.numpy().tobytes().hex()
    return hashlib.sha256(repr(whole).encode()).hexdigest()


def test_the_same_seed_makes_the_same_person_bit_by_bit() -> None:
    assert [fingerprint(p) for p in crowd(20)] == [fingerprint(p) for p in CROWD[:20]]


def test_different_seeds_make_different_people() -> None:
    assert len({fingerprint(p) for p in CROWD}) == len(CROWD)


def test_normal_numbers_are_sums_of_uniform_ones_and_look_normal() -> None:
    drawn = normal(generator(0, "test"), 40_000)
    assert abs(drawn.mean()) < 0.02
    assert abs(drawn.std() - 1) < 0.02
    assert np.abs(drawn).max() < 6


def test_streams_for_different_purposes_do_not_repeat_each_other() -> None:
    assert not np.array_equal(generator(5, "one").random(4), generator(5, "two").random(4))


def test_identity_stays_within_its_limit_and_spreads() -> None:
    identity = torch.stack([p.identity for p in CROWD])
    assert identity.abs().max() <= people.IDENTITY_LIMIT
    assert 0.74 < identity.std() < 0.86


@pytest.mark.parametrize("style", STYLE_NAMES)
def test_every_hair_style_is_worn_by_somebody(style: str) -> None:
    assert any(p.hair.style == style for p in CROWD[:500])


def test_all_six_skin_types_are_about_equally_common() -> None:
    found = Counter(fitzpatrick(p.skin) for p in CROWD)
    assert set(found) == {1, 2, 3, 4, 5, 6}
    assert min(found.values()) > len(CROWD) / 12


def test_everything_that_can_be_worn_is_worn() -> None:
    assert {p.glasses for p in CROWD} == {"none", *people.GLASSES}
    assert {p.hat for p in CROWD} == {"none", *people.HATS}
    assert {p.clothing for p in CROWD} == set(people.CLOTHES)
    assert {p.hair.beard for p in CROWD} == {"none", *people.BEARDS}


def test_about_a_quarter_wear_glasses_and_a_twelfth_hats() -> None:
    assert 0.18 < np.mean([p.glasses != "none" for p in CROWD]) < 0.32
    assert 0.04 < np.mean([p.hat != "none" for p in CROWD]) < 0.13


def test_grey_hair_comes_with_age() -> None:
    old = [p.hair.grey for p in CROWD if p.skin.age > 0.6]
    young = [p.hair.grey for p in CROWD if p.skin.age < 0.3]
    assert np.mean(old) > np.mean(young) + 0.2


def test_dark_skin_comes_mostly_with_dark_hair_and_never_has_fewer_colours_than_one() -> None:
    natural = [p for p in CROWD if p.hair.grey == 0]
    dark = [max(p.hair.colour) for p in natural if p.skin.melanin > 0.7]
    fair = [max(p.hair.colour) for p in natural if p.skin.melanin < 0.2]
    assert np.median(dark) < np.median(fair) / 2
    assert len(set(dark)) > 10


def test_all_colours_are_colours() -> None:
    for p in CROWD:
        for colour in (p.skin.lip_colour, p.eyes.colour, p.eyes.inner, p.hair.colour, p.cloth_colour):
            assert all(0 <= channel <= 1 for channel in colour)


def test_nobody_can_be_made_without_a_hair_style_to_choose_from() -> None:
    with pytest.raises(ValueError, match="hair style"):
        sample_person(0, HEAD, ())


def test_an_unknown_hair_style_is_as_welcome_as_any() -> None:
    found = Counter(sample_person(seed, HEAD, ("none", "beehive")).hair.style for seed in range(60))
    assert found["beehive"] > 10


def test_on_another_day_somebody_has_the_same_bones_and_other_clothes() -> None:
    person = sample_person(3, HEAD, STYLE_NAMES)
    days = [on_another_day(person, 100 + day, HEAD, STYLE_NAMES) for day in range(40)]
    for day in days:
        assert (day.number, day.eyes) == (person.number, person.eyes)
        assert torch.equal(day.identity, person.identity)
        assert (day.skin.melanin, day.skin.age, day.skin.seed) == (
            person.skin.melanin,
            person.skin.age,
            person.skin.seed,
        )
        assert day.hair.brow_density == person.hair.brow_density
    assert len({day.hair.style for day in days}) > 5
    assert len({day.glasses for day in days}) > 1
    assert len({day.clothing for day in days}) > 3
    same_colour = sum(day.hair.colour == person.hair.colour for day in days)
    assert 20 < same_colour < 40
    assert fingerprint(on_another_day(person, 5, HEAD, STYLE_NAMES)) == fingerprint(
        on_another_day(person, 5, HEAD, STYLE_NAMES)
    )
