"""Changed pictures and their labels stay together; what is not asked for does not happen."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from phiz.face.parse import CLASSES_19
from phiz.train import photo_changes, photo_shapes
from phiz.train.labelled_sources import Labelled
from phiz.train.photo_changes import (
    NONE,
    PHOTO,
    PUBLISHED,
    PhotoChanges,
    changed,
    photographed,
    recoloured,
    swapped,
)

SWAP = swapped(CLASSES_19.mirrored)


def picture(height: int = 64, width: int = 64) -> Labelled:
    """Return a picture whose red is its label times ten: they can be compared wherever they go."""
    rows, columns = torch.arange(height)[:, None] * 4 // height, torch.arange(width) * 4 // width
    labels = (rows * 4 + columns).to(torch.uint8)
    image = torch.stack([labels * 10, labels * 0 + 50, labels * 0 + 200])
    return Labelled(image, labels, (labels > 3).to(torch.uint8) * 255)


def done(
    found: Labelled, changes: PhotoChanges, seed: int = 0, size: int = 64, crop: int = 64
) -> tuple[torch.Tensor, torch.Tensor]:
    return changed(found, changes, size=size, crop=crop, swap=SWAP, rng=np.random.default_rng(seed))


def test_nothing_is_changed_if_nothing_is_asked_for() -> None:
    found = picture()
    image, labels = done(found, NONE)
    assert torch.equal(image, found.image)
    assert torch.equal(labels, found.labels)


@pytest.mark.parametrize("scale", [0.5, 0.7, 1.0, 1.3, 2.0])
@pytest.mark.parametrize("turn_deg", [0.0, 40.0])
@pytest.mark.parametrize("mirror", [0.0, 1.0])
def test_labels_go_where_their_pixels_go(scale: float, turn_deg: float, mirror: float) -> None:
    found = picture(96, 128)
    move = replace(NONE, scales=(scale,), turn_deg=turn_deg, mirror=mirror)
    for seed in range(4):
        image, labels = done(found, move, seed, size=128, crop=64)
        true = SWAP[labels.int()] if mirror else labels
        near = (image[0].float() - true.float() * 10).abs() < 3
        assert near.float().mean() > 0.8  # all but the edges between labels, where colours mix
        assert labels.unique().numel() > 1


def test_left_and_right_change_places_in_a_mirrored_picture() -> None:
    found = picture()
    image, labels = done(found, replace(NONE, mirror=1.0))
    assert torch.equal(image, found.image.flip(-1))
    assert torch.equal(labels, SWAP[found.labels.int()].flip(-1))
    assert SWAP[[2, 3, 4, 5, 7, 8, 10]].tolist() == [3, 2, 5, 4, 8, 7, 10]
    assert torch.equal(SWAP[SWAP.int()], torch.arange(256, dtype=torch.uint8))


def test_windows_lie_all_over_a_large_picture() -> None:
    found = picture(128, 128)
    windows = [done(found, NONE, seed, size=128, crop=64)[1] for seed in range(20)]
    assert len({tuple(one.flatten().tolist()) for one in windows}) > 10
    assert set(torch.stack(windows).unique().tolist()) == set(range(16))


def test_small_pictures_are_mirrored_beyond_their_edges() -> None:
    found = picture()
    image, labels = done(found, replace(NONE, scales=(0.5,), turn_deg=1e-9), size=64, crop=64)
    assert labels.unique().numel() == 16
    assert image.shape == (3, 64, 64)


def test_published_windows_are_filled_without_going_beyond_edges() -> None:
    found = picture(64, 64)
    image, labels = done(found, replace(NONE, scales=(0.5,)), size=64, crop=64)
    assert torch.equal(labels, found.labels)
    assert torch.equal(image, found.image)


def test_a_new_background_leaves_the_person_alone() -> None:
    found = picture()
    image, labels = done(found, replace(NONE, background=1.0))
    person = found.alpha > 0
    assert torch.equal(image[:, person], found.image[:, person])
    assert not torch.equal(image[:, ~person], found.image[:, ~person])
    assert torch.equal(labels, found.labels)


def test_what_is_in_front_counts_as_background() -> None:
    found = picture()
    changes = [done(found, replace(NONE, cover=1.0), seed) for seed in range(8)]
    for image, labels in changes:
        is_hidden = (labels == 0) & (found.labels != 0)
        assert torch.equal(labels[~is_hidden], found.labels[~is_hidden])
        differs = (image != found.image).any(0)
        assert (differs & ~is_hidden & (found.labels > 0)).float().mean() < 0.2  # soft edges
    assert any(((labels == 0) & (found.labels != 0)).any() for _, labels in changes)


def test_colours_change_as_published() -> None:
    shown = torch.rand(3, 8, 8, generator=torch.Generator().manual_seed(0))
    weights = torch.tensor([0.299, 0.587, 0.114])[:, None, None]
    torch.testing.assert_close(recoloured(shown, 1.5, 1.0, 1.0), (1.5 * shown).clamp(0, 1))
    middle = (shown * weights).sum(0).mean()
    torch.testing.assert_close(recoloured(shown, 1.0, 0.5, 1.0), middle + 0.5 * (shown - middle))
    grey = (shown * weights).sum(0, keepdim=True)
    torch.testing.assert_close(recoloured(shown, 1.0, 1.0, 0.5), grey + 0.5 * (shown - grey))
    many = [photographed(shown, PUBLISHED, np.random.default_rng(seed)).mean() for seed in range(20)]
    assert 0.1 < float(torch.stack(many).std()) < 0.3


@pytest.mark.parametrize("name", ["grey", "blur", "small", "noise", "jpeg"])
def test_each_change_happens_if_asked_for_and_only_then(name: str) -> None:
    shown = torch.rand(3, 32, 32, generator=torch.Generator().manual_seed(0))
    assert torch.equal(photographed(shown, NONE, np.random.default_rng(0)), shown)
    for seed in range(6):
        after = photographed(shown, replace(NONE, **{name: 1.0}), np.random.default_rng(seed))
        assert after.shape == shown.shape
        assert not torch.equal(after, shown)
        assert after.isfinite().all()
    if name == "grey":
        assert torch.equal(after[0], after[2])


def test_light_changes_in_brightness_and_colour() -> None:
    shown = torch.full((3, 8, 8), 0.5)
    after = [
        photographed(shown, replace(NONE, gamma=0.5, tint=0.2), np.random.default_rng(seed))[:, 0, 0]
        for seed in range(20)
    ]
    assert float(torch.stack(after).std(0).min()) > 0.05
    assert max(float(one.max() - one.min()) for one in after) > 0.05


@pytest.mark.parametrize("changes", [PUBLISHED, PHOTO])
def test_the_same_chance_gives_the_same_picture(changes: PhotoChanges) -> None:
    found = picture()
    ours, theirs, other = done(found, changes, 3), done(found, changes, 3), done(found, changes, 4)
    assert torch.equal(ours[0], theirs[0])
    assert torch.equal(ours[1], theirs[1])
    assert not torch.equal(ours[0], other[0])
    assert ours[0].dtype == ours[1].dtype == torch.uint8


def test_shapes_cover_something_but_not_everything() -> None:
    rng = np.random.default_rng(0)
    for shape in (photo_shapes.box, photo_shapes.ellipse, photo_shapes.fingers, photo_shapes.stripes):
        masks = torch.stack([shape(40, 30, rng) for _ in range(20)])
        assert masks.shape == (20, 1, 40, 30)
        assert (masks.min(), masks.max()) == (0, 1)
        assert 0.01 < float(masks.mean()) < 0.7


def test_clutter_differs_from_picture_to_picture() -> None:
    rng = np.random.default_rng(0)
    many = torch.stack([photo_shapes.clutter(24, 32, rng) for _ in range(10)])
    assert (many.min() >= 0) & (many.max() <= 1)
    assert float(many.mean((1, 2, 3)).std()) > 0.05
    assert float(many.std((2, 3)).mean()) > 0.05


@pytest.mark.parametrize(
    "wrong",
    [{"mirror": 1.5}, {"scales": ()}, {"scales": (0.0,)}, {"jitter": (2.0, 0.0, 0.0)}, {"gamma": -1.0}],
)
def test_changes_that_make_no_sense_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"how often|one size|shares"):
        replace(photo_changes.NONE, **wrong)
