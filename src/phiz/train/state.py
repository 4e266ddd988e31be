"""Everything that a training would lose if it stopped, as one safetensors file.

`pack` takes a nested state apart into tensors and plain JSON, `unpack` puts it together again: the same
numbers of the same kinds, integer keys and the order of keys included. So optimisers, counters and random
generators are saved without a pickle. The rest of this file writes such states as numbered snapshots.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar, cast

import torch
from jaxtyping import Shaped, UInt8
from torch import Tensor

from phiz import checkpoint
from phiz.console import Console
from phiz.errors import CheckpointError
from phiz.train import ranks
from phiz.train.ranks import Ranks

KIND = "snapshot"
NAME = re.compile(r"snapshot-(\d{8,})\.safetensors")
HALF = re.compile(r"\.snapshot-\d{8,}-[0-9a-f]{8}\.part\.safetensors")
"""What a snapshot is called until it is whole."""

T = TypeVar("T")
DTYPES: Mapping[str, torch.dtype] = {
    str(dtype).removeprefix("torch."): dtype
    for dtype in (
        *(torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.complex64, torch.bool),
        *(torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64),
    )
}
"""Kinds of numbers that every safetensors knows."""


class GeneratorState:
    """A random generator as a part of a training: each process goes on with the numbers it would have drawn.

    Its state holds a row for each process. A training that goes on with other processes, or on another kind
    of device, cannot be the same; its generators are then seeded anew from what was saved.
    """

    def __init__(self, generator: torch.Generator, here: Ranks) -> None:
        self._generator = generator
        self._here = here

    def state_dict(self) -> dict[str, Any]:
        """Return the state of the generators of all processes; all of them have to ask."""
        return {"rows": ranks.all_stacked(self._generator.get_state())}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Set the generator of this process to what was saved of it."""
        rows: Tensor = state["rows"]
        if rows.shape == (self._here.world, len(self._generator.get_state())):
            self._generator.set_state(rows[self._here.rank].clone())
            return
        place = f"{self._here.rank} of {self._here.world}".encode()
        mixed = hashlib.sha256(rows.numpy().tobytes() + place).digest()
        self._generator.manual_seed(int.from_bytes(mixed[:7], "little"))


def pack(state: object, name: str = "") -> tuple[dict[str, Shaped[Tensor, "..."]], Any]:
    """Return copies of the tensors in a nested state, under readable names, and all the rest as JSON."""
    tensors: dict[str, Tensor] = {}
    return tensors, _take(state, name, tensors)


def unpack(tensors: Mapping[str, Shaped[Tensor, "..."]], rest: Any) -> Any:
    """Return the state that `pack` took apart."""
    if isinstance(rest, list):
        return [unpack(tensors, item) for item in rest]
    if not isinstance(rest, dict):
        return rest
    ((tag, value),) = rest.items()
    if tag == "tensor":
        return tensors[value]
    if tag == "bytes":
        return tensors[value].numpy().tobytes()
    if tag == "float":
        return float(value)
    if tag == "tuple":
        return tuple(unpack(tensors, item) for item in value)
    if tag == "dict":
        return {unpack(tensors, key): unpack(tensors, item) for key, item in value}
    raise CheckpointError(f"a snapshot holds a {tag!r}, which this phiz does not know. Install a newer phiz.")


def snapshot_path(folder: Path, step: int) -> Path:
    """Return where the snapshot of a step lies."""
    return folder / f"snapshot-{step:08d}{checkpoint.SUFFIX}"


def snapshots(folder: Path) -> list[Path]:
    """Return the snapshots in a folder, the newest first."""
    found = [(int(match[1]), path) for path in folder.iterdir() if (match := NAME.fullmatch(path.name))]
    return [path for _, path in sorted(found, reverse=True)]


def write_snapshot(folder: Path, run: str, step: int, state: object, *, keep: int) -> Path:
    """Write a snapshot; then remove those that the same run made earlier, but for the newest `keep`."""
    tensors, rest = pack(state)
    path = snapshot_path(folder, step)
    config = {"run": run, "step": step, "state": rest}
    checkpoint.save(path, kind=KIND, config=config, tensors=tensors)
    numbered = snapshots(folder)
    older = [other for other in numbered[numbered.index(path) + 1 :] if _made_by(other) == run]
    for other in older[keep - 1 :]:
        other.unlink(missing_ok=True)
    return path


def sweep(folder: Path) -> None:
    """Remove what a run that was killed had half written."""
    for path in list(folder.iterdir()):
        if HALF.fullmatch(path.name):
            path.unlink(missing_ok=True)


def read_newest(folder: Path, run: str, console: Console) -> dict[str, Any] | None:
    """Return the newest state in a folder that is whole, None where there is none."""
    for path in snapshots(folder):
        try:
            saved = checkpoint.load(path, kind=KIND)
            if saved.config["run"] == run:
                state: dict[str, Any] = unpack(saved.tensors, saved.config["state"])
                return state
            console.warn(f"{path} belongs to another run and is left alone.")
        except (CheckpointError, KeyError) as error:
            console.warn(f"{error} The snapshot before it is taken.")
    return None


def share(state: object) -> Any:
    """Return the first process's state in all processes; what the others bring does not matter."""
    tensors, rest = pack(state)
    kinds = [[name, str(t.dtype).removeprefix("torch."), list(t.shape)] for name, t in tensors.items()]
    kinds, rest = json.loads(_share_text(json.dumps([kinds, rest])))
    for name, dtype, shape in kinds:
        if name not in tensors or list(tensors[name].shape) != shape or tensors[name].dtype != DTYPES[dtype]:
            tensors[name] = torch.empty(shape, dtype=DTYPES[dtype])
    ranks.broadcast_from_first([tensors[name] for name, _, _ in kinds])
    return unpack(tensors, rest)


def from_first(here: Ranks, work: Callable[[], T]) -> T:
    """Return in all processes what `work` gives in the first; what it raises stops all of them."""
    found = ranks.on_first(here, work)
    return cast(T, share(found) if here.world > 1 else found)


def _share_text(text: str) -> str:
    data = _bytes(text.encode())
    length = torch.tensor(len(data))
    ranks.broadcast_from_first([length])
    if len(data) != int(length):
        data = torch.empty(int(length), dtype=torch.uint8)
    ranks.broadcast_from_first([data])
    return data.numpy().tobytes().decode()


def _take(value: object, name: str, tensors: dict[str, Tensor]) -> Any:
    """Return a value as JSON; its tensors go to `tensors`."""
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else {"float": str(float(value))}
    if isinstance(value, Tensor):
        return {"tensor": _keep(value, name, tensors)}
    if isinstance(value, (bytes, bytearray)):
        return {"bytes": _keep(_bytes(value), name, tensors)}
    if isinstance(value, Mapping):
        pairs = [
            [_take_key(key, name), _take(item, _below(name, key), tensors)] for key, item in value.items()
        ]
        return {"dict": pairs}
    if isinstance(value, (list, tuple)) and type(value) in (list, tuple):
        items = [_take(item, _below(name, number), tensors) for number, item in enumerate(value)]
        return items if isinstance(value, list) else {"tuple": items}
    raise ValueError(
        f"{name or 'the state'} is a {type(value).__name__}, which no snapshot can hold; tensors, numbers, "
        "text, None, lists, tuples and dicts can be saved."
    )


def _take_key(key: object, name: str) -> Any:
    if isinstance(key, (bool, int, float, str, tuple)) or key is None:
        return _take(key, name, {})
    raise ValueError(
        f"{name or 'the state'} has a {type(key).__name__} as a key; numbers and text can be saved."
    )


def _keep(tensor: Tensor, name: str, tensors: dict[str, Tensor]) -> str:
    """Put a copy of a tensor among the others, under its name or one near it; return that."""
    if tensor.dtype not in DTYPES.values() or tensor.layout != torch.strided:
        raise ValueError(
            f"{name or 'the state'} is a {tensor.layout} tensor of {tensor.dtype}; no file holds such."
        )
    names = itertools.chain([name or "state"], (f"{name}~{number}" for number in itertools.count(1)))
    free = next(one for one in names if one not in tensors)
    tensors[free] = tensor.detach().to("cpu", copy=True).contiguous()
    return free


def _below(name: str, key: object) -> str:
    return f"{name}/{key}" if name else str(key)


def _bytes(data: bytes | bytearray) -> UInt8[Tensor, " n"]:
    if not data:
        return torch.empty(0, dtype=torch.uint8)
    return torch.frombuffer(bytearray(data), dtype=torch.uint8)


def _made_by(path: Path) -> str:
    """Return the run that made a snapshot, nothing for a file that does not say."""
    try:
        about = checkpoint.read_about(path)
    except CheckpointError:
        return ""
    return str(about.config.get("run", "")) if about.kind == KIND else ""
