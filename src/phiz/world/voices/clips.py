"""Clips of a data set by number: somebody says something, and what their mouth does meanwhile.

A clip always lasts the same time, so that clips make batches without padding. One in eight has no
speech: then the mouth is closed, whatever is heard.
"""

from __future__ import annotations

import io
import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np
from jaxtyping import Float, Int8
from numpy.typing import NDArray

from phiz.errors import DataError, MediaError, MissingError, PhizError
from phiz.face.morphable import ARKIT_NAMES
from phiz.world.voices import curves, noises, prosody, sounds, texts
from phiz.world.voices.engines import Engine, Phone, Samples, Spoken, Voice, filled

RATE, FPS = 16_000, curves.FPS
Split = Literal["train", "voices", "engines"]
"""Which voices: those to learn from, other speakers of the same engines, or another engine."""

HELD_SPEAKERS = 8
"""One speaker in so many is not learned from."""
WEIGHTS = {"espeak": 0.36, "festival": 0.3, "flite": 0.2, "formant": 0.14}
"""How often each engine speaks, among those that are here; one we do not know as often as espeak."""
ENGLISH = 3.0
"""How much more often English is drawn than another language."""
MUTE_SHARE = 0.12
SOUND_BETWEEN = 0.25
"""How often a pause between sentences is filled with breath, a laugh or a knock."""
TRIES = 4
"""Texts that an engine may fail at; some voices of Festival crash now and then."""
LEAD_S, PAUSE_S = (0.0, 0.9), (0.08, 1.3)
VOICE_LEVEL, LOUDER_DB = 0.07, 4.0
"""Root mean square of a voice, and by how much a sentence may be louder or quieter."""
PHONES, CURVES, SOUND, LABELS = "about.json", "curves.npy", "sound.npy", "labels.npy"


@dataclass(frozen=True, kw_only=True)
class Clip:
    """What is heard, and what is seen meanwhile."""

    samples: Samples
    """At 16 kHz."""
    curves: Float[NDArray[np.float32], "t 52"]
    """ARKit's weights at 25 frames a second; a frame shows its middle."""
    labels: Int8[NDArray[np.int8], "t 3"]
    """Viseme, whether lips are shut by a /p/, /b/ or /m/, and whether somebody talks."""
    phones: tuple[Phone, ...]
    voice: Voice | None
    """None in a clip without speech."""
    text: str


@dataclass(frozen=True, kw_only=True)
class Track:
    """What has been put together so far, before rooms and noise."""

    samples: Samples
    phones: tuple[Phone, ...] = ()
    text: str = ""

    @property
    def seconds(self) -> float:
        return len(self.samples) / RATE


class SpokenClips:
    """Makes clips by number; a class because it keeps the engines and who speaks in them.

    The same number gives the same bytes wherever the same engines and voices are installed.
    """

    def __init__(
        self,
        engines: Sequence[Engine],
        *,
        seed: int,
        seconds: float = 12.0,
        split: Split = "train",
        held_engine: str = "",
        is_clean: bool = False,
    ) -> None:
        self.engines = {engine.name: engine for engine in engines}
        self.seed = seed
        self.seconds = seconds
        self.is_clean = is_clean
        self.voices = cast(engines, split=split, held_engine=held_engine)

    def __call__(self, number: int) -> dict[str, bytes]:
        """Return the files of a clip."""
        return encode(self.clip(number))

    def clip(self, number: int) -> Clip:
        """Return a clip."""
        rng = np.random.default_rng([self.seed, number])
        if rng.random() < MUTE_SHARE:
            voice, track = None, self._without_speech(rng)
        else:
            voice = draw_voice(self.voices, rng)
            track = self._talk(voice, rng)
        mouth, labels = seen(track, self.seconds, rng)
        samples = track.samples if self.is_clean else sounds.spoil(track.samples, rng)
        return Clip(
            samples=samples, curves=mouth, labels=labels, phones=track.phones, voice=voice, text=track.text
        )

    def _talk(self, voice: Voice, rng: np.random.Generator) -> Track:
        """Return sentences with pauses between them, cut to length."""
        change = sounds.draw_change(rng)
        track = Track(samples=noises.silence(int(RATE * float(rng.uniform(*LEAD_S))), rng) * 0.1)
        while track.seconds < self.seconds:
            text, said = self._say(voice, rng)
            samples = sounds.throat(sounds.at_rate(said.samples, said.rate), change)
            phones = _moved(said.phones, factor=1 / change.speed, by=track.seconds)
            gain = 10 ** (float(rng.uniform(-LOUDER_DB, LOUDER_DB)) / 20)
            track = _joined(track, Track(samples=_levelled(samples, gain), phones=phones, text=text))
            track = _joined(track, Track(samples=_pause(rng)))
        return _cut(track, self.seconds)

    def _say(self, voice: Voice, rng: np.random.Generator) -> tuple[str, Spoken]:
        """Return a text and how it sounds; where an engine stumbles over a text, it gets another one."""
        failure: PhizError | None = None
        for _ in range(TRIES):
            text = " ".join(texts.compose(voice.language, rng) for _ in range(int(rng.integers(1, 4))))
            try:
                return text, self.engines[voice.engine].speak(text, voice, rng)
            except (DataError, MediaError) as error:
                failure = error
        raise DataError(
            f"{voice.name} ({voice.engine}) could not say any of {TRIES} texts. "
            "Leave the engine out: --engines"
        ) from failure

    def _without_speech(self, rng: np.random.Generator) -> Track:
        """Return sounds that are not speech, one or several after another."""
        track = Track(samples=np.zeros(0, np.float32))
        while track.seconds < self.seconds:
            make = list(noises.MUTE.values())[int(rng.integers(0, len(noises.MUTE)))]
            length = int(RATE * self.seconds * float(rng.choice([0.25, 0.5, 1.0])))
            track = _joined(track, Track(samples=make(length, rng)))
        return _cut(track, self.seconds)


def cast(engines: Sequence[Engine], *, split: Split, held_engine: str) -> tuple[Voice, ...]:
    """Return who speaks in a part of the data; nobody is in two parts.

    `held_engine` speaks in "engines" only, and one speaker in eight of the others in "voices" only.
    """
    everybody = [voice for engine in engines for voice in engine.voices()]
    others = [voice for voice in everybody if voice.engine != held_engine]
    chosen = {
        "train": [voice for voice in others if not is_held(voice)],
        "voices": [voice for voice in others if is_held(voice)],
        "engines": [voice for voice in everybody if voice.engine == held_engine],
    }[split]
    if not chosen:
        raise MissingError(
            f"Nobody here can speak in the part {split!r} (held engine: {held_engine or 'none'}). "
            "Install more synthesisers, or hold another engine: phiz world voices --list"
        )
    return tuple(chosen)


def is_held(voice: Voice) -> bool:
    """Return whether a speaker is one of those whom nothing is learned from."""
    return zlib.crc32(voice.speaker.encode()) % HELD_SPEAKERS == 0


def draw_voice(voices: Sequence[Voice], rng: np.random.Generator) -> Voice:
    """Return who speaks: first the engine is drawn, then the language, then the voice."""
    here = sorted({voice.engine for voice in voices})
    engine = _weighted(here, [WEIGHTS.get(name, WEIGHTS["espeak"]) for name in here], rng)
    spoken = sorted({voice.language for voice in voices if voice.engine == engine})
    language = _weighted(spoken, [ENGLISH if name == "en" else 1.0 for name in spoken], rng)
    left = [voice for voice in voices if (voice.engine, voice.language) == (engine, language)]
    return left[int(rng.integers(0, len(left)))]


def seen(
    track: Track, seconds: float, rng: np.random.Generator
) -> tuple[Float[NDArray[np.float32], "t 52"], Int8[NDArray[np.int8], "t 3"]]:
    """Return curves and labels of what is said."""
    frames = curves.frame_count(seconds)
    if not any(phone.symbol for phone in track.phones):
        silence = filled((), seconds)
        blinks = prosody.brows_and_lids(silence, _NOTHING, frames, FPS, rng)
        return blinks, np.zeros((frames, 3), np.int8)
    heard = prosody.listen(track.samples)
    efforts = prosody.efforts(track.phones, heard)
    mouth = curves.mouth(track.phones, seconds, efforts=efforts)
    above = prosody.brows_and_lids(track.phones, heard, frames, FPS, rng)
    told = curves.labels(track.phones, seconds)
    labels = np.stack([told.viseme, told.closed, told.talking], axis=1).astype(np.int8)
    return np.maximum(mouth, above), labels


def encode(clip: Clip) -> dict[str, bytes]:
    """Return the files of a clip: 16-bit sound, half-precision curves, labels, and the rest as JSON."""
    sound = (clip.samples * 32768).round().clip(-32768, 32767).astype(np.int16)
    about = {
        "voice": asdict(clip.voice) if clip.voice else None,
        "text": clip.text,
        "phones": [[p.symbol, round(p.start, 5), round(p.end, 5), p.stress] for p in clip.phones],
    }
    return {
        SOUND: _npy(sound),
        CURVES: _npy(clip.curves.astype(np.float16)),
        LABELS: _npy(clip.labels),
        PHONES: json.dumps(about, ensure_ascii=False, sort_keys=True).encode(),
    }


def decode(files: Mapping[str, bytes]) -> Clip:
    """Return the clip in the files that `encode` made."""
    try:
        about = json.loads(files[PHONES])
        sound = np.load(io.BytesIO(files[SOUND]), allow_pickle=False)
        mouth = np.load(io.BytesIO(files[CURVES]), allow_pickle=False)
        labels = np.load(io.BytesIO(files[LABELS]), allow_pickle=False)
    except (KeyError, ValueError, OSError) as error:
        raise DataError(f"this is no clip of a voice ({error}). Write the data set anew.") from error
    if mouth.shape[1:] != (len(ARKIT_NAMES),) or labels.shape != (len(mouth), 3):
        raise DataError(
            f"curves {mouth.shape} and labels {labels.shape} do not fit. Write the data set anew."
        )
    return Clip(
        samples=sound.astype(np.float32) / 32768,
        curves=mouth.astype(np.float32),
        labels=labels,
        phones=tuple(Phone(symbol=s, start=a, end=b, stress=c) for s, a, b, c in about["phones"]),
        voice=Voice(**about["voice"]) if about["voice"] else None,
        text=about["text"],
    )


_NOTHING = prosody.Heard(decibels=np.zeros(1), pitch=np.zeros(1))


def _pause(rng: np.random.Generator) -> Samples:
    """Return what is between two sentences: silence, or a breath, a laugh or a knock."""
    count = int(RATE * float(rng.uniform(*PAUSE_S)))
    if rng.random() > SOUND_BETWEEN or count < RATE // 4:
        return noises.silence(count, rng) * 0.1
    make = (noises.breath, noises.breath, noises.laughter, noises.knocks)[int(rng.integers(0, 4))]
    return make(count, rng) * float(rng.uniform(0.05, 0.6))


def _levelled(samples: Samples, gain: float) -> Samples:
    """Return a voice of the usual loudness, silence not counted."""
    loud = samples[np.abs(samples) > 0.02 * float(np.abs(samples).max(initial=1e-6))]
    power = float(np.sqrt(np.mean(loud**2))) if len(loud) else 1.0
    return (samples * (gain * VOICE_LEVEL / max(power, 1e-6))).astype(np.float32)


def _moved(phones: Sequence[Phone], *, factor: float, by: float) -> tuple[Phone, ...]:
    return tuple(replace(p, start=p.start * factor + by, end=p.end * factor + by) for p in phones)


def _joined(one: Track, other: Track) -> Track:
    text = f"{one.text} {other.text}".strip()
    samples = np.concatenate([one.samples, other.samples])
    return Track(samples=samples, phones=(*one.phones, *other.phones), text=text)


def _cut(track: Track, seconds: float) -> Track:
    """Return the first seconds of a track, with silence wherever nothing is said."""
    samples = track.samples[: round(seconds * RATE)]
    return Track(samples=samples, phones=filled(track.phones, seconds), text=track.text)


def _weighted(names: Sequence[str], weights: Sequence[float], rng: np.random.Generator) -> str:
    share = np.array(weights) / sum(weights)
    return names[int(rng.choice(len(names), p=share))]


def _npy(values: NDArray[Any]) -> bytes:
    file = io.BytesIO()
    np.save(file, values, allow_pickle=False)
    return file.getvalue()
