"""Signed statements: DSSE envelopes as cosign reads and writes them, and keys in PEM.

The form of an envelope is checked byte by byte, so that a changed one is refused even where its signature does not cover
the change. See https://github.com/secure-systems-lab/dsse.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    SECP256R1,
    EllipticCurvePrivateKey,
    EllipticCurvePublicKey,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from builder_contracts.contract.files import read_text
from builder_contracts.errors import InputError, Location, Problem

PAYLOAD_TYPE = "application/vnd.in-toto+json"
PASSPHRASE = "BUILDER_CONTRACTS_SIGN_PASSPHRASE"  # noqa: S105 # the name of the variable
"""The variable with the passphrase of the key that signs."""

PrivateKey: TypeAlias = EllipticCurvePrivateKey | Ed25519PrivateKey
PublicKey: TypeAlias = EllipticCurvePublicKey | Ed25519PublicKey

_MAX_KEY_BYTES = 100_000
_MAKE_KEY = "make one with 'openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out KEY'"


class NotGenuine(Exception):
    """An envelope that no given key signed as it stands: the text says why."""


def sign(payload: bytes, key: PrivateKey) -> str:
    """The envelope of a statement."""
    message = _to_be_signed(payload)
    if isinstance(key, Ed25519PrivateKey):
        signature = key.sign(message)
    else:
        signature = key.sign(message, ECDSA(SHA256()))
    return _written(payload, [("", signature)]) + "\n"


def verified_payload(text: str, keys: Sequence[PublicKey]) -> bytes:
    """The statement in an envelope that one of the keys signed. Raises NotGenuine."""
    try:
        envelope = json.loads(text)
        payload = base64.b64decode(envelope["payload"], validate=True)
        signatures = [
            (str(item["keyid"]), base64.b64decode(item["sig"], validate=True))
            for item in envelope["signatures"]
        ]
    except (AttributeError, KeyError, RecursionError, TypeError, ValueError, binascii.Error):
        raise NotGenuine("not a DSSE envelope") from None
    # What cosign and we write, and nothing else: no second spelling, no field that nobody signed.
    if text.removesuffix("\n") != _written(payload, signatures):
        raise NotGenuine(f"not a DSSE envelope of {PAYLOAD_TYPE}, or changed after it was signed")
    message = _to_be_signed(payload)
    if not any(_fits(key, signature, message) for key in keys for _, signature in signatures):
        raise NotGenuine("none of the given keys signed it as it stands: another key, or changed since")
    return payload


def _to_be_signed(payload: bytes) -> bytes:
    """DSSE's pre-authentication encoding."""
    return b"DSSEv1 %d %s %d %s" % (len(PAYLOAD_TYPE), PAYLOAD_TYPE.encode(), len(payload), payload)


def _written(payload: bytes, signatures: Sequence[tuple[str, bytes]]) -> str:
    envelope: dict[str, Any] = {
        "payloadType": PAYLOAD_TYPE,
        "payload": base64.b64encode(payload).decode(),
        "signatures": [
            {"keyid": keyid, "sig": base64.b64encode(signature).decode()} for keyid, signature in signatures
        ],
    }
    return json.dumps(envelope, separators=(",", ":"))


def _fits(key: PublicKey, signature: bytes, message: bytes) -> bool:
    try:
        if isinstance(key, Ed25519PublicKey):
            key.verify(signature, message)
        else:
            key.verify(signature, message, ECDSA(SHA256()))
    except InvalidSignature:
        return False
    return True


def load_private_key(path: Path, passphrase: str) -> PrivateKey:
    """The key that signs: PEM, EC P-256 or Ed25519, encrypted if there is a passphrase. Raises InputError."""
    text = read_text(path, _MAX_KEY_BYTES)
    if "SIGSTORE PRIVATE KEY" in text or "COSIGN PRIVATE KEY" in text:
        raise _error(path, "a key in cosign's own format, which only cosign can read", _MAKE_KEY)
    try:
        key = load_pem_private_key(text.encode(), passphrase.encode() or None)
    except TypeError:
        # The library has this type for both: no passphrase for an encrypted key, one for a plain key.
        if passphrase:
            raise _error(
                path, f"the key has no passphrase, and {PASSPHRASE} is set", f"unset {PASSPHRASE}"
            ) from None
        raise _error(path, "the key has a passphrase", f"set {PASSPHRASE}") from None
    except (ValueError, UnsupportedAlgorithm):
        # Its reasons may quote the key.
        wrong = f", or {PASSPHRASE} is not its passphrase" if passphrase else ""
        raise _error(path, f"not a private key in PEM{wrong}", _MAKE_KEY) from None
    if isinstance(key, Ed25519PrivateKey) or (
        isinstance(key, EllipticCurvePrivateKey) and isinstance(key.curve, SECP256R1)
    ):
        return key
    raise _error(path, "neither an EC P-256 nor an Ed25519 key", _MAKE_KEY)


def load_public_key(path: Path) -> PublicKey:
    """A key that signatures are checked with: PEM, EC P-256 or Ed25519. Raises InputError."""
    text = read_text(path, _MAX_KEY_BYTES)
    fix = "write the public half with 'openssl pkey -in KEY -pubout -out KEY.pub'"
    if "PRIVATE KEY" in text:
        raise _error(path, "a private key; it has no place where evidence is verified", fix)
    try:
        key = load_pem_public_key(text.encode())
    except (ValueError, UnsupportedAlgorithm):
        raise _error(path, "not a public key in PEM", fix) from None
    if isinstance(key, Ed25519PublicKey) or (
        isinstance(key, EllipticCurvePublicKey) and isinstance(key.curve, SECP256R1)
    ):
        return key
    raise _error(path, "neither an EC P-256 nor an Ed25519 key", fix)


def _error(path: Path, message: str, fix: str) -> InputError:
    return InputError([Problem(Location(str(path)), message, fix)])
