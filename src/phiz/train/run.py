"""A training that may be interrupted at any moment: its folder, its log, its snapshots, its end.

    with ranks.start() as here, contextlib.closing(Run(config, about, parts, here, console)) as run:
        run.restore()
        while not run.finished(total_steps):
            losses = step(...)
            run.advance(images_of_all_processes)
            run.log(losses)

`parts` is everything that changes: networks, optimisers, averages, generators (`state.GeneratorState`). With
data whose order follows from the seed and from `run.images`, a run that was killed goes on from its last
snapshot and writes the same numbers as one that was not. `finished` writes what is due and has to be called
by all processes, as `log`, `snapshot` and `restore` have to be.
"""

from __future__ import annotations

import dataclasses
import math
import signal
import threading
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, Literal, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

import phiz
from phiz.console import Console, duration
from phiz.errors import CheckpointError, MissingError, PhizError
from phiz.media import image
from phiz.options import option
from phiz.train import monitor, ranks, report, state
from phiz.train.folder import ELSEWHERE, open_folder, to_plain
from phiz.train.ranks import Ranks

SAY_EVERY_S = 10.0
FREE = frozenset(
    {"output", "minutes", "snapshot_every", "keep", "log_every", "resume", "tensorboard", "wandb", "device"}
)
"""Settings that do not change what is learned, and may be others when a run goes on."""


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """Where a training is kept and how it is watched."""

    output: Path = option(Path("runs/gan"), "-o", "--output")
    """Folder of the run: an empty one, or one in which the same training was interrupted."""
    minutes: float = 0.0
    """Stop, with a snapshot, after so many minutes; 0 goes on to the end."""
    snapshot_every: int = 1000
    """Steps between snapshots; a run that is killed goes on from its last one."""
    keep: int = 2
    """How many snapshots stay; older ones of this run are removed."""
    log_every: int = 10
    """Steps between lines of metrics.jsonl."""
    resume: bool = True
    """Go on with the run in the folder, if there is one."""
    tensorboard: bool = True
    """Write for TensorBoard as well."""
    wandb: Literal["off", "offline", "online"] = "off"
    """Write for Weights & Biases as well; offline, nothing leaves this machine."""
    seed: int = 0
    """Which of the many possible courses the training takes."""

    def __post_init__(self) -> None:
        """Refuse numbers that make no sense."""
        if min(self.snapshot_every, self.keep, self.log_every) < 1:
            raise ValueError("snapshot_every, keep and log_every are at least 1")
        if not 0 <= self.minutes < math.inf:
            raise ValueError(f"minutes cannot be {self.minutes}; 0 means no limit")


def run_config(config: object) -> RunConfig:
    """Return the settings of the run among those of a trainer: a field of that type, or of its names."""
    if isinstance(config, RunConfig):
        return config
    names = [field.name for field in dataclasses.fields(config)]  # type: ignore[arg-type]
    for name in names:
        inner = getattr(config, name)
        if isinstance(inner, RunConfig):
            return inner
    known = {field.name for field in dataclasses.fields(RunConfig)}
    return RunConfig(**{name: getattr(config, name) for name in names if name in known})


@runtime_checkable
class Stateful(Protocol):
    """What can tell its state and take it on again: networks, optimisers, averages, random generators."""

    def state_dict(self) -> Any:
        """Return everything that changes in it."""
        ...

    def load_state_dict(self, state_dict: Any, /) -> Any:
        """Take on a state."""
        ...


class Run:
    """One training in one folder; a class because it counts."""

    def __init__(
        self,
        config: RunConfig,
        about: Mapping[str, object],
        parts: Mapping[str, Stateful],
        here: Ranks,
        console: Console,
        *,
        may_change: Collection[str] = (),
    ) -> None:
        """Open or make the folder; `about` names the "trainer" and holds all settings that change its result.

        A run may go on with other values of the settings in FREE and in `may_change`.
        """
        self.step = 0
        self.images = 0
        self.ended_by: Literal["", "steps", "minutes", "signal"] = ""
        self._config, self._parts, self._here, self._console = config, dict(parts), here, console
        self._settings = _settings(about, config, {*FREE, *may_change})
        self._clock = monitor.Clock()
        self._id = ranks.on_first(here, self._open) or ""
        self._monitors: list[monitor.Monitor] = []
        self._pending: dict[str, float | Tensor] = {}
        self._is_rare = False  # something among the pending that is written whatever the step
        self._saved = self._said = -1.0
        self._is_ready = False
        self._signal = 0
        self._handlers: dict[int, Any] = {}
        if threading.current_thread() is threading.main_thread():
            self._handlers = {n: signal.signal(n, self._hear) for n in (signal.SIGTERM, signal.SIGINT)}

    @property
    def folder(self) -> Path:
        """Return the folder of the run."""
        return self._config.output

    def restore(self) -> bool:
        """Go on from the newest snapshot that is whole; return whether there was one."""
        found = state.from_first(self._here, self._read)
        if found is not None:
            self.step, self.images = found["step"], found["images"]
            self._saved = self.step
            self._load(found["parts"])
            self._clock.begin(self.step, self.images, earlier_s=found["elapsed_s"])
            self._say(f"Going on from step {self.step} in {self.folder}.")
            if found["processes"] != self._here.world:
                self._warn(
                    f"the snapshot was written by {found['processes']} processes, now there are "
                    f"{self._here.world}; the run goes on, but not with the same numbers."
                )
        ranks.on_first(self._here, self._watch)
        self._is_ready = True
        return found is not None

    def advance(self, images: int) -> None:
        """Count a step, and the pictures that all processes together have learned from in it."""
        if not self._is_ready:
            raise ValueError("restore() comes before the first step")
        self._flush()
        self.step += 1
        self.images += images

    def log(self, values: Mapping[str, float | Float[Tensor, ""]], *, always: bool = False) -> None:
        """Note what was measured at this step; every `log_every` steps the mean of all processes is written.

        `always` is for numbers that are rarely measured. A name with a slash joins the others of its
        group in one plot. A value with "loss" in its name that is not finite ends the run.
        """
        for name, value in values.items():
            # A copy: its owner may change it before it is read, and reading it now would wait for the GPU.
            self._pending[name] = value.detach().clone() if isinstance(value, Tensor) else float(value)
        self._is_rare |= always

    def picture(self, name: str, shown: Float[Tensor, "3 h w"]) -> None:
        """Keep a picture of this step in the folder, for the report and for the monitors."""
        if not name.replace("-", "").replace("_", "").isalnum():
            raise ValueError(f"a picture's name is made of letters, digits and dashes; {name!r} is not")
        if self._here.is_first:
            image.write(self.folder / report.PICTURES / f"{name}-{self.step:08d}.png", shown)
            for one in self._monitors:
                one.picture(name, shown.detach().float().cpu(), self.step)

    def due(self, every: int) -> bool:
        """Return whether it is time, after this step, for what is done every so many steps; 0 is never."""
        return every > 0 and self.step > 0 and self.step % every == 0

    def finished(self, total_steps: int) -> bool:
        """Return whether to stop: all steps done, time over, or asked to; write what is due before."""
        reason = self._reason(total_steps)
        if (reason or self.due(self._config.snapshot_every)) and self._saved != self.step:
            self.snapshot()
        else:
            self._flush()
        if reason and not self.ended_by:
            self.ended_by = reason
            self._say(self._last_words(reason, total_steps))
        return bool(reason)

    def snapshot(self) -> None:
        """Write everything that the run needs to go on from here."""
        self._flush(is_checked=True)
        whole = {
            "step": self.step,
            "images": self.images,
            "elapsed_s": self._clock.total_s,
            "processes": self._here.world,
            "parts": {name: part.state_dict() for name, part in self._parts.items()},
        }

        def write() -> None:
            monitor.to_disk(self.folder)
            state.write_snapshot(self.folder, self._id, self.step, whole, keep=self._config.keep)

        ranks.on_first(self._here, write)
        self._saved = self.step

    def close(self) -> None:
        """Write the report, end the monitors, and leave signals to whom they belonged before."""
        try:
            if self._here.world == 1:  # with many, one may be in trouble, and the others would wait for it
                self._flush()
        finally:
            for number, handler in self._handlers.items():
                signal.signal(number, handler)
            self._handlers = {}
            for one in self._monitors:
                one.close()
            self._monitors = []
        if self._here.is_first and (self.folder / monitor.METRICS).is_file():
            self._say(f"The report is {report.write_report(self.folder)}.")

    def _open(self) -> str:
        """Make the folder, or make sure that it holds this very run; return the name of the run."""
        about = {
            "settings": self._settings,
            "free": {
                field.name: getattr(self._config, field.name) for field in dataclasses.fields(self._config)
            },
            "processes": self._here.world,
            "versions": {"phiz": phiz.__version__, "torch": str(torch.__version__)},
        }
        return open_folder(self.folder, about, resume=self._config.resume)

    def _read(self) -> dict[str, Any] | None:
        state.sweep(self.folder)
        found = state.read_newest(self.folder, self._id, self._console)
        monitor.cut_lines(self.folder, found["step"] if found else 0)
        return found

    def _load(self, parts: Mapping[str, Any]) -> None:
        if set(parts) != set(self._parts):
            raise CheckpointError(
                f"the snapshot of step {self.step} holds {', '.join(sorted(parts))}; this training has "
                f"{', '.join(sorted(self._parts))}. {ELSEWHERE}"
            )
        for name, part in self._parts.items():
            try:
                part.load_state_dict(parts[name])
            except (KeyError, RuntimeError, ValueError) as error:
                raise CheckpointError(
                    f"{name} in the snapshot of step {self.step} does not fit this training ({error}). "
                    f"{ELSEWHERE}"
                ) from error

    def _watch(self) -> None:
        """Open the monitors; the one that nobody asked for by name may be missing."""
        if self._config.tensorboard:
            try:
                self._monitors.append(monitor.tensorboard(self.folder, self.step))
            except MissingError as error:
                self._console.warn(f"no TensorBoard: {error} The report will show the same curves.")
        if self._config.wandb != "off":
            settings = {**self._settings, "processes": self._here.world}
            self._monitors.append(monitor.wandb(self.folder, self._id, settings, self._config.wandb))

    def _flush(self, *, is_checked: bool = False) -> None:
        """Write what was noted at this step, if it is due; `is_checked` looks for NaN even if not."""
        pending, is_due = self._pending, self._is_rare or self.due(self._config.log_every)
        self._pending, self._is_rare = {}, False
        if not pending or not (is_due or is_checked):
            return
        mine = torch.tensor([float(value) for value in pending.values()], dtype=torch.float64)
        values = dict(zip(pending, ranks.all_mean(mine).tolist(), strict=True))
        self._refuse_nan(values)
        if is_due and self._here.is_first:
            self._write_line(values)

    def _write_line(self, values: Mapping[str, float]) -> None:
        speed = self._clock.lap(self.step, self.images, self._here.device)
        line = monitor.Line(step=self.step, images=self.images, values=values, speed=speed)
        monitor.append_line(self.folder, line)
        for one in self._monitors:
            one.scalars({**values, **{f"speed/{name}": value for name, value in speed.items()}}, self.step)
        if time.monotonic() - self._said > SAY_EVERY_S or self._said < 0:
            self._said = time.monotonic()
            shown = ", ".join(f"{name} {value:.4g}" for name, value in list(values.items())[:4])
            self._console.say(f"step {self.step}: {shown}, {speed['images_per_s']:.4g} images/s")

    def _refuse_nan(self, values: Mapping[str, float]) -> None:
        bad = [name for name, value in values.items() if "loss" in name and not math.isfinite(value)]
        if bad:
            raise PhizError(
                f"{bad[0]} is {values[bad[0]]} at step {self.step}: the training has come apart. The "
                f"snapshots in {self.folder} are from before. Lower the learning rate or train in float32, "
                "in another folder; if the same command fails at another step, the machine is at fault."
            )

    def _reason(self, total_steps: int) -> Literal["", "steps", "minutes", "signal"]:
        """Return why to stop; the processes agree, because a signal may have reached one of them only."""
        if self.step >= total_steps:
            return "steps"
        is_late = 0 < self._config.minutes * 60 <= self._clock.here_s
        asked, late = ranks.all_sum(torch.tensor([float(self._signal > 0), float(is_late)])).tolist()
        return "signal" if asked else "minutes" if late else ""

    def _last_words(self, reason: str, total_steps: int) -> str:
        spent = duration(self._clock.total_s)
        if reason == "steps":
            return f"All {self.step} steps are done, in {spent}."
        why = "The time is over" if reason == "minutes" else "Asked to stop"
        return f"{why} at step {self.step} of {total_steps}; the same command goes on from there."

    def _hear(self, number: int, frame: FrameType | None) -> None:
        """Remember a signal until the step is done; the second one of its kind does not wait."""
        if self._signal == number:
            raise KeyboardInterrupt if number == signal.SIGINT else SystemExit(128 + number)
        self._signal = number

    def _say(self, text: str) -> None:
        if self._here.is_first:
            self._console.say(text)

    def _warn(self, text: str) -> None:
        if self._here.is_first:
            self._console.warn(text)


def _settings(about: Mapping[str, object], config: RunConfig, free: Collection[str]) -> dict[str, Any]:
    """Return, as plain JSON, what decides the result."""
    if not isinstance(about.get("trainer"), str):
        raise ValueError("about has to name the trainer")
    plain = to_plain({"seed": config.seed, **about})
    for name, value in plain.items():
        if isinstance(value, dict) and set(value) == {field.name for field in dataclasses.fields(RunConfig)}:
            plain[name] = {"seed": value["seed"]}
    return {name: value for name, value in plain.items() if name not in free}
