"""Points of rendered people lie where their labels say, mirrored or not, and so do those of crops."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import seeing_fixtures
import torch

from phiz.errors import DataError
from phiz.face import landmarks
from phiz.face.landmarks import COUNT, SPARSE
from phiz.face.points import MIRROR_68
from phiz.train import marked_people, photo_changes
from phiz.train.marked_people import MIRRORED, TRUE, CropPlaces, MarkedPeople, open_marked
from phiz.world.data import tars

STILL = CropPlaces(mirror=0.0, turn_deg=0.0, scale=0.0, shift=0.0, nothing=0.0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return seeing_fixtures.write_people(tmp_path_factory.mktemp("people") / "shards", count=3)


@pytest.fixture(scope="module")
def people(folder: Path) -> MarkedPeople:
    return open_marked(folder, remembered=2)


def test_points_are_those_of_the_labels(folder: Path, people: MarkedPeople) -> None:
    for number in range(3):
        path = folder / f"{number // 2:06d}.tar"
        with path.open("rb") as file:
            files = tars.read_sample(file, tars.samples_of(path)[number])
        assert files is not None
        about = json.loads(files["json"])
        found = people.read(number).points[TRUE]
        torch.testing.assert_close(found[:SPARSE], torch.tensor(about["landmarks68"]), atol=0.01, rtol=0)
        torch.testing.assert_close(found[SPARSE:], torch.tensor(about["landmarks478"]), atol=0.01, rtol=0)


def test_in_a_mirror_left_and_right_change_places(people: MarkedPeople) -> None:
    """Mirrored landmarks are the partners' flipped ones, as far as landmarks have exact partners."""
    person = people.read(0)
    width = person.picture.shape[2]
    flipped = person.points[TRUE, list(MIRROR_68)] * torch.tensor([-1.0, 1.0]) + torch.tensor([width, 0.0])
    apart = (person.points[MIRRORED, :SPARSE] - flipped).norm(dim=1)
    reach = float((flipped.amax(0) - flipped.amin(0)).max())
    assert float(apart.median()) < 0.01 * reach
    assert float(apart.max()) < 0.06 * reach


def test_people_stay_in_memory_but_do_not_travel(people: MarkedPeople) -> None:
    assert people.read(1) is people.read(1)
    assert people.__getstate__() == {"portraits": people.portraits, "remembered": 2}


def test_a_crop_shows_what_its_points_say(people: MarkedPeople) -> None:
    """Crops of a marked picture have the mark where the truth says."""
    person = people.read(0)
    size = 64
    dot = torch.zeros_like(person.picture)
    at = person.points[TRUE, 30].round().long()
    dot[:, int(at[1]) - 1 : int(at[1]) + 1, int(at[0]) - 1 : int(at[0]) + 1] = 255
    marked = person._replace(picture=dot)
    places = CropPlaces(mirror=0.5, nothing=0.0)
    for seed in range(6):
        rng = np.random.default_rng(seed)
        one = marked_people.example(marked, places, photo_changes.NONE, size, rng)
        assert one.is_face
        bright = one.picture[0].float()
        total = bright.sum()
        ys, xs = torch.meshgrid(torch.arange(size) + 0.5, torch.arange(size) + 0.5, indexing="ij")
        seen = torch.stack([(bright * xs).sum() / total, (bright * ys).sum() / total])
        mirrored = bool(np.random.default_rng(seed).random() < 0.5)
        if mirrored:
            continue  # the mark of the nose's tip would be another point's
        truth = (one.points[30] + 1) * size / 2
        assert float((seen - truth).norm()) < 2.5


def test_the_mean_face_fills_the_crop_and_right_frames_fit(people: MarkedPeople) -> None:
    mean = marked_people.mean_points()
    assert mean.shape == (COUNT, 2)
    assert 0.6 < float(mean[:SPARSE].abs().max()) < 0.76
    one = marked_people.example(people.read(0), STILL, photo_changes.NONE, 32, np.random.default_rng(0))
    reach = one.points[:SPARSE].amax(0) - one.points[:SPARSE].amin(0)
    assert float(reach.max()) == pytest.approx(2 / landmarks.AROUND, abs=1e-4)


def test_beside_a_face_is_none(people: MarkedPeople) -> None:
    right = landmarks.frame_around(people.read(0).points[TRUE, None, :SPARSE])[0]
    rng = np.random.default_rng(0)
    for _ in range(50):
        frame = marked_people.beside(right, rng)
        into = torch.linalg.inv(torch.cat([right, right.new_tensor([[0, 0, 1]])]))
        away = into[:2] @ torch.cat([frame, frame.new_tensor([[0, 0, 1]])])
        shift, size = float(away[:, 2].norm()), float(torch.linalg.det(away[:, :2]).abs().sqrt())
        assert shift > 1 or not 0.5 < size < 2
    nothing = CropPlaces(nothing=0.999)
    one = marked_people.example(people.read(0), nothing, photo_changes.PHOTO, 32, rng)
    assert not one.is_face


def test_other_heads_are_refused(folder: Path, tmp_path: Path) -> None:
    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    index = json.loads((tmp_path / "index.json").read_text())
    index["recipe"]["head"] = "bfm2009 0000"
    (tmp_path / "index.json").write_text(json.dumps(index))
    with pytest.raises(DataError, match="wear the head 'bfm2009 0000'"):
        open_marked(tmp_path)


def test_places_that_cannot_be_are_refused() -> None:
    with pytest.raises(ValueError, match="no less than nothing"):
        CropPlaces(shift=-1)
    with pytest.raises(ValueError, match="less than 1"):
        CropPlaces(nothing=1.0)
