"""What a training tells while it runs: numbers a step, pictures, how fast it is and what it needs.

``metrics.jsonl`` is always written and is what everything else can be made from: one JSON object a line,

    {"step": 1200, "images": 38400, "values": {"loss/g": 1.31}, "speed": {"step_s": 0.41, ...}}

where a value that is no finite number is null. TensorBoard and Weights & Biases are told the same if asked.
"""

from __future__ import annotations

import importlib
import json
import math
import os
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from phiz import checkpoint
from phiz.errors import DataError, MissingError
from phiz.media import image

METRICS = "metrics.jsonl"
MIB = 2**20
STATM = Path("/proc/self/statm")


@dataclass(frozen=True, kw_only=True)
class Line:
    """What was measured at one step."""

    step: int
    images: int
    values: Mapping[str, float | None]
    speed: Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class Monitor:
    """A program that shows a training while it runs: three functions, so that all of them look alike."""

    scalars: Callable[[Mapping[str, float], int], None]
    picture: Callable[[str, Float[Tensor, "3 h w"], int], None]
    close: Callable[[], None]


class Clock:
    """How fast a training is: measured from one logged step to the next, and in all."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._start = self._last = now()
        self._step = self._images = 0
        self.earlier_s = 0.0
        """Seconds that were spent before this process began."""

    @property
    def here_s(self) -> float:
        """Return the seconds since this process began to train."""
        return self._now() - self._start

    @property
    def total_s(self) -> float:
        """Return all seconds of the training, those before an interruption included."""
        return self.earlier_s + self.here_s

    def begin(self, step: int, images: int, *, earlier_s: float) -> None:
        """Go on from a training that had come this far."""
        self.earlier_s = earlier_s
        self._last, self._step, self._images = self._now(), step, images

    def lap(self, step: int, images: int, device: torch.device) -> dict[str, float]:
        """Return the speed since the last lap, and the memory in use."""
        now = self._now()
        spent, steps, shown = max(now - self._last, 1e-9), step - self._step, images - self._images
        self._last, self._step, self._images = now, step, images
        return {
            "elapsed_s": round(self.total_s, 3),
            "step_s": round(spent / max(steps, 1), 6),
            "images_per_s": round(shown / spent, 3),
            "memory_mib": round(memory_mib(device), 1),
        }


def append_line(folder: Path, line: Line) -> None:
    """Add a line to the metrics of a folder."""
    values = {name: _finite(value) for name, value in line.values.items()}
    text = json.dumps(
        {"step": line.step, "images": line.images, "values": values, "speed": dict(line.speed)},
        allow_nan=False,
    )
    with (folder / METRICS).open("a", encoding="utf-8", newline="\n") as file:
        file.write(text + "\n")


def read_lines(folder: Path) -> list[Line]:
    """Return the metrics of a folder; a last line that was not finished is left out."""
    path = folder / METRICS
    if not path.is_file():
        return []
    texts = path.read_text(encoding="utf-8", errors="replace").split("\n")
    whole, lines = texts[:-1], []  # behind the last line break is nothing, or half a line
    for number, text in enumerate(whole, start=1):
        try:
            lines.append(Line(**json.loads(text)))
        except (TypeError, ValueError) as error:
            raise DataError(f"{path}, line {number} is damaged ({error}). Take this line out.") from error
    return lines


def cut_lines(folder: Path, step: int) -> None:
    """Take out, all or nothing, the lines that were written after a step, and one that is half there."""
    path = folder / METRICS
    if not path.is_file():
        return
    text = path.read_text(encoding="utf-8", errors="replace")
    kept = "".join(f"{row}\n" for row in text.split("\n")[:-1] if _step_of(row) <= step)
    if kept != text:
        with checkpoint.atomic(path) as temporary:
            temporary.write_text(kept, encoding="utf-8", newline="\n")


def to_disk(folder: Path) -> None:
    """Make sure that the metrics would outlive a power cut."""
    path = folder / METRICS
    if path.is_file():
        with path.open("ab") as file:
            os.fsync(file.fileno())


def tensorboard(folder: Path, step: int) -> Monitor:
    """Return a monitor that writes for TensorBoard; what it was told after `step` before counts no more."""
    module = _import("torch.utils.tensorboard", "tensorboard", "pip install 'phiz[train]'")
    writer: Any = module.SummaryWriter(str(folder / "tensorboard"), purge_step=step + 1)

    def scalars(values: Mapping[str, float], at: int) -> None:
        for name, value in values.items():
            writer.add_scalar(name, value, at)

    def picture(name: str, shown: Float[Tensor, "3 h w"], at: int) -> None:
        writer.add_image(name, image.to_bytes(shown).cpu().numpy(), at, dataformats="HWC")

    return Monitor(scalars=scalars, picture=picture, close=writer.close)


def wandb(
    folder: Path, run: str, settings: Mapping[str, object], mode: Literal["offline", "online"]
) -> Monitor:
    """Return a monitor that writes for Weights & Biases; offline, nothing leaves this machine."""
    module = _import("wandb", "wandb", "pip install wandb")
    live: Any = module.init(
        project="phiz",
        dir=str(folder),
        id=run,
        name=folder.name,
        config=dict(settings),
        mode=mode,
        resume="allow",
    )

    def scalars(values: Mapping[str, float], at: int) -> None:
        live.log(dict(values), step=at)

    def picture(name: str, shown: Float[Tensor, "3 h w"], at: int) -> None:
        live.log({name: module.Image(image.to_bytes(shown).cpu().numpy())}, step=at)

    return Monitor(scalars=scalars, picture=picture, close=live.finish)


def gradient_norm(parameters: Iterable[nn.Parameter]) -> Float[Tensor, ""]:
    """Return the length of all gradients together, as one vector; nothing waits for the GPU."""
    norms = [torch.linalg.vector_norm(p.grad.float()) for p in parameters if p.grad is not None]
    if not norms:
        return torch.zeros(())
    whole: Tensor = torch.linalg.vector_norm(torch.stack([norm.to(norms[0].device) for norm in norms]))
    return whole


def memory_mib(device: torch.device) -> float:
    """Return the most memory that the GPU has held so far, or what the process holds now on a CPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / MIB
    if device.type == "mps":
        return torch.mps.driver_allocated_memory() / MIB
    try:
        pages = int(STATM.read_text(encoding="ascii").split()[1])
    except OSError:
        return 0.0  # no such file but on Linux
    return pages * os.sysconf("SC_PAGE_SIZE") / MIB


def _import(module: str, package: str, command: str) -> ModuleType:
    """Return a module of a package that not everybody has."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingError(f"this needs the package {package!r} ({error}). Get it with: {command}") from error


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _step_of(row: str) -> float:
    """Return the step of a line; endless for one that cannot be read, so that it goes."""
    try:
        return float(json.loads(row)["step"])
    except (KeyError, TypeError, ValueError):
        return math.inf
