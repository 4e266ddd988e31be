"""Ways for a camera to go round a person who sits still: a circle, a sway, or one from a file."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from phiz.errors import DataError

KINDS = ("circle", "sway", "nod")


def path(kind: str, frames: int, *, yaw: float, pitch: float, turns: int = 1) -> Float[Tensor, "t 3"]:
    """Return yaw, pitch and closeness of each frame; the last leads on to the first.

    A circle goes round the front of the face, a sway from side to side, a nod up and down; `yaw` and `pitch`
    are how far, in radians. A closeness of 1 is the person's own distance.
    """
    phase = torch.arange(frames) * (2 * math.pi * turns / max(frames, 1))
    still = torch.zeros(frames)
    sides = {
        "circle": (yaw * phase.sin(), pitch * phase.cos()),
        "sway": (yaw * phase.sin(), still),
        "nod": (still, pitch * phase.sin()),
    }
    if kind not in sides:
        raise DataError(f"there is no camera path {kind!r}; there are {', '.join(KINDS)}, or a file.")
    return torch.stack([*sides[kind], torch.ones(frames)], dim=-1)


def read(file: Path, frames: int) -> Float[Tensor, "t 3"]:
    """Return the path in a JSON file, spread over so many frames.

    It is a list of stops, each with `yaw` and `pitch` in degrees and `closer` (1 without); between two of
    them the camera glides.
    """
    try:
        stops = json.loads(file.read_text(encoding="utf-8"))
        rows = [_stop(stop) for stop in stops]
    except FileNotFoundError:
        raise DataError(f"there is no camera path at {file}. Check the name and the folder.") from None
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise DataError(
            f'{file} is no camera path ({error}). It holds stops: [{{"yaw": -30, "pitch": 0}}, {{"yaw": 30}}]'
        ) from error
    if len(rows) < 2:
        raise DataError(f"{file} has {len(rows)} stops; a path has two or more.")
    stops_at = torch.tensor(rows)
    places = torch.linspace(0, len(rows) - 1, frames)
    first = places.floor().long().clamp(max=len(rows) - 2)
    share = places - first
    smooth = share * share * (3 - 2 * share)
    return torch.lerp(stops_at[first], stops_at[first + 1], smooth[:, None])


def _stop(stop: Mapping[str, float]) -> list[float]:
    known = {"yaw", "pitch", "closer"}
    if strange := sorted(set(stop) - known):
        raise ValueError(f"a stop knows nothing of {', '.join(strange)}")
    closer = float(stop.get("closer", 1.0))
    angles = [math.radians(float(stop.get(name, 0.0))) for name in ("yaw", "pitch")]
    if not all(map(math.isfinite, angles)) or not 0.2 <= closer <= 5:
        raise ValueError("angles are finite, and closer goes from 0.2 to 5")
    return [*angles, closer]
