"""Faces that people make: moods, speech, winks, and whatever else muscles allow.

A look is a few of ARKit's 52 names with a weight each. A name without a side, such as
``mouthSmile``, stands for both; sides then differ a little, as they do in everybody.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from phiz.face.morphable import ARKIT_NAMES

Look = Mapping[str, float]

MOODS: Mapping[str, Look] = {
    "smile": {"mouthSmile": 0.8, "cheekSquint": 0.5, "eyeSquint": 0.25, "mouthDimple": 0.2},
    "laugh": {"mouthSmile": 0.95, "jawOpen": 0.35, "cheekSquint": 0.8, "eyeSquint": 0.5, "mouthUpperUp": 0.3},
    "surprise": {"browInnerUp": 0.9, "browOuterUp": 0.8, "eyeWide": 0.8, "jawOpen": 0.4, "mouthFunnel": 0.15},
    "anger": {"browDown": 0.95, "eyeSquint": 0.4, "noseSneer": 0.4, "mouthPress": 0.5, "jawForward": 0.2},
    "shout": {"browDown": 0.7, "jawOpen": 0.65, "noseSneer": 0.5, "mouthUpperUp": 0.4, "mouthLowerDown": 0.6},
    "disgust": {
        "noseSneer": 0.9,
        "mouthUpperUp": 0.6,
        "browDown": 0.5,
        "cheekSquint": 0.4,
        "mouthFrown": 0.3,
    },
    "sadness": {"browInnerUp": 0.8, "mouthFrown": 0.8, "mouthShrugLower": 0.4, "eyeSquint": 0.2},
    "contempt": {
        "mouthSmileLeft": 0.6,
        "mouthDimpleLeft": 0.5,
        "browOuterUpRight": 0.4,
        "cheekSquintLeft": 0.3,
    },
    "fear": {"browInnerUp": 0.9, "eyeWide": 0.9, "mouthStretch": 0.6, "jawOpen": 0.2, "browOuterUp": 0.3},
    "doubt": {"browOuterUpLeft": 0.9, "browDownRight": 0.5, "mouthPress": 0.4, "mouthLeft": 0.3},
    "kiss": {"mouthPucker": 0.9, "mouthFunnel": 0.1, "eyeSquint": 0.2},
    "pout": {"mouthShrugLower": 0.8, "mouthRollLower": 0.1, "mouthFrown": 0.4, "browDown": 0.3},
    "puff": {"cheekPuff": 0.9, "mouthPress": 0.5, "mouthPucker": 0.3},
}
SOUNDS: Mapping[str, Look] = {
    "ah": {"jawOpen": 0.6, "mouthLowerDown": 0.2, "mouthUpperUp": 0.1},
    "ae": {"jawOpen": 0.4, "mouthStretch": 0.3, "mouthLowerDown": 0.3, "mouthUpperUp": 0.2},
    "ee": {"jawOpen": 0.12, "mouthSmile": 0.35, "mouthStretch": 0.4, "mouthLowerDown": 0.3},
    "oh": {"jawOpen": 0.38, "mouthFunnel": 0.6, "mouthPucker": 0.2},
    "oo": {"jawOpen": 0.12, "mouthPucker": 0.75, "mouthFunnel": 0.2},
    "m": {
        "jawOpen": 0.08,
        "mouthClose": 0.08,
        "mouthPress": 0.35,
        "mouthRollLower": 0.15,
        "mouthRollUpper": 0.15,
    },
    "f": {"jawOpen": 0.08, "mouthRollLower": 0.45, "mouthUpperUp": 0.35, "mouthShrugLower": 0.2},
    "th": {"jawOpen": 0.2, "mouthLowerDown": 0.25, "mouthUpperUp": 0.15, "tongueOut": 0.15},
    "s": {
        "jawOpen": 0.05,
        "mouthStretch": 0.3,
        "mouthLowerDown": 0.4,
        "mouthUpperUp": 0.2,
        "mouthDimple": 0.1,
    },
    "sh": {"jawOpen": 0.1, "mouthFunnel": 0.65, "mouthLowerDown": 0.25, "mouthUpperUp": 0.2},
    "l": {"jawOpen": 0.25, "mouthLowerDown": 0.2, "mouthStretch": 0.1},
    "r": {"jawOpen": 0.15, "mouthFunnel": 0.35, "mouthPucker": 0.3},
}
SHARES = {"rest": 0.20, "speech": 0.30, "mood": 0.28, "both": 0.10, "sparse": 0.12}
"""How often each kind of expression is drawn; "both" is a mood while speaking."""

BLINK, WINK = 0.10, 0.03
"""How often lids are closed, wholly or half, and how often only one of them."""


def sample_expression(rng: np.random.Generator, names: tuple[str, ...]) -> Float[Tensor, " e"]:
    """Return the weights of one face somebody makes, within what muscles can do.

    The names that turn eyes stay at 0: where somebody looks is `FaceCoeffs.gaze`, and a head turns
    its eyes by both together. Modes that `names` does not name stay at rest.
    """
    kind = _kind(rng)
    found = dict.fromkeys(ARKIT_NAMES, 0.0)
    if kind in ("speech", "both"):
        _add(found, rng, SOUNDS[_pick(rng, SOUNDS)], 0.4 + 0.75 * float(rng.random()))
        _add(found, rng, SOUNDS[_pick(rng, SOUNDS)], 0.4 * float(rng.random()))
    if kind in ("mood", "both"):
        _add(found, rng, MOODS[_pick(rng, MOODS)], 0.3 + 0.8 * float(rng.random()))
    if kind == "sparse":
        for name in rng.choice(len(ARKIT_NAMES), size=int(rng.integers(2, 6)), replace=False):
            if not ARKIT_NAMES[name].startswith("eyeLook"):
                found[ARKIT_NAMES[name]] = 0.9 * float(rng.random())
    _lids(found, rng)
    limit(found)
    return torch.tensor([found.get(name, 0.0) for name in names], dtype=torch.float32)


def weights(look: Look, names: tuple[str, ...], strength: float = 1.0) -> Float[Tensor, " e"]:
    """Return the weights of one look, both sides alike."""
    found = dict.fromkeys(ARKIT_NAMES, 0.0)
    for name, weight in look.items():
        for sided in _sides(name):
            found[sided] = strength * weight
    limit(found)
    return torch.tensor([found.get(name, 0.0) for name in names], dtype=torch.float32)


def limit(found: dict[str, float]) -> None:
    """Take back, in place, what no face can do at once; all weights end within 0 and 1."""
    for name, value in found.items():
        found[name] = min(max(value, 0.0), 1.0)
    _exclude(found, "jawLeft", "jawRight")
    _exclude(found, "mouthLeft", "mouthRight")
    for side in ("Left", "Right"):
        _exclude(found, f"mouthSmile{side}", f"mouthFrown{side}")
        _exclude(found, f"browDown{side}", f"browOuterUp{side}")
        _exclude(found, f"eyeBlink{side}", f"eyeWide{side}")
        _share(found, (f"eyeBlink{side}", f"eyeLookDown{side}"), 1.0)
        found[f"eyeSquint{side}"] = min(found[f"eyeSquint{side}"], 1 - found[f"eyeBlink{side}"])
        _share(found, (f"mouthSmile{side}", "mouthPucker"), 1.0)
    _share(found, ("mouthFunnel", "mouthPucker"), 1.0)
    _share(found, ("mouthRollLower", "mouthRollUpper", "mouthFunnel"), 1.0)
    open_ = found["jawOpen"]
    for name in ("mouthPressLeft", "mouthPressRight", "mouthRollLower", "mouthRollUpper"):
        found[name] = min(found[name], 1 - open_)
    found["cheekPuff"] = min(found["cheekPuff"], max(1 - 3 * open_, 0.0))
    found["mouthClose"] = min(found["mouthClose"], open_)
    found["tongueOut"] = found["tongueOut"] if open_ > 0.15 else 0.0


def _kind(rng: np.random.Generator) -> str:
    spot = float(rng.random())
    for kind, share in SHARES.items():
        spot -= share
        if spot < 0:
            return kind
    return "rest"


def _pick(rng: np.random.Generator, looks: Mapping[str, Look]) -> str:
    return list(looks)[int(rng.integers(0, len(looks)))]


def _sides(name: str) -> tuple[str, ...]:
    if name in ARKIT_NAMES:
        return (name,)
    return f"{name}Left", f"{name}Right"


def _add(found: dict[str, float], rng: np.random.Generator, look: Look, strength: float) -> None:
    is_mirrored = rng.random() < 0.5
    for name, weight in look.items():
        level = weight * strength * (0.75 + 0.5 * float(rng.random()))
        for sided in _sides(name):
            uneven = 0.85 + 0.3 * float(rng.random())
            found[_mirror(sided) if is_mirrored else sided] += level * uneven


def _mirror(name: str) -> str:
    if name.endswith("Left"):
        return f"{name.removesuffix('Left')}Right"
    return f"{name.removesuffix('Right')}Left" if name.endswith("Right") else name


def _lids(found: dict[str, float], rng: np.random.Generator) -> None:
    spot = float(rng.random())
    if spot < BLINK:
        shut = float(rng.random()) if rng.random() < 0.5 else 1.0
        found["eyeBlinkLeft"] = found["eyeBlinkRight"] = shut
    elif spot < BLINK + WINK:
        side = "Left" if rng.random() < 0.5 else "Right"
        found[f"eyeBlink{side}"] = 1.0
        found[f"cheekSquint{side}"] = max(found[f"cheekSquint{side}"], 0.5)


def _exclude(found: dict[str, float], one: str, other: str) -> None:
    """Leave of two opposites only the difference."""
    both = min(found[one], found[other])
    found[one] -= both
    found[other] -= both


def _share(found: dict[str, float], names: tuple[str, ...], most: float) -> None:
    """Scale down weights whose sum is more than there is room for."""
    total = sum(found[name] for name in names)
    if total > most:
        for name in names:
            found[name] *= most / total
