"""Pieces of speech in an exact order: windows of sound, and what a face does when it is told late."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from phiz.console import Console
from phiz.speech import windows
from phiz.speech.mouth_network import moved_late
from phiz.train import voice_changes
from phiz.train.ordered_stream import Damaged, Order, OrderedStream, Reader
from phiz.train.voice_changes import VoiceChanges
from phiz.train.voice_sources import Speech, Voices

LABELS = 3


@dataclass(frozen=True, kw_only=True)
class Piece:
    """Some seconds to learn from."""

    windows: Float[Tensor, "t 1 80 16"]
    expression: Float[Tensor, "t e"]
    labels: Int[Tensor, "t 3"]
    is_labelled: bool
    delay: int


@dataclass(frozen=True, kw_only=True)
class SpeechBatch:
    """Pieces to learn from: at each window, the truth is that of the frame `delay` before it."""

    windows: Float[Tensor, "b t 1 80 16"]
    expression: Float[Tensor, "b t e"]
    labels: Int[Tensor, "b t 3"]
    delay: Int[Tensor, " b"]
    is_known: Bool[Tensor, "b t"]
    """Whether there is such a frame."""
    is_labelled: Bool[Tensor, " b"]
    damaged: Damaged = ()


def piece(
    voices: Voices, delays: Sequence[int], changes: VoiceChanges, number: int, rng: np.random.Generator
) -> Piece:
    """Return a piece by its number, its sound changed by chance."""
    speech = voices.read(number, rng)
    delay = int(delays[int(rng.integers(0, len(delays)))])
    return prepared(speech, voice_changes.changed(speech.mel, changes, rng), delay)


def prepared(speech: Speech, mel: Float[Tensor, "r 80"], delay: int) -> Piece:
    """Return a piece of speech with windows of this spectrogram of it."""
    frames = len(speech.expression)
    rows = windows.starts(frames, first=speech.first)[:, None] + torch.arange(windows.ROWS)
    labels = torch.zeros(frames, LABELS, dtype=torch.long) if speech.labels is None else speech.labels
    return Piece(
        windows=mel[rows.clamp(0, len(mel) - 1)].transpose(1, 2)[:, None],
        expression=speech.expression,
        labels=labels,
        is_labelled=speech.labels is not None,
        delay=delay,
    )


def joined(pieces: Sequence[Piece], damaged: Damaged = ()) -> SpeechBatch:
    """Return pieces of the same length as a batch."""
    delays = [one.delay for one in pieces]
    frames = len(pieces[0].expression)
    return SpeechBatch(
        windows=torch.stack([one.windows for one in pieces]),
        expression=moved_late(torch.stack([one.expression for one in pieces]), delays),
        labels=moved_late(torch.stack([one.labels for one in pieces]), delays),
        delay=torch.tensor(delays),
        is_known=torch.arange(frames)[None] >= torch.tensor(delays)[:, None],
        is_labelled=torch.tensor([one.is_labelled for one in pieces]),
        damaged=damaged,
    )


def speech_stream(
    voices: Voices,
    delays: Sequence[int],
    changes: VoiceChanges,
    order: Order,
    console: Console | None = None,
) -> OrderedStream[SpeechBatch]:
    """Return batches of pieces without end."""
    make = partial(piece, voices, tuple(delays), changes)
    return OrderedStream(Reader(order.count, make, joined, order.seed), order, console)
