"""Points of faces in files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from phiz.errors import DataError, HeadError
from phiz.face import fit_points
from phiz.face.fit_points import Landmarker, Landmarks, evenly
from phiz.face.head import Head

POINTS = [[float(k), 2.0 * k] for k in range(68)]


def _json(path: Path, content: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def test_points_come_back_from_an_archive(tmp_path: Path) -> None:
    points = Landmarks(xy=torch.tensor([POINTS]), sigma=torch.rand(1, 68) + 0.5)
    fit_points.write(tmp_path / "a.npz", points)
    found = fit_points.find_file(tmp_path / "a.jpg")
    assert found == tmp_path / "a.npz"
    again = fit_points.read(found, tmp_path / "a.jpg")
    assert torch.equal(again.xy, points.xy)
    assert torch.equal(again.sigma, points.sigma)


def test_points_of_a_rendered_sample_are_understood(tmp_path: Path) -> None:
    visible = [1.0] * 67 + [0.0]
    path = _json(tmp_path / "a.json", {"landmarks68": POINTS, "landmarks_visible": visible, "identity": 3})
    found = fit_points.read(path, tmp_path / "a.jpg")
    assert found.sigma[0, 67] == torch.inf
    assert (found.sigma[0, :67] == found.sigma[0, 0]).all()


def test_points_of_a_whole_data_set_lie_in_one_file(tmp_path: Path) -> None:
    path = _json(tmp_path / fit_points.SET_FILE, {"header": {}, "frames": {"0001/00002": POINTS}})
    picture = tmp_path / "images" / "0001" / "00002.jpg"
    assert fit_points.find_file(picture) is None
    assert fit_points.find_file(picture, tmp_path) == path
    assert fit_points.read(path, picture).xy[0, 3].tolist() == [3.0, 6.0]
    with pytest.raises(DataError, match="0001/00003"):
        fit_points.read(path, picture.with_stem("00003"))


@pytest.mark.parametrize(
    ("content", "hint"),
    [
        ({"landmarks": POINTS[:5]}, r"\(68, 2\)"),
        ({"points": POINTS}, "no 'landmarks'"),
        ({"landmarks": [*POINTS[:67], ["x", 1]]}, "not numbers"),
        ({"landmarks": [*POINTS[:67], [float("nan"), 1]]}, "not finite"),
        ({"landmarks": POINTS, "sigma": [0.0] * 68}, "positive"),
        ({"landmarks": POINTS, "sigma": [1.0]}, "68 positive"),
        ([POINTS], "no JSON object"),
    ],
)
def test_files_that_make_no_sense_are_refused(tmp_path: Path, content: object, hint: str) -> None:
    path = _json(tmp_path / "a.json", content)
    with pytest.raises(DataError, match=hint):
        fit_points.read(path, tmp_path / "a.jpg")


def test_damaged_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("{", encoding="utf-8")
    with pytest.raises(DataError, match="valid JSON"):
        fit_points.read(tmp_path / "a.json", tmp_path / "a.jpg")
    path = _json(tmp_path / fit_points.SET_FILE, {"frames": 3})
    with pytest.raises(DataError, match="no 'frames'"):
        fit_points.read(path, tmp_path / "a.jpg")


def test_points_in_an_archive_may_be_of_the_dense_layout(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", landmarks478=np.zeros((478, 2), np.float32))
    found = fit_points.read(tmp_path / "a.npz", tmp_path / "a.jpg")
    assert found.counted().isfinite().sum() == fit_points.IRISES


def test_unknown_layouts_are_refused(head: Head) -> None:
    with pytest.raises(HeadError, match="no known layout"):
        evenly(torch.rand(1, 5, 2)).on(head)


def test_uncertainty_grows_with_the_face() -> None:
    xy = torch.rand(1, 68, 2, generator=torch.Generator().manual_seed(0))
    small, large = evenly(xy * 100), evenly(xy * 1000)
    torch.testing.assert_close(large.sigma, 10 * small.sigma)


def test_batches_are_joined_and_cut() -> None:
    one, two = evenly(torch.rand(1, 68, 2)), evenly(torch.rand(2, 68, 2))
    joined = fit_points.join([one, two])
    assert joined.batch == 3
    assert torch.equal(joined[1:].xy, two.xy)
    with pytest.raises(ValueError, match="one layout"):
        fit_points.join([one, evenly(torch.rand(1, 478, 2))])


def test_whoever_finds_points_is_a_landmarker() -> None:
    class Blind:
        def find(self, picture: torch.Tensor) -> Landmarks:
            return evenly(torch.zeros(1, 68, 2))

    assert isinstance(Blind(), Landmarker)


def test_a_file_holds_the_points_of_one_picture(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="one picture"):
        fit_points.write(tmp_path / "a.npz", evenly(torch.rand(2, 68, 2)))
