"""Sets of pictures: what is fitted stays, what changed is fitted anew, what fails stops nothing else."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from face.fit_truth import SIZE, Truth, truth
from torch import Tensor

from phiz.errors import DataError, UsageError
from phiz.face import fit_draw, fit_points, fit_set
from phiz.face.fit import Fit, FitConfig
from phiz.face.fit_points import Landmarks
from phiz.face.fit_set import Some
from phiz.face.head import Head
from phiz.face.models import BUILT_IN
from phiz.media import image

POINTS_ONLY = FitConfig(photo=None)


@pytest.fixture(scope="module")
def one(head: Head) -> Truth:
    return truth(head, 2)


@pytest.fixture
def pictures(tmp_path: Path, one: Truth, head: Head) -> Path:
    """Return a folder of two drawn pictures with their points beside them, in two kinds of files."""
    folder = tmp_path / "pictures"
    drawn, _ = fit_draw.draw(head, one.face, one.camera, SIZE, SIZE)
    (folder / "inner").mkdir(parents=True)
    image.write(folder / "a.png", drawn[0])
    image.write(folder / "inner" / "b.png", drawn[1])
    points = one.seen(1.0)
    fit_points.write(folder / "a.npz", points[:1])
    text = json.dumps({"landmarks": points.xy[1].tolist(), "sigma": points.sigma[1].tolist()})
    (folder / "inner" / "b.json").write_text(text, encoding="utf-8")
    return folder


def _task(pictures: Path, config: FitConfig = POINTS_ONLY) -> Some:
    return Some(
        places=fit_set.places([pictures], pictures.parent / "fits"),
        model=BUILT_IN,
        config=config,
        root=pictures,
    )


def test_a_folder_is_fitted_and_keeps_its_tree(pictures: Path, head: Head) -> None:
    outcomes = fit_set.fit_some(replace(_task(pictures), preview=True))
    assert [one.fate for one in outcomes] == ["fitted", "fitted"]
    assert all(one.agreeing > 0.9 and one.point_error < 2 for one in outcomes)
    fits = pictures.parent / "fits"
    found = Fit.load(fits / "inner" / "b.safetensors")
    assert found.model == head.name
    assert image.read(fits / "a.jpg").shape == (3, SIZE, 2 * SIZE)


def test_what_is_fitted_is_kept_and_what_changed_is_fitted_anew(pictures: Path, one: Truth) -> None:
    task = _task(pictures)
    fit_set.fit_some(task)
    path = task.places[0].output
    before = path.stat().st_mtime_ns
    assert [one.fate for one in fit_set.fit_some(task)] == ["kept", "kept"]
    assert path.stat().st_mtime_ns == before
    moved = one.seen(1.0)[:1]
    fit_points.write(pictures / "a.npz", replace(moved, xy=moved.xy + 3))
    assert [one.fate for one in fit_set.fit_some(task)] == ["fitted", "kept"]
    other = replace(task, config=FitConfig(photo=None, field_of_view_deg=20))
    assert [one.fate for one in fit_set.fit_some(other)] == ["fitted", "fitted"]
    path.write_bytes(b"half a file")
    assert [one.fate for one in fit_set.fit_some(other)] == ["fitted", "kept"]


def test_an_interruption_does_not_show(pictures: Path) -> None:
    task = _task(pictures)
    fit_set.fit_some(task)
    path = task.places[1].output
    whole = path.read_bytes()
    path.unlink()
    fit_set.fit_some(task)
    assert path.read_bytes() == whole


def test_one_bad_picture_stops_no_other(pictures: Path) -> None:
    (pictures / "a.png").write_bytes(b"no picture")
    image.write(pictures / "c.png", torch.zeros(3, 32, 32))
    outcomes = fit_set.fit_some(_task(pictures))
    assert [one.fate for one in outcomes] == ["failed", "failed", "fitted"]
    assert "a.png" in outcomes[0].why
    assert "c.npz" in outcomes[1].why


def test_a_landmarker_finds_the_points_that_no_file_has(pictures: Path, one: Truth) -> None:
    (pictures / "a.npz").unlink()

    class Knowing:
        def find(self, picture: Tensor) -> Landmarks:
            assert picture.shape == (3, SIZE, SIZE)
            return one.seen(1.0)[:1]

    outcomes = fit_set.fit_some(_task(pictures), Knowing())
    assert [one.fate for one in outcomes] == ["fitted", "fitted"]


def test_two_pictures_never_share_a_place(pictures: Path) -> None:
    image.write(pictures / "a.jpg", torch.zeros(3, 32, 32))
    with pytest.raises(UsageError, match="would both be fitted"):
        fit_set.places([pictures], pictures.parent / "fits")


def test_a_folder_without_pictures_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no pictures"):
        fit_set.places([tmp_path], tmp_path / "fits")


def test_points_that_do_not_count_are_too_few(pictures: Path, one: Truth) -> None:
    hidden = replace(one.seen(1.0)[:1], sigma=torch.full((1, 68), torch.inf))
    fit_points.write(pictures / "a.npz", hidden)
    outcomes = fit_set.fit_some(_task(pictures))
    assert outcomes[0].fate == "failed"
    assert "fewer than" in outcomes[0].why
