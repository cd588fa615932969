"""What an experiment leaves behind for its judge: plain data, no verdicts."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field

from builder_contracts.prove.bazel.log import Spawn
from builder_contracts.prove.nix.log import NixLog
from builder_contracts.services.principals import WRITER
from builder_contracts.verdict import Measurement


@dataclass(frozen=True)
class Unavailable:
    """An experiment that could not be carried out, and why. Its clauses are unproven.

    ``here`` False: this environment can never show it, so that trying again would not help.
    """

    reason: str
    here: bool = True


@dataclass(frozen=True)
class AccessLogLine:
    """One line of a server's own log: who asked from where for what, and what was answered."""

    identity: str
    source: str
    method: str
    uri: str
    status: int
    grpc: str = ""


@dataclass(frozen=True)
class NixRun:
    """One command of Nix: its exit status (None: it was lost, ``ended`` says how) and its structured log."""

    status: int | None
    log: NixLog
    ended: str = ""


@dataclass(frozen=True)
class NixRecord:
    """Everything that the Nix cache proof saw.

    ``attempts`` are substitutions by what was wrong with the cache (good, none, unsigned, wrong-key,
    stripped-references, swapped-nar, recovery); ``path`` is the nonce path that all of them asked for.
    ``served`` is what the server's own log has of each attempt, asked for by the runner that made it; not ``logged``:
    the good cache is a deployment's own, whose log is not at hand; not ``watched``: the bad ones are folders, which have
    none, and the client's own log says that they were asked. ``left`` is what could not be removed from it again.
    """

    path: str
    closure: tuple[str, ...]
    url: str
    key: str
    nar_hash: str
    runner: str
    attempts: Mapping[str, NixRun]
    urls: Mapping[str, str]
    info: Mapping[str, object]
    verified: int | None
    verified_other: int | None
    served: Mapping[str, tuple[AccessLogLine, ...]]
    logged: bool = True
    watched: bool = True
    left: tuple[str, ...] = ()


@dataclass(frozen=True)
class BazelRun:
    """One build by Bazel: exit status, spawns, counts by runner, the invocation's id and its warnings."""

    status: int | None
    spawns: tuple[Spawn, ...] = ()
    counts: Mapping[str, int] = field(default_factory=dict)
    invocation: str = ""
    warnings: tuple[str, ...] = ()
    ended: str = ""


@dataclass(frozen=True)
class StoreLookup:
    """What an independent reader found in the store after a refused or allowed write."""

    present: bool | None
    said: str


ANOTHER, SECOND = "another identity", "a second client of the same identity"


@dataclass(frozen=True)
class BazelRecord:
    """Everything that the Bazel cache proof saw.

    ``runs`` are the builds by experiment (cold, miss, hit, environment, without, lied-to); ``asked`` the
    action digests and ``served`` the lines that the server's own log has of each; ``after_upload`` and
    ``after_refusal`` are what a reader then found in the store; ``poisoned`` and ``corrupted`` are the
    output digests of the false result and of the damaged blob, ``not_lied`` why there are none; ``mnemonics``
    must occur in a full build. Not ``logged``: the cache is a deployment's own, whose log is not at hand, and ``asked``
    and ``served`` are empty; ``looker`` is then who looked after the upload. ``no_reader``: nobody who may only read
    took part, for this reason.
    """

    protocol: str
    url: str
    runs: Mapping[str, BazelRun]
    asked: Mapping[str, frozenset[str]]
    served: Mapping[str, tuple[AccessLogLine, ...]]
    after_upload: StoreLookup
    after_refusal: StoreLookup
    poisoned: str = ""
    corrupted: str = ""
    not_lied: Unavailable | None = None
    no_reader: Unavailable | None = None
    logged: bool = True
    looker: str = ANOTHER
    mnemonics: tuple[str, ...] = ()


def status(answer: str) -> str:
    """What a protocol answered, without the detail behind it."""
    return answer.partition(" ")[0]


def accepted(answer: str) -> bool:
    """Whether a write was taken, as far as its answer tells."""
    return status(answer) in ("200", "201", "202", "204", "OK")


@dataclass(frozen=True)
class PublishAttempt:
    """One write that an identity tried: the answers by operation, and what was found afterwards.

    ``no_writer``: nobody who may write took part, for this reason, so that a refusal shows nothing. Not ``logged``: the
    target is a deployment's own, whose log is not at hand; ``left`` says what became there of all that was written.
    ``looker`` is who looked after the writer.

    ``answers`` map an operation to what came back: an HTTP status, a gRPC status name or an S3 error code,
    and a detail. ``control`` is what an allowed identity was answered in the same run.
    """

    identity: str
    answers: Mapping[str, str]
    found: Mapping[str, StoreLookup]
    control: Mapping[str, str]
    seen_by_server: tuple[AccessLogLine, ...] = ()
    client: str = ""
    logged: bool = True
    left: str = ""
    looker: str = ANOTHER
    no_writer: Unavailable | None = None

    def as_control(self) -> Mapping[str, str]:
        """The answers as a control for others: what was accepted and is not there is no success."""
        absent = {what for what, look in self.found.items() if look.present is False}
        return {
            what: f"DROPPED, although answered {answer}" if what in absent and accepted(answer) else answer
            for what, answer in self.answers.items()
        }


def controlled(
    attempts: Mapping[str, PublishAttempt | Unavailable],
) -> dict[str, PublishAttempt | Unavailable]:
    """The attempts of several identities, each beside what the writer was answered, or why there was none."""
    writer = attempts.get(WRITER)
    control = writer.as_control() if isinstance(writer, PublishAttempt) else {}
    no_writer = writer if isinstance(writer, Unavailable) else None
    return {
        name: dataclasses.replace(attempt, control=control, no_writer=no_writer)
        if isinstance(attempt, PublishAttempt)
        else attempt
        for name, attempt in attempts.items()
    }


@dataclass(frozen=True)
class CanaryRecord:
    """A canary that was built; ``findings`` are by what it shows."""

    name: str
    findings: Mapping[str, CheckResult | Unavailable]


@dataclass(frozen=True)
class CheckResult:
    """What one look at a canary found."""

    good: bool
    said: str
    likely: str = ""
    witnesses: tuple[str, ...] = ()
    measures: tuple[Measurement, ...] = ()


@dataclass(frozen=True)
class Leak:
    """A place in something published where the secret was found, and how it was written there."""

    place: str
    spelling: str


@dataclass(frozen=True)
class Scan:
    """What was searched for secrets, and where they were found.

    ``places`` are what holds or held something published; ``missed`` are those in which a copy that was planted
    for the search was not found.
    """

    items: int
    bytes: int
    leaks: tuple[Leak, ...]
    secrets: int
    places: int
    missed: tuple[str, ...] = ()


@dataclass
class ProofRecords:
    """All records of one class; each experiment is a record or the reason why there is none."""

    nix: NixRecord | Unavailable | None = None
    bazel: dict[str, BazelRecord | Unavailable] = field(default_factory=dict)
    attempts: dict[tuple[str, str], PublishAttempt | Unavailable] = field(default_factory=dict)
    state: dict[str, CheckResult | Unavailable] = field(default_factory=dict)
    canaries: dict[str, CanaryRecord | Unavailable] = field(default_factory=dict)
    scan: Scan | Unavailable | None = None
    seconds: float = 0.0
