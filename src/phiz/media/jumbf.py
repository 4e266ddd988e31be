"""JUMBF (ISO 19566-5): labelled boxes in boxes, the form in which manifests lie in a file."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

SUFFIX = bytes.fromhex("00110010800000aa00389b71")
"""The second part of each kind's UUID; the first part is its four letters."""

_REQUESTABLE, _LABELLED, _NUMBERED, _HASHED, _PRIVATE = 1, 2, 4, 8, 16
_DEEPEST = 16


@dataclass(frozen=True, kw_only=True)
class Node:
    """A labelled box: what kind it is, the boxes with content in it, and the labelled boxes in it."""

    kind: bytes
    """Four letters, such as ``c2pa``."""
    label: str
    contents: tuple[tuple[bytes, bytes], ...] = ()
    """Type and content of each plain box, such as ``cbor``."""
    children: tuple[Node, ...] = ()
    body: bytes = field(default=b"", repr=False, compare=False)
    """The bytes that a hash of this box covers: all of it but the eight in front."""

    def content(self, kind: bytes) -> bytes:
        """Return what the first plain box of a type holds; `ValueError` where there is none."""
        for name, data in self.contents:
            if name == kind:
                return data
        raise ValueError(f"{self.label} holds no {kind.decode(errors='replace')!r}")

    def child(self, label: str) -> Node:
        """Return the labelled box in this one with a name; `ValueError` where there is none."""
        for node in self.children:
            if node.label == label:
                return node
        raise ValueError(f"{self.label} holds no {label!r}")


def node(
    kind: bytes,
    label: str,
    *,
    contents: tuple[tuple[bytes, bytes], ...] = (),
    children: tuple[Node, ...] = (),
) -> Node:
    """Return a labelled box with its bytes."""
    about = kind + SUFFIX + bytes([_REQUESTABLE | _LABELLED]) + label.encode() + b"\0"
    body = box(b"jumd", about)
    body += b"".join(box(name, data) for name, data in contents)
    body += b"".join(box(b"jumb", child.body) for child in children)
    return Node(kind=kind, label=label, contents=contents, children=children, body=body)


def box(kind: bytes, data: bytes) -> bytes:
    """Return a box: its length, its type, its content."""
    return struct.pack(">I4s", 8 + len(data), kind) + data


def parse(data: bytes) -> Node:
    """Return the labelled box that fills `data`, padding behind it aside; `ValueError` if it is damaged."""
    for kind, content in _boxes(data, is_padded=True):
        if kind == b"jumb":
            return _parse(content, 0)
        break
    raise ValueError("it does not begin with a labelled box")


def _parse(body: bytes, depth: int) -> Node:
    if depth > _DEEPEST:
        raise ValueError("nested too deeply")
    contents, children = [], []
    boxes = list(_boxes(body))
    if not boxes or boxes[0][0] != b"jumd":
        raise ValueError("a labelled box without a label")
    kind, label = _about(boxes[0][1])
    for name, content in boxes[1:]:
        if name == b"jumb":
            children.append(_parse(content, depth + 1))
        else:
            contents.append((name, content))
    labels = [child.label for child in children]
    if len(set(labels)) < len(labels):
        raise ValueError(f"{label} holds two boxes of one name")
    return Node(kind=kind, label=label, contents=tuple(contents), children=tuple(children), body=body)


def _about(data: bytes) -> tuple[bytes, str]:
    if len(data) < 18 or not data[16] & _LABELLED or b"\0" not in data[17:]:
        raise ValueError("a labelled box without a label")
    return data[:4], data[17 : data.index(b"\0", 17)].decode()


def _boxes(data: bytes, *, is_padded: bool = False) -> Iterator[tuple[bytes, bytes]]:
    at = 0
    while at < len(data):
        if len(data) - at < 8:
            raise ValueError("ends too early")
        size, kind = struct.unpack_from(">I4s", data, at)
        if size < 8 or size > len(data) - at:
            raise ValueError("a box that is longer than what holds it")
        yield kind, data[at + 8 : at + size]
        if is_padded:
            return
        at += size
