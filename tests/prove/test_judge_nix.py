"""Judging the Nix record: each wrong answer of client or server changes the right clause, and nothing raises."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder_contracts.contract.promises.caches import NIX
from builder_contracts.prove.access_log import AccessLogLine
from builder_contracts.prove.class_settings import ClassSetting
from builder_contracts.prove.nix.judge import judge
from builder_contracts.prove.nix.log import NixLog, parse
from builder_contracts.prove.nix.record import NixRecord, NixRun
from builder_contracts.prove.unavailable import Unavailable
from builder_contracts.verdict import Outcome
from tests.prove.example_records import (
    BAD,
    DEPENDENCY,
    DIRECTORY,
    PATH,
    UNTRUSTED,
    URL,
    deployed_nix,
    nix,
    nix_failed,
    nix_fetched,
    nix_lines,
)

NAR_MISMATCH = "error: hash mismatch importing path"
SIGNED: dict[str, object] = {"ultimate": False, "signatures": ["main-1:s"], "narHash": "sha256-x"}


def with_attempt(name: str, run: NixRun) -> NixRecord:
    return nix(attempts={**nix().attempts, name: run})


def with_deployed_attempt(name: str, run: NixRun) -> NixRecord:
    return deployed_nix(attempts={**deployed_nix().attempts, name: run})


def with_lines(name: str, *lines: AccessLogLine) -> NixRecord:
    return nix(served={**nix().served, name: lines})


def outcomes(record: NixRecord | Unavailable | None) -> dict[str, Outcome]:
    return {show: judge(show, record)[0].outcome for show in NIX}


def not_kept(record: NixRecord) -> dict[str, Outcome]:
    return {show: outcome for show, outcome in outcomes(record).items() if outcome is not Outcome.KEPT}


@pytest.mark.parametrize("record", [nix(), deployed_nix()], ids=["service", "deployed"])
def test_good_cache_keeps_everything(record: NixRecord) -> None:
    assert not_kept(record) == {}


def test_every_clause_has_witnesses() -> None:
    for show in NIX:
        client, server = judge(show, nix())[1]
        assert client.startswith("client: ")
        assert server.startswith("server: ")


def test_deployed_cache_has_no_server_witness() -> None:
    for show in NIX:
        _, witnesses = judge(show, deployed_nix())
        assert all("to this runner" not in witness for witness in witnesses)
    assert "log unavailable" in judge("substituted", deployed_nix())[1][1]
    assert "as its log confirms" not in judge("source", deployed_nix())[0].observation


TABLE: dict[str, tuple[NixRecord, dict[str, Outcome], str]] = {
    "a build in the log": (
        with_attempt("good", NixRun(0, NixLog(((PATH, URL),), ("/nix/store/x.drv",)))),
        {"substituted": Outcome.BROKEN}, "Nix built /nix/store/x.drv although the cache has the path",
    ),
    "another source": (
        with_attempt("good", nix_fetched("http://other.example")),
        {"source": Outcome.BROKEN}, "it came from http://other.example, expected",
    ),
    "nothing served": (
        with_lines("good"), {"substituted": Outcome.BROKEN, "source": Outcome.BROKEN}, "did not serve",
    ),
    "served to another runner": (
        with_lines("good", *nix_lines("/main/aaaa.narinfo", "/main/nar/1.nar.xz", source="10.0.0.9")),
        {"substituted": Outcome.BROKEN, "source": Outcome.BROKEN}, "did not serve",
    ),
    "requested and not found": (
        with_lines("good", *nix_lines("/main/aaaa.narinfo", "/main/nar/1.nar.xz", status=404)),
        {"substituted": Outcome.BROKEN, "source": Outcome.BROKEN}, "did not serve",
    ),
    "narinfo served without its NAR": (
        with_lines("good", *nix_lines("/main/aaaa.narinfo")),
        {"substituted": Outcome.BROKEN, "source": Outcome.BROKEN}, "did not serve",
    ),
    "NAR served without its narinfo": (
        with_lines("good", *nix_lines("/main/bbbb.narinfo", "/main/nar/1.nar.xz")),
        {"substituted": Outcome.BROKEN, "source": Outcome.BROKEN}, "did not serve",
    ),
    "no NAR hash of the builder": (nix(nar_hash=""), {"key": Outcome.UNPROVEN}, "did not report its NAR hash"),
    "verification lost": (nix(verified=None), {"key": Outcome.UNPROVEN}, "did not complete"),
    "other verification lost": (nix(verified_other=None), {"key": Outcome.UNPROVEN}, "did not complete"),
    "path not in the store": (nix(info={}, no_info="it is not in the store"), {"key": Outcome.UNPROVEN}, "is not in the store"),
    "path available without a cache": (
        with_attempt("none", NixRun(0, NixLog())), {"counterfactual": Outcome.BROKEN}, "available without any cache",
    ),
    "requests without a cache": (
        with_lines("none", *nix_lines("/main/aaaa.narinfo")), {"counterfactual": Outcome.BROKEN}, "although none is configured",
    ),
    "lost without a cache": (
        with_attempt("none", NixRun(None, NixLog(), "gone")), {"counterfactual": Outcome.UNPROVEN}, "did not complete: gone",
    ),
    "bad cache first and never contacted": (
        with_lines("recovery", *nix_lines("/main/aaaa.narinfo")), {"recovery": Outcome.UNPROVEN}, "never contacted",
    ),
    "bad cache first and good one never contacted": (
        with_lines("recovery", *nix_lines("/unsigned/aaaa.narinfo")), {"recovery": Outcome.UNPROVEN}, "did not serve it",
    ),
    "bad cache first and fatal": (
        with_attempt("recovery", nix_failed(UNTRUSTED)), {"recovery": Outcome.BROKEN}, "with a bad cache listed first",
    ),
    "bad cache first and the only source": (
        with_attempt("recovery", nix_fetched("http://cache.example/unsigned")), {"recovery": Outcome.BROKEN}, "from the bad cache",
    ),
    "bad cache first and lost": (
        with_attempt("recovery", NixRun(None, NixLog(), "gone")), {"recovery": Outcome.UNPROVEN}, "did not complete: gone",
    ),
    "deployed and contacted without being configured": (
        with_deployed_attempt(
            "none", NixRun(1, NixLog(messages=("error: nothing can build it",), queries=((PATH, "http://elsewhere"),)))
        ),
        {"counterfactual": Outcome.BROKEN}, "although none is configured",
    ),
    "bad directory first and never contacted": (
        with_deployed_attempt("recovery", nix_fetched()), {"recovery": Outcome.UNPROVEN}, "never contacted",
    ),
}  # fmt: skip


@pytest.mark.parametrize("row", TABLE)
def test_nix_table(row: str) -> None:
    record, expected, observed = TABLE[row]
    assert not_kept(record) == expected
    for show in expected:
        assert observed in judge(show, record)[0].observation


ACCEPTED = "Nix accepted"
NEVER_CONTACTED = "was never contacted"


@pytest.mark.parametrize("name", BAD)
class TestBadCache:
    def check(self, name: str, record: NixRecord, expected: Outcome, observed: str) -> None:
        assert not_kept(record) == {name: expected}
        assert observed in judge(name, record)[0].observation

    def test_accepted(self, name: str) -> None:
        run = nix_fetched(f"http://cache.example/{name}")
        self.check(name, with_attempt(name, run), Outcome.BROKEN, ACCEPTED)

    def test_rejected_for_another_reason(self, name: str) -> None:
        run = nix_failed("error: out of disk")
        self.check(name, with_attempt(name, run), Outcome.BROKEN, "error: out of disk")

    @pytest.mark.parametrize(
        "message", ["error: HTTP error 502", "Could not resolve host", "Timeout was reached"]
    )
    def test_no_response(self, name: str, message: str) -> None:
        self.check(name, with_attempt(name, nix_failed(message)), Outcome.UNPROVEN, message)

    def test_lost_with_the_right_words(self, name: str) -> None:
        run = dataclasses.replace(nix().attempts[name], status=None, ended="gone")
        self.check(name, with_attempt(name, run), Outcome.UNPROVEN, "did not complete: gone")

    def test_never_contacted(self, name: str) -> None:
        self.check(name, with_lines(name), Outcome.UNPROVEN, NEVER_CONTACTED)

    @pytest.mark.parametrize(
        "line",
        [
            *nix_lines("/NAME/aaaa.narinfo", status=404),
            *nix_lines("/NAME/aaaa.narinfo", method="PUT"),
            *nix_lines("/main/aaaa.narinfo"),
        ],
        ids=["not found", "written", "another cache"],
    )
    def test_contact_that_does_not_count(self, name: str, line: AccessLogLine) -> None:
        line = dataclasses.replace(line, uri=line.uri.replace("NAME", name))
        self.check(name, with_lines(name, line), Outcome.UNPROVEN, NEVER_CONTACTED)

    def test_directory_accepted(self, name: str) -> None:
        url = f"{DIRECTORY}/{name}"
        run = NixRun(0, NixLog(((PATH, url),), queries=((PATH, url),)))
        self.check(name, with_deployed_attempt(name, run), Outcome.BROKEN, ACCEPTED)

    @pytest.mark.parametrize(
        "queries",
        [(), ((PATH, URL),), ((DEPENDENCY, f"{DIRECTORY}/NAME"),)],
        ids=["none", "of another cache", "for another path"],
    )
    def test_directory_never_contacted(self, name: str, queries: tuple[tuple[str, str], ...]) -> None:
        run = nix().attempts[name]
        queries = tuple((path, url.replace("NAME", name)) for path, url in queries)
        run = dataclasses.replace(run, log=dataclasses.replace(run.log, queries=queries))
        self.check(name, with_deployed_attempt(name, run), Outcome.UNPROVEN, NEVER_CONTACTED)

    def test_directory_with_a_trailing_slash_counts(self, name: str) -> None:
        run = nix().attempts[name]
        log = dataclasses.replace(run.log, queries=((PATH, f"{DIRECTORY}/{name}/"),))
        assert not_kept(with_deployed_attempt(name, dataclasses.replace(run, log=log))) == {}


@pytest.mark.parametrize(
    ("info", "verified", "other"),
    [
        ({**SIGNED, "ultimate": True}, 0, 2),
        ({**SIGNED, "signatures": ["else-1:s"]}, 0, 2),
        ({**SIGNED, "signatures": []}, 0, 2),
        ({**SIGNED, "narHash": "sha256-y"}, 0, 2),
        (SIGNED, 1, 2),
        (SIGNED, 0, 0),
    ],
    ids=["ultimate", "other signer", "no signature", "other content", "key fails", "any key passes"],
)
def test_key_is_broken_by(info: dict[str, object], verified: int, other: int) -> None:
    assert not_kept(nix(info=info, verified=verified, verified_other=other)) == {"key": Outcome.BROKEN}


def test_leftovers_are_named() -> None:
    witnesses = judge("substituted", deployed_nix(leftovers="not cleaned up: aaaa.narinfo"))[1]
    assert "not cleaned up: aaaa.narinfo" in witnesses[1]


def test_path_info_that_fails_names_its_reason() -> None:
    finding = judge("key", nix(info={}, no_info="status 1: error: unrecognised flag"))[0]
    assert finding.outcome is Outcome.UNPROVEN
    assert "unrecognised flag" in finding.observation


def test_failing_good_cache_proves_nothing_else() -> None:
    results = not_kept(with_attempt("good", nix_failed(UNTRUSTED)))
    assert results.pop("substituted") is Outcome.BROKEN
    assert set(results.values()) == {Outcome.UNPROVEN}
    assert set(results) == {*BAD, "source", "key", "counterfactual", "recovery"}


def test_silent_good_cache_is_unproven() -> None:
    results = not_kept(with_attempt("good", nix_failed("error: HTTP error 503")))
    assert set(results) == set(NIX)
    assert set(results.values()) == {Outcome.UNPROVEN}


@pytest.mark.parametrize(
    "record", [None, Unavailable("no engine"), Unavailable("never", provable_here=False)]
)
def test_no_record_is_unproven(record: Unavailable | None) -> None:
    assert set(outcomes(record).values()) == {Outcome.UNPROVEN}


texts = st.text(max_size=20)
logs = st.builds(
    NixLog,
    st.lists(
        st.tuples(st.sampled_from([PATH, DEPENDENCY]), st.sampled_from([URL, "http://x/y"])), max_size=3
    ).map(tuple),
    st.lists(texts, max_size=2).map(tuple),
    st.lists(st.sampled_from([UNTRUSTED, "HTTP error 500", NAR_MISMATCH, "?"]), max_size=2).map(tuple),
    st.lists(
        st.tuples(st.sampled_from([PATH, DEPENDENCY]), st.sampled_from([URL, DIRECTORY])), max_size=2
    ).map(tuple),
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
    nix,
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
def test_any_record_gets_an_assessment_of_every_clause(record: NixRecord) -> None:
    for show in NIX:
        finding, witnesses = judge(show, record)
        assert finding.observation
        assert all(isinstance(witness, str) for witness in witnesses)


@given(records)
def test_nothing_is_kept_where_the_good_attempt_failed(record: NixRecord) -> None:
    if record.attempts["good"].status != 0:
        assert Outcome.KEPT not in outcomes(record).values()


@given(st.binary(max_size=300))
def test_any_bytes_parse_as_a_log(raw: bytes) -> None:
    parse(raw)
    parse(b"@nix " + raw)


def test_log_is_read_by_activity_numbers() -> None:
    raw = b"""@nix {"action":"start","id":1,"level":0,"type":108,"fields":["/nix/store/a","http://c"],"text":""}
@nix {"action":"result","id":1,"type":105,"fields":[0,1,0,0]}
@nix {"action":"start","id":2,"level":0,"type":105,"fields":["/nix/store/b.drv","",1,1],"text":""}
@nix {"action":"start","id":3,"level":5,"type":109,"fields":["/nix/store/a","http://c"],"text":""}
@nix {"action":"start","id":4,"level":5,"type":109,"fields":["/nix/store/cut"],"text":""}
@nix {"action":"stop","id":3,"type":109,"fields":["/nix/store/stopped","http://c"]}
@nix {"action":"start","id":5,"level":5,"type":101,"fields":["http://c/x.narinfo","http://c"],"text":""}
@nix {"action":"msg","level":0,"msg":"\\u001b[31;1merror:\\u001b[0m no"}
@nix {"action":"msg","level":3,"msg":"chatter"}
plain words
"""
    log = parse(raw)
    assert log.substitutes == (("/nix/store/a", "http://c"),)
    assert log.builds == ("/nix/store/b.drv",)
    assert log.queries == (("/nix/store/a", "http://c"),)
    assert log.messages == ("error: no", "plain words")


def test_recorded_log_of_a_bad_directory_is_judged() -> None:
    """Parser and judge together, on a log as Nix 2.26 writes it."""
    url = f"{DIRECTORY}/unsigned"
    raw = f"""@nix {{"action":"start","id":1,"level":4,"parent":0,"text":"querying info about '{PATH}' on '{url}'","type":109,"fields":["{PATH}","{url}"]}}
@nix {{"action":"stop","id":1}}
@nix {{"action":"msg","level":1,"msg":"{UNTRUSTED}"}}
"""
    run = NixRun(1, parse(raw.encode()))
    assert run.log.queries == ((PATH, url),)
    assert not_kept(with_deployed_attempt("unsigned", run)) == {}
    other = NixRun(1, parse(raw.replace(url, URL).encode()))
    assert not_kept(with_deployed_attempt("unsigned", other)) == {"unsigned": Outcome.UNPROVEN}


def test_no_canary_makes_the_clauses_unprovable_here() -> None:
    assert {judge(show, None)[0].provable_here for show in NIX} == {False}
    assert {judge(show, Unavailable("gone"))[0].provable_here for show in NIX} == {True}


def with_slashes(run: NixRun) -> NixRun:
    log = dataclasses.replace(
        run.log,
        substitutes=tuple((path, f"{url}/") for path, url in run.log.substitutes),
        queries=tuple((path, f"{url}/") for path, url in run.log.queries),
    )
    return dataclasses.replace(run, log=log)


@pytest.mark.parametrize("record", [nix(), deployed_nix()], ids=["run", "deployed"])
def test_slash_at_the_end_of_a_cache_changes_nothing(record: NixRecord) -> None:
    attempts = {name: with_slashes(run) for name, run in record.attempts.items()}
    assert not_kept(dataclasses.replace(record, attempts=attempts)) == {}


def test_cache_in_a_deeper_folder_is_judged_alike() -> None:
    """By its whole path, whatever the names in it."""
    record = nix()
    urls = {name: url.replace("example/", "example/of/all/") for name, url in record.urls.items()}
    served = {
        name: tuple(dataclasses.replace(line, uri=f"/of/all{line.uri}") for line in lines)
        for name, lines in record.served.items()
    }
    url, path = urls["good"], "/nix/store/aaaa-a-report"
    attempts = {
        name: dataclasses.replace(
            run,
            log=dataclasses.replace(
                run.log,
                substitutes=tuple(
                    (path if fetched.endswith("report") else fetched, url)
                    for fetched, _ in run.log.substitutes
                ),
            ),
        )
        for name, run in record.attempts.items()
    }
    deeper = nix(url=url, urls=urls, served=served, attempts=attempts, path=path, closure=(path,))
    assert not_kept(deeper) == {}


def test_unsigned_path_from_a_cache_with_a_slash_is_noticed() -> None:
    log = NixLog(((nix().path, f"{nix().urls['unsigned']}/"),))
    assert not_kept(with_attempt("recovery", NixRun(0, log))) == {"recovery": Outcome.BROKEN}
    assert "accepted" in judge("recovery", with_attempt("recovery", NixRun(0, log)))[0].observation


NIX_WITNESSES = {
    "substituted": (
        "client: Nix logged 2 substitutions (type 108) and 0 builds (type 105)",
        "server: 1 x narinfo and 1 x nar to 10.0.0.2",
    ),
    "source": (
        "client: the substitution names http://cache.example/main",
        "server: /main/aaaa.narinfo, /main/nar/1.nar.xz to 10.0.0.2",
    ),
    "key": (
        "client: path-info has ultimate=False, signatures by main-1; verify with the key: 0, with another: 2",
        "server: 1 x narinfo to 10.0.0.2",
    ),
    "recovery": (
        "client: status 0, from http://cache.example/main",
        "server: 1 requests by this runner to the bad cache, 2 to the good one",
    ),
}


@pytest.mark.parametrize("show", NIX_WITNESSES)
def test_witnesses_of_a_nix_clause(show: str) -> None:
    assert judge(show, nix())[1] == NIX_WITNESSES[show]


def test_kept_nix_clauses_name_their_evidence() -> None:
    assert "and 1 dependencies substituted, nothing built" in judge("substituted", nix())[0].observation
    assert "as its log confirms" in judge("source", nix())[0].observation
    assert "as reported by Nix" in judge("source", deployed_nix())[0].observation
    assert judge("counterfactual", deployed_nix())[1][1].startswith("client: Nix logs: ")


def test_key_that_is_not_there_is_named() -> None:
    info = {"ultimate": False, "signatures": [], "narHash": "sha256-x"}
    finding, witnesses = judge("key", nix(info=info))
    assert finding.observation == "signed by nobody, not by main-1"
    assert "signatures by nobody" in witnesses[0]
    other = judge("key", nix(info={**info, "signatures": ["other-1:with:colon"]}))[0]
    assert other.observation == "signed by other-1, not by main-1"
    wrong = judge("key", nix(info={**info, "signatures": ["main-1:sig"], "narHash": "sha256-y"}))[0]
    assert wrong.observation == "NAR hash is sha256-y, expected sha256-x"


def test_log_of_other_forms_is_read_as_far_as_it_goes() -> None:
    raw = b"""warning: plain words

@nix {
@nix [1]
@nix {"action":"start","type":105,"fields":"x"}
@nix {"action":"start","type":105}
@nix {"action":"msg","level":2,"msg":"chatter"}
@nix {"action":"msg","level":1}
@nix {"action":"msg","level":1,"msg":"kept"}
"""
    assert parse(raw) == NixLog(builds=("?",), messages=("warning: plain words", "", "kept"))


FETCHED, PLAIN = nix().attempts["good"], "plain good"


def test_plain_substitution_has_lines_of_its_own() -> None:
    """The client says that it fetched, and the server logged nothing of it."""
    record = nix(attempts={**nix().attempts, PLAIN: FETCHED}, served={**nix().served, PLAIN: ()})
    assert not_kept(record) == {"substituted": Outcome.BROKEN}


def test_plain_fetch_from_a_failing_server_blames_no_setting() -> None:
    failed = AccessLogLine("anonymous", "10.0.0.2", "GET", "/main/aaaa.narinfo", 500)
    record = nix(
        attempts={**nix().attempts, PLAIN: NixRun(1, NixLog(messages=("error: x",)))},
        served={**nix().served, PLAIN: (failed,)},
        settings=(ClassSetting("substitute = false", "/etc/nix/nix.conf"),),
    )
    assert "nix.conf" not in judge("substituted", record)[0].cause


@pytest.mark.parametrize(
    "record",
    [
        nix(key="main-1:k:ey"),
        deployed_nix(server_key="main-1:key"),
        deployed_nix(urls={name: f"{url}/" for name, url in deployed_nix().urls.items() if name != "unsigned"} | {"unsigned": deployed_nix().urls["unsigned"]}),
    ],
    ids=["colon in the key", "key of the server alone", "slash at the end of bad caches"],
)  # fmt: skip
def test_nix_cache_of_another_form_is_kept(record: NixRecord) -> None:
    assert not_kept(record) == {}


def test_source_is_compared_without_a_slash_at_the_end() -> None:
    record = deployed_nix(url=f"{deployed_nix().url}/")
    assert judge("source", record)[0].outcome is Outcome.KEPT


def test_requests_to_a_neighbour_of_a_bad_cache_do_not_count() -> None:
    urls = {name: url.replace("example/", "example/of/") for name, url in nix().urls.items()}
    neighbour = AccessLogLine("anonymous", "10.0.0.2", "GET", "/of/other/aaaa.narinfo", 200)
    record = nix(urls={**urls, "good": nix().url}, served={**nix().served, "wrong-key": (neighbour,)})
    assert judge("wrong-key", record)[0].outcome is Outcome.UNPROVEN


def test_path_that_was_not_substituted_says_why() -> None:
    silent = judge("substituted", with_attempt("good", NixRun(1, NixLog())))[0].observation
    assert silent.endswith("status 1, no substitution of the path in the log")
    loud = with_attempt("good", NixRun(1, NixLog(messages=("error: no space",))))
    assert judge("substituted", loud)[0].observation.endswith("was not substituted: error: no space")
