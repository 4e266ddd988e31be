from __future__ import annotations

import numpy as np
import pytest

from phiz.prepare import entries, pictures, survey, variety
from phiz.prepare.problems import shown


def test_a_span_agrees_with_percentiles() -> None:
    values = np.random.default_rng(0).normal(0, 20, 5000)
    histogram = variety.Histogram(-180, 180)
    for value in values:
        histogram.add(float(value))
    low, high = np.percentile(values, [5, 95])
    assert histogram.span() == pytest.approx(high - low, abs=1.0)
    assert variety.Histogram(0, 1).span() is None


def test_deviations_agree_with_numpy() -> None:
    values = np.random.default_rng(1).normal(3, [0.01, 0.5, 2], (400, 3))
    seen = variety.Variety()
    for row in values:
        seen.add_expression(row)
    np.testing.assert_allclose(seen.deviations(), values.std(axis=0), rtol=1e-9)
    assert seen.distinct() == len({tuple(row) for row in np.rint(values / variety.DISTINCT_STEP)})


def test_what_was_not_measured_is_not_judged() -> None:
    measured = variety.Variety().measured()
    assert set(measured.values()) == {None}
    assert variety.judge(measured) == []


def test_light_needs_only_one_way_to_vary() -> None:
    enough = dict.fromkeys(("yaw_span_deg", "pitch_span_deg", "distinct_share", "active_modes"), 90.0)
    for brightness, sideways, kinds in ((0.3, 0.0, []), (0.0, 0.1, []), (0.0, 0.0, ["few lights"])):
        measured = {**enough, "brightness_span": brightness, "sideways_span": sideways}
        assert [problem.kind for problem in variety.judge(measured)] == kinds


def test_a_register_finds_exactly_its_pictures() -> None:
    keys = [f"p/{n}" for n in range(500)]
    register = entries.register(keys)
    assert sorted(place for key in keys if (place := register.place(key)) is not None) == list(range(500))
    assert register.place("p/500") is None
    assert entries.register([]).place("p/1") is None


def test_keys_are_composed_and_names_are_printable() -> None:
    assert survey.key("Zoe\u0308", "00.01.jpg") == "Zo\u00eb/00.01"
    assert shown("a\udcff\nb\u00eb") == "a\\udcff\\nb\u00eb"
    assert pictures.look(pictures.PictureTask(".", ".", (), 8, quick=True)).problems == []
