"""The four recipes in the published way, with small networks of the published shapes, end to end."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import published_fixtures as fixtures
import pytest
import torch
from talk_fixtures import murmur
from torch import Tensor

from phiz import pipelines, published_recipes
from phiz.avatar import pivotal, projector
from phiz.avatar.avatar import Avatar
from phiz.errors import MissingError
from phiz.face import bfm
from phiz.face.coeffs import neutral
from phiz.face.fit_published import PublishedConfig
from phiz.media import audio, image, provenance, video
from phiz.pipelines import Manner
from phiz.published_recipes import PublishedEffort
from phiz.studio import Studio

EFFORT = PublishedEffort(
    projection=replace(projector.PUBLISHED, steps=2, samples=8),
    tuning=replace(pivotal.PUBLISHED, steps=2),
    fit=PublishedConfig(rigid_steps=2, free_steps=1),
)
MANNER = Manner(method="published")


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Studio:
    folder = tmp_path_factory.mktemp("original")
    fixtures.imported(fixtures.write(folder / "weights"), folder / "studio")
    return Studio.open(folder / "studio")


@pytest.fixture(scope="module")
def somebody(studio: Studio) -> Avatar:
    return published_recipes.of_seed(studio, 6, marks=marks, effort=EFFORT)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sound") / "murmur.wav"
    audio.write(path, murmur(0.2))
    return path


def marks(picture: Tensor) -> Tensor:
    """Return where the mean head has its points: filled networks draw no faces that one could find."""
    studio = MARKED[0]
    assert studio.facemodel is not None
    model = bfm_of(studio)
    face = neutral(model.sizes)
    points = model.landmarks(model.vertices(face))[0]
    place = 1015 * points[:, :2] / (10 - points[:, 2:])
    return torch.stack([112 + place[:, 0], 112 - place[:, 1]], dim=1) * (picture.shape[-1] / 224)


MARKED: list[Studio] = []


def bfm_of(studio: Studio) -> bfm.Bfm:
    return fixtures.opened(studio.facemodel.parent).model  # type: ignore[union-attr]


@pytest.fixture(scope="module", autouse=True)
def _marked(studio: Studio) -> None:
    MARKED[:] = [studio]


def test_a_seed_talks_in_the_published_way(
    studio: Studio, somebody: Avatar, sound: Path, tmp_path: Path
) -> None:
    film = pipelines.talk_as(somebody, sound, tmp_path / "a.mp4", studio=studio, manner=MANNER)
    info = video.probe(tmp_path / "a.mp4")
    assert (film.frames, info.frames, info.width, info.has_audio) == (5, 5, 64, True)
    assert provenance.read(tmp_path / "a.mp4").state == "valid"


def test_a_photo_is_projected_and_tuned(studio: Studio, sound: Path, tmp_path: Path) -> None:
    photo = torch.rand(3, 80, 80, generator=torch.Generator().manual_seed(0)) * 2 - 1
    person = published_recipes.of_photo(studio, photo, marks=marks, effort=EFFORT, aligned=True)
    assert person.about["method"] == "published"
    assert studio.generator is not None
    before, after = (dict(g.named_parameters()) for g in (studio.generator, person.generator))
    assert any(not torch.equal(before[name], after[name]) for name in before)
    film = pipelines.talk_as(
        person, sound, tmp_path / "a.mp4", studio=studio, manner=replace(MANNER, made_of=())
    )
    assert film.frames == 5


def test_heads_and_faces_follow_a_driver(
    studio: Studio, somebody: Avatar, sound: Path, tmp_path: Path
) -> None:
    for k in range(3):
        image.write(tmp_path / f"driver/{k}.png", torch.rand(3, 64, 64) * 2 - 1)
    film = pipelines.talk_with_poses(
        somebody, sound, tmp_path / "driver", tmp_path / "a.mp4", studio=studio, manner=MANNER
    )
    assert film.frames == 5
    film = pipelines.mimic_video(
        somebody, tmp_path / "driver", tmp_path / "b.mp4", studio=studio, manner=MANNER
    )
    assert film.frames == 3
    motion = published_recipes.driven(studio, tmp_path / "driver")
    assert torch.isfinite(motion.expression).all()


def test_what_a_studio_lacks_is_named(studio: Studio, somebody: Avatar, sound: Path) -> None:
    with pytest.raises(MissingError, match="head model"):
        published_recipes.of_seed(replace(studio, facemodel=None), 6, marks=marks, effort=EFFORT)
    with pytest.raises(MissingError, match="regressor"):
        published_recipes.driven(replace(studio, regressor=None), sound)
    with pytest.raises(MissingError, match="network of speech"):
        published_recipes.said(Studio(), somebody, sound)
