"""What is at a point in space: a foreground whose layers a style scales, and a background behind it.

Every network here is split in two: `prepare` makes what depends on the latent code alone, once;
`density`, `hidden` and the rest use it on as many points as there are.
"""

from __future__ import annotations

import itertools
from typing import NamedTuple, cast

import torch
from einops import rearrange
from jaxtyping import Bool, Float
from torch import Tensor, nn

from phiz.generator import dense, fast, field_loops
from phiz.generator.config import GeneratorConfig
from phiz.generator.pieces import fits
from phiz.generator.planes import PlaneNetwork, look_up
from phiz.layers.activation import GAIN, leaky_scaled
from phiz.layers.encoding import encode
from phiz.layers.equalized import EqualLinear
from phiz.layers.modulated import Folded, StyledLayer, apply


class Taken(NamedTuple):
    """Where somebody is, on a coarse map: everywhere else a field is empty, whatever it says."""

    cells: Bool[Tensor, "n n n"]
    """Of a cube about the middle; z, y, x."""
    span: float
    """Width of the cube in generator units; beyond it nothing is."""

    def holds(self, points: Float[Tensor, "*b 3"]) -> Bool[Tensor, "*b"]:
        """Return whether points lie where somebody is."""
        count = len(self.cells)
        places = ((points / self.span + 0.5) * count).floor().long()
        is_inside = ((places >= 0) & (places < count)).all(-1)
        x, y, z = places.clamp(0, count - 1).unbind(-1)
        return is_inside & self.cells.to(points.device)[z, y, x]


class PreparedField(NamedTuple):
    """A foreground in one style, or several."""

    layers: tuple[Folded, ...]
    density: Folded
    outputs: Folded
    """Colour (3) and features, both linear in the last hidden layer."""
    planes: Float[Tensor, "b 3 c h w"] | None
    taken: Taken | None = None
    """The only place that is not empty; None for anywhere."""

    def repeated(self, times: int) -> PreparedField:
        """Return the same with every style so many times, one after the other."""

        def again(x: Tensor) -> Tensor:
            return x.repeat_interleave(times, dim=0) if len(x) > 1 else x

        def folded(x: Folded) -> Folded:
            return x._replace(weight=again(x.weight))

        return PreparedField(
            tuple(folded(layer) for layer in self.layers),
            folded(self.density),
            folded(self.outputs),
            None if self.planes is None else again(self.planes),
            self.taken,
        )


class PlainLayer(nn.Module):
    """A dense layer that no style touches, at plain learning rate."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        plain = nn.Linear(inputs, outputs)  # for its initial numbers
        self.weight = nn.Parameter(plain.weight.detach().clone())
        self.bias = nn.Parameter(plain.bias.detach().clone())

    def folded(self) -> Folded:
        return Folded(self.weight[None], self.bias)


class Foreground(nn.Module):
    """Density, colour and features of the head."""

    def __init__(self, config: GeneratorConfig) -> None:
        super().__init__()
        self.config = config
        hidden, outputs = config.hidden, config.features + (3 if config.colour == "extra" else 0)
        if config.source == "planes":
            self.planes = PlaneNetwork(config)
            sizes = [config.planes_channels] + [hidden] * config.field_layers
            self.layers = nn.ModuleList(PlainLayer(a, b) for a, b in itertools.pairwise(sizes))
            self.density: nn.Module = PlainLayer(hidden, 1)
            self.features: nn.Module = PlainLayer(hidden, outputs)
        else:
            sizes = [6 * config.frequencies] + [hidden] * config.field_layers
            self.layers = nn.ModuleList(
                StyledLayer(a, b, config.w_size) for a, b in itertools.pairwise(sizes)
            )
            self.density = StyledLayer(hidden, 1, config.w_size, is_demodulated=False)
            self.features = StyledLayer(hidden, outputs, config.w_size, is_demodulated=False)
        if config.colour == "predicted":
            self.colour = EqualLinear(config.features, 3)

    def prepare(self, styles: Float[Tensor, "b n w"]) -> PreparedField:
        """Return everything that depends on the style alone; `styles` are the volume's."""
        config = self.config
        if config.source == "planes":
            plain = [cast(PlainLayer, layer) for layer in (*self.layers, self.density, self.features)]
            *layers, density, features = (layer.folded() for layer in plain)
            planes: Tensor = self.planes(styles)
            if not torch.is_grad_enabled():  # channels side by side, as look-ups want them
                planes = planes.permute(0, 1, 3, 4, 2).contiguous().permute(0, 1, 4, 2, 3)
            return PreparedField(tuple(layers), density, self._with_colour(features), planes)
        own = styles.unbind(1)
        styled = [cast(StyledLayer, layer) for layer in (*self.layers, self.density, self.features)]
        gains = [GAIN] * config.field_layers + [1.0, 1.0]
        *layers, density, features = (
            layer.fold(w, gain=gain) for layer, w, gain in zip(styled, own, gains, strict=True)
        )
        return PreparedField(tuple(layers), density, self._with_colour(features), None)

    def _with_colour(self, features: Folded) -> Folded:
        """Return the linear map to colour and features; a colour predicted from features is linear too."""
        if self.config.colour == "extra":
            return features
        weight, bias = self.colour.folded()
        colours = torch.einsum("cf,bfi->bci", weight, features.weight)
        start = weight @ features.bias + bias
        return Folded(torch.cat([colours, features.weight], dim=1), torch.cat([start, features.bias]))

    def hidden(self, prepared: PreparedField, points: Float[Tensor, "b n 3"]) -> Float[Tensor, "b2 n h"]:
        """Return the last hidden layer at points; density, colour and features are linear in it."""
        if prepared.layers and fast.is_ready(points) and points.dtype == torch.float32:
            return self._fast_hidden(prepared, points)
        if prepared.planes is not None:
            x = look_up(prepared.planes, points / (self.config.planes_span / 2))
            for layer in prepared.layers:
                x = torch.relu(apply(layer, x))
            return x
        x = encode(points, self.config.frequencies)
        for layer in prepared.layers:
            x = dense.rectified(layer, x, 1.0, 0.0) if fits(x) else leaky_scaled(apply(layer, x))
        return x

    def _fast_hidden(
        self, prepared: PreparedField, points: Float[Tensor, "b n 3"]
    ) -> Float[Tensor, "b2 n h"]:
        """Return the same in pieces, with compiled loops."""
        counts = [len(points), *(len(layer.weight) for layer in prepared.layers)]
        if prepared.planes is not None:
            counts.append(len(prepared.planes))
        pictures = max(counts)
        if any(count not in (1, pictures) for count in counts):
            raise ValueError(f"points, layers and planes are of 1 or of {pictures} pictures, not {counts}")
        if prepared.planes is None:
            octaves = self.config.frequencies
            return field_loops.hidden(
                prepared.layers, points, lambda _, some: encode(some, octaves), leaky_scaled, pictures
            )
        begin = field_loops.looking_up(prepared.planes, 2 / self.config.planes_span)
        return field_loops.hidden(prepared.layers, points, begin, torch.relu_, pictures)


def raw_density(
    prepared: PreparedField, hidden: Float[Tensor, "b n h"], points: Float[Tensor, "b2 n 3"]
) -> Float[Tensor, "b n"]:
    """Return densities before the rectifier, of the hidden layer at points."""
    raw: Tensor = apply(prepared.density, hidden)[..., 0]
    if prepared.taken is not None:
        raw = raw.masked_fill(~prepared.taken.holds(points), -torch.inf)
    return raw


def density(config: GeneratorConfig, raw: Float[Tensor, "*b"]) -> Float[Tensor, "*b"]:
    """Return densities, a generator unit of length; never negative."""
    if config.density == "relu":
        positive = torch.relu(raw)
    else:
        positive = torch.nn.functional.softplus(raw - 1)
    return positive * config.density_gain if config.density_gain != 1 else positive


class PreparedBackground(NamedTuple):
    """A background in one latent code, or several."""

    start: Float[Tensor, "b h"]
    """What the latent code adds to the first layer."""
    first: Float[Tensor, "h e"]
    layers: tuple[Folded, ...]
    density: Folded
    outputs: Folded


class Background(nn.Module):
    """Density, colour and features on an inverted sphere around the scene (NeRF++, Zhang et al., 2020)."""

    def __init__(self, config: GeneratorConfig) -> None:
        super().__init__()
        self.config = config
        hidden, encoded = config.background_hidden, 8 * config.background_frequencies
        sizes = [encoded + config.background_latent] + [hidden] * config.background_layers
        self.layers = nn.ModuleList(PlainLayer(a, b) for a, b in itertools.pairwise(sizes))
        self.density = PlainLayer(hidden, 1)
        outputs = config.features + (3 if config.colour == "extra" else 0)
        self.features = PlainLayer(hidden, outputs)
        if config.colour == "predicted":
            self.colour = EqualLinear(config.features, 3)

    def prepare(self, latent: Float[Tensor, "b z"]) -> PreparedBackground:
        """Return everything that depends on the latent code alone."""
        encoded = 8 * self.config.background_frequencies
        first, *others = (cast(PlainLayer, layer) for layer in self.layers)
        start = torch.nn.functional.linear(latent, first.weight[:, encoded:], first.bias)
        features = self.features.folded()
        if self.config.colour == "predicted":
            weight, bias = self.colour.folded()
            features = Folded(
                torch.cat([weight @ features.weight[0], features.weight[0]])[None],
                torch.cat([weight @ features.bias + bias, features.bias]),
            )
        return PreparedBackground(
            start,
            first.weight[:, :encoded],
            tuple(layer.folded() for layer in others),
            self.density.folded(),
            features,
        )

    def hidden(self, prepared: PreparedBackground, points: Float[Tensor, "b n 4"]) -> Float[Tensor, "b2 n h"]:
        """Return the last hidden layer at (unit vector, inverse radius)."""
        x = torch.nn.functional.linear(encode(points, self.config.background_frequencies), prepared.first)
        x = torch.relu(x + prepared.start[:, None])
        for layer in prepared.layers:
            x = torch.relu(apply(layer, x))
        return x


def inverted_sphere(
    origins: Float[Tensor, "b 3"], directions: Float[Tensor, "b r 3"], inverse_radii: Float[Tensor, "*c s"]
) -> Float[Tensor, "b r s 4"]:
    """Return where rays meet spheres around the unit sphere: (unit vector, inverse radius).

    Section 4 of NeRF++ (Zhang et al., 2020), whose figure 8 is this construction.
    """
    ray = torch.nn.functional.normalize(directions, dim=-1)
    origin = origins[:, None].expand_as(ray)
    # parity: dividing by a length of one nearly is to the last digit what was published; ten octaves of
    # encoding make much of that digit.
    square = ray.square().sum(-1, keepdim=True)
    along = -(ray * origin).sum(-1, keepdim=True) / square
    middle = origin + along * ray
    height = middle.norm(dim=-1, keepdim=True)
    far = (1 - height * height).clamp(min=0).sqrt() * (1 / ray.norm(dim=-1, keepdim=True))
    exit_ = origin + (along + far) * ray
    axis = torch.linalg.cross(origin, exit_)
    # A ray through the origin turns about nothing: any axis is right, and the angle is zero.
    axis = axis / axis.norm(dim=-1, keepdim=True).clamp(min=1e-12)
    radii = inverse_radii.expand(*ray.shape[:2], -1)
    angle = torch.asin(height.clamp(max=1)) - torch.asin((height * radii).clamp(max=1))
    return _turned(exit_, axis, angle, radii)


def _turned(
    exit_: Float[Tensor, "b r 3"],
    axis: Float[Tensor, "b r 3"],
    angle: Float[Tensor, "b r s"],
    radii: Float[Tensor, "b r s"],
) -> Float[Tensor, "b r s 4"]:
    """Return the exit points turned by angles about axes (Rodrigues' formula), and the inverse radii."""
    cosine, sine = angle.cos()[..., None], angle.sin()[..., None]
    across = torch.linalg.cross(axis, exit_)[:, :, None]
    along = axis[:, :, None] * (axis * exit_).sum(-1, keepdim=True)[:, :, None] * (1 - cosine)
    turned = exit_[:, :, None] * cosine + across * sine + along
    turned = turned / turned.norm(dim=-1, keepdim=True)
    return torch.cat([turned, radii[..., None]], dim=-1)


def as_points(points: Float[Tensor, "b r s c"]) -> Float[Tensor, "b n c"]:
    """Return the samples of all rays one after the other."""
    return rearrange(points, "b r s c -> b (r s) c")
