"""Sound: same pitch, same loudness, same place in time, same length, whatever the file."""

from __future__ import annotations

import wave
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from torch import Tensor

from phiz.errors import MediaError, PhizError
from phiz.media import audio


def tone(frequency: float, rate: int, seconds: float = 1.0, amplitude: float = 0.5) -> Tensor:
    return amplitude * torch.sin(2 * torch.pi * frequency * torch.arange(round(rate * seconds)) / rate)


def foreign_file(
    path: Path, waveform: Tensor, rate: int, layout: str = "stereo", codec: str = "pcm_s16le"
) -> Path:
    """Write a file as other programs do: any rate, layout and sample format."""
    with av.open(str(path), "w") as target:
        stream = target.add_stream(codec, rate=rate, layout=layout)
        channels = stream.codec_context.channels
        data = np.repeat(waveform.numpy()[None].astype(np.float32), channels, axis=0)
        frame = av.AudioFrame.from_ndarray(data, format="fltp", layout=layout)
        frame.sample_rate, frame.pts, frame.time_base = rate, 0, Fraction(1, rate)
        target.mux(stream.encode(frame))
        target.mux(stream.encode(None))
    return path


def delay(heard: Tensor, expected: Tensor, reach: int = 30) -> int:
    """Return by how many samples `heard` comes after `expected`, by cross-correlation."""
    middle = expected[reach:-reach]
    match = [heard[reach + d : reach + d + len(middle)] @ middle for d in range(-reach, reach + 1)]
    return int(torch.stack(match).argmax()) - reach


@pytest.mark.parametrize("layout", ["mono", "stereo", "5.1"])
@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100, 48_000])
def test_a_tone_keeps_pitch_loudness_place_and_length(tmp_path: Path, rate: int, layout: str) -> None:
    heard = audio.read(foreign_file(tmp_path / "a.wav", tone(440, rate), rate, layout))
    expected = tone(440, 16_000)
    assert heard.dtype == torch.float32
    assert len(heard) == len(expected)
    assert delay(heard, expected) == 0
    assert (heard - expected)[200:-200].abs().max() < 2e-3


@pytest.mark.parametrize("codec", ["pcm_u8", "pcm_s24le", "pcm_s32le", "pcm_f32le", "pcm_f64le"])
def test_every_sample_format_is_read(tmp_path: Path, codec: str) -> None:
    heard = audio.read(foreign_file(tmp_path / "a.wav", tone(440, 16_000), 16_000, codec=codec))
    assert (heard - tone(440, 16_000)).abs().max() < (1e-2 if codec == "pcm_u8" else 1e-6)


def test_tones_above_the_new_limit_vanish_instead_of_folding_back(tmp_path: Path) -> None:
    heard = audio.read(foreign_file(tmp_path / "a.wav", tone(11_000, 48_000), 48_000))
    assert heard[200:-200].abs().max() < 0.5e-2  # 40 dB below


@pytest.mark.parametrize("samples", [2, 3, 1023, 44_101, 50_000])
def test_the_new_length_is_the_old_one_times_the_ratio_rounded(tmp_path: Path, samples: int) -> None:
    noise = torch.rand(samples, generator=torch.Generator().manual_seed(0)) - 0.5
    path = foreign_file(tmp_path / "a.wav", noise, 44_100, "mono")
    assert len(audio.read(path)) == int(samples * 16_000 / 44_100 + 0.5)


@pytest.mark.parametrize("suffix", [".wav", ".flac"])
def test_sixteen_bits_go_out_and_come_back_unchanged(tmp_path: Path, suffix: str) -> None:
    waveform = torch.arange(-32768, 32768).float() / 32768
    audio.write(tmp_path / f"a{suffix}", waveform, 22_050)
    assert torch.equal(audio.read(tmp_path / f"a{suffix}", 22_050), waveform)


@pytest.mark.parametrize("suffix", [".m4a", ".mp3", ".opus", ".ogg"])
def test_lossy_formats_keep_the_place_in_time(tmp_path: Path, suffix: str) -> None:
    generator = torch.Generator().manual_seed(0)
    waveform = torch.zeros(32_000)
    waveform[8_000:24_000] = tone(300, 16_000) * torch.rand(1, generator=generator)
    waveform[16_000:16_100] = 0
    audio.write(tmp_path / f"a{suffix}", waveform)
    heard = audio.read(tmp_path / f"a{suffix}")
    assert abs(delay(heard[:30_000], waveform[:30_000], reach=400)) <= 16
    assert abs(len(heard) - len(waveform)) < 2000


def test_sound_too_loud_for_the_file_is_cut_off_not_wrapped(tmp_path: Path) -> None:
    audio.write(tmp_path / "a.wav", torch.tensor([2.0, -2.0]))
    assert audio.read(tmp_path / "a.wav").tolist() == [32767 / 32768, -1.0]


def test_blocks_have_one_length_and_make_up_the_whole(tmp_path: Path) -> None:
    path = foreign_file(tmp_path / "a.wav", tone(440, 44_100, 1.37), 44_100)
    blocks = list(audio.iterate(path, 16_000, block=3_000))
    assert {len(block) for block in blocks[:-1]} == {3_000}
    assert torch.equal(torch.cat(blocks), audio.read(path))


def test_the_duration_is_the_length_of_what_is_read(tmp_path: Path) -> None:
    for suffix in (".wav", ".flac", ".m4a"):
        audio.write(tmp_path / f"a{suffix}", tone(440, 16_000, 1.5))
        assert audio.duration(tmp_path / f"a{suffix}") == pytest.approx(1.5, abs=0.01)
        assert len(audio.read(tmp_path / f"a{suffix}")) == pytest.approx(24_000, abs=160)


def test_reading_less_than_all_of_it_leaves_nothing_open(tmp_path: Path) -> None:
    audio.write(tmp_path / "a.wav", tone(440, 16_000))
    blocks = audio.iterate(tmp_path / "a.wav", block=100)
    assert len(next(blocks)) == 100
    blocks.close()  # type: ignore[attr-defined]


@pytest.mark.parametrize("content", [b"", b"not a sound at all" * 50, b"RIFF\x00\x00\x00\x00WAVEfmt "])
def test_what_is_no_sound_is_refused_with_advice(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.wav").write_bytes(content)
    with pytest.raises(MediaError, match=r"a\.wav"):
        audio.read(tmp_path / "a.wav")


def test_missing_files_folders_and_silent_films_are_refused(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="no sound at"):
        audio.read(tmp_path / "none.wav")
    with pytest.raises(MediaError, match="folder"):
        audio.read(tmp_path)
    with av.open(str(tmp_path / "a.mp4"), "w") as target:
        stream = target.add_stream("libx264", rate=25)
        stream.width = stream.height = 32
        target.mux(stream.encode(av.VideoFrame(32, 32, "yuv420p")))
        target.mux(stream.encode(None))
    with pytest.raises(MediaError, match="has no sound"):
        audio.read(tmp_path / "a.mp4")


def test_a_sound_file_without_samples_is_refused(tmp_path: Path) -> None:
    with wave.open(str(tmp_path / "a.wav"), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
    with pytest.raises(MediaError, match="nothing in it"):
        audio.read(tmp_path / "a.wav")


def test_writing_refuses_unknown_suffixes_and_impossible_places(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match=r"\.flac"):
        audio.write(tmp_path / "a.xyz", torch.zeros(4))
    with pytest.raises(MediaError, match="not one sample"):
        audio.write(tmp_path / "a.wav", torch.zeros(0))
    (tmp_path / "file").touch()
    with pytest.raises(PhizError):
        audio.write(tmp_path / "file" / "a.wav", torch.zeros(4))


def test_what_is_wrong_with_a_recording_is_said(tmp_path: Path) -> None:
    good, path = tone(200, 16000, 2.0), tmp_path / "said.wav"
    loud = (4 * good).clamp(-1, 1)
    cases = {
        "": good,
        "0.10 s long": good[:1600],
        "is silent": 0 * good,
        "very quiet (-40 dB": 0.02 * good,
        "recorded too loud: 6": loud,
    }
    for words, waveform in cases.items():
        audio.write(path, waveform)
        told = audio.doubts(path)
        assert (told == []) if not words else (len(told) == 1 and words in told[0]), (words, told)
