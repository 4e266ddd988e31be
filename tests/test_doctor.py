"""The doctor tells what is there, what is not, and what that costs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from phiz import checkpoint, cli, doctor
from phiz.errors import UsageError

INTEL = "processor : 0\nmodel name : Some CPU\nflags : fpu avx2 avx512f avx512_bf16\n\nmodel name : Other\n"
ARM = "processor : 0\nFeatures : fp asimd bf16\n"


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """Return a folder with two small networks and their manifest."""
    for name in ("one", "two"):
        tensors = {"w": torch.full((4,), float(len(name)))}
        checkpoint.save(tmp_path / f"{name}.safetensors", kind=f"net-{name}", config={}, tensors=tensors)
    doctor.write_manifest(tmp_path)
    return tmp_path


def test_a_processor_is_read_on_each_architecture(tmp_path: Path) -> None:
    path = tmp_path / "cpuinfo"
    path.write_text(INTEL)
    assert doctor.read_cpu(path) == ("Some CPU", frozenset({"fpu", "avx2", "avx512f", "avx512_bf16"}))
    path.write_text(ARM)
    assert doctor.read_cpu(path)[1] == frozenset({"fp", "asimd", "bf16"})
    name, flags = doctor.read_cpu(tmp_path / "nothing")
    assert name
    assert flags == frozenset()


def test_whole_weights_are_well(weights: Path) -> None:
    findings = doctor.look_at_weights(weights)
    assert [(f.name, f.health) for f in findings] == [
        ("one.safetensors", "good"),
        ("two.safetensors", "good"),
    ]
    assert findings[0].found.startswith("net-one, 0.0 MiB, ")


def test_a_changed_weight_is_noticed(weights: Path) -> None:
    checkpoint.save(weights / "one.safetensors", kind="net-one", config={}, tensors={"w": torch.zeros(4)})
    last = doctor.look_at_weights(weights)[-1]
    assert (last.name, last.health, last.found) == ("one.safetensors", "poor", "changed")


def test_an_absent_weight_is_missing(weights: Path) -> None:
    (weights / "two.safetensors").unlink()
    last = doctor.look_at_weights(weights)[-1]
    assert (last.name, last.health, last.found) == ("two.safetensors", "missing", "not there")


def test_a_weight_of_somebody_else_is_noticed(weights: Path) -> None:
    checkpoint.save(weights / "own.safetensors", kind="net", config={}, tensors={})
    last = doctor.look_at_weights(weights)[-1]
    assert (last.name, last.health) == ("own.safetensors", "poor")


def test_a_damaged_weight_is_missing(weights: Path) -> None:
    (weights / "one.safetensors").write_bytes(b"")
    (finding,) = doctor.look_at_weights(weights)
    assert finding.health == "missing"
    assert "one.safetensors is damaged" in finding.advice


def test_without_weights_or_manifest_there_is_nothing_to_say(tmp_path: Path) -> None:
    assert doctor.look_at_weights(tmp_path) == []


def test_the_manifest_comes_back_and_a_broken_one_is_refused(weights: Path) -> None:
    manifest = doctor.read_manifest(weights)
    assert manifest is not None
    assert list(manifest.values()) == doctor.list_weights(weights)
    (weights / doctor.MANIFEST).write_text("[")
    with pytest.raises(UsageError, match="Write it anew"):
        doctor.read_manifest(weights)


def test_an_absent_package_is_told_with_its_cost() -> None:
    there, absent = doctor.look_at_packages(
        {"json": ("train", "nothing works"), "surely_not_there": ("app", "no studio")}
    )
    assert (there.health, there.advice) == ("good", "")
    assert absent.health == "optional"
    assert absent.advice == "without it, no studio. Get it with: pip install 'phiz[app]'"


def test_a_head_that_is_none_is_told(tmp_path: Path) -> None:
    finding = doctor.look_at_head(tmp_path)
    assert finding.health == "poor"
    assert "head.npz" in finding.advice


def test_this_machine_is_well_enough(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["doctor"]) == 0
    text = capsys.readouterr().out
    for word in ("Python", "torch", "processor", "memory", "disk", "encoder libx264", "encoder aac"):
        assert word in text


def test_the_report_is_json_for_scripts(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["doctor", "--json", "--quiet"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["exit_code"] == 0
    assert {"name", "health", "found", "advice"} == set(report["findings"][0])


def test_the_report_fails_when_something_required_is_missing(
    weights: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (weights / "two.safetensors").unlink()
    monkeypatch.setattr(doctor, "WEIGHTS", weights)
    assert cli.main(["doctor", "--json"]) == 7
    seen = capsys.readouterr()
    assert json.loads(seen.out)["exit_code"] == 7
    assert "cannot work here without: two.safetensors" in seen.err


def test_a_release_writes_its_manifest(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (weights / "two.safetensors").unlink()
    monkeypatch.setattr(doctor, "WEIGHTS", weights)
    assert cli.main(["doctor", "--write-manifest", "--quiet"]) == 0
    assert list(doctor.read_manifest(weights) or {}) == ["one.safetensors"]
