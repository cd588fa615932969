"""Judging the Bazel record: each lie of client or server turns the right clause, and nothing raises."""

from __future__ import annotations

import dataclasses
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder_contracts.contract.promises.caches import BAZEL, BAZEL_WRITE
from builder_contracts.prove.bazel.judge import judge
from builder_contracts.prove.bazel.log import REMOTE_HIT, Spawn, runner_count, spawns, warnings
from builder_contracts.prove.records import (
    ANOTHER,
    SECOND,
    AccessLogLine,
    BazelRecord,
    BazelRun,
    StoreLookup,
    Unavailable,
)
from builder_contracts.verdict import Outcome

SHOWS = (*BAZEL_WRITE, *BAZEL)
LOCAL = "processwrapper-sandbox"
SEAL, HELLO = "bin/seal.txt", "bin/hello"


def spawn(target: str, mnemonic: str, runner: str, digest: str, path: str, content: str) -> Spawn:
    return Spawn(target, mnemonic, runner, digest, cacheable=True, size=1, outputs={path: content})


def build(
    runner: str, suffix: str = "", seal: str = "true-seal", hello: str = "true-hello", **changes: object
) -> BazelRun:
    spawned = (
        spawn("//:seal", "Stamp", runner, f"a1{suffix}", SEAL, seal),
        spawn("//:hello", "CppLink", runner, f"a2{suffix}", HELLO, hello),
    )
    good = BazelRun(0, spawned, {"total": 2, runner: 2}, "id")
    return dataclasses.replace(good, **changes)  # type: ignore[arg-type]


def line(method: str, uri: str, status: int, identity: str = "reader") -> AccessLogLine:
    return AccessLogLine(identity, "10.0.0.2", method, uri, status)


def record(**changes: object) -> BazelRecord:
    read = (line("GET", "/ac/a1", 200), line("GET", "/ac/a2", 200))
    lied = build(REMOTE_HIT, seal="poison")
    lied = dataclasses.replace(
        lied, spawns=(lied.spawns[0], dataclasses.replace(lied.spawns[1], runner=LOCAL))
    )
    good = BazelRecord(
        protocol="http",
        url="http://cache:8080",
        runs={
            "cold": build(LOCAL),
            "miss": build(LOCAL, "-changed"),
            "hit": build(REMOTE_HIT),
            "environment": build(REMOTE_HIT),
            "without": build(LOCAL),
            "lied-to": lied,
        },
        asked={"hit": frozenset({"a1", "a2"})},
        served={
            "cold": tuple(line("PUT", uri, 201, "writer") for uri in ("/ac/a1", "/ac/a2", "/cas/x")),
            "miss": (
                line("GET", "/ac/a1-changed", 404), line("GET", "/ac/a2-changed", 404), line("PUT", "/cas/y", 403),
            ),
            "hit": read,
            "environment": read,
            "without": (),
            "lied-to": read,
        },
        after_upload=StoreLookup(True, "2 of 2"),
        after_refusal=StoreLookup(False, "0 of 2"),
        poisoned="poison",
        corrupted="true-hello",
        mnemonics=("Stamp", "CppLink"),
    )  # fmt: skip
    return dataclasses.replace(good, **changes)  # type: ignore[arg-type]


def with_run(name: str, run: BazelRun) -> BazelRecord:
    return record(runs={**record().runs, name: run})


def with_lines(name: str, *lines: AccessLogLine) -> BazelRecord:
    return record(served={**record().served, name: lines})


def turned(found: BazelRecord) -> dict[str, Outcome]:
    outcomes = {show: judge(show, found)[0].outcome for show in SHOWS}
    return {show: outcome for show, outcome in outcomes.items() if outcome is not Outcome.KEPT}


def test_a_good_cache_keeps_everything() -> None:
    assert turned(record()) == {}


def test_every_clause_has_witnesses() -> None:
    for show in SHOWS:
        client, server = judge(show, record())[1]
        assert client.startswith("client: ")
        assert server.startswith("server: ")


def test_results_that_do_not_arrive_break_the_upload() -> None:
    assert turned(with_lines("cold", line("PUT", "/cas/x", 201, "writer"))) == {"upload": Outcome.BROKEN}


def test_results_that_are_taken_and_not_kept_break_the_upload() -> None:
    found = turned(record(after_upload=StoreLookup(False, "0 of 2")))
    # Without a write that arrived, a refused one shows nothing.
    assert found == {"upload": Outcome.BROKEN, "forced-upload": Outcome.UNPROVEN}


def test_an_upload_that_cannot_be_read_back_is_unproven() -> None:
    assert turned(record(after_upload=StoreLookup(None, "500")))["upload"] is Outcome.UNPROVEN


def test_without_a_lie_nothing_is_noticed() -> None:
    found = turned(record(not_lied=Unavailable("the store is read-only")))
    assert found == {"poisoned": Outcome.UNPROVEN, "corrupted": Outcome.UNPROVEN}


@pytest.mark.parametrize("name", ["hit", "environment"])
def test_a_local_action_is_no_remote_hit(name: str) -> None:
    run = build(REMOTE_HIT)
    mixed = dataclasses.replace(run, spawns=(run.spawns[0], dataclasses.replace(run.spawns[1], runner=LOCAL)))
    assert turned(with_run(name, mixed))[name] is Outcome.BROKEN


def test_a_disk_cache_hit_is_no_remote_hit() -> None:
    assert turned(with_run("hit", build("disk cache hit")))["hit"] is Outcome.BROKEN


@pytest.mark.parametrize("name", ["hit", "environment"])
def test_an_empty_log_hides_something_local(name: str) -> None:
    found = with_run(name, BazelRun(0, (), {"total": 0}))
    assert turned(found)[name] is Outcome.BROKEN
    assert "something local" in judge(name, found)[0].seen


def test_a_missing_kind_of_action_is_not_the_whole_canary() -> None:
    found = record(mnemonics=("Stamp", "TestRunner"))
    assert turned(found) == {"hit": Outcome.BROKEN, "environment": Outcome.BROKEN}


def test_a_missing_target_is_not_the_whole_canary() -> None:
    run = build(REMOTE_HIT)
    found = with_run("environment", dataclasses.replace(run, spawns=run.spawns[:1], counts={REMOTE_HIT: 1}))
    assert turned(dataclasses.replace(found, mnemonics=())) == {"environment": Outcome.BROKEN}


def test_two_logs_that_disagree() -> None:
    assert turned(with_run("environment", build(REMOTE_HIT, counts={REMOTE_HIT: 1}))) == {
        "environment": Outcome.BROKEN
    }


def test_a_hit_that_the_server_did_not_serve() -> None:
    assert turned(with_lines("environment")) == {"environment": Outcome.BROKEN}


def test_digests_that_the_server_does_not_know() -> None:
    assert turned(record(asked={"hit": frozenset({"a1"})})) == {"digests": Outcome.BROKEN}


def test_a_hit_without_a_cache() -> None:
    assert turned(with_lines("without", line("GET", "/ac/a1", 200))) == {"counterfactual": Outcome.BROKEN}


def test_a_hit_for_an_input_that_never_was() -> None:
    assert turned(with_run("miss", build(REMOTE_HIT, "-changed"))) == {"nonce-miss": Outcome.BROKEN}


def test_a_change_that_reaches_no_action() -> None:
    assert turned(with_run("miss", build(REMOTE_HIT))) == {"nonce-miss": Outcome.BROKEN}


def test_an_unchanged_action_may_hit_beside_changed_ones() -> None:
    run = build(LOCAL, "-changed")
    same = dataclasses.replace(run.spawns[1], runner=REMOTE_HIT, digest="a2")
    assert turned(with_run("miss", dataclasses.replace(run, spawns=(run.spawns[0], same)))) == {}


def test_a_reader_that_writes() -> None:
    lines = (*record().served["miss"], line("PUT", "/cas/z", 201))
    assert turned(with_lines("miss", *lines)) == {"forced-upload": Outcome.BROKEN}


def test_a_refused_write_that_is_there_all_the_same() -> None:
    assert turned(record(after_refusal=StoreLookup(True, "1 of 2"))) == {"forced-upload": Outcome.BROKEN}


def test_a_store_that_cannot_be_read_back() -> None:
    assert turned(record(after_refusal=StoreLookup(None, "500"))) == {"forced-upload": Outcome.UNPROVEN}


def test_no_write_tried_is_no_refusal() -> None:
    lines = record().served["miss"][:2]
    assert turned(with_lines("miss", *lines)) == {"forced-upload": Outcome.BROKEN}


def test_a_false_result_that_the_other_build_has_too() -> None:
    assert turned(with_run("without", build(LOCAL, seal="poison"))) == {"poisoned": Outcome.BROKEN}


def test_a_false_result_that_was_never_fetched() -> None:
    run = record().runs["lied-to"]
    honest = dataclasses.replace(run.spawns[0], outputs={SEAL: "true-seal"})
    assert turned(with_run("lied-to", dataclasses.replace(run, spawns=(honest, run.spawns[1])))) == {
        "poisoned": Outcome.UNPROVEN
    }


def test_a_damaged_blob_that_is_used() -> None:
    run = record().runs["lied-to"]
    used = dataclasses.replace(run.spawns[1], runner=REMOTE_HIT)
    assert turned(with_run("lied-to", dataclasses.replace(run, spawns=(run.spawns[0], used)))) == {
        "corrupted": Outcome.BROKEN
    }


@pytest.mark.parametrize("name", ["hit", "environment", "miss", "lied-to"])
def test_a_server_that_fails_proves_nothing(name: str) -> None:
    found = with_lines(name, line("GET", "/ac/a1", 502))
    assert Outcome.BROKEN not in turned(found).values()
    assert turned(found)


def test_a_cold_build_that_fails_proves_nothing() -> None:
    assert set(turned(with_run("cold", build(LOCAL, status=1))).values()) == {Outcome.UNPROVEN}


@pytest.mark.parametrize("found", [None, Unavailable("no engine")])
def test_no_record_is_unproven(found: Unavailable | None) -> None:
    assert {judge(show, found)[0].outcome for show in SHOWS} == {Outcome.UNPROVEN}


names = st.sampled_from(["cold", "miss", "hit", "environment", "without", "lied-to"])
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
    keys = ("cold", "miss", "hit", "environment", "without", "lied-to")
    return st.fixed_dictionaries(dict.fromkeys(keys, values))


@given(
    st.builds(
        record,
        protocol=st.sampled_from(["http", "grpc"]),
        runs=all_of(runs),
        served=all_of(lines),
        asked=all_of(st.frozensets(st.sampled_from(["a1", "a2"]))),
        after_upload=st.builds(StoreLookup, st.sampled_from([True, False, None]), st.just("x")),
        after_refusal=st.builds(StoreLookup, st.sampled_from([True, False, None]), st.just("x")),
        not_lied=st.sampled_from([None, Unavailable("there was nothing to change")]),
        no_reader=st.sampled_from([None, Unavailable("nobody was named", here=False)]),
        logged=st.booleans(),
    )
)
def test_any_record_gets_a_finding_for_every_clause(found: BazelRecord) -> None:
    for show in SHOWS:
        finding, _ = judge(show, found)
        assert finding.seen
        if finding.outcome is Outcome.KEPT and show in ("hit", "environment"):
            # Kept means what it says, whatever else the record holds.
            assert all(spawn.hit for spawn in found.runs[show].spawns if spawn.cacheable)


REFUSED = "WARNING: Remote Cache: 403 Forbidden"
NOT_LIED = Unavailable("none is put into a cache that others use", here=False)


def live(**changes: object) -> BazelRecord:
    """The record of a deployment's own cache: no log, no lies, and Bazel's words in their place."""
    runs = {name: run for name, run in record().runs.items() if name != "lied-to"}
    runs["miss"] = build(LOCAL, "-changed", warnings=(REFUSED,))
    nothing: dict[str, tuple[AccessLogLine, ...]] = dict.fromkeys(runs, ())
    base = {
        "runs": runs,
        "served": nothing,
        "asked": {"hit": frozenset()},
        "logged": False,
        "not_lied": NOT_LIED,
    }
    return record(**{**base, "poisoned": "", "corrupted": "", **changes})


def with_live_run(name: str, run: BazelRun) -> BazelRecord:
    return live(runs={**live().runs, name: run})


def never() -> dict[str, Outcome]:
    """What only a server's log or a lie can show."""
    return dict.fromkeys(("digests", "poisoned", "corrupted"), Outcome.UNPROVEN)


def test_a_deployments_cache_keeps_what_can_be_shown_without_its_log() -> None:
    assert turned(live()) == never()
    for show in never():
        finding = judge(show, live())[0]
        assert not finding.here
        assert "log is not at hand" in finding.seen or "others use" in finding.seen


def test_a_deployments_cache_is_told_from_one_with_a_log_in_every_witness() -> None:
    for show in set(SHOWS) - never().keys():
        _, witnesses = judge(show, live())
        assert all("requests by this runner" not in witness for witness in witnesses)
    assert "stays until it is evicted" in judge("upload", live())[1][1]


def test_a_deployment_that_drops_uploads_breaks_the_upload_and_the_hits() -> None:
    found = turned(live(after_upload=StoreLookup(False, "0 of 2")))
    assert found == never() | {
        "upload": Outcome.BROKEN,
        "hit": Outcome.BROKEN,
        "environment": Outcome.BROKEN,
        "forced-upload": Outcome.UNPROVEN,
    }


def test_a_deployment_that_nobody_else_can_read_is_unproven() -> None:
    found = turned(live(after_upload=StoreLookup(None, "500")))
    assert found == never() | dict.fromkeys(
        ("upload", "hit", "environment", "forced-upload"), Outcome.UNPROVEN
    )


def test_a_deployment_that_takes_a_readers_writes_breaks_the_forced_upload() -> None:
    found = live(after_refusal=StoreLookup(True, "2 of 2"))
    assert turned(found) == never() | {"forced-upload": Outcome.BROKEN}
    # The build that missed has filled the store itself.
    assert "Bazel alone says so" in judge("nonce-miss", found)[0].seen


def test_a_miss_that_nobody_looked_at_is_unproven() -> None:
    found = live(after_refusal=StoreLookup(None, "the store could not be read: LOST"))
    assert turned(found) == never() | dict.fromkeys(("nonce-miss", "forced-upload"), Outcome.UNPROVEN)
    assert "Bazel alone says: the store could not be read" in judge("nonce-miss", found)[0].seen


def test_a_second_client_of_one_identity_is_not_called_another() -> None:
    said = [str(judge(show, live(looker=SECOND))) for show in SHOWS]
    assert not any(ANOTHER in each for each in said)
    assert SECOND in judge("upload", live(looker=SECOND))[0].seen
    assert ANOTHER in judge("upload", live())[0].seen
    # Who builds as a reader is looked after by a reader.
    assert ANOTHER not in str(judge("forced-upload", live()))


@pytest.mark.parametrize(
    "words", ["PERMISSION_DENIED: reader", "UNAUTHENTICATED: nobody", "401 Unauthorized", "403 Forbidden"]
)
def test_a_deployments_refusal_is_in_bazels_words(words: str) -> None:
    run = build(LOCAL, "-changed", warnings=(f"WARNING: Remote Cache: {words}",))
    assert turned(with_live_run("miss", run)) == never()


def test_a_deployment_that_drops_a_readers_writes_without_a_word_is_unproven() -> None:
    found = turned(with_live_run("miss", build(LOCAL, "-changed")))
    assert found == never() | {"forced-upload": Outcome.UNPROVEN}


@pytest.mark.parametrize("words", ["500 Internal Server Error", "503 Service Unavailable", "UNAVAILABLE: io"])
def test_a_deployment_that_does_not_work_is_unproven(words: str) -> None:
    down = {
        name: dataclasses.replace(run, warnings=(f"WARNING: {words}",)) for name, run in live().runs.items()
    }
    found = turned(live(runs=down))
    assert set(found.values()) == {Outcome.UNPROVEN}


def test_without_a_reader_a_forced_upload_shows_nothing() -> None:
    finding, _ = judge("forced-upload", live(no_reader=Unavailable("no reader's credentials", here=False)))
    assert (finding.outcome, finding.here) == (Outcome.UNPROVEN, False)


def test_logs_are_read_in_bazels_own_spelling() -> None:
    log = json.dumps(
        {
            "targetLabel": "//:a", "mnemonic": "Genrule", "runner": "remote cache hit", "remoteCacheable": True,
            "digest": {"hash": "ab", "sizeBytes": "148"},
            "actualOutputs": [{"path": "out", "digest": {"hash": "cd"}}],
        }
    ).encode()  # fmt: skip
    found = spawns(log + b"\n" + log)
    assert len(found) == 2
    assert (found[0].hit, found[0].digest, found[0].size, found[0].outputs) == (
        True,
        "ab",
        148,
        {"out": "cd"},
    )
    events = b'{"id":{}}\n{"buildMetrics":{"actionSummary":{"runnerCount":[{"name":"total","count":3}]}}}\n'
    assert runner_count(events) == {"total": 3}


@pytest.mark.parametrize("raw", [b"{", b"[1]", b"{} junk"])
def test_a_log_that_is_cut_off_is_an_error(raw: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        spawns(raw)


def test_a_warning_has_the_cause_that_bazel_tells_after_it() -> None:
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
    assert warnings(text) == (
        "WARNING: Option 'x' is deprecated",
        "WARNING: Remote Cache: 3 errors during bulk transfer: PERMISSION_DENIED: this identity may only read",
        "WARNING: Remote Cache: 1 errors during bulk transfer: 403 Forbidden",
        "ERROR: build failed",
    )
    assert warnings("Caused by: io.grpc.StatusRuntimeException: OK") == ()


@given(st.text())
def test_any_text_has_its_warnings(text: str) -> None:
    assert all(line.startswith(("WARNING", "ERROR")) for line in warnings(text))
