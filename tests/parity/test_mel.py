"""The mel spectrogram and its windows are the recorded ones, in one piece and streamed."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
import torch
from parity import recorded
from parity.recorded import Bundle
from torch import Tensor

from phiz.speech import windows
from phiz.speech.windows import FRAME, HOP, WindowStream

CLOSE = 1e-5
PATTERNS = (
    ("mel", r".+/mel"),
    ("mirrored", r".+/mel_reflect"),
    ("exact", r".+/mel_float64"),
    ("cut", r".+/windows"),
    ("window", r".+/frame\d+_window"),
    ("basis", r"mel_basis"),
)

Check = Callable[..., None]
Case = tuple[Bundle, str]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    recorded.parametrize(metafunc, PATTERNS, beside=r".+/wav")


def sound_of(case: Case) -> Tensor:
    """Return the sound that went in: recorded, the beginning of a recorded one, or silence."""
    bundle, name = case
    title = name.split("/")[0]
    if f"{title}/wav" in bundle.tensors:
        return bundle.tensors[f"{title}/wav"]
    if title.startswith("zeros"):
        return torch.zeros((len(bundle.tensors[name]) - 1) * HOP)
    beginning = re.fullmatch(r"(.+)_(\d+)", title)
    if beginning is None or f"{beginning[1]}/wav" not in bundle.tensors:
        pytest.skip(f"{bundle.label} does not say what sound {title} is")
    return bundle.tensors[f"{beginning[1]}/wav"][: int(beginning[2])]


def whole_frames(sound: Tensor) -> Tensor:
    return sound[: len(sound) // FRAME * FRAME]


def test_spectrograms_match(mel: Case, check: Check) -> None:
    bundle, name = mel
    expected = bundle.tensors[name]
    sound = sound_of(mel)
    film = whole_frames(
        sound
    )  # films drop what is left over; a spectrogram alone may have been recorded of all
    sound = film if 1 + len(film) // HOP == len(expected) else sound
    check(bundle, name, windows.log_mel(sound), expected.float(), tolerance=CLOSE)


def test_spectrograms_with_mirrored_ends_match(mirrored: Case, check: Check) -> None:
    bundle, name = mirrored
    found = windows.log_mel(sound_of(mirrored), padding="reflect")
    check(bundle, name, found, bundle.tensors[name].float(), tolerance=CLOSE)


def test_spectrograms_match_those_in_doubles(exact: Case, check: Check) -> None:
    bundle, name = exact
    found = windows.log_mel(sound_of(exact))
    check(bundle, name, found.double(), bundle.tensors[name], tolerance=CLOSE)


def test_windows_have_the_recorded_looks(cut: Case) -> None:
    bundle, name = cut
    expected = bundle.tensors[name]
    rows = len(bundle.tensors[f"{name.split('/')[0]}/mel"])
    assert torch.equal(windows.rows_of(len(expected), rows), expected.long())
    sound = sound_of(cut)
    stream = WindowStream()
    parts = [stream.push(piece) for piece in torch.split(sound, 1000)]
    found = torch.cat([*parts, stream.finish()])
    assert len(found) == len(expected)
    assert torch.equal(found, windows.of_waveform(sound))
    mel = bundle.tensors[f"{name.split('/')[0]}/mel"].float()
    torch.testing.assert_close(found[:, 0].transpose(1, 2), mel[expected.long()], atol=CLOSE, rtol=0)


def test_single_windows_match(window: Case, check: Check) -> None:
    bundle, name = window
    number = int(re.search(r"frame(\d+)_window", name)[1])  # type: ignore[index]
    found = windows.of_waveform(sound_of(window))[number, 0]
    check(bundle, name, found, bundle.tensors[name].float(), tolerance=CLOSE)


def test_the_bank_of_filters_matches(basis: Case, check: Check) -> None:
    bundle, name = basis
    check(bundle, name, windows.mel_basis().T.float(), bundle.tensors[name].float(), tolerance=1e-7)
