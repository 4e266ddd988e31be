"""Samples of a data set by number: paint picture number 12 of the people with seed 7."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator
from pathlib import Path

import torch

from phiz.face import models
from phiz.face.coeffs import neutral
from phiz.face.morphable import MorphableModel
from phiz.world.data import layout
from phiz.world.figure import Outfit, dress
from phiz.world.grown.hair_cards import styles_for
from phiz.world.paint import paint
from phiz.world.people import Person, on_another_day, sample_person
from phiz.world.scene import sample_scene

SEEDS_APART = 10**9
"""People and pictures of two data sets with different seeds never share a number."""


class PaintedPeople:
    """Makes samples (see `phiz.world.data.layout`) of people who never lived.

    A class because it keeps what is slow to make: the head model and the last person's hair and
    clothes. Neither goes along to another process, nor has any part in what comes out.
    """

    def __init__(
        self,
        *,
        head: str,
        size: int,
        seed: int,
        per_person: int,
        heads: Path | None = None,
        has_new_looks: bool = False,
    ) -> None:
        self.head = head
        self.heads = heads
        self.size = size
        self.seed = seed
        self.per_person = per_person
        self.has_new_looks = has_new_looks
        self._model: MorphableModel | None = None
        self._dressed: tuple[int, Person, Outfit] | None = None

    def __call__(self, number: int) -> dict[str, bytes]:
        """Return the files of a sample; the same number gives the same bytes with any number of cores."""
        with one_thread(), torch.no_grad():
            head = self.model()
            person, outfit = self._person(number, head)
            scene = sample_scene(self.seed * SEEDS_APART + number, person, head)
            picture = paint(person, scene, head, size=self.size, outfit=outfit)
            return layout.encode(picture, basis=head.name)

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_model": None, "_dressed": None}

    def model(self) -> MorphableModel:
        """Return the head model, loaded once."""
        if self._model is None:
            lends = self.head == models.BUILT_IN and self.heads is not None
            self._model = models.built_in_with(self.heads) if lends else models.open_model(self.head)
        return self._model

    def _person(self, number: int, head: MorphableModel) -> tuple[Person, Outfit]:
        """Return whom a picture shows, as they are dressed in it."""
        who = number // self.per_person
        if self.has_new_looks:
            seed = self.seed * SEEDS_APART
            person = sample_person(seed + who, head, styles_for(head))
            person = on_another_day(person, seed + SEEDS_APART // 2 + number, head, styles_for(head))
            return person, dress(person, head)
        if self._dressed is None or self._dressed[0] != who:
            person = sample_person(self.seed * SEEDS_APART + who, head, styles_for(head))
            self._dressed = (who, person, dress(person, head))
        return self._dressed[1:]


def fingerprint(head: MorphableModel) -> str:
    """Return a short text that two heads share only if their mean faces are the same."""
    mean = head.vertices(neutral(head.sizes)).detach().cpu().contiguous()
    return hashlib.sha256(mean.numpy().tobytes()).hexdigest()[:16]


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Let torch use one thread inside the block: sums over several depend on how many there are."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
