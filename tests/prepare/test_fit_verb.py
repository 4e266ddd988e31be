"""``phiz fit``: a set of pictures, from the command line's words to the report."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from face.fit_truth import SIZE, truth

from phiz import options
from phiz.console import Console
from phiz.errors import DataError, UsageError
from phiz.face import fit_draw, fit_points
from phiz.face.fit import Fit
from phiz.face.head import built_in
from phiz.media import image
from phiz.prepare import fit_verb
from phiz.prepare.fit_verb import FitSetConfig

QUIET = Console(quiet=True)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    head = built_in()
    one = truth(head, 3)
    drawn, _ = fit_draw.draw(head, one.face, one.camera, SIZE, SIZE)
    folder = tmp_path / "images" / "0001"
    folder.mkdir(parents=True)
    for k, name in enumerate("abc"):
        image.write(folder / f"{name}.png", drawn[k])
    points = one.seen(1.0)
    fit_points.write(folder / "a.npz", points[:1])
    (tmp_path / "metadata").mkdir()
    entries = {f"0001/{name}": points.xy[k].tolist() for k, name in enumerate("abc") if name != "c"}
    text = json.dumps({"header": {}, "frames": entries})
    (tmp_path / "metadata" / "landmarks.json").write_text(text, encoding="utf-8")
    return tmp_path / "images"


def _config(pictures: Path, *words: str) -> FitSetConfig:
    output = str(pictures.parent / "fits")
    return options.parse(FitSetConfig, [str(pictures), "-o", output, "--workers", "1", *words])


def test_a_data_set_is_fitted_and_reported(pictures: Path) -> None:
    result = fit_verb.fit_verb(_config(pictures, "--no-colours"), QUIET)
    assert (result["fitted"], result["failed"], result["exit_code"]) == (2, 1, DataError.exit_code)
    report = json.loads((pictures.parent / "fits" / fit_verb.REPORT).read_text(encoding="utf-8"))
    assert [one["fate"] for one in report["pictures"]] == ["fitted", "fitted", "failed"]
    assert "0001/c" in report["pictures"][2]["why"]
    again = fit_verb.fit_verb(_config(pictures, "--no-colours"), QUIET)
    assert (again["fitted"], again["kept"]) == (0, 2)


def test_one_picture_is_fitted_with_its_colours(pictures: Path) -> None:
    result = fit_verb.fit_verb(_config(pictures / "0001" / "a.png", "--preview"), QUIET)
    assert "exit_code" not in result
    folder = pictures / "0001" / "fits"
    assert Fit.load(folder / "a.safetensors").colour_error[0] < 0.05
    assert (folder / "a.jpg").is_file()


def test_processes_find_what_one_process_finds(pictures: Path) -> None:
    (pictures / "0001" / "c.png").unlink()
    fit_verb.fit_verb(_config(pictures, "--no-colours", "--batch", "1"), QUIET)
    output = str(pictures.parent / "many")
    words = [str(pictures), "-o", output, "--no-colours", "--batch", "1", "--workers", "2"]
    fit_verb.fit_verb(options.parse(FitSetConfig, words), QUIET)
    for name in "ab":
        file = f"0001/{name}.safetensors"
        one, other = (Fit.load(pictures.parent / folder / file) for folder in ("fits", "many"))
        assert torch.equal(one.face.identity, other.face.identity)


def test_nothing_fitted_is_an_error(tmp_path: Path) -> None:
    image.write(tmp_path / "a.png", torch.zeros(3, 16, 16))
    config = FitSetConfig(pictures=(tmp_path,), output=tmp_path / "fits", workers=1)
    with pytest.raises(DataError, match="none of 1 pictures"):
        fit_verb.fit_verb(config, QUIET)


@pytest.mark.parametrize("words", [["--batch", "0"], ["--workers", "-1"], ["--field-of-view-deg", "200"]])
def test_senseless_settings_are_refused(words: list[str]) -> None:
    with pytest.raises(UsageError):
        options.parse(FitSetConfig, ["a.png", *words])
