"""``phiz world shards``: a data set of rendered people, as tar shards or as the guide's folders."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import phiz
from phiz.console import Console
from phiz.errors import UsageError
from phiz.face import models
from phiz.options import option
from phiz.world.data import guide, workers
from phiz.world.data.produce import PaintedPeople, fingerprint
from phiz.world.data.reading import Sample, Tally, read_shards
from phiz.world.data.writing import write_shards
from phiz.world.grown.hair_cards import styles_for

__all__ = ["Sample", "ShardsConfig", "Tally", "read_shards", "shards_verb", "write_shards"]


@dataclass(frozen=True, kw_only=True)
class ShardsConfig:
    """A data set of rendered people."""

    output: Path = option(Path("people"), "-o", "--output")
    """The folder to write."""
    count: int = 10_000
    """Pictures."""
    size: int = 256
    """Height and width of the pictures in pixels."""
    seed: int = 0
    """Which people; another seed shares nobody with this one."""
    head: str = models.BUILT_IN
    """Head model: the built-in one, or a folder or file of another."""
    heads: Path | None = None
    """Folder with head data (head.npz) whose modelled hair people on the built-in head may wear as well."""
    layout: Literal["shards", "guide"] = "shards"
    """shards: tar files with all labels; guide: folders as the training guide describes them."""
    per_shard: int = 1000
    """Pictures a tar file."""
    per_person: int = 0
    """Pictures of each person; 0 takes 8 in shards, up to 1000 in the guide's layout."""
    new_looks: bool = False
    """Other hair, beard, glasses, hat and clothes in each picture of a person, to learn recognition from."""
    workers: int = 0
    """Processes; 0 takes one a core. The bytes do not depend on it."""

    def __post_init__(self) -> None:
        if self.count < 1 or self.per_shard < 1:
            raise ValueError("--count and --per-shard must be positive")
        if self.seed < 0 or self.per_person < 0 or self.workers < 0:
            raise ValueError("--seed, --per-person and --workers must not be negative")
        if not 16 <= self.size <= 4096:
            raise ValueError(f"--size {self.size} cannot be; choose 16 to 4096 pixels")


def shards_verb(config: ShardsConfig, console: Console) -> Mapping[str, object]:
    """Write a data set of rendered people.

    Interrupted, it goes on where it stopped when the same command is given again; the bytes are the
    same on every run and with any number of workers.

    Examples:
        phiz world shards -o people --count 20000
        phiz world shards -o faces --count 80000 --per-person 16 --new-looks
        phiz world shards -o talkers --layout guide --count 1000 --size 1024
    """
    in_guide = config.layout == "guide"
    per_person = config.per_person or (min(config.count, 1000) if in_guide else 8)
    if in_guide and config.count % per_person:
        raise UsageError(
            f"--count {config.count} is not a multiple of --per-person {per_person}, so somebody would have "
            "too few pictures. Choose a count that is."
        )
    make = PaintedPeople(
        head=config.head,
        heads=config.heads,
        size=config.size,
        seed=config.seed,
        per_person=per_person,
        has_new_looks=config.new_looks,
    )
    processes = workers.count_workers(config.workers)
    told = {"output": str(config.output), "layout": config.layout, "pictures": config.count}
    if in_guide:
        people = guide.write_guide(
            make,
            config.output,
            count=config.count,
            per_person=per_person,
            seed=config.seed,
            processes=processes,
            console=console,
        )
        console.say(f"{config.count} pictures of {people} people are in {config.output}.")
        return {**told, "people": people}
    index = write_shards(
        make,
        config.output,
        count=config.count,
        per_shard=config.per_shard,
        recipe=_recipe(make),
        processes=processes,
        console=console,
    )
    console.say(f"{config.count} pictures are in {config.output}, in {len(index.shards)} shards.")
    return {**told, "people": -(-config.count // per_person), "shards": len(index.shards)}


def _recipe(make: PaintedPeople) -> dict[str, object]:
    """Return everything that the bytes of the samples depend on."""
    head = make.model()
    return {
        "maker": f"phiz {phiz.__version__}",
        "head": f"{head.name} {fingerprint(head)}",
        "styles": list(styles_for(head)),
        "size": make.size,
        "seed": make.seed,
        "per_person": make.per_person,
        **({"new_looks": True} if make.has_new_looks else {}),  # older sets do not say
    }
