"""CBOR (RFC 8949), as much of it as signed manifests need: the shortest encoding out, strict reading in.

Integers, bytes, text, lists, maps, tags, booleans and nothing else; lengths that are not known in front and
floats are refused, for nothing that is written here has them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_UNSIGNED, _NEGATIVE, _BYTES, _TEXT, _LIST, _MAP, _TAG, _SIMPLE = range(8)
_SIMPLES: Mapping[int, bool | None] = {20: False, 21: True, 22: None, 23: None}
_DEEPEST = 32


@dataclass(frozen=True)
class Tagged:
    """A value with a number that says what it means."""

    tag: int
    value: Any


def encode(value: object) -> bytes:
    """Return a value as CBOR; maps keep their order."""
    if isinstance(value, bool) or value is None:
        return bytes([0xF6 if value is None else 0xF5 if value else 0xF4])
    if isinstance(value, int):
        return _head(_UNSIGNED, value) if value >= 0 else _head(_NEGATIVE, -1 - value)
    if isinstance(value, bytes):
        return _head(_BYTES, len(value)) + value
    if isinstance(value, str):
        text = value.encode()
        return _head(_TEXT, len(text)) + text
    if isinstance(value, Tagged):
        return _head(_TAG, value.tag) + encode(value.value)
    if isinstance(value, Mapping):
        return _head(_MAP, len(value)) + b"".join(encode(k) + encode(v) for k, v in value.items())
    if isinstance(value, Sequence):
        return _head(_LIST, len(value)) + b"".join(map(encode, value))
    raise TypeError(f"{type(value).__name__} cannot be written as CBOR")


def decode(data: bytes) -> Any:
    """Return what `encode` was given; `ValueError` for anything damaged or left over."""
    value, end = _read(data, 0, 0)
    if end != len(data):
        raise ValueError(f"{len(data) - end} bytes too many")
    return value


def _head(kind: int, number: int) -> bytes:
    if number < 24:
        return bytes([kind << 5 | number])
    for code, size in ((24, 1), (25, 2), (26, 4), (27, 8)):
        if number < 1 << 8 * size:
            return bytes([kind << 5 | code]) + number.to_bytes(size, "big")
    raise ValueError(f"{number} is too large for CBOR")


def _read(data: bytes, at: int, depth: int) -> tuple[Any, int]:
    if depth > _DEEPEST:
        raise ValueError("nested too deeply")
    kind, number, at = _read_head(data, at)
    if kind in (_UNSIGNED, _NEGATIVE):
        return (number if kind == _UNSIGNED else -1 - number), at
    if kind in (_BYTES, _TEXT):
        raw = data[at : at + number]
        if len(raw) < number:
            raise ValueError("ends too early")
        return (raw if kind == _BYTES else raw.decode()), at + number
    if kind == _LIST:
        return _read_list(data, at, number, depth)
    if kind == _MAP:
        flat, at = _read_list(data, at, 2 * number, depth)
        if not all(isinstance(key, (int, str, bytes)) for key in flat[::2]):
            raise ValueError("a key that is neither a number nor a text")
        if len(set(flat[::2])) < number:
            raise ValueError("a key twice in one map")
        return dict(zip(flat[::2], flat[1::2], strict=True)), at
    if kind == _TAG:
        value, at = _read(data, at, depth + 1)
        return Tagged(number, value), at
    if number not in _SIMPLES:
        raise ValueError(f"a simple value {number}")
    return _SIMPLES[number], at


def _read_list(data: bytes, at: int, count: int, depth: int) -> tuple[list[Any], int]:
    if count > len(data) - at:  # each item has a byte at least
        raise ValueError("ends too early")
    items = []
    for _ in range(count):
        item, at = _read(data, at, depth + 1)
        items.append(item)
    return items, at


def _read_head(data: bytes, at: int) -> tuple[int, int, int]:
    if at >= len(data):
        raise ValueError("ends too early")
    kind, code = data[at] >> 5, data[at] & 31
    at += 1
    if code < 24:
        return kind, code, at
    if code > 27 or kind == _SIMPLE:
        raise ValueError("a float, or a length that is told later")
    size = 1 << code - 24
    if at + size > len(data):
        raise ValueError("ends too early")
    return kind, int.from_bytes(data[at : at + size], "big"), at + size
