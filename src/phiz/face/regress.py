"""A face's coefficients from a crop: a residual network with one head for each kind of number.

The R-Net of "Accurate 3D Face Reconstruction with Weakly-Supervised Learning" (Deng et al., 2019), whose 257
numbers describe a face of the Basel model before the published camera. With a few numbers more, the same
network describes a face of our own head. Parameters have the published names.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from phiz.face.bfm import DECIMETRE, SPLIT
from phiz.face.coeffs import FaceCoeffs, Sizes
from phiz.graphics import shade
from phiz.layers.folding import convolved
from phiz.layers.residual import RESNET_18, RESNET_50, Trunk, TrunkConfig

ANGLES, LIGHT, SHIFT, DEPTH = 3, 27, 2, 1
JAW, GAZE = 3, 4


@dataclass(frozen=True, kw_only=True)
class RegressConfig:
    """Sizes of a regressor."""

    basis: str
    """The head model that it describes faces by: the model's ``name``."""
    identity: int
    expression: int
    texture: int
    is_articulated: bool = False
    """Tell how the jaw and the eyes are turned, too; the Basel model has neither."""
    size: int = 224
    """Height and width of a crop in pixels."""
    blocks: tuple[int, ...] = RESNET_18.blocks
    """Blocks of each layer of the trunk."""
    widths: tuple[int, ...] = RESNET_18.widths
    """Channels inside each layer of the trunk."""
    has_bottlenecks: bool = False
    stem: int = 7
    """Height and width of the first kernel."""
    has_pool: bool = True
    """Halve the map a second time before the first layer; without, it sees finer and takes longer."""

    def __post_init__(self) -> None:
        if min(self.identity, self.expression, self.texture) < 1:
            raise ValueError("a regressor tells at least one number of identity, expression and texture")
        if self.size < 32:
            raise ValueError("a regressor reads crops of at least 32 pixels")

    @property
    def trunk(self) -> TrunkConfig:
        return TrunkConfig(
            blocks=self.blocks,
            widths=self.widths,
            has_bottlenecks=self.has_bottlenecks,
            has_pool=self.has_pool,
            stem=self.stem,
        )

    @property
    def heads(self) -> tuple[int, ...]:
        """Return how many numbers each head tells, in the published order; what is ours comes last."""
        published = (self.identity, self.expression, self.texture, ANGLES, LIGHT, SHIFT, DEPTH)
        return (*published, JAW, GAZE) if self.is_articulated else published


DEEP3D = RegressConfig(
    basis="bfm2009",
    identity=SPLIT[0],
    expression=SPLIT[1],
    texture=SPLIT[2],
    blocks=RESNET_50.blocks,
    has_bottlenecks=True,
)
DEEP3D_R18 = replace(DEEP3D, blocks=RESNET_18.blocks, has_bottlenecks=False)
BUILTIN = RegressConfig(
    basis="phiz",
    identity=70,
    expression=52,
    texture=12,
    is_articulated=True,
    size=128,
    blocks=(1, 2, 2, 2),
    widths=(16, 32, 64, 112),
    stem=3,
    has_pool=False,
)
"""Its trunk is that of the network which finds landmarks, so that it may begin with what that has learned."""
TINY = replace(BUILTIN, size=32, widths=(4, 6, 8, 10), blocks=(1, 1, 1, 1))
REGRESSORS = {"DEEP3D": DEEP3D, "DEEP3D_R18": DEEP3D_R18, "BUILTIN": BUILTIN, "TINY": TINY}


class Regressor(nn.Module):
    """Crops in [0, 1] to coefficients."""

    def __init__(self, config: RegressConfig) -> None:
        super().__init__()
        self.config = config
        self.backbone = Trunk(config.trunk)
        width = config.trunk.outputs[-1]
        # The mean face in the middle of the crop is where learning begins.
        self.final_layers = nn.ModuleList(_silent(nn.Conv2d(width, count, 1)) for count in config.heads)

    def forward(self, crops: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b n"]:
        """Return all coefficients, one head's behind the other's, in the published units."""
        pooled = self.pooled(crops)
        told = [convolved(pooled, head, nn.Identity(), is_rectified=False) for head in self.final_layers]
        return torch.cat(told, dim=1).flatten(1).float()

    def pooled(self, crops: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b c 1 1"]:
        """Return what the trunk sees in the whole crop."""
        last: Tensor = self.backbone(crops)[-1]
        return last.mean((-2, -1), keepdim=True)


def to_face(vector: Float[Tensor, "b n"], config: RegressConfig) -> FaceCoeffs:
    """Return a face from the numbers of a regressor: decimetres become metres, the light complete."""
    identity, expression, texture, angles, gamma, shift, depth, *rest = torch.split(
        vector, list(config.heads), dim=-1
    )
    jaw, gaze = rest if rest else (torch.zeros_like(angles), vector.new_zeros(len(vector), GAZE))
    return FaceCoeffs(
        identity=identity,
        expression=expression,
        texture=texture,
        rotation=angles,
        translation=torch.cat([shift, depth], dim=-1) * DECIMETRE,
        light=shade.with_ambient(gamma.reshape(-1, 3, 9).transpose(1, 2)),
        jaw=jaw,
        neck=torch.zeros_like(angles),
        gaze=gaze.reshape(-1, 2, 2),
    )


def to_vector(face: FaceCoeffs, config: RegressConfig) -> Float[Tensor, "b n"]:
    """Return the numbers that a regressor should tell of a face; a turned neck has no place among them."""
    found = Sizes(
        identity=face.identity.shape[1], expression=face.expression.shape[1], texture=face.texture.shape[1]
    )
    wanted = Sizes(identity=config.identity, expression=config.expression, texture=config.texture)
    extras = (face.neck,) if config.is_articulated else (face.neck, face.jaw, face.gaze)
    if found != wanted:
        raise ValueError(f"the regressor tells {wanted}; this face has {found}")
    if any(bool(extra.any()) for extra in extras):
        raise ValueError("the regressor has no place for how the neck (the jaw, the eyes) are turned")
    gamma = face.light - shade.with_ambient(torch.zeros_like(face.light))
    parts = [face.identity, face.expression, face.texture, face.rotation]
    parts += [gamma.transpose(1, 2).flatten(1), face.translation / DECIMETRE]
    return torch.cat(parts + [face.jaw, face.gaze.flatten(1)] * config.is_articulated, dim=-1)


@torch.no_grad()
def regress(regressor: Regressor, crops: Float[Tensor, "b 3 h w"]) -> FaceCoeffs:
    """Return the faces in aligned crops; a crop of another size than the network's is resized first."""
    size = (regressor.config.size, regressor.config.size)
    if crops.shape[-2:] != size:
        crops = functional.interpolate(crops, size=size, mode="bilinear", antialias=True)
    return to_face(regressor((crops + 1) / 2), regressor.config)


def _silent(head: nn.Conv2d) -> nn.Conv2d:
    nn.init.zeros_(head.weight)
    if head.bias is not None:
        nn.init.zeros_(head.bias)
    return head
