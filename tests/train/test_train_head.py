"""The head is learned from scanned ones: the same every time, good enough even when tiny, loadable."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from phiz import checkpoint
from phiz.console import Console
from phiz.errors import HeadError, UsageError
from phiz.face.coeffs import neutral
from phiz.face.head import Head, built_in, read
from phiz.face.morphable import ARKIT_NAMES, Part
from phiz.train import head as training
from phiz.train import head_score
from phiz.train.colours import learn_colours
from phiz.train.head import FULL, TINY, HeadConfig, train_head

QUIET = Console(quiet=True, errors=io.StringIO())
Result = dict[str, object]


@pytest.fixture(scope="session")
def tiny(heads: Path) -> HeadConfig:
    return replace(TINY, from_=heads)


@pytest.fixture(scope="session")
def learned(tiny: HeadConfig, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result]:
    """Return the file of a head that was learned once for all tests, and what was said about it."""
    path = tmp_path_factory.mktemp("learned") / "head.safetensors"
    return path, train_head(replace(tiny, output=path), QUIET)


@pytest.fixture(scope="session")
def tiny_head(learned: tuple[Path, Result]) -> Head:
    return read(learned[0])


@pytest.fixture(scope="module")
def shipped() -> Head:
    return built_in()


# Takes about ten seconds: the topology is laid out anew.
def test_learning_twice_gives_equal_bytes(
    learned: tuple[Path, Result], tiny: HeadConfig, tmp_path: Path
) -> None:
    again = tmp_path / "again.safetensors"
    # Scores say nothing about the bytes, so one face is enough for them here.
    train_head(replace(tiny, output=again, mixes=1), QUIET)
    assert again.read_bytes() == learned[0].read_bytes()


def test_the_result_says_where_the_file_is_and_how_good_it_is(learned: tuple[Path, Result]) -> None:
    path, result = learned
    assert result["output"] == str(path)
    scores = {name: value for name, value in result.items() if name.endswith(("_mm", "_worst", "_mean"))}
    for kind in ("single", "mixes"):
        for part in ("teeth", "eyes"):
            assert {f"{kind}_{part}_mm2_worst", f"{kind}_{part}_mm2_mean"} <= set(scores)
        assert float(str(scores[f"{kind}_lip_overlap_mm"])) < 0.3
    mean, p95, worst = (float(str(scores[f"surface_{name}_mm"])) for name in ("mean", "p95", "worst"))
    # Twelve modes of twenty-four people; the full head does far better.
    assert 0 < mean < 2.5
    assert mean < p95 < worst < 25


def test_the_learned_head_loads_and_has_the_sizes_asked_for(
    learned: tuple[Path, Result], tiny_head: Head
) -> None:
    assert tiny_head.sizes.identity == TINY.modes
    assert tiny_head.sizes.texture == TINY.colour_modes
    assert tiny_head.expression_names == ARKIT_NAMES
    assert len(tiny_head.mean) == learned[1]["vertices"]
    assert len(tiny_head.triangles) == learned[1]["triangles"]
    assert set(tiny_head.parts.tolist()) == {int(part) for part in Part}
    assert bool(tiny_head.vertices(neutral(tiny_head.sizes)).isfinite().all())


def test_the_learned_head_is_symmetric_in_the_mean_and_in_pairs(tiny_head: Head) -> None:
    torch.testing.assert_close(tiny_head.mirrored(tiny_head.mean[None])[0], tiny_head.mean, atol=1e-6, rtol=0)
    reflected = tiny_head.mirrored(tiny_head.identity_modes)
    even = (tiny_head.identity_modes - reflected).abs().amax(dim=(1, 2))
    odd = (tiny_head.identity_modes + reflected).abs().amax(dim=(1, 2))
    assert float(torch.minimum(even, odd).max()) < 1e-3 * float(tiny_head.identity_modes.abs().max())


def test_the_file_names_its_kind_and_keeps_numbers_small(learned: tuple[Path, Result]) -> None:
    saved = checkpoint.load(learned[0], kind="head")
    assert saved.tensors["identity"].dtype == torch.int8
    assert saved.tensors["expression"].dtype == torch.int16
    assert learned[0].stat().st_size < 5 * 2**20


def test_learning_needs_a_folder_of_heads(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="phiz train head --from DIR"):
        train_head(replace(TINY, output=tmp_path / "x.safetensors"), QUIET)
    with pytest.raises(HeadError, match=r"no head\.npz"):
        train_head(replace(TINY, from_=tmp_path, output=tmp_path / "x.safetensors"), QUIET)
    assert not (tmp_path / "x.safetensors").exists()


def test_more_modes_than_people_allow_are_refused(tmp_path: Path) -> None:
    greedy = replace(FULL, from_=tmp_path, people=10, modes=20)
    with pytest.raises(UsageError, match="10 people cannot tell 20 modes apart"):
        train_head(greedy, QUIET)


def test_modes_as_whole_numbers_are_off_by_half_a_step_at_most() -> None:
    modes = np.random.default_rng(0).standard_normal((3, 50, 3)) * [[[1.0]], [[1e-3]], [[0.0]]]
    saved = training._quantised("identity", modes, 127, torch.int8)
    scale = saved["identity_scale"][:, None, None].numpy()
    back = saved["identity"].numpy() * scale
    assert (np.abs(back - modes) <= 0.51 * scale).all()
    assert int(saved["identity"].abs().max()) == 127
    assert not back[2].any()


# How a head is judged


def test_a_tooth_before_the_lips_counts_as_poking_through(shipped: Head) -> None:
    points = shipped.vertices(neutral(shipped.sizes))[0]
    assert head_score.poking(shipped, points, tongue_is_out=False)["teeth"] < 1
    teeth = torch.unique(shipped.triangles[shipped.parts == Part.UPPER_TEETH])
    wrong = points.index_add(0, teeth, torch.tensor([0.0, 0.0, 0.02]).expand(len(teeth), 3))
    found = head_score.poking(shipped, wrong, tongue_is_out=False)
    assert found["teeth"] > 100
    assert found["eyes"] < 5


def test_a_tongue_that_is_out_on_purpose_does_not_count(shipped: Head) -> None:
    points = shipped.vertices(neutral(shipped.sizes))[0]
    tongue = torch.unique(shipped.triangles[shipped.parts == Part.TONGUE])
    out = points.index_add(0, tongue, torch.tensor([0.0, 0.0, 0.03]).expand(len(tongue), 3))
    assert head_score.poking(shipped, out, tongue_is_out=False)["teeth"] > 20
    assert head_score.poking(shipped, out, tongue_is_out=True)["teeth"] < 1


def test_talkers_are_many_different_people_within_bounds(shipped: Head) -> None:
    faces = head_score.speech_like(shipped, 40, torch.Generator().manual_seed(0))
    again = head_score.speech_like(shipped, 40, torch.Generator().manual_seed(0))
    assert torch.equal(faces.expression, again.expression)
    assert float(faces.expression.min()) >= 0
    assert float(faces.expression.max()) <= 1
    assert float(faces.identity.abs().max()) <= 2
    assert float(torch.pdist(faces.expression).min()) > 0


# Colours


def test_colours_are_learned_from_skins_and_teeth_are_alike(shipped: Head) -> None:
    found = learn_colours(shipped, 2, 1, QUIET)
    assert found["texture_mean"].shape == (len(shipped.mean), 3)
    assert found["texture"].shape == (1, len(shipped.mean), 3)
    assert int(found["texture"].abs().max()) == 127
    teeth = torch.unique(shipped.triangles[shipped.parts == Part.UPPER_TEETH])
    assert int(found["texture_mean"][teeth].float().mean()) > 170
    assert not found["texture"][:, teeth].any()


def test_colour_modes_are_sorted_by_strength(tiny_head: Head) -> None:
    strength = tiny_head.texture_modes.flatten(1).norm(dim=1)
    assert bool((strength.diff() <= 1e-3).all())
    assert float(strength.min()) > 0
