"""What a film says about itself: a C2PA manifest (claim version 2), built, and read back with every check.

c2pa                          the store
  urn:c2pa:...                one manifest
    c2pa.assertions           actions, ingredients, the hash of the file
    c2pa.claim.v2             the hashes of all assertions
    c2pa.signature            over the claim
"""

from __future__ import annotations

import base64
import hashlib
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import phiz
from phiz import checkpoint
from phiz.media import cbor, jumbf, signing

SYNTHETIC = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
"""IPTC's name for media that a trained model made."""

HASH = "c2pa.hash.bmff.v3"
ACTIONS = "c2pa.actions.v2"
INGREDIENT = "c2pa.ingredient.v3"
MARKED = "c2pa.watermarked.unbound"
ALGORITHM = "sha256"

_STORE, _CLAIM, _SIGNATURE = "c2pa.assertions", "c2pa.claim.v2", "c2pa.signature"
_HASHES = (HASH, "c2pa.hash.bmff.v2")  # both are computed alike
_PREFIX = "self#jumbf="
_DIGEST = "SHA-256 "

FORMATS: Mapping[str, str] = {
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".png": "image/png",
    ".webp": "image/webp",
    ".wav": "audio/wav",
    ".flac": "audio/flac",
    ".mp3": "audio/mpeg",
    ".m4a": "audio/mp4",
    ".ogg": "audio/ogg",
    ".mp4": "video/mp4",
    ".mov": "video/quicktime",
    ".webm": "video/webm",
    ".txt": "text/plain",
}
UNKNOWN_FORMAT = "application/octet-stream"


@dataclass(frozen=True, kw_only=True)
class Ingredient:
    """Something that a film was made of."""

    title: str
    format: str
    sha256: str
    """64 hexadecimal digits."""
    is_network: bool = False

    @staticmethod
    def of(path: Path, *, title: str = "", is_network: bool = False) -> Ingredient:
        """Return a file as an ingredient; of its place, only the name is told."""
        return Ingredient(
            title=title or path.name,
            format=FORMATS.get(path.suffix.lower(), UNKNOWN_FORMAT),
            sha256=checkpoint.digest(path),
            is_network=is_network,
        )


@dataclass(frozen=True, kw_only=True)
class Contents:
    """What a manifest tells, apart from the hash of the file."""

    title: str
    ingredients: tuple[Ingredient, ...]
    is_marked: bool = False


@dataclass(frozen=True, kw_only=True)
class Claimed:
    """What a manifest says whose signature and hashes fit together."""

    title: str
    generator: str
    signer: signing.Signer
    actions: tuple[str, ...]
    source: str
    """The last word of the IPTC source type, such as ``trainedAlgorithmicMedia``."""
    ingredients: tuple[Ingredient, ...]
    binding: Mapping[str, Any]
    """The assertion with the hash of the file."""


def build(contents: Contents, binding: Mapping[str, object], keys: signing.Keys, label: str) -> bytes:
    """Return a signed manifest store; its length depends on neither the hash nor the signature."""
    named = [(_numbered(INGREDIENT, i), _ingredient(part)) for i, part in enumerate(contents.ingredients)]
    parts = [_assertion(name, value) for name, value in named]
    inputs = [_reference(part) for part in parts]
    parts += [_assertion(ACTIONS, _actions(contents, inputs)), _assertion(HASH, binding)]
    claim = cbor.encode(
        {
            "instanceID": f"xmp:iid:{label.rpartition(':')[2]}",
            "claim_generator_info": {"name": "phiz", "version": phiz.__version__},
            "signature": f"{_PREFIX}/c2pa/{label}/{_SIGNATURE}",
            "created_assertions": [_reference(part) for part in parts],
            "dc:title": contents.title,
            "alg": ALGORITHM,
        }
    )
    children = (
        jumbf.node(b"c2as", _STORE, children=tuple(parts)),
        jumbf.node(b"c2cl", _CLAIM, contents=((b"cbor", claim),)),
        jumbf.node(b"c2cs", _SIGNATURE, contents=((b"cbor", signing.sign(claim, keys)),)),
    )
    whole = jumbf.node(b"c2pa", "c2pa", children=(jumbf.node(b"c2ma", label, children=children),))
    return jumbf.box(b"jumb", whole.body)


def new_label() -> str:
    """Return a name that no other manifest has."""
    return f"urn:c2pa:{uuid.uuid4()}"


def read(data: bytes) -> Claimed:
    """Return what a manifest store says; `ValueError` where a signature or a hash in it is wrong."""
    store = jumbf.parse(data)
    if store.kind != b"c2pa" or not store.children:
        raise ValueError("it holds no manifest")
    active = store.children[-1]
    claim_bytes = active.child(_CLAIM).content(b"cbor")
    signer = signing.check(active.child(_SIGNATURE).content(b"cbor"), claim_bytes)
    claim = _map(cbor.decode(claim_bytes))
    parts = _checked(claim, active.child(_STORE))
    bindings = [_map(value) for name, value in parts.items() if name in _HASHES]
    if len(bindings) != 1:
        raise ValueError("it does not say, in a way that phiz can check, which film it belongs to")
    actions = [
        _map(action)
        for name, value in parts.items()
        if name.startswith("c2pa.actions")
        for action in _list(_map(value).get("actions"))
    ]
    sources = [str(action["digitalSourceType"]) for action in actions if "digitalSourceType" in action]
    generator = _map(claim.get("claim_generator_info") or {})
    return Claimed(
        title=str(claim.get("dc:title", "")),
        generator=" ".join(str(generator[key]) for key in ("name", "version") if key in generator),
        signer=signer,
        actions=tuple(str(action.get("action", "")) for action in actions),
        source=sources[0].rpartition("/")[2] if sources else "",
        ingredients=tuple(
            _read_ingredient(_map(value))
            for name, value in parts.items()
            if name.startswith("c2pa.ingredient")
        ),
        binding=bindings[0],
    )


def _checked(claim: Mapping[str, Any], store: jumbf.Node) -> dict[str, Any]:
    """Return the assertions that a claim names, after comparing each with its hash."""
    named = [*_list(claim.get("created_assertions")), *_list(claim.get("gathered_assertions", []))]
    parts: dict[str, Any] = {}
    for reference in map(_map, named):
        label = str(reference.get("url", "")).rpartition("/")[2]
        part = store.child(label)
        if reference.get("alg", claim.get("alg", ALGORITHM)) != ALGORITHM:
            raise ValueError(f"{label} is hashed in a way that phiz does not check (only SHA-256)")
        if hashlib.sha256(part.body).digest() != reference.get("hash"):
            raise ValueError(f"{label} was changed since it was signed")
        cbors = [data for kind, data in part.contents if kind == b"cbor"]
        parts[label] = cbor.decode(cbors[0]) if cbors else None
    strays = {part.label for part in store.children} - parts.keys()
    if strays:
        raise ValueError(f"{', '.join(sorted(strays))} was added after it was signed")
    return parts


def _assertion(label: str, value: Mapping[str, object]) -> jumbf.Node:
    return jumbf.node(b"cbor", label, contents=((b"cbor", cbor.encode(value)),))


def _reference(part: jumbf.Node) -> dict[str, object]:
    return {"url": f"{_PREFIX}{_STORE}/{part.label}", "hash": hashlib.sha256(part.body).digest()}


def _numbered(label: str, number: int) -> str:
    return f"{label}__{number}" if number else label


def _actions(contents: Contents, inputs: Sequence[object]) -> dict[str, object]:
    agent = {"name": "phiz", "version": phiz.__version__}
    created: dict[str, object] = {
        "action": "c2pa.created",
        "digitalSourceType": SYNTHETIC,
        "softwareAgent": agent,
    }
    if inputs:
        created["parameters"] = {"ingredients": list(inputs)}
    actions = [created]
    if contents.is_marked:
        actions.append({"action": MARKED, "softwareAgent": agent})
    return {"actions": actions, "allActionsIncluded": True}


def _ingredient(part: Ingredient) -> dict[str, object]:
    """Return an ingredient's assertion; its instance is named by its hash, as RFC 6920 does it."""
    raw = bytes.fromhex(part.sha256)
    name = base64.urlsafe_b64encode(raw).decode().rstrip("=")
    told: dict[str, object] = {
        "dc:title": part.title,
        "dc:format": part.format,
        "instanceID": f"ni:///sha-256;{name}",
        "relationship": "inputTo",
        "description": f"{_DIGEST}{part.sha256}",
    }
    if part.is_network:
        told["dataTypes"] = [{"type": "c2pa.types.model"}]
    return told


def _read_ingredient(told: Mapping[str, Any]) -> Ingredient:
    description = str(told.get("description", ""))
    kinds = [str(_map(kind).get("type", "")) for kind in _list(told.get("dataTypes", []))]
    return Ingredient(
        title=str(told.get("dc:title", "")),
        format=str(told.get("dc:format", "")),
        sha256=description.removeprefix(_DIGEST) if description.startswith(_DIGEST) else "",
        is_network=any(kind.startswith("c2pa.types.model") for kind in kinds),
    )


def _map(value: object) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ValueError("it is not laid out as a manifest is")
    return value


def _list(value: object) -> Sequence[Any]:
    if not isinstance(value, list):
        raise ValueError("it is not laid out as a manifest is")
    return value
