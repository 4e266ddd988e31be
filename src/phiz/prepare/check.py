"""Is a data set fit to train on? Looks at every file, in memory that hardly grows with their number."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TextIO

from phiz import checkpoint
from phiz.console import Console
from phiz.errors import DataError
from phiz.options import positional
from phiz.prepare import entries, pictures, sounds, survey, variety
from phiz.prepare.problems import KINDS, Ledger, Problem, described, shown
from phiz.world.data import guide, workers

BATCH = 32
"""Pictures a task of a worker process."""
FEW = 8 * BATCH
"""So few pictures are looked at sooner than processes start."""
LENGTH_FRAMES, LENGTH_SHARE = 2.0, 0.01
"""Sound and pictures of a person may differ in length by so many frames, or by this share of them."""
EXAMPLES = 3
"""Examples of a kind of problem in the table."""
WIDTH = 100
"""Characters of them."""


@dataclass(frozen=True, kw_only=True)
class CheckConfig:
    """What a data set has to be; the defaults are what the training guide asks for."""

    data: Path = positional()
    """Folder with images/, audio/ and metadata/ (see docs/data.md)."""
    side: int = 1024
    """Pixels that pictures must have in width and height."""
    minimum: int = 1000
    """Pictures that each person must have."""
    fps: float = guide.FPS
    """Pictures a second."""
    quick: bool = False
    """Read headers only: damage inside files, silence and light go unseen."""
    report: Path | None = None
    """Write every single problem to this JSON file."""
    workers: int = 0
    """Processes; 0 takes one a core."""

    def __post_init__(self) -> None:
        if self.side < 1 or self.minimum < 1 or self.fps <= 0 or self.workers < 0:
            raise ValueError("--side, --minimum and --fps must be positive, --workers not negative")


GUIDE = CheckConfig(data=Path())


@dataclass
class Findings:
    """What the check has learnt so far; it grows by people, not by pictures."""

    ledger: Ledger
    counts: dict[str, int] = field(default_factory=dict)
    """Pictures by person, all names composed (NFC)."""
    seconds: dict[str, float | None] = field(default_factory=dict)
    sounds: int = 0
    variety: variety.Variety = field(default_factory=variety.Variety)


def check_verb(config: CheckConfig, console: Console) -> Mapping[str, object]:
    """Look for faults in a data set.

    Every picture and sound is opened, every number read. Problems are grouped by kind; errors make the
    data unfit and the exit code 6, warnings do not. Wanted, unless you say otherwise: pictures of
    1024 x 1024 in RGB, at least 1000 a person, sound at 16 or 22.05 kHz that fits them at 25 a second,
    and pose, expression and landmarks of each picture.

    Examples:
        phiz data check talkers
        phiz data check talkers --report problems.json
        phiz data check trial --minimum 10 --side 256 --quick
    """
    summary = check(config, console)
    _tell(summary, config, console)
    if not summary["fit"]:
        more = "" if config.report else " Add --report problems.json for the full list."
        console.complain(
            f"{shown(str(config.data))} is not fit to train on: {summary['errors']} errors. "
            f"Mend what the table names and check again.{more}"
        )
    return summary


def check(config: CheckConfig, console: Console) -> dict[str, object]:
    """Return everything that was found as plain JSON; write the full list if a report is wanted."""
    if not config.data.is_dir():
        what = "is not a folder" if config.data.exists() else "does not exist"
        raise DataError(f"{config.data} {what}. Give the folder that holds images/, audio/ and metadata/.")
    with _report_file(config.report) as file:
        findings = Findings(Ledger(report=file))
        _find(config, findings, console)
        summary = _summary(config, findings)
        if file is not None:
            file.write(f'\n],\n"summary": {json.dumps(summary, allow_nan=False)}}}\n')
    return summary


@contextlib.contextmanager
def _report_file(path: Path | None) -> Iterator[TextIO | None]:
    if path is None:
        yield None
        return
    with checkpoint.atomic(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        file.write('{"problems": [')
        yield file


def _find(config: CheckConfig, findings: Findings, console: Console) -> None:
    report = findings.ledger.add
    register = entries.register(_survey(config, findings))
    processes = workers.count_workers(config.workers)
    _look(config, findings, processes, console)
    _listen(config, findings, processes, console)
    _pair(config, findings)
    wanted = entries.Wanted(side=config.side, fps=config.fps)
    read = [
        kind
        for kind in console.progress(entries.KINDS, label="metadata")
        if entries.check_file(config.data, kind, register, findings.variety, wanted, report)
    ]
    for person in survey.people(config.data, guide.IMAGES, survey.PICTURES, survey.silent):
        entries.report_missing(person, register, read, report)
    for problem in variety.judge(findings.variety.measured()):
        report(problem)


def _survey(config: CheckConfig, findings: Findings) -> Iterator[str]:
    """Yield the key of each picture; on the way count them and report what is wrong with the folders."""
    report = findings.ledger.add
    for person in survey.people(config.data, guide.IMAGES, survey.PICTURES, report):
        where = f"{guide.IMAGES}/{person.name}"
        count = len(person.files)
        findings.counts[survey.composed(person.name)] = count
        if count == 0:
            report(Problem("no pictures", where))
        elif count < config.minimum:
            report(Problem("too few pictures", where, f"{count}, not {config.minimum}"))
        for name in person.files:
            yield survey.key(person.name, name)
    if not findings.counts and (config.data / guide.IMAGES).is_dir():
        report(Problem("no pictures", guide.IMAGES, "there is nobody in it"))


def _look(config: CheckConfig, findings: Findings, processes: int, console: Console) -> None:
    count = sum(findings.counts.values())
    tasks = (
        pictures.PictureTask(
            root=str(config.data),
            folder=f"{guide.IMAGES}/{person.name}",
            files=person.files[start : start + BATCH],
            side=config.side,
            quick=config.quick,
        )
        for person in survey.people(config.data, guide.IMAGES, survey.PICTURES, survey.silent)
        for start in range(0, len(person.files), BATCH)
    )
    total = sum(-(-number // BATCH) for number in findings.counts.values())
    found = workers.spread(pictures.look, tasks, workers=processes if count > FEW else 1)
    for finding in console.progress(found, total=total, label=f"pictures, {BATCH} a step"):
        for problem in finding.problems:
            findings.ledger.add(problem)
        for light in finding.lights:
            findings.variety.add_light(light)


def _listen(config: CheckConfig, findings: Findings, processes: int, console: Console) -> None:
    tasks = (
        sounds.SoundTask(
            root=str(config.data),
            person=person.name,
            folder=f"{guide.AUDIO}/{person.name}",
            files=person.files,
            quick=config.quick,
        )
        for person in survey.people(config.data, guide.AUDIO, survey.SOUNDS, findings.ledger.add)
    )
    is_much = len(findings.counts) > FEW and not config.quick
    found = workers.spread(sounds.listen, tasks, workers=processes if is_much else 1)
    for finding in console.progress(found, total=len(findings.counts), label="sounds"):
        findings.sounds += finding.sounds
        if finding.sounds:
            findings.seconds[survey.composed(finding.person)] = finding.seconds
        for problem in finding.problems:
            findings.ledger.add(problem)


def _pair(config: CheckConfig, findings: Findings) -> None:
    """Report people whose sound is missing, left over, or longer or shorter than their pictures."""
    for person, count in findings.counts.items():
        if person not in findings.seconds:
            if count:
                findings.ledger.add(Problem("no sound", f"{guide.AUDIO}/{person}"))
            continue
        seconds = findings.seconds[person]
        if seconds is None or not count:
            continue  # said already
        frames = seconds * config.fps
        if abs(frames - count) > max(LENGTH_FRAMES, LENGTH_SHARE * count):
            detail = f"{count} pictures last {count / config.fps:.2f} s, the sound {seconds:.2f} s"
            findings.ledger.add(Problem("sound length", f"{guide.AUDIO}/{person}", detail))
    for person in findings.seconds:
        if person not in findings.counts:
            findings.ledger.add(Problem("sound without pictures", f"{guide.AUDIO}/{person}"))


def _summary(config: CheckConfig, findings: Findings) -> dict[str, object]:
    ledger = findings.ledger
    known = [seconds for seconds in findings.seconds.values() if seconds is not None]
    return {
        "data": str(config.data),
        "fit": ledger.total("error") == 0,
        "exit_code": DataError.exit_code if ledger.total("error") else 0,
        "errors": ledger.total("error"),
        "warnings": ledger.total("warning"),
        "people": len(findings.counts),
        "pictures": sum(findings.counts.values()),
        "sounds": findings.sounds,
        "seconds_of_sound": round(sum(known), 3),
        "wanted": {"side": config.side, "minimum": config.minimum, "fps": config.fps},
        "departs_from_guide": _departures(config),
        "quick": config.quick,
        "variety": findings.variety.measured(),
        "variety_wanted": asdict(variety.THRESHOLDS),
        "problems": [
            {
                "kind": kind,
                "severity": KINDS[kind].severity,
                "meaning": KINDS[kind].meaning,
                "advice": KINDS[kind].advice,
                "count": ledger.counts[kind],
                "examples": [described(problem) for problem in ledger.examples[kind]],
            }
            for kind in ledger.found()
        ],
        "report": str(config.report) if config.report else None,
    }


def _departures(config: CheckConfig) -> list[str]:
    """Return in which wishes this check differs from the guide."""
    named = [(name, getattr(config, name), getattr(GUIDE, name)) for name in ("side", "minimum", "fps")]
    return [f"{name} {asked:g} instead of {guides:g}" for name, asked, guides in named if asked != guides]


def _tell(summary: Mapping[str, object], config: CheckConfig, console: Console) -> None:
    console.say(
        f"{shown(str(config.data))}: {summary['people']} people, {summary['pictures']} pictures, "
        f"{summary['sounds']} sounds ({summary['seconds_of_sound']} s)"
    )
    departures = _departures(config)
    if departures:
        console.say(f"Held against other wishes than the guide's: {', '.join(departures)}.")
    if config.quick:
        console.say("Only headers were read: damage inside files, silence and light were not looked for.")
    _tell_variety(config, summary, console)
    problems = summary["problems"]
    assert isinstance(problems, list)
    if not problems:
        console.say("Nothing is wrong; the data can be trained on.")
        return
    console.say("")
    console.table(
        ("severity", "problem", "count", "examples"),
        [(one["severity"], one["kind"], one["count"], _examples(one["examples"])) for one in problems],
    )
    console.say("\nWhat to do:")
    for one in problems:
        console.say(f"  {one['kind']} ({one['meaning']}): {one['advice']}.")
    if summary["fit"]:
        console.say("There are only warnings; the data can be trained on.")
    if config.report:
        console.say(f"Every single problem is in {config.report}.")


def _tell_variety(config: CheckConfig, summary: Mapping[str, object], console: Console) -> None:
    measured = summary["variety"]
    assert isinstance(measured, dict)
    rows = [
        (name.replace("_", " "), "not measured" if value is None else f"{value:.3g}", wanted)
        for name, value in measured.items()
        for wanted in (f"{getattr(variety.THRESHOLDS, name):g}",)
    ]
    console.say("")
    console.table(("variety", "measured", "wanted at least"), rows)


def _examples(found: list[dict[str, str]]) -> str:
    told = [f"{one['where']}: {one['detail']}" if one["detail"] else one["where"] for one in found[:EXAMPLES]]
    text = "; ".join(told)
    if len(text) > WIDTH:
        return text[: WIDTH - 3] + "..."
    return text + ("; ..." if len(found) > EXAMPLES else "")
