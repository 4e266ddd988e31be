"""A small folder of footage with everything in it that can go right or wrong, and its preparation."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from pathlib import Path

import torch
from prepare import known_people as people
from prepare.known_people import Knowing, Shot

from phiz import options
from phiz.console import Console
from phiz.media import audio, image, video
from phiz.prepare.prepare_verb import PrepareConfig, prepare
from phiz.world.data.guide import murmur

SIZE = 256
LIMITS = ["--limits.small", "0.25"]
FPS = 25
QUIET = Console(quiet=True, errors=io.StringIO())

ALICE: Mapping[str, str] = {
    "1.jpg": "",
    "2.png": "",
    "3_dark.jpg": "too dark",
    "4_blurred.jpg": "blurred",
    "5_nobody.jpg": "no face",
    "6_two.jpg": "several faces",
    "7_cut.jpg": "cut by the edge",
    "8_tiny.png": "too small",
    "9_broken.jpg": "unreadable",
}
"""Alice's pictures and why they are dropped; her sound lasts as long as all of them."""
BOB = ("", "no face", "")
"""Frames of Bob's film."""


def make(folder: Path) -> Path:
    """Write the footage of three people: pictures with a sound, a film with its own, pictures alone."""
    first, second = people.painted(0), people.painted(5)
    shots = (
        first,
        second,
        people.dark(first),
        people.blurred(first),
        people.nobody(),
        first.beside(people.painted(8)),
        first.cut(),
        first.scaled(0.5),
    )
    for name, shot in zip(ALICE, shots, strict=False):
        people.write(folder / "alice" / name, shot)
    (folder / "alice" / "9_broken.jpg").write_bytes(b"\xff\xd8\xff no more")
    audio.write(folder / "alice" / "voice.flac", murmur(len(ALICE) / FPS, seed=1))
    film(folder / "bob" / "talk.mp4", [people.painted(9), people.nobody(), people.painted(9)])
    people.write(folder / "carol" / "sub" / "1.jpg", people.painted(12))
    people.write(folder / "carol" / "sub" / "2.jpg", people.painted(12), quality=80)
    return folder


def make_few(folder: Path) -> Path:
    """Write less: a face and none, and a film of one frame."""
    people.write(folder / "alice" / "1.jpg", people.painted(0))
    people.write(folder / "alice" / "2.jpg", people.nobody())
    film(folder / "bob" / "talk.mp4", [people.painted(9)])
    return folder


def film(path: Path, shots: list[Shot]) -> None:
    """Write a film with a voice, and what is to be known about its frames."""
    path.parent.mkdir(parents=True, exist_ok=True)
    voice = murmur(len(shots) / FPS, seed=2)
    video.write(path, [shot.picture for shot in shots], fps=FPS, audio=voice)
    for number, (shot, frame) in enumerate(zip(shots, video.read(path), strict=True)):
        people.know(path.with_name(f"{path.stem}{number}.json"), frame, shot.faces)


def config(folder: Path, output: Path, *words: str) -> PrepareConfig:
    """Return the command's words as a config."""
    given = [str(folder), "-o", str(output), "--size", str(SIZE), "--workers", "1", *LIMITS, *words]
    return options.parse(PrepareConfig, given)


def run(folder: Path, output: Path, *words: str, patience: int = -1) -> Mapping[str, object]:
    """Prepare a folder with eyes that know it."""
    return prepare(config(folder, output, *words), QUIET, Knowing(folder=folder, patience=patience))


def digests(output: Path) -> dict[str, str]:
    """Return what a data set holds, without its store."""
    files = [path for path in sorted(output.rglob("*")) if path.is_file() and ".work" not in path.parts]
    return {str(p.relative_to(output)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def grey(folder: Path, count: int) -> None:
    """Write pictures without faces, all different, that are quick to look at."""
    people.write(folder / "x" / "1.png", people.nobody())
    for number in range(count):
        image.write(folder / "x" / f"{number + 2}.png", torch.full((3, 8, 8), number / count))
