"""Judging the Nix record: each lie of client or server turns the right clause, and nothing raises."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder_contracts.contract.promises.caches import NIX
from builder_contracts.prove.nix.judge import judge
from builder_contracts.prove.nix.log import NixLog, parse
from builder_contracts.prove.records import AccessLogLine, NixRecord, NixRun, Unavailable
from builder_contracts.verdict import Outcome

PATH = "/nix/store/aaaa-report"
DEPENDENCY = "/nix/store/bbbb-greeting"
URL = "http://cache.example/main"
UNTRUSTED = (
    "warning: ignoring substitute for 'x', as it's not signed by any of the keys in 'trusted-public-keys'"
)
FOLDER = "file:///tmp/run/bad-caches"
BAD = ("unsigned", "wrong-key", "stripped-references", "swapped-nar")


def fetched(url: str = URL) -> NixRun:
    return NixRun(0, NixLog(((PATH, url), (DEPENDENCY, url))))


def failed(message: str) -> NixRun:
    return NixRun(1, NixLog(messages=(message,)))


def served(*uris: str, source: str = "10.0.0.2") -> tuple[AccessLogLine, ...]:
    return tuple(AccessLogLine("anonymous", source, "GET", uri, 200) for uri in uris)


def record(**changes: object) -> NixRecord:
    good = NixRecord(
        path=PATH,
        closure=(PATH, DEPENDENCY),
        url=URL,
        key="main-1:key",
        nar_hash="sha256-x",
        runner="10.0.0.2",
        attempts={
            "good": fetched(),
            "none": failed("error: there is no substituter that can build it"),
            **dict.fromkeys(BAD[:3], failed(UNTRUSTED)),
            "swapped-nar": failed("error: hash mismatch importing path"),
            "recovery": fetched(),
        },
        urls={name: f"http://cache.example/{name}" for name in BAD} | {"good": URL},
        info={"ultimate": False, "signatures": ["main-1:sig"], "narHash": "sha256-x"},
        verified=0,
        verified_other=2,
        served={
            "good": served("/main/aaaa.narinfo", "/main/nar/1.nar.xz"),
            "none": (),
            "recovery": served("/unsigned/aaaa.narinfo", "/main/aaaa.narinfo", "/main/nar/1.nar.xz"),
            **{name: served(f"/{name}/aaaa.narinfo") for name in BAD},
        },
    )
    return dataclasses.replace(good, **changes)  # type: ignore[arg-type]


def with_attempt(name: str, run: NixRun) -> NixRecord:
    return record(attempts={**record().attempts, name: run})


def with_lines(name: str, *lines: AccessLogLine) -> NixRecord:
    return record(served={**record().served, name: lines})


def outcomes(found: NixRecord | Unavailable | None) -> dict[str, Outcome]:
    return {show: judge(show, found)[0].outcome for show in NIX}


def turned(found: NixRecord) -> dict[str, Outcome]:
    """The clauses that are not kept."""
    return {show: outcome for show, outcome in outcomes(found).items() if outcome is not Outcome.KEPT}


def test_a_good_cache_keeps_everything() -> None:
    assert turned(record()) == {}


def test_every_clause_has_witnesses() -> None:
    for show in NIX:
        client, server = judge(show, record())[1]
        assert client.startswith("client: ")
        assert server.startswith("server: ")


def live(**changes: object) -> NixRecord:
    """The record of a deployment's own cache, from a machine: no server's log, and bad caches that are folders."""
    attempts = {
        name: dataclasses.replace(
            run, log=dataclasses.replace(run.log, queries=((PATH, f"{FOLDER}/{name}"),))
        )
        for name, run in record().attempts.items()
        if name in BAD
    }
    recovery = fetched()
    log = dataclasses.replace(recovery.log, queries=((PATH, f"{FOLDER}/unsigned"), (PATH, URL)))
    good = record(
        attempts={**record().attempts, **attempts, "recovery": dataclasses.replace(recovery, log=log)},
        urls={name: f"{FOLDER}/{name}" for name in BAD} | {"good": URL},
        served=dict.fromkeys(record().served, ()),
        runner="",
        logged=False,
        watched=False,
    )
    return dataclasses.replace(good, **changes)  # type: ignore[arg-type]


def with_live_attempt(name: str, run: NixRun) -> NixRecord:
    return live(attempts={**live().attempts, name: run})


def test_a_deployments_cache_keeps_everything_without_a_log_and_says_so() -> None:
    assert turned(live()) == {}
    for show in NIX:
        _, witnesses = judge(show, live())
        assert all("to this runner" not in witness for witness in witnesses)
    assert "its log is not at hand" in judge("substituted", live())[1][1]
    assert "own log" not in judge("source", live())[0].seen


@pytest.mark.parametrize("name", BAD)
def test_a_bad_folder_that_was_never_asked_refused_nothing(name: str) -> None:
    run = record().attempts[name]
    assert turned(with_live_attempt(name, run)) == {name: Outcome.UNPROVEN}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_folder_that_is_believed_breaks_its_clause(name: str) -> None:
    url = f"{FOLDER}/{name}"
    run = NixRun(0, NixLog(((PATH, url),), queries=((PATH, url),)))
    assert turned(with_live_attempt(name, run)) == {name: Outcome.BROKEN}


def test_a_bad_folder_that_was_not_passed_over_shows_no_recovery() -> None:
    assert turned(with_live_attempt("recovery", fetched())) == {"recovery": Outcome.UNPROVEN}


def test_a_cache_that_is_asked_although_none_is_named_breaks_the_counterfactual() -> None:
    run = NixRun(1, NixLog(messages=("error: nothing can build it",), queries=((PATH, "http://elsewhere"),)))
    assert turned(with_live_attempt("none", run)) == {"counterfactual": Outcome.BROKEN}


def test_what_could_not_be_taken_back_is_named() -> None:
    witnesses = judge("substituted", live(left=("aaaa.narinfo",)))[1]
    assert "not removed from it again: aaaa.narinfo" in witnesses[1]


def test_a_build_in_the_log_is_no_substitution() -> None:
    run = NixRun(0, NixLog(((PATH, URL),), ("/nix/store/x.drv",)))
    assert turned(with_attempt("good", run)) == {"substituted": Outcome.BROKEN}


def test_another_source_is_named() -> None:
    found = with_attempt("good", fetched("http://other.example"))
    assert turned(found) == {"source": Outcome.BROKEN}
    assert "http://other.example" in judge("source", found)[0].seen


def test_a_server_that_served_nothing_contradicts_the_client() -> None:
    assert turned(with_lines("good")) == {"substituted": Outcome.BROKEN, "source": Outcome.BROKEN}


def test_serving_another_runner_is_not_serving_this_one() -> None:
    lines = served("/main/aaaa.narinfo", "/main/nar/1.nar.xz", source="10.0.0.9")
    assert "substituted" in turned(with_lines("good", *lines))


@pytest.mark.parametrize(
    ("info", "verified", "other"),
    [
        ({"ultimate": True, "signatures": ["main-1:s"], "narHash": "sha256-x"}, 0, 2),
        ({"ultimate": False, "signatures": ["else-1:s"], "narHash": "sha256-x"}, 0, 2),
        ({"ultimate": False, "signatures": [], "narHash": "sha256-x"}, 0, 2),
        ({"ultimate": False, "signatures": ["main-1:s"], "narHash": "sha256-y"}, 0, 2),
        ({"ultimate": False, "signatures": ["main-1:s"], "narHash": "sha256-x"}, 1, 2),
        ({"ultimate": False, "signatures": ["main-1:s"], "narHash": "sha256-x"}, 0, 0),
    ],
    ids=["ultimate", "other signer", "no signature", "other content", "key fails", "any key passes"],
)
def test_what_breaks_the_key(info: dict[str, object], verified: int, other: int) -> None:
    found = record(info=info, verified=verified, verified_other=other)
    assert turned(found) == {"key": Outcome.BROKEN}


def test_a_path_that_is_there_without_a_cache_breaks_the_counterfactual() -> None:
    assert turned(with_attempt("none", NixRun(0, NixLog()))) == {"counterfactual": Outcome.BROKEN}


def test_a_cache_that_is_asked_without_being_named_breaks_the_counterfactual() -> None:
    assert turned(with_lines("none", *served("/main/aaaa.narinfo"))) == {"counterfactual": Outcome.BROKEN}


def test_a_bad_cache_that_was_never_asked_was_not_passed_over() -> None:
    assert turned(with_lines("recovery", *served("/main/aaaa.narinfo"))) == {"recovery": Outcome.UNPROVEN}


@pytest.mark.parametrize("name", BAD)
def test_an_accepted_bad_cache_breaks_its_clause(name: str) -> None:
    assert turned(with_attempt(name, fetched(f"http://cache.example/{name}"))) == {name: Outcome.BROKEN}


@pytest.mark.parametrize("name", BAD)
def test_a_refusal_for_another_reason_does_not_count(name: str) -> None:
    assert turned(with_attempt(name, failed("error: out of disk"))) == {name: Outcome.BROKEN}


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("said", ["error: HTTP error 502", "Could not resolve host", "Timeout was reached"])
def test_a_server_that_does_not_answer_refuses_nothing(name: str, said: str) -> None:
    assert turned(with_attempt(name, failed(said))) == {name: Outcome.UNPROVEN}


@pytest.mark.parametrize("name", BAD)
def test_a_refusal_counts_only_when_the_server_was_asked(name: str) -> None:
    assert turned(with_lines(name)) == {name: Outcome.UNPROVEN}


def test_without_the_good_cache_no_negative_counts() -> None:
    found = turned(with_attempt("good", failed(UNTRUSTED)))
    assert found.pop("substituted") is Outcome.BROKEN
    assert set(found.values()) == {Outcome.UNPROVEN}
    assert set(found) == {*BAD, "source", "counterfactual", "recovery"}


def test_a_bad_cache_that_stops_everything_breaks_recovery() -> None:
    assert turned(with_attempt("recovery", failed(UNTRUSTED))) == {"recovery": Outcome.BROKEN}


@pytest.mark.parametrize("found", [None, Unavailable("no engine"), Unavailable("never", here=False)])
def test_no_record_is_unproven(found: Unavailable | None) -> None:
    assert set(outcomes(found).values()) == {Outcome.UNPROVEN}


texts = st.text(max_size=20)
logs = st.builds(
    NixLog,
    st.lists(
        st.tuples(st.sampled_from([PATH, DEPENDENCY]), st.sampled_from([URL, "http://x/y"])), max_size=3
    ).map(tuple),
    st.lists(texts, max_size=2).map(tuple),
    st.lists(
        st.sampled_from([UNTRUSTED, "HTTP error 500", "hash mismatch importing path", "?"]), max_size=2
    ).map(tuple),
    st.lists(st.tuples(st.sampled_from([PATH, DEPENDENCY]), st.sampled_from([URL, FOLDER])), max_size=2).map(
        tuple
    ),
)
runs = st.builds(NixRun, st.sampled_from([0, 1, None]), logs, texts)
lines = st.lists(
    st.builds(
        AccessLogLine, texts, st.sampled_from(["10.0.0.2", "?"]), st.sampled_from(["GET", "PUT"]),
        st.sampled_from(["/main/aaaa.narinfo", "/main/nar/1", "/unsigned/x", ""]), st.sampled_from([200, 404, 500]),
    ),
    max_size=4,
).map(tuple)  # fmt: skip
records = st.builds(
    record,
    attempts=st.fixed_dictionaries(dict.fromkeys(("good", "none", *BAD, "recovery"), runs)),
    info=st.dictionaries(
        st.sampled_from(["ultimate", "signatures", "narHash"]),
        st.one_of(st.booleans(), texts, st.lists(texts)),
    ),
    verified=st.sampled_from([0, 1, None]),
    verified_other=st.sampled_from([0, 1, None]),
    served=st.fixed_dictionaries(dict.fromkeys(("good", "none", *BAD, "recovery"), lines)),
    logged=st.booleans(),
    watched=st.booleans(),
)


@given(records)
def test_any_record_gets_a_finding_for_every_clause(found: NixRecord) -> None:
    for show in NIX:
        finding, witnesses = judge(show, found)
        assert finding.seen
        assert all(isinstance(witness, str) for witness in witnesses)


@given(records)
def test_nothing_is_kept_where_the_good_attempt_failed(found: NixRecord) -> None:
    if found.attempts["good"].status != 0:
        assert Outcome.KEPT not in {
            judge(show, found)[0].outcome for show in (*BAD, "substituted", "recovery", "counterfactual")
        }


@given(st.binary(max_size=300))
def test_any_bytes_parse_as_a_log(raw: bytes) -> None:
    parse(raw)
    parse(b"@nix " + raw)


def test_a_log_is_read_by_activity_numbers_and_not_by_results() -> None:
    raw = b"""@nix {"action":"start","id":1,"level":0,"type":108,"fields":["/nix/store/a","http://c"],"text":""}
@nix {"action":"result","id":1,"type":105,"fields":[0,1,0,0]}
@nix {"action":"start","id":2,"level":0,"type":105,"fields":["/nix/store/b.drv","",1,1],"text":""}
@nix {"action":"msg","level":0,"msg":"\\u001b[31;1merror:\\u001b[0m no"}
@nix {"action":"msg","level":3,"msg":"chatter"}
plain words
"""
    log = parse(raw)
    assert log.substitutes == (("/nix/store/a", "http://c"),)
    assert log.builds == ("/nix/store/b.drv",)
    assert log.messages == ("error: no", "plain words")
