"""A report is one page with everything in it."""

from __future__ import annotations

import base64
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
import torch

from phiz.errors import DataError
from phiz.media import image
from phiz.train import monitor, report
from phiz.train.folder import open_folder
from phiz.train.monitor import Line


def make_run(folder: Path, *, steps: int = 60) -> Path:
    about = {"settings": {"trainer": "toy <b>", "run": {"seed": 3}}, "free": {"keep": 2}}
    open_folder(folder, about, resume=True)
    for step in range(1, steps + 1):
        values = {"loss/g": 3.0 / step, "loss/d": 1 - 0.5 / step, "ada": None if step < 5 else 0.01 * step}
        speed = {"elapsed_s": 0.5 * step, "step_s": 0.5, "images_per_s": 16.0, "memory_mib": 300.0 + step}
        monitor.append_line(folder, Line(step=step, images=8 * step, values=values, speed=speed))
    for step in (10, 20, 30, 40, 50):
        shown = torch.full((3, 4, 4), step / 50)
        image.write(folder / report.PICTURES / f"faces-{step:08d}.png", shown)
    return folder


class Page(HTMLParser):
    """Which tags a page has open at its end, and what it asks for."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []
        self.sources: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        self.sources += [str(value) for name, value in attrs if name in ("src", "href")]
        if tag not in ("meta", "img", "input"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_is_whole_and_asks_for_nothing_else(tmp_path: Path) -> None:
    path = report.write_report(make_run(tmp_path))
    assert path == tmp_path / "report.html"
    text = path.read_text(encoding="utf-8")
    page = Page(text)
    assert page.open == []
    assert "script" not in page.seen
    assert all(source.startswith("data:image/png;base64,") for source in page.sources)
    assert "http" not in text
    assert "toy &lt;b&gt;" in text


def test_the_page_shows_each_curve_both_ways(tmp_path: Path) -> None:
    text = report.write_report(make_run(tmp_path)).read_text(encoding="utf-8")
    titles = re.findall(r"<figure><h3>(.*?)</h3>", text)
    assert titles == ["loss", "ada", "Speed", "Time of a step", "Memory"]
    plots = re.findall(r"<svg viewBox=\"0 0.*?</svg>\s*</svg>", text, re.DOTALL)
    assert [svg.count('class="smooth"') for svg in plots] == [2, 2, 1, 1, 1, 1, 1, 1, 1, 1]
    assert "images / s" in plots[4]
    assert "logarithmic" in plots[1]
    assert "logarithmic" not in plots[0]


def test_the_page_tells_numbers_and_settings(tmp_path: Path) -> None:
    text = report.write_report(make_run(tmp_path)).read_text(encoding="utf-8")
    for cell in (
        "<dt>images</dt><dd>480</dd>",
        "<dt>time</dt><dd>30 s</dd>",
        "<dd>360 MiB</dd>",
        "<td>run.seed</td><td>3</td>",
        "<td>keep</td><td>2</td>",
        '<td class="n">0.05 @ 60</td><td class="n">3 @ 1</td>',
    ):
        assert cell in text


def test_the_first_and_the_last_pictures_are_inside(tmp_path: Path) -> None:
    text = report.write_report(make_run(tmp_path)).read_text(encoding="utf-8")
    assert re.findall(r"<figcaption>step (\d+)<", text) == ["10", "30", "40", "50"]
    first = base64.b64decode(re.findall(r"base64,([^\"]+)", text)[0])
    assert torch.equal(image.decode(first), image.read(tmp_path / report.PICTURES / "faces-00000010.png"))


def test_many_values_of_one_group_share_several_plots(tmp_path: Path) -> None:
    values = {f"sign/{number}": float(number) for number in range(14)}
    lines = [Line(step=1, images=8, values=values, speed={})]
    groups = report.groups_of(report.curves_of(lines))
    assert list(groups) == ["sign", "sign (2)", "sign (3)"]
    assert [len(curves) for curves in groups.values()] == [6, 6, 2]


def test_a_folder_without_metrics_is_refused_and_one_without_config_is_not(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no metrics"):
        report.write_report(tmp_path)
    make_run(tmp_path, steps=1)
    (tmp_path / "config.json").unlink()
    assert report.write_report(tmp_path).is_file()
