"""The resampler: nothing moves, nothing aliases, edges are as told."""

from __future__ import annotations

import pytest
import torch
from scipy import ndimage

from phiz.face import warp


def noise(*shape: int) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(0)) * 2 - 1


@pytest.mark.parametrize("is_smooth", [False, True])
def test_the_map_that_changes_nothing_changes_nothing(is_smooth: bool) -> None:
    pictures = noise(2, 3, 12, 17)
    same = warp.scaling(1, 1).expand(2, 2, 3)
    found = warp.sample(pictures, same, (12, 17), is_smooth=is_smooth)
    torch.testing.assert_close(found, pictures, atol=1e-5, rtol=0)


def test_whole_pixels_are_moved_whole_and_beyond_is_the_fill() -> None:
    pictures = noise(1, 1, 6, 8)
    found = warp.sample(pictures, warp.scaling(1, 1, -2, 1)[None], (6, 8), fill=0.25)
    torch.testing.assert_close(found[:, :, :5, 2:], pictures[:, :, 1:, :6], atol=1e-5, rtol=0)
    assert (found[:, :, :, 0] - 0.25).abs().max() < 1e-6
    assert (found[:, :, 5] - 0.25).abs().max() < 1e-6


@pytest.mark.parametrize("factor", [3, 5.5, 17])
def test_shrinking_keeps_the_mean_and_the_place(factor: float) -> None:
    size = 4
    x = (torch.arange(400) + 0.5).expand(1, 1, 400, 400)
    found = warp.sample(x, warp.scaling(factor, factor, 120, 130)[None], (size, size))
    middles = 120 + (torch.arange(size) + 0.5) * factor
    torch.testing.assert_close(found[0, 0], middles.expand(size, size), atol=0.03 * factor, rtol=0)


def test_every_picture_of_a_batch_has_its_own_map() -> None:
    pictures = noise(2, 3, 30, 30)
    maps = torch.stack([warp.scaling(0.5, 0.5, 3, 4), warp.scaling(1.2, 1.1, -2, 1)])
    both = warp.sample(pictures, maps, (9, 11))
    for i in range(2):
        alone = warp.sample(pictures[i : i + 1], maps[i : i + 1], (9, 11))
        assert (both[i] - alone[0]).abs().mean() < 0.15  # the batch's finest map decides the filter for all
    plain = warp.sample(pictures, maps, (9, 11), is_smooth=False)
    torch.testing.assert_close(
        plain[1], warp.sample(pictures[1:], maps[1:], (9, 11), is_smooth=False)[0], atol=1e-5, rtol=0
    )


def test_gradients_reach_the_picture() -> None:
    pictures = noise(1, 1, 6, 5).double().requires_grad_()
    turned = torch.tensor([[[0.9, -0.3, 2.0], [0.3, 0.9, -1.0]]], dtype=torch.float64)

    def sample(pictures: torch.Tensor) -> torch.Tensor:
        return warp.sample(pictures, turned * 2.5, (2, 2))

    assert torch.autograd.gradcheck(sample, (pictures,))


def test_maps_join_and_invert() -> None:
    first = torch.tensor([[0.9, -0.3, 2.0], [0.4, 1.1, -1.0]], dtype=torch.float64)
    second = torch.tensor([[2.0, 0.1, -5.0], [0.0, 0.5, 3.0]], dtype=torch.float64)
    places = noise(7, 2).double()
    torch.testing.assert_close(
        warp.apply(warp.join(first, second), places), warp.apply(first, warp.apply(second, places))
    )
    torch.testing.assert_close(warp.apply(warp.invert(first), warp.apply(first, places)), places)
    assert float(warp.size_of(second)) == pytest.approx(1.0)


def test_what_is_reduced_still_lies_where_its_map_says() -> None:
    x = torch.linspace(0, 1, 400).expand(1, 1, 300, 400)
    frame = warp.scaling(8, 8, 57, 31)[None]
    part, into = warp.reduce(x, frame, (16, 16), margin=2)
    assert part.shape[-1] < 60
    place = warp.apply(into, torch.tensor([[[8.0, 8.0]]], dtype=torch.float64))[0, 0]
    shown = part[0, 0, int(place[1]), int(place[0])]
    assert float(shown) == pytest.approx((57 + 64) / 400, abs=0.005)


def test_grown_pictures_are_mirrored_blurred_and_fade() -> None:
    picture = noise(3, 40, 50)
    grown, seen = warp.extend(picture, (30, 20, 60, 10), 2.0)
    assert grown.shape == (3, 70, 140)
    assert torch.equal(grown[:, 30:50, 45:50], picture[:, 10:30, 15:20])
    assert seen[0, 35, 45] == 1
    assert seen[:, :20].max() == 0
    assert seen[:, :, 80:].max() == 0
    assert grown[:, 0].std(dim=1).max() < 1e-6  # the outermost rows are the median alone


@pytest.mark.parametrize(("blur", "tolerance"), [(1.5, 0.002), (15.0, 0.01)])
def test_the_blur_is_a_gaussian(blur: float, tolerance: float) -> None:
    picture = noise(1, 120, 90)
    found, _ = warp._blurred(picture, blur)
    expected = ndimage.gaussian_filter(picture[0].numpy(), blur, mode="mirror")
    assert abs(found[0].numpy() - expected)[20:-20, 20:-20].max() < tolerance


def test_one_pixel_can_be_grown() -> None:
    grown, seen = warp.extend(torch.full((3, 1, 1), 0.5), (4, 4, 4, 4), 0.5)
    assert (grown - 0.5).abs().max() < 1e-6
    assert seen.shape == (1, 9, 9)
