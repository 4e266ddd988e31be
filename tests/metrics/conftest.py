"""Small rendered people for the metrics."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from phiz.face import head, supplied
from phiz.face.morphable import MorphableModel
from phiz.world import paint
from phiz.world.figure import dress
from phiz.world.people import sample_person
from phiz.world.scene import portrait_scene

PEOPLE, SCENES, SIZE = 3, 3, 64


@pytest.fixture(scope="session")
def model(repository: Path) -> MorphableModel:
    """Return the built-in head, or the supplied one where only that is at hand."""
    if head.BUILT_IN.is_file():
        return head.built_in()
    folder = repository.parent / "shared" / "heads"
    if not (folder / "head.npz").is_file():
        pytest.skip("no head model to paint")
    return supplied.read(folder)


@pytest.fixture(scope="session")
def portraits(model: MorphableModel) -> tuple[Tensor, Tensor]:
    """Return two sets of pictures of the same people, in other light and with other faces."""
    sets: tuple[list[Tensor], list[Tensor]] = ([], [])
    for number in range(PEOPLE):
        person = sample_person(number, model, ("buzz",))
        person = replace(person, hair=replace(person.hair, beard="none"), hat="none", glasses="none")
        outfit = dress(person, model)
        for seed in range(2 * SCENES):
            scene = portrait_scene(100 * number + seed, person, model)
            picture = paint.paint(person, scene, model, size=SIZE, outfit=outfit)
            sets[seed % 2].append(picture.image)
    return torch.stack(sets[0]), torch.stack(sets[1])
