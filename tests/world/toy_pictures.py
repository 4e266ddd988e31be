"""Small samples that need no renderer; a module of its own because other processes import it by name."""

from __future__ import annotations

import io
import json
import os
import signal
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image


@dataclass(frozen=True, kw_only=True)
class Toy:
    """Paints smooth random pictures with made-up labels."""

    size: int = 32
    fatal: int = -1
    """The process dies at this sample, as if the power had gone, if `fuse` is there."""
    fuse: Path = Path("no fuse")

    def __call__(self, number: int) -> dict[str, bytes]:
        if number == self.fatal and self.fuse.exists():
            os.kill(os.getpid(), signal.SIGKILL)
        rng = np.random.default_rng(number)
        coarse = Image.fromarray(rng.integers(0, 256, (4, 4, 3), dtype=np.uint8))
        target = io.BytesIO()
        coarse.resize((self.size, self.size), Image.Resampling.BICUBIC).save(target, "JPEG", quality=95)
        facts = {
            "basis": "toy",
            "rotation": rng.uniform(-0.7, 0.7, 3).tolist(),
            "translation": rng.uniform(-0.1, 0.1, 3).tolist(),
            "coeffs": {"expression": rng.uniform(0, 1, 5).tolist()},
            "landmarks68": rng.uniform(0, self.size, (68, 2)).tolist(),
        }
        return {"jpg": target.getvalue(), "json": json.dumps(facts).encode()}


def fail_at_five(number: int) -> dict[str, bytes]:
    if number == 5:
        raise ValueError("five is right out")
    return Toy()(number)
