"""What runs over recorded numbers: every case of every folder, and the worst of each at the end."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from parity.stylenerf_fragile import MOST
from parity.stylenerf_rounding import Doubt
from parity.stylenerf_sets import COMMITTED, RELATIVE, Recorded, found_in
from torch import Tensor

Check = Callable[..., None]
Agree = Callable[..., None]
NOTHING = "no recorded numbers of this kind are at hand; name their folder with --goldens"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give a test every recorded case of the kind that its argument names."""
    for argument, cases in KINDS.items():
        if argument not in metafunc.fixturenames:
            continue
        goldens: Path = metafunc.config.getoption("--goldens")
        sets = [*found_in(COMMITTED, "committed/"), *found_in(goldens, "")]
        found = [(one, name) for one in sets for name in cases(one)]
        ids = [f"{one.label}:{name}" for one, name in found]
        if not found:
            metafunc.parametrize(argument, [pytest.param(None, marks=pytest.mark.skip(reason=NOTHING))])
        else:
            metafunc.parametrize(argument, found, ids=ids)


def _cases(recorded: Recorded, marks: tuple[str, ...]) -> list[str]:
    keys = set(recorded.names())
    return [name for name in recorded.cases if any(f"{name}/{mark}" in keys for mark in marks)]


def _stills(recorded: Recorded) -> list[str]:
    return _cases(recorded, ("img", "img_strided", "vr.img"))


def _early(recorded: Recorded) -> list[str]:
    return _cases(recorded, ("early",))


def _inside(recorded: Recorded) -> list[str]:
    return _cases(recorded, ("vr.img", "vr.x", "fg_nerf.0.sigma_raw", "bg_nerf.0.sigma_raw"))


def _truncated(recorded: Recorded) -> list[str]:
    return sorted({k.split("/")[1] for k in recorded.names() if k.startswith("mapping/ws_")})


def _trained(recorded: Recorded) -> list[str]:
    return sorted({k.split("/")[0] for k in recorded.names("train_outputs")})


def _judged(recorded: Recorded) -> list[str]:
    return [k.removeprefix("D/") for k in recorded.names() if k.startswith("D/")]


def _moved(recorded: Recorded) -> list[str]:
    """Return the cases of recordings that name theirs nowhere: those of the deforming variant."""
    if recorded.cases or "ws" not in recorded.names("inputs"):
        return []
    return sorted({k.split("/")[0] for k in recorded.names() if k.endswith(("/img", "/loss"))})


KINDS: dict[str, Callable[[Recorded], list[str]]] = {
    "still": _stills,
    "early": _early,
    "inside": _inside,
    "truncated": _truncated,
    "trained": _trained,
    "judged": _judged,
    "moved": _moved,
}


@pytest.fixture
def check(request: pytest.FixtureRequest) -> Check:
    """Return what compares with recorded numbers and remembers the deviation for the end."""

    def compare(
        recorded: Recorded,
        what: str,
        found: Tensor,
        expected: Tensor,
        *,
        tolerance: float,
        is_relative: bool = False,
        doubt: Doubt | None = None,
        key: str = "",
    ) -> None:
        assert found.shape == expected.shape, f"{what}: {tuple(found.shape)}, not {tuple(expected.shape)}"
        difference = (found.detach() - expected).abs()
        assert difference.isfinite().all(), f"{what} is not finite"
        if is_relative:
            deviation = float(difference.norm() / expected.norm().clamp(min=1e-12))
        else:
            deviation = float(difference.max()) if difference.numel() else 0.0
        is_inside = "sigma" in what or "nerf." in what
        kind = "relative" if is_relative else "absolute, inside the field" if is_inside else "absolute"
        request.node.user_properties.append(("parity", [recorded.label, kind, what, deviation]))
        if deviation <= tolerance:
            return
        excess = f"{what} deviates by {deviation:.3g}, allowed is {tolerance:.3g}"
        assert doubt is not None, excess
        verdict = doubt.about(key, found, expected, jumps=is_relative)
        request.node.user_properties.append(("rounding", f"{recorded.label}: {excess}: {verdict}"))
        assert verdict.stands, f"{excess}: {verdict}"

    return compare


@pytest.fixture
def agree(request: pytest.FixtureRequest) -> Agree:
    """Return what compares a step's losses and gradients with recorded ones, all of them together."""

    def compare(
        recorded: Recorded,
        name: str,
        found: Mapping[str, Tensor],
        expected: Mapping[str, Tensor],
        doubt: Doubt,
    ) -> None:
        worst, worst_key = 0.0, ""
        for key in expected:
            assert found[key].shape == expected[key].shape, f"{name}/{key}: {tuple(found[key].shape)}"
            difference = (found[key] - expected[key]).norm() / expected[key].norm().clamp(min=1e-12)
            assert difference.isfinite(), f"{name}/{key} is not finite"
            if difference >= worst:
                worst, worst_key = float(difference), f"{name}/{key}"
        request.node.user_properties.append(("parity", [recorded.label, "relative", worst_key, worst]))
        if worst <= RELATIVE:
            return
        agreement = doubt.agreed(found, expected, RELATIVE)
        excess = f"{worst_key} deviates by {worst:.3g}, allowed is {RELATIVE:.3g}: {agreement}"
        request.node.user_properties.append(("rounding", f"{recorded.label}: {excess}"))
        assert not agreement.failed, f"{excess}; too much is left of {', '.join(agreement.failed)}"

    return compare


@pytest.fixture
def few_nudged(request: pytest.FixtureRequest) -> Callable[[Recorded, Tensor], None]:
    """Return what demands that hardly any ray needed a nudge, and counts those that did."""

    def count(recorded: Recorded, nudged: Tensor) -> None:
        numbers = [recorded.label, "nudged", int(nudged.sum()), nudged.numel()]
        request.node.user_properties.append(("parity", numbers))
        assert nudged.float().mean() < MOST, f"{int(nudged.sum())} of {nudged.numel()} rays were nudged"

    return count


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Write the worst deviation of every folder, and what stands by rounding alone."""
    worst: dict[tuple[str, str], tuple[float, str]] = {}
    rays: dict[str, list[int]] = {}
    rounding: list[str] = []
    for reports in terminalreporter.stats.values():
        for report in reports:
            if getattr(report, "when", "") != "call":
                continue
            for key, value in report.user_properties:
                if key == "rounding":
                    rounding.append(value)
                if key != "parity":
                    continue
                label, kind, what, number = value
                if kind == "nudged":
                    counts = rays.setdefault(label, [0, 0])
                    counts[0], counts[1] = counts[0] + what, counts[1] + number
                elif number >= worst.get((label, kind), (-1.0, ""))[0]:
                    worst[label, kind] = (number, what)
    if worst:
        terminalreporter.section("worst deviations from the recorded numbers")
    for (label, kind), (number, what) in sorted(worst.items()):
        rounded = (
            "; {} of {} rays nudged".format(*rays[label]) if kind == "absolute" and label in rays else ""
        )
        terminalreporter.write_line(f"{label}: {kind} {number:.2g} ({what}){rounded}")
    if rounding:
        terminalreporter.section("deviations that rounding alone makes, or does not")
    for line in sorted(rounding):
        terminalreporter.write_line(line)
