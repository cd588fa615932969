"""No fact that a kept verdict rests on can be lost, rejected or reversed without the verdict changing.

Every record type, in many shapes: each of its facts is changed once, and each clause that rests on the fact is judged
again. A fact on which no clause rests has to be named as context.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder_contracts.contract.promises.caches import BAZEL, BAZEL_WRITE, NIX
from builder_contracts.contract.promises.canaries import KERNEL
from builder_contracts.contract.promises.publication import HTTP_STATE, STATE
from builder_contracts.prove.access_log import AccessLogLine
from builder_contracts.prove.bazel import judge as judge_bazel
from builder_contracts.prove.bazel.log import REMOTE_HIT, Spawn
from builder_contracts.prove.bazel.record import BazelRecord, BazelRun
from builder_contracts.prove.canary import judge as judge_canary
from builder_contracts.prove.check_result import judge_check
from builder_contracts.prove.http_state import judge as judge_http_state
from builder_contracts.prove.kernel import judge as tiers
from builder_contracts.prove.nix import judge as judge_nix
from builder_contracts.prove.nix.record import NixRecord
from builder_contracts.prove.publication import judge as judge_publication
from builder_contracts.prove.publish_attempt import PublishAttempt
from builder_contracts.prove.records import ProofRecords
from builder_contracts.prove.secrets import judge as judge_secrets
from builder_contracts.prove.state import judge as judge_state
from builder_contracts.prove.store_lookup import StoreLookup
from builder_contracts.verdict import Outcome
from tests.kernel import records as kernel_records
from tests.prove import example_records
from tests.prove.single_changes import single_changes
from tests.prove.test_judge_canary import CANARY
from tests.prove.test_judge_canary import GOOD as GOOD_PRODUCTS
from tests.prove.test_judge_secrets import CLEAN
from tests.prove.test_judge_state import GOOD as GOOD_STATE

Judge = Callable[[str, Any], Outcome]
Patterns = tuple[str, ...]


def kept_clauses(clauses: tuple[str, ...], judge: Judge, record: object) -> set[str]:
    return {clause for clause in clauses if judge(clause, record) is Outcome.KEPT}


def matches(place: str, patterns: Patterns) -> bool:
    return any(fnmatchcase(place, pattern) for pattern in patterns)


def check(record: object, judge: Judge, rests_on: Mapping[str, Patterns], context: Patterns = ()) -> None:
    """Make every single change; ``rests_on`` has the facts of each clause, ``context`` those that only explain."""
    kept = kept_clauses(tuple(rests_on), judge, record)
    changed_facts = dict.fromkeys(kept, 0)
    for place, changed in single_changes(record):
        resting = {clause for clause in kept if matches(place, rests_on[clause])}
        still_kept = kept_clauses(tuple(resting), judge, changed)
        assert not still_kept, f"{', '.join(sorted(still_kept))} stays kept with {place}"
        assert resting or matches(place, context), f"no clause rests on {place}"
        for clause in resting:
            changed_facts[clause] += 1
    assert kept
    assert all(changed_facts.values()), changed_facts


GOOD_FETCH = (
    "attempts/good:*",
    "attempts/good/log:lost",
    "attempts/good/log/substitutes:lost",
    "served/good*",
)
NIX_RESTS_ON: Mapping[str, Patterns] = {
    "substituted": GOOD_FETCH,
    "source": GOOD_FETCH,
    "key": ("attempts/good:*", "info:lost", "nar_hash:lost", "verified:lost", "verified_other:lost"),
    "counterfactual": ("attempts/good:*", "attempts/none:*"),
    "recovery": ("attempts/good:*", "attempts/recovery:*", "attempts/recovery/log*", "served/recovery:lost"),
    **{
        name: ("attempts/good:*", f"attempts/{name}:*", f"attempts/{name}/log*", f"served/{name}*")
        for name in example_records.BAD
    },
}
# Nix's own words where nothing can build the path; the closure says how many substitutions are of it; and of the good
# cache behind a bad one more than one thing is fetched.
NIX_CONTEXT = ("attempts/none/log*", "closure:lost", "served/recovery/*", "server_key:lost")


@st.composite
def nix_records(draw: st.DrawFn) -> NixRecord:
    """A good cache, of the run or deployed, that has a closure of any size."""
    record = draw(st.sampled_from([example_records.nix, example_records.deployed_nix]))()
    more = tuple(f"/nix/store/{index:04}-more" for index in range(draw(st.integers(0, 3))))
    good = record.attempts["good"]
    substitutes = (*good.log.substitutes, *((path, record.url) for path in more))
    good = dataclasses.replace(good, log=dataclasses.replace(good.log, substitutes=substitutes))
    attempts = {**record.attempts, "good": good}
    return dataclasses.replace(record, closure=(*record.closure, *more), attempts=attempts)


@given(nix_records())
def test_nix_record(record: NixRecord) -> None:
    assert set(NIX_RESTS_ON) == set(NIX)
    check(
        record, lambda clause, changed: judge_nix.judge(clause, changed)[0].outcome, NIX_RESTS_ON, NIX_CONTEXT
    )


def test_nix_record_of_an_attic_server() -> None:
    record = example_records.deployed_nix(server_key="main-1:key", declared_key="main-1:key")
    key = (*NIX_RESTS_ON["key"], "server_key:lost")
    check(record, lambda clause, changed: judge_nix.judge(clause, changed)[0].outcome, {"key": key}, ("*",))


COLD = ("runs/cold:*", "runs/cold/spawns:lost")


def hit_facts(name: str) -> Patterns:
    return (*COLD, f"runs/{name}:*", f"runs/{name}/spawns*", f"runs/{name}/counts:lost", f"served/{name}*")


BAZEL_RESTS_ON: Mapping[str, Patterns] = {
    "upload": (*COLD, "runs/cold/spawns/*", "served/cold*", "after_upload:*"),
    "hit": hit_facts("hit"),
    "environment": hit_facts("environment"),
    "digests": (*COLD, "runs/hit:*", "runs/hit/spawns:lost", "asked/hit:lost", "served/hit/*:failed"),
    "counterfactual": (*COLD, "runs/hit:*", "runs/hit/spawns:lost", "runs/without:lost", "runs/without/spawns*"),
    "nonce-miss": (*COLD, "runs/miss:*", "runs/miss/spawns*", "served/miss*"),
    "forced-upload": (
        *COLD, "runs/miss:*", "served/miss*", "served/cold:lost", "after_upload:*", "after_refusal:*", "no_reader:lost",
    ),
    "poisoned": (
        *COLD, "runs/lied-to:lost", "runs/lied-to/spawns:lost", "runs/without:*", "runs/without/spawns:lost",
        "served/lied-to*", "poisoned:lost", "not_lied:lost",
    ),
    "corrupted": (
        *COLD, "runs/lied-to:lost", "runs/lied-to/spawns:lost", "runs/without:*", "runs/without/spawns:lost",
        "served/lied-to*", "corrupted:lost", "not_lied:lost",
    ),
}  # fmt: skip
DEPLOYED_RESTS_ON: Mapping[str, Patterns] = {
    **BAZEL_RESTS_ON,
    "hit": (*BAZEL_RESTS_ON["hit"], "after_upload:*"),
    "environment": (*BAZEL_RESTS_ON["environment"], "after_upload:*"),
    "nonce-miss": (*BAZEL_RESTS_ON["nonce-miss"], "after_refusal:unreadable"),
    "forced-upload": (*BAZEL_RESTS_ON["forced-upload"], "runs/miss/warnings:lost"),
}
# Counts where nothing has to be a hit; how builds with false results and without the cache end; which kinds of action
# there must be.
BAZEL_CONTEXT = (
    "runs/cold/counts:lost", "runs/miss/counts:lost", "runs/without/counts:lost", "runs/lied-to/counts:lost",
    "runs/lied-to:reversed", "runs/without:reversed", "runs/lied-to/spawns/*", "mnemonics:lost", "not_lied:lost",
)  # fmt: skip


@st.composite
def bazel_records(draw: st.DrawFn) -> BazelRecord:
    """A good cache of more or fewer actions, of the run over HTTP or gRPC, or deployed."""
    protocol = draw(st.sampled_from(["http", "grpc", ""]))
    record = example_records.bazel(protocol) if protocol else example_records.deployed_bazel()
    more = draw(st.integers(0, 3))

    def with_more(name: str, run: BazelRun) -> BazelRun:
        suffix = "-changed" if name == "miss" else ""
        runner = REMOTE_HIT if name in ("hit", "environment", "lied-to") else example_records.LOCAL
        spawns = tuple(
            Spawn(
                f"//:{index}", "Stamp", runner, f"b{index}{suffix}", cacheable=True, outputs={f"{index}": "x"}
            )
            for index in range(more)
        )
        counts = {**run.counts, runner: run.counts.get(runner, 0) + more}
        return dataclasses.replace(run, spawns=(*run.spawns, *spawns), counts=counts)

    def more_lines(name: str, lines: tuple[AccessLogLine, ...]) -> tuple[AccessLogLine, ...]:
        return (*lines[:1] * more, *lines)

    return dataclasses.replace(
        record,
        runs={name: with_more(name, run) for name, run in record.runs.items()},
        served={name: more_lines(name, lines) for name, lines in record.served.items()},
        asked={
            "hit": record.asked["hit"] | {f"b{index}" for index in range(more)}
            if record.logged
            else frozenset()
        },
    )


@given(bazel_records())
def test_bazel_record(record: BazelRecord) -> None:
    assert set(BAZEL_RESTS_ON) == {*BAZEL, *BAZEL_WRITE}
    rests_on = BAZEL_RESTS_ON if record.logged else DEPLOYED_RESTS_ON
    check(
        record, lambda clause, changed: judge_bazel.judge(clause, changed)[0].outcome, rests_on, BAZEL_CONTEXT
    )


WRITER_RESTS_ON = ("answers*", "lookups*", "requests:lost", "plain:lost")
REJECTED_RESTS_ON = ("answers*", "lookups*", "requests:lost", "control*", "no_writer:lost")


@st.composite
def attempts(draw: st.DrawFn) -> tuple[str, PublishAttempt]:
    """What an identity tried with any number of operations, as promised."""
    identity = draw(st.sampled_from(["anonymous", "reader", "writer"]))
    operations = draw(
        st.lists(st.sampled_from(["put", "multipart", "push"]), min_size=1, max_size=3, unique=True)
    )
    grpc, logged = draw(st.booleans()), draw(st.booleans())
    accepted = identity == "writer"
    if grpc:
        answer, line = ("OK", ("0",)) if accepted else ("PERMISSION_DENIED", ("7",))
        answer = "UNAUTHENTICATED" if identity == "anonymous" else answer
        requests = tuple(
            AccessLogLine(identity, "10.0.0.2", "POST", f"/{operation}", 200, *line)
            for operation in operations
        )
    else:
        answer, status = ("201", 201) if accepted else ("403 no", 403)
        requests = tuple(
            AccessLogLine(identity, "10.0.0.2", "PUT", f"/{operation}", status) for operation in operations
        )
    # What even the writer must not do, where the protocol says so.
    wrong = ["wrong hash"] if draw(st.booleans()) else []
    return identity, PublishAttempt(
        identity,
        {**dict.fromkeys(operations, answer), **dict.fromkeys(wrong, "400 no")},
        {
            **dict.fromkeys(operations, StoreLookup(accepted, "looked up")),
            **dict.fromkeys(wrong, StoreLookup(False, "looked up")),
        },
        dict.fromkeys(operations, "OK" if grpc else "201"),
        requests if logged else (),
        logged=logged,
        refusals=dict.fromkeys(wrong, ("400",)),
    )


@given(attempts())
def test_publish_attempt(tried: tuple[str, PublishAttempt]) -> None:
    identity, attempt = tried
    rests_on = WRITER_RESTS_ON if identity == "writer" else REJECTED_RESTS_ON
    check(
        attempt,
        lambda clause, changed: judge_publication.judge(clause, changed)[0].outcome,
        {identity: rests_on},
        # One request of several; of the writer there is no control, and only his first command is plain.
        ("requests/*", "control*", "no_writer:lost", "plain:lost", "refusals*"),
    )


def test_state_record() -> None:
    lock, old = (
        ("lock", "second-lock", "read-lock"),
        ("first-write", "second-write", "versions", "restore", "read-state"),
    )
    rests_on: Mapping[str, Patterns] = {
        "second-lock": tuple(f"replies/{step}:*" for step in lock),
        "race": ("replies/race:lost", "replies/race:rejected"),
        "reader-lock": (
            "replies/lock:*",
            "replies/reader-lock:[la]*",
            "replies/read-reader-lock:*",
            "no_reader:lost",
        ),
        "anonymous-lock": ("replies/lock:*", "replies/anonymous-lock:[la]*", "replies/read-anonymous-lock:*"),
        "unlock-by-other": (
            "replies/lock:*",
            "replies/unlock-by-other:[la]*",
            "replies/read-lock:*",
            "no_reader:lost",
        ),
        "old-state": (*(f"replies/{step}:*" for step in old), "older_versions:lost"),
    }
    assert set(rests_on) == set(STATE)
    check(
        GOOD_STATE,
        lambda clause, changed: judge_state.judge(clause, changed)[0].outcome,
        rests_on,
        # They are rejected already; that a lock was released only explains.
        (
            *(f"replies/{step}:rejected" for step in ("reader-lock", "anonymous-lock", "unlock-by-other")),
            "replies/release:*",
        ),
    )


def replies(*steps: str) -> Patterns:
    return tuple(f"replies/{step}:*" for step in steps)


HTTP_STATE_RESTS_ON: Mapping[str, Patterns] = {
    "second-lock": replies("lock", "second-lock"),
    "race": replies("race"),
    "reader-lock": (*replies("lock", "reader-lock", "lock-after-reader"), "no_reader:lost"),
    "anonymous-lock": replies("lock", "anonymous-lock", "lock-after-anonymous"),
    "unlock-by-other": (
        *replies("lock", "release-with-another-id", "release-by-reader", "lock-again"),
        "replies/second-lock:[la]*",
        "no_reader:lost",
    ),
    "write-without-lock": replies(
        "lock", "write-without-lock", "write-with-another-id", "read-unwritten", "first-write"
    ),
    "stale-holder": replies(
        "lock", "second-write", "release", "late-write", "stale-write", "next-lock", "next-write", "read-after-stale"
    ),
    "versions": replies("first-version", "second-version", "first-write", "second-write"),
    "old-state": replies("first-version", "second-write", "restore", "read-restored"),
}  # fmt: skip


def test_http_state_record() -> None:
    assert set(HTTP_STATE_RESTS_ON) == set(HTTP_STATE)
    check(
        example_records.http_state(),
        lambda clause, changed: judge_http_state.judge(clause, changed)[0].outcome,
        HTTP_STATE_RESTS_ON,
        ("states:lost",),
    )


def test_every_record_of_a_class_is_changed_here() -> None:
    """A new record has to be named, next to a test of this module that changes each of its facts."""
    changed = {"nix", "bazel", "attempts", "state", "http_state", "canaries", "scan"}
    what_a_run_adds = {"seconds", "leftovers"}
    assert {field.name for field in dataclasses.fields(ProofRecords)} == changed | what_a_run_adds


def test_secrets_record() -> None:
    check(CLEAN, lambda _, changed: judge_secrets.judge(changed)[0].outcome, {"no-secrets": ("*",)})


def test_canary_products() -> None:
    judges = {
        "builds": lambda products: judge_canary.judge_builds(CANARY, products, 0, ""),
        "runs": lambda products: judge_canary.judge_runs(CANARY, products),
        "artifacts": lambda products: judge_canary.judge_artifacts(CANARY, products, ()),
    }
    rests_on: Mapping[str, Patterns] = {
        "builds": ("memory:lost", "disk:lost", "undelivered:lost"),
        "runs": ("ran:*", "undelivered:lost"),
        "artifacts": ("artifacts:lost", "undelivered:lost"),
    }
    check(GOOD_PRODUCTS, lambda clause, changed: judge_check(judges[clause](changed))[0].outcome, rests_on)


BOOT = ("boot:lost", "boot/step:*")
PACKAGE = ("package:*",)
REBUILT = (
    "cold:lost",
    "warm:lost",
    "cold/step:incomplete",
    "cold/step:failed",
    "warm/step:incomplete",
    "warm/step:failed",
)
KERNEL_RESTS_ON: Mapping[str, Patterns] = {
    "patches": ("unpack:lost", "unpack:incomplete", "unpack:failed", "patches:*"),
    "configure": ("configure:*",),
    "build": ("cold:lost", "cold/step:*"),
    "build-confined": ("cold:lost", "cold/step:incomplete", "cold/step:failed", "cold/strays:lost"),
    "memory": ("cold:lost", "cold/step:*"),
    "memory-link": ("cold:lost", "cold/step:silent"),
    "rebuild-hits": (*REBUILT, "warm/step:silent", "server*"),
    "rebuild-identical": (*REBUILT, "cold/step:silent", "warm/step:silent"),
    "rebuild-time": REBUILT,
    "package": (*PACKAGE, "unpack:lost", "unpack:silent"),
    "package-release": (*PACKAGE, "unpack:lost", "unpack:silent", "configure:*"),
    "package-complete": PACKAGE,
    "boot": BOOT,
    "boot-release": (*BOOT, "unpack:lost", "unpack:silent"),
    "boot-configured": (*BOOT, "configure:*"),
    "boot-realtime": BOOT,
    "boot-devices": (*BOOT, "devices:lost"),
    "boot-quirk": BOOT,
}


def test_kernel_record() -> None:
    assert set(KERNEL_RESTS_ON) == set(KERNEL) == set(tiers.SHOWS)
    check(
        kernel_records.good(),
        lambda clause, changed: judge_check(tiers.judge_clause(clause, changed))[0].outcome,
        KERNEL_RESTS_ON,
        # Only the cold build is promised to stay in its folder.
        ("warm/strays:lost",),
    )


def test_property_finds_a_judge_that_ignores_a_fact() -> None:
    """A judge that never looks at what was read back."""

    def careless(identity: str, attempt: PublishAttempt) -> Outcome:
        lookups = {operation: StoreLookup(True, "assumed") for operation in attempt.answers}
        return judge_publication.judge(identity, dataclasses.replace(attempt, lookups=lookups))[0].outcome

    attempt = PublishAttempt("writer", {"put": "201"}, {"put": StoreLookup(True, "200")}, {}, logged=False)
    with pytest.raises(AssertionError, match="writer stays kept with lookups/put:unreadable"):
        check(attempt, careless, {"writer": WRITER_RESTS_ON}, ("control*", "no_writer:lost"))


def test_property_finds_a_fact_that_nobody_named() -> None:
    with pytest.raises(AssertionError, match="no clause rests on older_versions:lost"):
        check(
            GOOD_STATE,
            lambda clause, changed: judge_state.judge(clause, changed)[0].outcome,
            {"second-lock": ("replies/lock:*", "replies/second-lock:*", "replies/read-lock:*")},
            ("replies/*", "no_reader:lost"),
        )
