"""Training a parser: ``phiz train parse``.

The published recipe (face-parsing after "BiSeNet", Yu et al., 2018): hard pixels of three outputs, SGD whose
rate rises and then falls, the fusion and the outputs learning faster than the trunk. With rendered people
and changes that carry over to photos it makes the built-in parser; with CelebAMask-HQ the published one.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from phiz.console import Console
from phiz.errors import PhizError, UsageError
from phiz.face import network_files
from phiz.face.network_files import PARSER
from phiz.face.parse import Parser, normalised
from phiz.layers import ema, residual, supplied
from phiz.media import image
from phiz.train import parse_watch, ranks
from phiz.train.labelled_stream import LabelledBatch, StreamConfig, labelled_stream
from phiz.train.ordered_stream import OrderedStream
from phiz.train.parse_config import TrainParseConfig
from phiz.train.parse_losses import parse_loss
from phiz.train.ranks import Ranks
from phiz.train.run import Run, Stateful, run_config

SMALL = (2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 15, 18)
"""Brows, eyes, glasses, ears, earrings, mouth, lips, necklaces, hats: seen in few pixels."""
LOOSE = frozenset("workers picture_every measure_every measure_count data check start trunk".split())
"""Settings that may be others when a training goes on."""
TRUNK_RULES: supplied.Rules = [
    (r"(?:.*\.)?num_batches_tracked", None),  # counters, which old files lack
    (r"fc\.(?:weight|bias)", None),  # names of things, of which faces have no need
    (r"((?:conv1|bn1|layer[1-4])\..*)", r"\1"),
]


def train_parse(config: TrainParseConfig, console: Console) -> Mapping[str, object]:
    """Train a parser, which says what each pixel of a face shows.

    Interrupted, it goes on from its last snapshot when the same command is given again. On many GPUs:
    torchrun --nproc-per-node 8 -m phiz.cli train parse ...

    Examples:
        phiz world shards -o people --count 20000
        phiz train parse --preset BUILTIN --data people -o runs/parse
        phiz train parse --preset PUBLISHED_19 --data CelebAMask-HQ -o runs/published
    """
    if config.data is None:
        raise UsageError("say where the labelled pictures are: phiz train parse --data DIR")
    with ranks.start(config.device) as here:
        check_share(config, here)
        try:
            return fit(config, here, console)
        except torch.OutOfMemoryError as error:
            raise PhizError(
                "the memory of the GPU is too small for this training. "
                f"Try --batch {max(config.batch // 2, 2 * here.world)}, then --crop {config.crop // 64 * 32}."
            ) from error


def check_share(config: TrainParseConfig, here: Ranks) -> None:
    """Refuse a batch of which some processes would see more than others, or less than two pictures."""
    if config.batch % here.world or config.batch < 2 * here.world:
        fitting = here.world * max(config.batch // here.world, 2)
        raise UsageError(
            f"{here.world} processes cannot share a batch of {config.batch} evenly, with at least 2 pictures "
            f"each. Give --batch {fitting}"
        )


def fit(config: TrainParseConfig, here: Ranks, console: Console) -> Mapping[str, object]:
    """Train to the end, or as long as there is time; return where the parser is."""
    parser = beginner(config)
    parser.to(here.device).train().requires_grad_(True)
    ranks.broadcast_from_first(parser)
    average = ema.twin(parser)
    optimiser = optimiser_of(config, parser)
    parts: dict[str, Stateful] = {"parser": parser, "average": average, "optimiser": optimiser}
    about = {"trainer": "parse", **asdict(config)}
    path = config.output / f"{PARSER.name}.safetensors"
    with contextlib.closing(Run(run_config(config), about, parts, here, console, may_change=LOOSE)) as run:
        run.restore()
        stream = labelled_pictures(config, here, run.images, console)
        with contextlib.closing(stream):
            while not run.finished(config.steps):
                values = learn(config, parser, optimiser, next(stream), run.step, here)
                ranks.average_buffers(parser)
                ema.follow(average, parser, kept(config, run.images))
                run.advance(config.batch)
                run.log({**values, "damaged pictures": float(len(stream.damaged))})
                parse_watch.watch(config, run, average, here)
        said = {"trained on": config.data.name if config.data else "", "steps": run.step}
        ranks.on_first(here, lambda: network_files.save(path, PARSER, average, about=said))
    return {"output": str(path), "steps": run.step, "images": run.images}


def beginner(config: TrainParseConfig) -> Parser:
    """Return a new parser, the same on all processes, or the one to begin with."""
    if config.start is not None:
        parser = network_files.load(PARSER, config.start)
        if parser.config != config.parser:
            raise UsageError(
                f"{config.start} holds a parser of other sizes ({parser.config}). Ask for the same with "
                "--preset and --parser, or begin without it."
            )
        return parser
    with torch.random.fork_rng():
        torch.random.set_rng_state(torch.Generator().manual_seed(config.seed).get_state())
        parser = Parser(config.parser)
    residual.start(list(parser.modules()), torch.Generator().manual_seed(config.seed))
    if config.trunk is not None:
        take_trunk(parser.cp.resnet, config.trunk)
    return parser


def take_trunk(trunk: nn.Module, path: Path) -> None:
    """Give a trunk published weights, all of them but the classifier's."""
    tensors = supplied.renamed(supplied.read_tensors(path, kind="trunk"), TRUNK_RULES, what="the trunk")
    own = trunk.state_dict()
    counters = {name: value for name, value in own.items() if name.endswith("num_batches_tracked")}
    supplied.fill(trunk, {**tensors, **counters}, what="the trunk")


def optimiser_of(config: TrainParseConfig, parser: Parser) -> torch.optim.Optimizer:
    """Return the optimiser: two speeds, each with and without a pull towards zero."""
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for name, parameter in parser.named_parameters():
        is_fast, is_pulled = not name.startswith("cp."), parameter.ndim > 1
        groups.setdefault((is_fast, is_pulled), []).append(parameter)
    settings = [
        {
            "params": parameters,
            "lr": 0.0,
            "speed": config.faster if is_fast else 1.0,
            "weight_decay": config.weight_decay if is_pulled else 0.0,
        }
        for (is_fast, is_pulled), parameters in groups.items()
    ]
    if config.optimiser == "adam":
        return torch.optim.AdamW(settings, betas=(config.momentum, 0.99))
    return torch.optim.SGD(settings, momentum=config.momentum)


def learn(
    config: TrainParseConfig,
    parser: Parser,
    optimiser: torch.optim.Optimizer,
    batch: LabelledBatch,
    step: int,
    here: Ranks,
) -> dict[str, float | Float[Tensor, ""]]:
    """Take a step; return what was measured."""
    rate = rate_at(config, step)
    for group in optimiser.param_groups:
        group["lr"] = rate * group["speed"]
    pictures, labels = on_device(batch, here.device)
    labels = spread(labels, config.compared)
    optimiser.zero_grad(set_to_none=True)
    with torch.autocast(here.device.type, torch.bfloat16, enabled=config.precision == "bfloat16"):
        size = labels.shape[1], labels.shape[2]
        outputs = parser.all_scores(normalised(pictures), size)
    weights = class_weights(config, here.device)
    losses = parse_loss(outputs, labels, easy=config.easy, weights=weights)
    torch.autograd.backward(torch.stack(list(losses.values())).sum())
    ranks.average_gradients(parser.parameters())
    optimiser.step()
    with torch.no_grad():
        right = (outputs[0].argmax(1) == labels).float().mean()
    return {**{f"loss/{name}": value for name, value in losses.items()}, "right": right, "rate": rate}


def on_device(
    batch: LabelledBatch, device: torch.device
) -> tuple[Float[Tensor, "b 3 h w"], Int[Tensor, "b h w"]]:
    """Return pictures in [-1, 1] and their labels on a device; they travel there as bytes."""
    shown = image.from_bytes(batch.images.to(device).movedim(1, -1))
    # Channels innermost: on a processor convolutions learn a fifth faster.
    return shown.contiguous(memory_format=torch.channels_last), batch.labels.to(device).long()


def spread(labels: Int[Tensor, "b h w"], side: int) -> Int[Tensor, "b h2 w2"]:
    """Return the labels at so many pixels a side, evenly spread, corners included; 0 for all of them."""
    if not side:
        return labels
    rows, columns = (
        torch.linspace(0, length - 1, min(side, length), device=labels.device).round().long()
        for length in labels.shape[1:]
    )
    return labels[:, rows][:, :, columns]


def class_weights(config: TrainParseConfig, device: torch.device) -> Float[Tensor, " k"] | None:
    """Return how much each class counts; nothing where all count alike."""
    if config.small_weight == 1:
        return None
    weights = torch.ones(config.parser.classes, device=device)
    weights[list(SMALL)] = config.small_weight
    return weights


def rate_at(config: TrainParseConfig, step: int) -> float:
    """Return the learning rate of a step: it rises by the same factor each step, then falls by a power."""
    if step < config.warm_steps:
        return config.warm_from * math.pow(config.rate / config.warm_from, step / config.warm_steps)
    left = 1 - (step - config.warm_steps) / max(config.steps - config.warm_steps, 1)
    return config.rate * math.pow(max(left, 0.0), config.power)


def kept(config: TrainParseConfig, images: int) -> float:
    """Return what share of the average of networks survives a step; nothing without an average."""
    if config.half_life <= 0:
        return 0.0
    return ema.share_kept(config.batch, config.half_life, images, 0.1)


def labelled_pictures(
    config: TrainParseConfig, here: Ranks, seen: int, console: Console
) -> OrderedStream[LabelledBatch]:
    """Return the stream of pictures of this process, after so many that all have seen."""
    assert config.data is not None
    wanted = StreamConfig(
        data=config.data,
        size=config.parser.size,
        crop=config.crop,
        changes=config.changes,
        classes=config.parser.classes,
        mirrored=config.parser.table.mirrored,
        workers=config.workers,
        seed=config.seed,
    )
    batch = config.batch // here.world
    return labelled_stream(wanted, batch=batch, rank=here.rank, world=here.world, seen=seen, console=console)
