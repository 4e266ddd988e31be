"""Codes of a picture are found; the published numbers are held against recorded ones in `parity`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from phiz.avatar import projector
from phiz.avatar.descent import Keep, seeded
from phiz.avatar.projector import PTI, PUBLISHED, ProjectConfig, Projection
from phiz.errors import UsageError
from phiz.generator import poses
from phiz.generator.config import TINY, GeneratorConfig
from phiz.generator.generator import Generator, Plan
from phiz.graphics.camera import Camera

FEW = replace(PUBLISHED, steps=6, samples=20)
PAINTED = replace(
    TINY,
    source="planes",
    planes_channels=4,
    planes_resolution=16,
    planes_base=0.01,
    planes_span=0.3,
    field_layers=1,
    background="none",
)


def _generator(config: GeneratorConfig = TINY) -> Generator:
    with torch.random.fork_rng(devices=[]):
        torch.random.set_rng_state(torch.Generator().manual_seed(1).get_state())
        made = Generator(config).eval().requires_grad_(False)
    made.foreground.density.bias.data.fill_(6.0)
    for name, strength in made.named_parameters():
        if name.endswith("noise_strength"):
            strength.fill_(0.3)
    return made


def _camera(config: GeneratorConfig = TINY) -> Camera:
    return poses.at(config, (0.4, 0.6))


def _photo(generator: Generator, seed: int = 5) -> Tensor:
    chance = torch.Generator().manual_seed(seed)
    z = torch.randn(1, generator.config.z_size, generator=chance)
    behind = None
    if generator.background is not None:
        behind = torch.randn(1, generator.config.background_latent, generator=chance)
    seen = poses.frozen(generator.config)
    camera, plan = _camera(generator.config), Plan(background_camera=seen)
    with torch.no_grad():
        return generator.render(generator.styles(z), camera, background=behind, plan=plan).image.clone()


def _project(generator: Generator, config: ProjectConfig = FEW, keep: Keep | None = None) -> Projection:
    photo, camera = _photo(generator), _camera(generator.config)
    return projector.project(generator, photo, camera, seeded(3), config, keep=keep)


def test_published_numbers() -> None:
    assert (PUBLISHED.steps, PUBLISHED.samples, PUBLISHED.seed, PTI.steps) == (1000, 600, 123, 450)
    codes = projector.published_codes(4)
    assert codes.shape == (600, 4)
    assert float(codes[0, 0]) == pytest.approx(-1.0856306)


def test_a_projection_comes_nearer_and_leaves_the_generator_alone() -> None:
    generator = _generator()
    before = {name: value.clone() for name, value in generator.state_dict().items()}
    config = replace(FEW, steps=12, ramps=replace(FEW.ramps, rate=0.3))
    found = _project(generator, config)
    distances = found.course.losses["distance"]
    assert min(distances[-3:]) < 0.7 * distances[0]
    assert found.w.shape == (1, TINY.styles, TINY.w_size)
    assert bool((found.w == found.w[:, :1]).all())
    assert found.background is not None
    assert found.background.shape == (1, TINY.background_latent)
    assert found.noise == {}
    assert all(torch.equal(value, before[name]) for name, value in generator.state_dict().items())


def test_one_style_a_layer_may_be_found() -> None:
    generator = _generator()
    start = projector.spread_of_generator(generator, FEW).mean
    found = _project(generator, replace(FEW, space="w+"))
    assert not bool((found.w == found.w[:, :1]).all())
    assert float((found.w - start).abs().max()) < 0.01 * FEW.steps * 1.5


def test_it_may_begin_elsewhere() -> None:
    generator = _generator()
    photo, camera = _photo(generator), _camera()
    start = torch.full((1, TINY.styles, TINY.w_size), 0.5)
    config = replace(FEW, steps=1)  # whose rate is zero
    found = projector.project(generator, photo, camera, seeded(), config, start=start)
    assert torch.equal(found.w, start)
    start[:, 1] += 1
    with pytest.raises(ValueError, match="into w"):
        projector.project(generator, photo, camera, seeded(), config, start=start)
    wide = projector.project(generator, photo, camera, seeded(), replace(config, space="w+"), start=start)
    assert torch.equal(wide.w, start)


@pytest.mark.parametrize("config", [TINY, PAINTED])
def test_a_killed_projection_goes_on_with_the_same_bits(tmp_path: Path, config: GeneratorConfig) -> None:
    generator = _generator(config)
    expected = _project(generator)
    keep = Keep(path=tmp_path / "a.projecting.safetensors", every=2)
    photo, camera = _photo(generator), _camera(config)
    projector.project(generator, photo, camera, seeded(3), FEW, keep=keep, watch=lambda now: now.step == 3)
    found = _project(generator, FEW, keep)
    assert torch.equal(found.w, expected.w)
    assert found.course == expected.course
    assert found.noise.keys() == expected.noise.keys()
    assert all(torch.equal(value, expected.noise[name]) for name, value in found.noise.items())
    if expected.background is not None:
        assert found.background is not None
        assert torch.equal(found.background, expected.background)


def test_noise_is_found_and_stays_noise() -> None:
    generator = _generator(PAINTED)
    own = dict(generator.named_buffers())
    found = _project(generator, replace(FEW, noise_weight=10.0))
    assert len(found.noise) == 3
    for name, plane in found.noise.items():
        assert plane.shape == own[name].shape
        assert not torch.equal(plane, own[name])
        assert float(plane.mean()) == pytest.approx(0, abs=1e-6)
        assert float(plane.square().mean()) == pytest.approx(1, abs=1e-5)
    assert found.background is None


def test_noise_that_is_not_given_is_zero() -> None:
    generator = _generator(PAINTED)
    drawing = projector.of_generator(generator, _camera(PAINTED))
    w = generator.styles(torch.randn(1, PAINTED.z_size, generator=torch.Generator().manual_seed(0)))
    own = generator.render(w, _camera(PAINTED)).image
    assert torch.equal(drawing.draw(w, None, drawing.noise), own)
    bare = drawing.draw(w, None, {})
    assert not torch.equal(bare, own)
    for value in drawing.noise.values():
        value.zero_()
    assert torch.equal(bare, generator.render(w, _camera(PAINTED)).image)


def test_the_background_is_seen_from_where_it_is_frozen_or_from_where_one_asks() -> None:
    generator = _generator()
    camera, w = _camera(), generator.styles(torch.ones(1, TINY.z_size))
    behind = torch.ones(1, TINY.background_latent)
    published = projector.of_generator(generator, camera).draw(w, behind, {})
    plan = Plan(background_camera=poses.frozen(TINY))
    assert torch.equal(published, generator.render(w, camera, background=behind, plan=plan).image)
    moving = projector.of_generator(generator, camera, background_camera=camera).draw(w, behind, {})
    assert torch.equal(moving, generator.render(w, camera, background=behind).image)
    assert not torch.equal(published, moving)


def test_rough_noise_costs_and_plain_noise_does_not() -> None:
    plain = torch.randn(64, 64, generator=torch.Generator().manual_seed(0))
    smooth = torch.nn.functional.avg_pool2d(plain[None], 5, 1, 2)[0]
    noises = [{"a": plain.clone()}, {"a": smooth.clone()}]
    for noise in noises:
        projector.standardise(noise)
    low, high = (float(projector.noise_loss(noise)) for noise in noises)
    assert low < 0.05 < 1 < high
    ramp = torch.linspace(-1, 1, 8).expand(8, 8)
    twice = float((ramp * ramp.roll(1, 1)).mean().square() + (ramp * ramp).mean().square())
    assert float(projector.noise_loss({"a": ramp})) == pytest.approx(twice)


def test_the_spread_is_one_number_over_all_of_a_style() -> None:
    styles = torch.tensor([[0.0, 1.0], [2.0, 5.0]])
    spread = projector.spread_of(styles)
    assert torch.equal(spread.mean, torch.tensor([1.0, 3.0]))
    assert spread.deviation == pytest.approx(5**0.5)


def test_pictures_of_another_size_and_generators_in_training_are_refused() -> None:
    generator = _generator()
    with pytest.raises(UsageError, match="16 x 16 pixels, the generator draws 32 x 32"):
        projector.project(generator, torch.zeros(1, 3, 16, 16), _camera(), seeded(), FEW)
    with pytest.raises(ValueError, match="eval mode"):
        projector.of_generator(Generator(TINY), _camera())
