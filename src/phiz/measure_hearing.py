"""How well what is heard fits what was said: on voices never learned from, or on a face that was tracked."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from phiz import checkpoint, trained
from phiz.console import Console
from phiz.errors import UsageError
from phiz.face.coeffs import Motion
from phiz.face.morphable import ARKIT_NAMES
from phiz.metrics import sync
from phiz.options import option
from phiz.speech import sources, stream, sync_network, windows
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
WORST = 3
"""Confusions of visemes that are told, the most frequent first."""


@dataclass(frozen=True, kw_only=True)
class MeasureHearingConfig:
    """On whose voices to measure."""

    data: tuple[Path, ...] = ()
    """Voices that were not learned from: folders of phiz world voices."""
    networks: Path | None = None
    """Folder of other networks than the built-in ones."""
    latency: tuple[float, ...] = (120.0, 240.0, 480.0)
    """Milliseconds that a stream may be late, each measured."""
    truth: Path | None = None
    """Motion of a real face, from phiz track, in ARKit's expressions; --audio is its sound."""
    audio: Path | None = None
    output: Path = option(Path("hearing.json"), "-o", "--output")
    """File for all numbers."""
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
    studio = Studio.built_in() if config.networks is None else Studio.open(config.networks)
    if set(ARKIT_NAMES) - set(studio.names):
        raise UsageError(f"these networks tell {studio.basis!r}, without ARKit's names; nothing to compare.")
    judge = trained.load(SYNC) if SYNC.built_in.exists() else None
    told: dict[str, Mapping[str, object]] = {}
    for latency in config.latency:
        for folder in config.data:
            clips = _clips(folder, config.count)
            label = f"{folder.name}, {latency:g} ms"
            told[label] = of_clips(studio, clips, latency, judge, console, label)
        if config.truth is not None and config.audio is not None:
            motion = speak(config.audio, None, studio, latency_ms=latency)
            told[f"{config.truth.name}, {latency:g} ms"] = of_face(motion, Motion.load(config.truth))
    rows = list(dict.fromkeys(name for values in told.values() for name in values))
    console.table(("", *told), [(name, *(_shown(v.get(name)) for v in told.values())) for name in rows])
    with checkpoint.atomic(config.output) as temporary:
        temporary.write_text(json.dumps(told, indent=1), encoding="utf-8")
    return {"output": str(config.output), **told}


def of_clips(
    studio: Studio,
    clips: Iterator[Clip],
    latency: float,
    judge: SyncNet | None,
    console: Console,
    label: str,
) -> Mapping[str, object]:
    """Return measures of all clips; curves are those of `speak`, but for what the network alone tells."""
    means: dict[str, list[float]] = defaultdict(list)
    sums: Counter[str] = Counter()
    offsets: list[float] = []
    confused = torch.zeros(len(VISEMES), len(VISEMES), dtype=torch.long)
    for clip in console.progress(clips, label=label):
        sound = torch.from_numpy(clip.samples)
        motion = speak(sound, None, studio, latency_ms=latency)
        ours, true = motion.expression[: len(clip.curves)], torch.from_numpy(clip.curves)
        labels = torch.from_numpy(clip.labels).long()
        apart, apart_true = (sync.lips_apart(one, ARKIT_NAMES) for one in (ours, true))
        if clip.voice is None:
            means["lips apart without speech"].append(float(apart.mean()))
            continue
        for name, value in _followed(ours, true).items():
            means[name].append(value)
        hits, closures = sync.closure_recall(apart, labels[:, 1] == 1)
        open_ = apart_true > WIDE
        sums.update(
            {"hits": hits, "closures": closures, "open": int(open_.sum())}
            | {"shut": int((apart[open_] < sync.SHUT).sum())}
        )
        means["jitter, beside the truth's"].append(_jitter(ours) / max(_jitter(true), 1e-6))
        heard = windows.of_waveform(sound)
        if isinstance(studio.expression, MouthNet):
            confused += _confusion(studio.expression, heard, labels, latency)
        if judge is not None:
            mouth = sync_network.chosen(ours, ARKIT_NAMES, judge.config)
            offsets += _offsets(judge, heard[: len(mouth)], mouth[: len(heard)])
    found: dict[str, object] = {name: float(np.mean(values)) for name, values in means.items()}
    found["closures found"] = sums["hits"] / max(sums["closures"], 1)
    found["open lips shut"] = sums["shut"] / max(sums["open"], 1)
    if confused.any():
        found["visemes right"] = float(confused.diagonal().sum() / confused.sum())
        found["most confused"] = ", ".join(worst(confused))
    if offsets:
        found["sync offsets, frames"] = _histogram(offsets)
    return found


def of_face(ours: Motion, true: Motion) -> Mapping[str, object]:
    """Return how well a mouth follows that of a real face, as far as both last."""
    frames = min(len(ours), len(true))
    return _followed(ours.expression[:frames], true.expression[:frames])


def worst(confused: Int[Tensor, "v v"]) -> list[str]:
    """Return which classes of sounds are told as which others most often."""
    others = confused.float() / confused.sum(1, keepdim=True).clamp(min=1)
    others.fill_diagonal_(0)
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
    found: dict[str, float] = {}
    for name, (one, other) in pairs.items():
        if float(other.std()) < 1e-3:
            continue
        follows = sync.following(one, other)
        found |= {f"{name} r": follows.correlation, f"{name} late, ms": FRAME_MS * follows.lag}
    return found


def _clips(folder: Path, count: int) -> Iterator[Clip]:
    voices = voice_sources.open_voices([folder], frames=1)
    if not isinstance(voices, ClipShards):
        raise UsageError(f"{folder} holds footage. Measure on voices, whose phones are known.")
    for number in np.linspace(0, voices.count - 1, min(count, voices.count)).round().astype(int):
        yield voices.clip(int(number))


@torch.no_grad()
def _confusion(
    network: MouthNet, heard: Float[Tensor, "t 1 80 16"], labels: Tensor, latency: float
) -> Tensor:
    """Return which classes of sounds the network takes for which, as late as a stream of that latency."""
    rest = torch.zeros(network.config.modes)
    delay = sources.of_network(network, rest, stream.frames_of(latency)).hearing.delay
    said, _ = network(heard[None], torch.tensor([delay]))
    told = said.visemes[0, delay:].argmax(dim=1)
    return sync.confusion(told, labels[: len(told), 0], len(VISEMES))


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
    return float(curves.diff(n=2, dim=0).abs().mean())


def _shown(value: object) -> str:
    if value is None:
        return ""
    return f"{value:.3f}" if isinstance(value, float) else str(value)
