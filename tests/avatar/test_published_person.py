"""What an inversion found gets a head, as published: from the frontal view, 224 pixels, eight bits."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import scipy.io
import torch
from published_fixtures import SMALL, head_model, state
from torch import Tensor

from phiz.avatar import published_rig
from phiz.avatar.published_person import pose_of, published_person, seen, stored, with_head
from phiz.face import bfm
from phiz.face.coeffs import neutral
from phiz.face.fit_published import PublishedConfig
from phiz.face.regress import Regressor, regress
from phiz.generator import poses
from phiz.generator.config import TINY
from phiz.generator.generator import Generator
from phiz.graphics import frames, rotation


def test_the_head_is_found_in_the_frontal_view(tmp_path: Path) -> None:
    scipy.io.savemat(tmp_path / "model.mat", head_model(16, 20))
    model = bfm.read(tmp_path / "model.mat")
    with torch.random.fork_rng():
        torch.manual_seed(3)
        generator = Generator(TINY).eval().requires_grad_(False)
        w = generator.styles(torch.randn(1, TINY.z_size))
    truth = replace(
        neutral(model.sizes),
        rotation=torch.tensor([[0.05, 0.1, -0.05]]),
        translation=torch.tensor([[0.01, 0.005, 0.0]]),
    )
    points = bfm.project(bfm.to_camera(model.landmarks(model.vertices(truth)), truth))[0]
    shown: list[Tensor] = []

    def marks(picture: Tensor) -> Tensor:
        shown.append(picture)
        return points * torch.tensor([1.0, -1.0]) + torch.tensor([0.0, 224.0])

    camera = poses.at(TINY, (0.4, 0.5))
    person = published_person(
        generator,
        w,
        None,
        camera,
        model=model,
        head="model.mat",
        marks=marks,
        config=PublishedConfig(rigid_steps=150, free_steps=0),
        about={"seed": 1},
    )
    (picture,) = shown
    assert picture.shape == (3, 224, 224)
    assert torch.equal(stored(picture[None])[0], picture)
    assert person.camera is camera
    assert (person.head, person.about) == ("model.mat", {"seed": 1})
    assert not person.rest.rotation.any()
    assert not person.rest.translation.any()
    used = torch.arange(len(model.mean))
    found = published_rig.flat_vertices(person, model, person.rest, used)
    expected = published_rig.from_pixels(
        bfm.project(bfm.to_camera(model.vertices(truth), truth)), bfm.PICTURE
    )
    assert float((found - expected).abs().max()) < 0.002  # two pixels of 224


def test_a_turned_head_is_laid_into_the_generator_by_a_matrix(tmp_path: Path) -> None:
    scipy.io.savemat(tmp_path / "model.mat", head_model(16, 20))
    model = bfm.read(tmp_path / "model.mat")
    with torch.random.fork_rng():
        torch.manual_seed(3)
        generator = Generator(TINY).eval()
    turned = replace(
        neutral(model.sizes),
        rotation=torch.tensor([[0.3, 0.1, -0.2]]),
        translation=torch.tensor([[0.1, 0.2, 0.3]]),
    )
    person = published_person(
        generator,
        torch.zeros(1, TINY.styles, TINY.w_size),
        None,
        poses.at(TINY, (0.5, 0.5)),
        model=model,
        head="model.mat",
        marks=lambda picture: torch.zeros(68, 2),
        config=PublishedConfig(rigid_steps=0, free_steps=0),
    )
    laid = with_head(replace(person, rest=turned))
    points = torch.randn(1, 5, 3, generator=torch.Generator().manual_seed(0))
    here = points @ rotation.from_euler(turned.rotation).mT + turned.translation
    expected = frames.transform(frames.generator_from_head(), here)
    torch.testing.assert_close(frames.transform(laid.generator_from_head, points), expected)


@pytest.fixture(scope="module")
def regressor() -> Regressor:
    network = Regressor(SMALL.regressor).eval().requires_grad_(False)
    network.load_state_dict(state(network))
    return network


def test_a_photo_is_squeezed_to_the_crop_as_it_is(regressor: Regressor) -> None:
    picture = torch.rand(3, 100, 300, generator=torch.Generator().manual_seed(0)) * 2 - 1
    small = torch.nn.functional.interpolate(
        stored(picture[None]), size=(224, 224), mode="bicubic", antialias=True
    )
    expected = regress(regressor, stored(small))
    assert torch.equal(seen(regressor, picture).rotation, expected.rotation)
    camera = pose_of(regressor, picture, TINY)
    same = published_rig.camera_for(TINY, expected.rotation)
    assert torch.equal(camera.world_from_camera, same.world_from_camera)
    assert float(expected.rotation.abs().max()) > 1e-3


def test_stored_pictures_have_256_levels() -> None:
    given = torch.linspace(-1.2, 1.2, 1001)[None, None].expand(1, 3, -1)[..., None]
    found = stored(given)
    assert len(found.unique()) == 256
    assert float((found - given.clamp(-1, 1)).abs().max()) < 1 / 255 + 1e-6
