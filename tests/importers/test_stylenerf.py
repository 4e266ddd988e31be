"""Published snapshots become our networks, every tensor accounted for."""

from __future__ import annotations

import hashlib
import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from importers import snapshots
from parity import stylenerf_cases as cases
from parity import stylenerf_sets as recordings
from parity.stylenerf_sets import Recorded

from phiz.console import Console
from phiz.errors import CheckpointError, UsageError
from phiz.generator import poses, store
from phiz.generator.config import FFHQ_256, FFHQ_1024, FFHQ_1024_RELEASED, TINY, TINY_D
from phiz.importers import catalogue, import_verb, stylenerf, stylenerf_names
from phiz.importers.import_verb import ImportConfig
from phiz.importers.stylenerf import Published


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("published") / "network-snapshot-000001.pkl"
    path.write_bytes(snapshots.written())
    return path


@pytest.fixture(scope="module")
def found(snapshot: Path) -> Published:
    return stylenerf.read(snapshot)


def test_all_three_networks_come_back_bit_by_bit(found: Published) -> None:
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
    with pytest.raises(CheckpointError, match=r"D is built .*it is no network"):
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


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("z_dim",), 10**5),
        (("z_dim",), "x"),
        (("w_dim",), -3),
        (("img_resolution",), 2**70),
        (("synthesis_kwargs",), []),
        (("synthesis_kwargs", "resolution_vol"), 0),
        (("synthesis_kwargs", "conv_clamp"), "wide"),
        (("synthesis_kwargs", "upsample_mode"), "liif"),
        (("synthesis_kwargs", "camera_kwargs"), 7),
        (("synthesis_kwargs", "camera_kwargs", "fov"), "wide"),
        (("synthesis_kwargs", "camera_kwargs", "range_u"), [1.0]),
        (("synthesis_kwargs", "camera_kwargs", "depth_range"), 3),
        (("synthesis_kwargs", "renderer_kwargs", "n_ray_samples"), 2**40),
        (("synthesis_kwargs", "renderer_kwargs", "hierarchical"), "no"),
    ],
)
def test_settings_that_make_no_sense_are_refused(
    place: tuple[str, ...], value: object, tmp_path: Path
) -> None:
    settings = snapshots.settings()
    inner = settings
    for name in place[:-1]:
        inner = inner[name]
    inner[place[-1]] = value
    tensors = snapshots.generator_names(snapshots.networks()[0])
    with pytest.raises(CheckpointError, match="G_ema"):
        _read(tmp_path, G_ema=snapshots.module(tensors, _init_kwargs=settings))


def test_two_tensors_for_one_place_are_refused(tmp_path: Path) -> None:
    tensors = snapshots.generator_names(snapshots.networks()[0])
    tensors["synthesis.b16.to_rgb.bias"] = tensors["synthesis.b16.torgb.bias"] + 1
    with pytest.raises(CheckpointError, match=r"torgb\.bias|to_rgb\.bias and .* same place"):
        _read(tmp_path, G=snapshots.module(tensors, _init_kwargs=snapshots.settings()))


def test_another_filter_is_refused(tmp_path: Path) -> None:
    tensors = snapshots.generator_names(snapshots.networks()[0])
    tensors["synthesis.fg_nerf.fc_in.resample_filter"] = torch.full((4, 4), 1 / 16)
    with pytest.raises(CheckpointError, match="another filter"):
        _read(tmp_path, G=snapshots.module(tensors, _init_kwargs=snapshots.settings()))


def test_one_row_of_numbers_cannot_be_named_over_and_over(tmp_path: Path) -> None:
    shared = torch.zeros(50_000)
    many = snapshots.Persistent("M", {"_parameters": {f"p{n}": shared for n in range(100)}})
    with pytest.raises(CheckpointError, match="more room than the file has"):
        _read(tmp_path, G_ema=many)


def test_networks_in_networks_do_not_get_names_without_end(tmp_path: Path) -> None:
    part = snapshots.Persistent("M", {"_parameters": {"weight": torch.zeros(1)}})
    for _ in range(3):
        part = snapshots.Persistent("M", {"_modules": {"a" * 99: part}})
    with pytest.raises(CheckpointError, match="nested too deeply"):
        _read(tmp_path, G_ema=part)


def test_networks_without_end_are_refused(tmp_path: Path) -> None:
    part = snapshots.Persistent("M", {"_parameters": {}})
    for _ in range(40):
        part = snapshots.Persistent("M", {"_modules": {"a": part, "b": part}})
    with pytest.raises(CheckpointError, match="no end"):
        _read(tmp_path, G_ema=part)


@pytest.mark.parametrize(
    "state",
    [
        {"_parameters": [1]},
        {"_parameters": {3: torch.zeros(1)}},
        {"_parameters": {"red\x1b[31m": torch.zeros(1)}},
        {"_buffers": {"x" * 101: torch.zeros(1)}},
        {"_buffers": {"x": 3}},
        {"_modules": {"x": 3}},
        {"_init_kwargs": 5},
        {},
    ],
)
def test_what_is_no_network_is_refused(state: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="D is built in a way"):
        _read(tmp_path, D=snapshots.Persistent("M", state))


def test_a_config_is_what_its_fields_say_or_refused() -> None:
    for config in (TINY, FFHQ_256, FFHQ_1024_RELEASED, TINY_D):
        stylenerf.check_settings(config)


def test_what_differs_from_the_published_configuration_is_told() -> None:
    told = import_verb.differences(FFHQ_1024_RELEASED)
    assert told == {"upsampling": ("pixelshuffle", "nn_cat"), "channel_base": (2.0, 1.0)}
    assert import_verb.differences(replace(FFHQ_1024, polar=(1.4157963267948966, 1.7257963267948966))) == {}
    assert import_verb.differences(TINY) == {}


def test_a_file_is_not_written_over_by_its_import(snapshot: Path) -> None:
    before = snapshot.read_bytes()
    with pytest.raises(UsageError, match="written over"):
        import_verb.import_stylenerf(
            ImportConfig(file=snapshot, output=snapshot), Console(output=io.StringIO())
        )
    assert snapshot.read_bytes() == before


def test_known_files_carry_their_licence() -> None:
    entry = catalogue.look_up(Path("somewhere") / "ffhq_1024.pkl")
    assert entry is not None
    assert "BY-NC" in entry.licence
    assert catalogue.look_up(Path("mine.pkl")) is None
    assert all("StyleNeRF" in entry.source and entry.licence for entry in catalogue.CATALOGUE)


def test_the_licence_of_a_known_file_goes_with_what_is_made_of_it(snapshot: Path, tmp_path: Path) -> None:
    known = tmp_path / "ffhq_512.pkl"
    known.write_bytes(snapshot.read_bytes())
    told = io.StringIO()
    config = ImportConfig(file=known, output=tmp_path / "made")
    done = import_verb.import_stylenerf(config, Console(output=told))
    entry = catalogue.look_up(known)
    assert entry is not None
    assert done["licence"] == entry.licence
    assert entry.licence in told.getvalue()
    about = store.about(tmp_path / "made.safetensors")
    assert (about["licence"], about["source"]) == (entry.licence, entry.source)
    assert about["sha256"] == done["sha256"] == hashlib.sha256(known.read_bytes()).hexdigest()


def test_recorded_snapshots_are_read_and_draw_what_was_recorded(goldens: Path) -> None:
    paths = sorted(goldens.glob("*/network-snapshot-*.pkl"))
    if not paths:
        pytest.skip("no recorded snapshots are at hand")
    for path in paths:
        found = stylenerf.read(path)
        recorded = Recorded(path.parent, path.parent.name)
        twin = recorded.generator()
        assert found.average.config == twin.config
        for name, value in twin.state_dict().items():
            assert torch.equal(found.average.state_dict()[name], value), name
        z = recorded.inputs["z"][:1]
        behind = recorded.inputs["z_shape_bg"][:1]
        psi = recorded.cases["base"]["truncation_psi"]
        camera = cases.camera_of(recorded, "base", twin.config)
        with torch.no_grad():
            drawn = found.average.render(found.average.styles(z, psi=psi), camera, background=behind).image
        assert (drawn - recorded.outputs["base/img"][:1]).abs().max() < recordings.CLOSE


def test_the_networks_that_were_being_trained_are_the_recorded_ones(goldens: Path) -> None:
    path = next(iter(sorted(goldens.glob("stylenerf_small/network-snapshot-*.pkl"))), None)
    if path is None:
        pytest.skip("no recorded snapshot is at hand")
    found = stylenerf.read(path)
    recorded = Recorded(path.parent, path.parent.name)
    raw = stylenerf_names.generator_tensors(recorded.tensors("g_raw_params"))
    judge = recorded.discriminator()
    assert found.discriminator.config == judge.config
    for ours, theirs in ((found.generator, raw), (found.discriminator, judge.state_dict())):
        assert ours.state_dict().keys() == theirs.keys()
        assert all(torch.equal(ours.state_dict()[name], value) for name, value in theirs.items())
    assert found.training_set["class_name"] == "training.dataset.ImageFolderDataset"


REFUSALS = {
    "eval": "names builtins.eval",
    "posix": "names posix.getcwd",
    "nested_blob": "a blob of numbers takes the step REDUCE",
    "view_out_of_range": "reaches beyond its 4 numbers",
    "git_lfs_pointer": "git lfs pull",
    "truncated": "damaged or cut short",
}


def test_recorded_hostile_files_are_refused(goldens: Path) -> None:
    paths = sorted((goldens / "stylenerf_refuse").glob("*.pkl"))
    if not paths:
        pytest.skip("no hostile files are at hand")
    for path in paths:
        with pytest.raises(CheckpointError, match=REFUSALS.get(path.stem, "not read")):
            stylenerf.read(path)


def _read(folder: Path, **changes: Any) -> Published:
    path = folder / "odd.pkl"
    path.write_bytes(snapshots.written(**changes))
    return stylenerf.read(path)
