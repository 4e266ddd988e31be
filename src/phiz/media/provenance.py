"""Where a film comes from: a signed manifest in the file, an invisible mark in its frames, a label to read.

    frames = provenance.marked(frames, config)
    video.write(path, frames, fps=25)
    provenance.finish(path, config, ingredients=[provenance.Ingredient.of(photo)])

Manifest and mark are on unless somebody says otherwise. The mark holds the number of the key that signs, so
that a film whose manifest was stripped still says whose it is.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import BufferedIOBase
from pathlib import Path
from typing import Any, Literal

from jaxtyping import Float
from torch import Tensor

from phiz import checkpoint
from phiz.errors import MediaError
from phiz.media import boxes, manifest, signing
from phiz.media.boxes import Box
from phiz.media.label import Label
from phiz.media.manifest import Ingredient
from phiz.media.mark import Marker
from phiz.options import option

__all__ = ["Ingredient", "ProvenanceConfig", "Report", "finish", "marked", "read", "sign"]

State = Literal["valid", "changed", "damaged", "none"]

_CHUNK = 1 << 20
_PURPOSE = b"\0\0\0\0manifest\0" + bytes(8)  # version and flags; then no offset of a further box
_EXCLUDED: tuple[dict[str, object], ...] = (
    {"xpath": "/uuid", "data": [{"offset": 8, "value": boxes.C2PA}]},
    {"xpath": "/ftyp"},
    {"xpath": "/mfra"},
)
"""What the standard leaves out of the hash: the manifest itself, and what players may rewrite."""
_PICTURES = frozenset((b"moov", b"mdat"))


@dataclass(frozen=True, kw_only=True)
class ProvenanceConfig:
    """How a film says where it comes from."""

    is_signed: bool = option(True, "--sign")
    """Put a signed C2PA manifest into the film: that it was generated, of what, and with whose key."""
    is_marked: bool = option(True, "--mark")
    """Put an invisible mark into the frames, which outlives compression and resizing."""
    label: str = option("", "--label")
    """Write this into a corner of each frame, such as 'synthetic'."""


@dataclass(frozen=True, kw_only=True)
class Report:
    """What the manifest of a file says, and whether it is to be believed."""

    state: State
    problem: str = ""
    """Why a state is not "valid"."""
    claimed: manifest.Claimed | None = None
    """What was signed, wherever the signature itself is right."""


def marked(
    frames: Iterable[Float[Tensor, "3 h w"]], config: ProvenanceConfig, payload: int | None = None
) -> Iterator[Float[Tensor, "3 h w"]]:
    """Yield frames with what the config asks for; the mark holds `payload`, or the number of our key."""
    marker: Marker | None = None
    label: Label | None = None
    for number, frame in enumerate(frames):
        height, width = frame.shape[1:]
        if number == 0 and config.label:
            label = Label(height, width, config.label)
        if number == 0 and config.is_marked:
            marker = Marker(height, width, signing.own().number if payload is None else payload)
        shown = frame if label is None else label.apply(frame)
        yield shown if marker is None else marker.apply(shown)


def finish(
    path: Path, config: ProvenanceConfig, ingredients: Sequence[Ingredient], *, title: str = ""
) -> None:
    """Sign a finished film, if the config asks for it."""
    if config.is_signed:
        sign(path, ingredients=ingredients, title=title or path.name, is_marked=config.is_marked)


def sign(
    path: Path,
    *,
    ingredients: Sequence[Ingredient],
    title: str,
    keys: signing.Keys | None = None,
    is_marked: bool = False,
) -> None:
    """Put a signed manifest into an mp4, in place of one that it may have; the file changes all at once."""
    contents = manifest.Contents(title=title, ingredients=tuple(ingredients), is_marked=is_marked)
    keys = keys or signing.own()
    label = manifest.new_label()
    blank = _manifest_box(manifest.build(contents, _binding(bytes(32)), keys, label))
    try:
        with path.open("rb") as source, checkpoint.atomic(path) as temporary, temporary.open("r+b") as target:
            start = _copy(source, target, blank)
            digest = _digest(target, _EXCLUDED)
            signed = _manifest_box(manifest.build(contents, _binding(digest), keys, label))
            if len(signed) != len(blank):
                raise AssertionError("a manifest changed its length with its hash")
            target.seek(start)
            target.write(signed)
    except FileNotFoundError as error:
        raise MediaError(f"There is no film at {path} to sign. Check the name.") from error
    except ValueError as error:
        raise MediaError(f"{path} cannot be signed: {error}. Write it again as an .mp4.") from error


def read(path: Path) -> Report:
    """Return what the manifest of a film says; a file that cannot hold one has none."""
    try:
        with path.open("rb") as file:
            try:
                found = [box for box in boxes.top(file) if box.is_manifest]
            except ValueError as error:
                return Report(state="none", problem=f"this is no whole mp4: {error}")
            return _read(file, found)
    except FileNotFoundError as error:
        raise MediaError(f"There is no file {path}. Check the name and the folder.") from error
    except OSError as error:
        raise MediaError(f"{path} cannot be read ({error.strerror}). Name a film.") from error


def _read(file: BufferedIOBase, found: list[Box]) -> Report:
    if not found:
        return Report(state="none", problem="the file holds no manifest")
    try:
        if len(found) > 1:
            raise ValueError("there are several")
        claimed = manifest.read(_inside(boxes.read(file, found[0]), found[0].header))
    except (ValueError, TypeError) as error:
        return Report(state="damaged", problem=str(error))
    try:
        if claimed.binding.get("alg", manifest.ALGORITHM) != manifest.ALGORITHM:
            raise ValueError("the file is hashed in a way that phiz does not check (only SHA-256)")
        if not isinstance(claimed.binding.get("hash"), bytes):
            raise ValueError("the file is hashed piece by piece, which phiz does not check")
        digest = _digest(file, claimed.binding.get("exclusions", ()))
    except (ValueError, TypeError) as error:
        return Report(state="damaged", problem=str(error), claimed=claimed)
    if digest != claimed.binding["hash"]:
        return Report(state="changed", problem="the film was changed since it was signed", claimed=claimed)
    return Report(state="valid", claimed=claimed)


def _inside(box: bytes, header: int) -> bytes:
    """Return the manifest store in a box, which may be one for something else."""
    content = box[header + len(boxes.C2PA) :]
    purpose, _, rest = content[4:].partition(b"\0")
    if purpose not in (b"manifest", b"original", b"update") or len(rest) < 8:
        raise ValueError(f"it is for {purpose[:20]!r}, not a manifest")
    return rest[8:]


def _manifest_box(store: bytes) -> bytes:
    content = boxes.C2PA + _PURPOSE + store
    return struct.pack(">I4s", 8 + len(content), b"uuid") + content


def _binding(digest: bytes) -> dict[str, object]:
    exclusions = list(_EXCLUDED)
    return {"exclusions": exclusions, "alg": manifest.ALGORITHM, "hash": digest, "name": "phiz"}


def _copy(source: BufferedIOBase, target: BufferedIOBase, new: bytes) -> int:
    """Write a film with a new box behind its first one; return where that box begins."""
    old = boxes.top(source)
    if any(box.kind == b"moof" for box in old):
        raise ValueError("it is fragmented, as streams are")
    start = old[0].size
    for box in old:
        if box.is_manifest:
            continue
        if box.kind == b"moov":
            target.write(_moved_index(boxes.read(source, box), old, start, len(new)))
        else:
            _copy_box(source, target, box)
        if box.start == 0:
            target.write(new)
    return start


def _moved_index(moov: bytes, old: list[Box], start: int, size: int) -> bytes:
    """Return the index of a film from which old manifests go, and into which one of `size` bytes comes."""
    for box in reversed(old):
        if box.is_manifest:
            moov = boxes.shifted(moov, -box.size, box.start + box.size)
    return boxes.shifted(moov, size, start)


def _copy_box(source: BufferedIOBase, target: BufferedIOBase, box: Box) -> None:
    source.seek(box.start)
    left = box.size
    while left:
        chunk = source.read(min(left, _CHUNK))
        if not chunk:
            raise ValueError("it ends too early")
        target.write(chunk)
        left -= len(chunk)


def _digest(file: BufferedIOBase, exclusions: Sequence[Any]) -> bytes:
    """Return the hash of a film as the standard defines it: place and bytes of each box that counts."""
    total = hashlib.sha256()
    for box in boxes.top(file):
        if any(_is_excluded(file, box, rule) for rule in exclusions):
            if box.kind in _PICTURES:
                raise ValueError("the signature leaves the pictures out")
            continue
        total.update(box.start.to_bytes(8, "big"))
        file.seek(box.start)
        left = box.size
        while left:
            chunk = file.read(min(left, _CHUNK))
            if not chunk:
                raise ValueError("it ends too early")
            total.update(chunk)
            left -= len(chunk)
    return total.digest()


def _is_excluded(file: BufferedIOBase, box: Box, rule: object) -> bool:
    if not isinstance(rule, Mapping):
        raise ValueError("it is not laid out as a manifest is")
    used = {key for key, value in rule.items() if value is not None}
    path = str(rule.get("xpath", ""))
    if path.count("/") != 1 or used - {"xpath", "data"}:
        raise ValueError(f"it leaves out parts of {path}, which phiz does not check")
    if path[1:].encode() != box.kind:
        return False
    return all(_holds(file, box, part) for part in rule.get("data") or ())


def _holds(file: BufferedIOBase, box: Box, part: object) -> bool:
    """Return whether a box has certain bytes at a certain place."""
    told = part if isinstance(part, Mapping) else {}
    offset, value = told.get("offset"), told.get("value")
    if not isinstance(offset, int) or not isinstance(value, bytes) or offset < 0:
        raise ValueError("it is not laid out as a manifest is")
    if offset + len(value) > box.size:
        return False
    file.seek(box.start + offset)
    return file.read(len(value)) == value
