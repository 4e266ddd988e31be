"""The command that fits a head model to pictures: `phiz.face.fit_set` spread over processes."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from phiz import checkpoint
from phiz.console import Console
from phiz.errors import DataError
from phiz.face import fit_set, landmarker, models
from phiz.face.fit import FitConfig
from phiz.face.fit_photometry import PHOTO
from phiz.face.fit_points import Landmarker
from phiz.face.fit_set import Outcome, Place, Some
from phiz.options import option, positional
from phiz.world.data import workers
from phiz.world.data.produce import one_thread

REPORT = "fits.json"
SHOWN = 5
"""Failures that are told; the report has all."""


@dataclass(frozen=True, kw_only=True)
class FitSetConfig:
    """Which pictures to fit, and how."""

    pictures: tuple[Path, ...] = positional()
    """Pictures, or folders of them (looked through to the bottom)."""
    output: Path = option(Path("fits"), "-o", "--output")
    """Folder for the fits, one file a picture, and for the report."""
    model: str = models.BUILT_IN
    """The head: built-in, a folder with head.npz, or a file of BFM 2009 (.mat) or FLAME (.npz)."""
    field_of_view_deg: float | None = None
    """Angle of view across the pictures' longer side, where it is known; else it is found."""
    colours: bool = True
    """Look at the pictures' colours, for light and skin; without, at the points alone."""
    preview: bool = False
    """Draw each fit over its picture, beside its file."""
    batch: int = 8
    """Pictures that are fitted together."""
    workers: int = 0
    """Processes; 0 takes one a core."""

    def __post_init__(self) -> None:
        if self.batch < 1 or self.workers < 0:
            raise ValueError("--batch must be positive, --workers not negative")
        if self.field_of_view_deg is not None and not 1 <= self.field_of_view_deg <= 150:
            raise ValueError("--field-of-view-deg must lie between 1 and 150")


def fit_verb(config: FitSetConfig, console: Console) -> Mapping[str, object]:
    """Fit a head model to one picture or to a whole set of them.

    Points are found by the built-in networks, unless they are known: those of a.jpg lie beside it in a.npz or
    a.json, as "landmarks", 68 or 478 pairs of pixels, and if you like "sigma", how uncertain each is; a data
    set may have all of them in metadata/landmarks.json. Run the same command again after an interruption:
    what is fitted is kept. The exit code is 6 if any picture could not be fitted; fits.json says why.

    Examples:
        phiz fit portrait.jpg -o fits --preview
        phiz fit dataset/images -o fits --model BFM_model_front.mat
        phiz fit dataset -o fits --workers 8
    """
    outcomes = fit_all(config, console, landmarker.built_in())
    report = {"model": config.model, "pictures": [asdict(outcome) for outcome in outcomes]}
    path = config.output / REPORT
    with checkpoint.atomic(path) as temporary:
        temporary.write_text(json.dumps(report, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    return _summary(config, outcomes, console)


def fit_all(config: FitSetConfig, console: Console, finder: Landmarker | None = None) -> tuple[Outcome, ...]:
    """Fit all pictures and return what became of each; with several workers the finder is sent along."""
    places = fit_set.places(config.pictures, config.output)
    models.open_model(config.model)  # before processes start: a wrong name is told once
    tasks = list(_tasks(config, places))
    count = min(workers.count_workers(config.workers), len(tasks))
    work = partial(_one_thread, finder=finder)
    found: list[Outcome] = []
    done = workers.spread(work, tasks, workers=max(count, 1))
    for some in console.progress(done, total=len(tasks), label="fits"):
        found += some
    return tuple(found)


def _one_thread(task: Some, finder: Landmarker | None) -> tuple[Outcome, ...]:
    """Fit on one thread, so that numbers do not depend on how many there are."""
    with one_thread():
        return fit_set.fit_some(task, finder)


def _tasks(config: FitSetConfig, places: tuple[Place, ...]) -> Iterator[Some]:
    photo = PHOTO if config.colours else None
    chosen = FitConfig(field_of_view_deg=config.field_of_view_deg, photo=photo)
    folders = [path for path in config.pictures if path.is_dir()]
    for start in range(0, len(places), config.batch):
        yield Some(
            places=places[start : start + config.batch],
            model=config.model,
            root=_root(folders),
            config=chosen,
            preview=config.preview,
        )


def _root(folders: list[Path]) -> Path | None:
    """Return the data set that a folder is, or is the images of."""
    if len(folders) != 1:
        return None
    return next((p for p in (folders[0], folders[0].parent) if (p / "metadata").is_dir()), None)


def _summary(config: FitSetConfig, outcomes: tuple[Outcome, ...], console: Console) -> Mapping[str, object]:
    counts = {fate: sum(one.fate == fate for one in outcomes) for fate in ("fitted", "kept", "failed")}
    good = [one for one in outcomes if one.fate != "failed"]
    error = statistics.median(one.point_error for one in good) if good else None
    doubtful = sum(one.agreeing < 0.5 for one in good)
    failed = [one for one in outcomes if one.fate == "failed"]
    for one in failed[:SHOWN]:
        console.warn(one.why)
    if len(failed) > SHOWN:
        console.warn(f"and {len(failed) - SHOWN} more; {config.output / REPORT} has all of them")
    if not good:
        raise DataError(f"none of {len(outcomes)} pictures could be fitted. {failed[0].why}")
    console.say(
        f"{config.output}: {counts['fitted']} fitted, {counts['kept']} kept, {counts['failed']} failed; "
        f"points off by {error:.2f} px (median); {doubtful} doubtful"
    )
    result: dict[str, object] = {"output": str(config.output), **counts, "doubtful": doubtful}
    result["point_error_px"] = error
    return {**result, "exit_code": DataError.exit_code} if failed else result
