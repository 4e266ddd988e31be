"""What a manifest says, and that every change to it is noticed."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from phiz.media import jumbf, manifest, signing

BINDING = {"exclusions": [{"xpath": "/ftyp"}], "alg": "sha256", "hash": bytes(32), "name": "phiz"}
PHOTO = manifest.Ingredient(title="photo.png", format="image/png", sha256="ab" * 32)
NETWORK = manifest.Ingredient(
    title="generator.safetensors", format=manifest.UNKNOWN_FORMAT, sha256="01" * 32, is_network=True
)
LABEL = "urn:c2pa:00000000-0000-4000-8000-000000000000"


@pytest.fixture(scope="module")
def keys() -> signing.Keys:
    """Return a key that no file holds."""
    return signing.make()


@pytest.fixture(scope="module")
def store(keys: signing.Keys) -> bytes:
    """Return a manifest store of a film made of a photo and a network."""
    contents = manifest.Contents(title="a film", ingredients=(PHOTO, NETWORK), is_marked=True)
    return manifest.build(contents, BINDING, keys, LABEL)


def test_what_is_said_is_read_back(store: bytes, keys: signing.Keys) -> None:
    claimed = manifest.read(store)
    assert claimed.title == "a film"
    assert claimed.signer.fingerprint == keys.fingerprint
    assert claimed.actions == ("c2pa.created", "c2pa.watermarked.unbound")
    assert claimed.source == "trainedAlgorithmicMedia"
    assert claimed.ingredients == (PHOTO, NETWORK)
    assert claimed.binding == BINDING
    assert claimed.generator.startswith("phiz ")


def test_the_layout_is_that_of_the_standard(store: bytes) -> None:
    whole = jumbf.parse(store)
    assert (whole.kind, whole.label) == (b"c2pa", "c2pa")
    active = whole.child(LABEL)
    assert [(part.kind, part.label) for part in active.children] == [
        (b"c2as", "c2pa.assertions"),
        (b"c2cl", "c2pa.claim.v2"),
        (b"c2cs", "c2pa.signature"),
    ]
    names = [part.label for part in active.children[0].children]
    assert names == ["c2pa.ingredient.v3", "c2pa.ingredient.v3__1", "c2pa.actions.v2", "c2pa.hash.bmff.v3"]


def test_its_length_depends_on_no_hash(store: bytes, keys: signing.Keys) -> None:
    contents = manifest.Contents(title="a film", ingredients=(PHOTO, NETWORK), is_marked=True)
    other = manifest.build(contents, {**BINDING, "hash": b"\xff" * 32}, keys, manifest.new_label())
    assert len(other) == len(store)


def test_every_changed_byte_is_noticed_or_says_the_same(store: bytes) -> None:
    said = manifest.read(store)
    for at in range(0, len(store), 11):
        changed = store[:at] + bytes([store[at] ^ 0x21]) + store[at + 1 :]
        try:
            found = manifest.read(changed)
        except (ValueError, TypeError):
            continue
        assert found == said  # a manifest's own name, or a flag that nobody reads


def test_an_assertion_that_is_slipped_in_is_noticed(store: bytes) -> None:
    whole = jumbf.parse(store)
    parts, claim, signature = whole.children[0].children
    stray = jumbf.node(b"cbor", "c2pa.metadata", contents=((b"cbor", b"\xa0"),))
    more = jumbf.node(b"c2as", parts.label, children=(*parts.children, stray))
    active = jumbf.node(b"c2ma", LABEL, children=(more, claim, signature))
    with pytest.raises(ValueError, match=r"c2pa\.metadata was added"):
        manifest.read(jumbf.box(b"jumb", jumbf.node(b"c2pa", "c2pa", children=(active,)).body))


def test_a_file_is_an_ingredient_by_name_and_hash_alone(tmp_path: Path) -> None:
    (tmp_path / "voice.wav").write_bytes(b"a voice")
    part = manifest.Ingredient.of(tmp_path / "voice.wav")
    assert part.title == "voice.wav"
    assert part.format == "audio/wav"
    assert part.sha256 == hashlib.sha256(b"a voice").hexdigest()
