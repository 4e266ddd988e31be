"""Training a regressor: ``phiz train regress``.

Two ways of learning, alone or together in each batch. Of rendered people everything is known, and what is
told is held against it (`phiz.train.regress_told`). Of photos nothing is known but points and skin; the face
that is told is drawn and compared with the photo, as published ("Accurate 3D Face Reconstruction with
Weakly-Supervised Learning", Deng et al., 2019; `phiz.train.regress_photos`). The first makes the built-in
regressor, the second, with the Basel model, the published one.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn

from phiz import checkpoint
from phiz.console import Console
from phiz.errors import CheckpointError, PhizError, UsageError
from phiz.face import models, network_files
from phiz.face.bfm import DECIMETRE
from phiz.face.identity import store
from phiz.face.morphable import MorphableModel
from phiz.face.network_files import LANDMARKS, REGRESSOR
from phiz.face.regress import Regressor, to_face
from phiz.layers import ema, residual
from phiz.train import parse, photo_changes, ranks, regress_watch
from phiz.train.ordered_stream import OrderedStream
from phiz.train.ranks import Ranks
from phiz.train.regress_config import TrainRegressConfig
from phiz.train.regress_photos import Recognise, photo_losses
from phiz.train.regress_sources import PortraitSource, open_photos, open_world
from phiz.train.regress_stream import CropBatch, CropChanges, StreamConfig, crop_stream
from phiz.train.regress_told import Crops, truth_losses
from phiz.train.regress_truth import Yardstick, middle, mirror_of, sizes_of, truth_of, yardstick
from phiz.train.run import Run, Stateful, run_config

LOOSE = frozenset("workers picture_every measure_every measure_count data photos check start trunk".split())
"""Settings that may be others when a training goes on."""
PLACE, DEPTH = 5, 6
"""Which of the last layers tell where a head stands: across and up, and how near."""


def train_regress(config: TrainRegressConfig, console: Console) -> Mapping[str, object]:
    """Train a regressor, which tells a face's coefficients from a crop.

    Interrupted, it goes on from its last snapshot when the same command is given again. On many GPUs:
    torchrun --nproc-per-node 8 -m phiz.cli train regress ...

    Examples:
        phiz world shards -o people --count 20000
        phiz train regress --preset BUILTIN --data people -o runs/regress
        phiz train regress --preset BUILTIN --data people --photos mine -o runs/both
        phiz train regress --preset DEEP3D --photos faces --head BFM_model_front.mat -o runs/published
    """
    if config.data is None and config.photos is None:
        raise UsageError(
            "say what to learn from: rendered people with --data DIR, photos with --photos DIR, or both"
        )
    with ranks.start(config.device) as here:
        check_share(config, here)
        try:
            return fit(config, here, console)
        except torch.OutOfMemoryError as error:
            raise PhizError(
                "the memory of the GPU is too small for this training. "
                f"Try --batch {max(config.batch // 2, 2 * here.world)}."
            ) from error


def check_share(config: TrainRegressConfig, here: Ranks) -> None:
    """Refuse a batch of which some processes would see more than others, or less than two pictures."""
    if config.batch % here.world or config.batch < 2 * here.world:
        fitting = here.world * max(config.batch // here.world, 2)
        raise UsageError(
            f"{here.world} processes cannot share a batch of {config.batch} evenly, with at least 2 pictures "
            f"each. Give --batch {fitting}"
        )


@dataclass(frozen=True, kw_only=True)
class Teachers:
    """What a regressor is held against."""

    model: MorphableModel
    stick: Yardstick
    recognise: Recognise | None
    """None where nobody asks who somebody is."""


@dataclass(frozen=True, kw_only=True)
class Streams:
    """The crops of this process: of rendered people, of photos, or of both."""

    world: OrderedStream[CropBatch] | None
    photos: OrderedStream[CropBatch] | None
    count: int
    """Pictures of an epoch."""

    def damaged(self) -> int:
        """Return how many pictures could not be used."""
        return sum(len(stream.damaged) for stream in (self.world, self.photos) if stream is not None)

    def close(self) -> None:
        """Stop reading ahead."""
        for stream in (self.world, self.photos):
            if stream is not None:
                stream.close()


def fit(config: TrainRegressConfig, here: Ranks, console: Console) -> Mapping[str, object]:
    """Train to the end, or as long as there is time; return where the regressor is."""
    teachers = teachers_of(config, here)
    regressor = beginner(config)
    regressor.to(here.device).train().requires_grad_(True)
    ranks.broadcast_from_first(regressor)
    average = ema.twin(regressor)
    optimiser = optimiser_of(config, regressor)
    parts: dict[str, Stateful] = {"regressor": regressor, "average": average, "optimiser": optimiser}
    about = {"trainer": "regress", **asdict(config)}
    path = config.output / f"{REGRESSOR.name}.safetensors"
    with contextlib.closing(Run(run_config(config), about, parts, here, console, may_change=LOOSE)) as run:
        run.restore()
        with contextlib.closing(open_streams(config, teachers.model, here, run.step, console)) as streams:
            total = steps_of(config, streams.count)
            while not run.finished(total):
                rate = rate_at(config, run.step, total)
                values = learn(config, regressor, optimiser, teachers, streams, rate, here)
                ranks.average_buffers(regressor)
                ema.follow(average, regressor, kept(config, run.images))
                run.advance(config.batch)
                run.log({**values, "rate": rate, "damaged pictures": float(streams.damaged())})
                regress_watch.watch(config, run, average, teachers.model, here)
        said = {
            "trained on": [folder.name for folder in (config.data, config.photos) if folder is not None],
            "steps": run.step,
        }
        ranks.on_first(here, lambda: network_files.save(path, REGRESSOR, average, about=said))
    return {"output": str(path), "steps": run.step, "images": run.images}


def teachers_of(config: TrainRegressConfig, here: Ranks) -> Teachers:
    """Return head model and recogniser on their device; refuse a regressor of another model's faces."""
    model = models.open_model(config.head)
    told = {name: getattr(config.regressor, name) for name in sizes_of(model)}
    if config.regressor.basis != model.name or told != sizes_of(model):
        raise UsageError(
            f"the regressor tells faces of {config.regressor.basis!r} ({told}), the head model is "
            f"{model.name!r} ({dict(sizes_of(model))}). Name another model with --head, or give the "
            "regressor its name and sizes: --regressor.basis, --regressor.identity and so on."
        )
    stick = yardstick(model, config.points)
    if isinstance(model, nn.Module):
        model.to(here.device)
    recognise: Recognise | None = None
    if config.photos is not None and config.photo.perceptual:
        recognise = store.load(config.recogniser).to(here.device)
    return Teachers(model=model, stick=stick.to(here.device), recognise=recognise)


def beginner(config: TrainRegressConfig) -> Regressor:
    """Return a new regressor, the same on all processes, or the one to begin with."""
    if config.start is not None:
        regressor = network_files.load(REGRESSOR, config.start)
        if regressor.config != config.regressor:
            raise UsageError(
                f"{config.start} holds a regressor of other sizes ({regressor.config}). Ask for the same "
                "with --preset and --regressor, or begin without it."
            )
        return regressor
    with torch.random.fork_rng():
        torch.random.set_rng_state(torch.Generator().manual_seed(config.seed).get_state())
        regressor = Regressor(config.regressor)
    residual.start(list(regressor.backbone.modules()), torch.Generator().manual_seed(config.seed))
    if config.trunk is not None:
        take_trunk(regressor.backbone, config.trunk)
    if config.data is not None:
        begin_in_the_middle(regressor, models.open_model(config.head))
    return regressor


def take_trunk(trunk: nn.Module, path: Path) -> None:
    """Give a trunk that of a network which finds landmarks, or published weights."""
    try:
        is_ours = checkpoint.read_about(path).kind == LANDMARKS.name
    except CheckpointError:
        is_ours = False  # the reader of foreign files says what it is
    if not is_ours:
        parse.take_trunk(trunk, path)
        return
    try:
        trunk.load_state_dict(network_files.load(LANDMARKS, path).trunk.state_dict())
    except RuntimeError as error:
        raise UsageError(
            f"the trunk of {path} has other sizes than the regressor's. Give that its blocks and widths."
        ) from error


@torch.no_grad()
def begin_in_the_middle(regressor: Regressor, model: MorphableModel) -> None:
    """Make a new regressor tell the mean face where crops have it; the published one begins at zero."""
    x, y, z = (middle(model) / DECIMETRE).tolist()
    for number, place in ((PLACE, (x, y)), (DEPTH, (z,))):
        bias = regressor.final_layers[number].bias
        assert isinstance(bias, Tensor)
        bias.copy_(bias.new_tensor(place))


def optimiser_of(config: TrainRegressConfig, regressor: Regressor) -> torch.optim.Optimizer:
    """Return the optimiser: Adam at two speeds; only the trunk's convolutions are pulled towards zero."""
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for name, parameter in regressor.named_parameters():
        is_trunk = name.startswith("backbone.")
        groups.setdefault((is_trunk, is_trunk and parameter.ndim > 1), []).append(parameter)
    settings = [
        {
            "params": parameters,
            "speed": 1.0 if is_trunk else config.head_speed,
            "weight_decay": config.weight_decay if is_pulled else 0.0,
        }
        for (is_trunk, is_pulled), parameters in groups.items()
    ]
    return torch.optim.AdamW(settings, lr=config.rate)


def open_streams(
    config: TrainRegressConfig, model: MorphableModel, here: Ranks, step: int, console: Console
) -> Streams:
    """Return the crops of this process, after so many steps that all have taken."""
    world = None if config.data is None else open_world(config.data)
    photos = None if config.photos is None else open_photos(config.photos, use_skin=config.skin)
    ours, theirs = shares(config, here.world)
    mirror = mirror_of(model) if world is not None and config.world_crop.mirror else None
    size = config.regressor.size

    def opened(
        source: PortraitSource | None, batch: int, place: CropChanges
    ) -> OrderedStream[CropBatch] | None:
        if source is None:
            return None
        is_world = source is world
        wanted = StreamConfig(
            place=place,
            changes=config.changes if is_world else photo_changes.NONE,
            size=size,
            mirror=mirror if is_world else None,
            workers=config.workers,
            seed=config.seed,
        )
        seen = step * batch * here.world
        rank, of = here.rank, here.world
        return crop_stream(wanted, source, batch=batch, rank=rank, world=of, seen=seen, console=console)

    # An epoch is one of the photos where there are any: there is no end of rendered people.
    counted = photos if photos is not None else world
    assert counted is not None
    share = config.batch / ((theirs if photos is not None else ours) * here.world)
    return Streams(
        world=opened(world, ours, config.world_crop),
        photos=opened(photos, theirs, config.photo_crop),
        count=round(counted.count * share),
    )


def shares(config: TrainRegressConfig, world: int) -> tuple[int, int]:
    """Return how many rendered people and how many photos a process learns from in a step."""
    batch = config.batch // world
    if config.photos is None:
        return batch, 0
    if config.data is None:
        return 0, batch
    photos = min(max(round(batch * config.photo_share), 1), batch - 1)
    return batch - photos, photos


def learn(
    config: TrainRegressConfig,
    regressor: Regressor,
    optimiser: torch.optim.Optimizer,
    teachers: Teachers,
    streams: Streams,
    rate: float,
    here: Ranks,
) -> dict[str, float | Float[Tensor, ""]]:
    """Take a step; return what was measured."""
    for group in optimiser.param_groups:
        group["lr"] = rate * group["speed"]
    world = None if streams.world is None else next(streams.world)
    photos = None if streams.photos is None else next(streams.photos)
    crops = [on_device(batch, here.device) for batch in (world, photos) if batch is not None]
    pictures = torch.cat([crop.pictures for crop in crops])
    optimiser.zero_grad(set_to_none=True)
    with torch.autocast(here.device.type, torch.bfloat16, enabled=config.precision == "bfloat16"):
        # Channels innermost: on a processor convolutions learn a fifth faster.
        vector = regressor(pictures.contiguous(memory_format=torch.channels_last))
    told = list(torch.split(vector, [len(crop.pictures) for crop in crops]))
    losses: dict[str, Tensor] = {}
    if world is not None:
        losses |= {f"truth/{k}": v for k, v in known(config, teachers, told.pop(0), world, crops[0]).items()}
    if photos is not None:
        seen = to_face(told.pop(0), config.regressor)
        found = photo_losses(
            teachers.model,
            seen,
            crops[-1],
            config.photo,
            teachers.recognise,
            front_only=config.front_only,
            predicted_points=config.predicted_points,
        )
        losses |= {f"photo/{name}": value for name, value in found.items()}
    total = torch.stack(list(losses.values())).sum()
    torch.autograd.backward(total)
    ranks.average_gradients(regressor.parameters())
    optimiser.step()
    return {**losses, "loss": total}


def known(
    config: TrainRegressConfig,
    teachers: Teachers,
    vector: Float[Tensor, "b n"],
    batch: CropBatch,
    crops: Crops,
) -> dict[str, Float[Tensor, ""]]:
    """Return the losses on rendered people."""
    assert batch.face is not None
    assert batch.seen is not None
    device = vector.device
    truth = truth_of(teachers.model, batch.face.to(device), batch.seen.to(device), teachers.stick.vertices)
    told = to_face(vector, config.regressor)
    return truth_losses(teachers.model, teachers.stick, told, truth, crops, config.truth)


def on_device(batch: CropBatch, device: torch.device) -> Crops:
    """Return crops on a device, pictures from 0 to 1; they travel there as bytes."""
    return Crops(
        pictures=batch.pictures.to(device).float() / 255,
        skin=batch.skin.to(device)[:, None].float() / 255,
        landmarks=batch.landmarks.to(device),
        counts=batch.counts.to(device),
    )


def steps_of(config: TrainRegressConfig, count: int) -> int:
    """Return how many steps a training has in all."""
    return config.steps or max(math.ceil(config.epochs * count / config.batch), 1)


def rate_at(config: TrainRegressConfig, step: int, total: int) -> float:
    """Return the learning rate of a step."""
    if step < config.warm_steps:
        return config.rate * (step + 1) / (config.warm_steps + 1)
    if config.schedule == "stairs":
        return config.rate * float(config.fall ** (step * config.stairs // total))
    done = (step - config.warm_steps) / max(total - config.warm_steps, 1)
    return config.rate * (1 + math.cos(math.pi * min(done, 1.0))) / 2


def kept(config: TrainRegressConfig, images: int) -> float:
    """Return what share of the average of networks survives a step; nothing without an average."""
    if config.half_life <= 0:
        return 0.0
    return ema.share_kept(config.batch, config.half_life, images, 0.1)
