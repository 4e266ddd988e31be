"""From a person's style and an expression to the style that draws this person's mouth with it.

Four dense layers say what to add to the style: the network that was published with NeRFFaceSpeech, with the
names of its tensors. A deformed field shows no more than the still one, so what is behind the lips (a dark
cavity, teeth, a tongue) is drawn from this style instead.

The network takes one style. A person's styles may differ from layer to layer (W+): then it takes the mean of
those that shape the volume, and adds the one answer to each of them, so that what makes them differ stays.
The upsampler's styles stay as they are.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from phiz.trained import Kind


@dataclass(frozen=True, kw_only=True)
class LipaintConfig:
    """Sizes of a network."""

    w_size: int = 256
    """Numbers of a style."""
    expression: int = 52
    """Numbers of an expression."""
    hidden: int = 512
    """Width of the layers between."""
    basis: str = "phiz"
    """What the expressions are told in: phiz (the built-in head's) or bfm2009."""

    def __post_init__(self) -> None:
        if min(self.w_size, self.expression, self.hidden) < 1:
            raise ValueError("styles, expressions and layers have at least one number")


BUILTIN = LipaintConfig()
PUBLISHED = LipaintConfig(w_size=512, expression=64, hidden=512, basis="bfm2009")
TINY = replace(BUILTIN, w_size=10, hidden=6)
SIZES = {"BUILTIN": BUILTIN, "PUBLISHED": PUBLISHED, "TINY": TINY}


class LipaintNet(nn.Module):
    """A style and an expression to a style."""

    def __init__(self, config: LipaintConfig) -> None:
        super().__init__()
        self.config = config
        self.fc1 = nn.Linear(config.w_size + config.expression, config.hidden)
        self.fc2 = nn.Linear(config.hidden, config.hidden)
        self.fc3 = nn.Linear(config.hidden, config.hidden)
        self.fc4 = nn.Linear(config.hidden, config.w_size)
        for layer in (self.fc1, self.fc2, self.fc3, self.fc4):
            nn.init.xavier_uniform_(layer.weight)

    def forward(self, w: Float[Tensor, "b w"], expression: Float[Tensor, "b e"]) -> Float[Tensor, "b w"]:
        """Return styles that draw mouths with these expressions."""
        return w + self.added(w, expression)

    def added(self, w: Float[Tensor, "b w"], expression: Float[Tensor, "b e"]) -> Float[Tensor, "b w"]:
        """Return what expressions add to styles."""
        x = functional.relu(self.fc1(torch.cat([w, expression], dim=1)))
        x = functional.relu(self.fc2(x))
        x = functional.relu(self.fc3(x))
        added: Tensor = self.fc4(x)
        return added


LIPAINT: Kind[LipaintNet] = Kind(
    name="lipaint", config=LipaintConfig, make=LipaintNet, trainer="phiz train lipaint"
)


def with_mouth(
    network: LipaintNet,
    styles: Float[Tensor, "1 n w"] | Float[Tensor, "b n w"],
    expression: Float[Tensor, "b e"],
    volume_styles: int,
) -> Float[Tensor, "b n w"]:
    """Return a person's styles, those of the volume moved so that they draw mouths with these expressions.

    `volume_styles` is how many styles come before the upsampler's. One person may make many faces.
    """
    volume = styles[:, :volume_styles].mean(dim=1).expand(len(expression), -1)
    added = network.added(volume, expression)[:, None].expand(-1, volume_styles, -1)
    return styles + functional.pad(added, (0, 0, 0, styles.shape[1] - volume_styles))
