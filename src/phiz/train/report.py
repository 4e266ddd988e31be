"""A training as one page: curves, speed, pictures and settings, in one file that needs no network."""

from __future__ import annotations

import base64
import html
import re
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from phiz import checkpoint
from phiz.console import duration
from phiz.errors import DataError
from phiz.train import plot
from phiz.train.folder import CONFIG, flat, read_config
from phiz.train.monitor import Line, read_lines
from phiz.train.plot import Curve

REPORT = "report.html"
PICTURES = "pictures"
PICTURE_NAME = re.compile(r"(.+)-(\d{8,})\.png")
LAST_PICTURES = 3
"""How many of the newest pictures of a name are shown, besides the first."""

SPEEDS: Mapping[str, tuple[str, str]] = {
    "images_per_s": ("Speed", "images / s"),
    "step_s": ("Time of a step", "s"),
    "memory_mib": ("Memory", "MiB"),
}
"""What is plotted of the speed: title and unit."""

STYLE = Path(__file__).with_name("report.css")


def write_report(folder: Path) -> Path:
    """Write the report of the run in a folder, into the folder; return its path."""
    lines = read_lines(folder)
    if not lines:
        raise DataError(f"{folder} has no metrics yet. Train for longer, or name the folder of a run.")
    config = read_config(folder) if (folder / CONFIG).is_file() else {"settings": {}}
    title = f"{config['settings'].get('trainer', 'training')}: {folder.resolve().name}"
    body = [
        f"<h1>{html.escape(title)}</h1>",
        _facts(lines),
        '<input type="checkbox" id="log"><label for="log">logarithmic axes</label>',
        _section("Curves", _plots(lines), "plots"),
        _section("Speed and memory", _speeds(lines), "plots"),
        _section("Values", [_values(lines)], "wide"),
        *_pictures(folder / PICTURES),
        _section("Settings", [_settings(config)], "wide"),
    ]
    page = (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{html.escape(title)}</title>\n<style>{STYLE.read_text(encoding='utf-8')}</style>\n</head>\n<body>\n"
        + "\n".join(body)
        + "\n</body>\n</html>\n"
    )
    path = folder / REPORT
    with checkpoint.atomic(path) as temporary:
        temporary.write_text(page, encoding="utf-8")
    return path


def curves_of(lines: Sequence[Line]) -> list[Curve]:
    """Return a curve for each name in the metrics; what is not a finite number is left out."""
    names = dict.fromkeys(name for line in lines for name in line.values)
    return [curve for name in names if (curve := _curve(name, lines, lambda line: line.values)) is not None]


def groups_of(curves: Iterable[Curve]) -> dict[str, list[Curve]]:
    """Return curves by the word before the slash in their names, no more in one than can be told apart."""
    groups: dict[str, list[Curve]] = {}
    for curve in curves:
        title = curve.name.partition("/")[0]
        number = 1
        while len(groups.get(title, [])) >= plot.COLOURS:
            number += 1
            title = f"{curve.name.partition('/')[0]} ({number})"
        groups.setdefault(title, []).append(curve)
    return groups


def _curve(
    name: str, lines: Sequence[Line], of: Callable[[Line], Mapping[str, float | None]]
) -> Curve | None:
    pairs = [(line.step, value) for line in lines if (value := of(line).get(name)) is not None]
    if not pairs:
        return None
    steps, values = np.array(pairs, dtype=np.float64).T
    return Curve(name=name, steps=steps, values=values)


def _facts(lines: Sequence[Line]) -> str:
    """Return what one wants to know first."""
    last = lines[-1]
    speeds = [line.speed for line in lines]
    facts = {
        "steps": f"{last.step:,}".replace(",", " "),
        "images": f"{last.images:,}".replace(",", " "),
        "time": duration(last.speed.get("elapsed_s", 0.0)),
        "images / s, median": f"{_median(speeds, 'images_per_s'):.3g}",
        "s / step, median": f"{_median(speeds, 'step_s'):.3g}",
        "most memory": f"{max(speed.get('memory_mib', 0.0) for speed in speeds):.0f} MiB",
    }
    cells = "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in facts.items())
    return f'<dl class="facts">{cells}</dl>'


def _median(speeds: Sequence[Mapping[str, float]], name: str) -> float:
    return statistics.median(speed.get(name, 0.0) for speed in speeds)


def _section(title: str, parts: Iterable[str], kind: str) -> str:
    return f'<section><h2>{title}</h2><div class="{kind}">\n' + "\n".join(parts) + "\n</div></section>"


def _plots(lines: Sequence[Line]) -> list[str]:
    figures = []
    for title, curves in groups_of(curves_of(lines)).items():
        short = [replace(curve, name=curve.name.partition("/")[2] or curve.name) for curve in curves]
        figures.append(_figure(title, short, ""))
    return figures


def _speeds(lines: Sequence[Line]) -> list[str]:
    figures = []
    for name, (title, unit) in SPEEDS.items():
        curve = _curve(name, lines, lambda line: line.speed)
        if curve is not None:
            figures.append(_figure(title, [replace(curve, name=unit)], unit))
    return figures


def _figure(title: str, curves: Sequence[Curve], unit: str) -> str:
    """Return a plot with its title, and a key that tells where each curve ended."""
    keys = []
    for number, curve in enumerate(curves):
        ended = plot.short(float(plot.smooth(curve.values)[-1]))
        colour = f'<i style="background:var(--c{number})"></i>'
        keys.append(f"<span>{colour}{html.escape(curve.name)} <b>{ended}</b></span>")
    plain, log = plot.draw(curves, unit=unit), plot.draw(curves, unit=unit, is_log=True)
    return (
        f'<figure><h3>{html.escape(title)}</h3><div class="key">{"".join(keys)}</div>'
        f'<div class="as-is">{plain}</div><div class="as-log">{log}</div></figure>'
    )


def _values(lines: Sequence[Line]) -> str:
    rows = ["<tr><th>value</th>" + "".join(f'<th class="n">{w}</th>' for w in _COLUMNS) + "</tr>"]
    for curve in curves_of(lines):
        lowest, highest = int(curve.values.argmin()), int(curve.values.argmax())
        cells = [
            plot.short(float(curve.values[0])),
            f"{plot.short(float(curve.values[lowest]))} @ {int(curve.steps[lowest])}",
            f"{plot.short(float(curve.values[highest]))} @ {int(curve.steps[highest])}",
            plot.short(float(curve.values[-1])),
            plot.short(float(plot.smooth(curve.values)[-1])),
        ]
        numbers = "".join(f'<td class="n">{cell}</td>' for cell in cells)
        rows.append(f"<tr><td>{html.escape(curve.name)}</td>{numbers}</tr>")
    return f"<table>{''.join(rows)}</table>"


_COLUMNS = ("first", "lowest @ step", "highest @ step", "last", "last, smoothed")


def _pictures(folder: Path) -> list[str]:
    """Return the first and the last pictures of each name, inside the page."""
    named: dict[str, list[tuple[int, Path]]] = {}
    for path in sorted(folder.glob("*.png")) if folder.is_dir() else []:
        if match := PICTURE_NAME.fullmatch(path.name):
            named.setdefault(match[1], []).append((int(match[2]), path))
    if not named:
        return []
    rows = []
    for name, numbered in named.items():
        numbered.sort()
        shown = [*numbered[:1], *numbered[1:][-LAST_PICTURES:]]
        figures = "".join(_picture(name, step, path) for step, path in shown)
        rows.append(f'<h3>{html.escape(name)}</h3><div class="pictures">{figures}</div>')
    return [_section("Pictures", rows, "all")]


def _picture(name: str, step: int, path: Path) -> str:
    data = base64.b64encode(path.read_bytes()).decode("ascii")
    alt = html.escape(f"{name} at step {step}")
    shown = f'<img alt="{alt}" src="data:image/png;base64,{data}">'
    return f"<figure>{shown}<figcaption>step {step}</figcaption></figure>"


def _settings(config: Mapping[str, Any]) -> str:
    rows = [
        f"<tr><td>{html.escape(name)}</td><td>{html.escape(str(value))}</td></tr>"
        for part in ("settings", "free", "versions")
        for name, value in flat(config.get(part, {})).items()
    ]
    return f"<table><tr><th>setting</th><th>value</th></tr>{''.join(rows)}</table>"
