"""Every published configuration is there, with the numbers that were published."""

from __future__ import annotations

import pytest
import torch

from phiz import options
from phiz.errors import UsageError
from phiz.train.arcface import schedule_of, shape_of
from phiz.train.arcface_presets import PRESETS, ArcfaceConfig
from phiz.train.faces import open_faces
from phiz.train.margins import ARCFACE, COSFACE
from phiz.train.ranks import Ranks

TABLE = """
3millions                          mbf   cos 0.1 0   512 0.1   5e-4 30 -1 -
glint360k_mbf                      mbf   cos 1   0   128 0.1   1e-4 20 0  y 360232
glint360k_r50                      r50   cos 1   0   128 0.1   1e-4 20 0  y 360232
glint360k_r100                     r100  cos 1   0   128 0.1   1e-4 20 0  y 360232
ms1mv2_mbf                         mbf   arc 1   0   128 0.1   1e-4 40 0  y 85742
ms1mv2_r50                         r50   arc 1   0   128 0.1   5e-4 20 0  y 85742
ms1mv2_r100                        r100  arc 1   0   128 0.1   5e-4 20 0  y 85742
ms1mv3_mbf                         mbf   arc 1   0   128 0.1   1e-4 40 0  y 93431
ms1mv3_r50                         r50   arc 1   0   128 0.1   5e-4 20 0  y 93431
ms1mv3_r100                        r100  arc 1   0   128 0.1   5e-4 20 0  y 93431
ms1mv3_r50_onegpu                  r50   arc 1   0   128 0.02  5e-4 20 0  y 93431
wf4m_mbf                           mbf   cos 1   0   128 0.1   1e-4 20 0  y 205990
wf4m_r50                           r50   cos 1   0   128 0.1   5e-4 20 0  y 205990
wf4m_r100                          r100  cos 1   0   128 0.1   5e-4 20 0  y 205990
wf12m_mbf                          mbf   cos 1   0   128 0.1   1e-4 20 0  - 617970
wf12m_r50                          r50   cos 1   0   128 0.1   5e-4 20 0  - 617970
wf12m_r100                         r100  cos 1   0   128 0.1   5e-4 20 0  - 617970
wf12m_pfc02_r100                   r100  cos 0.2 0   128 0.1   5e-4 20 0  - 617970
wf12m_flip_r50                     r50   cos 1   0   128 0.1   5e-4 20 2  - 617970
wf12m_flip_pfc01_filter04_r50      r50   cos 0.1 0.4 128 0.1   5e-4 20 2  - 617970
wf12m_conflict_r50                 r50   cos 1   0   128 0.1   5e-4 20 2  - 1017970
wf12m_conflict_r50_pfc03_filter04  r50   cos 0.3 0.4 128 0.1   5e-4 20 2  - 1017970
wf42m_pfc0008_32gpu_r100           r100  cos 0   0   512 0.4   5e-4 20 2  y 2059906
wf42m_pfc02_16gpus_mbf_bs8k        mbf   cos 0.2 0   512 0.4   1e-4 20 2  - 2059906
wf42m_pfc02_16gpus_r100            r100  cos 0.2 0   256 0.3   5e-4 20 1  y 2059906
wf42m_pfc02_16gpus_r50_bs8k        r50   cos 0.2 0   512 0.6   5e-4 20 4  y 2059906
wf42m_pfc02_32gpus_r50_bs4k        r50   cos 0.2 0   128 0.4   5e-4 20 2  y 2059906
wf42m_pfc02_8gpus_r50_bs4k         r50   cos 0.2 0   512 0.4   5e-4 20 2  y 2059906
wf42m_pfc02_r100                   r100  cos 0.2 0   128 0.1   5e-4 20 0  y 2059906
wf42m_pfc02_r100_16gpus            r100  cos 0.2 0   128 0.2   5e-4 20 2  y 2059906
wf42m_pfc02_r100_32gpus            r100  cos 0.2 0   128 0.4   5e-4 20 2  y 2059906
wf42m_pfc03_32gpu_r18              r18   cos 0.3 0   128 0.4   5e-4 20 2  y 2059906
wf42m_pfc03_32gpu_r50              r50   cos 0.3 0   128 0.4   5e-4 20 2  y 2059906
wf42m_pfc03_32gpu_r100             r100  cos 0.3 0   128 0.4   5e-4 20 2  y 2059906
wf42m_pfc03_32gpu_r200             r200  cos 0.3 0   128 0.4   5e-4 20 2  y 2059906
wf42m_pfc02_vit_h                  vit_h cos 0.5 0   768 0.001 0.1  16 2  - 2059906
wf42m_pfc03_40epoch_64gpu_vit_t    vit_t_dp005_mask0    cos 0.3 0 384 0.001 0.1 40 4 - 2059906
wf42m_pfc03_40epoch_64gpu_vit_s    vit_s_dp005_mask_0   cos 0.3 0 384 0.001 0.1 40 4 - 2059906
wf42m_pfc03_40epoch_64gpu_vit_b    vit_b_dp005_mask_005 cos 0.3 0 384 0.001 0.1 40 4 - 2059906
wf42m_pfc03_40epoch_64gpu_vit_l    vit_l_dp005_mask_005 cos 0.3 0 384 0.001 0.1 40 4 - 2059906
wf42m_pfc03_40epoch_8gpu_vit_b     vit_b_dp005_mask_005 cos 0.3 0 256 0.001 0.1 40 4 - 2059906
wf42m_pfc03_40epoch_8gpu_vit_t     vit_t_dp005_mask0    cos 0.3 0 512 0.001 0.1 40 4 - 2059906
"""
"""Configuration, network, margin, sample, filter, batch, rate, decay, epochs, warm-up, verified?, people."""
ROWS = [line.split() for line in TABLE.strip().splitlines()]
ALONE = Ranks(rank=0, world=1, local_rank=0, device=torch.device("cpu"))


@pytest.mark.parametrize("row", ROWS, ids=[row[0] for row in ROWS])
def test_a_published_configuration_has_its_published_numbers(row: list[str]) -> None:
    config = PRESETS[row[0]]
    kind = COSFACE if row[2] == "cos" else ARCFACE
    assert config.network == row[1]
    assert (config.margin.shift, config.margin.gap, config.margin.scale) == (kind.shift, kind.gap, 64)
    numbers = config.sample, config.margin.filter, config.batch, config.rate, config.decay, config.epochs
    assert numbers == tuple(float(word) for word in row[3:9])
    assert config.warm_epochs == int(row[9])
    assert bool(config.pairs) == (row[10] == "y")
    assert [str(number) for number in config.expected[:1]] == row[11:]
    assert config.precision == "float16"
    assert config.optimiser == ("adamw" if row[1].startswith("vit") else "sgd")
    assert config.accumulate == (12 if row[0].endswith("8gpu_vit_b") else 1)
    assert config.is_varied == (row[1] == "vit_h")
    assert (config.power, config.clip, config.growth, config.seed) == (1.0, 5.0, 100, 2048)
    assert config.is_first_full
    assert not config.falls


def test_the_table_is_whole() -> None:
    ours = {name for name in PRESETS if not name.startswith("old_")} - {"BUILTIN", "DEBUG"}
    assert ours == {row[0] for row in ROWS}
    assert len(ROWS) == 42


@pytest.mark.parametrize("name", [name for name in PRESETS if name.startswith("old_")])
def test_configurations_of_the_older_trainer_fall_in_steps(name: str) -> None:
    config = PRESETS[name]
    assert config.rate_batch == 512
    assert config.falls
    assert max(config.falls) <= config.epochs
    small = options.parse(ArcfaceConfig, ["--preset", name, "--batch", "64", "--data", "synthetic:5:640"])
    schedule, total = schedule_of(small, open_faces("synthetic:5:640", size=16), ALONE)
    assert schedule.at(0) == pytest.approx(0.1 * 64 / 512)
    assert schedule.at(total - 1) == pytest.approx(0.1 * 64 / 512 / 10 ** len(config.falls))


def test_every_preset_names_a_network_that_there_is() -> None:
    assert all(shape_of(config).embedding >= 8 for config in PRESETS.values())


@pytest.mark.parametrize("name", ["ms1mv3_r50", "wf42m_pfc02_vit_h", "BUILTIN"])
def test_a_preset_is_taken_from_the_command_line(name: str) -> None:
    found = options.parse(ArcfaceConfig, ["--preset", name, "--data", "faces", "--margin.scale", "30"])
    assert found.margin.scale == 30
    assert found.margin.gap == PRESETS[name].margin.gap
    assert found.epochs == PRESETS[name].epochs


def test_steps_follow_from_the_data_and_the_batch() -> None:
    config = options.parse(ArcfaceConfig, "--batch 10 --epochs 3 --warm-epochs 1 --accumulate 2".split())
    schedule, total = schedule_of(config, open_faces("synthetic:5:104", size=16), ALONE)
    assert (schedule.warm, schedule.total, total) == (10, 30, 15)
    two = Ranks(rank=0, world=2, local_rank=0, device=torch.device("cpu"))
    schedule, total = schedule_of(config, open_faces("synthetic:5:104", size=16), two)
    assert (schedule.warm, schedule.total, total) == (5, 15, 7)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--network r51", "no network 'r51'"),
        ("--sample 2", "share from 0 to 1"),
        ("--batch 0", "at least 1"),
        ("--held-out -1", "not negative"),
        ("--margin.scale 0", "positive"),
        ("--preset ms1mv4_r50", "Did you mean"),
    ],
)
def test_settings_that_cannot_be_are_refused(words: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        options.parse(ArcfaceConfig, words.split())


def test_the_shape_of_a_network_may_be_asked_for() -> None:
    found = shape_of(options.parse(ArcfaceConfig, "--network r18 --embedding 64 --dropout 0.4".split()))
    assert found.embedding == 64
    assert found.dropout == 0.4  # type: ignore[union-attr]
    with pytest.raises(UsageError, match="no dropout"):
        shape_of(options.parse(ArcfaceConfig, "--network mbf --dropout 0.4".split()))
