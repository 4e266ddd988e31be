"""A generator is tuned to one photo; the published numbers are held against recorded ones in `parity`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from phiz.avatar import pivotal
from phiz.avatar.descent import Keep, seeded
from phiz.avatar.pivotal import PTI, PUBLISHED, Locality, Pivot, TuneConfig, Tuned
from phiz.avatar.projector import of_generator
from phiz.avatar.target import target
from phiz.generator import poses
from phiz.generator.config import TINY
from phiz.generator.generator import Generator
from phiz.layers.perceptual import perceptual_distance

FEW = replace(PUBLISHED, steps=6, rate=3e-3)
HELD = replace(FEW, locality=Locality())
CAMERA = poses.at(TINY, (0.4, 0.6))


@pytest.fixture(scope="module")
def generator() -> Iterator[Generator]:
    with torch.random.fork_rng(devices=[]):
        torch.random.set_rng_state(torch.Generator().manual_seed(1).get_state())
        made = Generator(TINY).eval().requires_grad_(False)
    made.foreground.density.bias.data.fill_(6.0)
    before = {name: value.clone() for name, value in made.state_dict().items()}
    yield made
    assert all(torch.equal(value, before[name]) for name, value in made.state_dict().items())


def _pivot(generator: Generator) -> Pivot:
    chance = torch.Generator().manual_seed(0)
    w = generator.styles(torch.randn(1, TINY.z_size, generator=chance))
    return Pivot(w=w, background=torch.randn(1, TINY.background_latent, generator=chance))


def _photo() -> Tensor:
    rows = torch.linspace(-1, 1, 32)
    return torch.stack([rows.expand(32, 32), rows[:, None].expand(32, 32), torch.zeros(32, 32)])[None]


def _blunt(a: Tensor, b: Tensor) -> Tensor:
    """Return a distance that takes little time."""
    return torch.nn.functional.avg_pool2d(a - b, 4).square().mean((1, 2, 3))


def _tune(generator: Generator, config: TuneConfig, keep: Keep | None = None) -> Tuned:
    pivot, draws = _pivot(generator), seeded(2)
    return pivotal.tune(generator, pivot, _photo(), CAMERA, draws, config, distance=_blunt, keep=keep)


def test_published_numbers() -> None:
    assert (PUBLISHED.steps, PUBLISHED.rate, PUBLISHED.enough, PTI.steps) == (2000, 3e-4, 0.06, 350)
    assert (PUBLISHED.square_weight, PUBLISHED.look_weight, PUBLISHED.locality) == (1.0, 1.0, None)
    near = Locality()
    assert (near.reach, near.square_weight, near.look_weight, near.psi) == (30.0, 0.1, 0.1, 0.5)


def test_a_copy_learns_the_photo_and_its_mapping_stays(generator: Generator) -> None:
    found = _tune(generator, replace(FEW, steps=10))
    losses = found.course.losses
    assert losses["loss"][-1] < 0.7 * losses["loss"][0]
    for loss, square, look in zip(losses["loss"], losses["square"], losses["look"], strict=True):
        assert loss == pytest.approx(square + look, rel=1e-5)
    before = generator.state_dict()
    moved = {
        name for name, value in found.generator.state_dict().items() if not torch.equal(value, before[name])
    }
    assert {name.split(".")[0] for name in moved} == {"foreground", "background", "upsampler"}
    pivot = _pivot(generator)
    drawn = of_generator(found.generator, CAMERA).draw(pivot.w, pivot.background, {})
    assert float(pivotal.square(drawn, _photo())) < losses["square"][0]


def test_it_stops_before_the_step_that_is_not_needed(generator: Generator) -> None:
    looks = _tune(generator, FEW).course.losses["look"]
    assert looks[3] < looks[2]
    found = _tune(generator, replace(FEW, enough=looks[3]))
    assert (found.course.ended_by, found.course.steps) == ("enough", 3)
    assert found.course.losses["look"] == looks[:4]
    untouched = _tune(generator, replace(FEW, enough=1e6)).generator
    before = generator.state_dict()
    assert all(torch.equal(value, before[name]) for name, value in untouched.state_dict().items())


def test_neighbours_stay_nearer_where_they_are_held(generator: Generator) -> None:
    pivot = _pivot(generator)
    place = pivotal.morphed(generator.styles(torch.ones(1, TINY.z_size)), pivot.w, 30.0)
    before = of_generator(generator, CAMERA).draw(place, pivot.background, {})
    heavy = Locality(square_weight=20.0, look_weight=5.0)
    changes = []
    for config in (FEW, replace(FEW, locality=heavy)):
        tuned = _tune(generator, replace(config, steps=6)).generator
        drawn = of_generator(tuned, CAMERA).draw(place, pivot.background, {})
        changes.append(float(pivotal.square(before, drawn)))
    assert changes[1] < 0.8 * changes[0]


def test_the_loss_of_neighbours_is_both_distances(generator: Generator) -> None:
    pivot = _pivot(generator)
    tuned = _tune(generator, FEW).generator
    own, new = of_generator(generator, CAMERA).draw, of_generator(tuned, CAMERA).draw
    neighbours = pivotal.Neighbours(original=own, styles=generator.styles, codes=TINY.z_size, distance=_blunt)
    codes = torch.randn(2, TINY.z_size, generator=torch.Generator().manual_seed(4))
    near = Locality(square_weight=0.3, look_weight=0.2)
    found = float(pivotal.locality_loss(new, neighbours, pivot, codes, near))
    expected = 0.0
    for code in codes:
        place = pivotal.morphed(generator.styles(code[None]), pivot.w, near.reach)
        assert float((place - pivot.w).norm()) == pytest.approx(30.0, rel=1e-5)
        a, b = own(place, pivot.background, {}), new(place, pivot.background, {})
        expected += 0.3 * float((a - b).square().mean()) + 0.2 * float(_blunt(a, b))
    assert found == pytest.approx(expected / 2, rel=1e-4)
    assert float(pivotal.locality_loss(own, neighbours, pivot, codes, near)) == 0


@pytest.mark.parametrize("config", [replace(FEW, steps=4), replace(HELD, steps=4)])
def test_a_killed_tuning_goes_on_with_the_same_bits(
    generator: Generator, tmp_path: Path, config: TuneConfig
) -> None:
    expected = _tune(generator, config)
    keep = Keep(path=tmp_path / "a.tuning.safetensors", every=2)
    pivot, photo = _pivot(generator), _photo()
    seen = []

    def killed(now: object) -> bool:
        seen.append(now)
        if len(seen) == 3:
            raise KeyboardInterrupt
        return False

    with pytest.raises(KeyboardInterrupt):
        pivotal.tune(
            generator, pivot, photo, CAMERA, seeded(2), config, distance=_blunt, keep=keep, watch=killed
        )
    found = _tune(generator, config, keep)
    assert found.course == expected.course
    wanted = expected.generator.state_dict()
    assert all(torch.equal(value, wanted[name]) for name, value in found.generator.state_dict().items())


def test_without_weights_the_built_in_distance_stands_in(generator: Generator) -> None:
    pivot = _pivot(generator)
    looks = pivotal.tune(generator, pivot, _photo(), CAMERA, config=replace(FEW, steps=1)).course.losses[
        "look"
    ]
    drawn = of_generator(generator, CAMERA).draw(pivot.w, pivot.background, {})
    assert looks[0] == pytest.approx(float(perceptual_distance(drawn, _photo())))


def test_only_some_weights_may_be_tuned(generator: Generator) -> None:
    tuned = Generator(TINY).eval().requires_grad_(False)
    tuned.load_state_dict(generator.state_dict())
    leaves = {name: value for name, value in tuned.named_parameters() if name.startswith("upsampler.")}
    aim = target(_photo())
    pivotal.tuning(of_generator(tuned, CAMERA), leaves, _pivot(generator), aim, FEW).run()
    before = generator.state_dict()
    moved = {name for name, value in tuned.state_dict().items() if not torch.equal(value, before[name])}
    assert moved
    assert all(name.startswith("upsampler.") for name in moved)


def test_locality_without_neighbours_is_refused(generator: Generator) -> None:
    drawing = of_generator(generator, CAMERA)
    with pytest.raises(ValueError, match="needs neighbours"):
        pivotal.tuning(drawing, {}, _pivot(generator), target(_photo()), HELD)
    with pytest.raises(ValueError, match="needs neighbours"):
        pivotal.tune(generator, _pivot(generator), _photo(), CAMERA, None, HELD)
