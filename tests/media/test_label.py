"""The visible label: legible on anything, inside the frame, nowhere else."""

from __future__ import annotations

import pytest
import torch

from phiz.errors import UsageError
from phiz.media.label import Label


@pytest.mark.parametrize("size", [(64, 96), (256, 256), (720, 405)])
@pytest.mark.parametrize("background", [-1.0, 0.0, 1.0])
def test_letters_stand_out_on_any_background(size: tuple[int, int], background: float) -> None:
    shown = Label(*size, "synthetic").apply(torch.full((3, *size), background))
    corner = shown[:, size[0] // 2 :, size[1] // 3 :]
    assert corner.max() > 0.6
    plate = shown[shown != background]
    assert plate.max() - plate.min() > 0.8
    assert shown.abs().max() <= 1


def test_only_the_corner_changes_and_the_frame_given_stays() -> None:
    frame = torch.rand(3, 256, 256, generator=torch.Generator().manual_seed(0))
    before = frame.clone()
    shown = Label(256, 256, "synthetic").apply(frame)
    assert torch.equal(frame, before)
    assert torch.equal(shown[:, :200], frame[:, :200])
    assert torch.equal(shown[:, :, :100], frame[:, :, :100])
    assert (shown != frame).any()


def test_letters_grow_with_the_frame() -> None:
    def height(size: int) -> int:
        shown = Label(size, size, "synthetic").apply(torch.zeros(3, size, size))
        return int((shown != 0).any(dim=2).any(dim=0).sum())

    assert height(512) == pytest.approx(2 * height(256), rel=0.1)


@pytest.mark.parametrize("text", ["", "two\nlines", "a text that is much too long " * 9])
def test_what_cannot_be_drawn_is_said(text: str) -> None:
    with pytest.raises(UsageError, match="--label"):
        Label(128, 128, text)
