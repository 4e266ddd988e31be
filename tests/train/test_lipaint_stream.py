"""People who make faces: known answers, the same for the same seed and step, faces that mouths can make."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from lipaint_fixtures import coded
from plain_head import plain_head

from phiz.errors import UsageError
from phiz.face.morphable import ARKIT_NAMES
from phiz.generator.generator import Generator
from phiz.train import lipaint_stream
from phiz.train.lipaint_config import PeopleConfig
from phiz.train.lipaint_stream import MOUTH, Stage
from phiz.world import code
from phiz.world.grown.hair_styles import STYLES
from phiz.world.people import generator as chance_named

HEAD = plain_head()
NAMES = tuple(STYLES)
PLAIN = PeopleConfig(psi=(1.0, 1.0), acting=0.0, blended=0.0, spread=0.0, faces=12)


@pytest.fixture(scope="module")
def generator() -> Generator:
    return coded(code.code_layout(HEAD, NAMES))


@pytest.fixture(scope="module")
def stage(generator: Generator) -> Stage:
    return lipaint_stream.open_stage(generator, HEAD, PLAIN, NAMES)


def test_faces_stand_for_what_codes_have_of_them(stage: Stage) -> None:
    where = stage.layout.where("expression")
    assert not stage.expressions[0].any()
    for face in (0, 3, 7):
        coded = code.with_expression(torch.zeros(stage.layout.size), stage.expressions[face], HEAD, NAMES)
        assert torch.equal(coded[where], stage.numbers[face])


def test_styles_are_those_of_the_same_code_with_the_face(stage: Stage) -> None:
    found = lipaint_stream.acts(stage, PLAIN, lipaint_stream.chance_at(0, 0, 0), 6)
    again = lipaint_stream.chance_at(0, 0, 0)
    own, face = (torch.randint(len(stage.numbers), (6,), generator=again) for _ in range(2))
    assert not torch.equal(own, face)
    assert torch.equal(found.expression, stage.expressions[face])
    torch.rand(18, generator=again)  # who acted before, who is blended, and by how much
    z = lipaint_stream.people(stage, PLAIN, again, 6)
    before = lipaint_stream.at_rest(stage, z)
    gaze = stage.layout.where("gaze")
    assert not before[:, gaze].any()
    torch.testing.assert_close(found.w, stage.generator.mapping(before))
    after = [
        code.with_expression(one, expression, HEAD, NAMES)
        for one, expression in zip(before, found.expression, strict=True)
    ]
    torch.testing.assert_close(found.true, stage.generator.mapping(torch.stack(after)))


def test_a_step_has_people_of_its_own(stage: Stage) -> None:
    def drawn(seed: int, step: int, rank: int) -> torch.Tensor:
        return lipaint_stream.acts(stage, PLAIN, lipaint_stream.chance_at(seed, step, rank), 3).w

    first = drawn(0, 0, 0)
    assert torch.equal(first, drawn(0, 0, 0))
    for other in ((1, 0, 0), (0, 1, 0), (0, 0, 1)):
        assert not torch.equal(first, drawn(*other))


def test_noise_moves_both_styles_alike(stage: Stage) -> None:
    plain, noisy = (
        lipaint_stream.acts(stage, each, lipaint_stream.chance_at(0, 0, 0), 8)
        for each in (PLAIN, replace(PLAIN, spread=0.5))
    )
    moved = noisy.w - plain.w
    assert moved.norm(dim=1).min() > 0
    torch.testing.assert_close(noisy.true - plain.true, moved)


def test_some_are_between_two_and_some_acted_before(stage: Stage) -> None:
    def styles(config: PeopleConfig) -> torch.Tensor:
        return lipaint_stream.acts(stage, config, lipaint_stream.chance_at(0, 0, 0), 64).w

    plain = styles(PLAIN)
    for half in (replace(PLAIN, blended=0.5), replace(PLAIN, acting=0.5)):
        changed = (styles(half) != plain).any(dim=1).float().mean()
        assert 0.25 < float(changed) < 0.75


def test_people_are_drawn_towards_the_mean_but_their_choices_are_not(stage: Stage) -> None:
    first = min(category.start for category in stage.layout.categories)
    near, far = (
        lipaint_stream.people(stage, replace(PLAIN, psi=psi), lipaint_stream.chance_at(0, 0, 0), 5)
        for psi in ((0.25, 0.25), (1.0, 1.0))
    )
    torch.testing.assert_close(near[:, :first], 0.25 * far[:, :first])
    assert torch.equal(near[:, first:], far[:, first:])


def test_spoken_faces_move_the_mouth_alone() -> None:
    rng = chance_named(0, "test of spoken faces")
    faces = torch.stack([lipaint_stream.spoken(rng, ARKIT_NAMES) for _ in range(200)])
    assert 0 <= float(faces.min()) <= float(faces.max()) <= 1
    moving = {name for name, most in zip(ARKIT_NAMES, faces.amax(0).tolist(), strict=True) if most > 0}
    assert moving <= set(MOUTH)
    assert len(moving) > 20
    opened = faces[:, ARKIT_NAMES.index("jawOpen")]
    assert (opened > 0.6).float().mean() > 0.1
    assert (opened < 0.1).float().mean() > 0.2


def test_a_generator_with_other_codes_is_refused(generator: Generator) -> None:
    other = Generator(replace(generator.config, z_size=generator.config.z_size + 1))
    with pytest.raises(UsageError, match="--objective alone"):
        lipaint_stream.open_stage(other, HEAD, PLAIN, NAMES)
