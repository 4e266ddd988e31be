"""Steps down a loss that are watched, stopped early, and gone on with after a crash, to the last bit.

    descent = Descent(task, leaves, draws, Keep(path=beside(output, "projecting")))
    for progress in descent:
        console.say(str(progress))

Everything that changes (what is optimised, Adam's moments, the draws) is written to one safetensors file
every so many steps. A descent that is given the same task and the same file goes on from there; a file of
another task is left for the first write to replace.
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol, runtime_checkable

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from phiz import checkpoint
from phiz.console import duration
from phiz.errors import CheckpointError, PhizError

KIND = "descent"
LOSS = "loss"
"""Name of the loss that goes down, among those that a task tells."""
HISTORY = "history"


@runtime_checkable
class Draws(Protocol):
    """Where random numbers come from; what it has drawn is a part of its state."""

    def normal(self, *shape: int) -> Float[Tensor, "..."]: ...
    def state_dict(self) -> dict[str, Shaped[Tensor, "..."]]: ...
    def load_state_dict(self, state: Mapping[str, Shaped[Tensor, "..."]], /) -> None: ...


class RandomDraws:
    """Normally distributed numbers from a generator."""

    def __init__(self, generator: torch.Generator) -> None:
        self.generator = generator

    def normal(self, *shape: int) -> Float[Tensor, "..."]:
        """Return numbers of mean 0 and variance 1."""
        return torch.randn(shape, generator=self.generator, device=self.generator.device)

    def state_dict(self) -> dict[str, Shaped[Tensor, "..."]]:
        """Return where the generator is."""
        return {"generator": self.generator.get_state()}

    def load_state_dict(self, state: Mapping[str, Shaped[Tensor, "..."]], /) -> None:
        """Set the generator to where it was."""
        self.generator.set_state(state["generator"])


def seeded(seed: int = 0) -> RandomDraws:
    """Return draws that are the same for the same seed."""
    return RandomDraws(torch.Generator().manual_seed(seed))


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far a descent is."""

    label: str
    step: int
    """Steps done."""
    of: int
    """Steps in all, unless it ends before."""
    losses: Mapping[str, float]
    """Before the last step; "loss" is the one that goes down."""
    seconds_left: float

    def __str__(self) -> str:
        """Return one line for people."""
        left = duration(self.seconds_left)
        return f"{self.label} {self.step}/{self.of}, loss {self.losses[LOSS]:.4g}, {left} left"


Watch = Callable[[Progress], bool]
"""Is shown each step; whether to stop after it."""

End = Literal["", "steps", "enough", "watch"]


@dataclass(frozen=True, kw_only=True)
class Course:
    """What a descent was like."""

    steps: int
    """How often something was changed."""
    ended_by: End
    """All steps done, the task's own stop rule, or whoever watched; nothing while it goes on."""
    losses: Mapping[str, tuple[float, ...]]
    """Of each step, before it; where the stop rule held, one more: those that it held for."""


@dataclass(frozen=True, kw_only=True)
class Keep:
    """Where a descent is kept while it goes on."""

    path: Path
    every: int = 50
    """Steps between writes: a descent that is killed loses at most so many."""

    def discard(self) -> None:
        """Remove the file and what a kill left half written, once what it was for is written.

        A file that no descent wrote stays.
        """
        for half in self.path.parent.glob(f".{self.path.stem}-????????.part{self.path.suffix}"):
            half.unlink(missing_ok=True)
        if self.path.is_file() and checkpoint.read_about(self.path).kind == KIND:
            self.path.unlink()


def beside(output: Path, label: str) -> Path:
    """Return where to keep a descent whose result will be `output`."""
    return output.with_name(f"{output.stem}.{label}{checkpoint.SUFFIX}")


def _never(losses: Mapping[str, float]) -> bool:
    return False


def _nothing() -> None:
    pass


@dataclass(frozen=True, kw_only=True)
class Task:
    """What is to go down, and how."""

    label: str
    """A word for people: what is being done."""
    steps: int
    losses: Callable[[int], Mapping[str, Float[Tensor, ""]]]
    """The losses at a step, "loss" among them."""
    rate: Callable[[int], float]
    """The learning rate of a step."""
    betas: tuple[float, float] = (0.9, 0.999)
    """Of Adam."""
    is_enough: Callable[[Mapping[str, float]], bool] = _never
    """Whether losses are so small that nothing has to be changed any more."""
    settle: Callable[[], None] = _nothing
    """Done after each step."""
    settings: Mapping[str, object]
    """Plain values on which the course depends, to know the task by."""
    given: Mapping[str, Shaped[Tensor, "..."]]
    """The same of tensors, beside what is optimised."""

    def __post_init__(self) -> None:
        """Refuse a task without steps."""
        if self.steps < 1:
            raise ValueError(f"{self.label} takes at least one step, not {self.steps}")


class Descent:
    """Adam on some tensors in place, one step after the other; a class because it moves."""

    def __init__(
        self,
        task: Task,
        leaves: Mapping[str, Float[Tensor, "..."]],
        draws: Draws | None = None,
        keep: Keep | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin, or go on where the kept file says."""
        self.step = 0
        self.ended_by: End = ""
        self._task, self._leaves, self._draws, self._keep = task, dict(leaves), draws, keep
        self._clock = clock
        self._losses: dict[str, list[float]] = {}
        self._adam = torch.optim.Adam(list(self._leaves.values()), lr=0.0, betas=task.betas)
        self._identity = _identity(task, self._leaves, draws) if keep is not None else ""
        if keep is not None and keep.path.exists():
            self._load(keep.path)

    @property
    def course(self) -> Course:
        """Return what it was like so far."""
        losses = {name: tuple(values) for name, values in self._losses.items()}
        return Course(steps=self.step, ended_by=self.ended_by, losses=losses)

    def run(self, watch: Watch | None = None) -> Course:
        """Go on to the end, or until `watch` has seen enough."""
        for progress in self:
            if watch is not None and watch(progress):
                self.ended_by = "watch"
                self.save()
                break
        return self.course

    def __iter__(self) -> Iterator[Progress]:
        """Take step after step and tell of each. Whoever leaves early may `save`."""
        if self.ended_by in ("steps", "enough"):
            return
        self.ended_by = ""
        begun, first = self._clock(), self.step
        flags = {name: leaf.requires_grad for name, leaf in self._leaves.items()}
        try:
            for leaf in self._leaves.values():
                leaf.requires_grad_(True)
            while losses := self._advance():
                if self._keep is not None and self.step % self._keep.every == 0:
                    self.save()
                of = self._task.steps
                left = (self._clock() - begun) / (self.step - first) * (of - self.step)
                yield Progress(
                    label=self._task.label, step=self.step, of=of, losses=losses, seconds_left=left
                )
        finally:
            for name, leaf in self._leaves.items():
                leaf.requires_grad_(flags[name])
        self.save()

    def save(self) -> None:
        """Write everything that changes, if it is to be kept."""
        if self._keep is None:
            return
        tensors = {f"leaf/{name}": leaf for name, leaf in self._leaves.items()}
        for name, leaf in self._leaves.items():
            state = self._adam.state.get(leaf, {})
            tensors |= {f"adam/{name}/{key}": value for key, value in state.items()}
        if self._draws is not None:
            tensors |= {f"draws/{key}": value for key, value in self._draws.state_dict().items()}
        tensors[HISTORY] = torch.tensor(list(self._losses.values()), dtype=torch.float64)
        config = {
            "task": self._identity,
            "step": self.step,
            "ended_by": self.ended_by,
            "losses": list(self._losses),
        }
        checkpoint.save(self._keep.path, kind=KIND, config=config, tensors=tensors)

    def _advance(self) -> dict[str, float]:
        """Take one step and return the losses before it, or nothing at the end."""
        if self.step == self._task.steps:
            self.ended_by = "steps"
            return {}
        found = self._task.losses(self.step)
        numbers = {name: float(value.detach()) for name, value in found.items()}
        self._refuse_nan(numbers)
        for name, number in numbers.items():
            self._losses.setdefault(name, []).append(number)
        if self._task.is_enough(numbers):
            self.ended_by = "enough"
            return {}
        leaves = list(self._leaves.values())
        slopes = torch.autograd.grad(found[LOSS], leaves, allow_unused=True)
        for leaf, slope in zip(leaves, slopes, strict=True):
            leaf.grad = slope
        self._adam.param_groups[0]["lr"] = self._task.rate(self.step)
        self._adam.step()
        self._adam.zero_grad()
        with torch.no_grad():
            self._task.settle()
        self.step += 1
        return numbers

    def _refuse_nan(self, numbers: Mapping[str, float]) -> None:
        if not math.isfinite(numbers[LOSS]):
            raise PhizError(
                f"{self._task.label} has come apart: the loss is {numbers[LOSS]} at step {self.step}. Check "
                "that the picture and the weights of the perceptual distance hold numbers only, or lower "
                "the learning rate."
            )

    def _load(self, path: Path) -> None:
        saved = checkpoint.load(path, kind=KIND)
        if saved.config.get("task") != self._identity:
            return
        try:
            self._take(saved.config, saved.tensors)
        except (KeyError, RuntimeError, ValueError) as error:
            raise CheckpointError(
                f"{path} does not hold all of {self._task.label} ({error}). Remove it to begin anew."
            ) from error

    @torch.no_grad()
    def _take(self, config: Mapping[str, object], tensors: Mapping[str, Tensor]) -> None:
        for name, leaf in self._leaves.items():
            leaf.copy_(tensors[f"leaf/{name}"])
            moments = _below(tensors, f"adam/{name}/")
            if moments:
                self._adam.state[leaf] = {
                    key: value if key == "step" else value.to(leaf.device) for key, value in moments.items()
                }
        if self._draws is not None:
            self._draws.load_state_dict(_below(tensors, "draws/"))
        names, step, ended_by = config["losses"], config["step"], config["ended_by"]
        assert isinstance(names, list)
        assert isinstance(step, int)
        self._losses = dict(zip(names, tensors[HISTORY].tolist(), strict=True))
        self.step = step
        self.ended_by = ended_by  # type: ignore[assignment]


def _below(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Return the tensors whose names begin so, under the rest of their names."""
    return {name[len(prefix) :]: value for name, value in tensors.items() if name.startswith(prefix)}


def _identity(task: Task, leaves: Mapping[str, Tensor], draws: Draws | None) -> str:
    """Return what tells this task from any other: a digest of its settings and of all that goes in."""
    drawn = draws.state_dict() if draws is not None else {}
    settings = {**task.settings, "label": task.label, "steps": task.steps}
    total = hashlib.sha256(json.dumps(settings, sort_keys=True, default=str).encode())
    for kind, tensors in (("given", task.given), ("leaf", leaves), ("draws", drawn)):
        for name, value in tensors.items():
            total.update(f"{kind} {name} {tuple(value.shape)} {value.dtype}".encode())
            total.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return total.hexdigest()
