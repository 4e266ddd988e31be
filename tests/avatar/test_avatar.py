"""An avatar is one file that brings back the same person."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from avatar_fixtures import psnr

from phiz import checkpoint
from phiz.avatar import avatar
from phiz.avatar.avatar import Avatar
from phiz.errors import CheckpointError, UsageError
from phiz.generator import store


@pytest.fixture(scope="module")
def file(someone: Avatar, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("avatar") / "one.avatar"
    planes = 0.1 * torch.randn(1, 3, 8, 128, 128, generator=torch.Generator().manual_seed(0))
    photo = torch.rand(3, 40, 30, generator=torch.Generator().manual_seed(1)) * 2 - 1
    pixels = torch.tensor([[1.5, 0.0, 3.0], [0.0, 1.5, 4.0]], dtype=torch.float64)
    whole = replace(someone, planes=planes, photo=photo, photo_from_crop=pixels, about={"seed": 1})
    whole.save(path)
    return path


def test_the_same_person_comes_back(someone: Avatar, file: Path) -> None:
    found = avatar.load(file)
    assert torch.equal(found.w, someone.w)
    assert torch.equal(found.rest.identity, someone.rest.identity)
    assert torch.equal(found.camera.world_from_camera, someone.camera.world_from_camera)
    assert found.head == someone.head
    assert found.about == {"seed": 1}
    assert found.photo is not None
    assert found.photo.shape == (3, 40, 30)
    assert found.photo_from_crop is not None
    assert found.photo_from_crop[0, 2] == 3.0
    assert found.planes is not None
    with torch.no_grad():
        drawn = someone.generator.render(replace(someone, planes=found.planes).prepare(), someone.camera)
        again = found.generator.render(found.prepare(), found.camera)
    assert psnr(drawn.image, again.image) > 50


def test_planes_change_what_is_drawn(someone: Avatar) -> None:
    plain = someone.prepare().field.planes
    added = replace(someone, planes=torch.ones(1, 3, 8, 128, 128)).prepare().field.planes
    assert plain is not None
    assert added is not None
    assert torch.allclose(added - plain, torch.ones_like(plain), atol=1e-5)


def test_the_file_is_at_most_twice_the_generator(file: Path) -> None:
    assert file.stat().st_size <= 2 * store.BUILT_IN.stat().st_size


def test_other_files_and_newer_ones_are_refused(someone: Avatar, file: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="Rename"):
        someone.save(tmp_path / "one.safetensors")
    with pytest.raises(CheckpointError, match="holds 'generator'"):
        avatar.load(store.BUILT_IN)
    saved = checkpoint.load(file, kind=avatar.KIND)
    newer = tmp_path / "newer.avatar"
    checkpoint.save(newer, kind=avatar.KIND, config={**saved.config, "version": 99}, tensors=saved.tensors)
    with pytest.raises(CheckpointError, match="newer phiz"):
        avatar.load(newer)
    torn = tmp_path / "torn.avatar"
    tensors = {name: value for name, value in saved.tensors.items() if name != "w"}
    checkpoint.save(torn, kind=avatar.KIND, config=saved.config, tensors=tensors)
    with pytest.raises(CheckpointError, match="Make it anew"):
        avatar.load(torn)


def test_avatars_are_known_by_their_ending() -> None:
    assert avatar.is_avatar(Path("anna.avatar"))
    assert not avatar.is_avatar(Path("anna.jpg"))
