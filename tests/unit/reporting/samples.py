"""Verdicts and runs for tests of reports."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from hypothesis import strategies as st

from builder_contracts.errors import ExitCode, Location
from builder_contracts.reporting.stream import RunInfo, RunSummary
from builder_contracts.reporting.whole_file import RunRecord
from builder_contracts.verdict import Contradiction, Measurement, Origin, Outcome, Rung, Verdict

DIGEST = st.just("sha256:" + "0a" * 32)
NAME = st.from_regex(r"[a-z][a-z0-9-]{0,10}", fullmatch=True)
TEXT = st.text(min_size=1)
NUMBER = st.floats(0, 1e15)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
COUNT = st.none() | st.integers(0, 10**9)
LOCATION = st.builds(Location, TEXT, st.integers(1, 10**6), st.integers(1, 200))
VERDICTS = st.builds(
    Verdict,
    clause=st.tuples(NAME, NAME, st.from_regex(r"[!-~]{1,20}", fullmatch=True)).map("/".join),
    outcome=st.sampled_from(Outcome),
    rung=st.sampled_from([None, *Rung]),
    promise=TEXT,
    observation=TEXT,
    location=LOCATION,
    cause=st.text(),
    fix=st.text(),
    inspect=st.text(),
    why=st.text(),
    provable_here=st.booleans(),
    expected=JSON,
    observed=JSON,
    checked=COUNT,
    total=COUNT,
    witnesses=st.lists(st.text(), max_size=3).map(tuple),
    contradictions=st.lists(
        st.builds(Contradiction, LOCATION, TEXT, LOCATION, TEXT, TEXT, NAME), max_size=2
    ).map(tuple),
    measurements=st.lists(
        st.builds(
            Measurement,
            st.sampled_from(["cold_seconds", "peak_memory_bytes", "cache_hit_ratio"]),
            NUMBER,
            st.none() | NUMBER,
        ),
        max_size=3,
        unique_by=lambda measurement: measurement.quantity,
    ).map(tuple),
    origin=st.builds(
        Origin,
        image=st.text(),
        image_digest=st.just("") | DIGEST,
        contract_digest=DIGEST,
        runner=st.sampled_from(["", "docker", "local", "checkout"]),
        attribution=st.text(),
        run=NAME,
        # Data has milliseconds.
        seconds=st.integers(0, 10**8).map(lambda number: number / 1000),
    ),
)

SAMPLE = Verdict(
    "tinyland-nix/toolchain/xz",
    Outcome.BROKEN,
    Rung.OBSERVED,
    promise="xz on the job's PATH",
    observation="not found in /usr/local/bin:/usr/bin:/bin",
    location=Location("contracts/tinyland-nix.yaml", 21),
    cause="the image lacks the package xz-utils",
    inspect="builder-contracts facts --image tinyland-nix | jq .tools.xz",
    origin=Origin(
        image="tinyland-nix",
        image_digest="sha256:4f1c" + "0" * 60,
        contract_digest="sha256:" + "1" * 64,
        runner="docker",
        started="2026-03-12T02:00:11+00:00",
        seconds=0.08,
    ),
)
KEPT = replace(SAMPLE, outcome=Outcome.KEPT, observation="/usr/bin/xz", cause="")
UNPROVEN = replace(SAMPLE, outcome=Outcome.UNPROVEN, rung=None, observation="no engine", cause="")

STALE = Contradiction(
    Location("flake.nix", 7, 3),
    "cache = old",
    Location("contracts/platform/endpoints.yaml", 12),
    "retired; now new",
    "use new",
    "f" * 24,
)
CONTRADICTED = replace(
    SAMPLE, clause="platform/endpoints/retired-hosts", cause="", fix="use new", contradictions=(STALE,),
    origin=Origin(runner="checkout"),
)  # fmt: skip

INFO = RunInfo("abc123", "check", Path("/repo"), "2026-03-12T02:00:11Z")
SUMMARY = RunSummary(ExitCode.BROKEN, 2.5)


def recorded(*verdicts: Verdict, info: RunInfo = INFO, summary: RunSummary = SUMMARY) -> RunRecord:
    """A run that ended with these verdicts."""
    return RunRecord(info, verdicts, summary)


def clauses(outcome: Outcome, names: Sequence[str], observation: str = "seen") -> list[Verdict]:
    """A verdict per clause ID."""
    return [Verdict(name, outcome, None, "promise", observation, Location("x.yaml", 1)) for name in names]
