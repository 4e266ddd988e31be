"""What is looked at while a network learns to draw mouths: sheets, and how wrong styles and mouths are."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor

from phiz.animate.lipaint_network import LipaintNet, with_mouth
from phiz.face.morphable import MorphableModel
from phiz.generator.generator import Generator
from phiz.graphics.camera import Camera, project
from phiz.train import lipaint_stream, state
from phiz.train.lipaint_config import TrainLipaintConfig
from phiz.train.lipaint_losses import as_before, mouth_place
from phiz.train.lipaint_stream import Stage
from phiz.train.ranks import Ranks
from phiz.train.run import Run
from phiz.world import code as codes
from phiz.world import expressions, portrait
from phiz.world.expressions import Look
from phiz.world.grown.hair_cards import styles_for

LOOKS: Mapping[str, Look] = {
    "rest": {},
    "jaw 0.3": {"jawOpen": 0.3},
    "jaw 0.6": {"jawOpen": 0.6},
    "jaw 1": {"jawOpen": 1.0},
    "funnel": {"jawOpen": 0.2, "mouthFunnel": 0.8},
    "pucker": {"mouthPucker": 0.9},
    "smile": {"mouthSmile": 0.8},
    "ah": {"jawOpen": 0.6, "mouthLowerDown": 0.2, "mouthUpperUp": 0.1},
}
"""Faces of sheets and of measurements."""
STRANGER = 2**40
"""Seeds of people who are measured begin here."""
PSI = 0.7
"""How far they are from the mean one."""
SHOWN = 4
"""People of a sheet."""
MANY = 500
"""People whose styles are measured, each with one face."""


def watch(
    config: TrainLipaintConfig,
    run: Run,
    network: LipaintNet,
    stage: Stage | None,
    generator: Generator,
    head: MorphableModel,
    here: Ranks,
) -> None:
    """Keep a sheet and take a measurement where it is time for them."""
    if run.due(config.picture_every) and here.is_first:
        run.picture("mouths", sheet(network, generator, head, stage))
    if stage is None or not run.due(config.measure_every):
        return

    def measured() -> dict[str, float]:
        found = {f"error/{name}": value for name, value in style_errors(config, network, stage).items()}
        if config.measure_count:
            drawn = mouth_errors(network, stage, head, config.measure_count, config.drawn_side)
            found |= {f"mouth/{name}": value for name, value in drawn.items()}
        return found

    run.log(state.from_first(here, measured), always=True)


@torch.no_grad()
def style_errors(config: TrainLipaintConfig, network: LipaintNet, stage: Stage) -> dict[str, float]:
    """Return how far styles of strangers are from the true ones, relative to how far they have to go.

    Of people as codes make them, and of those that the training adds: between two, and with noise.
    """
    device = stage.spread.device
    plain = torch.Generator().manual_seed(STRANGER)
    z = lipaint_stream.people(stage, config.people, plain, MANY)
    face = torch.randint(len(stage.numbers), (MANY,), generator=plain).to(device)
    before = lipaint_stream.at_rest(stage, z)
    after = lipaint_stream.with_face(stage, before, face)
    w, true = (stage.generator.mapping(code) for code in (before, after))
    others = lipaint_stream.acts(stage, config.people, torch.Generator().manual_seed(STRANGER + 1), MANY)
    return {
        "of codes": relative(network(w, stage.expressions[face]), true, w),
        "of others": relative(network(others.w, others.expression), others.true, others.w),
    }


def relative(made: Float[Tensor, "b w"], true: Float[Tensor, "b w"], w: Float[Tensor, "b w"]) -> float:
    """Return the mean distance to the true styles over the mean distance that is to go."""
    return float((made - true).norm(dim=1).mean() / (true - w).norm(dim=1).mean())


@torch.no_grad()
def mouth_errors(
    network: LipaintNet, stage: Stage, head: MorphableModel, count: int, share: float
) -> dict[str, float]:
    """Return how far mouths of strangers are from the true ones: at rest as they were, and drawn anew.

    Mean differences of pictures (from -1 to 1) in the square about the mouth, over all looks but rest. The
    last two have the light and the skin of before (`phiz.train.lipaint_losses.as_before`) in the truth.
    """
    camera = front(stage.spread.device)
    box = square(camera, mouth_place(head), share, stage.generator.config.resolution)

    def seen(styles: Float[Tensor, "b n w"]) -> Float[Tensor, "b r c"]:
        return shown(stage.generator, styles, camera)[..., box[0], box[1]].flatten(2).mT

    apart: dict[str, list[Tensor]] = {}
    for number in range(count):
        w, true, made = faces_of(network, stage, head, number)
        still = seen(w)
        for wanted, ours in zip(true[1:], made[1:], strict=True):
            right, drawn = seen(wanted[None]), seen(ours[None])
            lit = as_before(right, still, (right.mean(-1) + 1).clamp(min=0))
            for end, truth in (("", right), (", same light", lit)):
                apart.setdefault(f"before{end}", []).append((still - truth).abs().mean())
                apart.setdefault(f"after{end}", []).append((drawn - truth).abs().mean())
    return {name: float(torch.stack(values).mean()) for name, values in apart.items()}


def faces_of(
    network: LipaintNet, stage: Stage, head: MorphableModel, number: int
) -> tuple[Float[Tensor, "1 n w"], Float[Tensor, "k n w"], Float[Tensor, "k n w"]]:
    """Return a stranger's styles at rest, the true ones of all looks, and those that a network gives.

    In the true ones only those of the volume have the look, as in ours: the upsampler keeps its own.
    """
    generator, volume = stage.generator, stage.generator.config.volume_styles
    z = stranger(stage, number)
    faces = looks(head)
    named = styles_for(head)
    with_looks = torch.stack([codes.with_expression(z[0].cpu(), face, head, named) for face in faces])
    w = generator.styles(lipaint_stream.at_rest(stage, z))
    true = generator.styles(with_looks.to(w))
    true = torch.cat([true[:, :volume], w[:, volume:].expand(len(true), -1, -1)], dim=1)
    return w, true, with_mouth(network, w, faces.to(w), volume)


def looks(head: MorphableModel) -> Float[Tensor, "k e"]:
    """Return the faces of sheets; for a head that does not know their names, faces of chance."""
    if "jawOpen" in head.expression_names:
        return torch.stack([expressions.weights(look, head.expression_names) for look in LOOKS.values()])
    chance = torch.Generator().manual_seed(0)
    some = torch.randn(len(LOOKS), head.sizes.expression, generator=chance)
    return torch.cat([torch.zeros_like(some[:1]), some[1:]])


def stranger(stage: Stage, number: int) -> Float[Tensor, "1 z"]:
    """Return the code of somebody who is not learned from."""
    z = torch.randn(1, stage.layout.size, generator=torch.Generator().manual_seed(STRANGER + 2 + number))
    first = min(category.start for category in stage.layout.categories)
    return torch.cat([PSI * z[:, :first], z[:, first:]], dim=1).to(stage.spread)


def front(device: torch.device) -> Camera:
    """Return the camera straight before a face."""
    return portrait.view_camera(torch.zeros(1), torch.zeros(1)).to(device)


def square(camera: Camera, place: Float[Tensor, " 3"], share: float, size: int) -> tuple[slice, slice]:
    """Return rows and columns of the square about a place."""
    u, v, _ = project(camera, place.to(camera.intrinsics)[None, None])[0, 0].tolist()
    side = max(round(share * size), 1)
    left, top = (min(max(round((x + 1) / 2 * size - side / 2), 0), size - side) for x in (u, v))
    return slice(top, top + side), slice(left, left + side)


def shown(generator: Generator, styles: Float[Tensor, "b n w"], camera: Camera) -> Float[Tensor, "b 3 s s"]:
    """Return pictures, before the background in the middle."""
    return generator.render(styles, camera).image.clamp(-1, 1)


@torch.no_grad()
def sheet(
    network: LipaintNet, generator: Generator, head: MorphableModel, stage: Stage | None, people: int = SHOWN
) -> Float[Tensor, "3 h w"]:
    """Return people with all looks, a row each as a network draws them; above it, where known, the truth."""
    camera = front(generator.mapping.average.device)
    rows = []
    for number in range(people):
        if stage is not None:
            _, true, made = faces_of(network, stage, head, number)
            rows += [true, made]
        else:
            chance = torch.Generator().manual_seed(STRANGER + number)
            z = torch.randn(1, generator.config.z_size, generator=chance).to(generator.mapping.average)
            styles = generator.styles(z, psi=PSI)
            faces = looks(head).to(styles)
            rows.append(with_mouth(network, styles, faces, generator.config.volume_styles))
    drawn = [torch.cat([shown(generator, one[None], camera)[0] for one in row], dim=-1) for row in rows]
    return torch.cat(drawn, dim=-2).cpu()
