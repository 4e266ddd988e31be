"""A few rendered people as shards, shared by the tests of what learns to see."""

from __future__ import annotations

from pathlib import Path

import pytest

from phiz.console import Console
from phiz.face import head as heads
from phiz.face import models
from phiz.world.data.produce import PaintedPeople, fingerprint
from phiz.world.data.writing import write_shards

SIZE = 64


def write_people(folder: Path, *, count: int = 4, seed: int = 1, per_person: int = 1) -> Path:
    """Write people as `phiz world shards` does; skip the test where there is no head."""
    if not heads.BUILT_IN.is_file():
        pytest.skip("no head model to paint")
    make = PaintedPeople(head=models.BUILT_IN, size=SIZE, seed=seed, per_person=per_person)
    model = make.model()
    recipe = {"size": SIZE, "per_person": per_person, "head": f"{model.name} {fingerprint(model)}"}
    write_shards(make, folder, count=count, per_shard=2, recipe=recipe, console=Console(quiet=True))
    return folder
