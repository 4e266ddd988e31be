"""An invisible mark in a film's brightness: 32 bits that outlive compression and resizing.

The shorter side of a frame is divided into `TILE` cells, the other side into cells of the same size; each
is made a little lighter or darker. Which of the two is told by a code: every byte of the message owns a fifth
of the cells, spread over the picture, and chooses one of 256 sequences of signs for them. Reading adds up
what the cells of all frames say and looks which sequences fit best (orthogonal signalling: far fewer mistakes
than bit by bit). As cells scale with the frame, a film of any size is read in the same way.

How far a cell goes depends on the picture: little where it is smooth, more where it is busy, and nothing at
all where the picture happens to say the right thing already (informed embedding; Cox, Miller and Bloom,
Digital Watermarking, chapter 5).

False alarms have a bound that holds for any film. Signs were drawn by a hash, without looking at pictures, so
the agreement of a fixed picture with one message, divided by the picture's own size, exceeds z with a
probability below exp(-z*z/2) (Hoeffding's inequality); all messages together are 2**32 times as likely.
"""

from __future__ import annotations

import hashlib
import itertools
import math
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

TILE = 48
"""Cells along the shorter side; the pattern repeats along the longer one."""
BYTES = 5
"""Four of the message and one that checks them."""
PER_BYTE = TILE * TILE // BYTES
VALUES = 256

FALSE_ALARM = 1e-6
"""A mark is found if chance alone would show as much in fewer than one of so many films."""
MOST_FRAMES = 500
"""Twenty seconds say all that there is to say."""

# Grey levels out of 255, chosen on moving heads: frames keep 42 dB, and plain walls show nothing.
_FLAT = 1.2
_BUSY = 0.9  # more where neighbouring cells differ by this part of a level
_MOST = 7.0
_LOUDEST = 3.05  # root mean square over the cells; two thirds of it arrive in the pixels, which is 42 dB
_WANTED = 0.8  # how far a busy cell should stand out in its own direction
_HELP = 0.9  # how much of what the picture says by itself is believed
_LUMINANCE = (0.299, 0.587, 0.114)
_LEVEL = 127.5  # levels per unit of a picture in [-1, 1]
_LIMIT = 0.25
_ENOUGH = 256  # pixels along the shorter side; of larger frames, cells look at every second pixel or fewer
_CANDIDATES = 4  # sequences per byte that are tried when the best ones contradict the check


@dataclass(frozen=True, kw_only=True)
class Detection:
    """What was read from a film's frames."""

    found: bool
    payload: int | None
    """The message that fits best, if one was found."""
    score: float
    """Agreement with that message, in standard deviations of what chance would give."""
    chance: float
    """At most how often a film without a mark would show as much."""


class Marker:
    """Marks the frames of one film; a class because the pattern is made once."""

    def __init__(self, height: int, width: int, payload: int) -> None:
        if not 0 <= payload < 1 << 32:
            raise ValueError(f"a mark holds a number of 32 bits; {payload} is none")
        self.size = (height, width)
        rows, columns = _grid(height, width)
        tile = _tile(_message(payload))
        repeated = tile.repeat(math.ceil(rows / TILE), math.ceil(columns / TILE))
        self._signs = repeated[:rows, :columns].contiguous()
        self._around = (_averaged(rows), _averaged(columns))
        self._drawn = (_drawn(rows, height), _drawn(columns, width))

    def apply(self, frame: Float[Tensor, "3 h w"]) -> Float[Tensor, "3 h w"]:
        """Return a picture in [-1, 1] with the mark in it."""
        if tuple(frame.shape[1:]) != self.size:
            raise ValueError(f"this marker is for frames of {self.size}, not {tuple(frame.shape[1:])}")
        signs = self._signs.to(frame.device)
        stand_out = _stand_out(frame)
        busy = _both(self._around, stand_out.abs())
        most = (_FLAT + _BUSY * busy).clamp_(max=_MOST)
        missing = _FLAT + _WANTED * busy - _HELP * stand_out * signs
        change = torch.minimum(missing.clamp_(min=0), most)
        loudness = change.square().mean().sqrt()
        change *= signs * (_LOUDEST / loudness.clamp_(min=_LOUDEST)) / _LEVEL
        shown: Tensor = (frame + _both(self._drawn, change)).clamp_(-1, 1)
        return shown


def detect(
    frames: Iterable[Float[Tensor, "3 h w"]], *, expected: Sequence[int] = (), most: int = MOST_FRAMES
) -> Detection:
    """Return what mark is in pictures in [-1, 1], of any size.

    A message that one expects is found where it is fainter, for it competes with none of the others.
    """
    total = torch.zeros(TILE, TILE)
    for frame in itertools.islice(frames, most):
        stand_out = _stand_out(frame.float().cpu())
        total += _folded(stand_out / (_LIMIT + stand_out.abs()))  # little more than its sign: no edge shouts
    return _decided(_agreements(total), expected)


def _decided(agreements: Float[Tensor, "g v"], expected: Sequence[int]) -> Detection:
    """Return the likelier of: the best of all messages, the best of those expected, or none at all.

    Who looks twice may err twice: where messages are expected, either answer counts double.
    """
    looks = 2 if expected else 1
    blind = _best(agreements)
    known = max(((_score(agreements, p), p) for p in expected), default=(0.0, 0))
    options = (
        (_chance(known[0], looks * len(expected)), known),
        (_chance(blind[0], looks << 32), blind),
    )
    chance, (score, payload) = min(options, key=lambda option: (option[0], -option[1][0]))
    found = chance < FALSE_ALARM
    return Detection(found=found, payload=payload if found else None, score=score, chance=chance)


def _chance(score: float, messages: int) -> float:
    return min(messages * math.exp(-(max(score, 0.0) ** 2) / 2), 1.0) if messages else 1.0


def _best(agreements: Float[Tensor, "g v"]) -> tuple[float, int]:
    """Return the message, right by its own check, that agrees best; and by how much."""
    order = agreements.argsort(dim=1, descending=True)[:, :_CANDIDATES].tolist()
    likely = (int.from_bytes(bytes(choice), "big") for choice in itertools.product(*order[: BYTES - 1]))
    return max((_score(agreements, payload), payload) for payload in likely)


def _score(agreements: Float[Tensor, "g v"], payload: int) -> float:
    return float(sum(agreements[g, value] for g, value in enumerate(_message(payload))))


def _agreements(total: Float[Tensor, "t t"]) -> Float[Tensor, "g v"]:
    """Return how well each sequence fits; a message's sum has deviation 1 where there is no mark."""
    cells = total.flatten()[_places()]
    norm = cells.norm()
    if not norm > 0:
        return torch.zeros(BYTES, VALUES)
    agreements: Tensor = torch.einsum("gvn,gn->gv", _signs_of_all(), cells) / norm
    return agreements


def _message(payload: int) -> bytes:
    """Return the five bytes of a message: itself and its check."""
    four = payload.to_bytes(BYTES - 1, "big")
    return four + bytes([zlib.crc32(four) & 0xFF])


def _tile(message: bytes) -> Float[Tensor, "t t"]:
    tile = torch.zeros(TILE * TILE)
    for place, signs, value in zip(_places(), _signs_of_all(), message, strict=True):
        tile[place] = signs[value]
    return tile.view(TILE, TILE)


@lru_cache(maxsize=1)
def _signs_of_all() -> Float[Tensor, "g v n"]:
    """Return every sequence: for each byte, value and cell, -1 or 1."""
    length = math.ceil(PER_BYTE / 8)
    raw = [
        hashlib.shake_256(f"phiz mark {byte} {value}".encode()).digest(length)
        for byte in range(BYTES)
        for value in range(VALUES)
    ]
    bits = np.unpackbits(np.frombuffer(b"".join(raw), np.uint8).reshape(BYTES, VALUES, length), axis=2)
    return torch.from_numpy(bits[..., :PER_BYTE].astype(np.float32) * 2 - 1)


@lru_cache(maxsize=1)
def _places() -> Int[Tensor, "g n"]:
    """Return which cells of the tile belong to which byte: all over the picture."""
    keys = np.frombuffer(hashlib.shake_256(b"phiz mark places").digest(8 * TILE * TILE), ">u8")
    order = np.argsort(keys, kind="stable")[: BYTES * PER_BYTE]
    return torch.from_numpy(order.reshape(BYTES, PER_BYTE).astype(np.int64))


def _grid(height: int, width: int) -> tuple[int, int]:
    """Return how many cells a frame has, down and across."""
    cell = min(height, width) / TILE
    return round(height / cell), round(width / cell)


def _stand_out(frame: Float[Tensor, "3 h w"]) -> Float[Tensor, "r c"]:
    """Return how much each cell differs from what its eight neighbours lead one to expect, in grey levels.

    It is the second difference along both axes: slopes and soft curves, most of any picture, vanish.
    """
    rows, columns = _grid(frame.shape[1], frame.shape[2])
    step = max(min(frame.shape[1:]) // _ENOUGH, 1)
    seen = frame[:, ::step, ::step]
    grey = torch.einsum("c,chw->hw", frame.new_tensor(_LUMINANCE) * _LEVEL, seen)
    return _both((_difference(grey.shape[0], rows), _difference(grey.shape[1], columns)), grey)


def _both(sides: tuple[Tensor, Tensor], picture: Float[Tensor, "h w"]) -> Float[Tensor, "r c"]:
    """Return a picture after one matrix along its columns and one along its rows."""
    down, across = sides
    result: Tensor = torch.linalg.multi_dot([down.to(picture), picture, across.to(picture).T])
    return result


@lru_cache(maxsize=16)
def _difference(pixels: int, cells: int) -> Float[Tensor, "c p"]:
    """Return the matrix that makes second differences of the cells' means of pixels."""
    unit = torch.eye(pixels)[None]
    means = functional.interpolate(unit, cells, mode="area")[0].T
    return (_banded(cells, (-0.5, 1.0, -0.5)) @ means).contiguous()


def _averaged(cells: int) -> Float[Tensor, "c c"]:
    return _banded(cells, (1 / 3, 1 / 3, 1 / 3))


def _banded(cells: int, weights: tuple[float, float, float]) -> Float[Tensor, "c c"]:
    """Return the matrix that weighs each cell with its two neighbours; the last one stands in for none."""
    matrix = torch.zeros(cells, cells)
    for cell in range(cells):
        for step, weight in zip((-1, 0, 1), weights, strict=True):
            matrix[cell, min(max(cell + step, 0), cells - 1)] += weight
    return matrix


def _drawn(cells: int, pixels: int) -> Float[Tensor, "p c"]:
    """Return the matrix that draws cells as pixels, with a straight slope from each cell to the next."""
    unit = torch.eye(cells)[None]
    return functional.interpolate(unit, pixels, mode="linear", align_corners=False)[0].T.contiguous()


def _folded(cells: Float[Tensor, "r c"]) -> Float[Tensor, "t t"]:
    """Return the sum of all repetitions of the tile."""
    rows, columns = cells.shape
    whole = functional.pad(cells, (0, -columns % TILE, 0, -rows % TILE))
    return whole.view(-(-rows // TILE), TILE, -(-columns // TILE), TILE).sum(dim=(0, 2))
