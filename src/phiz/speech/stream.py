"""From a sound that arrives bit by bit to a `Motion`, with the same numbers as for the sound in one piece.

    stream = SpeechStream(studio, latency_ms=240)
    for samples in microphone:
        motion = stream.push(samples)     # the frames that these samples complete
    rest = stream.finish()

A window of sound needs 0.13 s after its frame has begun; what is left of the latency is how far ahead the
network hears. Memory does not grow, however long somebody talks.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from phiz.errors import MediaError, MissingError, UsageError
from phiz.face.coeffs import FaceCoeffs, Motion
from phiz.speech import gate, heads, mouth, sources
from phiz.speech.dials import Dials
from phiz.speech.expression import ExpressionNet
from phiz.speech.gate import Emphasis, Gate, Queue, VoiceActivity
from phiz.speech.glances import Glances
from phiz.speech.head_network import HeadNet
from phiz.speech.heads import HeadStream
from phiz.speech.hearing import Told
from phiz.speech.lids import Blinks
from phiz.speech.mouth_network import MouthNet
from phiz.speech.sources import Source
from phiz.speech.sway import Sway
from phiz.speech.windows import FPS, FRAME, RATE, WindowStream

WINDOW_MS = 132.5
"""From the beginning of a frame to the last sample of its window."""
FRAME_MS = 1000 / FPS
SMOOTHED_FROM = 4
"""Frames of latency from which one of them is spent on smoothing without a lag."""
LOUDEST = 64.0
"""Samples beyond this are not between -1 and 1 by any mistake but one: they are whole numbers."""
QUIET, LOUD = -2.6, 0.2
"""What loudness counts as none and as all, where brows and head follow it."""
SEEDS = {"blink": 1, "gaze": 2, "head": 3}
"""Chance of its own for each, so that a dial changes nothing of what the others do."""


@runtime_checkable
class Networks(Protocol):
    """What a studio has for speech."""

    @property
    def expression(self) -> MouthNet | ExpressionNet | None:
        """Return the network that hears expressions."""
        ...

    @property
    def pose(self) -> object | None:
        """Return the network that turns the head, if there is one."""
        ...


class Around(NamedTuple):
    """Rows about some frames, and about the frame before and after each."""

    before: Float[Tensor, "t c"]
    now: Float[Tensor, "t c"]
    after: Float[Tensor, "t c"]


class Neighbours:
    """Rows and what stands beside them; a class because the last one waits for its neighbour.

    Where there is no time to wait (`ahead` is 0), each row is its own next one, as the first and the last
    are their own neighbours.
    """

    def __init__(self, ahead: int) -> None:
        self._ahead = ahead
        self._kept: Tensor | None = None

    def push(self, rows: Float[Tensor, "n c"], *, is_end: bool = False) -> Around:
        """Return all rows whose neighbours are known."""
        if self._kept is None:
            if not len(rows):
                return Around(rows, rows, rows)
            self._kept = rows[:1]
        whole = torch.cat([self._kept, rows])
        if is_end:
            whole = torch.cat([whole, whole[-1:].expand(self._ahead, -1)])
        count = len(whole) - 1 - self._ahead
        self._kept = whole[count:].clone()
        now = whole[1 : 1 + count]
        return Around(whole[:count], now, whole[2 : 2 + count] if self._ahead else now)


class SpeechStream:
    """Speech in, motion out; a class because it remembers what it heard."""

    def __init__(
        self,
        studio: Networks,
        *,
        latency_ms: float = 480,
        rest: FaceCoeffs | None = None,
        dials: Dials | None = None,
        seed: int = 0,
        style: str = "",
        source: Source | None = None,
        head: HeadStream | None = None,
    ) -> None:
        """Begin to listen.

        `rest` is the person's own face, which speech is added to; `style` is a way to move the head that the
        studio's network knows. `source` may tell, and `head` turn the head, instead of the studio's networks.
        Without any network that streams, chance turns it.
        """
        self._dials = dials = dials or Dials()
        frames = frames_of(latency_ms)
        source = source or _source(studio, rest, frames)
        modes = source.modes
        face = _resting(rest, modes.count, modes.basis)
        self._source = source
        self._mouth = mouth.mouth_of(modes, face, dials, tells_brows=source.tells_brows)
        self._ahead = min(1, max(0, frames - source.hearing.delay))
        self._windows = WindowStream()
        self._neighbours = Neighbours(self._ahead)
        self._levels = Queue(torch.zeros(0))
        self._activity = VoiceActivity(is_beside=source.tells_talk)
        self._gate, self._emphasis = Gate(), Emphasis()
        chance = {name: torch.Generator().manual_seed(4 * seed + k) for name, k in SEEDS.items()}
        self._blinks = Blinks(chance["blink"], dial=dials.blink)
        self._glances = Glances(chance["gaze"], dial=dials.gaze)
        self._sway = Sway(chance["head"], dial=dials.head)
        waiting = source.hearing.delay + self._ahead
        if head is None and isinstance(studio.pose, HeadNet) and dials.head:
            head = heads.streamed(
                studio.pose, style=style, chance=chance["head"], amount=dials.head, delay=waiting
            )
        if style and studio.pose is None:
            raise UsageError(f"no network turns heads here, so that none knows the style {style!r}.")
        self._head = head
        late = max(0, head.delay - waiting) if head else 0
        self._poses = Queue(torch.zeros(late, 6))
        self._samples = 0

    @property
    def latency_s(self) -> float:
        """Return how long after its beginning a frame is known, or up to a frame later."""
        return (WINDOW_MS + FRAME_MS * (self._source.hearing.delay + self._ahead)) / 1000

    def push(self, samples: Float[Tensor, " n"]) -> Motion:
        """Return the frames that these samples complete, none or many."""
        sound = checked(samples, first=self._samples)
        self._samples += len(sound)
        with torch.inference_mode():  # a tenth less work for frames that come one by one
            told = self._told(self._windows.push(sound))
            motion = self._act(self._neighbours.push(self._rows(told)))
        return _free(motion)

    def finish(self) -> Motion:
        """Return what is left when no more sound comes; the stream is used up.

        A last frame that the sound does not fill is filled with silence.
        """
        with torch.inference_mode():
            told = [self._told(self._windows.push(torch.zeros(-self._samples % FRAME)))]
            told += [self._told(self._windows.finish()), self._source.hearing.finish()]
            if self._head is not None:
                self._poses.put(self._head.finish())
            rows = torch.cat([self._rows(one) for one in told])
            motion = self._act(self._neighbours.push(rows, is_end=True))
        return _free(motion)

    def _told(self, windows: Tensor) -> Told:
        self._levels.put(gate.loudness(windows))
        if self._head is not None and len(windows):
            self._poses.put(self._head.push(windows))
        return self._source.hearing.push(windows)

    def _rows(self, told: Told) -> Tensor:
        """Return everything about these frames side by side: expression, shut lips, talk, loudness."""
        levels = self._levels.take(len(told.closed))
        talking = told.talking
        if not self._source.is_certain:
            talking = torch.minimum(talking, self._activity.push(levels))
        beside = torch.stack([told.closed, talking, levels], dim=1)
        return torch.cat([told.expression, beside], dim=1)

    def _act(self, around: Around) -> Motion:
        """Return the motion of frames about which all is told."""
        count = self._source.modes.count
        closed, talking, levels = around.now[:, count:].unbind(1)
        opened = self._gate.push(torch.maximum(talking, around.after[:, count + 1]))
        loud = ((levels - QUIET) / (LOUD - QUIET)).clamp(0, 1)
        emphasis = self._emphasis.push(loud, opened)
        before, now, after = (rows[:, :count] for rows in around)
        told = mouth.smoothed(before, now, after, self._dials.smoothing)
        turned = self._turned(opened, emphasis)
        return Motion(
            expression=mouth.acted(self._mouth, told, closed, opened, emphasis),
            basis=self._source.modes.basis,
            rotation=turned[:, :3],
            translation=turned[:, 3:],
            gaze=self._glances.push(opened, turned[:, :3]),
            blink=self._blinks.push(opened),
            fps=float(FPS),
        )

    def _turned(self, opened: Tensor, emphasis: Tensor) -> Tensor:
        if self._head is not None:
            return self._poses.take(len(opened))
        angles = self._sway.push(opened, emphasis)
        return torch.cat([angles, torch.zeros_like(angles)], dim=1)


def frames_of(latency_ms: float) -> int:
    """Return how many frames ahead may be heard within a latency."""
    if not 0 <= latency_ms < 60_000:
        raise UsageError(f"a latency of {latency_ms} ms cannot be; choose 120 to 600.")
    return max(0, int((latency_ms - WINDOW_MS) / FRAME_MS))


def checked(samples: Float[Tensor, " n"], *, first: int = 0) -> Float[Tensor, " n"]:
    """Return sound that can be heard: finite, on the CPU, in single precision; refuse other numbers."""
    if samples.ndim != 1:
        raise UsageError(
            f"sound has one axis, its samples, not the shape {tuple(samples.shape)}. Mix channels."
        )
    sound = samples.detach().to("cpu", torch.float32)
    if not bool(sound.isfinite().all()):
        place = int((~sound.isfinite()).nonzero()[0, 0]) + first
        raise MediaError(
            f"the sound is not a number at {place / RATE:.3f} s. Look at how it was made; samples lie "
            "between -1 and 1."
        )
    if len(sound) and float(sound.abs().max()) > LOUDEST:
        raise MediaError(
            f"the sound reaches {float(sound.abs().max()):.0f}; samples lie between -1 and 1. Divide 16-bit "
            "sound by 32768."
        )
    return sound


def _free(motion: Motion) -> Motion:
    """Return a motion that one may learn from: what is made in inference mode refuses that."""
    return Motion(
        expression=motion.expression.clone(),
        basis=motion.basis,
        rotation=motion.rotation.clone(),
        translation=motion.translation.clone(),
        gaze=motion.gaze.clone(),
        blink=motion.blink.clone(),
        fps=motion.fps,
    )


def _source(studio: Networks, rest: FaceCoeffs | None, delay: int) -> Source:
    """Return the studio's network, listening; one frame of the delay may be spent on smoothing instead."""
    network = studio.expression
    if network is None:
        raise MissingError(
            "this studio has no network that hears expressions. Train one with 'phiz train speech', or give "
            "a folder that holds one."
        )
    count = network.config.modes if isinstance(network, MouthNet) else network.config.expressions
    basis = network.config.basis
    heard = delay - 1 if delay >= SMOOTHED_FROM else delay
    return sources.of_network(network, _resting(rest, count, basis), heard)


def _resting(rest: FaceCoeffs | None, count: int, basis: str) -> Float[Tensor, " e"]:
    if rest is None:
        return torch.zeros(count)
    if rest.expression.shape != (1, count):
        raise UsageError(
            f"the face at rest has expressions of shape {tuple(rest.expression.shape)}; one face with the "
            f"{count} of {basis!r} is needed. Take one face, or retarget it first."
        )
    return rest.expression[0].detach().to("cpu", torch.float32)
