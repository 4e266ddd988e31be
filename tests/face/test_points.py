from __future__ import annotations

import torch

from phiz.face import points


def test_mirroring_twice_gives_each_landmark_back() -> None:
    assert [points.MIRROR_68[points.MIRROR_68[i]] for i in range(68)] == list(range(68))


def test_the_groups_hold_each_landmark_once() -> None:
    groups = (points.JAW, points.RIGHT_BROW, points.LEFT_BROW, points.NOSE, points.RIGHT_EYE)
    rest = (points.LEFT_EYE, points.OUTER_LIPS, points.INNER_LIPS)
    assert sorted(i for group in groups + rest for i in group) == list(range(68))


def test_mirroring_exchanges_the_sides() -> None:
    assert {points.MIRROR_68[i] for i in points.LEFT_EYE} == set(points.RIGHT_EYE)
    assert {points.MIRROR_68[i] for i in points.LEFT_BROW} == set(points.RIGHT_BROW)
    for group in (points.JAW, points.NOSE, points.OUTER_LIPS, points.INNER_LIPS):
        assert {points.MIRROR_68[i] for i in group} == set(group)


def test_the_five_points_are_means_of_their_landmarks() -> None:
    random = torch.Generator().manual_seed(0)
    landmarks = torch.rand(2, 68, 3, generator=random)
    five = points.five_points(landmarks)
    assert five.shape == (2, 5, 3)
    torch.testing.assert_close(five[:, 0], (landmarks[:, 36] + landmarks[:, 39]) / 2)
    torch.testing.assert_close(five[:, 2], landmarks[:, 30])


def test_the_five_points_of_the_mirror_image_are_the_mirrored_ones() -> None:
    random = torch.Generator().manual_seed(1)
    landmarks = torch.rand(68, 2, generator=random)
    mirrored = landmarks[list(points.MIRROR_68)] * torch.tensor([-1.0, 1.0])
    expected = points.five_points(landmarks)[[1, 0, 2, 4, 3]] * torch.tensor([-1.0, 1.0])
    torch.testing.assert_close(points.five_points(mirrored), expected)


def test_facing_points_are_those_of_lids_and_lips() -> None:
    landmarks = torch.zeros(68, 2)
    landmarks[[37, 38], 1], landmarks[[43, 44], 1] = -3.0, -5.0
    assert points.facing(landmarks, points.FACING_LIDS).tolist() == [3, 3, 5, 5]
    landmarks[36:42, 0] += 20.0
    landmarks[42:48, 0] += 60.0
    landmarks[:, 1] = 0
    landmarks[[61, 62, 63], 1] = -10.0
    assert float(points.eyes_apart(landmarks)) == 40
    assert float(points.lips_open(landmarks)) == 0.25
