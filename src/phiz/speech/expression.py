"""From windows of sound to expressions: the published network, and the same for any other basis.

"SadTalker" (Zhang et al., 2023): an audio encoder, then one linear layer that also sees an expression to
start from and how far the lids are closed. NeRFFaceSpeech (Kim et al., 2024) feeds half of each result back.
Only that last layer depends on what came before, so all sound is heard at once and what is left for each
frame is one small product. Parameters have the published names.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from phiz.speech import encoder
from phiz.speech.encoder import Widths, audio_encoder, heard


@dataclass(frozen=True, kw_only=True)
class ExpressionConfig:
    """Sizes of an expression network, and how its results are used."""

    basis: str
    """Whose expression modes it tells: the ``name`` of a head model."""
    expressions: int
    names: tuple[str, ...] = ()
    """What the modes are called, where they have names."""
    feedback: float = 0.5
    """Share of the last frame's result in what the next starts from; the rest is the face at rest."""
    scale: float = 1.5
    """What results are multiplied by in the end."""
    widths: Widths = encoder.PUBLISHED
    """Channels of the audio encoder; the last is how many numbers it hears."""

    def __post_init__(self) -> None:
        if self.expressions < 1 or len(self.names) not in (0, self.expressions):
            raise ValueError(f"{self.expressions} expressions cannot have {len(self.names)} names")
        if not 0 <= self.feedback <= 1:
            raise ValueError(f"feedback is a share, from 0 to 1, not {self.feedback}")


PUBLISHED = ExpressionConfig(basis="bfm2009", expressions=64)
"""As NeRFFaceSpeech uses it. SadTalker itself feeds nothing back and scales by 1."""
TINY = replace(PUBLISHED, basis="tiny", expressions=3, widths=encoder.TINY)


class ExpressionNet(nn.Module):
    """Hears windows and tells expressions."""

    def __init__(self, config: ExpressionConfig) -> None:
        super().__init__()
        self.config = config
        self.audio_encoder = audio_encoder(config.widths)
        self.mapping1 = nn.Linear(config.widths[-1] + config.expressions + 1, config.expressions)

    def forward(
        self,
        windows: Float[Tensor, "n 1 80 16"],
        reference: Float[Tensor, "n e"],
        blink: Float[Tensor, "n 1"],
    ) -> Float[Tensor, "n e"]:
        """Return expressions, each from its window, an expression to start from and the published blink."""
        return self.mapped(heard(self.audio_encoder, windows), reference, blink)

    def mapped(
        self, sounds: Float[Tensor, "n a"], reference: Float[Tensor, "n e"], blink: Float[Tensor, "n 1"]
    ) -> Float[Tensor, "n e"]:
        """Return expressions from what was heard."""
        found: Tensor = self.mapping1(torch.cat([sounds, reference, blink], dim=1))
        return found


class Feedback:
    """Expressions frame after frame, each started from the last; a class because it remembers that one.

    Sound may come in pieces of any length; where they are cut changes nothing but the last digits.
    """

    def __init__(self, network: ExpressionNet, rest: Float[Tensor, " e"]) -> None:
        config, weight = network.config, network.mapping1.weight.detach()
        self._network = network
        self._rest = rest.detach()
        self._sound, self._reference, self._blink = torch.split(
            weight, [config.widths[-1], config.expressions, 1], dim=1
        )
        self._last = self._rest  # the first frame starts from the rest alone

    @torch.no_grad()
    def __call__(
        self, windows: Float[Tensor, "t 1 80 16"], blink: Float[Tensor, " t"] | None = None
    ) -> Float[Tensor, "t e"]:
        """Return the expressions of the next frames."""
        sounds = heard(self._network.audio_encoder, windows)
        share = self._network.config.feedback
        known = sounds @ self._sound.T + self._network.mapping1.bias
        known += (1 - share) * (self._reference @ self._rest)
        if blink is not None:
            known += blink[:, None] * self._blink[:, 0]
        told = _recursion(known, share * self._reference, self._last)
        if len(told):
            self._last = told[-1]
        return told * self._network.config.scale


def express(
    network: ExpressionNet,
    windows: Float[Tensor, "t 1 80 16"],
    rest: Float[Tensor, " e"],
    blink: Float[Tensor, " t"] | None = None,
) -> Float[Tensor, "t e"]:
    """Return the expressions of a face that says what was heard, started from its face at rest.

    Frame by frame, ``y_t = A sound_t + B (0.5 rest + 0.5 y_{t-1}) + ...``: linear in the last result, so
    that the sum of what is known beforehand is one product for all frames.
    """
    return Feedback(network, rest)(windows, blink)


@torch.no_grad()
def express_from(
    network: ExpressionNet,
    windows: Float[Tensor, "t 1 80 16"],
    reference: Float[Tensor, "t e"],
    blink: Float[Tensor, " t"],
) -> Float[Tensor, "t e"]:
    """Return expressions as SadTalker does: each started from its own reference, none fed back, unscaled."""
    return network.mapped(heard(network.audio_encoder, windows), reference, blink[:, None])


def looped(clip: Float[Tensor, "s k"], frames: int) -> Float[Tensor, "t k"]:
    """Return a clip's numbers for so many frames, from its start again when it is over.

    As SadTalker takes expressions to start from out of a film; all of that film's face comes along, mouth
    included.
    """
    if not len(clip):
        raise ValueError("a clip without frames cannot be repeated")
    return clip[torch.arange(frames) % len(clip)]


def _recursion(known: Tensor, back: Tensor, last: Tensor) -> Tensor:
    """Return ``y_t = known_t + back y_{t-1}``; numpy is faster than torch at products this small."""
    rows, matrix, y = known.cpu().numpy(), np.ascontiguousarray(back.cpu().numpy()), last.cpu().numpy()
    told = np.empty_like(rows)
    for row, place in zip(rows, told, strict=True):
        y = np.dot(matrix, y, out=place)
        place += row
    return torch.from_numpy(told).to(known.device)
