"""A state comes back as it was: numbers, kinds, keys and their order."""

from __future__ import annotations

import io
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from phiz import checkpoint
from phiz.console import Console
from phiz.errors import CheckpointError
from phiz.train import state
from phiz.train.ranks import Ranks

ALONE = Ranks(rank=0, world=1, local_rank=0, device=torch.device("cpu"))


def same(one: Any, other: Any) -> bool:
    """Return whether two states are the same, kinds, order and NaN included."""
    if type(one) is not type(other):
        return False
    if isinstance(one, Tensor):
        return one.dtype == other.dtype and one.shape == other.shape and one.tolist() == other.tolist()
    if isinstance(one, dict):
        return same(list(one.items()), list(other.items()))
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other or (one != one and other != other)


def there_and_back(value: Any, folder: Path | None = None) -> Any:
    tensors, rest = state.pack(value)
    if folder is None:
        return state.unpack(tensors, json.loads(json.dumps(rest, allow_nan=False, sort_keys=True)))
    checkpoint.save(folder / "x.safetensors", kind="x", config={"state": rest}, tensors=tensors)
    saved = checkpoint.load(folder / "x.safetensors", kind="x")
    return state.unpack(saved.tensors, saved.config["state"])


TENSORS = st.builds(
    lambda values, dtype: torch.tensor(values).to(dtype),
    st.lists(st.integers(0, 99)),
    st.sampled_from(list(state.DTYPES.values())),
)
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9) | st.binary() | TENSORS
KEYS = (
    st.text()
    | st.integers()
    | st.booleans()
    | st.floats(allow_nan=False)
    | st.none()
    | st.tuples(st.integers())
)
STATES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(KEYS, inner),
    max_leaves=8,
)


@settings(max_examples=40)
@given(STATES)
def test_any_state_comes_back_as_it_was(value: Any) -> None:
    assert same(there_and_back(value), value)


def test_a_state_outlives_the_file(tmp_path: Path) -> None:
    value = {
        "counts": {3: 1, "3": 2, 10: [True, None, -0.0, math.inf, 2**100]},
        "tensors": ({1: torch.tensor(1.5, dtype=torch.bfloat16)}, {"1": torch.zeros(0, 3)}),
        "numpy": np.random.default_rng(5).bit_generator.state,
        "raw": b"\x00\xff",
    }
    back = there_and_back(value, tmp_path)
    assert same(back, value)
    assert math.copysign(1, back["counts"][10][2]) == -1


def test_an_optimiser_comes_back_and_goes_on(tmp_path: Path) -> None:
    def made() -> tuple[nn.Module, torch.optim.Optimizer]:
        network = nn.Linear(3, 2)
        for parameter in network.parameters():
            parameter.data.fill_(0.5)
        return network, torch.optim.AdamW(network.parameters(), amsgrad=True)

    def learn(network: nn.Module, optimiser: torch.optim.Optimizer, x: float) -> None:
        network(torch.full((1, 3), x)).square().sum().backward()
        optimiser.step()

    one, other = made(), made()
    learn(*one, 1.0)
    for ours, theirs in zip(one, other, strict=True):
        theirs.load_state_dict(there_and_back(ours.state_dict(), tmp_path))
    other[0].zero_grad()
    one[0].zero_grad()
    learn(*one, 2.0)
    learn(*other, 2.0)
    assert same(one[1].state_dict(), other[1].state_dict())
    assert torch.equal(one[0].weight, other[0].weight)


def test_nothing_is_shared_with_what_was_packed() -> None:
    weight = torch.ones(4)
    tensors, rest = state.pack({"a": weight, "tied": weight, "view": weight[:2]})
    weight.zero_()
    back = state.unpack(tensors, rest)
    back["a"] += 1
    assert back["tied"].tolist() == [1, 1, 1, 1]
    assert back["view"].tolist() == [1, 1]


def test_tensors_have_readable_names_and_never_the_same() -> None:
    one = torch.ones(1)
    tensors, _ = state.pack({"network": {"0.weight": one}, "optimiser": {0: one, "0": one + 1}})
    assert list(tensors) == ["network/0.weight", "optimiser/0", "optimiser/0~1"]


@pytest.mark.parametrize("strange", [object(), {1, 2}, np.ones(2), torch.ones(2).to_sparse(), {object(): 1}])
def test_what_cannot_be_saved_is_refused_by_name(strange: object) -> None:
    with pytest.raises(ValueError, match="network/odd"):
        state.pack({"network": {"odd": strange}})


def test_a_random_generator_goes_on_where_it_was() -> None:
    one, other = torch.Generator().manual_seed(1), torch.Generator().manual_seed(2)
    torch.rand(5, generator=one)
    saved = there_and_back(state.GeneratorState(one, ALONE).state_dict())
    state.GeneratorState(other, ALONE).load_state_dict(saved)
    assert torch.equal(torch.rand(5, generator=one), torch.rand(5, generator=other))


def test_generators_of_other_processes_are_seeded_anew_and_differ() -> None:
    saved = state.GeneratorState(torch.Generator().manual_seed(1), ALONE).state_dict()
    drawn = set()
    for rank in (0, 1, 0):
        generator = torch.Generator()
        here = Ranks(rank=rank, world=2, local_rank=rank, device=torch.device("cpu"))
        state.GeneratorState(generator, here).load_state_dict(saved)
        drawn.add(float(torch.rand((), generator=generator)))
    assert len(drawn) == 2


def test_the_newest_whole_snapshot_of_the_run_is_read(tmp_path: Path) -> None:
    for step in (5, 10, 100_000_000):  # more digits come later, whatever the alphabet says
        state.write_snapshot(tmp_path, "mine", step, {"step": step}, keep=3)
    errors = io.StringIO()
    console = Console(errors=errors)
    assert state.read_newest(tmp_path, "mine", console) == {"step": 100_000_000}
    assert errors.getvalue() == ""
    state.write_snapshot(tmp_path, "other", 100_000_001, {"step": 0}, keep=1)
    assert state.read_newest(tmp_path, "mine", console) == {"step": 100_000_000}
    assert "another run" in errors.getvalue()
    assert state.read_newest(tmp_path, "nobody", console) is None


def test_half_a_snapshot_is_swept_away_and_nothing_else(tmp_path: Path) -> None:
    whole = state.write_snapshot(tmp_path, "mine", 5, {"step": 5}, keep=1)
    (tmp_path / ".snapshot-notes.part.safetensors").touch()
    before = sorted(tmp_path.iterdir())
    with checkpoint.atomic(whole) as half:
        half.write_bytes(whole.read_bytes())
    half.write_bytes(b"half")  # as a process that is killed leaves it
    state.sweep(tmp_path)
    assert sorted(tmp_path.iterdir()) == before


def test_a_snapshot_of_a_later_phiz_says_so() -> None:
    with pytest.raises(CheckpointError, match="newer phiz"):
        state.unpack({}, {"set": [1, 2]})
