"""What was written for one person, remembered, so that it can be replaced and nothing else ever is."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

from phiz import checkpoint
from phiz.errors import DataError

LISTS = "written"
"""Folder of the lists, one a person: a name a line, as JSON."""


class Written:
    """The files of one person in a data set; a class because the list grows while files are written."""

    def __init__(self, folder: Path, work: Path, person: str) -> None:
        self._folder = folder
        self._list = list_of(work, person)
        self._old = set(_names(self._list))
        self._new: set[str] = set()
        self._list.parent.mkdir(parents=True, exist_ok=True)

    def make_room(self, name: str) -> Path:
        """Return where a file of this name goes, once it is on the list; refuse to replace anybody else's."""
        path = self._folder / name
        if name not in self._old and os.path.lexists(path):
            raise DataError(
                f"{path} is there already and was not written by phiz prepare. Move it away, or choose "
                "another folder with -o."
            )
        if name not in self._old:
            # Before the file: a list that names too much is mended, a file on no list would be a stranger's.
            with self._list.open("a", encoding="utf-8") as file:
                file.write(json.dumps(name) + "\n")
            self._old.add(name)
        self._new.add(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def link(self, name: str, source: Path) -> None:
        """Put a file of the store there under a second name, or a copy where the disk knows no such thing."""
        path = self.make_room(name)
        with contextlib.suppress(OSError):
            if path.samefile(source):
                return
        temporary = path.with_name(f".{path.stem}-{secrets.token_hex(4)}.part{path.suffix}")
        try:
            os.link(source, temporary)
            temporary.replace(path)
        except OSError:
            temporary.unlink(missing_ok=True)
            with checkpoint.atomic(path) as copy:
                shutil.copyfile(source, copy)

    def finish(self) -> None:
        """Remove what an earlier run wrote and this one did not, and write the list anew."""
        _remove(self._folder, self._old - self._new)
        if not self._new:
            self._list.unlink(missing_ok=True)
            return
        text = "".join(f"{json.dumps(name)}\n" for name in sorted(self._new))
        with checkpoint.atomic(self._list) as temporary:
            temporary.write_text(text, encoding="utf-8")


def remove_others(folder: Path, work: Path, people: set[Path]) -> None:
    """Remove what earlier runs wrote for people who are not among those whose lists are named."""
    for path in sorted((work / LISTS).glob("*.txt")):
        if path not in people:
            _remove(folder, set(_names(path)))
            path.unlink()


def list_of(work: Path, person: str) -> Path:
    """Return where the list of a person lies, whatever the person is called."""
    name = hashlib.sha256(person.encode("utf-8", "surrogatepass")).hexdigest()
    return work / LISTS / f"{name}.txt"


def _names(path: Path) -> Iterator[str]:
    """Yield the names on a list; the last line may be cut short, and then its file was never written."""
    if path.is_file():
        for line in path.read_text(encoding="utf-8").splitlines():
            with contextlib.suppress(ValueError):
                yield json.loads(line)


def _remove(folder: Path, names: set[str]) -> None:
    for name in names:
        (folder / name).unlink(missing_ok=True)
    for place in sorted({(folder / name).parent for name in names}, reverse=True):
        with contextlib.suppress(OSError):  # not empty
            place.rmdir()
