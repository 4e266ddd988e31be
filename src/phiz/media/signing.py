"""A key of this machine's own, made when first needed, and signatures with it (COSE_Sign1, RFC 9052, ES256).

The certificate is signed by a root that is made with it and whose key is thrown away: nobody vouches for it.
Other programs will say, rightly, that they do not know this signer.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from phiz import checkpoint
from phiz.errors import UsageError
from phiz.media import cbor

FILE = "signing.pem"
VARIABLE = "PHIZ_KEYS"
"""Names another folder for the key."""

SIGNER = "phiz, a key of its own machine"
YEARS = 20

_ALGORITHM, _CHAIN = 1, 33  # labels of COSE's header
_ES256 = -7
_SIGN1 = 18
_HALF = 32  # bytes of each of the two numbers that are a signature


@dataclass(frozen=True, kw_only=True)
class Keys:
    """A private key and the certificates that belong to it, the signer's first."""

    private: ec.EllipticCurvePrivateKey
    chain: tuple[x509.Certificate, ...]

    @property
    def fingerprint(self) -> str:
        """Return the SHA-256 of the public key, 64 hexadecimal digits."""
        return fingerprint(self.chain[0])

    @property
    def number(self) -> int:
        """Return 32 bits that stand for the key: what an invisible mark can hold of it."""
        return int(self.fingerprint[:8], 16)


@dataclass(frozen=True, kw_only=True)
class Signer:
    """Who signed, according to a certificate."""

    name: str
    fingerprint: str
    """SHA-256 of the public key, 64 hexadecimal digits."""

    @property
    def number(self) -> int:
        """Return the 32 bits that an invisible mark holds of this key."""
        return int(self.fingerprint[:8], 16)


def folder(environment: Mapping[str, str] | None = None) -> Path:
    """Return where the key lies: PHIZ_KEYS, or phiz in the user's folder of settings."""
    known = os.environ if environment is None else environment
    if known.get(VARIABLE):
        return Path(known[VARIABLE]).expanduser()
    settings = known.get("XDG_CONFIG_HOME") or ""
    return (Path(settings) if Path(settings).is_absolute() else Path.home() / ".config") / "phiz"


def own(where: Path | None = None) -> Keys:
    """Return this machine's key; make one if there is none yet."""
    path = (where or folder()) / FILE
    if not path.exists():
        _store(path, make())
    return load(path)


def present(where: Path | None = None) -> Keys | None:
    """Return this machine's key if there is one."""
    path = (where or folder()) / FILE
    return load(path) if path.exists() else None


def load(path: Path) -> Keys:
    """Return the key and certificates in a file."""
    try:
        data = path.read_bytes()
        private = serialization.load_pem_private_key(data, password=None)
        chain = tuple(x509.load_pem_x509_certificates(data))
    except OSError as error:
        raise UsageError(
            f"cannot read the key in {path}: {error.strerror}. Check its permissions."
        ) from error
    except (ValueError, TypeError) as error:
        raise UsageError(
            f"{path} holds no key that can be used ({error}). Move it away, and a new one is made."
        ) from error
    if not isinstance(private, ec.EllipticCurvePrivateKey) or not isinstance(private.curve, ec.SECP256R1):
        raise UsageError(f"{path} holds a key of another kind than P-256. Move it away, and one is made.")
    if chain[0].public_key() != private.public_key():
        raise UsageError(f"the certificate in {path} is not that of its key. Put the signer's first.")
    return Keys(private=private, chain=chain)


def make(name: str = SIGNER) -> Keys:
    """Return a new key with a certificate of its own, as C2PA's profile wants one."""
    root, private = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    issuer = f"{name} (root)"
    top = _certificate(issuer, root, issuer, root, is_root=True)
    return Keys(private=private, chain=(_certificate(name, private, issuer, root, is_root=False), top))


def sign(payload: bytes, keys: Keys) -> bytes:
    """Return a COSE_Sign1 over a payload that lies elsewhere."""
    signer = keys.chain[0].public_bytes(serialization.Encoding.DER)
    protected = cbor.encode({_ALGORITHM: _ES256, _CHAIN: signer})
    der = keys.private.sign(_to_sign(protected, payload), ec.ECDSA(hashes.SHA256()))
    signature = b"".join(number.to_bytes(_HALF, "big") for number in decode_dss_signature(der))
    return cbor.encode(cbor.Tagged(_SIGN1, [protected, {}, None, signature]))


def check(signed: bytes, payload: bytes) -> Signer:
    """Return who signed a payload; `ValueError` if nobody did, or it was something else."""
    value = cbor.decode(signed)
    parts = value.value if isinstance(value, cbor.Tagged) and value.tag == _SIGN1 else None
    if not isinstance(parts, list) or len(parts) != 4:
        raise ValueError("its signature is none")
    protected, _, inside, signature = parts
    head = cbor.decode(protected) if isinstance(protected, bytes) else None
    if not isinstance(head, dict) or inside is not None or not isinstance(signature, bytes):
        raise ValueError("its signature is none")
    chain = head.get(_CHAIN)
    first = chain[0] if isinstance(chain, list) and chain else chain
    if head.get(_ALGORITHM) != _ES256 or not isinstance(first, bytes) or len(signature) != 2 * _HALF:
        raise ValueError("its signature is of a kind that phiz does not check (only ES256)")
    certificate, key = _opened(first)
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise ValueError("its signer's key is of a kind that phiz does not check (only P-256)")
    halves = (int.from_bytes(signature[:_HALF], "big"), int.from_bytes(signature[_HALF:], "big"))
    try:
        key.verify(encode_dss_signature(*halves), _to_sign(protected, payload), ec.ECDSA(hashes.SHA256()))
    except InvalidSignature as error:
        raise ValueError("its signature does not fit what it claims") from error
    return Signer(name=_name(certificate), fingerprint=fingerprint(certificate))


def _opened(der: bytes) -> tuple[x509.Certificate, object]:
    """Return a certificate and its public key."""
    try:
        certificate = x509.load_der_x509_certificate(der)
        return certificate, certificate.public_key()
    except (x509.InvalidVersion, UnsupportedAlgorithm) as error:
        raise ValueError(f"its certificate cannot be read: {error}") from error


def fingerprint(certificate: x509.Certificate) -> str:
    """Return the SHA-256 of a certificate's public key, 64 hexadecimal digits."""
    public = certificate.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return hashlib.sha256(public).hexdigest()


def _to_sign(protected: bytes, payload: bytes) -> bytes:
    return cbor.encode(["Signature1", protected, b"", payload])


def _name(certificate: x509.Certificate) -> str:
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(names[0].value) if names else certificate.subject.rfc4514_string()


def _certificate(
    name: str,
    private: ec.EllipticCurvePrivateKey,
    issuer: str,
    root: ec.EllipticCurvePrivateKey,
    *,
    is_root: bool,
) -> x509.Certificate:
    now = datetime.now(timezone.utc)
    usage = x509.KeyUsage(
        digital_signature=not is_root,
        key_cert_sign=is_root,
        crl_sign=is_root,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
    builder = (
        x509.CertificateBuilder()
        .subject_name(_named(name))
        .issuer_name(_named(issuer))
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))  # clocks differ
        .not_valid_after(now + timedelta(days=365 * YEARS))
        .add_extension(x509.BasicConstraints(ca=is_root, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(private.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(root.public_key()), critical=False)
    )
    if not is_root:
        purpose = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION])
        builder = builder.add_extension(purpose, critical=False)
    return builder.sign(root, hashes.SHA256())


def _named(name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "phiz"),
            x509.NameAttribute(NameOID.COMMON_NAME, name),
        ]
    )


def _store(path: Path, keys: Keys) -> None:
    """Write a key where there is none; one that another process made at the same time stays."""
    private = keys.private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    certificates = b"".join(c.public_bytes(serialization.Encoding.PEM) for c in keys.chain)
    draft = path.with_name(f".{path.stem}-{secrets.token_hex(4)}{path.suffix}")
    with checkpoint.atomic(draft) as temporary:
        temporary.chmod(0o600)  # before the key is in it
        temporary.write_bytes(private + certificates)
    try:
        os.link(draft, path)  # unlike a rename, it never takes the place of a file
    except FileExistsError:
        pass
    except OSError:  # a disk without links
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
