"""Cuts around a face: where they lie, what they show, and that the way back is exact."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as some
from PIL import Image
from scipy import ndimage
from torch import Tensor

from phiz.errors import MediaError
from phiz.face import align, warp
from phiz.face.align import Crop
from phiz.media import image

FACE = torch.tensor([[70.0, 90.0], [110.0, 88.0], [91.0, 112.0], [75.0, 134.0], [108.0, 132.0]])
"""The five points of a face in a photo of 180 x 220 pixels."""


def clouds(height: int, width: int, seed: int = 0) -> Tensor:
    """Return a soft colourful picture, which resampling can show without loss."""
    coarse = torch.rand(1, 3, 9, 7, generator=torch.Generator().manual_seed(seed)) * 1.6 - 0.8
    return torch.nn.functional.interpolate(coarse, (height, width), mode="bicubic").clamp(-1, 1)[0]


def all_68(five: Tensor = FACE) -> Tensor:
    """Return 68 landmarks whose alignment points are these; the rest lies where nobody looks."""
    marks = torch.zeros(68, 2)
    marks[36:42], marks[42:48] = five[0], five[1]
    marks[30], marks[48], marks[54] = five[2], five[3], five[4]
    return marks


def cut(kind: str, photo: Tensor, face: Tensor = FACE) -> Crop:
    cuts = {
        "ffhq": lambda: align.ffhq(photo, face, 128),
        "recognition": lambda: align.recognition(photo, face),
        "regression": lambda: align.regression(photo, face),
    }
    return cuts[kind]()


@pytest.mark.parametrize("kind", ["ffhq", "recognition", "regression"])
def test_there_and_back_is_exact(kind: str) -> None:
    crop = cut(kind, clouds(220, 180))
    places = torch.rand(50, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64) * 300 - 50
    torch.testing.assert_close(crop.to_photo(crop.to_crop(places)), places, atol=1e-9, rtol=0)
    torch.testing.assert_close(crop.to_crop(crop.to_photo(places)), places, atol=1e-9, rtol=0)


@pytest.mark.parametrize("kind", ["ffhq", "recognition", "regression"])
@pytest.mark.parametrize("shift", [0.0, 55.0, -60.0])
def test_a_crop_shows_the_photo_where_its_map_says(kind: str, shift: float) -> None:
    """Show where each pixel of the photo lies, cut, and compare with the map; in the photo and at edges."""
    height, width = 220, 180
    x = (torch.arange(width) + 0.5) / width * 1.6 - 0.8
    y = (torch.arange(height) + 0.5) / height * 1.6 - 0.8
    photo = torch.stack([x.expand(height, -1), y[:, None].expand(-1, width), torch.zeros(height, width)])
    crop = cut(kind, photo, FACE + shift)
    inside = torch.nn.functional.avg_pool2d(crop.seen[None], 9, 1, 4)[0, 0] > 0.999
    assert inside.float().mean() > 0.2
    rows, columns = inside.nonzero().unbind(1)
    places = crop.to_photo(torch.stack([columns, rows], dim=1).double() + 0.5)
    shown = (crop.picture[:2, rows, columns].T.double() + 0.8) / 1.6 * torch.tensor([width, height])
    is_bytes = kind == "regression"
    allowed = 1.0 if is_bytes else 0.1
    assert (shown - places).abs().max() < allowed


def test_landmarks_come_along() -> None:
    crop = cut("recognition", clouds(220, 180))
    moved = crop.to_crop(FACE)
    assert moved.dtype == FACE.dtype
    assert (moved - 0.5 - torch.tensor(align.RECOGNITION_POINTS)).norm(dim=1).max() < 6


@settings(max_examples=30)
@given(
    angle=some.floats(-3.1, 3.1), size=some.floats(0.05, 20), x=some.floats(-99, 999), y=some.floats(-99, 999)
)
def test_a_face_that_fits_is_brought_exactly_into_place(
    angle: float, size: float, x: float, y: float
) -> None:
    aim = torch.tensor(align.RECOGNITION_POINTS, dtype=torch.float64) + 0.5
    turn = torch.tensor([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]]).double()
    face = aim @ turn.T * size + torch.tensor([x, y], dtype=torch.float64)
    back = warp.invert(align.recognition_frame(face))
    torch.testing.assert_close(warp.apply(back, face), aim, atol=1e-8, rtol=0)


def test_the_similarity_is_the_best_one() -> None:
    face = FACE.double() + torch.rand(5, 2, generator=torch.Generator().manual_seed(2)) * 9
    aim = torch.tensor(align.RECOGNITION_POINTS, dtype=torch.float64) + 0.5
    best = warp.invert(align.recognition_frame(face))
    error = (warp.apply(best, face) - aim).square().sum()
    a, b = best[0, 0], best[1, 0]
    torch.testing.assert_close(best[:, :2], torch.stack([torch.stack([a, -b]), torch.stack([b, a])]))
    for nudge in torch.eye(4, dtype=torch.float64).repeat(2, 1) * torch.tensor([[1e-3]] * 4 + [[-1e-3]] * 4):
        da, db, dx, dy = nudge.tolist()
        other = best + torch.tensor([[da, -db, dx], [db, da, dy]], dtype=torch.float64)
        assert (warp.apply(other, face) - aim).square().sum() > error


def test_many_faces_at_once_are_as_one_by_one() -> None:
    faces = torch.stack([FACE, FACE * 1.3 + 7])
    both = align.recognition_frame(faces)
    torch.testing.assert_close(both[1], align.recognition_frame(faces[1]))


def test_68_landmarks_and_their_five_points_give_the_same_crops() -> None:
    photo = clouds(220, 180)
    for kind in ("ffhq", "recognition", "regression"):
        five, many = cut(kind, photo), cut(kind, photo, all_68())
        assert torch.equal(five.picture, many.picture)


def test_the_ffhq_square_follows_the_eyes_and_the_mouth() -> None:
    """Twice the distance between the eyes, or 1.8 times that to the mouth, to either side."""
    wide = torch.tensor([[50.0, 80.0], [150.0, 80.0], [100.0, 100.0], [90.0, 120.0], [110.0, 120.0]])
    frame = align.ffhq_frame(wide, 100)
    expected = torch.tensor([[4.0, 0, -100], [0, 4.0, 80 + 4 - 200]], dtype=torch.float64)
    torch.testing.assert_close(frame, expected)
    long = torch.tensor([[90.0, 80.0], [110.0, 80.0], [100.0, 120.0], [95.0, 180.0], [105.0, 180.0]])
    assert float(warp.size_of(align.ffhq_frame(long, 100))) == pytest.approx(3.6)


def published_ffhq(pixels: np.ndarray, face: np.ndarray, size: int) -> np.ndarray:
    """Return FFHQ's crop made in four steps with Pillow and SciPy, four times finer than asked for."""
    left, right, _, mouth_left, mouth_right = face - 0.5
    eyes, below = (left + right) / 2, (mouth_left + mouth_right) / 2 - (left + right) / 2
    x = (right - left) + np.array([below[1], -below[0]])
    x *= max(2 * np.hypot(*(right - left)), 1.8 * np.hypot(*below)) / np.hypot(*x)
    y = np.array([-x[1], x[0]])
    middle, side = eyes + 0.1 * below, 2 * np.hypot(*x)
    quad = np.stack([middle - x - y, middle - x + y, middle + x + y, middle + x - y])
    border = max(round(side * 0.1), 3)
    low, high = np.floor(quad.min(0)).astype(int) - border, np.ceil(quad.max(0)).astype(int) + border
    edge = np.array(pixels.shape[1::-1])
    corner = np.maximum(low, 0)
    pixels = pixels[corner[1] : min(high[1], edge[1]), corner[0] : min(high[0], edge[0])].astype(np.float32)
    quad -= corner
    margins = np.concatenate([np.maximum(-low, 0), np.maximum(high - edge, 0)])
    if margins.max() > border - 4:
        margins = np.maximum(margins, round(side * 0.3))
        pixels = np.pad(pixels, (margins[[1, 3]], margins[[0, 2]], (0, 0)), mode="reflect")
        rows, columns = np.ogrid[: pixels.shape[0], : pixels.shape[1]]
        across = np.minimum(columns / margins[0], columns[:, ::-1] / margins[2])
        down = np.minimum(rows / margins[1], rows[::-1] / margins[3])
        beyond = 1 - np.minimum(across, down)[..., None]
        soft = ndimage.gaussian_filter(pixels, [0.02 * side, 0.02 * side, 0])
        pixels = pixels + (soft - pixels) * np.clip(3 * beyond + 1, 0, 1)
        pixels += (np.median(pixels, axis=(0, 1)) - pixels) * np.clip(beyond, 0, 1)
        quad += margins[:2]
    padded = Image.fromarray(np.clip(np.rint(pixels), 0, 255).astype(np.uint8))
    fine = padded.transform(
        (4 * size, 4 * size), Image.Transform.QUAD, (quad + 0.5).ravel(), Image.Resampling.BILINEAR
    )
    return np.asarray(fine.resize((size, size), Image.Resampling.LANCZOS))


@pytest.mark.parametrize("shift", [(0.0, 0.0), (-45.0, 30.0), (60.0, -70.0)])
def test_ffhq_crops_look_like_those_of_the_published_steps(shift: tuple[float, float]) -> None:
    photo = clouds(440, 360)
    face = FACE * 1.4 + 30 + torch.tensor(shift)
    ours = image.to_bytes(align.ffhq(photo, face, 96).picture).numpy().astype(int)
    theirs = published_ffhq(image.to_bytes(photo).numpy(), face.double().numpy(), 96)
    difference = np.abs(ours - theirs)
    assert difference.mean() < 0.8
    assert difference.max() < 8


def test_only_crops_that_reach_an_edge_are_made_up() -> None:
    photo = clouds(900, 900)
    assert align.ffhq(photo, FACE * 2 + 250, 64).seen.min() == 1
    crop = align.ffhq(photo, FACE * 2 - 70, 64)
    assert crop.seen.min() == 0
    assert crop.seen[0, 45, 45] == 1


@pytest.mark.parametrize("kind", ["ffhq", "recognition", "regression"])
@pytest.mark.parametrize("size", [(1, 1), (3, 200), (200, 2)])
def test_tiny_and_thin_photos_are_cut_too(kind: str, size: tuple[int, int]) -> None:
    crop = cut(kind, clouds(*size), FACE - 60)
    assert crop.picture.isfinite().all()
    assert crop.picture.abs().max() <= 1


@pytest.mark.parametrize("kind", ["ffhq", "recognition", "regression"])
@pytest.mark.parametrize("shift", [5000.0, -400.0])
def test_a_face_outside_the_photo_is_refused(kind: str, shift: float) -> None:
    with pytest.raises(MediaError, match="outside its photo of 40 x 50"):
        cut(kind, clouds(50, 40), FACE + shift)


def test_fine_stripes_do_not_alias_unless_asked() -> None:
    stripes = torch.ones(3, 1200, 1200)
    stripes[:, :, ::2] = -1
    face = FACE * 5
    assert align.recognition(stripes, face).picture.abs()[:, 20:90, 20:90].max() < 0.05
    assert align.recognition(stripes, face, is_smooth=False).picture.abs()[:, 20:90, 20:90].max() > 0.5
    assert align.ffhq(stripes, face, 96).picture.abs()[:, 40:60, 40:60].max() < 0.05


def test_shrunk_and_enlarged_regression_crops_are_pillows() -> None:
    photo = clouds(300, 260)
    for factor in (0.4, 1.6):
        face = (FACE - 90) * factor + torch.tensor([130.0, 150.0])
        frame = align.regression_frame(face, 300, 260)
        assert (frame.scale < 1) == (factor == 1.6)
        whole = Image.fromarray(image.to_bytes(photo).numpy()).resize(frame.resized, Image.Resampling.BICUBIC)
        left, top = frame.corner
        expected = np.asarray(whole.crop((left, top, left + 224, top + 224)))
        found = image.to_bytes(align.regression(photo, face).picture).numpy()
        assert np.array_equal(found, expected)


def test_a_tiny_face_in_a_large_photo_costs_no_more_than_its_crop() -> None:
    """Resized as a whole this photo would have ten thousand million pixels."""
    face = (FACE - 90) * 0.01 + 500
    crop = align.regression(clouds(1000, 1000), face)
    assert crop.seen.min() == 1
    torch.testing.assert_close(
        crop.to_photo(torch.tensor([[112.0, 112.0]])), face[None].mean(1), atol=1, rtol=0
    )


@pytest.mark.parametrize("kind", ["ffhq", "recognition", "regression"])
@pytest.mark.parametrize("face", [torch.full((5, 2), 9.0), torch.full((5, 2), math.nan)])
def test_points_that_are_no_face_are_refused(kind: str, face: Tensor) -> None:
    with pytest.raises(MediaError, match="Detect them again"):
        cut(kind, clouds(50, 40), face)


def test_a_strange_number_of_points_is_refused() -> None:
    with pytest.raises(ValueError, match="68 landmarks or 5"):
        align.recognition_frame(torch.zeros(7, 2))
    with pytest.raises(MediaError, match="nothing to cut"):
        align.regression_frame(FACE * 1e5, 30, 30)
