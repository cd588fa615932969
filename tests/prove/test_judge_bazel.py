"""Judging the Bazel record: each wrong answer of client or server changes the right clause, and nothing raises."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder_contracts.contract.promises.caches import BAZEL, BAZEL_WRITE
from builder_contracts.prove.access_log import AccessLogLine
from builder_contracts.prove.bazel.judge import judge
from builder_contracts.prove.bazel.log import (
    REMOTE_HIT,
    Spawn,
    parse_option,
    parse_runner_count,
    parse_settings,
    parse_spawns,
    parse_warnings,
)
from builder_contracts.prove.bazel.record import BazelRecord, BazelRun
from builder_contracts.prove.store_lookup import ANOTHER, SECOND, StoreLookup
from builder_contracts.prove.unavailable import Unavailable
from builder_contracts.services.principals import ANONYMOUS, READER
from builder_contracts.verdict import Outcome
from tests.prove.example_records import (
    HELLO,
    LINES,
    LOCAL,
    SEAL,
    bazel,
    bazel_build,
    deployed_bazel,
    grpc_line,
    http_line,
)

SHOWS = (*BAZEL_WRITE, *BAZEL)
BROKEN, UNPROVEN = Outcome.BROKEN, Outcome.UNPROVEN


def not_kept(record: BazelRecord) -> dict[str, Outcome]:
    outcomes = {show: judge(show, record)[0].outcome for show in SHOWS}
    return {show: outcome for show, outcome in outcomes.items() if outcome is not Outcome.KEPT}


def with_run(name: str, run: BazelRun, protocol: str = "http") -> BazelRecord:
    return bazel(protocol, runs={**bazel().runs, name: run})


def with_lines(name: str, lines: Mapping[str, tuple[AccessLogLine, ...]], protocol: str) -> BazelRecord:
    return bazel(protocol, served={**LINES[protocol], name: lines[protocol]})


def with_deployed_run(name: str, run: BazelRun) -> BazelRecord:
    return deployed_bazel(runs={**deployed_bazel().runs, name: run})


def mixed(run: BazelRun, runner: str = LOCAL) -> BazelRun:
    """The run with another runner for its last action."""
    return dataclasses.replace(run, spawns=(run.spawns[0], dataclasses.replace(run.spawns[1], runner=runner)))


@pytest.mark.parametrize("protocol", LINES)
def test_good_cache_keeps_everything(protocol: str) -> None:
    assert not_kept(bazel(protocol)) == {}


@pytest.mark.parametrize("protocol", LINES)
def test_every_clause_has_witnesses(protocol: str) -> None:
    for show in SHOWS:
        client, server = judge(show, bazel(protocol))[1]
        assert client.startswith("client: ")
        assert server.startswith("server: ")


HIT = bazel_build(REMOTE_HIT)
MISS = bazel_build(LOCAL, "-changed")
LIED = bazel().runs["lied-to"]
DOWN = ("WARNING: Remote Cache: UNAVAILABLE: io exception",)
RUNS: dict[str, tuple[str, BazelRun, dict[str, Outcome], str]] = {
    "local action beside a hit": ("hit", mixed(HIT), {"hit": BROKEN}, "1 of 2 actions were not remote cache hits"),
    "disk cache hit": (
        "hit", bazel_build("disk cache hit"),
        {"hit": BROKEN, "digests": UNPROVEN, "counterfactual": UNPROVEN}, "",
    ),
    "cache does not respond to the hit": (
        "hit", dataclasses.replace(HIT, warnings=DOWN), {"hit": UNPROVEN, "digests": UNPROVEN}, "did not respond",
    ),
    "hit lost": (
        "hit", dataclasses.replace(HIT, status=None, ended="gone"), {"hit": UNPROVEN, "digests": UNPROVEN, "counterfactual": UNPROVEN}, "",
    ),
    "hit and failure": (
        "hit", dataclasses.replace(HIT, status=1), {"hit": BROKEN, "digests": UNPROVEN, "counterfactual": UNPROVEN}, "",
    ),
    "local action in a different environment": (
        "environment", mixed(HIT), {"environment": BROKEN}, "1 of 2 actions were not remote cache hits",
    ),
    "cache does not respond in a different environment": (
        "environment", dataclasses.replace(HIT, warnings=DOWN), {"environment": UNPROVEN}, "did not respond",
    ),
    "empty log": ("environment", BazelRun(0, (), {"total": 0}), {"environment": BROKEN}, "a local cache served everything"),
    "two logs that disagree": (
        "environment", dataclasses.replace(HIT, counts={REMOTE_HIT: 1}), {"environment": BROKEN}, "has 2 hits but Bazel reports 1",
    ),
    "missing target": (
        "environment", dataclasses.replace(HIT, spawns=HIT.spawns[:1], counts={REMOTE_HIT: 1}), {"environment": BROKEN}, "no CppLink action",
    ),
    "hit for a new input": ("miss", bazel_build(REMOTE_HIT, "-changed"), {"nonce-miss": BROKEN}, "with new inputs hit the cache"),
    "change that reaches no action": ("miss", HIT, {"nonce-miss": BROKEN}, "an input changed but no action key did"),
    "cache does not respond to the miss": (
        "miss", dataclasses.replace(MISS, warnings=DOWN), {"nonce-miss": UNPROVEN, "forced-upload": UNPROVEN}, "did not respond",
    ),
    "miss lost": (
        "miss", dataclasses.replace(MISS, status=None, ended="gone"), {"nonce-miss": UNPROVEN, "forced-upload": UNPROVEN}, "gone",
    ),
    "miss fails": (
        "miss", dataclasses.replace(MISS, status=1), {"nonce-miss": UNPROVEN, "forced-upload": UNPROVEN}, "exited with status 1",
    ),
    "disk cache without the cache": (
        "without", mixed(bazel_build(LOCAL), "disk cache hit"), {"counterfactual": BROKEN}, "1 hits and 0 requests with no cache",
    ),
    "remote hit without the cache": (
        "without", mixed(bazel_build(LOCAL), REMOTE_HIT), {"counterfactual": BROKEN}, "1 hits and 0 requests with no cache",
    ),
    "nothing runs without the cache": (
        "without", BazelRun(0), {"counterfactual": BROKEN, "poisoned": UNPROVEN, "corrupted": UNPROVEN}, "",
    ),
    "lost without the cache": (
        "without", dataclasses.replace(bazel_build(LOCAL), status=None, ended="gone"),
        {"counterfactual": UNPROVEN, "poisoned": UNPROVEN, "corrupted": UNPROVEN}, "",
    ),
    "false result without the cache": ("without", bazel_build(LOCAL, seal="poison"), {"poisoned": BROKEN}, "also contains the false result"),
    "false result not fetched": (
        "lied-to", dataclasses.replace(LIED, spawns=(dataclasses.replace(LIED.spawns[0], outputs={SEAL: "true-seal"}), LIED.spawns[1])),
        {"poisoned": UNPROVEN}, "never fetched",
    ),
    "corrupted blob used": ("lied-to", mixed(LIED, REMOTE_HIT), {"corrupted": BROKEN}, "despite its corrupted blob"),
    "corrupted blob and another output": (
        "lied-to", dataclasses.replace(LIED, spawns=(LIED.spawns[0], dataclasses.replace(LIED.spawns[1], outputs={HELLO: "other"}))),
        {"corrupted": BROKEN}, "came out as other",
    ),
    "corrupted blob and no action": (
        "lied-to", dataclasses.replace(LIED, spawns=LIED.spawns[:1]), {"corrupted": UNPROVEN}, "is not in the log",
    ),
    "corrupted blob noticed by a failure": (
        "lied-to", dataclasses.replace(LIED, spawns=LIED.spawns[:1], status=1, warnings=("ERROR: Digest mismatch",)), {}, "",
    ),
    "corrupted blob and a failure without a warning": (
        "lied-to", dataclasses.replace(LIED, spawns=LIED.spawns[:1], status=1), {"corrupted": UNPROVEN}, "is not in the log",
    ),
    "corrupted blob and a warning without a failure": (
        "lied-to", dataclasses.replace(LIED, spawns=LIED.spawns[:1], warnings=("WARNING: Digest mismatch",)),
        {"corrupted": UNPROVEN}, "is not in the log",
    ),
    "false result at another path": (
        "lied-to", dataclasses.replace(LIED, spawns=(dataclasses.replace(LIED.spawns[0], outputs={SEAL: "poison", "bin/other": "poison"}), LIED.spawns[1])),
        {"poisoned": UNPROVEN}, "no build without the cache to compare with",
    ),
    "false result at each path": (
        "lied-to", dataclasses.replace(LIED, spawns=(LIED.spawns[0], dataclasses.replace(LIED.spawns[1], outputs={HELLO: "poison"}))),
        {"corrupted": BROKEN}, "came out as poison",
    ),
    "corrupted blob noticed by its checksum": (
        "lied-to", dataclasses.replace(LIED, spawns=LIED.spawns[:1], status=1, warnings=("ERROR: Checksum of the blob",)), {}, "",
    ),
    "corrupted blob and another warning": (
        "lied-to", dataclasses.replace(LIED, spawns=LIED.spawns[:1], status=1, warnings=("ERROR: no space",)),
        {"corrupted": UNPROVEN}, "is not in the log",
    ),
    "lied-to lost": (
        "lied-to", dataclasses.replace(LIED, status=None, ended="gone"), {"poisoned": UNPROVEN, "corrupted": UNPROVEN}, "gone",
    ),
}  # fmt: skip


@pytest.mark.parametrize("protocol", LINES)
@pytest.mark.parametrize("row", RUNS)
def test_run_table(row: str, protocol: str) -> None:
    name, run, expected, observed = RUNS[row]
    record = with_run(name, run, protocol)
    assert not_kept(record) == expected
    for show in expected:
        assert observed in judge(show, record)[0].observation


UNKNOWN_READER = {
    "http": (*LINES["http"]["miss"][:2], http_line("PUT", "/cas/y", 401)),
    "grpc": (*LINES["grpc"]["miss"][:2], grpc_line("Write", "16")),
}
LINES_TABLE: dict[str, tuple[str, Mapping[str, tuple[AccessLogLine, ...]], dict[str, Outcome]]] = {
    "no result uploaded": (
        "cold",
        {"http": (http_line("PUT", "/cas/x", 201, "writer"),), "grpc": (grpc_line("Write", "0", "writer"),)},
        {"upload": BROKEN},
    ),
    "results rejected": (
        "cold",
        {
            "http": tuple(http_line("PUT", f"/ac/a{number}", 403) for number in (1, 2)),
            "grpc": (grpc_line("UpdateActionResult", "7"),) * 2,
        },
        {"upload": BROKEN, "forced-upload": UNPROVEN},
    ),
    "hits not served": ("hit", {"http": (), "grpc": ()}, {"hit": BROKEN}),
    "one hit not served": (
        "environment",
        {"http": LINES["http"]["hit"][:1], "grpc": LINES["grpc"]["hit"][:1]},
        {"environment": BROKEN},
    ),
    "hits not found": (
        "hit",
        {"http": (http_line("GET", "/ac/a1", 404),) * 2, "grpc": (grpc_line("GetActionResult", "5"),) * 2},
        {"hit": BROKEN},
    ),
    "hits are other requests": (
        "hit",
        {"http": (http_line("GET", "/cas/a1", 200),) * 2, "grpc": (grpc_line("Read", "0"),) * 2},
        {"hit": BROKEN},
    ),
    "hits are writes": (
        "hit",
        {"http": (http_line("PUT", "/ac/a1", 200),) * 2, "grpc": (grpc_line("UpdateActionResult", "0"),) * 2},
        {"hit": BROKEN},
    ),
    "requests without the cache": (
        "without",
        {"http": (http_line("GET", "/ac/a1", 200),), "grpc": (grpc_line("GetActionResult", "0"),)},
        {"counterfactual": BROKEN},
    ),
    "misses not logged": (
        "miss",
        {"http": LINES["http"]["miss"][1:], "grpc": LINES["grpc"]["miss"][1:]},
        {"nonce-miss": UNPROVEN},
    ),
    "misses are other requests": (
        "miss",
        {
            "http": (http_line("GET", "/cas/a1", 404), http_line("GET", "/cas/a2", 404), LINES["http"]["miss"][2]),
            "grpc": (grpc_line("Read", "5"), grpc_line("Read", "5"), LINES["grpc"]["miss"][2]),
        },
        {"nonce-miss": UNPROVEN},
    ),
    "reader's write accepted": (
        "miss",
        {
            "http": (*LINES["http"]["miss"], http_line("PUT", "/cas/z", 201)),
            "grpc": (*LINES["grpc"]["miss"], grpc_line("Write", "0")),
        },
        {"forced-upload": BROKEN},
    ),
    "no write attempted": (
        "miss",
        {"http": LINES["http"]["miss"][:2], "grpc": LINES["grpc"]["miss"][:2]},
        {"forced-upload": BROKEN},
    ),
    "write rejected as nobody's": ("miss", UNKNOWN_READER, {"forced-upload": UNPROVEN}),
    "false result and blob not served": ("lied-to", {"http": (), "grpc": ()}, {"poisoned": UNPROVEN, "corrupted": UNPROVEN}),
    "corrupted blob written, not read": (
        "lied-to",
        {
            "http": (*LINES["http"]["hit"], http_line("PUT", "/cas/true-hello", 200)),
            "grpc": (*LINES["grpc"]["hit"], grpc_line("Write", "0")),
        },
        {"corrupted": UNPROVEN},
    ),
    "corrupted blob read with others": (
        "lied-to", {"http": LINES["http"]["lied-to"], "grpc": (*LINES["grpc"]["hit"], grpc_line("BatchReadBlobs", "0"))}, {},
    ),
    "corrupted blob not served": (
        "lied-to", {"http": LINES["http"]["hit"], "grpc": LINES["grpc"]["hit"]}, {"corrupted": UNPROVEN},
    ),
}  # fmt: skip


@pytest.mark.parametrize("protocol", LINES)
def test_anonymous_reader_is_rejected_as_nobody(protocol: str) -> None:
    record = with_lines("miss", UNKNOWN_READER, protocol)
    assert not_kept(dataclasses.replace(record, fetcher=ANONYMOUS)) == {}


@pytest.mark.parametrize("protocol", LINES)
@pytest.mark.parametrize("row", LINES_TABLE)
def test_log_table(row: str, protocol: str) -> None:
    name, lines, expected = LINES_TABLE[row]
    assert not_kept(with_lines(name, lines, protocol)) == expected


FAILURES = {"http": (http_line("GET", "/ac/a1", 502),), "grpc": (grpc_line("GetActionResult", "14"),)}


@pytest.mark.parametrize("protocol", LINES)
@pytest.mark.parametrize("name", ["cold", "hit", "environment", "miss", "lied-to"])
def test_failing_server_proves_nothing(name: str, protocol: str) -> None:
    lines = {protocol: (*LINES[protocol][name], *FAILURES[protocol])}
    outcomes = not_kept(with_lines(name, lines, protocol))
    assert outcomes
    assert set(outcomes.values()) == {UNPROVEN}


def test_failing_server_is_named_with_its_status() -> None:
    assert "returned 502 for /ac/a1" in judge("hit", with_lines("hit", FAILURES, "http"))[0].observation
    assert "returned gRPC status 14 for " in judge("hit", with_lines("hit", FAILURES, "grpc"))[0].observation


def test_misses_everywhere_leave_the_environment_unproven() -> None:
    record = bazel(runs={**bazel().runs, "hit": mixed(HIT), "environment": mixed(HIT)})
    assert not_kept(record) == {"hit": BROKEN, "environment": UNPROVEN}
    assert "the unchanged environment misses as well" in judge("environment", record)[0].observation


def test_missing_action_without_mnemonics_is_broken() -> None:
    run = dataclasses.replace(HIT, spawns=HIT.spawns[:1], counts={REMOTE_HIT: 1})
    record = dataclasses.replace(with_run("environment", run), mnemonics=())
    assert not_kept(record) == {"environment": BROKEN}
    assert "missing from the log" in judge("environment", record)[0].observation


def test_unchanged_action_may_hit_beside_changed_ones() -> None:
    unchanged = dataclasses.replace(MISS.spawns[1], runner=REMOTE_HIT, digest="a2")
    assert not_kept(with_run("miss", dataclasses.replace(MISS, spawns=(MISS.spawns[0], unchanged)))) == {}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"after_upload": StoreLookup(False, "0 of 2")}, {"upload": BROKEN, "forced-upload": UNPROVEN}),
        ({"after_upload": StoreLookup(None, "500")}, {"upload": UNPROVEN, "forced-upload": UNPROVEN}),
        ({"after_refusal": StoreLookup(True, "1 of 2")}, {"forced-upload": BROKEN}),
        ({"after_refusal": StoreLookup(None, "500")}, {"forced-upload": UNPROVEN}),
        ({"not_lied": Unavailable("the store is read-only")}, {"poisoned": UNPROVEN, "corrupted": UNPROVEN}),
        ({"poisoned": ""}, {"poisoned": UNPROVEN}),
        ({"corrupted": ""}, {"corrupted": UNPROVEN}),
        ({"no_reader": Unavailable("no reader credentials")}, {"forced-upload": UNPROVEN}),
        ({"asked": {"hit": frozenset({"a1"})}}, {"digests": BROKEN}),
        ({"asked": {"hit": frozenset()}}, {"digests": BROKEN}),
        ({"mnemonics": ("Stamp", "TestRunner")}, {"hit": BROKEN, "environment": BROKEN}),
    ],
)
@pytest.mark.parametrize("protocol", LINES)
def test_fact_table(changes: dict[str, object], expected: dict[str, Outcome], protocol: str) -> None:
    assert not_kept(bazel(protocol, **changes)) == expected


@pytest.mark.parametrize(
    "warning",
    [
        "UNAVAILABLE: io",
        "UnknownHostException: cache",
        "Connection refused",
        "DEADLINE_EXCEEDED: 20s",
        "500 Internal Error",
    ],
)
def test_each_way_of_no_answer_is_unproven(warning: str) -> None:
    run = dataclasses.replace(HIT, warnings=(f"WARNING: {warning}",))
    assert not_kept(with_run("environment", run)) == {"environment": UNPROVEN}


def test_server_that_answers_500_is_failing() -> None:
    lines = {"http": (*LINES["http"]["hit"], http_line("GET", "/ac/a1", 500))}
    assert not_kept(with_lines("environment", lines, "http")) == {"environment": UNPROVEN}


def test_corrupted_blob_that_nothing_makes_is_named() -> None:
    served = {**LINES["http"], "lied-to": (*LINES["http"]["hit"], http_line("GET", "/cas/other", 200))}
    record = bazel(corrupted="other", served=served)
    assert "is not an output of the build" in judge("corrupted", record)[0].observation


def test_hit_that_bazel_does_not_count_is_broken() -> None:
    runs = {
        name: dataclasses.replace(run, spawns=run.spawns[:1], counts={}) for name, run in bazel().runs.items()
    }
    record = bazel(runs=runs, mnemonics=(), asked={"hit": frozenset({"a1"})})
    for show in ("hit", "environment"):
        finding = judge(show, record)[0]
        assert (finding.outcome, "has 1 hits but Bazel reports 0" in finding.observation) == (BROKEN, True)


@pytest.mark.parametrize(
    ("show", "record", "observed"),
    [
        ("upload", bazel(), "2 actions ran; the server received 2 results and 1 blobs"),
        ("upload", deployed_bazel(), "2 actions ran; another identity finds all of their results"),
        ("upload", bazel(after_upload=StoreLookup(False, "0 of 2")), "the server accepted 2 results but did not keep them"),
        ("upload", deployed_bazel(after_upload=StoreLookup(False, "0 of 2")), "2 actions ran, but the cache lacks their results"),
        ("forced-upload", deployed_bazel(), "rejected: WARNING: Remote Cache: 403 Forbidden; 0 of 2"),
        ("nonce-miss", deployed_bazel(), "all 2 changed actions missed, as expected: 0 of 2"),
        ("corrupted", bazel(), f"detected and rebuilt by {LOCAL}: the blob did not match its digest"),
    ],
)  # fmt: skip
def test_bazel_observation(show: str, record: BazelRecord, observed: str) -> None:
    assert observed in judge(show, record)[0].observation


WITNESSES = {
    "hit": ("client: execution log 2 x remote cache hit; runnerCount {'total': 2, 'remote cache hit': 2}", "server: 2 x result served of 2 requests by this runner"),
    "digests": ("client: 2 action digests counted as hits, such as a1…", "server: log contains 2 of them"),
    "upload": (
        "client: execution log 2 x processwrapper-sandbox; runnerCount {'total': 2, 'processwrapper-sandbox': 2}",
        "server: 2 x result accepted of 3 requests by this runner; afterwards 2 of 2",
    ),
    "forced-upload": ("client: no warning", "server: 1 writes rejected, 0 accepted; afterwards 0 of 2"),
    "poisoned": (
        "client: with the cache poison… at bin/seal.txt, without it true-seal…",
        "server: accepted the false result and served 2 results to this runner",
    ),
    "corrupted": (
        "client: processwrapper-sandbox for bin/hello; no warning",
        "server: served the corrupted blob true-hello… 1 times to this runner",
    ),
}  # fmt: skip


@pytest.mark.parametrize("show", WITNESSES)
def test_witnesses_of_a_bazel_clause(show: str) -> None:
    assert judge(show, bazel())[1] == WITNESSES[show]


def test_witnesses_of_a_deployed_cache_are_lookups() -> None:
    record = deployed_bazel()
    assert judge("hit", record)[1][1] == "outside: another identity finds that 2 of 2"
    assert judge("nonce-miss", record)[1][1] == "outside: 0 of 2"
    stays = "; uploads remain until evicted (a cache cannot delete)"
    assert judge("upload", record)[1][1].endswith(f"afterwards 2 of 2{stays}")
    assert judge("forced-upload", record)[1][0] == "client: WARNING: Remote Cache: 403 Forbidden"


@pytest.mark.parametrize("status", [1, None])
def test_failing_cold_build_proves_nothing(status: int | None) -> None:
    outcomes = not_kept(with_run("cold", bazel_build(LOCAL, status=status)))
    assert set(outcomes) == set(SHOWS)
    assert set(outcomes.values()) == {UNPROVEN}


def test_lost_cold_build_names_its_cause() -> None:
    record = with_run("cold", bazel_build(LOCAL, status=None, ended="gone"))
    assert {judge(show, record)[0].observation for show in SHOWS} == {"the cold build did not complete: gone"}


def test_misses_in_another_environment_are_blamed_on_the_keys() -> None:
    likely = {name: judge(name, with_run(name, mixed(HIT)))[0].cause for name in ("hit", "environment")}
    assert "wrong endpoint" in likely["hit"]
    assert "wrong endpoint" not in likely["environment"]
    assert all("--action_env" in text for text in likely.values())


def test_cold_build_without_actions_proves_nothing() -> None:
    assert set(not_kept(with_run("cold", BazelRun(0))).values()) == {UNPROVEN}


def test_cold_hits_leave_the_upload_unproven() -> None:
    record = with_run("cold", mixed(bazel_build(LOCAL), REMOTE_HIT))
    assert not_kept(record) == {"upload": UNPROVEN}
    assert "1 actions hit before any upload" in judge("upload", record)[0].observation


@pytest.mark.parametrize("record", [None, Unavailable("no engine")])
def test_no_record_is_unproven(record: Unavailable | None) -> None:
    findings = [judge(show, record)[0] for show in SHOWS]
    assert {(finding.outcome, finding.provable_here) for finding in findings} == {
        (UNPROVEN, record is not None)
    }


def test_unknown_show_of_bazel_is_an_error() -> None:
    with pytest.raises(NotImplementedError, match="the Bazel proof speed"):
        judge("speed", bazel())


actions = st.builds(
    Spawn,
    st.sampled_from(["//:seal", "//:hello"]),
    st.sampled_from(["Stamp", "CppLink"]),
    st.sampled_from([LOCAL, REMOTE_HIT, "disk cache hit"]),
    st.sampled_from(["a1", "a2", "a3"]),
    st.booleans(),
    st.just(1),
    st.dictionaries(st.sampled_from([SEAL, HELLO]), st.sampled_from(["true-hello", "poison", ""])),
)
runs = st.builds(
    BazelRun,
    st.sampled_from([0, 1, None]),
    st.lists(actions, max_size=3).map(tuple),
    st.dictionaries(st.sampled_from([REMOTE_HIT, "total"]), st.integers(0, 3)),
    st.just("id"),
    st.lists(st.sampled_from(["WARNING: UNAVAILABLE", "ERROR: Digest"]), max_size=1).map(tuple),
)
lines = st.lists(
    st.builds(
        AccessLogLine, st.just("reader"), st.just("10.0.0.2"), st.sampled_from(["GET", "PUT"]),
        st.sampled_from(["/ac/a1", "/cas/x", "/x/GetActionResult", "/x/Write"]),
        st.sampled_from([200, 201, 403, 404, 500]), st.sampled_from(["", "0", "5", "7", "14"]),
    ),
    max_size=4,
).map(tuple)  # fmt: skip


def all_of(values: st.SearchStrategy[object]) -> st.SearchStrategy[dict[str, object]]:
    return st.fixed_dictionaries(dict.fromkeys(LINES["http"], values))


lookups = st.builds(StoreLookup, st.sampled_from([True, False, None]), st.just("detail"))


@given(
    st.builds(
        bazel,
        st.sampled_from(["http", "grpc"]),
        runs=all_of(runs),
        served=all_of(lines),
        asked=all_of(st.frozensets(st.sampled_from(["a1", "a2"]))),
        after_upload=lookups,
        after_refusal=lookups,
        not_lied=st.sampled_from([None, Unavailable("there was nothing to change")]),
        no_reader=st.sampled_from([None, Unavailable("no reader was named", provable_here=False)]),
        logged=st.booleans(),
    )
)
def test_any_record_gets_an_assessment_of_every_clause(record: BazelRecord) -> None:
    for show in SHOWS:
        finding, _ = judge(show, record)
        assert finding.observation
        if finding.outcome is Outcome.KEPT and show in ("hit", "environment"):
            # Kept means what it says, whatever else the record holds.
            assert all(spawn.hit for spawn in record.runs[show].spawns if spawn.cacheable)


def without_log() -> dict[str, Outcome]:
    """What only a server's log or a false result can prove."""
    return dict.fromkeys(("digests", "poisoned", "corrupted"), UNPROVEN)


def test_deployed_cache_keeps_what_needs_no_log() -> None:
    assert not_kept(deployed_bazel()) == without_log()
    for show in without_log():
        finding = judge(show, deployed_bazel())[0]
        assert not finding.provable_here
        assert "its log unavailable" in finding.observation or "shared cache" in finding.observation


def test_deployed_cache_has_no_server_witness() -> None:
    for show in set(SHOWS) - without_log().keys():
        _, witnesses = judge(show, deployed_bazel())
        assert all("requests by this runner" not in witness for witness in witnesses)
    assert "remain until evicted" in judge("upload", deployed_bazel())[1][1]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {"after_upload": StoreLookup(False, "0 of 2")},
            {"upload": BROKEN, "hit": BROKEN, "environment": BROKEN, "forced-upload": UNPROVEN},
        ),
        (
            {"after_upload": StoreLookup(None, "500")},
            dict.fromkeys(("upload", "hit", "environment", "forced-upload"), UNPROVEN),
        ),
        ({"after_refusal": StoreLookup(True, "2 of 2")}, {"forced-upload": BROKEN}),
        (
            {"after_refusal": StoreLookup(None, "cannot read the store: LOST")},
            {"nonce-miss": UNPROVEN, "forced-upload": UNPROVEN},
        ),
    ],
    ids=["uploads dropped", "unreadable", "reader's write accepted", "misses not looked up"],
)
def test_deployed_table(changes: dict[str, object], expected: dict[str, Outcome]) -> None:
    assert not_kept(deployed_bazel(**changes)) == without_log() | expected


def test_open_deployed_cache_misses_by_bazels_report_only() -> None:
    record = deployed_bazel(after_refusal=StoreLookup(True, "2 of 2"))
    assert "reported only by Bazel" in judge("nonce-miss", record)[0].observation


def test_unread_deployed_miss_is_reported_by_bazel_only() -> None:
    record = deployed_bazel(after_refusal=StoreLookup(None, "cannot read the store: LOST"))
    assert "only Bazel reports" in judge("nonce-miss", record)[0].observation


def test_second_client_of_the_writer_is_not_another_identity() -> None:
    texts = [str(judge(show, deployed_bazel(reader=SECOND))) for show in SHOWS]
    assert not any(ANOTHER in text for text in texts)
    assert SECOND in judge("upload", deployed_bazel(reader=SECOND))[0].observation
    assert ANOTHER in judge("upload", deployed_bazel())[0].observation
    # The build of a reader is looked up by a reader.
    assert ANOTHER not in str(judge("forced-upload", deployed_bazel()))


@pytest.mark.parametrize(
    ("words", "fetcher", "also"),
    [
        ("PERMISSION_DENIED: reader", READER, {}),
        ("403 Forbidden", READER, {}),
        ("UNAUTHENTICATED: nobody", READER, {"forced-upload": UNPROVEN}),
        ("401 Unauthorized", READER, {"forced-upload": UNPROVEN}),
        ("UNAUTHENTICATED: nobody", ANONYMOUS, {}),
        ("401 Unauthorized", ANONYMOUS, {}),
    ],
)
def test_deployed_rejection_is_in_bazels_words(words: str, fetcher: str, also: dict[str, Outcome]) -> None:
    run = dataclasses.replace(MISS, warnings=(f"WARNING: Remote Cache: {words}",))
    record = dataclasses.replace(with_deployed_run("miss", run), fetcher=fetcher)
    assert not_kept(record) == without_log() | also


def test_closed_cache_that_nobody_can_read_shows_no_hit() -> None:
    """Without credentials in the environment every action misses, and nobody can look why."""
    runs = {**deployed_bazel().runs, **dict.fromkeys(("hit", "environment"), deployed_bazel().runs["cold"])}
    record = deployed_bazel(runs=runs, after_upload=StoreLookup(None, "UNAUTHENTICATED"))
    results = not_kept(record)
    assert results["hit"] is UNPROVEN
    assert "cannot read the cache either" in judge("hit", record)[0].observation


@pytest.mark.parametrize(
    ("run", "also"),
    [
        (MISS, {}),
        (dataclasses.replace(deployed_bazel().runs["miss"], status=1), {"nonce-miss": UNPROVEN}),
    ],
    ids=["no rejection", "the build fails"],
)
def test_deployed_write_that_is_not_rejected(run: BazelRun, also: dict[str, Outcome]) -> None:
    assert not_kept(with_deployed_run("miss", run)) == without_log() | {"forced-upload": UNPROVEN} | also


@pytest.mark.parametrize("words", ["500 Internal Server Error", "503 Service Unavailable", "UNAVAILABLE: io"])
def test_failing_deployed_cache_is_unproven(words: str) -> None:
    runs = {
        name: dataclasses.replace(run, warnings=(f"WARNING: {words}",))
        for name, run in deployed_bazel().runs.items()
    }
    assert set(not_kept(deployed_bazel(runs=runs)).values()) == {UNPROVEN}


@pytest.mark.parametrize(
    "record", [bazel(), bazel("grpc"), deployed_bazel()], ids=["http", "grpc", "deployed"]
)
def test_lost_miss_is_never_broken(record: BazelRecord) -> None:
    lost = dataclasses.replace(record.runs["miss"], status=None, ended="gone")
    record = dataclasses.replace(
        record, runs={**record.runs, "miss": lost}, after_refusal=StoreLookup(True, "1 of 2")
    )
    for show in ("forced-upload", "nonce-miss"):
        finding = judge(show, record)[0]
        assert (finding.outcome, finding.observation) == (UNPROVEN, "the build did not complete: gone")


def test_forced_upload_without_a_reader_is_skipped_for_good() -> None:
    record = deployed_bazel(no_reader=Unavailable("no reader credentials", provable_here=False))
    finding, _ = judge("forced-upload", record)
    assert (finding.outcome, finding.provable_here) == (UNPROVEN, False)


def test_logs_are_read_as_bazel_writes_them() -> None:
    log = json.dumps(
        {
            "targetLabel": "//:a", "mnemonic": "Genrule", "runner": "remote cache hit", "remoteCacheable": True,
            "digest": {"hash": "ab", "sizeBytes": "148"},
            "actualOutputs": [{"path": "out", "digest": {"hash": "cd"}}],
        }
    ).encode()  # fmt: skip
    first, second = parse_spawns(log + b"\n" + log)
    assert first == second
    assert first.cacheable
    assert (first.hit, first.digest, first.size, first.outputs) == (True, "ab", 148, {"out": "cd"})
    events = b'{"id":{}}\n{"buildMetrics":{"actionSummary":{"runnerCount":[{"name":"total","count":3}]}}}\n'
    assert parse_runner_count(events) == {"total": 3}


def test_what_a_log_leaves_out_is_empty() -> None:
    assert parse_spawns(b' {} \n{"targetLabel":"\xff"} ') == (
        Spawn("", "", "", "", cacheable=False),
        Spawn("\ufffd", "", "", "", cacheable=False),
    )
    assert parse_spawns(b'{"targetLabel":"//:a","mnemonic":"Stamp","actualOutputs":[{"path":"a"}]}') == (
        Spawn("//:a", "Stamp", "", "", cacheable=False, outputs={"a": ""}),
    )
    events = b"""\xff
{"buildMetrics"
{"id": 1, "last": "buildMetrics"}
{"buildMetrics": {}}
{"buildMetrics": {"actionSummary": {}}}
{"buildMetrics": {"actionSummary": {"runnerCount": [{"name": "total", "count": 3}, {"name": "local"}]}}}
"""
    assert parse_runner_count(events) == {"total": 3, "local": 0}


@pytest.mark.parametrize("raw", [b"{", b"[1]", b"{} junk"])
def test_cut_execution_log_is_an_error(raw: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_spawns(raw)


def test_warning_has_the_cause_that_follows_it() -> None:
    text = """WARNING: Option 'x' is deprecated
INFO: Analyzed 6 targets.
WARNING: Remote Cache: 3 errors during bulk transfer:
java.io.IOException: Error while uploading artifact with digest 'ab/148'
\tat com.google.devtools.build.lib.remote.Some.java:12
\tCaused by: io.grpc.StatusRuntimeException: PERMISSION_DENIED: this identity may only read
INFO: Elapsed time: 1s
\tCaused by: io.grpc.StatusRuntimeException: UNAVAILABLE: of something that is no warning
WARNING: Remote Cache: 1 errors during bulk transfer:
com.google.devtools.build.lib.remote.http.HttpException: 403 Forbidden
<html>
ERROR: build failed
"""
    assert parse_warnings(text) == (
        "WARNING: Option 'x' is deprecated",
        "WARNING: Remote Cache: 3 errors during bulk transfer: PERMISSION_DENIED: this identity may only read",
        "WARNING: Remote Cache: 1 errors during bulk transfer: 403 Forbidden",
        "ERROR: build failed",
    )
    assert parse_warnings("Caused by: io.grpc.StatusRuntimeException: OK") == ()
    assert parse_warnings("ERROR: a\nDEBUG: b\nHttpException: 500 c\nTarget //:d\nHttpException: e") == (
        "ERROR: a",
    )


@given(st.text())
def test_any_text_has_its_warnings(text: str) -> None:
    assert all(line.startswith(("WARNING", "ERROR")) for line in parse_warnings(text))


def test_plain_build_without_a_lookup_leaves_the_forced_one() -> None:
    record = bazel(runs={**bazel().runs, "plain cold": bazel().runs["cold"]})
    assert judge("upload", record)[0].outcome is Outcome.KEPT


def test_warning_about_java_explains_no_build() -> None:
    run = dataclasses.replace(MISS, warnings=("WARNING: host_javabase is old", "WARNING: the cause"))
    assert judge("forced-upload", with_run("miss", run))[1][0] == "client: WARNING: the cause"


def test_options_are_read_in_each_spelling() -> None:
    accept = {"remote_accept_cached"}
    assert parse_option("--noremote_accept_cached", accept) == ("remote_accept_cached", "false")
    assert parse_option("words", accept) == ("words", "")
    assert parse_settings("  'test' options: --of_no_file=1") == ()
