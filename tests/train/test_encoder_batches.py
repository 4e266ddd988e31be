"""Batches hold what is seen and what is true; changes are by chance, and the truth stays as it is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from phiz.avatar.encoder_network import resized
from phiz.train import encoder_batches, photo_changes
from phiz.train.encoder_batches import batch_of, changed, joined, moved, sitting
from phiz.train.encoder_config import CHANGES, FrameChanges
from phiz.train.encoder_samples import Samples, Subjects, chance_of
from phiz.train.sitters import Sitters

STILL = FrameChanges(shift=0.0, scale=0.0, turn_deg=0.0)
SIZE = 32


def _samples(count: int = 4) -> Samples:
    chance = torch.Generator().manual_seed(0)
    layers = torch.randint(0, 256, (count, 4, SIZE, SIZE), generator=chance).to(torch.uint8)
    numbers = torch.arange(count).float()[:, None]
    who = Subjects(z=numbers, background=numbers + 10, angles=numbers.repeat(1, 2))
    return Samples(layers=layers, who=who)


def test_unchanged_pictures_are_the_truth() -> None:
    samples = _samples()
    batch = batch_of(samples, photo_changes.NONE, STILL, seed=0, first=0)
    torch.testing.assert_close(batch.pictures, samples.layers[:, :3].float() / 127.5 - 1)
    torch.testing.assert_close(batch.pictures, batch.true)
    torch.testing.assert_close(batch.cover, samples.layers[:, 3:].float() / 255)
    assert bool(batch.is_plain.all())
    assert batch.who is samples.who


def test_changes_follow_from_the_place_of_a_picture() -> None:
    samples = _samples()
    whole = batch_of(samples, CHANGES, FrameChanges(), seed=3, first=8)
    half = Samples(
        layers=samples.layers[2:], who=Subjects(**{k: v[2:] for k, v in samples.who.__dict__.items()})
    )
    part = batch_of(half, CHANGES, FrameChanges(), seed=3, first=10)
    assert torch.equal(whole.pictures[2:], part.pictures)
    other = batch_of(samples, CHANGES, FrameChanges(), seed=3, first=9)
    assert not torch.equal(whole.pictures, other.pictures)
    assert bool(((whole.pictures >= -1) & (whole.pictures <= 1)).all())


def test_another_background_is_true_but_its_code_is_not() -> None:
    layers = _samples(1).layers[0]
    layers[3] = 255
    layers[3, :, : SIZE // 2] = 0
    always = photo_changes.PhotoChanges(mirror=0.0, background=1.0)
    made = changed(layers, always, STILL, chance_of(1))
    known = layers.float() / 255
    assert not made.is_plain
    torch.testing.assert_close(made.true[:3, :, SIZE // 2 :], known[:3, :, SIZE // 2 :])
    assert float((made.true[:3] - known[:3])[..., : SIZE // 2].abs().mean()) > 0.1
    torch.testing.assert_close(made.picture, made.true[:3])


def test_what_cameras_do_to_colours_is_true_but_not_what_else_they_do() -> None:
    layers = _samples(1).layers[0]
    known = layers.float() / 255
    dark = photo_changes.PhotoChanges(mirror=0.0, gamma=1.0)
    made = changed(layers, dark, STILL, chance_of(1))
    assert float((made.true[:3] - known[:3]).abs().mean()) > 0.05
    torch.testing.assert_close(made.picture, made.true[:3])
    noisy = photo_changes.PhotoChanges(mirror=0.0, noise=1.0, jpeg=1.0, small=1.0, blur=1.0)
    made = changed(layers, noisy, FrameChanges(shift=0.1), chance_of(1))
    torch.testing.assert_close(made.true, known)
    assert float((made.picture - made.true[:3]).abs().mean()) > 0.05


def test_every_change_is_one_of_colours_or_of_the_rest() -> None:
    colours, rest = encoder_batches.parted(CHANGES)
    for name in ("jitter", "gamma", "tint", "grey", "blur", "small", "noise", "jpeg"):
        values = [getattr(one, name) for one in (colours, rest)]
        still = getattr(photo_changes.NONE, name)
        assert sorted([value == still for value in values]) == [False, True], name
        assert getattr(CHANGES, name) in values


def test_a_moved_picture_shows_things_elsewhere() -> None:
    picture = torch.zeros(3, 64, 64)
    picture[:, 28:36, 28:36] = 1
    places = []
    for seed in range(200):
        shown = moved(picture, FrameChanges(shift=0.05, scale=0.0, turn_deg=0.0), chance_of(seed))[0]
        weight = shown / shown.sum()
        steps = torch.arange(64) + 0.5
        places.append([float((weight.sum(0) * steps).sum()), float((weight.sum(1) * steps).sum())])
    spread = np.array(places).std(axis=0)
    assert spread == pytest.approx(np.full(2, 0.05 * 64), rel=0.2)
    assert moved(picture, STILL, chance_of(0)) is picture
    larger = [
        float(moved(picture, FrameChanges(shift=0.0, scale=0.2, turn_deg=0.0), chance_of(seed)).sum())
        for seed in range(20)
    ]
    assert max(larger) > 1.2 * float(picture.sum()) > 1.4 * min(larger)


def test_rendered_people_sit_in_turn_and_keep_their_codes(few_portraits: Path) -> None:
    sitters = Sitters(few_portraits)
    codes, angles = np.load(few_portraits / "codes.npy"), np.load(few_portraits / "cameras.npy")
    both = sitting(sitters, 0, 0, 2, SIZE, rank=0, world=1)
    order = sitters.seating(0, 0, 2)
    np.testing.assert_array_equal(both.who.z.numpy(), codes[order])
    np.testing.assert_allclose(both.who.angles.numpy(), angles[order * 2], atol=1e-5)
    shown = sitters.batch(order, 1)
    torch.testing.assert_close(both.layers[:, :3].float() / 127.5 - 1, shown.images, atol=0.01, rtol=0)
    ranks = [sitting(sitters, 0, 0, 1, SIZE, rank=k, world=2) for k in range(2)]
    assert torch.equal(joined(ranks).layers, both.layers)
    assert torch.equal(joined(ranks).who.z, both.who.z)
    small = sitting(sitters, 0, 0, 2, 16, rank=0, world=1).layers
    expected = resized(both.layers.float(), 16)
    assert float((small - expected).abs().max()) <= 1.01


def test_frames_are_not_moved_by_less_than_nothing() -> None:
    with pytest.raises(ValueError, match="less than nothing"):
        FrameChanges(shift=-0.1)
    assert encoder_batches.Changed.__dataclass_fields__.keys() == {"picture", "true", "is_plain"}
