"""How well what is heard fits what was said: on voices never learned from, or on a face that was tracked.

Numbers that begin with "raw" are those of the network alone; the others are those of `speak`, with its
gates, its smoothing and its shut lips.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from phiz import checkpoint, hearing_sheets, trained
from phiz.console import Console
from phiz.errors import UsageError
from phiz.face.coeffs import Motion
from phiz.face.morphable import ARKIT_NAMES
from phiz.hearing_sheets import Example
from phiz.metrics import sync
from phiz.options import option
from phiz.speech import files, sources, stream, sync_network, windows
from phiz.speech.mouth_network import MouthNet
from phiz.speech.speak import speak
from phiz.speech.sync_files import SYNC
from phiz.speech.sync_network import SyncNet
from phiz.studio import Studio
from phiz.train import voice_sources
from phiz.train.voice_sources import ClipShards
from phiz.world.voices.clips import Clip
from phiz.world.voices.phones import VISEMES

FRAME_MS = 40
ROUND = ("mouthPucker", "mouthFunnel")
WIDE = 0.15
"""Lips that are so far apart in truth are clearly open."""
SPAN_S = 2
"""Seconds that the judge of mouth and sound looks at, for each offset."""
WORST, LEAST = 3, 25
"""Confusions of visemes that are named, and frames of a class below which it is left out."""
SURE = 0.5
"""From where on the network is taken at its word that somebody talks."""
DRAWN = 3
"""Clips of each folder that are drawn."""
MOUTH = [k for k, name in enumerate(ARKIT_NAMES) if name.startswith(("jaw", "mouth", "tongue"))]
"""What jitter is measured on: lids are in what is true, but nobody hears them."""


@dataclass(frozen=True, kw_only=True)
class MeasureHearingConfig:
    """On whose voices to measure."""

    data: tuple[Path, ...] = ()
    """Voices that were not learned from: folders of phiz world voices."""
    networks: Path | None = None
    """Folder of other networks than the built-in ones."""
    expression: Path | None = None
    """File of another network that hears expressions, instead of the folder's."""
    sync: Path | None = None
    """File of another judge of sound and mouth than the built-in one."""
    latency: tuple[float, ...] = (120.0, 240.0, 480.0)
    """Milliseconds that a stream may be late, each measured."""
    truth: Path | None = None
    """Motion of a real face, from phiz track, in ARKit's expressions; --audio is its sound."""
    audio: Path | None = None
    output: Path = option(Path("hearing.json"), "-o", "--output")
    """File for all numbers."""
    sheets: Path | None = None
    """Folder for pictures: which sounds are taken for which, and some mouths under their sound."""
    count: int = 60
    """Clips of each folder."""

    def __post_init__(self) -> None:
        if self.count < 1 or not self.latency:
            raise ValueError("--count must be positive, and one --latency is needed")
        if (self.truth is None) != (self.audio is None):
            raise ValueError("a tracked face and its sound go together: --truth FILE --audio FILE")


def measure_hearing(config: MeasureHearingConfig, console: Console) -> Mapping[str, object]:
    """Measure the networks that hear on voices that they have never heard.

    Examples:
        phiz world voices -o unheard --hours 0.2 --split voices
        phiz measure hearing --data unheard
        phiz track talk.mp4 -o talk.safetensors
        phiz measure hearing --truth talk.safetensors --audio talk.mp4
    """
    if not config.data and config.truth is None:
        raise UsageError("say on whom to measure: phiz measure hearing --data DIR, of phiz world voices")
    studio = _studio(config)
    if set(ARKIT_NAMES) - set(studio.names):
        raise UsageError(f"these networks tell {studio.basis!r}, without ARKit's names; nothing to compare.")
    judge = trained.load(SYNC, config.sync) if config.sync or SYNC.built_in.exists() else None
    told: dict[str, Mapping[str, object]] = {}
    for folder in config.data:
        clips = _clips(folder, config.count)
        for latency in config.latency:
            label = f"{folder.name}, {latency:g} ms"
            told[label], measured = of_clips(studio, clips, latency, judge, console, label)
            if config.sheets is not None:
                hearing_sheets.write(config.sheets, label, measured.confused, measured.examples)
    for latency in config.latency:
        if config.truth is not None and config.audio is not None:
            motion = speak(config.audio, None, studio, latency_ms=latency)
            told[f"{config.truth.name}, {latency:g} ms"] = of_face(motion, Motion.load(config.truth))
    rows = list(dict.fromkeys(name for values in told.values() for name in values))
    console.table(("", *told), [(name, *(_shown(v.get(name)) for v in told.values())) for name in rows])
    with checkpoint.atomic(config.output) as temporary:
        temporary.write_text(json.dumps(told, indent=1), encoding="utf-8")
    return {"output": str(config.output), **told}


class Raw(NamedTuple):
    """What the network alone says about each frame."""

    expression: Float[Tensor, "t e"]
    talking: Float[Tensor, " t"]
    visemes: Int[Tensor, " t"]


class Tally:
    """What has been counted over clips so far; a class because it grows with each of them."""

    def __init__(self, judge: SyncNet | None) -> None:
        self.confused = torch.zeros(len(VISEMES), len(VISEMES), dtype=torch.long)
        self.examples: list[Example] = []
        self._judge = judge
        self._means: dict[str, list[float]] = defaultdict(list)
        self._sums: Counter[str] = Counter()
        self._offsets: dict[str, list[float]] = defaultdict(list)

    def add(
        self, clip: Clip, heard: Float[Tensor, "t 1 80 16"], ours: Float[Tensor, "t 52"], raw: Raw | None
    ) -> None:
        """Count a clip: what `speak` made of it, and what the network said."""
        true, labels = torch.from_numpy(clip.curves), torch.from_numpy(clip.labels).long()
        told = {"": ours[: len(true)]}
        if raw is not None:
            told["raw "] = raw.expression[: len(true)]
            is_right = (raw.talking[: len(labels)] > SURE) == (labels[:, 2] == 1)
            self._sums.update({"talk right": int(is_right.sum()), "frames": len(labels)})
        if clip.voice is None:
            for kind, curves in told.items():
                apart = sync.lips_apart(curves, ARKIT_NAMES)
                self._means[f"{kind}lips apart without speech"].append(float(apart.mean()))
            return
        for kind, curves in told.items():
            self._mouth(kind, curves, true, labels[:, 1] == 1)
        self._sums.update(_closures("true ", true, true, labels[:, 1] == 1))
        if raw is not None:
            self.confused += sync.confusion(raw.visemes[: len(labels)], labels[:, 0], len(VISEMES))
        if self._judge is not None:
            for kind, curves in {"": told[""], "true ": true}.items():
                mouth = sync_network.chosen(curves, ARKIT_NAMES, self._judge.config)
                self._offsets[kind] += _offsets(self._judge, heard[: len(mouth)], mouth[: len(heard)])
        if len(self.examples) < DRAWN:
            example = Example(
                name=f"{clip.voice.name} ({clip.voice.engine})",
                samples=torch.from_numpy(clip.samples),
                true=sync.lips_apart(true, ARKIT_NAMES),
                told=sync.lips_apart(told[""], ARKIT_NAMES),
                closed=labels[:, 1] == 1,
            )
            self.examples.append(example)

    def numbers(self) -> Mapping[str, object]:
        """Return all measures."""
        sums = self._sums
        found: dict[str, object] = {name: float(np.mean(values)) for name, values in self._means.items()}
        for kind in ("", "raw ", "true "):
            if sums[f"{kind}closures"]:
                found[f"{kind}closures found"] = sums[f"{kind}hits"] / sums[f"{kind}closures"]
            if sums[f"{kind}open"]:
                found[f"{kind}open lips shut"] = sums[f"{kind}shut"] / sums[f"{kind}open"]
        if sums["frames"]:
            found["talk told"] = sums["talk right"] / sums["frames"]
        if self.confused.any():
            right, sounds = self.confused.diagonal(), self.confused[1:]
            found["visemes right"] = float(right.sum() / self.confused.sum())
            found["visemes right, without silence"] = float(right[1:].sum() / sounds.sum().clamp(min=1))
            found["most confused"] = ", ".join(worst(self.confused))
        for kind, offsets in self._offsets.items():
            found[f"{kind}sync offsets, frames"] = _histogram(offsets)
        return found

    def _mouth(self, kind: str, ours: Tensor, true: Tensor, is_closed: Tensor) -> None:
        touch = _following("closure", _touching(ours), _touching(true))
        for name, value in {**_followed(ours, true), **touch}.items():
            self._means[kind + name].append(value)
        jitter, truth = _jitter(ours), _jitter(true)
        self._means[f"{kind}jitter"].append(jitter)
        self._means["true jitter"].append(truth)
        self._means[f"{kind}jitter, beside the truth's"].append(jitter / max(truth, 1e-6))
        self._sums.update(_closures(kind, ours, true, is_closed))


def of_clips(
    studio: Studio,
    clips: Sequence[Clip],
    latency: float,
    judge: SyncNet | None,
    console: Console,
    label: str,
) -> tuple[Mapping[str, object], Tally]:
    """Return measures of all clips at a latency, and what they were counted from."""
    tally = Tally(judge)
    for clip in console.progress(clips, total=len(clips), label=label):
        sound = torch.from_numpy(clip.samples)
        heard = windows.of_waveform(sound)
        motion = speak(sound, None, studio, latency_ms=latency)
        network = studio.expression
        raw = raw_of(network, heard, latency) if isinstance(network, MouthNet) else None
        tally.add(clip, heard, motion.expression, raw)
    return tally.numbers(), tally


@torch.no_grad()
def raw_of(network: MouthNet, heard: Float[Tensor, "t 1 80 16"], latency: float) -> Raw:
    """Return what the network alone says, as late as a stream of that latency."""
    rest = torch.zeros(network.config.modes)
    delay = sources.of_network(network, rest, _heard_frames(latency)).hearing.delay
    whole = torch.cat([heard, windows.silence(delay)])
    said, _ = network(whole[None], torch.tensor([delay]))
    return Raw(
        expression=network.among_all(said.modes[0, delay:]),
        talking=said.talking[0, delay:].sigmoid(),
        visemes=said.visemes[0, delay:].argmax(dim=1),
    )


def of_face(ours: Motion, true: Motion) -> Mapping[str, object]:
    """Return how well a mouth follows that of a real face, as far as both last."""
    frames = min(len(ours), len(true))
    return _followed(ours.expression[:frames], true.expression[:frames])


def worst(confused: Int[Tensor, "v v"]) -> list[str]:
    """Return which classes of sounds are told as which others in the largest shares."""
    others = confused.float() / confused.sum(1, keepdim=True).clamp(min=1)
    others.fill_diagonal_(0)
    others[confused.sum(1) < LEAST] = 0
    best = others.flatten().argsort(descending=True)[:WORST].tolist()
    places = [divmod(place, len(confused)) for place in best]
    return [f"{VISEMES[a]} as {VISEMES[b]} {float(others[a, b]):.2f}" for a, b in places]


def _followed(ours: Float[Tensor, "t 52"], true: Float[Tensor, "t 52"]) -> dict[str, float]:
    """Return correlation and lag of jaw, of lips and of rounding, in milliseconds."""
    jaw = ARKIT_NAMES.index("jawOpen")
    round_ = [ARKIT_NAMES.index(name) for name in ROUND]
    pairs = {
        "jaw": (ours[:, jaw], true[:, jaw]),
        "lips": (sync.lips_apart(ours, ARKIT_NAMES), sync.lips_apart(true, ARKIT_NAMES)),
        "rounding": (ours[:, round_].sum(1), true[:, round_].sum(1)),
    }
    return {key: value for name, pair in pairs.items() for key, value in _following(name, *pair).items()}


def _following(name: str, ours: Float[Tensor, " t"], true: Float[Tensor, " t"]) -> dict[str, float]:
    """Return correlation and lag of a curve; nothing where the true one does not move."""
    if float(true.std()) < 1e-3:
        return {}
    follows = sync.following(ours, true)
    return {f"{name} r": follows.correlation, f"{name} late, ms": FRAME_MS * follows.lag}


def _touching(curves: Float[Tensor, "t 52"]) -> Float[Tensor, " t"]:
    """Return how near lips are to each other: 1 where they touch, 0 where they are clearly open."""
    return (1 - sync.lips_apart(curves, ARKIT_NAMES) / WIDE).clamp(min=0)


def _closures(
    kind: str, ours: Float[Tensor, "t 52"], true: Float[Tensor, "t 52"], is_closed: Bool[Tensor, " t"]
) -> Mapping[str, int]:
    """Return counts of closures and of open lips, and of those at which lips are shut."""
    apart, apart_true = (sync.lips_apart(one, ARKIT_NAMES) for one in (ours, true))
    hits, closures = sync.closure_recall(apart, is_closed)
    open_ = apart_true > WIDE
    shut = int((apart[open_] < sync.SHUT).sum())
    counts = {"hits": hits, "closures": closures, "open": int(open_.sum()), "shut": shut}
    return {f"{kind}{name}": count for name, count in counts.items()}


def _studio(config: MeasureHearingConfig) -> Studio:
    if config.expression is not None:
        network = files.load(files.MOUTH, config.expression)
        if config.networks is None:
            return Studio(expression=network)
        return replace(Studio.open(config.networks), expression=network)
    return Studio.built_in() if config.networks is None else Studio.open(config.networks)


def _heard_frames(latency: float) -> int:
    """Return how many frames ahead the network of a stream hears; one may go to smoothing."""
    frames = stream.frames_of(latency)
    return frames - 1 if frames >= stream.SMOOTHED_FROM else frames


def _clips(folder: Path, count: int) -> list[Clip]:
    voices = voice_sources.open_voices([folder], frames=1)
    if not isinstance(voices, ClipShards):
        raise UsageError(f"{folder} holds footage. Measure on voices, whose phones are known.")
    numbers = np.linspace(0, voices.count - 1, min(count, voices.count)).round().astype(int)
    return [voices.clip(int(number)) for number in numbers]


@torch.no_grad()
def _offsets(judge: SyncNet, heard: Float[Tensor, "t 1 80 16"], mouth: Float[Tensor, "t c"]) -> list[float]:
    sound_points, mouth_points = judge(heard[None], mouth[None])
    distances = sync.shifted_distances(mouth_points[0], sound_points[0])
    found: list[float] = sync.span_offsets(distances, SPAN_S * windows.FPS).tolist()
    return found


def _histogram(offsets: list[float]) -> str:
    counts = Counter(round(offset) for offset in offsets if np.isfinite(offset))
    return " ".join(f"{offset:+d}:{counts[offset]}" for offset in sorted(counts))


def _jitter(curves: Float[Tensor, "t e"]) -> float:
    return float(curves[:, MOUTH].diff(n=2, dim=0).abs().mean())


def _shown(value: object) -> str:
    if value is None:
        return ""
    return f"{value:.3f}" if isinstance(value, float) else str(value)
