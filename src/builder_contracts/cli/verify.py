"""builder-contracts verify: accept or refuse an image on evidence that another machine gave."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from builder_contracts.cli.options import builders, table_options
from builder_contracts.contract.files import read_text
from builder_contracts.contract.loading import load_all
from builder_contracts.errors import EngineError, ExitCode, InputError, printable
from builder_contracts.extras import name_missing_extra
from builder_contracts.run.inputs import contract_files, unknown
from builder_contracts.run.options import VERIFY, minimum_rung, parse, time_span, usage_error
from builder_contracts.verdict import age_in_words

if TYPE_CHECKING:
    from builder_contracts.attest.gate import Refusal
    from builder_contracts.attest.statement import Evidence

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_MAX_BYTES = 16_000_000


@click.command()
@click.option(
    "--image",
    required=True,
    metavar="REF",
    help="Image to deploy: its digest, a reference with @sha256:…, or one in the local engine.",
)
@click.option(
    "--class",
    "builder",
    required=True,
    metavar="CLASS",
    shell_complete=builders,
    help="Class that the image must keep.",
)
@click.option(
    "--attestation",
    required=True,
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Signed attestation, from 'check --report attestation=FILE --sign-key KEY'.",
)
@click.option(
    "--key",
    "keys",
    required=True,
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Public key in PEM that may have signed it (repeatable).",
)
@click.option(
    "--max-age",
    required=True,
    metavar="AGE",
    help="Oldest evidence that is accepted, such as 26h, 90m or 7d.",
)
@click.option(
    "--min-rung",
    "rungs",
    multiple=True,
    metavar="[GLOB=]RUNG",
    help="Lowest rung, C0 to C4: of the class as a whole, or of each clause that matches (repeatable).",
)
@click.option(
    "--contract-digest", metavar="DIGEST", help="Accept only evidence about this version of the contract."
)
@click.option(
    "--allow",
    "allowed",
    multiple=True,
    metavar="GLOB",
    help="Accept matching clauses that are unproven or waived (repeatable).",
)
@table_options(VERIFY)
def verify(
    image: str,
    builder: str,
    attestation: Path,
    keys: tuple[Path, ...],
    max_age: str,
    rungs: tuple[str, ...],
    contract_digest: str | None,
    allowed: tuple[str, ...],
    form: str,
    **values: Any,
) -> None:
    """Accept an image, or refuse it, on evidence that was given somewhere else.

    With --contracts, only evidence about the contract as it stands there is accepted. Every reason for a refusal is
    printed. Exits with 0 if the evidence is accepted; 7 if it is not about this image, class or contract, is too old,
    or was not signed as it stands by any of the keys; 1 if a clause is broken; 2 if one is unproven or its rung too
    low; 5 if no clause is kept.

    \b
    Example:
      builder-contracts verify --image ghcr.io/me/runner@sha256:… --class my-runner --max-age 26h \\
        --key key.pub --attestation my-runner.dsse
    """  # fmt: skip
    with name_missing_extra():
        from builder_contracts.attest import envelope, gate, statement
    try:
        span = time_span(max_age)
        lowest = tuple(map(minimum_rung, rungs))
    except ValueError as error:
        raise usage_error(str(error), "see 'builder-contracts verify --help'") from None
    if contract_digest is not None and not _DIGEST.fullmatch(contract_digest):
        raise usage_error(
            f"--contract-digest {contract_digest}: not a digest", "use sha256:… as in the attestation"
        )
    demand = gate.Demand(
        builder,
        _digests(image),
        span,
        lowest,
        contract_digest or _digest_of_contract(builder, values),
        allowed,
    )
    trusted = [envelope.load_public_key(key) for key in keys]
    text = read_text(attestation, _MAX_BYTES)
    evidence: Evidence | None = None
    now = datetime.now(UTC)
    try:
        evidence = statement.from_data(json.loads(envelope.verified_payload(text, trusted)))
        reasons = gate.refusals(evidence, demand, now)
    except (envelope.NotGenuine, statement.NotAttestable, ValueError, RecursionError) as error:
        reasons = [
            gate.Refusal(
                ExitCode.REFUSED, f"{attestation}: {error}", "get the attestation again, and its key"
            )
        ]
    _show(form, evidence, reasons, now)
    raise click.exceptions.Exit(gate.exit_code(reasons))


def _digests(image: str) -> frozenset[str]:
    """The digests of an image; an engine is asked only for a reference without one."""
    if match := re.fullmatch(rf"(?:.*@)?({_DIGEST.pattern})", image):
        return frozenset([match[1]])
    from builder_contracts.runner.docker import engine

    client = engine.connect()
    try:
        digests = engine.image_digests(client, image)
    except engine.LOST as error:
        raise EngineError(f"lost connection to the Docker Engine: {engine.reason(error)}") from None
    finally:
        client.close()
    if not digests:
        raise usage_error(f"--image {image}: not in the local engine", "pass its digest: NAME@sha256:…")
    return digests


def _digest_of_contract(builder: str, values: dict[str, Any]) -> str:
    """The digest of the contract of the class at --contracts, or nothing."""
    options = parse(VERIFY, values, cwd=Path())
    if not options.paths:
        return ""
    contracts = load_all(contract_files(options.paths), options.settings)
    if problems := list(unknown("--class", [builder], contracts)):
        raise InputError(problems)
    return next(contract.digest for contract in contracts if contract.name == builder)


def _show(form: str, evidence: Evidence | None, reasons: Sequence[Refusal], now: datetime) -> None:
    if form == "json":
        click.echo(json.dumps(_data(evidence, reasons, now), indent=2))
        return
    for refusal in reasons:
        click.echo(f"{click.style('refused', fg='red')}   {printable(refusal.reason)}")
        click.echo(f"    fix: {printable(refusal.fix)}")
    if evidence is not None and not reasons:
        rungs = Counter(rung.value for rung in evidence.kept.values())
        counts = ", ".join(f"{rungs[rung]} {rung}" for rung in sorted(rungs))
        others = f", {len(evidence.unproven)} unproven and {len(evidence.waived)} waived allowed"
        click.echo(
            f"{click.style('accepted', fg='green')}  {printable(evidence.builder)}: {len(evidence.kept)} clauses kept ({counts})"
            f"{others if evidence.unproven or evidence.waived else ''}; {age_in_words(now - evidence.started)} old; "
            f"{printable(evidence.image)}"
        )


def _data(evidence: Evidence | None, reasons: Sequence[Refusal], now: datetime) -> dict[str, Any]:
    data: dict[str, Any] = {
        "accepted": not reasons,
        "refusals": [
            {"reason": refusal.reason, "fix": refusal.fix, "exit_code": int(refusal.code)}
            for refusal in reasons
        ],
    }
    if evidence is not None:
        data |= {
            "class": evidence.builder,
            "image": evidence.image,
            "digests": sorted(evidence.digests),
            "contract_digest": evidence.contract_digest,
            "started": evidence.started.isoformat(),
            "age_seconds": round((now - evidence.started).total_seconds()),
            "run": evidence.run,
            "url": evidence.url,
            "kept": {clause: rung.value for clause, rung in evidence.kept.items()},
            "unproven": dict(evidence.unproven),
            "waived": dict(evidence.waived),
            "broken": dict(evidence.broken),
        }
    return data
