"""The published fitting on heads of our own; its numbers are held against recorded ones in `parity`."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from phiz.face import fit_published
from phiz.face.coeffs import neutral
from phiz.face.fit_published import PublishedConfig
from phiz.face.fit_surface import face_parts
from phiz.face.head import Head
from phiz.face.supplied import SuppliedHead

SIZE = 64
FEW = PublishedConfig(rigid_steps=12, free_steps=3)


def _target(model: Head | SuppliedHead) -> Tensor:
    turned = replace(neutral(model.sizes), rotation=torch.tensor([[0.1, 0.2, 0.0]]))
    surface = model.vertices(turned)
    seen = fit_published.before_camera(surface, turned, model)
    return fit_published.project(seen, model, SIZE)


def test_a_short_descent_goes_down(miniature: SuppliedHead) -> None:
    found = fit_published.fit_published(miniature, _target(miniature), SIZE, config=FEW)
    assert len(found.rigid_losses) == 12
    assert min(found.rigid_losses) < 0.5 * found.rigid_losses[0]
    assert found.face.rotation.any()


def test_colours_and_light_are_fitted_to_a_picture(head: Head) -> None:
    face = neutral(head.sizes)
    drawn, covered = fit_published.published_picture(head, face, SIZE)
    picture = drawn.movedim(-1, 1) / 127.5 - 1
    bright = torch.where(covered[:, None], (picture * 1.0 + 0.3).clamp(-1, 1), picture)
    face_only = head.triangles[face_parts(head)]
    config = PublishedConfig(rigid_steps=0, free_steps=4)
    found = fit_published.fit_published(
        head, _target(head), SIZE, pictures=bright, config=config, triangles=face_only
    )
    assert found.free_losses[-1] < found.free_losses[0]
    assert (found.face.light[0, 0] > face.light[0, 0]).all()
    assert found.face.texture.any()


def test_a_perfect_pixel_has_no_slope_unless_the_published_one_is_wanted() -> None:
    wanted = torch.rand(1, 4, 4, 3) * 255
    mask = torch.ones(1, 4, 4)
    for nan_safe in (True, False):
        drawn = wanted.clone().requires_grad_()
        loss = fit_published.photo_loss(drawn, wanted, mask, nan_safe=nan_safe)
        loss.backward()
        assert float(loss.detach()) == 0
        assert drawn.grad is not None
        assert bool(drawn.grad.isnan().any()) != nan_safe


def test_pictures_of_one_person_share_shape_and_skin(miniature: SuppliedHead) -> None:
    target = _target(miniature)
    both = torch.cat([target, target + 3])
    config = replace(FEW, one_person=True)
    found = fit_published.fit_published(miniature, both, SIZE, config=config).face
    assert torch.equal(found.identity[0], found.identity[1])
    assert not torch.equal(found.translation[0], found.translation[1])
    alone = fit_published.fit_published(miniature, both, SIZE, config=FEW).face
    assert not torch.equal(alone.identity[0], alone.identity[1])


def test_plain_skin_reflects_evenly() -> None:
    skin = torch.tensor([1.0, 1.0, 0.0])
    plain = torch.full((1, 3, 3), 120.0)
    assert fit_published.reflectance_loss(plain, skin) == 0
    spotted = plain.clone()
    spotted[0, 0] = 200
    assert fit_published.reflectance_loss(spotted, skin) > 0
    plain[0, 2] = 0
    assert fit_published.reflectance_loss(plain, skin) == 0


@pytest.mark.parametrize(
    ("box", "expected"),
    [((100, 80, 180, 200), (62, 62, 218, 218)), ((600, 400, 700, 470), (585, 370, 640, 425))],
)
def test_crops_stay_inside_the_picture(box: tuple[int, ...], expected: tuple[int, ...]) -> None:
    assert fit_published.padded_box(box, 640, 480) == expected
