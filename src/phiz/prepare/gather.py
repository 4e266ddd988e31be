"""What there is to prepare: people, their pictures, films and sounds, in an order that never changes.

A folder is a person, with everything below it. Names of one person's files are held at a time, never all.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from phiz.errors import DataError
from phiz.prepare import survey

PICTURES = frozenset(
    ".jpg .jpeg .jfif .png .webp .bmp .dib .tif .tiff .gif .avif .heic .heif .jp2 .ppm .pgm .qoi .mpo".split()
)
VIDEOS = frozenset(".mp4 .m4v .mov .mkv .webm .avi .mpg .mpeg .wmv .flv .3gp .m2ts .ogv".split())
SOUNDS = frozenset(".wav .flac .mp3 .m4a .aac .ogg .opus .wma .aif .aiff".split())
"""By suffix, in any case; what else lies there is passed over and counted."""

Loose = Literal["one", "each"]


@dataclass(frozen=True, kw_only=True)
class Found:
    """The files of one person, as ways from the source folder with slashes, in natural order."""

    person: str
    pictures: tuple[str, ...]
    films: tuple[str, ...]
    sounds: tuple[str, ...]
    strays: int
    """Files of other kinds."""


def people(root: Path, output: Path, loose: Loose = "one") -> Iterator[Found]:
    """Yield the people in a folder in natural order of their names; `output` is not looked into.

    Files that lie in no person's folder belong to one person, called like the folder, or each to a person
    called like the file.
    """
    refuse_odd(root, output)
    places: dict[str, list[str]] = {}
    for entry in _entries(root, "", output):
        if entry.is_dir():
            name = entry.name
        else:
            name = root.resolve().name if loose == "one" else Path(entry.name).stem
        places.setdefault(name or "person", []).append(entry.name)
    for name in sorted(places, key=natural):
        files = [file for place in places[name] for file in _below(root, place, output)]
        kinds = [kind_of(file) for file in files]
        taken = {
            kind: tuple(file for file, one in zip(files, kinds, strict=True) if one == kind)
            for kind in ("picture", "film", "sound")
        }
        if any(taken.values()):
            yield Found(
                person=name,
                pictures=taken["picture"],
                films=taken["film"],
                sounds=taken["sound"],
                strays=kinds.count(""),
            )


def kind_of(file: str) -> str:
    """Return "picture", "film", "sound", or nothing for other files, by their suffix."""
    suffix = os.path.splitext(file)[1].lower()  # noqa: PTH122 (a hot loop over all files)
    if suffix in PICTURES:
        return "picture"
    if suffix in VIDEOS:
        return "film"
    return "sound" if suffix in SOUNDS else ""


def natural(name: str) -> tuple[list[tuple[int, str]], str]:
    """Return what to sort names by, so that 2.png stands before 10.png."""
    parts = re.findall(r"(\d+)|(\D+)", name.lower())
    return [(int(digits or -1), text) for digits, text in parts], name


def refuse_odd(root: Path, output: Path) -> None:
    """Raise an error where there is nothing to read, or where reading and writing would mix."""
    if not root.is_dir():
        what = "is not a folder" if root.exists() else "does not exist"
        raise DataError(f"{root} {what}. Give a folder that holds a folder of pictures for each person.")
    source, target = root.resolve(), output.resolve()
    if source == target or target in source.parents:
        raise DataError(
            f"{root} lies in {output}, where the data set would be written. Choose another folder with -o."
        )


def _below(root: Path, place: str, output: Path) -> Iterator[str]:
    """Yield a file, or all files below a folder."""
    path = root / place
    if not path.is_dir():
        yield place
        return
    for entry in _entries(root, place, output):
        yield from _below(root, f"{place}/{entry.name}", output)


def _entries(root: Path, place: str, output: Path) -> list[os.DirEntry[str]]:
    """Return what a folder holds in natural order, without clutter, the output and links that lead around."""
    folder = root / place
    try:
        with os.scandir(folder) as found:
            entries = [entry for entry in found if not _is_passed_over(entry, output)]
    except OSError as error:
        raise DataError(
            f"cannot read the folder {folder}: {error.strerror}. Change its permissions, or move it away."
        ) from error
    return sorted(entries, key=lambda entry: natural(entry.name))


def _is_passed_over(entry: os.DirEntry[str], output: Path) -> bool:
    if entry.name.startswith(".") or entry.name.lower() in survey.CLUTTER:
        return True
    path = Path(entry.path)
    if not entry.is_dir():
        return not entry.is_file()  # pipes, devices, links to nowhere
    target = path.resolve()
    leads_around = entry.is_symlink() and (
        target in path.parent.resolve().parents or target == path.parent.resolve()
    )
    return leads_around or target == output.resolve()
