"""Presets have the published sizes; settings that cannot be are refused."""

from __future__ import annotations

from dataclasses import asdict, replace

import pytest
import torch

from phiz.generator import config as configs
from phiz.generator import poses
from phiz.generator.config import DiscriminatorConfig, GeneratorConfig, from_plain
from phiz.generator.discriminator import Discriminator
from phiz.generator.generator import Generator


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("FFHQ_256", 5_264_749),
        ("FFHQ_512", 5_411_840),
        ("FFHQ_1024", 5_481_547),
        ("FFHQ_1024_RELEASED", 10_188_867),
        ("FFHQ_256_BASIC", 4_968_681),
    ],
)
def test_generators_have_as_many_parameters_as_published(name: str, count: int) -> None:
    generator = Generator(configs.GENERATORS[name])
    assert sum(p.numel() for p in generator.parameters()) == count


@pytest.mark.parametrize(
    ("config", "count"),
    [
        (configs.FFHQ_256_D, 23_052_353),
        (configs.FFHQ_512_D, 27_774_017),
        (configs.FFHQ_1024_D, 27_801_889),
    ],
)
def test_discriminators_have_as_many_parameters_as_published(config: DiscriminatorConfig, count: int) -> None:
    assert sum(p.numel() for p in Discriminator(config).parameters()) == count


def test_styles_are_counted_as_published() -> None:
    counts = [configs.GENERATORS[f"FFHQ_{size}"].styles for size in (256, 512, 1024)]
    assert counts == [17, 19, 21]
    assert configs.FFHQ_256.volume_styles == 10
    assert configs.FFHQ_256.plane_styles == 0


def test_planes_take_two_styles_a_resolution_and_the_field_none() -> None:
    config = configs.PLANES_256
    assert config.plane_resolutions == (8, 16, 32, 64, 128, 256)
    assert (config.plane_styles, config.field_styles, config.volume_styles) == (12, 0, 12)
    assert config.styles == 12 + 2 * len(config.block_resolutions) + 1


def test_channels_halve_from_block_to_block_below_a_ceiling() -> None:
    wide, released = configs.FFHQ_1024, configs.FFHQ_1024_RELEASED
    assert wide.block_resolutions == (64, 128, 256, 512, 1024)
    assert [wide.channels(r) for r in wide.block_resolutions] == [512, 256, 128, 64, 32]
    assert [released.channels(r) for r in released.block_resolutions] == [1024, 512, 256, 128, 64]
    assert [configs.PLANES_256.plane_channels(r) for r in (8, 64, 128, 256)] == [512, 512, 256, 128]
    judge = configs.FFHQ_256_D
    assert judge.block_resolutions == (256, 128, 64, 32, 16, 8)
    assert [judge.channels(r) for r in (256, 128, 64, 32, 4)] == [64, 128, 256, 512, 512]


def test_a_picture_may_be_as_small_as_its_volume() -> None:
    config = replace(configs.TINY, resolution=8)
    assert config.block_resolutions == ()
    assert config.styles == config.volume_styles + 1
    generator = Generator(config).eval()
    drawn = generator.render(generator.styles(torch.ones(1, config.z_size)), poses.at(config, (0.5, 0.5)))
    assert torch.equal(drawn.image, drawn.small)


def test_the_built_in_generator_is_small_enough_to_ship() -> None:
    generator = Generator(configs.BUILTIN_256)
    assert sum(t.numel() for t in generator.state_dict().values()) * 2 < 12 * 2**20


@pytest.mark.parametrize("name", list(configs.GENERATORS))
def test_every_preset_comes_back_from_json(name: str) -> None:
    preset = configs.GENERATORS[name]
    values = {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(preset).items()}
    assert from_plain(GeneratorConfig, values) == preset


def test_judges_come_back_from_json_and_strange_words_are_refused() -> None:
    judge = configs.FFHQ_512_D
    assert from_plain(DiscriminatorConfig, asdict(judge)) == judge
    assert from_plain(DiscriminatorConfig, {}) == DiscriminatorConfig()
    with pytest.raises(ValueError, match=r"GeneratorConfig knows nothing of tail, wings; install a newer"):
        from_plain(GeneratorConfig, {"wings": 2, "hidden": 8, "tail": 1})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"resolution": 48}, "by doubling"),
        ({"resolution": 4}, "by doubling"),
        ({"samples": 2}, "at least 3 samples"),
        ({"near": 1.2}, "near has to come before far"),
        ({"groups": (10, 9)}, "do not fit into z"),
        ({"groups": (3, 1)}, "nothing to choose"),
        ({"groups": (3,), "group_bias": (1.0,)}, "1 biases do not fit"),
        ({"group_bias": (1.0,)}, "1 biases do not fit groups of 0"),
    ],
)
def test_settings_that_cannot_be_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(configs.TINY, **changes)  # type: ignore[arg-type]


def test_a_score_cannot_depend_on_labels_and_on_a_camera() -> None:
    with pytest.raises(ValueError, match="not on both"):
        replace(configs.TINY_D, labels=3, camera="angles")
