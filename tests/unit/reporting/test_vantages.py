"""The table of several vantages: what differs is named with its reason, what does not is counted."""

from __future__ import annotations

from builder_contracts.errors import Location
from builder_contracts.reporting.vantages import as_data, comparison
from builder_contracts.verdict import Outcome, Rung, Verdict


def verdict(clause: str, outcome: Outcome, observation: str = "", cause: str = "") -> Verdict:
    rung = Rung.OBSERVED if outcome is Outcome.KEPT else None
    return Verdict(f"tiny/{clause}", outcome, rung, "", observation, Location("tiny.yaml", 1), cause=cause)


SOCKET = "isolation/docker-socket"
BOTH = {
    "docker": [
        verdict("identity/uid", Outcome.KEPT),
        verdict(SOCKET, Outcome.KEPT),
        verdict("pod/host-paths", Outcome.UNPROVEN, "only a pod of the run shows it"),
    ],
    "kubernetes": [
        verdict("identity/uid", Outcome.KEPT),
        verdict(SOCKET, Outcome.BROKEN, "/run/docker.sock", "the template decides it at pod.yaml:9"),
        verdict("pod/host-paths", Outcome.KEPT),
    ],
}


def test_what_differs_is_named_with_its_reason() -> None:
    assert list(comparison(BOTH)) == [
        "clause                        docker    kubernetes",
        "tiny/isolation/docker-socket  kept C1   broken",
        "    kubernetes: /run/docker.sock; the template decides it at pod.yaml:9",
        "tiny/pod/host-paths           unproven  kept C1",
        "    docker: only a pod of the run shows it",
        "2 of 3 clauses differ between docker, kubernetes; the same from each: 1",
    ]


def test_reason_of_several_clauses_is_written_once() -> None:
    lost = [
        verdict(name, Outcome.UNPROVEN, "the API shows no labels") for name in ("image/size", "image/cmd")
    ]
    seen = [verdict(name, Outcome.KEPT) for name in ("image/size", "image/cmd")]

    assert list(comparison({"docker": seen, "kubernetes": lost}))[1:4] == [
        "tiny/image/size  kept C1  unproven",
        "tiny/image/cmd   kept C1  unproven",
        "    kubernetes: the API shows no labels",
    ]


def test_clause_that_one_vantage_did_not_judge_differs() -> None:
    lines = list(comparison({**BOTH, "kubernetes": []}))

    assert "tiny/identity/uid             kept C1   -" in lines
    assert lines[-1].startswith("3 of 3 clauses differ")


def test_no_table_of_a_single_vantage() -> None:
    assert list(comparison({"docker": BOTH["docker"]})) == []


def test_data_have_outcome_and_rung_of_every_vantage() -> None:
    assert as_data(BOTH)[f"tiny/{SOCKET}"] == {
        "docker": {"outcome": "kept", "rung": "C1"},
        "kubernetes": {"outcome": "broken", "rung": None},
    }
