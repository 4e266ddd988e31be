"""The command that makes a data set to train on of folders of pictures, films and sounds."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Literal

from phiz import checkpoint
from phiz.console import Console, duration
from phiz.errors import DataError
from phiz.face import detectors, models
from phiz.options import option, positional
from phiz.prepare import assemble, check, estimate, eyes, gather, jobs, prepare_sheet, ray_workers, report
from phiz.prepare.assemble import Target
from phiz.prepare.check import CheckConfig
from phiz.prepare.eyes import Networks, Opener
from phiz.prepare.jobs import Item, Job, Plan
from phiz.prepare.judge import REASONS, Limits
from phiz.prepare.problems import shown
from phiz.prepare.report import Report
from phiz.prepare.store import FOLDER, Store
from phiz.prepare.work import Settings
from phiz.world.data import guide, workers

Spread = Callable[[Iterable[Job]], Generator[tuple[Item, ...], None, None]]

ITEMS = "items.jsonl"
"""File of the store with what became of everything, in order."""
MOST_NOTES = 5
"""Remarks about sounds on the screen; the report has all."""


@dataclass(frozen=True, kw_only=True)
class PrepareConfig:
    """What to prepare, and what is good enough."""

    folder: Path = positional()
    """Folder with a folder for each person, which holds pictures, films and sounds of any kind."""
    output: Path = option(Path("dataset"), "-o", "--output")
    """Folder for the data set, in the layout of docs/data.md."""
    size: Literal[256, 512, 1024] = 1024
    """Height and width of the pictures."""
    fps: float = guide.FPS
    """Frames a second that are taken from films."""
    loose: gather.Loose = "one"
    """Files that lie in no person's folder: all of one person, or each of a person called like the file."""
    detector: detectors.Name = "built-in"
    """Who finds faces: built-in, or mediapipe or opencv where they are installed."""
    model: str = models.BUILT_IN
    """The head: built-in, a folder with head.npz, or a file of BFM 2009 (.mat) or FLAME (.npz)."""
    colours: bool = False
    """Fit the pictures' colours too: a little more exact, and several times slower."""
    parse: bool = False
    """Write what each pixel shows as well: masks/<person>/<00001.png>, classes of CelebAMask-HQ."""
    background: str = "white"
    """What transparency is laid over: a colour's name, or #rrggbb."""
    limits: Limits = field(default_factory=Limits)
    workers: int = 0
    """Processes; 0 takes one a core."""
    ray: str | None = None
    """Spread over machines with Ray: local (this machine alone), auto, or a cluster's address."""
    estimate: bool = False
    """Only say what there is, how long it will take and how much room."""

    def __post_init__(self) -> None:
        if self.workers < 0 or not 1 <= self.fps <= 240:
            raise ValueError("--workers is not negative, --fps lies between 1 and 240")


def prepare_verb(config: PrepareConfig, console: Console) -> Mapping[str, object]:
    """Make a data set to train on of folders of pictures, films and sounds.

    Each folder is a person. Every picture and frame is searched for a face, cut out upright, judged, and a
    head is fitted to it; sounds become one channel at 16 kHz. What is not good enough is left out and told:
    report.json has every reason, sheet.png shows what was kept and dropped. Nothing in the source is changed.
    Run the same command again after an interruption or a change: what is finished is kept.

    Examples:
        phiz prepare footage -o talkers
        phiz prepare footage -o small --size 256 --limits.yaw-deg 45 --parse
        phiz prepare films -o talkers --loose each --estimate
        phiz prepare footage -o talkers --ray auto
    """
    opener = Networks(detector=config.detector, model=config.model, has_parser=config.parse)
    return prepare(config, console, opener)


def prepare(config: PrepareConfig, console: Console, opener: Opener) -> Mapping[str, object]:
    """Make a data set with these eyes; return the summary."""
    begun = time.monotonic()
    plan = _plan(config, opener)
    seen = eyes.opened(opener)  # what is missing is told before anything begins
    with ExitStack() as stack:
        spread, places = _spread(config, stack)
        amount = estimate.survey(_people(config), plan.root, plan.fps, places)
        if not amount.looks and not amount.sounds and not amount.films:
            raise DataError(
                f"{config.folder} holds no pictures, films or sounds that are known by their suffix. Give a "
                "folder that holds a folder for each person."
            )
        cost = estimate.measure(amount, plan, seen, workers=places)
        estimate.tell(amount, cost, places, console)
        if config.estimate:
            return estimate.plain(amount, cost)
        _begin(plan.store)
        tasks = (job for found in _people(config) for job in jobs.cut(plan, found, amount.films, places))
        results = console.progress(spread(tasks), total=amount.jobs, label="jobs")
        _note(plan.store, results)
    summary = _write(config, plan, seen.head.name)
    return _told(config, summary, time.monotonic() - begun, console)


def _plan(config: PrepareConfig, opener: Opener) -> Plan:
    gather.refuse_odd(config.folder, config.output)
    store = Store(folder=(config.output / FOLDER).resolve())
    output = config.output
    if output.exists() and not store.folder.is_dir() and (not output.is_dir() or any(output.iterdir())):
        raise DataError(
            f"{output} is there already and was not made by phiz prepare. Choose another folder with -o."
        )
    settings = Settings(
        size=config.size, limits=config.limits, background=config.background, colours=config.colours
    )
    return Plan(
        opener=opener,
        fingerprint=opener.fingerprint(),
        settings=settings,
        root=config.folder.resolve(),
        store=store,
        fps=config.fps,
    )


def _spread(config: PrepareConfig, stack: ExitStack) -> tuple[Spread, int]:
    """Return what does the jobs, and in how many places."""
    count = workers.count_workers(config.workers)
    if config.ray is None:
        return partial(workers.spread, jobs.do, workers=count), count
    ray = stack.enter_context(ray_workers.cluster(config.ray, workers=count))
    return partial(ray_workers.spread, jobs.do, ray=ray), ray_workers.count(ray)


def _people(config: PrepareConfig) -> Iterator[gather.Found]:
    """Yield the people; the folder is listed anew each time, so that no list of it is kept."""
    return gather.people(config.folder, config.output, config.loose)


def _begin(store: Store) -> None:
    store.sweep()
    with checkpoint.atomic(store.folder / jobs.TOKEN) as temporary:
        temporary.write_text("phiz prepare keeps its results here; they may be deleted, and are made anew\n")


def _note(store: Store, results: Iterable[tuple[Item, ...]]) -> None:
    """Write down what became of everything, in order, so that it need not be held in memory."""
    with (store.folder / ITEMS).open("w", encoding="utf-8") as file:
        for items in results:
            file.writelines(json.dumps(item) + "\n" for item in items)


def _noted(store: Store) -> Iterator[Item]:
    with (store.folder / ITEMS).open(encoding="utf-8") as file:
        for line in file:
            yield Item(*json.loads(line))


def _write(config: PrepareConfig, plan: Plan, basis: str) -> Report:
    """Write the data set, the report and the sheet."""
    target = Target(
        folder=config.output,
        store=plan.store,
        fps=plan.fps,
        duplicate=plan.settings.limits.duplicate,
        basis=basis,
    )
    about = {**asdict(plan.settings), "fps": plan.fps, "detector": config.detector, "model": config.model}
    with report.opened(config.output, about) as found:
        assemble.assemble(_noted(plan.store), target, found)
    prepare_sheet.write(config.output / prepare_sheet.NAME, found.kept, found.dropped, plan.store)
    return found


def _told(config: PrepareConfig, found: Report, taken: float, console: Console) -> Mapping[str, object]:
    summary = found.summary()
    dropped = summary["dropped"]
    if dropped:
        lines = [(count, why, REASONS[why].meaning, REASONS[why].advice) for why, count in dropped.items()]
        console.table(("dropped", "because", "that is", "what helps"), lines)
        console.say("")
    if len(found.people) > 1:
        console.table(("person", "pictures", "kept", "sound", "dropped"), report.rows(found))
        console.say("")
    places = {"report": config.output / report.NAME, "sheet": config.output / prepare_sheet.NAME}
    if not summary["kept"]:
        worst = max(dropped, key=dropped.__getitem__, default="no face")
        raise DataError(
            f"none of {summary['pictures']} pictures is good enough, most often because: "
            f"{REASONS[worst].meaning}. {places['report']} has all of them. Do this: {REASONS[worst].advice}."
        )
    for note in [note for tally in found.people.values() for note in tally.notes][:MOST_NOTES]:
        console.warn(note)
    console.say(
        f"{config.output}: {summary['kept']} of {summary['pictures']} pictures of {summary['people']} people "
        f"kept, {summary['seconds_of_sound']} s of sound, in {duration(taken)}; look at {places['sheet']}"
    )
    still = _still_wrong(config)
    if still:
        console.warn(f"phiz data check {shown(str(config.output))} will find errors: {', '.join(still)}")
    result = {**summary, "output": str(config.output), "seconds": round(taken, 1), "check": still}
    return {**result, **{name: str(path) for name, path in places.items()}}


def _still_wrong(config: PrepareConfig) -> dict[str, int]:
    """Return the errors that a quick look finds in the data set, and how many there are of each."""
    wanted = CheckConfig(
        data=config.output, side=config.size, minimum=1, fps=config.fps, quick=True, workers=1
    )
    problems = check.check(wanted, Console(quiet=True))["problems"]
    assert isinstance(problems, list)
    return {one["kind"]: one["count"] for one in problems if one["severity"] == "error"}
