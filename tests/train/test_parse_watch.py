"""Sheets show what was found beside the truth; measurements are shares that can be right and wrong."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from parse_fixtures import settings, write_faces

from phiz.face.parse import CLASSES_16, CLASSES_19, TINY, Parser
from phiz.train import parse_watch
from phiz.train.labelled_sources import open_source


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_faces(tmp_path_factory.mktemp("people") / "data")


def test_a_perfect_parser_overlaps_fully() -> None:
    counts = torch.diag(torch.tensor([5, 3] + [0] * 17))
    found = parse_watch.numbers(counts, CLASSES_19)
    assert found == {"mean overlap": 1, "right pixels": 1, "overlap/background": 1, "overlap/skin": 1}
    counts[1, 0] = 3
    found = parse_watch.numbers(counts, CLASSES_19)
    assert found["overlap/skin"] == pytest.approx(0.5)
    assert found["right pixels"] == pytest.approx(8 / 11)
    other = parse_watch.numbers(torch.diag(torch.ones(16, dtype=torch.int64)), CLASSES_16)
    assert {"overlap/hair", "overlap/class 7"} <= set(other)


def test_what_is_nowhere_does_not_count_even_if_it_was_found() -> None:
    counts = torch.zeros(19, 19, dtype=torch.int64)
    counts[0, 0], counts[0, 18] = 6, 2  # some background was taken for a hat
    assert parse_watch.numbers(counts, CLASSES_19)["mean overlap"] == pytest.approx(0.75)


def test_measurements_look_at_as_many_pictures_as_asked_for(people: Path) -> None:
    source = open_source(people)
    assert len(list(parse_watch.evenly(source, 3))) == 3
    assert len(list(parse_watch.evenly(source, 99))) == source.count
    found = parse_watch.measure(Parser(TINY), source, 3, torch.device("cpu"))
    assert 0 <= found["mean overlap"] <= 1
    assert 0 <= found["right pixels"] <= 1


def test_a_sheet_has_three_rows(people: Path, tmp_path: Path) -> None:
    config = settings(people, tmp_path)
    parser = Parser(TINY).eval()
    shown = parse_watch.sheet(config, parser, open_source(people), torch.device("cpu"))
    assert shown.shape == (3, 3 * config.crop, parse_watch.SHOWN * config.crop)
    assert (shown.min() >= -1) & (shown.max() <= 1)
    again = parse_watch.sheet(replace(config, seed=1), parser, open_source(people), torch.device("cpu"))
    assert not torch.equal(shown, again)


def test_every_class_has_a_colour_of_its_own() -> None:
    shown = parse_watch.coloured(torch.arange(19, dtype=torch.uint8)[None], 19)[:, 0]
    assert shown[:, 0].tolist() == [-1, -1, -1]
    distance = torch.cdist(shown.T, shown.T) + 10 * torch.eye(19)
    assert float(distance.min()) > 0.1
