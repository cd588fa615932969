"""Statements in in-toto's form (test-result v0.1): how one class was kept by one image. Pure, without a clock."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from builder_contracts import __version__
from builder_contracts.verdict import Outcome, Rung, Verdict

STATEMENT = "https://in-toto.io/Statement/v1"
# cosign writes the earlier name around a predicate that it is given.
_STATEMENTS = (STATEMENT, "https://in-toto.io/Statement/v0.1")
PREDICATE = "https://in-toto.io/attestation/test-result/v0.1"
EXTENSION = "https://builder-contracts.dev/evidence/v1"
"""The field of the predicate with what test-result has no field for."""

_DIGEST = re.compile(r"sha256:([0-9a-f]{64})")


class NotAttestable(Exception):
    """Verdicts that no statement can be made of, or a statement that is not one of ours: the text says why."""


@dataclass(frozen=True)
class Evidence:
    """What a statement says about one class.

    ``digests`` are of its image, each ``sha256:…``. ``kept`` has the rung of each kept clause; ``unproven``, ``waived``
    and ``broken`` what was observed of each other clause. ``promised`` is the number of clauses in the contract;
    ``started`` is when the oldest of the observations began.
    """

    builder: str
    image: str
    digests: frozenset[str]
    contract_digest: str
    started: datetime
    promised: int
    kept: Mapping[str, Rung]
    unproven: Mapping[str, str]
    waived: Mapping[str, str]
    broken: Mapping[str, str]
    environment: str = ""
    runner: str = ""
    run: str = ""
    url: str = ""

    @property
    def judged(self) -> int:
        """The number of clauses that the statement says anything about."""
        return len(self.kept) + len(self.unproven) + len(self.waived) + len(self.broken)

    @property
    def result(self) -> str:
        """The result in test-result's words: a clause that was not kept is a warning, or a failure if it is broken."""
        if self.broken:
            return "FAILED"
        return "WARNED" if self.unproven or self.waived or not self.kept else "PASSED"


def gather(verdicts: Iterable[Verdict], promised: Mapping[str, int], run: str, url: str = "") -> Evidence:
    """The evidence of a run of one class; ``promised`` has the number of clauses by class. Raises NotAttestable."""
    verdicts = list(verdicts)
    builder = _single("class", {verdict.builder for verdict in verdicts}, "select one with --builder")
    origins = [verdict.origin for verdict in verdicts]
    pinned = {origin.image_digest for origin in origins} - {""}
    digest = _single("image", pinned, "a real runner and an image that was not found have no digest")
    image = next(origin.image for origin in origins if origin.image_digest)
    texts = {
        outcome: {verdict.clause: verdict.observation for verdict in verdicts if verdict.outcome is outcome}
        for outcome in Outcome
    }
    return Evidence(
        builder=builder,
        image=image,
        digests=frozenset([digest, *(match[0] for match in _DIGEST.finditer(image))]),
        contract_digest=_single(
            "contract", {origin.contract_digest for origin in origins}, "check one at a time"
        ),
        started=_oldest(origin.started for origin in origins if origin.started),
        promised=promised.get(builder, 0),
        kept={
            verdict.clause: verdict.rung or Rung.DECLARED
            for verdict in verdicts
            if verdict.outcome is Outcome.KEPT
        },
        unproven=texts[Outcome.UNPROVEN],
        waived=texts[Outcome.WAIVED],
        broken=texts[Outcome.BROKEN],
        environment=next((origin.environment for origin in origins if origin.environment), ""),
        runner=next((origin.runner for origin in origins if origin.runner), ""),
        run=run,
        url=url,
    )


def _single(kind: str, values: set[str], fix: str) -> str:
    if len(values) != 1:
        seen = f"this run has {len(values)}: {', '.join(sorted(values))}" if values else "this run has none"
        raise NotAttestable(f"an attestation is about one {kind}, and {seen}; {fix}")
    return values.pop()


def _oldest(times: Iterable[str]) -> datetime:
    try:
        return min(map(datetime.fromisoformat, times))
    except (TypeError, ValueError):
        raise NotAttestable(
            "an attestation has the time of its observations, and this run has none"
        ) from None


def to_data(evidence: Evidence) -> dict[str, Any]:
    """The statement as plain data."""
    name, *_ = evidence.image.split("@")
    return {
        "_type": STATEMENT,
        "subject": [
            {"name": name, "digest": {"sha256": digest.removeprefix("sha256:")}}
            for digest in sorted(evidence.digests)
        ],
        "predicateType": PREDICATE,
        "predicate": {
            "result": evidence.result,
            "configuration": [
                {
                    "name": evidence.builder,
                    "digest": {"sha256": evidence.contract_digest.removeprefix("sha256:")},
                }
            ],
            **({"url": evidence.url} if evidence.url else {}),
            "passedTests": list(evidence.kept),
            "warnedTests": [*evidence.unproven, *evidence.waived],
            "failedTests": list(evidence.broken),
            EXTENSION: {
                "version": __version__,
                "run": evidence.run,
                "runner": evidence.runner,
                "environment": evidence.environment,
                "image": evidence.image,
                "started": evidence.started.isoformat(),
                "promised": evidence.promised,
                "judged": evidence.judged,
                "rungs": {clause: rung.value for clause, rung in evidence.kept.items()},
                "waived": list(evidence.waived),
                "observations": {**evidence.unproven, **evidence.waived, **evidence.broken},
            },
        },
    }


def from_data(data: Any) -> Evidence:
    """The evidence of a statement that ``to_data`` or cosign made. Raises NotAttestable for any other data."""
    try:
        return _from_data(data)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise NotAttestable(
            f"not a statement of builder-contracts: {type(error).__name__}: {error}"
        ) from None


def _from_data(data: Any) -> Evidence:
    if data["_type"] not in _STATEMENTS or data["predicateType"] != PREDICATE:
        raise NotAttestable(f"not a statement of type {PREDICATE}")
    predicate = data["predicate"]
    ours = predicate[EXTENSION]
    (contract,) = predicate["configuration"]
    waived = set(ours["waived"])
    texts = {str(clause): str(text) for clause, text in ours["observations"].items()}
    evidence = Evidence(
        builder=str(contract["name"]),
        image=str(ours["image"]),
        digests=frozenset(_digest(subject) for subject in data["subject"]),
        contract_digest=_digest(contract),
        started=datetime.fromisoformat(ours["started"]),
        promised=int(ours["promised"]),
        kept={clause: Rung(ours["rungs"][clause]) for clause in predicate["passedTests"]},
        unproven={clause: texts[clause] for clause in predicate["warnedTests"] if clause not in waived},
        waived={clause: texts[clause] for clause in predicate["warnedTests"] if clause in waived},
        broken={clause: texts[clause] for clause in predicate["failedTests"]},
        environment=str(ours["environment"]),
        runner=str(ours["runner"]),
        run=str(ours["run"]),
        url=str(predicate.get("url", "")),
    )
    if evidence.started.tzinfo is None:
        raise ValueError("'started' has no time zone")
    if ours["judged"] != evidence.judged:
        raise ValueError(f"it judges {evidence.judged} clauses, and says {ours['judged']!r}")
    if predicate["result"] != evidence.result:
        raise ValueError(f"the result is {predicate['result']!r}, and the clauses make it {evidence.result}")
    return evidence


def _digest(item: Any) -> str:
    digest = f"sha256:{item['digest']['sha256']}"
    if not _DIGEST.fullmatch(digest):
        raise ValueError(f"{digest!r} is not a digest")
    return digest
