"""Planes: whole numbers that two ways of counting agree on, and what FFmpeg's scaler would say."""

from __future__ import annotations

import av
import numpy as np
import pytest
import torch
from torch import Tensor

from phiz.media import image, planes


def noise(height: int, width: int) -> Tensor:
    """Return a picture without any order, some of it too dark or too bright."""
    return torch.randn(3, height, width, generator=torch.Generator().manual_seed(0))


def split(picture: Tensor) -> list[Tensor]:
    """Return the planes of a picture without what pads their rows."""
    frame = planes.to_frame(picture)
    rows = [
        np.frombuffer(memoryview(p), np.uint8).reshape(-1, p.line_size)[:, : p.width] for p in frame.planes
    ]
    return [torch.from_numpy(plane.copy()) for plane in rows]


@pytest.mark.parametrize("size", [(1, 1), (2, 2), (3, 5), (31, 45), (64, 48), (5, 200)])
def test_the_compiled_loop_counts_like_plain_torch(size: tuple[int, int]) -> None:
    picture = noise(*size)
    for fast, plain in zip(split(picture), planes.plain_planes(picture), strict=True):
        assert torch.equal(fast, plain)


@pytest.mark.parametrize("size", [(31, 45), (64, 48)])
def test_a_picture_and_its_bytes_have_the_same_planes(size: tuple[int, int]) -> None:
    picture = noise(*size)
    pixels = image.to_bytes(picture)
    for plane, other, plain in zip(split(picture), split(pixels), planes.plain_planes(pixels), strict=True):
        assert torch.equal(plane, other)
        assert torch.equal(plane, plain)


@pytest.mark.parametrize("size", [(16, 16), (64, 48), (256, 130)])
def test_nothing_is_more_than_one_step_away_from_ffmpegs_scaler(size: tuple[int, int]) -> None:
    picture = noise(*size)
    theirs = av.VideoFrame.from_ndarray(image.to_bytes(picture).numpy(), format="rgb24").reformat(
        format="yuv420p", src_color_range=2, dst_colorspace=1, dst_color_range=1
    )
    apart = planes.to_frame(picture).to_ndarray().astype(int) - theirs.to_ndarray()
    assert abs(apart).max() <= 1
    assert abs(apart).mean() < 0.05


def test_greys_have_no_colour_and_fill_the_range_of_television() -> None:
    levels = torch.arange(256, dtype=torch.uint8)
    luma, blueness, redness = split(levels[:, None, None].expand(256, 2, 3))
    assert (blueness == 128).all()
    assert (redness == 128).all()
    assert torch.equal(luma[:, 0], (16 + levels.double() * 219 / 255).round().byte())


@pytest.mark.parametrize(("colour", "place"), [((-1, -1, 1), 1), ((1, -1, -1), 2)])
def test_pure_colours_reach_the_end_of_the_range(colour: tuple[int, ...], place: int) -> None:
    for sign, end in ((1, 240), (-1, 16)):
        flat = torch.tensor(colour, dtype=torch.float32)[:, None, None].expand(3, 4, 4) * sign
        assert (split(flat)[place] == end).all()


def test_what_is_not_a_number_is_black_and_what_is_too_bright_is_white() -> None:
    for value, level in ((float("nan"), 16), (-9.0, 16), (9.0, 235), (float("inf"), 235)):
        assert (split(torch.full((3, 4, 4), value))[0] == level).all()


def test_any_layout_and_precision_will_do_and_nothing_is_written_to() -> None:
    picture = noise(6, 8).clamp(-1, 1)
    kept = picture.clone().requires_grad_()
    for other in (picture.permute(1, 2, 0).contiguous().permute(2, 0, 1), picture.double(), kept):
        for one, two in zip(split(other), split(picture), strict=True):
            assert torch.equal(one, two)
    assert torch.equal(kept, picture)


def test_a_frame_says_which_colours_it_means() -> None:
    frame = planes.to_frame(noise(4, 4))
    assert (frame.format.name, frame.colorspace, frame.color_range) == ("yuv420p", 1, 1)
