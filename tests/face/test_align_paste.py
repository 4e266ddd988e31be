"""Edited crops return into their photos without a seam, at any size and over any edge."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from phiz.face import align, paste
from phiz.face.align import Crop

FACE = torch.tensor([[70.0, 90.0], [110.0, 88.0], [91.0, 112.0], [75.0, 134.0], [108.0, 132.0]])


def clouds(height: int, width: int) -> Tensor:
    coarse = torch.rand(1, 3, 9, 7, generator=torch.Generator().manual_seed(0)) * 1.6 - 0.8
    return torch.nn.functional.interpolate(coarse, (height, width), mode="bicubic").clamp(-1, 1)[0]


def crops(photo: Tensor, shift: float = 0.0) -> dict[str, Crop]:
    face = FACE + shift
    return {
        "ffhq": align.ffhq(photo, face, 256),
        "recognition": align.recognition(photo, face),
        "regression": align.regression(photo, face),
    }


@pytest.mark.parametrize("shift", [0.0, 60.0, -65.0])
def test_an_untouched_crop_leaves_the_photo_alone(shift: float) -> None:
    photo = clouds(220, 180)
    for kind, crop in crops(photo, shift).items():
        pasted = paste.paste(photo, crop, crop.picture)
        difference = (pasted - photo).abs()
        assert difference.mean() < 0.002, kind
        assert difference.max() < (0.02 if shift == 0 or kind == "ffhq" else 0.15), kind


@pytest.mark.parametrize("shift", [0.0, 60.0, -65.0])
def test_as_a_retouch_an_untouched_crop_changes_no_bit(shift: float) -> None:
    photo = torch.rand(3, 220, 180, generator=torch.Generator().manual_seed(3)) * 2 - 1
    for crop in crops(photo, shift).values():
        assert torch.equal(paste.paste(photo, crop, crop.picture, is_retouch=True), photo)


def test_an_edit_shows_in_the_middle_and_nowhere_outside() -> None:
    photo = clouds(220, 180)
    for crop in crops(photo).values():
        pasted = paste.paste(photo, crop, torch.ones_like(crop.picture))
        middle = crop.to_photo(torch.full((1, 2), crop.picture.shape[-1] / 2.0))[0].long()
        assert (pasted[:, middle[1], middle[0]] - 1).abs().max() < 1e-5
    crop = crops(photo)["recognition"]
    pasted = paste.paste(photo, crop, torch.ones_like(crop.picture))
    rows, columns = torch.meshgrid(torch.arange(220) + 0.5, torch.arange(180) + 0.5, indexing="ij")
    places = crop.to_crop(torch.stack([columns, rows], dim=-1).reshape(-1, 2))
    outside = ((places < -1) | (places > 113)).any(dim=1).reshape(220, 180)
    assert outside.any()
    assert torch.equal(pasted[:, outside], photo[:, outside])


def test_the_seam_is_soft() -> None:
    photo = torch.full((3, 220, 180), -1.0)
    crop = crops(photo)["recognition"]
    pasted = paste.paste(photo, crop, torch.ones(3, 112, 112))
    steps = torch.cat([pasted.diff(dim=1).flatten(), pasted.diff(dim=2).flatten()]).abs()
    assert pasted.max() == 1
    assert steps.max() < 0.6
    hard = paste.paste(photo, crop, torch.ones(3, 112, 112), feather=0.0)
    assert hard.diff(dim=1).abs().max() > 1


def test_what_the_crop_made_up_is_not_pasted() -> None:
    photo = clouds(220, 180)
    crop = align.ffhq(photo, FACE - 65, 512)
    assert crop.seen.min() == 0
    pasted = paste.paste(photo, crop, torch.ones_like(crop.picture))
    assert (pasted - photo)[:, 0].abs().max() < 0.15  # blurred there, so the photo's own edge stays
    assert (pasted - photo)[:, 30, 30].abs().max() > 0.5


def test_a_crop_over_an_edge_is_pasted_up_to_the_edge() -> None:
    photo = clouds(220, 180)
    crop = align.recognition(photo, FACE - torch.tensor([85.0, 0.0]))
    pasted = paste.paste(photo, crop, torch.ones_like(crop.picture))
    assert (pasted[:, 112, 0] - 1).abs().max() < 1e-5


@pytest.mark.parametrize("size", [64, 112, 300])
def test_edits_of_other_sizes_land_in_the_same_place(size: int) -> None:
    photo = clouds(220, 180)
    crop = crops(photo)["recognition"]
    edited = torch.nn.functional.interpolate(
        crop.picture[None], (size, size), mode="bicubic", antialias=True
    )[0]
    assert (paste.paste(photo, crop, edited) - photo).abs().max() < 0.03
    assert (paste.paste(photo, crop, edited, is_retouch=True) - photo).abs().max() < 0.05


def test_a_mask_keeps_the_rest() -> None:
    photo = clouds(220, 180)
    crop = crops(photo)["recognition"]
    mask = torch.zeros(1, 112, 112)
    assert torch.equal(paste.paste(photo, crop, torch.ones(3, 112, 112), mask=mask), photo)
    mask[:, 50:60, 50:60] = 1
    changed = (paste.paste(photo, crop, torch.ones(3, 112, 112), mask=mask) != photo).any(dim=0)
    assert 0 < int(changed.sum()) < 900


def test_the_photo_itself_is_never_changed() -> None:
    photo = clouds(220, 180)
    before = photo.clone()
    crop = crops(photo)["ffhq"]
    paste.paste(photo, crop, torch.ones_like(crop.picture))
    assert torch.equal(photo, before)


def test_a_crop_of_another_photo_changes_nothing() -> None:
    crop = align.recognition(clouds(220, 180), FACE)
    photo = clouds(20, 20)
    assert torch.equal(paste.paste(photo, crop, torch.ones(3, 112, 112)), photo)


def test_feathers_rise_from_zero_to_one() -> None:
    mask = paste.feathered(100, 0.1)
    assert mask[0, 50, 50] == 1
    assert float(mask[0, 0, 0]) < 1e-3
    assert (mask[0, 50, :11].diff() >= 0).all()
