"""Training a recogniser of faces: ``phiz train arcface``.

A network makes every face a few numbers; centres, one a person, pull them together (ArcFace, CosFace) and are
shared out over processes (Partial FC). The settings and their presets stand in `arcface_presets`, a step in
`arcface_step`; this file holds what is around them.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import torch

from phiz.console import Console
from phiz.errors import PhizError, UsageError
from phiz.face.identity import store
from phiz.face.identity.config import NETWORKS, RecogniserConfig, ResidualConfig
from phiz.face.identity.networks import begin, repeated
from phiz.media import image
from phiz.metrics import verification
from phiz.metrics.pairs import Pairs, open_pairs
from phiz.train import faces as sources
from phiz.train import ranks, state
from phiz.train.arcface_presets import ArcfaceConfig
from phiz.train.arcface_schedule import Schedule, falls_of
from phiz.train.arcface_step import Batch, Learners, learn
from phiz.train.face_stream import FaceStream, varied
from phiz.train.faces import Faces
from phiz.train.partial_fc import Centres
from phiz.train.picture_reading import make_square
from phiz.train.ranks import Ranks
from phiz.train.run import Run, run_config
from phiz.train.shared_norm import share_statistics
from phiz.train.twice import compute_twice

FILE = "identity.safetensors"
LOOSE = frozenset(
    {"workers", "data", "start", "pairs", "verify_every", "expected", "is_checkpointed", "pairs_held_out"}
)
"""Settings that may be others when a run goes on."""


def train_arcface(config: ArcfaceConfig, console: Console) -> Mapping[str, object]:
    """Train a network to recognise people.

    Interrupted, it goes on from its last snapshot when the same command is given again. On many GPUs, or on
    many machines: torchrun --nproc-per-node 8 -m phiz.cli train arcface ...

    Examples:
        phiz train arcface --preset ms1mv3_r50 --data ms1m-retinaface-t1 -o runs/r50
        phiz world shards -o people --count 80000 --per-person 16
        phiz train arcface --preset BUILTIN --data people --minutes 60
    """
    if not config.data:
        raise UsageError("say where the faces are: phiz train arcface --data DIR")
    with ranks.start(config.device) as here:
        try:
            return fit(config, here, console)
        except torch.OutOfMemoryError as error:
            raise PhizError(_memory_advice(config)) from error


def fit(config: ArcfaceConfig, here: Ranks, console: Console) -> Mapping[str, object]:
    """Train to the end, or as long as there is time; return where the network is."""
    shape = shape_of(config)
    everybody = sources.open_faces(config.data, size=shape.size, seed=config.seed)
    known, strangers = sources.parted(everybody, config.held_out)
    if here.is_first:
        _compare(config, everybody, console)
    schedule, total = schedule_of(config, known, here)
    learners = beginners(config, shape, known.classes, here)
    pairs = ranks.on_first(here, lambda: _pairs(config, strangers, shape.size, console)) or []
    about = {"trainer": "arcface", **asdict(config), "classes": known.classes}
    run = Run(run_config(config), about, learners.parts(here), here, console, may_change=LOOSE)
    path = run.folder / FILE
    with contextlib.closing(run):
        run.restore()
        stream = FaceStream(
            known,
            size=shape.size,
            batch=config.batch,
            seed=config.seed,
            workers=config.workers,
            rank=here.rank,
            world=here.world,
            seen=run.images,
            mirror=config.mirror,
            console=console,
        )
        with contextlib.closing(stream):
            while not run.finished(total):
                place = run.step * config.accumulate + config.accumulate - 1
                values = learn(config, learners, _batches(config, stream, learners, here), schedule.at(place))
                run.advance(config.batch * here.world * config.accumulate)
                run.log({**values, "damaged pictures": float(len(stream.damaged))})
                if run.due(config.verify_every) or run.step == total:
                    run.log(verified(learners, pairs, here), always=True)
        ranks.on_first(here, lambda: store.save(path, learners.network, about=_said(config, known)))
    return {"output": str(path), "steps": run.step, "images": run.images, "people": known.classes}


def shape_of(config: ArcfaceConfig) -> RecogniserConfig:
    """Return the sizes of the network that is asked for."""
    if config.start is not None:
        return store.load(config.start).config
    shape = NETWORKS[config.network]
    if config.embedding:
        shape = replace(shape, embedding=config.embedding)
    if config.dropout and not isinstance(shape, ResidualConfig):
        raise UsageError(f"{config.network} has no dropout. Leave out --dropout, or take r50.")
    return replace(shape, dropout=config.dropout) if isinstance(shape, ResidualConfig) else shape


def schedule_of(config: ArcfaceConfig, known: Faces, here: Ranks) -> tuple[Schedule, int]:
    """Return the learning rates, of batches, and after how many steps the training ends."""
    together = config.batch * here.world
    epoch = max((known.source.count or 0) // together, 1)
    scale = together / config.rate_batch if config.rate_batch else 1.0
    schedule = Schedule(
        rate=config.rate * scale,
        warm=config.warm_epochs * epoch,
        total=config.epochs * epoch,
        power=config.power,
        falls=falls_of(config.falls, epoch),
        is_first_full=config.is_first_full,
    )
    return schedule, max(schedule.total // config.accumulate, 1)


def beginners(config: ArcfaceConfig, shape: RecogniserConfig, classes: int, here: Ranks) -> Learners:
    """Return the network and the centres of this process, and all that trains them."""
    network = begin(shape, torch.Generator().manual_seed(config.seed))
    if config.start is not None:
        network.load_state_dict(store.load(config.start).state_dict())
    network.to(here.device)
    ranks.broadcast_from_first(network)
    centres = Centres(shape.embedding, classes, here, sample=config.sample)
    centres.start(torch.Generator().manual_seed(config.seed + 1))
    centres.to(here.device)
    chance = torch.Generator(here.device).manual_seed(1000 * config.seed + here.rank)
    if config.norm == "all" and here.world > 1:
        share_statistics(network, here)
    if config.is_checkpointed:
        compute_twice(repeated(network), chance)
    return Learners.begin(config, network, centres, chance)


def verified(learners: Learners, pairs: list[Pairs], here: Ranks) -> dict[str, float]:
    """Return how well the network of the first process tells pairs apart; all processes have to ask."""

    def work() -> dict[str, float]:
        learners.network.eval()
        try:
            found = {
                one.name: verification.verify(learners.network, one, device=here.device) for one in pairs
            }
        finally:
            learners.network.train()
        return {f"verify/{name}/{k}": v for name, one in found.items() for k, v in one.numbers().items()}

    return state.from_first(here, work)


def held_out_pairs(strangers: Faces, count: int, size: int, seed: int) -> Pairs:
    """Return pairs of people about whom nothing is learned."""
    numbers, claims = sources.pairs_of(strangers, count, seed=seed)
    known: dict[int, bytes] = {}
    for number in (number for pair in numbers for number in pair):
        if number not in known:
            shown = make_square(strangers.source.read(number).image, size)
            known[number] = image.encode(image.from_bytes(shown.movedim(0, -1)), ".png")
    pictures = [known[number] for pair in numbers for number in pair]
    return Pairs(name="held_out", pictures=pictures, are_same=np.array(claims))


def _batches(config: ArcfaceConfig, stream: FaceStream, learners: Learners, here: Ranks) -> Iterator[Batch]:
    for _ in range(config.accumulate):
        crops, labels = stream.next(here.device)
        yield (varied(crops, learners.chance) if config.is_varied else crops), labels


def _pairs(config: ArcfaceConfig, strangers: Faces | None, size: int, console: Console) -> list[Pairs]:
    """Return the pairs that lie where they were said to, or beside the data, and those of held out people."""
    found = []
    for path in config.pairs:
        places = [place for place in (path, Path(config.data) / path) if place.exists()]
        if places:
            found.append(open_pairs(places[0]))
        else:
            console.warn(f"there are no pairs at {path}, nor in {config.data}; nothing is verified on them.")
    if strangers is not None and config.pairs_held_out:
        found.append(held_out_pairs(strangers, config.pairs_held_out, size, config.seed))
    return found


def _compare(config: ArcfaceConfig, everybody: Faces, console: Console) -> None:
    """Say so where the data is not what a preset was published for: its rates may not fit."""
    there = everybody.classes, everybody.source.count
    wanted = config.expected
    if wanted and any(not math.isclose(a, b or 0, rel_tol=0.05) for a, b in zip(wanted, there, strict=False)):
        told = " people in ".join(map(str, wanted)) + (" pictures" if len(wanted) > 1 else " people")
        console.warn(
            f"{config.preset or 'these settings'} were published for {told}; {config.data} has {there[0]} "
            f"people in {there[1]} pictures. Rate and epochs may have to be others."
        )


def _said(config: ArcfaceConfig, known: Faces) -> dict[str, object]:
    return {
        "network": config.network,
        "margin": asdict(config.margin),
        "people": known.classes,
        "pictures": known.source.count,
    }


def _memory_advice(config: ArcfaceConfig) -> str:
    advice = [f"--batch {config.batch // 2} --accumulate {config.accumulate * 2}"] if config.batch > 1 else []
    advice += ["--precision bfloat16"] if config.precision == "float32" else []
    advice += [] if config.is_checkpointed else ["--is-checkpointed"]
    advice += ["--sample 0.1"] if config.sample > 0.1 else []
    return "the memory of the GPU is too small for this training. Try " + ", then ".join(advice) + "."
