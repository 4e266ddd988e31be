"""The published order of work, end to end on small networks of the published shapes; each of its quirks."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import published_fixtures as fixtures
import pytest
import torch
from published_fixtures import Sizes, Talker
from talk_fixtures import murmur
from torch import Tensor

from phiz.animate import published
from phiz.animate.published import Networks
from phiz.animate.published_driving import driven, with_poses
from phiz.avatar import published_rig
from phiz.avatar.avatar import Avatar
from phiz.avatar.published_person import pose_of, published_person
from phiz.avatar.published_quirks import MENDED, PUBLISHED, WASTEFUL, PublishedQuirks
from phiz.console import Console
from phiz.errors import MissingError, UsageError
from phiz.face import bfm
from phiz.face.coeffs import Motion, neutral, still
from phiz.face.fit_published import PublishedConfig
from phiz.speech.expression import express
from phiz.speech.windows import of_waveform

FULL = "PHIZ_FULL_SIZE"
"""Set it to run the published method at its own size: two gigabytes, and minutes."""
FEW = PublishedConfig(rigid_steps=2, free_steps=1)


@pytest.fixture(scope="module")
def talker(tmp_path_factory: pytest.TempPathFactory) -> Talker:
    return imported(tmp_path_factory.mktemp("published"), fixtures.SMALL)


@pytest.fixture(scope="module")
def person(talker: Talker) -> Avatar:
    return somebody(talker)


@pytest.fixture(scope="module")
def motion(talker: Talker, person: Avatar) -> Motion:
    return said(talker, person, seconds=0.16)


@pytest.fixture(scope="module")
def aside(talker: Talker, person: Avatar, motion: Motion) -> tuple[Motion, Tensor]:
    """Return a motion with the head turned, and its frames as published."""
    turned = replace(motion[:2], rotation=torch.tensor([[0.1, 0.4, 0.0], [0.1, 0.4, 0.0]]))
    return turned, frames(talker, person, turned, follows_poses=True)


def imported(folder: Path, sizes: Sizes) -> Talker:
    fixtures.imported(fixtures.write(folder / "pretrained_networks", sizes), folder / "studio")
    return fixtures.opened(folder / "studio")


def somebody(talker: Talker) -> Avatar:
    """Return whom a seed stands for, seen from where the regressor says that a photo of them was taken."""
    generator, chance = talker.generator, torch.Generator().manual_seed(0)
    w = generator.styles(torch.randn(1, generator.config.z_size, generator=chance), psi=0.7)
    behind = torch.randn(1, generator.config.background_latent, generator=chance)
    photo = torch.rand(3, 90, 80, generator=chance) * 2 - 1
    return published_person(
        generator,
        w,
        behind,
        pose_of(talker.regressor, photo, generator.config),
        model=talker.model,
        head="facemodel.safetensors",
        marks=lambda picture: marks_of(talker),
        config=FEW,
    )


def marks_of(talker: Talker) -> Tensor:
    """Return where the mean face's landmarks show in the published picture, y down."""
    face = neutral(talker.model.sizes)
    points = bfm.project(bfm.to_camera(talker.model.landmarks(talker.model.vertices(face)), face))[0]
    return points * torch.tensor([1.0, -1.0]) + torch.tensor([0.0, float(bfm.PICTURE)])


def said(talker: Talker, person: Avatar, *, seconds: float) -> Motion:
    """Return what the published network hears in a murmur."""
    expressions = express(talker.expression, of_waveform(murmur(seconds)), person.rest.expression[0])
    return replace(still("bfm2009", 64, len(expressions)), expression=expressions)


def frames(
    talker: Networks, person: Avatar, motion: Motion, quirks: PublishedQuirks = PUBLISHED, **how: bool
) -> Tensor:
    assert isinstance(talker, Talker)
    return torch.stack(list(published.animate(person, motion, talker, quirks, model=talker.model, **how)))


def test_every_stage_runs_from_the_published_files_to_the_frames(
    talker: Talker, person: Avatar, motion: Motion
) -> None:
    found = frames(talker, person, motion)
    assert found.shape == (4, 3, 64, 64)
    assert found.isfinite().all()
    assert 0.05 < float(found.std()) < 20
    assert float((found[1:] - found[:-1]).abs().amax(dim=(1, 2, 3)).min()) > 1e-3


def test_frames_come_one_by_one(talker: Talker, person: Avatar, motion: Motion) -> None:
    begun = published.animate(person, motion, talker, model=talker.model)
    first = next(begun)
    assert torch.equal(first, frames(talker, person, motion[:1])[0])


def test_the_head_model_is_opened_by_its_name(talker: Talker, person: Avatar, motion: Motion) -> None:
    named = replace(person, head=str(talker.folder / "facemodel.safetensors"))
    (found,) = published.animate(named, motion[:1], talker)
    assert torch.equal(found, frames(talker, person, motion[:1])[0])


def test_wasted_work_changes_no_frame(talker: Talker, person: Avatar, motion: Motion) -> None:
    told, wasted = (frames(talker, person, motion[:1], quirks) for quirks in (PUBLISHED, WASTEFUL))
    torch.testing.assert_close(told, wasted, atol=1e-4, rtol=0)
    exact = replace(WASTEFUL, enlarges_all=False)
    assert torch.equal(told, frames(talker, person, motion[:1], exact))


def test_a_face_at_rest_looks_as_the_generator_draws_it(talker: Talker, person: Avatar) -> None:
    silent = replace(still("bfm2009", 64, 1), expression=person.rest.expression)
    quirks = replace(PUBLISHED, blends_at_512=False, blends_features_alone=False)
    generator = talker.generator
    expected = generator.render(
        person.prepare(),
        person.camera,
        depths=published.set_up(person, talker, quirks, talker.model).rig.depths,
        plan=published_rig.plan(generator.config, quirks),
    ).image
    told = replace(talker, lipaint=silenced(talker))
    torch.testing.assert_close(frames(told, person, silent, quirks), expected, atol=1e-5, rtol=0)


def silenced(talker: Talker) -> fixtures.LipaintNet:
    """Return a LipaintNet that leaves styles alone."""
    network = fixtures.LipaintNet(fixtures.SMALL.lipaint).eval().requires_grad_(False)
    torch.nn.init.zeros_(network.fc4.weight)
    torch.nn.init.zeros_(network.fc4.bias)
    return network


@pytest.mark.parametrize(
    "change",
    [
        {"clamps_parser_input": False},
        {"freezes_depths": False},
        {"uses_frontal_table": False},
        {"uses_frontal_table": False, "searches_rest": False},
        {"freezes_background": False},
        {"averages_past_masks": False},
        {"blends_features_alone": False},
        {"blends_at_512": False},
    ],
    ids=lambda change: "+".join(change),
)
def test_each_quirk_that_is_mended_changes_frames(
    talker: Talker, person: Avatar, aside: tuple[Motion, Tensor], change: dict[str, bool]
) -> None:
    motion, told = aside
    mended = frames(talker, person, motion, replace(PUBLISHED, **change), follows_poses=True)
    assert mended.shape == told.shape
    assert mended.isfinite().all()
    assert float((told - mended).abs().max()) > 1e-4


def test_everything_can_be_mended_at_once(talker: Talker, person: Avatar, motion: Motion) -> None:
    assert frames(talker, person, motion[:2], MENDED).isfinite().all()


def test_a_head_that_turns_is_seen_from_aside(talker: Talker, person: Avatar, motion: Motion) -> None:
    turned = replace(motion[:1], rotation=torch.tensor([[0.1, 0.3, -0.2]]))
    setting = published.set_up(person, talker, PUBLISHED, talker.model)
    (shot,) = published.shots(setting, turned, follows_poses=True)
    expected = published_rig.camera_for(talker.generator.config, turned.rotation)
    assert torch.equal(shot.camera.world_from_camera, expected.world_from_camera)
    (still_shot,) = published.shots(setting, turned, follows_poses=False)
    assert still_shot.camera is person.camera


def test_somebody_elses_film_drives_pose_alone_or_all(talker: Talker, person: Avatar, motion: Motion) -> None:
    chance = torch.Generator().manual_seed(5)
    film = [torch.rand(3, 48, 48, generator=chance) * 2 - 1 for _ in range(2)]
    driver = driven(talker.regressor, film)
    alone = frames(talker, person, with_poses(motion[:2], driver.rotation), follows_poses=True)
    whole = frames(talker, person, driver, follows_poses=True)
    assert alone.shape == whole.shape == (2, 3, 64, 64)
    assert float((alone - frames(talker, person, motion[:2])).abs().max()) > 1e-3
    assert float((alone - whole).abs().max()) > 1e-3


def test_motions_of_another_head_are_refused(talker: Talker, person: Avatar) -> None:
    for motion in (still("phiz", 64, 1), still("bfm2009", 52, 1)):
        with pytest.raises(UsageError, match="phiz head retarget"):
            frames(talker, person, motion)


@pytest.mark.parametrize(("name", "word"), [("parser", "no parser"), ("lipaint", "no LipaintNet")])
def test_a_studio_without_a_network_says_so(
    talker: Talker, person: Avatar, motion: Motion, name: str, word: str
) -> None:
    with pytest.raises(MissingError, match=f"{word}.*phiz import original"):
        frames(replace(talker, **{name: None}), person, motion)  # type: ignore[arg-type]


@pytest.mark.skipif(not os.environ.get(FULL), reason=f"takes minutes; set {FULL}=1 to run it")
@pytest.mark.parametrize("quirks", [PUBLISHED, WASTEFUL], ids=["frames", "published work"])
def test_the_published_size_runs(
    tmp_path_factory: pytest.TempPathFactory, quirks: PublishedQuirks, full: Callable[[], Talker]
) -> None:
    whole = full()
    one = somebody(whole)
    motion = said(whole, one, seconds=0.08)
    start = time.perf_counter()
    begun = published.animate(one, motion, whole, quirks, model=whole.model)
    first = next(begun)
    middle = time.perf_counter()
    second = next(begun)
    seconds = (middle - start, time.perf_counter() - middle)
    Console().say("full size: first frame {:.1f} s, the next {:.1f} s".format(*seconds))
    assert first.shape == (3, 1024, 1024)
    assert first.isfinite().all()
    assert float((second - first).abs().max()) > 1e-3


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Talker]:
    """Return what makes the networks at their published sizes, once."""
    made: list[Talker] = []

    def make() -> Talker:
        if not made:
            made.append(imported(tmp_path_factory.mktemp("full"), fixtures.FULL))
        return made[0]

    return make
