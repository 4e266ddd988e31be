"""The recipe from sound to film, with a picture source of a few triangles."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from phiz.console import Console
from phiz.face.coeffs import Motion
from phiz.graphics import raster
from phiz.media import audio, video
from phiz.pipelines import Stopwatch, talk
from phiz.speech import spectrum

NAMES = ("eyeBlinkLeft", "jawOpen", "mouthClose", "mouthPucker")
SIZE = 64


def speak(sound: Path) -> Motion:
    return spectrum.speak(
        audio.read(sound), audio.RATE, NAMES, torch.Generator().manual_seed(0), basis="arkit"
    )


def paint(motion: Motion) -> Iterator[Tensor]:
    """Yield a light mouth of two triangles on a dark face; it is as high as the jaw is open."""
    triangles = torch.tensor([[0, 1, 2], [0, 2, 3]], dtype=torch.int32)
    for jaw in motion.expression[:, NAMES.index("jawOpen")].tolist():
        low = 20 + 60 * jaw
        corners = [[16.0, 20.0, 1.0], [16.0, low, 1.0], [48.0, low, 1.0], [48.0, 20.0, 1.0]]
        hits = raster.rasterise(torch.tensor(corners), triangles, SIZE, SIZE)
        yield torch.where(hits.triangle >= 0, 0.8, -0.8).expand(3, SIZE, SIZE)


def words(path: Path) -> Path:
    """Write two vowels with pauses: 0.4 to 0.8 s and 1.2 to 1.6 s."""
    times = torch.arange(32_000) / 16_000
    buzz = sum((torch.sin(2 * torch.pi * 120 * k * times) / k for k in range(1, 30)), torch.zeros(32_000))
    said = ((times % 0.8) > 0.4).float()
    noise = 1e-4 * torch.from_numpy(np.random.default_rng(0).standard_normal(32_000)).float()
    audio.write(path, 0.2 * buzz * said + noise)
    return path


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("film")
    made = talk(
        words(folder / "words.wav"),
        folder / "film.mp4",
        speak=speak,
        paint=paint,
        console=Console(quiet=True),
    )
    assert (made.frames, made.seconds) == (50, 2.0)
    assert min(made.speaking_s, made.painting_s, made.encoding_s) > 0
    return made.path


def test_the_film_has_the_sound_and_its_length(film: Path) -> None:
    info = video.probe(film)
    assert (info.frames, info.height, info.width, info.has_audio) == (50, SIZE, SIZE, True)
    said, heard = audio.read(film.with_name("words.wav")), audio.read(film)
    assert len(heard) == len(said)
    assert torch.corrcoef(torch.stack([heard, said]))[0, 1] > 0.9


def test_the_mouth_in_the_picture_opens_with_the_vowels_and_closes_in_the_pauses(film: Path) -> None:
    light = torch.stack([(frame > 0).float().mean() for frame in video.read(film)])
    seconds = (torch.arange(50) + 0.5) / 25
    spoken = ((seconds % 0.8) > 0.48) & ((seconds % 0.8) < 0.76)
    quiet = ((seconds % 0.8) > 0.16) & ((seconds % 0.8) < 0.32)
    assert light[spoken].min() > 2 * light[quiet].max()


def test_a_stopwatch_counts_only_what_the_frames_took() -> None:
    watch = Stopwatch()
    assert len(list(watch.timed(iter([torch.zeros(1)] * 3)))) == 3
    assert 0 < watch.seconds < 0.1
