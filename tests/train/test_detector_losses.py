"""Cells near a face's middle tell of it; losses are least where everything is right."""

from __future__ import annotations

import pytest
import torch

from phiz.face.detect_network import Cells, all_centres
from phiz.train import detector_losses as losses
from phiz.train.crowds import Sort
from phiz.train.detector_losses import EITHER, NONE

SIDE = 128


def faces(*boxes: tuple[float, float, float, float, Sort]) -> tuple[torch.Tensor, torch.Tensor]:
    made = torch.tensor([box[:4] for box in boxes])[None]
    return made, torch.tensor([int(box[4]) for box in boxes])[None]


def test_the_grid_for_its_size_tells_of_a_face() -> None:
    boxes, sorts = faces((40.0, 40.0, 60.0, 60.0, Sort.FACE))
    found = losses.assigned(boxes, sorts, SIDE)[0]
    centres, strides = all_centres(SIDE, SIDE)
    telling = found == 0
    assert telling.any()
    assert set(strides[telling].tolist()) == {8.0}
    assert float((centres[telling] - 50).abs().max()) <= 8
    assert (found[strides == 32] != 0).all()


def test_of_two_faces_the_smaller_is_told_and_others_do_not_matter() -> None:
    boxes, sorts = faces(
        (20.0, 20.0, 100.0, 100.0, Sort.FACE),
        (50.0, 50.0, 70.0, 70.0, Sort.FACE),
        (0, 0, 20, 20, Sort.EITHER),
    )
    found = losses.assigned(boxes, sorts, SIDE)[0]
    centres, strides = all_centres(SIDE, SIDE)
    assert {0, 1, NONE, EITHER} == set(found.tolist())
    near = (strides == 8) & ((centres - 60).abs().amax(1) <= 8)
    assert (found[near] == 1).all()
    either = ((centres - 10).abs().amax(1) < 10) & (strides == 8)
    assert (found[either] == EITHER).all()


def test_losses_are_least_where_all_is_right() -> None:
    boxes, sorts = faces((30.0, 30.0, 90.0, 90.0, Sort.FACE))
    points = torch.tensor([[45.0, 50], [75, 50], [60, 60], [50, 75], [70, 75]])[None, None]
    centres, _ = all_centres(SIDE, SIDE)
    count = len(centres)
    chosen = losses.assigned(boxes, sorts, SIDE)
    right = Cells(
        logits=torch.where(chosen >= 0, 12.0, -12.0),
        boxes=boxes.expand(1, count, 4),
        points=points.expand(1, count, 5, 2),
    )
    found = losses.detector_loss(right, boxes, points, sorts, SIDE)
    assert all(float(value) == pytest.approx(0, abs=1e-4) for value in found.values())
    wrong = Cells(logits=-right.logits, boxes=right.boxes + 5, points=right.points - 4)
    assert all(float(v) > 0.01 for v in losses.detector_loss(wrong, boxes, points, sorts, SIDE).values())


def test_boxes_that_do_not_meet_know_how_far_apart_they_are() -> None:
    one = torch.tensor([[0.0, 0, 10, 10]]).expand(3, 4)
    other = torch.tensor([[0.0, 0, 10, 10], [20, 0, 30, 10], [40, 0, 50, 10]])
    found = losses.generalised_overlap(one, other)
    assert found.tolist() == pytest.approx([1.0, -1 / 3, -3 / 5])


def test_small_errors_count_steeply_and_the_curve_is_whole() -> None:
    edge = torch.tensor([losses.WING - 1e-6, losses.WING + 1e-6])
    below, above = losses.wing(edge).tolist()
    assert below == pytest.approx(above, abs=1e-4)
    assert float(losses.wing(torch.tensor(0.0))) == 0
    assert float(losses.wing(torch.tensor(0.01))) > 2 * 0.01
    assert float(losses.wing(torch.tensor(2.0)) - losses.wing(torch.tensor(1.0))) == pytest.approx(
        1, abs=1e-5
    )


def test_cells_that_are_right_hardly_count() -> None:
    is_face = torch.tensor([[True, True, False]])
    counts = torch.tensor([[True, True, False]])
    sure = losses.focal(torch.tensor([[5.0, 5.0, 9.0]]), is_face, counts)
    unsure = losses.focal(torch.tensor([[0.0, 0.0, 9.0]]), is_face, counts)
    assert float(sure) < 1e-4 * float(unsure)
