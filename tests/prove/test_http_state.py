"""States over HTTP, proved on a server that answers as GitLab does: what it does not keep turns exactly its clause red."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from builder_contracts.contract.promises.publication import BOUNDARY, HTTP_STATE
from builder_contracts.prove import protocol_client
from builder_contracts.prove.http_state import experiment
from builder_contracts.prove.http_state.judge import judge
from builder_contracts.prove.http_state.record import HttpStateRecord
from builder_contracts.prove.local_testbed import LocalTestbed
from builder_contracts.prove.publication import experiment as publication
from builder_contracts.prove.publication.judge import judge as judge_attempt
from builder_contracts.prove.unavailable import Unavailable
from builder_contracts.runner.leftovers import Leftovers
from builder_contracts.runner.protocol import CompletedCommand
from builder_contracts.services.principals import Credentials
from builder_contracts.verdict import Outcome
from tests.prove.conftest import GIVEN, machine_bench
from tests.prove.gitlab_states import gitlab_states
from tests.prove.stub import Answer, stub

BROKEN, UNPROVEN = Outcome.BROKEN, Outcome.UNPROVEN


def state_bench(folder: Path, url: str) -> LocalTestbed:
    """A bench whose client answers in this process, which costs less than one of its own."""
    bench = machine_bench(folder, state=url)

    def send(requests: str, **_: object) -> CompletedCommand:
        replies = [protocol_client.CALLS[request["kind"]](request) for request in json.loads(requests)]
        return CompletedCommand(0, json.dumps(replies).encode(), b"")

    bench.send = send  # type: ignore[method-assign]
    return bench


def prove(folder: Path, *broken: str) -> HttpStateRecord:
    with gitlab_states(GIVEN, *broken) as (url, server, _):
        record = experiment.prove(state_bench(folder, url))
        assert server.states == {}
    return record


def not_kept(record: HttpStateRecord | Unavailable | None) -> dict[str, Outcome]:
    outcomes = {show: judge(show, record)[0].outcome for show in HTTP_STATE}
    return {show: outcome for show, outcome in outcomes.items() if outcome is not Outcome.KEPT}


def test_server_like_gitlab_keeps_everything_and_is_left_clean(tmp_path: Path) -> None:
    record = prove(tmp_path)
    assert not_kept(record) == {}
    assert record.leftovers == "written data removed"
    assert all(reply.status != "LOST" for reply in record.replies.values())


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("lock", {"second-lock", "race"}),
        ("unlock", {"unlock-by-other"}),
        ("reader locks", {"reader-lock"}),
        ("reader unlocks", {"unlock-by-other"}),
        ("anonymous writes", {"anonymous-lock"}),
        ("write", {"write-without-lock", "stale-holder"}),
        ("stale", {"stale-holder"}),
        ("versions", {"versions", "old-state"}),
    ],
)
def test_broken_rule_breaks_exactly_its_clauses(tmp_path: Path, rule: str, expected: set[str]) -> None:
    outcomes = not_kept(prove(tmp_path, rule))
    assert {show for show, outcome in outcomes.items() if outcome is BROKEN} == expected


def test_writes_of_each_identity_are_judged(tmp_path: Path) -> None:
    with gitlab_states(GIVEN) as (url, server, _):
        bench = state_bench(tmp_path, url)
        with bench.fresh("publication") as job:
            attempts = publication.prove(bench, "state", job)
        assert server.states == {}
    assert {name: judge_attempt(name, attempts[name])[0].outcome for name in BOUNDARY} == dict.fromkeys(
        BOUNDARY, Outcome.KEPT
    )


def with_credentials(bench: LocalTestbed, credentials: Credentials) -> LocalTestbed:
    bench.endpoints = {
        role: dataclasses.replace(endpoint, credentials=credentials)
        for role, endpoint in bench.endpoints.items()
    }
    return bench


def test_unknown_reader_is_unproven(tmp_path: Path) -> None:
    wrong = dataclasses.replace(GIVEN, reader=dataclasses.replace(GIVEN.reader, secret="not-her-secret"))
    with gitlab_states(GIVEN) as (url, _, _):
        record = experiment.prove(with_credentials(state_bench(tmp_path, url), wrong))
    assert not_kept(record) == {"reader-lock": UNPROVEN, "unlock-by-other": UNPROVEN}


def test_state_that_stays_is_named_as_left_behind(tmp_path: Path) -> None:
    """A server that takes everything and deletes nothing."""
    with stub(lambda _: Answer(200, b"{}")) as server:
        bench = state_bench(tmp_path, server.url)
        record = experiment.prove(bench)
    assert record.leftovers.startswith("not cleaned up: proof-")
    assert len(sum(bench.left_behind, Leftovers()).refused) == 4
    assert not_kept(record)["second-lock"] is BROKEN


def test_server_that_fails_is_unproven(tmp_path: Path) -> None:
    with stub(lambda _: Answer(500)) as server:
        record = experiment.prove(state_bench(tmp_path, server.url))
    assert not_kept(record) == dict.fromkeys(HTTP_STATE, UNPROVEN)
    assert not_kept(None) == not_kept(Unavailable("gone")) == dict.fromkeys(HTTP_STATE, UNPROVEN)
