"""The key of this machine and signatures with it."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import ExtendedKeyUsageOID

from phiz.errors import UsageError
from phiz.media import cbor, signing


@pytest.fixture(scope="module")
def keys() -> signing.Keys:
    """Return a key that no file holds."""
    return signing.make()


def test_what_was_signed_is_known_again_and_nothing_else(keys: signing.Keys) -> None:
    signed = signing.sign(b"a claim", keys)
    signer = signing.check(signed, b"a claim")
    assert signer.fingerprint == keys.fingerprint
    assert signer.number == keys.number
    with pytest.raises(ValueError, match="does not fit"):
        signing.check(signed, b"another claim")


def test_every_changed_byte_of_a_signature_is_noticed(keys: signing.Keys) -> None:
    signed = signing.sign(b"a claim", keys)
    for at in range(len(signed) - 64, len(signed), 7):
        with pytest.raises(ValueError, match="does not fit"):
            signing.check(signed[:at] + bytes([signed[at] ^ 1]) + signed[at + 1 :], b"a claim")


def test_a_signature_is_as_long_as_any_other(keys: signing.Keys) -> None:
    assert len({len(signing.sign(bytes([i]), keys)) for i in range(8)}) == 1


@pytest.mark.parametrize(
    "value", [None, [], cbor.Tagged(18, [b"", {}, None]), cbor.Tagged(17, [b"\xa0", {}, None, b""])]
)
def test_what_is_no_signature_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="none"):
        signing.check(cbor.encode(value), b"")


def test_the_key_of_whoever_is_first_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, first = tmp_path / signing.FILE, signing.make()
    make = signing.make

    def slowly() -> signing.Keys:
        signing._store(path, first)  # another process, in the same moment
        return make()

    monkeypatch.setattr(signing, "make", slowly)
    assert signing.own(tmp_path).fingerprint == first.fingerprint
    assert [file.name for file in tmp_path.iterdir()] == [signing.FILE]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_certificate_is_as_c2pa_wants_it(keys: signing.Keys) -> None:
    leaf, root = keys.chain
    leaf.verify_directly_issued_by(root)
    extensions = leaf.extensions
    assert not extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    usage = extensions.get_extension_for_class(x509.KeyUsage)
    assert usage.critical
    assert usage.value.digital_signature
    assert not usage.value.key_cert_sign
    purpose = extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(purpose) == [ExtendedKeyUsageOID.EMAIL_PROTECTION]
    extensions.get_extension_for_class(x509.AuthorityKeyIdentifier)
    assert leaf.issuer != leaf.subject


def test_a_key_is_made_once_and_is_for_its_owner_alone(tmp_path: Path) -> None:
    assert signing.present(tmp_path / "keys") is None
    first = signing.own(tmp_path / "keys")
    assert signing.own(tmp_path / "keys").fingerprint == first.fingerprint
    assert stat.S_IMODE((tmp_path / "keys" / signing.FILE).stat().st_mode) == 0o600
    assert [path.name for path in (tmp_path / "keys").iterdir()] == [signing.FILE]


def test_the_folder_is_where_settings_lie() -> None:
    home = Path.home() / ".config" / "phiz"
    assert signing.folder({"PHIZ_KEYS": "/a/b", "XDG_CONFIG_HOME": "/c"}) == Path("/a/b")
    assert signing.folder({"XDG_CONFIG_HOME": "/c"}) == Path("/c/phiz")
    assert signing.folder({}) == signing.folder({"XDG_CONFIG_HOME": "relative"}) == home


def test_a_file_without_a_key_is_said(tmp_path: Path, keys: signing.Keys) -> None:
    (tmp_path / signing.FILE).write_text("nothing")
    with pytest.raises(UsageError, match="holds no key"):
        signing.own(tmp_path)
    other = signing.make().private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    chain = keys.chain[0].public_bytes(serialization.Encoding.PEM)
    (tmp_path / signing.FILE).write_bytes(other + chain)
    with pytest.raises(UsageError, match="not that of its key"):
        signing.own(tmp_path)
