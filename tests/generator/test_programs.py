"""Programs draw what the generator draws, and only the code and the camera make a difference."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from phiz.errors import UsageError
from phiz.generator import programs
from phiz.generator.config import TINY, GeneratorConfig
from phiz.generator.generator import Generator
from phiz.generator.volume import UNTOLD_SAMPLES, Plan
from phiz.graphics.camera import Camera

PLANES = replace(TINY, source="planes", planes_resolution=16, planes_most=8, planes_channels=3)
KINDS: Mapping[str, GeneratorConfig] = {
    "encoding": TINY,
    "planes": PLANES,
    "convolutions": replace(PLANES, kernel=3, upsampling="nearest", colour="extra", density="softplus"),
    "alone": replace(TINY, background="none", upsampling="fir", is_length_relative=True),
    "inverse": replace(TINY, upsampling="pixelshuffle", spacing="inverse", is_hierarchical=False),
}


def made(config: GeneratorConfig) -> Generator:
    """Return a generator whose head is there and whose noise shows."""
    generator = Generator(config).eval()
    with torch.no_grad():
        generator.foreground.density.bias.fill_(6.0)
        generator.mapping.average.normal_()
        for name, value in generator.named_parameters():
            if name.endswith("noise_strength"):
                value.fill_(0.1)
    return generator


@torch.no_grad()
def drawn(generator: Generator, codes: Mapping[str, Tensor], cameras: Mapping[str, Tensor]) -> Tensor:
    styles = codes["styles"] if "styles" in codes else generator.styles(codes["z"], psi=float(codes["psi"]))
    camera = Camera(**cameras)
    return generator.render(styles, camera, background=codes.get("background")).image


def someone(generator: Generator, code: programs.Code = "styles", seed: int = 5) -> dict[str, Tensor]:
    return programs.example_codes(generator, code, seed)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("views", [1, 2])
@torch.no_grad()
def test_every_form_draws_what_the_generator_draws(kind: str, views: int) -> None:
    generator = made(KINDS[kind])
    codes, cameras = someone(generator), programs.example_cameras(generator.config, views, seed=7)
    expected = drawn(generator, codes, cameras)
    assert expected.std() > 0.05
    prepare, draw = programs.split(generator, views=views)
    person = prepare.module(**codes)
    assert set(person) == set(prepare.outputs)
    torch.testing.assert_close(draw.module(**person, **cameras)["image"], expected, atol=1e-5, rtol=1e-4)
    whole = programs.whole(generator, views=views).module
    torch.testing.assert_close(whole(**codes, **cameras)["image"], expected, atol=1e-5, rtol=1e-4)
    ready = generator.prepare(codes["styles"], codes.get("background"))
    alone = programs.of_person(generator, ready, views=views)
    assert set(alone.inputs) == set(programs.CAMERA)
    torch.testing.assert_close(alone.module(**cameras)["image"], expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_what_one_program_hands_to_the_other_is_what_depends_on_the_code(kind: str) -> None:
    generator = made(KINDS[kind])
    prepare, draw = programs.split(generator)
    assert set(draw.inputs) == set(prepare.outputs) | set(programs.CAMERA)
    assert ("field_planes" in prepare.outputs) == (generator.config.source == "planes")
    assert ("behind_start" in prepare.outputs) == (generator.background is not None)
    with torch.no_grad():
        here, there = (prepare.module(**someone(generator, seed=seed)) for seed in (1, 2))
    assert [name for name in here if torch.equal(here[name], there[name])] == []
    one, other = (
        dict(programs.tensors_of(generator.prepare(codes["styles"], codes.get("background"))))
        for codes in (someone(generator, seed=seed) for seed in (1, 2))
    )
    assert {name for name in one if not torch.equal(one[name], other[name])} == set(here)


@torch.no_grad()
def test_a_code_may_be_z_and_how_far_it_is_from_the_mean() -> None:
    generator = made(TINY)
    cameras = programs.example_cameras(TINY, 1)
    prepare, draw = programs.split(generator, code="z")
    whole = programs.whole(generator, code="z")
    for psi in (0.0, 0.4, 1.0):
        codes = {**someone(generator, "z"), "psi": torch.tensor(psi)}
        expected = drawn(generator, codes, cameras)
        seen = draw.module(**prepare.module(**codes), **cameras)["image"]
        torch.testing.assert_close(seen, expected, atol=1e-5, rtol=1e-4)
        seen = whole.module(**codes, **cameras)["image"]
        torch.testing.assert_close(seen, expected, atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_depth_and_opacity_come_with_the_picture() -> None:
    generator = made(TINY)
    whole = programs.whole(generator)
    codes, cameras = someone(generator), programs.example_cameras(TINY, 1)
    found = whole.module(**codes, **cameras)
    drawing = generator.render(codes["styles"], Camera(**cameras), background=codes["background"])
    assert set(found) == set(whole.outputs) == {"image", "depth", "opacity"}
    torch.testing.assert_close(found["depth"], drawing.depth)
    torch.testing.assert_close(found["opacity"], drawing.opacity)


def test_programs_leave_the_generator_as_it_was() -> None:
    generator = made(TINY).train()
    before = {name: value.clone() for name, value in generator.state_dict().items()}
    found = programs.whole(generator)
    assert generator.training
    assert all(p.requires_grad for p in generator.parameters())
    assert not found.module.training
    assert all(torch.equal(value, before[name]) for name, value in generator.state_dict().items())


def test_a_generator_that_was_never_told_how_far_it_is_takes_its_own_number_of_samples() -> None:
    generator = made(TINY)
    generator.progress.fill_(-1)
    codes, cameras = someone(generator), programs.example_cameras(TINY, 1)
    module = programs.whole(generator).module
    assert module.plan == Plan(samples=UNTOLD_SAMPLES)
    with torch.no_grad():
        torch.testing.assert_close(
            module(**codes, **cameras)["image"], drawn(generator, codes, cameras), atol=1e-5, rtol=1e-4
        )


def test_what_cannot_be_exported_is_refused_with_a_reason() -> None:
    generator = made(TINY)
    generator.progress.fill_(0.5)
    with pytest.raises(UsageError, match=r"0\.50 of 1"):
        programs.split(generator)
    labelled = made(replace(TINY, labels=2))
    with pytest.raises(UsageError, match=r"labels.*--code styles"):
        programs.whole(labelled, code="z")
    assert "styles" in programs.whole(labelled).inputs


def test_nested_tuples_are_named_and_filled_again() -> None:
    generator = made(TINY)
    person = generator.prepare(someone(generator)["styles"])
    found = dict(programs.tensors_of(person))
    assert {"field_layers_0_weight", "blocks_1_colour_bias", "behind_start"} <= set(found)
    changed = programs.refilled(person, {name: value + 1 for name, value in found.items()})
    assert type(changed) is type(person)
    assert changed.batch == person.batch
    for name, value in programs.tensors_of(changed):
        assert torch.equal(value, found[name] + 1)
    same = programs.refilled(person, {"blocks_0_first_bias": found["blocks_0_first_bias"] * 0})
    assert same.field.density.weight is person.field.density.weight
    assert not same.blocks[0].first.bias.any()


def test_every_name_has_a_meaning() -> None:
    whole = programs.whole(made(TINY), code="z")
    styles = programs.whole(made(TINY))
    names = {*whole.inputs, *styles.inputs, *whole.outputs}
    assert names == set(programs.MEANINGS)
