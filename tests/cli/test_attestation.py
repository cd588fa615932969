"""Attestations and the real cosign: what the one signs, the other verifies."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from builder_contracts.attest import statement
from builder_contracts.attest.envelope import PrivateKey
from builder_contracts.cli import group
from builder_contracts.errors import ExitCode, InputError
from builder_contracts.reporting.registry import (
    open_reports,
    parse_report,
    require_attestable,
    signer,
)
from builder_contracts.reporting.stream import RunInfo, RunSummary
from builder_contracts.verdict import Verdict
from tests.unit.attest.evidence_samples import KEPT_VERDICTS, KEY, OTHER_KEY

CONTRACTS = Path(__file__).parents[2] / "contracts"
BLOB = b"the configuration of an image\n"
DIGEST = "sha256:" + hashlib.sha256(BLOB).hexdigest()


def verdicts() -> list[Verdict]:
    """Verdicts on an image whose content ID is the digest of BLOB."""
    return [
        dataclasses.replace(kept, origin=dataclasses.replace(kept.origin, image_digest=DIGEST))
        for kept in KEPT_VERDICTS
    ]


def key_pair(folder: Path, key: PrivateKey = KEY) -> tuple[Path, Path]:
    """The files of a private key and its public half."""
    private, public = folder / "key.pem", folder / "key.pub"
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return private, public


def write_attestation(path: Path, key: Path | None) -> None:
    requests = [parse_report(f"attestation={path}", path.parent)]
    stdout = io.StringIO()
    sign = signer(key, requests, env={})
    with open_reports(requests, stdout=stdout, stderr=stdout, env={}, sign=sign) as reports:
        reports.begin(RunInfo("abc123", "check", path.parent, "", promised={"tinyland-nix": 3}))
        for verdict in verdicts():
            reports.add(verdict)
        assert reports.end(RunSummary(ExitCode.KEPT, 1.0)) is ExitCode.KEPT


def cosign(folder: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    program = shutil.which("cosign") or shutil.which("cosign", path=Path(sys.executable).parent)
    if program is None:
        pytest.skip("needs cosign (apt-get install cosign)")
    env = {**os.environ, "HOME": str(folder), "COSIGN_PASSWORD": ""}
    return subprocess.run(
        [program, *arguments], cwd=folder, env=env, capture_output=True, text=True, timeout=120
    )


def cosign_verifies(folder: Path, blob: bytes = BLOB, key: str = "key.pub") -> bool:
    (folder / "blob").write_bytes(blob)
    completed = cosign(
        folder, "verify-blob-attestation", "--key", key, "--signature", "a.dsse", "--type",
        statement.PREDICATE, "--insecure-ignore-tlog", "blob",
    )  # fmt: skip
    assert completed.returncode == 0 or "Error:" in completed.stderr, completed.stderr
    return completed.returncode == 0


@pytest.mark.parametrize("key", [KEY, OTHER_KEY])
def test_cosign_verifies_a_signed_attestation(key: PrivateKey, tmp_path: Path) -> None:
    private, _ = key_pair(tmp_path, key)
    write_attestation(tmp_path / "a.dsse", private)
    assert cosign_verifies(tmp_path)


def test_cosign_refuses_another_image_or_key(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    private, _ = key_pair(tmp_path)
    key_pair(tmp_path / "other", OTHER_KEY)
    write_attestation(tmp_path / "a.dsse", private)
    assert not cosign_verifies(tmp_path, blob=b"another image")
    assert not cosign_verifies(tmp_path, key="other/key.pub")


def test_attestation_without_a_key_is_the_statement(tmp_path: Path) -> None:
    write_attestation(tmp_path / "a.json", None)
    assert statement.from_data(json.loads((tmp_path / "a.json").read_text())).digests == {DIGEST}


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--report", "attestation=a.json"], "is about one class, and 3 are selected"),
        (["--report", "attestation=a.json", "--runner", "local", "--builder", "tinyland-nix"], "is about an image"),
        (["--builder", "tinyland-nix", "--sign-key", "key.pem"], "--sign-key without an attestation"),
        (
            ["--builder", "tinyland-nix", "--report", "attestation=a.json", "--sign-key", "key.pub"],
            "key.pub: not a private key in PEM",
        ),
        (
            ["--builder", "tinyland-nix", "--report", "attestation=a.json", "--sign-key", "absent"],
            "absent: cannot read: No such file",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_attested_is_refused_before_the_run(
    arguments: list[str], reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key_pair(tmp_path)
    monkeypatch.chdir(tmp_path)
    completed = CliRunner().invoke(group, ["check", str(CONTRACTS), *arguments])
    assert isinstance(completed.exception, InputError)
    assert reason in str(completed.exception)


def test_other_reports_need_no_single_class(tmp_path: Path) -> None:
    require_attestable([parse_report("json", tmp_path)], ["a", "b"], ["local"])
