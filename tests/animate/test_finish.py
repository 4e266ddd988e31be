"""Frames at another size, in the photo they came from, or through a user's own network."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from avatar_fixtures import making, psnr

from phiz.animate import finish as finishes
from phiz.animate.animate import Stage
from phiz.animate.finish import Finish, Place
from phiz.avatar.avatar import Avatar
from phiz.errors import CheckpointError, UsageError
from phiz.face.head import Head


@pytest.fixture(scope="module")
def pasted(someone: Avatar) -> Stage:
    """Return a stage whose photo shows the person's crop, at twice its size, in a grey room."""
    with torch.no_grad():
        crop = someone.generator.render(someone.prepare(), someone.camera).image[0].clamp(-1, 1)
    photo = torch.zeros(3, 640, 600)
    photo[:, 90:602, 40:552] = finishes.resized(crop, 512)
    place = torch.tensor([[2.0, 0.0, 40.0], [0.0, 2.0, 90.0]], dtype=torch.float64)
    return Stage.of(replace(someone, photo=photo, photo_from_crop=place))


def test_frames_are_enlarged_without_rims() -> None:
    step = torch.ones(3, 64, 64)
    step[:, :, :32] = -1
    large = finishes.resized(step, 256)
    assert large.shape == (3, 256, 256)
    assert float(large.max()) <= 1
    assert finishes.resized(step, 64) is step
    small = finishes.resized(large, 64)
    assert psnr(small, step) > 30


@pytest.mark.parametrize("wrong", [{"size": 7}, {"size": 5000}, {"size": 256, "paste": True}])
def test_wishes_that_cannot_be_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="size"):
        Finish(**wrong)


def test_a_head_goes_back_to_where_it_was_and_the_room_stays(pasted: Stage, our_head: Head) -> None:
    place = Place.of(pasted)
    still = place.pasted(pasted.draw(making(our_head))[0])
    photo = pasted.avatar.photo
    assert photo is not None
    assert still.shape == photo.shape
    assert psnr(still, photo) > 35
    turned = replace(making(our_head, jawOpen=0.6), rotation=torch.tensor([[0.05, 0.15, 0.0]]))
    moved = place.pasted(pasted.draw(turned)[0])
    change = (moved - photo).abs().amax(0)
    assert float(change[:90].max()) == 0  # outside the crop
    assert float(change[590:, 60:140].max()) < 0.02  # a shoulder
    assert float(change[250:500, 200:400].mean()) > 0.05


def test_somebody_without_a_photo_cannot_be_pasted(someone: Avatar) -> None:
    with pytest.raises(UsageError, match="not made of a photo"):
        Place.of(Stage.of(someone))


def test_each_wish_is_fulfilled_and_none_costs_nothing(pasted: Stage, our_head: Head) -> None:
    def drawn() -> list[torch.Tensor]:
        return list(pasted.draw(making(our_head)))

    plain = list(finishes.finished(iter(drawn()), Finish(), pasted))
    assert torch.equal(plain[0], drawn()[0])
    assert next(finishes.finished(iter(drawn()), Finish(size=64), pasted)).shape == (3, 64, 64)
    assert next(finishes.finished(iter(drawn()), Finish(paste=True), pasted)).shape == (3, 640, 600)
    with pytest.raises(CheckpointError, match="no file"):
        finishes.finished(iter(drawn()), Finish(restorer=Path("none.onnx")), pasted)
