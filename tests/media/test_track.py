"""A film's sound: as long as the pictures, from blocks of any length."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import av
import pytest
import torch
from torch import Tensor

from phiz.media import audio
from phiz.media.track import Track

RATE = 16_000


def written(path: Path, sound: Tensor | Iterator[Tensor], steps: list[int]) -> Tensor:
    """Return what one hears of a sound that was brought up to each of the steps, one after the other."""
    with av.open(str(path), "w", format="mp4") as container:
        track = Track(container, sound, RATE)
        for until in steps:
            track.write(until)
        track.finish()
    return audio.read(path)


@pytest.mark.parametrize("samples", [0, 5_000, 90_000])
def test_sound_is_cut_or_filled_up_with_silence(tmp_path: Path, samples: int) -> None:
    heard = written(tmp_path / "a.m4a", torch.full((samples,), 0.5), [640, 1280, 1280, 10_000])
    assert len(heard) == 10_000
    assert (heard[:4000].mean() > 0.3) == (samples > 0)
    assert (heard[7000:].mean() > 0.3) == (samples > 10_000)


def test_blocks_of_any_length_make_the_same_file(tmp_path: Path) -> None:
    sound = torch.rand(10_000, generator=torch.Generator().manual_seed(0)) - 0.5
    steps = list(range(640, 12_000, 640))
    whole = written(tmp_path / "a.m4a", sound, steps)
    pieces = iter(torch.split(sound, [0, 1, 3_000, 0, 6_999, 0]))
    assert torch.equal(written(tmp_path / "b.m4a", pieces, steps), whole)
