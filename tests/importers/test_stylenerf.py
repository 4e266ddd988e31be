"""Published snapshots become our networks, every tensor accounted for."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from importers import snapshots

from phiz.console import Console
from phiz.errors import CheckpointError
from phiz.generator import poses, store
from phiz.generator.config import TINY
from phiz.importers import catalogue, import_verb, stylenerf, stylenerf_names
from phiz.importers.import_verb import ImportConfig


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("published") / "network-snapshot-000001.pkl"
    path.write_bytes(snapshots.written())
    return path


def test_all_three_networks_come_back_bit_by_bit(snapshot: Path) -> None:
    found = stylenerf.read(snapshot)
    average, learning, judge = snapshots.networks()
    for ours, theirs in ((found.average, average), (found.generator, learning), (found.discriminator, judge)):
        for name, value in theirs.state_dict().items():
            assert torch.equal(ours.state_dict()[name], value), name
    assert found.average.config == replace(TINY, fov_deg=12, clamp=256)
    assert found.tensors["G"] == len(average.state_dict()) + 1  # and the constant filter
    assert found.training_set == {"class_name": "training.dataset.ImageFolderDataset", "use_labels": False}


def test_the_verb_writes_three_files_that_draw_and_judge(snapshot: Path, tmp_path: Path) -> None:
    told = io.StringIO()
    config = ImportConfig(file=snapshot, output=tmp_path / "made.safetensors")
    done = import_verb.import_stylenerf(config, Console(output=told))
    assert "are accounted for" in told.getvalue()
    assert "Its licence is that of whoever made it" in told.getvalue()
    generator = store.load(tmp_path / "made.safetensors")
    z = torch.randn(1, TINY.z_size, generator=torch.Generator().manual_seed(0))
    image = generator.render(generator.styles(z), poses.at(generator.config, (0.5, 0.5))).image
    judge = store.load_discriminator(tmp_path / "made-discriminator.safetensors")
    assert judge(image).shape == (1, 1)
    assert store.about(tmp_path / "made.safetensors")["imported from"] == snapshot.name
    assert store.load(Path(str(done["raw"]))).config == generator.config


def test_what_is_missing_or_strange_is_named(tmp_path: Path) -> None:
    average, _, _ = snapshots.networks()
    tensors = snapshots.generator_names(average)
    path = tmp_path / "odd.pkl"
    lacking = {k: v for k, v in tensors.items() if k != "mapping.fc1.bias"}
    path.write_bytes(snapshots.written(G=snapshots.module(lacking, _init_kwargs=snapshots.settings())))
    with pytest.raises(CheckpointError, match=r"lack mapping\.layers\.1\.bias"):
        stylenerf.read(path)
    more = tensors | {"synthesis.wings.weight": torch.zeros(2)}
    path.write_bytes(snapshots.written(G=snapshots.module(more, _init_kwargs=snapshots.settings())))
    with pytest.raises(CheckpointError, match=r"hold .*wings"):
        stylenerf.read(path)
    path.write_bytes(snapshots.written(G=snapshots.module(tensors, _init_kwargs={})))
    with pytest.raises(CheckpointError, match="built in a way that phiz does not know"):
        stylenerf.read(path)
    path.write_bytes(snapshots.dumped({"G": 1}))
    with pytest.raises(CheckpointError, match="no G, D and G_ema"):
        stylenerf.read(path)
    path.write_bytes(snapshots.written(D=3))
    with pytest.raises(CheckpointError, match="its D is no network"):
        stylenerf.read(path)


def test_old_flat_settings_take_the_defaults_of_the_old_classes() -> None:
    average, _, _ = snapshots.networks()
    tensors = snapshots.generator_names(average)
    settings = snapshots.settings()
    synthesis = {
        k: v for k, v in settings["synthesis_kwargs"].items() if k not in ("camera_kwargs", "renderer_kwargs")
    }
    found = stylenerf_names.generator_config({**settings, "synthesis_kwargs": synthesis}, 32, tensors)
    assert (found.fov_deg, found.is_corner_aligned, found.background_start) == (49.13, True, 1.0)
    assert (found.near, found.far, found.samples) == (0.5, 6.0, 14)


def test_known_files_carry_their_licence() -> None:
    entry = catalogue.look_up(Path("somewhere") / "ffhq_1024.pkl")
    assert entry is not None
    assert "BY-NC" in entry.licence
    assert catalogue.look_up(Path("mine.pkl")) is None


def test_recorded_snapshots_are_read(goldens: Path) -> None:
    paths = sorted(goldens.glob("*/network-snapshot-*.pkl"))
    if not paths:
        pytest.skip("no recorded snapshots are at hand")
    for path in paths:
        assert stylenerf.read(path).average.config.resolution >= 32
