"""Presets have the published sizes; settings that cannot be are refused."""

from __future__ import annotations

from dataclasses import asdict, replace

import pytest
import torch

from phiz.generator import config as configs
from phiz.generator.config import GeneratorConfig, from_plain
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
    with torch.device("meta"):
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
def test_discriminators_have_as_many_parameters_as_published(
    config: configs.DiscriminatorConfig, count: int
) -> None:
    with torch.device("meta"):
        assert sum(p.numel() for p in Discriminator(config).parameters()) == count


def test_styles_are_counted_as_published() -> None:
    counts = [configs.GENERATORS[f"FFHQ_{size}"].styles for size in (256, 512, 1024)]
    assert counts == [17, 19, 21]
    assert configs.FFHQ_256.volume_styles == 10


def test_the_built_in_generator_is_small_enough_to_ship() -> None:
    with torch.device("meta"):
        generator = Generator(configs.BUILTIN_256)
    assert sum(t.numel() for t in generator.state_dict().values()) * 2 < 12 * 2**20


def test_a_config_comes_back_from_json() -> None:
    values = {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(configs.BUILTIN_256).items()}
    assert from_plain(GeneratorConfig, values) == configs.BUILTIN_256
    with pytest.raises(ValueError, match="knows nothing of wings"):
        from_plain(GeneratorConfig, {"wings": 2})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"resolution": 48}, "by doubling"),
        ({"samples": 2}, "at least 3 samples"),
        ({"groups": (10, 9)}, "do not fit into z"),
        ({"groups": (3,), "group_bias": (1.0,)}, "1 biases do not fit"),
    ],
)
def test_settings_that_cannot_be_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(configs.TINY, **changes)  # type: ignore[arg-type]
