"""One pass over a picture: cells tell of faces, those that agree become one, small ones get a second look."""

from __future__ import annotations

import pickle
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from phiz.face import detect, detect_network, network_files
from phiz.face.candidates import Detector, FoundFace, search
from phiz.face.detect_draw import drawn
from phiz.face.detect_network import NUMBERS, STRIDES, TINY, DetectConfig, FaceFinder
from phiz.face.network_files import DETECTOR


def network(seed: int = 0) -> FaceFinder:
    with torch.random.fork_rng():
        torch.random.set_rng_state(torch.Generator().manual_seed(seed).get_state())
        made = FaceFinder(TINY).eval()
        made.begin()
    return made


@torch.no_grad()
def test_there_is_a_cell_for_every_stride_of_the_picture() -> None:
    found = network()(torch.rand(2, 3, 64, 96) * 2 - 1)
    count = sum((64 // stride) * (96 // stride) for stride in STRIDES)
    assert found.logits.shape == (2, count)
    assert found.boxes.shape == (2, count, 4)
    assert found.points.shape == (2, count, 5, 2)
    assert (found.boxes[..., 2:] > found.boxes[..., :2]).all()
    assert float(found.logits.sigmoid().mean()) == pytest.approx(detect_network.RARE, abs=0.005)


def test_numbers_are_pixels_about_the_cells() -> None:
    maps = [torch.zeros(1, NUMBERS, 64 // stride, 64 // stride) for stride in STRIDES]
    maps[1][0, 5:7, 2, 1] = torch.tensor([0.25, -0.5])  # the first point of one cell
    found = detect_network.cells(maps)
    centres, strides = detect_network.all_centres(64, 64)
    assert torch.equal((found.boxes[0, :, :2] + found.boxes[0, :, 2:]) / 2, centres)
    assert torch.equal(found.boxes[0, :, 2] - found.boxes[0, :, 0], 2 * detect_network.REACH * strides)
    cell = 64 + 2 * 4 + 1
    expected = torch.tensor([1.5 * 16 + 0.25 * 2 * 16, 2.5 * 16 - 0.5 * 2 * 16])
    assert torch.equal(found.points[0, cell, 0], expected)
    assert torch.equal(found.points[0, cell, 1], centres[cell])


@pytest.mark.parametrize(("height", "width"), [(100, 50), (37, 300), (64, 64)])
def test_a_picture_is_fitted_and_filled_up(height: int, width: int) -> None:
    shown, scale = detect.fitted(torch.full((3, height, width), 0.5), 64)
    assert all(side % detect_network.COARSEST == 0 for side in shown.shape[1:])
    assert max(shown.shape[1:]) == 64
    across, down = (scale * torch.tensor([width, height])).tolist()
    assert max(across, down) == 64
    assert float(shown[0, 0, 0]) == pytest.approx(0.5, abs=1e-6)
    assert bool((shown[:, round(down) :] == 0).all())


def test_cells_that_agree_become_one_face() -> None:
    boxes = torch.tensor([[0.0, 0, 10, 10], [1, 0, 11, 10], [30, 30, 50, 50], [2, 2, 6, 6]])
    points = boxes[:, None, :2].expand(-1, 5, -1)
    scores = torch.tensor([0.9, 0.3, 0.6, 0.5])
    found = detect.blended(boxes, points, scores)
    assert [score for *_, score in found] == pytest.approx([0.9, 0.6])  # the last lies within the first
    assert found[0][0].tolist() == pytest.approx([0.25, 0, 10.25, 10])
    assert found[0][1][0].tolist() == pytest.approx([0.25, 0])


class Rigged(FaceFinder):
    """A network that is sure of one cell of the finest grid, whatever it sees."""

    def __init__(self, config: DetectConfig, logit: float) -> None:
        super().__init__(config)
        self.logit = logit
        self.seen: list[tuple[int, int]] = []

    def forward(self, pictures: Tensor) -> detect_network.Cells:
        self.seen.append((pictures.shape[2], pictures.shape[3]))
        maps = [torch.zeros(1, NUMBERS, pictures.shape[2] // s, pictures.shape[3] // s) for s in STRIDES]
        for one in maps:
            one[:, 0] = -9.0
        maps[0][0, 0, 1, 2] = self.logit
        return detect_network.cells(maps)


def test_places_are_those_of_the_picture_and_doubt_asks_for_a_closer_look() -> None:
    sure = Rigged(TINY, 4.0)
    (face,) = detect.find(sure, torch.zeros(3, 128, 128))
    assert sure.seen == [(64, 64)]
    # cell (1, 2) of stride 8: its middle is (20, 12), 16 pixels to each side; the picture is twice as large
    assert face.box.tolist() == pytest.approx([8, -8, 72, 56])
    unsure = Rigged(TINY, 0.5)
    detect.find(unsure, torch.zeros(3, 128, 128))
    assert unsure.seen == [(64, 64), (128, 128)]
    once = Rigged(replace(TINY, closer=1), 0.5)
    assert len(detect.find(once, torch.zeros(3, 128, 128))) == 1
    assert once.seen == [(64, 64)]


def test_sizes_that_cannot_be_are_refused() -> None:
    with pytest.raises(ValueError, match="has 4 layers"):
        DetectConfig(widths=(8, 8), blocks=(1, 1))
    with pytest.raises(ValueError, match="at least 32 pixels"):
        DetectConfig(side=16)


def test_the_detector_is_one_and_travels_without_its_network() -> None:
    made = detect.built_in()
    assert isinstance(made, Detector)
    if not DETECTOR.built_in.is_file():
        pytest.skip("no built-in detector yet")
    assert made.network.config == network_files.load(DETECTOR).config
    assert len(pickle.dumps(made)) < 1000
    assert 0 < made.smallest(100, 200) < 20


def test_nothing_is_found_in_plain_grey() -> None:
    if not DETECTOR.built_in.is_file():
        pytest.skip("no built-in detector yet")
    found = search(torch.zeros(3, 100, 150), detect.built_in())
    assert found.faces == ()
    assert "150 x 100" in found.looked_for


def test_faces_are_drawn_where_they_are() -> None:
    picture = torch.zeros(3, 60, 80)
    face = FoundFace(box=torch.tensor([20.0, 10, 50, 40]), points=torch.full((5, 2), 30.5), score=0.9)
    shown = drawn(picture, [face, replace(face, box=torch.tensor([-20.0, -20, 200, 200]))])
    assert not torch.equal(shown, picture)
    assert bool((picture == 0).all())
    assert bool((shown[:, 30, 30] != 0).any())
    assert bool((shown[:, 12, 24] == 0).all())
    assert bool((shown[:, 10, 35] != 0).any())
