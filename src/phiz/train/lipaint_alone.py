"""Learning to draw mouths from a generator alone: judges look at its pictures, before and after.

This is the case of an imported generator, of whose codes nobody knows what they mean. Four things count: that
a frozen network tells of the new picture the mouth that was wanted, that nothing changed outside the mouth,
that the person is the same, and that little was added to the style. The published network was trained
"from the generative capabilities" too, but how was not told; these losses and their weights are ours.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from phiz.animate.lipaint_network import LipaintNet, with_mouth
from phiz.errors import UsageError
from phiz.face import align, landmarks, network_files, warp
from phiz.face.coeffs import neutral
from phiz.face.identity import networks, store
from phiz.face.identity.networks import Recogniser
from phiz.face.landmarks import LandmarkNet
from phiz.face.morphable import MorphableModel
from phiz.face.network_files import LANDMARKS, REGRESSOR
from phiz.face.regress import Regressor, to_face
from phiz.generator import poses
from phiz.generator.generator import Generator
from phiz.graphics.camera import Camera
from phiz.train import lipaint_stream
from phiz.train.lipaint_config import AloneConfig, PeopleConfig
from phiz.train.lipaint_losses import LIPS

FACE_SHARE = 0.62
"""Of the picture's width, where a face is looked for first."""
WIDER, TALLER, SOFT = 0.75, 1.25, 0.12
"""How far the mouth's box reaches from its middle, and how soft its edge is, in widths of the mouth."""
METRE = 0.005
"""A mouth whose points are this far off, in metres, costs 1."""
PSI = (0.5, 1.0)
"""How far people are from the mean one."""


@dataclass(frozen=True, kw_only=True)
class Judges:
    """Frozen networks that look at pictures, and the head in whose words they tell what they see."""

    head: MorphableModel
    finder: LandmarkNet
    regressor: Regressor
    recogniser: Recogniser | None


class Asked(NamedTuple):
    """Somebody, from somewhere, and the face that they are to make."""

    styles: Float[Tensor, "b n w"]
    background: Float[Tensor, "b l"] | None
    camera: Camera
    expression: Float[Tensor, "b e"]


def open_judges(config: AloneConfig, head: MorphableModel, device: torch.device) -> Judges:
    """Return the judges that a training asks; refuse some who speak of another head."""
    regressor = network_files.load(REGRESSOR, config.regressor)
    if regressor.config.expression != head.sizes.expression:
        raise UsageError(
            f"the regressor tells {regressor.config.expression} expressions, the head has "
            f"{head.sizes.expression}. Give the two that belong together: --alone.regressor and --head"
        )
    recogniser = store.load(config.recogniser) if config.identity_weight > 0 else None
    return Judges(
        head=head,
        finder=network_files.load(LANDMARKS).to(device),
        regressor=regressor.to(device),
        recogniser=recogniser.to(device) if recogniser is not None else None,
    )


def all_faces(head: MorphableModel, config: PeopleConfig) -> Float[Tensor, "n e"]:
    """Return faces to be made: those of our world, or of chance for a head that does not know their names."""
    if "jawOpen" in head.expression_names:
        return lipaint_stream.all_faces(head.expression_names, config)
    chance = torch.Generator().manual_seed(0)
    return torch.randn(config.faces, head.sizes.expression, generator=chance)


@torch.no_grad()
def asked(generator: Generator, expression: Float[Tensor, "b e"], chance: torch.Generator) -> Asked:
    """Return somebody for each face to be made."""
    count, config = len(expression), generator.config
    z = torch.randn(count, config.z_size, generator=chance).to(expression)
    low, high = PSI
    psi = (low + (high - low) * torch.rand(count, 1, generator=chance)).to(expression)
    average = generator.mapping.average.to(expression)
    styles = torch.lerp(average, generator.mapping(z), psi)[:, None].expand(-1, config.styles, -1)
    background = None
    if generator.background is not None:
        background = torch.randn(count, config.background_latent, generator=chance).to(expression)
    camera = poses.sample(config, count, chance).to(expression.device)
    return Asked(styles=styles, background=background, camera=camera, expression=expression)


def losses(
    config: AloneConfig, generator: Generator, network: LipaintNet, judges: Judges, some: Asked
) -> dict[str, Float[Tensor, ""]]:
    """Return what judges find wrong about the mouths that a network draws, weighed."""
    with torch.no_grad():
        before = generator.render(some.styles, some.camera, background=some.background).image.float()
        points = found_points(judges.finder, before)
    w = with_mouth(network, some.styles, some.expression, generator.config.volume_styles)
    after = generator.render(w, some.camera, background=some.background).image.float()
    outside = 1 - mouth_box(points[:, LIPS], before.shape[-1])
    weighed = {
        "mouth": config.expression_weight * mouth_apart(judges, after, points, some.expression),
        "keep": config.keep_weight * (outside * (after - before).abs()).mean(),
        "small": config.small_weight * (w - some.styles)[:, 0].square().mean(),
    }
    if judges.recogniser is not None:
        size = judges.recogniser.config.size
        told = [judges.recogniser(recognised(picture, points, size)) for picture in (before, after)]
        alike = (networks.unit(told[0]) * networks.unit(told[1])).sum(1)
        weighed["identity"] = config.identity_weight * (1 - alike).mean()
    return weighed


def found_points(finder: LandmarkNet, pictures: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 68 2"]:
    """Return the landmarks of pictures in whose middle there is a face."""
    half = FACE_SHARE / 2 * pictures.shape[-1]
    middle = pictures.shape[-1] / 2
    frame = warp.scaling(half, half, middle, middle).to(pictures.device)
    return landmarks.locate(finder, pictures, frame.expand(len(pictures), 2, 3), looks=2).sparse


def mouth_apart(
    judges: Judges,
    pictures: Float[Tensor, "b 3 h w"],
    points: Float[Tensor, "b 68 2"],
    expression: Float[Tensor, "b e"],
) -> Float[Tensor, ""]:
    """Return how far the mouth that is told of pictures is from the wanted one: squared, in `METRE`."""
    crops = regressed(pictures, points, judges.regressor.config.size)
    told = to_face(judges.regressor((crops + 1) / 2), judges.regressor.config).expression
    one, other = (lips(judges.head, each) for each in (told, expression))
    return ((one - other) / METRE).square().sum(-1).mean()


def lips(head: MorphableModel, expression: Float[Tensor, "b e"]) -> Float[Tensor, "b 20 3"]:
    """Return where an expression moves the mean person's mouth to, in metres."""
    face = replace(neutral(head.sizes, len(expression), expression.device), expression=expression)
    return head.landmarks(head.vertices(face))[:, LIPS] * head.metres_per_unit


def regressed(
    pictures: Float[Tensor, "b 3 h w"], points: Float[Tensor, "b 68 2"], size: int
) -> Float[Tensor, "b 3 s s"]:
    """Return the crops that regressors expect; gradients flow through them, as through none of Pillow's."""
    shrunk = warp.scaling(align.REGRESSION_SIZE / size, align.REGRESSION_SIZE / size)
    maps = [
        warp.join(align.regression_frame(each.cpu(), *pictures.shape[-2:]).photo_from_crop, shrunk)
        for each in points
    ]
    return warp.sample(pictures, torch.stack(maps).to(pictures.device), (size, size)).clamp(-1, 1)


def recognised(
    pictures: Float[Tensor, "b 3 h w"], points: Float[Tensor, "b 68 2"], size: int
) -> Float[Tensor, "b 3 s s"]:
    """Return the crops that recognisers expect, as large as one reads them."""
    shrunk = warp.scaling(align.RECOGNITION_SIZE / size, align.RECOGNITION_SIZE / size)
    frames = align.recognition_frame(points)
    maps = warp.join(frames, shrunk.to(frames).expand_as(frames))
    return warp.sample(pictures, maps, (size, size)).clamp(-1, 1)


def mouth_box(lips: Float[Tensor, "b n 2"], size: int) -> Float[Tensor, "b 1 s s"]:
    """Return 1 about mouths, room to open included, and 0 elsewhere, with a soft edge."""
    low, high = lips.amin(1), lips.amax(1)
    width = (high[:, 0] - low[:, 0]).clamp(min=1.0)
    middle = (low + high) / 2
    places = torch.arange(size, device=lips.device) + 0.5
    across, down = (
        torch.sigmoid(
            (reach * width[:, None] - (places - middle[:, axis, None]).abs()) / (SOFT * width[:, None])
        )
        for axis, reach in ((0, WIDER), (1, TALLER))
    )
    box = down[:, :, None] * across[:, None, :]
    return functional.hardtanh(box, 0.0, 1.0)[:, None]
