"""What was recorded of the tensors between the parts of a network."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from parity.filled import Golden
from torch import Tensor, nn

CLOSE = 1e-4


def check_parts(golden: Golden, network: nn.Module, run: Callable[[], object]) -> None:
    """Compare what each part gives while the network runs: its shape, mean, spread and first numbers.

    Parts are known by name; those that were called twice, or are no parts of ours (rectifiers), are left out.
    """
    known = dict(network.named_modules())
    probes = {name: probe for name, probe in golden.probes().items() if name in known}
    if not probes:
        pytest.skip("nothing was recorded of the parts")
    found: dict[str, Tensor | None] = {}
    hooks = [known[name].register_forward_hook(partial(_keep, found, name)) for name in probes]
    try:
        with torch.no_grad():
            run()
    finally:
        for hook in hooks:
            hook.remove()
    assert found.keys() == probes.keys()
    for name, kept in found.items():
        if kept is None:
            continue
        value, probe = kept.float(), probes[name]
        scale = max(1.0, float(probe["std"]))
        assert list(value.shape) == probe["shape"], name
        assert abs(float(value.mean()) - probe["mean"]) < CLOSE * scale, name
        assert abs(float(value.std(correction=0)) - probe["std"]) < CLOSE * scale, name
        first = torch.tensor(probe["first8"])
        torch.testing.assert_close(value.flatten()[: len(first)], first, atol=CLOSE * scale, rtol=0, msg=name)


def _keep(found: dict[str, Tensor | None], name: str, module: nn.Module, inputs: Any, output: Any) -> None:
    """Keep what a part gave the first time it was called, None for what gives several tensors here."""
    found.setdefault(name, output.clone() if isinstance(output, Tensor) else None)
