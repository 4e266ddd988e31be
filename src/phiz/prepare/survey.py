"""What lies in a data set's folders: people, their pictures, their sounds; and what does not belong there."""

from __future__ import annotations

import os
import stat
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from phiz.prepare.problems import Problem

Report = Callable[[Problem], None]

PICTURES = (".jpg", ".jpeg", ".png")
SOUNDS = (".wav",)

UNPORTABLE = frozenset('<>:"|?*\\')
RESERVED = frozenset(
    {"con", "prn", "aux", "nul", *(f"com{i}" for i in range(1, 10)), *(f"lpt{i}" for i in range(1, 10))}
)
"""What Windows keeps for devices, with any suffix."""
CLUTTER = frozenset({"thumbs.db", "desktop.ini"})
"""What file managers leave behind; like hidden files, it is nobody's fault and passed over."""


@dataclass(frozen=True, kw_only=True)
class Person:
    """The files of one person in one part of the layout, in the order of their names."""

    name: str
    files: tuple[str, ...]
    """Names without folders."""


def people(root: Path, part: str, suffixes: tuple[str, ...], report: Report) -> Iterator[Person]:
    """Yield the people in a part of the layout (``images``, ``audio``) in the order of their names.

    Names of one person's files are held at a time, never those of all.
    """
    for entry in _entries(root, part, report):
        where = f"{part}/{entry.name}"
        mode = _mode(root, where, report)
        if mode is None:
            continue
        if not stat.S_ISDIR(mode):
            report(Problem("stray", where, "a file where a person's folder is expected"))
        elif entry.is_symlink() and _leads_around(root / where):
            report(Problem("link loop", where, "it leads to a folder around it"))
        else:
            _judge_name(entry.name, where, report)
            yield Person(name=entry.name, files=tuple(_files(root, where, suffixes, report)))


def key(person: str, file: str) -> str:
    """Return what metadata calls a picture: ``<person>/<stem>``, composed Unicode whatever the disk has."""
    return composed(f"{person}/{Path(file).stem}")


def composed(name: str) -> str:
    """Return a name in composed Unicode (NFC): disks differ in how they store an accent."""
    return unicodedata.normalize("NFC", name)


def silent(problem: Problem) -> None:
    """Report nothing: for a second look at folders whose problems are known."""


def _files(root: Path, folder: str, suffixes: tuple[str, ...], report: Report) -> Iterator[str]:
    taken: dict[str, str] = {}
    for entry in _entries(root, folder, report):
        where = f"{folder}/{entry.name}"
        mode = _mode(root, where, report)
        if mode is None:
            continue
        if stat.S_ISDIR(mode):
            report(Problem("stray", where, "a folder among a person's files"))
        elif not stat.S_ISREG(mode):
            report(Problem("not a file", where, "a pipe, socket or device"))
        elif Path(entry.name).suffix.lower() not in suffixes:
            report(Problem("stray", where, f"its suffix is none of {', '.join(suffixes)}"))
        elif (stem := composed(Path(entry.name).stem).casefold()) in taken:
            report(Problem("name taken twice", where, f"beside {taken[stem]}"))
        else:
            taken[stem] = entry.name
            _judge_name(entry.name, where, report)
            yield entry.name


def _entries(root: Path, folder: str, report: Report) -> list[os.DirEntry[str]]:
    """Return what a folder holds in the order of names; nothing if it cannot be read."""
    try:
        with os.scandir(root / folder) as found:
            entries = [entry for entry in found if not _is_clutter(entry.name)]
    except FileNotFoundError:
        report(Problem("folder missing", folder))
        return []
    except OSError as error:
        report(Problem("folder unreadable", folder, error.strerror or ""))
        return []
    return sorted(entries, key=lambda entry: entry.name)


def _is_clutter(name: str) -> bool:
    return name.startswith(".") or name.lower() in CLUTTER


def _mode(root: Path, where: str, report: Report) -> int | None:
    """Return what kind of thing lies there, following links; None after reporting why there is no telling."""
    path = root / where
    try:
        return path.stat().st_mode
    except FileNotFoundError:
        report(Problem("link broken", where))
    except OSError as error:
        # Too many links (ELOOP), or no right to look.
        kind = "link loop" if path.is_symlink() else "folder unreadable"
        report(Problem(kind, where, error.strerror or ""))
    return None


def _leads_around(link: Path) -> bool:
    """Return whether a link to a folder leads to one that holds the link itself."""
    target = link.resolve()
    return target in link.parent.resolve().parents or target == link.parent.resolve()


def _judge_name(name: str, where: str, report: Report) -> None:
    if any("\ud800" <= character <= "\udfff" for character in name):
        report(Problem("name undecodable", where))
    elif (
        UNPORTABLE & set(name)
        or name[-1] in ". "
        or any(ord(character) < 32 for character in name)
        or name.partition(".")[0].lower() in RESERVED
    ):
        report(Problem("name not portable", where))
