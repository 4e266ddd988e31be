"""The verbs that show the world: a list, a sheet, a film; wrong wishes are refused at once."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from plain_head import plain_head

from phiz.console import Console
from phiz.errors import HeadError, MissingError, UsageError
from phiz.face import models
from phiz.media import image, video
from phiz.world import show
from phiz.world.people import sample_person
from phiz.world.show import PeopleConfig, SheetConfig, TurntableConfig
from phiz.world.surface import Label

SILENT = Console(quiet=True)


@pytest.fixture(scope="module")
def built_in() -> None:
    """Skip what needs the built-in head where this checkout has none yet."""
    try:
        models.open_model(models.BUILT_IN)
    except MissingError as error:
        pytest.skip(str(error))


def test_a_person_is_described_in_plain_words() -> None:
    fact = show.describe(sample_person(3, plain_head(), ("bob",)))
    assert fact["number"] == 3
    assert fact["hair"] == "bob"
    assert fact["skin"] in range(1, 7)


def test_every_label_has_a_colour_of_its_own() -> None:
    assert len(show.LABEL_COLOURS) == len(set(show.LABEL_COLOURS)) == len(Label)
    shown = show.label_picture(torch.tensor([[0, 13]]))
    assert shown[:, 0, 0].tolist() == [-1, -1, -1]
    assert shown.shape == (3, 1, 2)


def test_pictures_stand_in_rows_and_the_rest_is_black() -> None:
    tiles = [torch.full((3, 2, 2), float(k) / 4) for k in range(5)]
    grid = show.arrange(tiles, 3)
    assert grid.shape == (3, 4, 6)
    assert grid[0, 0].tolist() == [0, 0, 0.25, 0.25, 0.5, 0.5]
    assert grid[0, 3].tolist() == [0.75, 0.75, 1, 1, -1, -1]


@pytest.mark.parametrize(
    ("wish", "word"), [({"count": 0}, "0 pictures"), ({"seed": -1}, "--seed"), ({"size": 9}, "--size")]
)
def test_wishes_that_cannot_be_are_refused_with_advice(wish: dict[str, int], word: str) -> None:
    with pytest.raises(UsageError, match=word):
        show.sheet(SheetConfig(**wish), SILENT)


def test_a_sheet_needs_a_column() -> None:
    with pytest.raises(UsageError, match="--columns"):
        show.sheet(SheetConfig(columns=0), SILENT)


def test_a_folder_without_head_data_is_named(tmp_path: Path) -> None:
    with pytest.raises(HeadError, match=r"head\.npz"):
        show.people(PeopleConfig(heads=tmp_path), SILENT)


@pytest.mark.usefixtures("built_in")
def test_the_list_of_people_is_the_same_each_time() -> None:
    first = show.people(PeopleConfig(count=3, seed=5), SILENT)
    assert first == show.people(PeopleConfig(count=3, seed=5), SILENT)
    facts = first["people"]
    assert isinstance(facts, list)
    assert [fact["number"] for fact in facts] == [5, 6, 7]


@pytest.mark.usefixtures("built_in")
def test_a_sheet_with_labels_has_a_row_of_each(tmp_path: Path) -> None:
    output = tmp_path / "sheet.png"
    show.sheet(SheetConfig(output=output, count=1, columns=1, size=32, labels=True), SILENT)
    assert image.read(output).shape == (3, 64, 32)


@pytest.mark.usefixtures("built_in")
def test_a_turntable_is_a_film_with_as_many_frames_as_asked_for(tmp_path: Path) -> None:
    output = tmp_path / "turn.mp4"
    show.turntable(TurntableConfig(output=output, frames=2, size=32), SILENT)
    assert len(list(video.read(output))) == 2
