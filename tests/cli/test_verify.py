"""The gate on the command line: evidence in, exit code and reasons out."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st

from builder_contracts.attest import statement
from builder_contracts.attest.statement import EXTENSION, Evidence
from builder_contracts.cli import group
from builder_contracts.contract.loading import load_all
from builder_contracts.errors import BuilderContractsError
from builder_contracts.run.options import minimum_rung, time_span
from builder_contracts.verdict import Rung
from tests.cli.test_attestation import BLOB, CONTRACTS, DIGEST, cosign, key_pair
from tests.unit.attest.evidence_samples import IMAGE, OTHER_KEY, evidence, signed


def fresh() -> Evidence:
    return evidence(started=datetime.now(UTC) - timedelta(hours=3))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a public key, another one, and an attestation that is three hours old."""
    folder = tmp_path_factory.mktemp("gate")
    (folder / "other").mkdir()
    key_pair(folder)
    key_pair(folder / "other", OTHER_KEY)
    (folder / "a.dsse").write_text(signed(fresh()))
    return folder


def verify(folder: Path, *arguments: str, attestation: str = "a.dsse") -> Result:
    return CliRunner().invoke(
        group,
        ["verify", "--image", f"ghcr.io/me/runner@{IMAGE}", "--class", "tinyland-nix", "--max-age", "26h",
         "--key", str(folder / "key.pub"), "--attestation", str(folder / attestation), *arguments],
    )  # fmt: skip


def test_fresh_evidence_of_the_image_is_accepted(folder: Path) -> None:
    result = verify(folder)
    assert result.exit_code == 0, result.output
    assert result.output.startswith(
        "accepted  tinyland-nix: 3 clauses kept (1 C0, 1 C1, 1 C2); 3 h 0 min old; ghcr.io/me/runner:1"
    )


@pytest.mark.parametrize(
    ("arguments", "code", "reason"),
    [
        (["--max-age", "2h"], 7, "refused   expired: its oldest observation is 3 h 0 min old, and at most 2 h 0 min"),
        (["--image", "sha256:" + "0" * 64], 7, "refused   another image"),
        (["--class", "tinyland-dind"], 7, "refused   another class"),
        (["--contract-digest", "sha256:" + "0" * 64], 7, "refused   another version of the contract"),
        (["--contracts", str(CONTRACTS / "tinyland-nix.yaml")], 7, "refused   another version of the contract"),
        (["--min-rung", "C3"], 2, "refused   rung C3 is asked"),
        (["--min-rung", "toolchain/*=C2"], 2, "refused   rung C2 is asked of toolchain/*"),
    ],
)  # fmt: skip
def test_evidence_that_is_not_enough_is_refused(
    folder: Path, arguments: list[str], code: int, reason: str
) -> None:
    result = verify(folder, *arguments)
    assert (result.exit_code, reason in result.output, "\n    fix: " in result.output) == (code, True, True)
    refused = json.loads(verify(folder, *arguments, "--format", "json").output)
    assert (refused["accepted"], len(refused["refusals"])) == (False, 1)


def test_evidence_of_this_contract_is_accepted(folder: Path) -> None:
    (contract,) = load_all([CONTRACTS / "tinyland-nix.yaml"])
    (folder / "this.dsse").write_text(
        signed(evidence(started=datetime.now(UTC), contract_digest=contract.digest))
    )
    contracts = ["--contracts", str(CONTRACTS / "tinyland-nix.yaml")]
    assert verify(folder, *contracts, attestation="this.dsse").exit_code == 0


def test_foreign_key_is_refused(folder: Path) -> None:
    (folder / "foreign.dsse").write_text(signed(fresh(), OTHER_KEY))
    result = verify(folder, attestation="foreign.dsse")
    assert (result.exit_code, "none of the given keys signed it" in result.output) == (7, True)
    assert (
        verify(folder, "--key", str(folder / "other" / "key.pub"), attestation="foreign.dsse").exit_code == 0
    )


def test_signed_statement_of_another_kind_is_refused(folder: Path) -> None:
    other = statement.to_data(fresh()) | {"predicateType": "https://slsa.dev/provenance/v1"}
    from builder_contracts.attest import envelope
    from tests.unit.attest.evidence_samples import KEY

    for name, payload in (("kind", json.dumps(other)), ("text", "no JSON"), ("deep", "[" * 100_000)):
        (folder / name).write_text(envelope.sign(payload.encode(), KEY))
        result = verify(folder, attestation=name)
        assert (result.exit_code, result.output.startswith("refused")) == (7, True), result.output


@given(st.data())
@settings(max_examples=30)
def test_any_byte_changed_is_refused(folder: Path, data: st.DataObject) -> None:
    raw = bytearray((folder / "a.dsse").read_bytes())
    place = data.draw(st.integers(0, len(raw) - 2))
    raw[place] = data.draw(st.integers(0, 255).filter(lambda byte: byte != raw[place]))
    (folder / "changed.dsse").write_bytes(raw)
    result = verify(folder, attestation="changed.dsse")
    assert result.exit_code == 7 or "not UTF-8 text" in str(result.exception)
    assert "accepted" not in result.output


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--max-age", "0h"], "'0h' is not an age such as 90m, 26h or 7d"),
        (["--max-age", "-1h"], "is not an age"),
        (["--max-age", "26"], "is not an age"),
        (["--min-rung", "C9"], "'C9': use RUNG or GLOB=RUNG"),
        (["--contract-digest", "abc"], "--contract-digest abc: not a digest"),
        (["--contracts", str(CONTRACTS), "--class", "tinyland-nx"], "--class tinyland-nx: no contract declares this class"),
        (["--attestation", "absent"], "absent: cannot read: No such file"),
        (["--key", "absent"], "absent: cannot read: No such file"),
    ],
)  # fmt: skip
def test_arguments_that_cannot_be_used_are_bad_input(folder: Path, arguments: list[str], reason: str) -> None:
    error = verify(folder, *arguments).exception
    assert isinstance(error, BuilderContractsError)
    assert (error.exit_code, reason in str(error)) == (3, True), str(error)


def test_units_of_an_age_and_forms_of_a_rung() -> None:
    assert [time_span(text) for text in ("90s", "90m", "26h", "7d")] == [
        timedelta(seconds=90), timedelta(minutes=90), timedelta(hours=26), timedelta(days=7),
    ]  # fmt: skip
    assert minimum_rung("C1") == ("", Rung.OBSERVED)
    assert minimum_rung("caches/*=C2") == ("caches/*", Rung.EXERCISED)


def test_what_cosign_signed_is_verified(tmp_path: Path) -> None:
    predicate = statement.to_data(fresh())["predicate"]
    (tmp_path / "predicate.json").write_text(json.dumps(predicate))
    (tmp_path / "blob").write_bytes(BLOB)
    assert cosign(tmp_path, "generate-key-pair").returncode == 0
    attested = cosign(
        tmp_path, "attest-blob", "--yes", "--key", "cosign.key", "--tlog-upload=false", "--predicate",
        "predicate.json", "--type", statement.PREDICATE, "--output-signature", "a.dsse", "blob",
    )  # fmt: skip
    assert attested.returncode == 0, attested.stderr
    arguments = ["--key", str(tmp_path / "cosign.pub")]
    key_pair(tmp_path)
    assert verify(tmp_path, *arguments, "--image", DIGEST).exit_code == 0
    assert verify(tmp_path, *arguments).exit_code == 7, "cosign stated another image"
    assert EXTENSION in predicate
