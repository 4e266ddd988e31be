"""A folder of published weights becomes a studio folder: all of it, piece by piece, and only what is new."""

from __future__ import annotations

import json
from pathlib import Path

import published_fixtures as published
import pytest
import torch
from safetensors.torch import load_file, save_file

from phiz import checkpoint
from phiz.errors import CheckpointError, UsageError
from phiz.importers import facemodel, original
from phiz.importers.original import MANIFEST, PIECES, TALKER

SMALL_PARTS = ("seg.pth", "LipaintNet.pt")
"""Published files that are quickly read."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return published.write(tmp_path_factory.mktemp("published") / "pretrained_networks")


@pytest.fixture
def some(folder: Path, tmp_path: Path) -> Path:
    """Return a folder with two of the published files."""
    (tmp_path / "some").mkdir()
    for name in SMALL_PARTS:
        (tmp_path / "some" / name).write_bytes((folder / name).read_bytes())
    return tmp_path / "some"


def test_the_whole_folder_becomes_a_studio(folder: Path, tmp_path: Path) -> None:
    done, told = published.imported(folder.parent, tmp_path)  # the folder that it is in will do
    assert (done["missing"], done["failed"]) == ({}, {})
    assert "exit_code" not in done
    assert f"{len(PIECES)} of {len(PIECES)} parts are in" in told
    talker = published.opened(tmp_path)
    sizes = published.SMALL
    assert talker.generator.config.block_resolutions == sizes.generator.block_resolutions
    assert talker.parser is not None
    assert talker.parser.config == sizes.parser
    assert talker.lipaint is not None
    assert talker.lipaint.config == sizes.lipaint
    assert talker.expression.config == sizes.expression
    assert talker.regressor.config == sizes.regressor
    assert talker.model.sizes.expression == 64
    expected = published.state(talker.parser)
    for name, value in talker.parser.state_dict().items():
        assert torch.equal(value, expected[name]), name


def test_the_manifest_holds_digests_of_both_sides(some: Path, tmp_path: Path) -> None:
    published.imported(some, tmp_path / "studio")
    whole = json.loads((tmp_path / "studio" / MANIFEST).read_text())
    assert list(whole["parts"]) == ["parser", "lipaint"]
    part = whole["parts"]["parser"]
    assert part["source"] == "seg.pth"
    assert part["sha256"] == checkpoint.digest(some / "seg.pth")
    assert part["files"] == {
        "parser.safetensors": checkpoint.digest(tmp_path / "studio" / "parser.safetensors")
    }


def test_what_is_done_is_left_alone_and_what_was_damaged_is_made_anew(some: Path, tmp_path: Path) -> None:
    studio = tmp_path / "studio"
    published.imported(some, studio)
    digests = {path.name: checkpoint.digest(path) for path in studio.iterdir()}
    kept = (studio / "parser.safetensors").stat().st_mtime_ns
    (studio / "lipaint.safetensors").write_bytes(b"scratched")
    _, told = published.imported(some, studio)
    assert told.count("is there already") == 1
    assert (studio / "parser.safetensors").stat().st_mtime_ns == kept
    assert {path.name: checkpoint.digest(path) for path in studio.iterdir()} == digests


def test_a_file_that_was_replaced_is_read_again(some: Path, tmp_path: Path) -> None:
    published.imported(some, tmp_path / "studio")
    tensors = torch.load(some / "seg.pth")
    torch.save({name: value + 1 for name, value in tensors.items()}, some / "seg.pth")
    _, told = published.imported(some, tmp_path / "studio")
    assert told.count("is there already") == 1
    whole = json.loads((tmp_path / "studio" / MANIFEST).read_text())
    assert whole["parts"]["parser"]["sha256"] == checkpoint.digest(some / "seg.pth")


def test_what_is_missing_is_told_with_what_it_costs(some: Path, tmp_path: Path) -> None:
    done, told = published.imported(some, tmp_path / "studio")
    assert set(done["missing"]) == {"generator", "speech_expression", "regressor", "facemodel"}
    assert f"speech_expression is missing ({TALKER}): speech cannot be made into expressions" in told
    assert "2 of 6 parts are in" in told
    # What was imported once is not missed when its source is gone.
    (some / "seg.pth").unlink()
    again, _ = published.imported(some, tmp_path / "studio")
    assert set(again["missing"]) == set(done["missing"])
    assert original.read_manifest(tmp_path / "studio").keys() == {"parser", "lipaint"}


def test_a_broken_file_stops_nothing_and_is_told(some: Path, tmp_path: Path) -> None:
    (some / "seg.pth").write_bytes((some / "seg.pth").read_bytes()[:500])
    done, told = published.imported(some, tmp_path / "studio")
    assert list(done["failed"]) == ["parser"]
    assert done["exit_code"] == CheckpointError.exit_code
    assert "Nothing in it was run" in told
    assert list(done["done"]) == ["lipaint"]
    assert not (tmp_path / "studio" / "parser.safetensors").exists()


def test_the_reconstruction_is_found_in_the_collected_file_as_well(folder: Path, tmp_path: Path) -> None:
    place = tmp_path / "some" / TALKER
    place.parent.mkdir(parents=True)
    place.write_bytes((folder / TALKER).read_bytes())
    done, _ = published.imported(tmp_path / "some", tmp_path / "studio")
    assert done["done"]["regressor"]["source"] == TALKER
    files = {"speech_expression.safetensors", "speech_pose.safetensors"}
    assert set(done["done"]["speech_expression"]["files"]) == files


def test_a_collected_file_without_expressions_is_told(folder: Path, tmp_path: Path) -> None:
    place = tmp_path / "some" / TALKER
    place.parent.mkdir(parents=True)
    tensors = load_file(folder / TALKER)
    save_file({name: value for name, value in tensors.items() if not name.startswith("audio2exp.")}, place)
    done, _ = published.imported(tmp_path / "some", tmp_path / "studio")
    assert "holds no speech_expression" in done["failed"]["speech_expression"]
    assert list(done["done"]) == ["regressor"]


def test_the_head_model_may_lie_there_in_the_parts_it_is_made_of(some: Path, tmp_path: Path) -> None:
    (some / "BFM").mkdir()
    (some / "BFM" / facemodel.MODEL).write_bytes(b"not a model")
    done, told = published.imported(some, tmp_path / "studio")
    assert "facemodel: BFM" in told
    assert "lacks BFM_front_idx.mat" in done["failed"]["facemodel"]
    for name in facemodel.PARTS[1:]:
        (some / "BFM" / name).write_bytes(b"not a part")
    done, _ = published.imported(some, tmp_path / "studio")
    assert "lacks" not in done["failed"]["facemodel"]


def test_folders_that_are_none_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is no folder"):
        published.imported(tmp_path / "nowhere", tmp_path / "studio")
    with pytest.raises(UsageError, match="holds none of the published files"):
        published.imported(tmp_path, tmp_path / "studio")


@pytest.mark.parametrize("content", ["{", '{"format": 1}', '{"format": 1, "parts": {"parser": {"a": 1}}}'])
def test_a_manifest_that_cannot_be_read_is_told(some: Path, tmp_path: Path, content: str) -> None:
    (tmp_path / "studio").mkdir()
    (tmp_path / "studio" / MANIFEST).write_text(content)
    with pytest.raises(CheckpointError, match="Move it away"):
        published.imported(some, tmp_path / "studio")


def test_a_manifest_of_a_later_phiz_is_refused(some: Path, tmp_path: Path) -> None:
    (tmp_path / "studio").mkdir()
    (tmp_path / "studio" / MANIFEST).write_text('{"format": 2, "parts": {}}')
    with pytest.raises(CheckpointError, match="newer phiz"):
        published.imported(some, tmp_path / "studio")
