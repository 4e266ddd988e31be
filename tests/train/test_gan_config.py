"""The presets say what was published, and every one of them can be asked for by its name."""

from __future__ import annotations

from dataclasses import replace

import pytest

from phiz import options
from phiz.errors import UsageError
from phiz.generator import config as configs
from phiz.generator.discriminator import Discriminator
from phiz.generator.generator import Generator
from phiz.train.gan_config import DEBUG, GUIDE_1024, PAPER_256, PAPER_512, PRESETS, GanConfig


@pytest.mark.parametrize("name", list(PRESETS))
def test_a_preset_is_what_its_name_stands_for(name: str) -> None:
    found = options.parse(GanConfig, ["--preset", name, "--data", "faces.zip"])
    assert found == replace(PRESETS[name], preset=name, data="faces.zip")
    assert GanConfig.presets()[name] is PRESETS[name]


def test_the_guides_numbers_stand_in_its_preset() -> None:
    found = options.parse(GanConfig, ["--preset", "GUIDE_1024", "--data", "faces.zip"])
    assert (found.rate_g, found.rate_d) == (0.002, 0.002)
    assert (found.batch, found.batch_gpu) == (32, 4)
    assert (found.kimg, found.half_life_kimg, found.snapshot_every) == (25_000, 10, 1000)
    assert (found.generator, found.discriminator) == (configs.FFHQ_1024, configs.FFHQ_1024_D)
    assert found.batch // found.batch_gpu == 8  # GPUs


def test_the_papers_numbers_stand_in_its_presets() -> None:
    for found in (PAPER_256, PAPER_512):
        assert (found.rate_g, found.rate_d, found.betas) == (0.0025, 0.0025, (0.0, 0.99))
        assert (found.batch, found.batch_gpu, found.kimg) == (64, 8, 25_000)
        assert (found.gamma, found.half_life_kimg, found.grow_kimg) == (0.5, 20, (500, 5000))
    assert [PRESETS[f"PAPER_{size}"].generator.resolution for size in (256, 512, 1024)] == [256, 512, 1024]
    assert (GUIDE_1024.g_every, GUIDE_1024.d_every, GUIDE_1024.mixing) == (4, 16, 0.9)
    assert (GUIDE_1024.path_length, GUIDE_1024.path_decay, GUIDE_1024.path_shrink) == (2, 0.01, 2)


def test_networks_of_the_smallest_preset_can_be_built() -> None:
    assert (
        Generator(DEBUG.generator).config.resolution == Discriminator(DEBUG.discriminator).config.resolution
    )


def test_options_of_networks_keep_the_presets_other_numbers() -> None:
    words = ["--preset", "DEBUG", "--generator.hidden", "6", "--discriminator.group", "4", "--batch", "8"]
    found = options.parse(GanConfig, words)
    assert found.generator == replace(configs.TINY, hidden=6)
    assert found.discriminator == replace(configs.TINY_D, group=4)
    assert (found.batch, found.batch_gpu, found.warm) == (8, DEBUG.batch_gpu, DEBUG.warm)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--preset GUIDE", r"there is no preset 'GUIDE'.*Known are GUIDE_1024"),
        ("--preset PAPER_265", "Did you mean 'PAPER_256'"),
        ("--pipe bgx", r"there is no pipe 'bgx'; choose from noaug, .*bgc"),
        ("--generator.resolution 512", r"draws 512 pixels, the discriminator sees 256.*--discriminator.res"),
        ("--batch 0", "at least 1"),
        ("--batch-gpu 0", "at least 1"),
    ],
)
def test_settings_that_cannot_be_are_told(words: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        options.parse(GanConfig, ["--data", "faces.zip", *words.split()])


def test_every_option_of_the_trainer_is_explained() -> None:
    text = " ".join(options.help_text(GanConfig, prog="phiz train gan").split())
    told = [
        "--rate-g X Learning rate of the generator. (default: 0.002)",
        "--preset TEXT Settings to begin with",
        "--generator.hidden N",
        "--discriminator.group N",
        "--warm.portraits PATH",
    ]
    for words in told:
        assert words in text
    nested = {"generator", "discriminator", "warm"}
    docs = options.field_docs(GanConfig)
    assert [name for name in GanConfig.__dataclass_fields__ if name not in docs and name not in nested] == []
