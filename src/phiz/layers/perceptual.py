"""How different two pictures look: by formula, or by LPIPS with weights that the user supplies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from phiz.errors import CheckpointError
from phiz.layers import filters, supplied

BUILT_IN_DISTANCE = "built-in filters (not LPIPS)"
LPIPS_DISTANCE = "LPIPS 0.1"

GREY_MASKED, COLOUR_MASKED = 0.04, 0.03
"""Contrast from which on detail hides other detail; the eye is less patient with colours."""
SIGNED = 0.25
"""Weight of where exactly an edge lies, against that there is one."""
SLIGHT = 0.03
"""Differences below this count with their square, above as they are."""


@runtime_checkable
class PerceptualDistance(Protocol):
    """Anything that tells how different pictures look, a number a pair, zero for equal ones."""

    def __call__(self, a: Float[Tensor, "b 3 h w"], b: Float[Tensor, "b 3 h w"]) -> Float[Tensor, " b"]: ...


@dataclass(frozen=True, kw_only=True)
class Look:
    """What of pictures is compared; keep it where one picture is compared with many."""

    octaves: list[filters.Octave]
    around: list[Float[Tensor, "b _ _"]]
    """How much goes on around each pixel of an octave, and what it takes to be noticed at all."""
    colours: Float[Tensor, "b 3 h w"]


def perceptual_distance(a: Float[Tensor, "b 3 h w"], b: Float[Tensor, "b 3 h w"]) -> Float[Tensor, " b"]:
    """Return how different pictures look: 0 for equal ones, about 0.5 for strangers.

    Differences of what the built-in filters answer, divided by how much goes on around them in both
    pictures (after the normalised Laplacian pyramid of Laparra et al., 2016), so that a fault in a
    smooth cheek counts more than one in hair. Good as a loss: the gradient grows with small
    differences and then stays.
    """
    return between(look(a), look(b))


def look(images: Float[Tensor, "b 3 h w"]) -> Look:
    """Return what `between` compares."""
    with torch.autocast(images.device.type, enabled=False):
        parts = filters.analyse(images)
        octaves = [*parts.grey, *parts.coloured]
        masked = [GREY_MASKED] * len(parts.grey) + [COLOUR_MASKED] * len(parts.coloured)
        moduli = [octave.modulus.mean(1).sum(1, keepdim=True) for octave in octaves]
        around = [filters.blur(x)[:, 0] + least for x, least in zip(moduli, masked, strict=True)]
    return Look(octaves=octaves, around=around, colours=parts.colours)


def between(a: Look, b: Look) -> Float[Tensor, " b"]:
    """Return the distance of what was seen: the mean over octaves and pixels."""
    squares = [(a.colours - b.colours).square().sum(1)]
    pairs = zip(a.octaves, b.octaves, a.around, b.around, strict=True)
    for one, other, around, around_other in pairs:
        moduli = (one.modulus - other.modulus).square().sum((1, 2))
        signed = (one.signed - other.signed).square().sum((1, 2, 3))
        squares.append((moduli + SIGNED * signed) / ((around + around_other) / 2).square())
    each = [(square + SLIGHT**2).sqrt().sub(SLIGHT).mean((-2, -1)) for square in squares]
    return torch.stack(each).mean(0)


KIND = "lpips"
MEANS, DEVIATIONS = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)
"""Published: what is taken off a picture in [-1, 1], and by what it is divided then."""

RULES: supplied.Rules = [
    (r"(?:net\.slice\d|features)\.(\d+)\.(weight|bias)", r"features.\1.\2"),
    (r"lin(\d)\.model\.1\.weight", r"lins.\1.weight"),
    (r"(lins\.\d\.weight)", r"\1"),
    (r"lins\.\d\.model\.1\.weight", None),  # the same tensors again
    (r"scaling_layer\.(?:shift|scale)", None),  # MEANS and DEVIATIONS
    (r"classifier\..*", None),  # names of things
]


class Lpips(nn.Module):
    """The distance of Zhang et al. (2018), version 0.1, over AlexNet ("alex") or VGG16 ("vgg").

    With "vgg" it is also the sum of squared differences that the published StyleGAN2 projector
    takes between features, up to that one's scaling of the picture.
    """

    def __init__(self, trunk: str) -> None:
        super().__init__()
        layers, self.taps = _alexnet() if trunk == "alex" else _vgg16()
        self.features = nn.Sequential(*layers)
        widths = [_width_at(layers, tap) for tap in self.taps]
        self.lins = nn.ModuleList(nn.Conv2d(width, 1, 1, bias=False) for width in widths)

    def forward(self, a: Float[Tensor, "b 3 h w"], b: Float[Tensor, "b 3 h w"]) -> Float[Tensor, " b"]:
        """Return the distance of each pair of pictures in [-1, 1]."""
        return self.between(self.tapped(a), self.tapped(b))

    def between(
        self, a: list[Float[Tensor, "b _ _ _"]], b: list[Float[Tensor, "b2 _ _ _"]]
    ) -> Float[Tensor, " b"]:
        """Return the distance of pictures by what `tapped` found in them; one in `b` serves all."""
        total = a[0].new_zeros(len(a[0]))
        for lin, one, other in zip(self.lins, a, b, strict=True):
            total = total + lin((one - other).square()).mean((1, 2, 3))
        return total

    def tapped(self, images: Float[Tensor, "b 3 h w"]) -> list[Float[Tensor, "b c _ _"]]:
        """Return the features after five of the rectifiers, of length one at each pixel."""
        mean, deviation = (images.new_tensor(row)[:, None, None] for row in (MEANS, DEVIATIONS))
        x, found = (images - mean) / deviation, []
        for place, layer in enumerate(self.features):
            x = layer(x)
            if place in self.taps:
                # parity: the published small constant; the smaller one keeps the gradient finite at zero
                length = x.square().sum(1, keepdim=True).clamp(min=1e-20).sqrt()
                found.append(x / (length + 1e-10))
        return found


def load_lpips(*paths: Path) -> Lpips:
    """Return the network with the user's weights, on the CPU, frozen.

    One file of ours (kind "lpips"), or safetensors of the published names: the whole network, or the
    trunk (torchvision's AlexNet or VGG16) and the published linear layers in two files.
    """
    tensors: dict[str, Tensor] = {}
    for path in paths:
        tensors |= supplied.read_tensors(path, kind=KIND)
    return from_published(tensors)


def from_published(tensors: Mapping[str, Shaped[Tensor, "..."]]) -> Lpips:
    """Return the network with published weights; which trunk it is they tell by their shapes."""
    ours = supplied.renamed(tensors, RULES, what="LPIPS")
    first = ours.get("features.0.weight")
    if first is None or first.ndim != 4:
        raise CheckpointError(
            "the weights for LPIPS lack features.0.weight, the trunk's first layer. Give the trunk's file "
            "(AlexNet or VGG16) beside that of the linear layers."
        )
    with torch.device("meta"):
        network = Lpips("alex" if first.shape[-1] == 11 else "vgg")
    network.to_empty(device="cpu")
    supplied.fill(network, ours, what="LPIPS")
    return network.eval().requires_grad_(False)


def _alexnet() -> tuple[list[nn.Module], tuple[int, ...]]:
    layers: list[nn.Module] = [
        nn.Conv2d(3, 64, 11, stride=4, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(3, 2),
        nn.Conv2d(64, 192, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(3, 2),
    ]
    for inside, outside in ((192, 384), (384, 256), (256, 256)):
        layers += [nn.Conv2d(inside, outside, 3, padding=1), nn.ReLU()]
    return layers, (1, 4, 7, 9, 11)


def _vgg16() -> tuple[list[nn.Module], tuple[int, ...]]:
    layers: list[nn.Module] = []
    taps, inside = [], 3
    for outside, count in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        layers += [nn.MaxPool2d(2, 2)] if layers else []
        for _ in range(count):
            layers += [nn.Conv2d(inside, outside, 3, padding=1), nn.ReLU()]
            inside = outside
        taps.append(len(layers) - 1)
    return layers, tuple(taps)


def _width_at(layers: list[nn.Module], tap: int) -> int:
    """Return the channels of the convolution before a rectifier."""
    before = layers[tap - 1]
    assert isinstance(before, nn.Conv2d)
    return before.out_channels
