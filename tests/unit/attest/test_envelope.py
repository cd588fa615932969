"""Envelopes and keys: what is accepted, and that nothing else is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ec import SECP384R1, generate_private_key
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from hypothesis import given
from hypothesis import strategies as st

from builder_contracts.attest import envelope
from builder_contracts.attest.envelope import NotGenuine
from builder_contracts.errors import InputError
from tests.unit.attest.evidence_samples import KEY, OTHER_KEY, evidence, signed

ENVELOPE = signed(evidence())
KEYS = [KEY.public_key()]


def pem(key: envelope.PrivateKey | rsa.RSAPrivateKey, passphrase: str = "") -> bytes:
    encryption = BestAvailableEncryption(passphrase.encode()) if passphrase else NoEncryption()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)


def public_pem(key: envelope.PrivateKey | rsa.RSAPrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


@pytest.mark.parametrize("key", [KEY, OTHER_KEY])
def test_signed_payload_is_verified_by_its_key(key: envelope.PrivateKey) -> None:
    assert envelope.verified_payload(envelope.sign(b"{}", key), [key.public_key()]) == b"{}"


def test_any_of_several_keys_is_enough() -> None:
    keys: list[envelope.PublicKey] = [OTHER_KEY.public_key(), KEY.public_key()]
    assert envelope.verified_payload(ENVELOPE, keys)


@given(st.integers(0, len(ENVELOPE) - 2), st.integers(1, 255))
def test_any_changed_byte_is_refused(place: int, change: int) -> None:
    raw = bytearray(ENVELOPE.encode())
    raw[place] ^= change
    with pytest.raises(NotGenuine):
        envelope.verified_payload(raw.decode("latin-1"), KEYS)


@given(st.integers(0, len(ENVELOPE) - 2), st.text('A=+ \n\t"0,}', min_size=1, max_size=3))
def test_any_added_text_is_refused(place: int, text: str) -> None:
    with pytest.raises(NotGenuine):
        envelope.verified_payload(ENVELOPE[:place] + text + ENVELOPE[place:], KEYS)


@given(st.integers(0, len(ENVELOPE) - 2))
def test_any_missing_byte_is_refused(place: int) -> None:
    with pytest.raises(NotGenuine):
        envelope.verified_payload(ENVELOPE[:place] + ENVELOPE[place + 1 :], KEYS)


PARSED = json.loads(ENVELOPE)


@pytest.mark.parametrize(
    "data",
    [
        {**PARSED, "payloadType": "text/plain"},
        {**PARSED, "signatures": []},
        {**PARSED, "extra": 1},
        {**PARSED, "payload": PARSED["payload"] + "===="},
        {**PARSED, "signatures": {}},
        {**PARSED, "signatures": [{"sig": PARSED["signatures"][0]["sig"]}]},
        {"payload": PARSED["payload"]},
        [],
        None,
        "text",
    ],
)
def test_other_forms_are_refused(data: object) -> None:
    with pytest.raises(NotGenuine):
        envelope.verified_payload(json.dumps(data, separators=(",", ":")), KEYS)


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, "\0", "é"])
def test_text_that_is_not_an_envelope_is_refused(text: str) -> None:
    with pytest.raises(NotGenuine, match="not a DSSE envelope"):
        envelope.verified_payload(text, KEYS)


@pytest.mark.parametrize("keys", [[], [OTHER_KEY.public_key()]])
def test_foreign_signature_is_refused(keys: list[envelope.PublicKey]) -> None:
    with pytest.raises(NotGenuine, match="none of the given keys"):
        envelope.verified_payload(ENVELOPE, keys)


@pytest.mark.parametrize("passphrase", ["", "correct horse"])
@pytest.mark.parametrize("key", [KEY, OTHER_KEY])
def test_key_is_read_with_its_passphrase(key: envelope.PrivateKey, passphrase: str, tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(pem(key, passphrase))
    (tmp_path / "key.pub").write_bytes(public_pem(key))
    text = envelope.sign(b"{}", envelope.load_private_key(tmp_path / "key", passphrase))
    assert envelope.verified_payload(text, [envelope.load_public_key(tmp_path / "key.pub")])


RSA = rsa.generate_private_key(65537, 1024)  # noqa: S505 # refused


@pytest.mark.parametrize(
    ("content", "passphrase", "reason"),
    [
        (pem(KEY, "secret"), "", "the key has a passphrase\n    fix: set BUILDER_CONTRACTS_SIGN_PASSPHRASE"),
        (pem(KEY), "secret", "the key has no passphrase, and BUILDER_CONTRACTS_SIGN_PASSPHRASE is set"),
        (pem(KEY, "secret"), "other", "or BUILDER_CONTRACTS_SIGN_PASSPHRASE is not its passphrase"),
        (public_pem(KEY), "", "not a private key in PEM\n    fix: make one with"),
        (b"", "", "not a private key in PEM\n"),
        (pem(RSA), "", "neither an EC P-256 nor an Ed25519 key"),
        (pem(generate_private_key(SECP384R1())), "", "neither an EC P-256 nor an Ed25519 key"),
        (b"-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----", "", "a key in cosign's own format"),
    ],
)
def test_key_that_cannot_sign_is_bad_input(
    content: bytes, passphrase: str, reason: str, tmp_path: Path
) -> None:
    (tmp_path / "key").write_bytes(content)
    with pytest.raises(InputError) as refused:
        envelope.load_private_key(tmp_path / "key", passphrase)
    assert reason in f"{refused.value}\n"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (pem(KEY), "a private key; it has no place where evidence is verified"),
        (public_pem(RSA), "neither an EC P-256 nor an Ed25519 key"),
        (b"x", "not a public key in PEM"),
    ],
)
def test_key_that_cannot_verify_is_bad_input(content: bytes, reason: str, tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(content)
    with pytest.raises(InputError, match=reason):
        envelope.load_public_key(tmp_path / "key")
