"""From what was told to a person's own face: speech is added to it where it moves, and leaves it in silence.

Where modes have ARKit's names, lips that are told to be shut are shut: ``mouthClose`` takes back all of
``jawOpen``, what would part the lips is taken away, and they press each other a little. Modes without names
are added as they are.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from phiz.speech.dials import Dials
from phiz.speech.sources import Modes

JAW, CLOSE = "jawOpen", "mouthClose"
PARTING = frozenset(
    f"{name}{side}" for name in ("mouthLowerDown", "mouthUpperUp") for side in ("Left", "Right")
)
"""What parts lips without the jaw."""
OPENING = frozenset({JAW, CLOSE, "mouthFunnel", *PARTING})
"""What is open at somebody's rest, and fades out while they talk: there is only one jaw."""
PRESSED = {"mouthPressLeft": 0.30, "mouthPressRight": 0.30, "mouthRollLower": 0.14, "mouthRollUpper": 0.12}
"""Least weights of what presses lips that are shut."""
LOOSENED = {"mouthFunnel": 0.7, "mouthStretchLeft": 0.4, "mouthStretchRight": 0.4, "tongueOut": 1.0}
"""What shut lips have less of, and by how much."""
BROWS = {"browInnerUp": 0.28, "browOuterUpLeft": 0.14, "browOuterUpRight": 0.14}
"""How high brows rise with the strongest emphasis, where no network tells."""
LIDS = ("eyeBlink", "eyeLook", "eyeWide")
"""How names begin whose modes blinks and gaze move, not speech."""
UNSURE, SURE = 0.2, 0.4
"""How sure of shut lips one has to be for them to begin to close, and to be shut."""
SMOOTHING = 0.11
"""Share of each neighbour in a smoothed frame."""


@dataclass(frozen=True, kw_only=True)
class Mouth:
    """What `acted` needs to know about a face; made by `mouth_of`."""

    modes: Modes
    rest: Float[Tensor, " e"]
    amount: Float[Tensor, " e"]
    """By how much what is told is multiplied."""
    opening: Float[Tensor, " e"]
    """How much of the face at rest fades out while somebody talks."""
    brows: Float[Tensor, " e"]
    """How far emphasis moves each mode."""
    loosened: Float[Tensor, " e"]
    pressed: Float[Tensor, " e"]
    lips: float
    """How much of all that concerns lips is wanted, at most 1."""


def mouth_of(modes: Modes, rest: Float[Tensor, " e"], dials: Dials, *, tells_brows: bool) -> Mouth:
    """Return what there is to know about a face before it speaks."""
    is_brow = modes.where([name for name in modes.names if name.startswith("brow")])
    is_lid = modes.where([name for name in modes.names if name.startswith(LIDS)])
    own_brows = sum((height * modes.where([name]) for name, height in BROWS.items()), start=torch.zeros(()))
    loosened = modes.where(PARTING)
    for name, share in LOOSENED.items():
        loosened = loosened + share * modes.where([name])
    pressed = torch.zeros(modes.count)
    for name, least in PRESSED.items():
        pressed = pressed + least * modes.where([name])
    return Mouth(
        modes=modes,
        rest=rest,
        amount=(dials.lips * (1 - is_brow) + dials.brows * is_brow) * (1 - is_lid),
        opening=modes.where(OPENING) * min(dials.lips, 1.0),
        brows=torch.zeros(modes.count) if tells_brows else dials.brows * own_brows.expand(modes.count),
        loosened=loosened,
        pressed=pressed,
        lips=min(dials.lips, 1.0),
    )


def smoothed(
    before: Float[Tensor, "t e"], now: Float[Tensor, "t e"], after: Float[Tensor, "t e"], dial: float
) -> Float[Tensor, "t e"]:
    """Return frames smoothed by the ones before and after; at 3 all three count alike."""
    return now + SMOOTHING * dial * (before + after - 2 * now)


def acted(
    mouth: Mouth,
    told: Float[Tensor, "t e"],
    closed: Float[Tensor, " t"],
    gate: Float[Tensor, " t"],
    emphasis: Float[Tensor, " t"],
) -> Float[Tensor, "t e"]:
    """Return the face of each frame, from what was told about it.

    `closed` is how surely lips are shut, `gate` how far the mouth may move at all.
    """
    said = told if mouth.modes.is_added else told - mouth.rest
    open_gate = gate[:, None]
    face = mouth.rest * (1 - open_gate * mouth.opening) + open_gate * said * mouth.amount
    face = face + emphasis.clamp(min=0)[:, None] * mouth.brows
    if mouth.modes.is_weights:
        face = face.clamp(0, 1)
    return shut(mouth, face, _sure(closed) * gate * mouth.lips)


def shut(mouth: Mouth, face: Float[Tensor, "t e"], share: Float[Tensor, " t"]) -> Float[Tensor, "t e"]:
    """Return faces with lips that touch: at a share of 1 entirely, at 0 nothing changes."""
    names = mouth.modes.names
    if JAW not in names or CLOSE not in names or not bool(share.any()):
        return face
    jaw, close, much = names.index(JAW), names.index(CLOSE), share[:, None]
    face = face * (1 - much * mouth.loosened)
    face = torch.maximum(face, much * mouth.pressed)
    missing = (face[:, jaw] - face[:, close]).clamp(min=0)
    together = torch.zeros_like(face)
    together[:, close] = share * missing
    return face + together


def _sure(closed: Tensor) -> Tensor:
    x = ((closed - UNSURE) / (SURE - UNSURE)).clamp(0, 1)
    return x * x * (3 - 2 * x)
