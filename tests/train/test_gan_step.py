"""A step teaches both networks what it should, in parts or at once, in less memory or in half precision."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from gan_fixtures import ALONE, assert_same, noise

from phiz.errors import CheckpointError
from phiz.train import gan_losses, gan_step
from phiz.train.gan_config import GanConfig
from phiz.train.gan_step import Batch, Learners, learn
from phiz.train.sitters import Sitters, Sitting
from phiz.train.warm import beginner

Begin = Callable[..., tuple[GanConfig, Learners]]


def numbers(values: gan_step.Values) -> dict[str, float]:
    return {name: float(value) for name, value in values.items()}


def flat(network: torch.nn.Module) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in network.parameters()])


def learned(begin: Begin, words: str = "", batch: Batch | None = None) -> tuple[Learners, dict[str, float]]:
    config, learners = begin(words)
    return learners, numbers(learn(config, learners, batch or noise(), 0))


def real_gradient(begin: Begin, words: str, judged: Callable[..., torch.Tensor]) -> torch.Tensor:
    """Return the discriminator's gradient at real pictures, where nothing is left to chance."""
    config, learners = begin(f"--discriminator.group 1 {words}")
    batch = noise()
    parts = iter(torch.split(batch.images, config.batch_gpu))

    def lose(labels: torch.Tensor, share: float) -> torch.Tensor:
        return judged(learners, next(parts)).mean() * share

    gan_step._accumulate(config, learners, batch, lose)
    assert next(parts, None) is None
    return torch.cat([p.grad.flatten() for p in learners.discriminator.parameters() if p.grad is not None])


def plain(learners: Learners, images: torch.Tensor) -> torch.Tensor:
    return gan_losses.discriminator_loss(learners.discriminator(images), are_real=True)


def steep(learners: Learners, images: torch.Tensor) -> torch.Tensor:
    images = images.requires_grad_()
    return gan_losses.r1_penalty(learners.discriminator(images), images, 2.0)


@pytest.mark.parametrize("judged", [plain, steep])
@pytest.mark.parametrize("parts", [1, 2, 3])
def test_a_batch_in_parts_teaches_what_it_teaches_at_once(
    begin: Begin, judged: Callable[..., torch.Tensor], parts: int
) -> None:
    whole = real_gradient(begin, "--batch-gpu 4", judged)
    torch.testing.assert_close(real_gradient(begin, f"--batch-gpu {parts}", judged), whole, rtol=1e-4, atol=1e-7)  # fmt: skip  # noqa: E501
    assert whole.norm() > 1e-3


def test_both_networks_learn_and_the_average_waits(begin: Begin) -> None:
    config, learners = begin()
    networks = (learners.generator, learners.discriminator, learners.average)
    before = [flat(network) for network in networks]
    values = numbers(learn(config, learners, noise(), 0))
    moved = [not torch.equal(flat(network), old) for network, old in zip(networks, before, strict=True)]
    assert moved == [True, True, False]
    assert all(np.isfinite(list(values.values())))
    assert values["norm/g"] > 0
    for network in networks[:2]:  # nothing is left behind for the next step
        assert all(p.requires_grad and p.grad is None for p in network.parameters())


def test_the_same_chance_gives_the_same_step(begin: Begin) -> None:
    words = "--pipe bgc --augment-p 0.5"
    (one, values), (other, again) = learned(begin, words), learned(begin, words)
    assert values == again
    assert_same(one.generator.state_dict(), other.generator.state_dict())
    assert_same(one.discriminator.state_dict(), other.discriminator.state_dict())


def test_a_discriminator_learns_to_tell_pictures_that_stay_the_same(begin: Begin) -> None:
    config, learners = begin("--d-every 0 --path-length 0 --rate-g 0 --rate-d 0.01 --batch-gpu 4")
    bright = Batch(torch.ones(4, 3, 32, 32), torch.zeros(4, 0))
    losses = [numbers(learn(config, learners, bright, step))["loss/d"] for step in range(12)]
    assert min(losses[-3:]) < 0.5 * losses[0]


def test_regularisers_come_when_they_are_due_and_are_remembered(begin: Begin) -> None:
    config, learners = begin("--g-every 2 --d-every 3")
    seen = [numbers(learn(config, learners, noise(), step)) for step in range(4)]
    r1, lengths = ([values[name] for values in seen] for name in ("loss/r1", "path_length"))
    assert [a == b for a, b in itertools.pairwise(r1)] == [True, True, False]
    assert [a == b for a, b in itertools.pairwise(lengths)] == [True, False, True]
    assert min(*r1, *lengths) > 0


@pytest.mark.parametrize("words", ["--path-length 0", "--g-every 0"])
def test_without_path_regularisation_nothing_is_said_of_it(begin: Begin, words: str) -> None:
    learners, values = learned(begin, f"{words} --d-every 0")
    assert not {"path_length", "loss/path_length", "loss/r1"} & set(values)
    assert learners.optimiser_g.param_groups[0]["lr"] == 0.002  # no step is added that would need less
    assert learners.optimiser_d.param_groups[0]["lr"] == 0.002


def test_optimisers_have_the_rates_of_lazy_regularisation(begin: Begin) -> None:
    _, learners = begin("--rate-g 0.0025 --rate-d 0.002")
    group_g, group_d = (o.param_groups[0] for o in (learners.optimiser_g, learners.optimiser_d))
    assert (group_g["lr"], group_g["betas"]) == gan_losses.lazy(0.0025, (0.0, 0.99), 4)
    assert (group_d["lr"], group_d["betas"]) == gan_losses.lazy(0.002, (0.0, 0.99), 16)


def test_the_mean_path_length_follows_slowly(begin: Begin) -> None:
    config, learners = begin("--path-decay 0.25")
    gan_step._path_turn(config, learners, noise())
    first = learners.memory.mean_length.clone()
    state = learners.memory.state_dict()
    gan_step._path_turn(config, learners, noise())
    assert first > 0
    assert learners.memory.mean_length > 0.75 * first
    learners.memory.load_state_dict(state)
    assert learners.memory.mean_length == first


@pytest.mark.parametrize(
    ("words", "is_lost"), [("--nerf-path 0", True), ("--generator.path-samples 0", True), ("", False)]
)
def test_the_nerf_path_loss_can_be_left_out(begin: Begin, words: str, is_lost: bool) -> None:
    _, values = learned(begin, f"{words} --path-length 0 --d-every 0")
    assert (values["loss/nerf_path"] == 0) == is_lost


def test_styles_of_two_people_are_mixed_as_often_as_asked(begin: Begin) -> None:
    def share(mixing: float) -> float:
        config, learners = begin(f"--mixing {mixing}")
        styles = gan_step._styles(config, learners, torch.zeros(400, 0))
        return float((styles[:, 0] != styles[:, -1]).any(1).float().mean())

    assert share(0) == 0
    assert share(0.5) == pytest.approx(0.5 * (1 - 1 / 10), abs=0.08)  # a cut may leave nothing to mix
    assert share(1) > 0.8


def test_augmented_pictures_are_judged_as_often_as_asked(begin: Begin) -> None:
    images = noise().images

    def scores(words: str) -> torch.Tensor:
        config, learners = begin(words)
        return gan_step._judged(config, learners, images, torch.zeros(4, 0)).detach()

    plainly = scores("--pipe noaug --augment-p 1")
    assert torch.equal(scores("--pipe bgc --augment-p 0"), plainly)
    assert not torch.equal(scores("--pipe bgc --augment-p 1"), plainly)


@pytest.mark.parametrize("target", [0.6, 1.5])
def test_augmentation_adapts_to_how_sure_the_discriminator_is(begin: Begin, target: float) -> None:
    words = "--pipe bgc --ada-every 1 --ada-kimg 0.04 --d-every 0 --path-length 0 --augment-p 0.5"
    _, values = learned(begin, f"{words} --ada-target {target}")
    assert values["ada_p"] == pytest.approx(0.5 + 0.1 * np.sign(values["signs/real"] - target))
    assert learned(begin, words)[1]["ada_p"] == 0.5  # without a target it stays


def test_labels_reach_both_networks(begin: Begin) -> None:
    words = "--generator.labels 3 --discriminator.labels 3 --use-labels --path-length 0 --d-every 0"
    config, learners = begin(words)
    batch = noise(labels=3)
    learn(config, learners, batch, 0)
    for network, name in ((learners.generator, "mapping.embed.weight"), (learners.discriminator, "label.weight")):  # fmt: skip  # noqa: E501
        _, untouched = begin(words)
        twin = untouched.generator if network is learners.generator else untouched.discriminator
        assert not torch.equal(network.state_dict()[name], twin.state_dict()[name])


def test_a_generator_without_background_learns_as_well(begin: Begin) -> None:
    _, values = learned(begin, "--generator.background none")
    assert all(np.isfinite(list(values.values())))


def test_what_is_computed_twice_teaches_the_same(begin: Begin) -> None:
    (kept, values), (twice, again) = learned(begin), learned(begin, "--is-checkpointed")
    assert again == pytest.approx(values, rel=1e-5)
    torch.testing.assert_close(flat(twice.generator), flat(kept.generator), rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(flat(twice.discriminator), flat(kept.discriminator), rtol=1e-4, atol=1e-6)
    assert twice.generator.state_dict().keys() == kept.generator.state_dict().keys()


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_half_precision_learns_nearly_the_same(begin: Begin, precision: str) -> None:
    (_, whole), (learners, half) = learned(begin), learned(begin, f"--precision {precision}")
    assert half != whole
    for name in ("loss/g", "loss/d", "loss/r1"):
        assert half[name] == pytest.approx(whole[name], rel=0.1, abs=0.02)
    assert all(p.dtype == torch.float32 and p.isfinite().all() for p in learners.generator.parameters())
    assert learners.scaler.is_enabled() == (precision == "float16")


def test_gradients_that_are_not_finite_do_no_harm(begin: Begin) -> None:
    config, learners = begin()
    spoiled = noise()
    spoiled.images[0] = torch.nan
    values = numbers(learn(config, learners, spoiled, 0))
    assert np.isnan(values["loss/d"])
    assert np.isnan(values["norm/d"])  # the log says so
    assert flat(learners.discriminator).isfinite().all()


def test_portraits_are_remembered_beside_the_discriminator(begin: Begin, few_portraits: Path) -> None:
    sitters = Sitters(few_portraits)
    sitting = sitters.batch(np.array([0, 1]), 2)

    def step(words: str, shown: Sitting | None) -> dict[str, float]:
        config, learners = begin(f"--path-length 0 --d-every 0 --warm.views 2 {words}")
        generator = beginner(config.generator, sitters, 0).train()
        people = Learners.begin(config, generator, learners.discriminator, learners.chance, learners.ada)
        return numbers(learn(config, people, noise(), 0, shown))

    free, light, heavy = step("", None), step("--anchor 1", sitting), step("--anchor 100", sitting)
    names = {"anchor/colour", "anchor/alpha", "anchor/depth", "anchor/picture", "anchor/perceptual"}
    assert set(light) - set(free) == names
    assert free["loss/g"] == light["loss/g"] == heavy["loss/g"]
    assert heavy["anchor/picture"] == light["anchor/picture"] > 0
    assert heavy["norm/g"] > 10 * light["norm/g"]


def test_a_snapshot_holds_all_that_changes(begin: Begin) -> None:
    config, learners = begin("--pipe bgc --ada-target 0.6 --ada-every 1")
    learn(config, learners, noise(), 0)
    _, other = begin("--pipe bgc --ada-target 0.6 --ada-every 1 --seed 9")
    for name, part in other.parts(ALONE).items():
        part.load_state_dict(copy.deepcopy(learners.parts(ALONE)[name].state_dict()))
    ours, theirs = (numbers(learn(config, one, noise(), 0)) for one in (learners, other))
    assert ours == theirs
    with pytest.raises(CheckpointError, match="ADA"):
        other.ada.load_state_dict({})
