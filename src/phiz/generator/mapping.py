"""From a latent code z to the styles w of every layer."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from phiz.generator.config import GeneratorConfig
from phiz.layers.equalized import EqualLinear

AVERAGE_RATE = 0.995
"""Share of the mean style that survives a batch."""
SHARPNESS = 8.0
"""How decidedly the largest number of a group stands for the group's choice."""


class Mapping(nn.Module):
    """A few dense layers, and the mean of the styles they gave in training."""

    average: Tensor

    def __init__(self, config: GeneratorConfig) -> None:
        super().__init__()
        self.config = config
        size, inputs = config.w_size, config.z_size
        if config.labels:
            self.embed = EqualLinear(config.labels, size)
            inputs += size
        self.layers = nn.ModuleList(
            EqualLinear(inputs if k == 0 else size, size, rate=config.mapping_rate, is_rectified=True)
            for k in range(config.mapping_layers)
        )
        self.register_buffer("average", torch.zeros(size))

    def forward(
        self, z: Float[Tensor, "b z"], labels: Float[Tensor, "b n"] | None = None
    ) -> Float[Tensor, "b w"]:
        """Return one style a code; in training the running mean follows them."""
        x = normalised(self._read(z))
        if self.config.labels:
            if labels is None:
                raise ValueError(f"this generator is conditioned on labels of {self.config.labels} numbers")
            x = torch.cat([x, normalised(self.embed(labels))], dim=1)
        for layer in self.layers:
            x = layer(x)
        if self.training:
            with torch.no_grad():
                self.average.copy_(x.to(self.average.dtype).mean(0).lerp(self.average, AVERAGE_RATE))
        return x

    def _read(self, z: Float[Tensor, "b z"]) -> Float[Tensor, "b z"]:
        """Return the code with every group made nearly one-hot, at the size of ordinary numbers."""
        lengths = self.config.groups
        if not lengths:
            return z
        plain, rest = torch.split(z, [z.shape[1] - sum(lengths), sum(lengths)], dim=1)
        if self.config.group_bias:
            rest = rest + rest.new_tensor(self.config.group_bias)
        chosen = [torch.softmax(SHARPNESS * part, dim=1) for part in torch.split(rest, list(lengths), dim=1)]
        # At a mean of zero and a mean square of one, as if they were ordinary numbers.
        sized = [(part - 1 / n) * (n / (n - 1) ** 0.5) for part, n in zip(chosen, lengths, strict=True)]
        return torch.cat([plain, *sized], dim=1)

    def truncate(
        self, w: Float[Tensor, "b w"], psi: float = 1.0, cutoff: int | None = None
    ) -> Float[Tensor, "b n w"]:
        """Return the styles of all layers, drawn towards the mean: 1 leaves them, 0 is the mean.

        With a `cutoff` only the first that many layers are drawn.
        """
        styles = w[:, None].expand(-1, self.config.styles, -1)
        if psi == 1.0:
            return styles
        drawn = self.average.to(w).lerp(styles, psi)
        if cutoff is None:
            return drawn
        return torch.cat([drawn[:, :cutoff], styles[:, cutoff:]], dim=1)


def normalised(x: Float[Tensor, "b n"]) -> Float[Tensor, "b n"]:
    """Return each row at a root mean square of one."""
    return x * (x.square().mean(dim=1, keepdim=True) + 1e-8).rsqrt()
