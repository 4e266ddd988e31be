"""Margins, centres, learning rates and verification have the recorded numbers, gradients included."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from parity.filled import COMMITTED, NOTHING
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor

from phiz.metrics import verification
from phiz.train.arcface_schedule import Schedule
from phiz.train.margins import ARCFACE, COSFACE, Margin, with_margin
from phiz.train.partial_fc import Centres, sampled
from phiz.train.ranks import Ranks

ALONE = Ranks(rank=0, world=1, local_rank=0, device=torch.device("cpu"))
CLOSE = 1e-5
MARKS = ({"logits", "labels", "w"}, {"pfc/weight", "pfc/labels"}, {"verify/embeddings", "verify/issame"})
"""What folders of this kind hold: at least one of these."""
Check = Callable[..., None]


class Recorded:
    """One folder of numbers, known by what it holds."""

    def __init__(self, path: Path, label: str) -> None:
        self.path, self.label = path, label
        self.tensors = load_file(path)

    def __getitem__(self, name: str) -> Tensor:
        return self.tensors[name]

    def under(self, pattern: str) -> list[str]:
        """Return the names of the groups whose name a pattern fits; skip the test where there are none."""
        heads = {name.partition("/")[0] for name in self.tensors}
        found = sorted(head for head in heads if re.fullmatch(pattern, head))
        if not found:
            pytest.skip(f"{self.label} has nothing of this kind")
        return found


def folders(root: Path) -> list[Path]:
    found = []
    for path in sorted(root.rglob("io.safetensors")) if root.is_dir() else ():
        with safe_open(path, "pt") as file:
            if any(marks <= set(file.keys()) for marks in MARKS):
                found.append(path)
    return found


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "recorded" not in metafunc.fixturenames:
        return
    root: Path = metafunc.config.getoption("--goldens")
    sets = [Recorded(path, path.parent.name) for place in (COMMITTED, root) for path in folders(place)]
    if not sets:
        metafunc.parametrize("recorded", [pytest.param(None, marks=pytest.mark.skip(reason=NOTHING))])
    else:
        metafunc.parametrize("recorded", sets, ids=[one.label for one in sets])


def margin_named(name: str) -> Margin:
    """Return the margin that a group of recorded numbers is called after."""
    if name == "ArcFace":
        return ARCFACE
    if name == "CosFace":
        return COSFACE
    if found := re.fullmatch(r"(arc|cos)face_filter([\d.]+)", name):
        shift, gap = (0.5, 0.0) if found[1] == "arc" else (0.0, 0.4)
        return Margin(shift=shift, gap=gap, filter=float(found[2]))
    _, factor, shift, gap = name.split("_")
    return Margin(factor=float(factor), shift=float(shift), gap=float(gap))


def test_margins_have_the_recorded_values_and_gradients(recorded: Recorded, check: Check) -> None:
    names = recorded.under(r"ArcFace|CosFace|(arc|cos)face_.*")
    for name in names:
        cosines = recorded["logits"].clone().requires_grad_()
        logits = with_margin(cosines, recorded["labels"].flatten(), margin_named(name))
        (logits * recorded["w"]).sum().backward()
        assert cosines.grad is not None
        expected = recorded[f"{name}/grad_of_weighted_sum"]
        check(recorded, f"{name}/out", logits, recorded[f"{name}/out"], tolerance=CLOSE, is_relative=True)
        check(recorded, f"{name}/grad", cosines.grad, expected, tolerance=CLOSE, is_relative=True)


def test_centres_have_the_recorded_losses_and_gradients(
    recorded: Recorded, check: Check, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = recorded.under(r"pfc_.*")
    classes, length = recorded["pfc/weight"].shape
    for name in names:
        share = 1.0 if name == "pfc_full" else float(name.removeprefix("pfc_"))
        centres = Centres(length, classes, ALONE, sample=share)
        centres.weight.data.copy_(recorded["pfc/weight"])
        embeddings = recorded["pfc/embeddings"].clone().requires_grad_()
        with monkeypatch.context() as patch:
            patch.setattr(torch, "rand", lambda *_, **__: recorded["pfc/perm"].clone())
            loss = centres(embeddings, recorded["pfc/labels"], ARCFACE)
        loss.backward()
        found = {"loss": loss[None], "grad_emb": embeddings.grad, "grad_weight": centres.weight.grad}
        for what, value in found.items():
            expected = recorded[f"{name}/{what}"].reshape(value.shape)
            check(recorded, f"{name}/{what}", value, expected, tolerance=CLOSE, is_relative=True)
        if f"{name}/sampled_index" in recorded.tensors:
            used, labels = sampled(recorded["pfc/labels"], recorded["pfc/perm"], int(share * classes))
            assert torch.equal(used, recorded[f"{name}/sampled_index"])
            assert torch.equal(used[labels], recorded["pfc/labels"])


def test_learning_rates_are_the_recorded_ones(recorded: Recorded) -> None:
    names = recorded.under(r"lr_w-?\d+_t\d+_p\d+")
    for name in names:
        warm, total, power = (int(number) for number in re.findall(r"-?\d+", name))
        expected = recorded[name].tolist()
        schedule = Schedule(rate=expected[0], warm=warm, total=total, power=power)
        found = [schedule.at(step) for step in range(len(expected))]
        assert found == pytest.approx(expected, rel=1e-9, abs=1e-15)


def test_verification_has_the_recorded_numbers(recorded: Recorded) -> None:
    recorded.under("verify")
    are_same = recorded["verify/issame"].numpy().astype(bool)
    away = verification.distances(recorded["verify/embeddings"])
    assert np.allclose(
        verification.accuracies(away, are_same), recorded["verify/accuracy_per_fold"].numpy(), atol=1e-12
    )
    true, false = verification.rates(away, are_same)
    assert np.allclose(true, recorded["verify/tpr"].numpy(), atol=1e-12)
    assert np.allclose(false, recorded["verify/fpr"].numpy(), atol=1e-12)
    for name in (one for one in recorded.tensors if one.startswith("verify/val_far_at_")):
        threshold = float(name.removeprefix("verify/val_far_at_"))
        assert verification.accepted(away, are_same, threshold) == pytest.approx(
            recorded[name].tolist(), abs=1e-12
        )
