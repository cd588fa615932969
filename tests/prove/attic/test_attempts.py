"""The proof of who may publish, against answers of a real Attic server, and against each of them changed."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from builder_contracts.prove.job import ProofJob, StepFailed
from builder_contracts.prove.local_testbed import LocalTestbed
from builder_contracts.prove.publication import experiment
from builder_contracts.prove.publish_attempt import PublishAttempt
from builder_contracts.runner.protocol import CompletedCommand
from builder_contracts.verdict import Assessment, Outcome
from tests.prove.attic.conftest import RIGHTS, TOKENS, attic_bench, in_this_process, judged, running
from tests.prove.attic.replay import Replay

KINDS = {"public": {"main": True}, "private": {"main": False}}
READ_WRITE = {"reader": TOKENS["reader"], "writer": TOKENS["writer"]}
OWNED = {**READ_WRITE, "owner": TOKENS["owner"]}


@pytest.mark.parametrize("visibility", KINDS)
@pytest.mark.parametrize("tokens", [READ_WRITE, OWNED], ids=["own", "separate"])
def test_unchanged_recording_keeps_every_clause(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, visibility: str, tokens: dict[str, str]
) -> None:
    replay = Replay.load(RIGHTS, KINDS[visibility])
    with running(replay) as url:
        bench = attic_bench(tmp_path, f"{url}/main", **tokens)
        in_this_process(monkeypatch, bench)
        verdicts = judged(bench, None)
    assert {name: verdict.outcome for name, verdict in verdicts.items()} == dict.fromkeys(
        verdicts, Outcome.KEPT
    ), verdicts
    # Nothing that was rejected is there; with an owner nothing at all.
    assert set(replay.caches) == {"main"}
    assert len(replay.caches["main"].held) == (0 if "owner" in tokens else 2)


def test_client_program_keeps_every_clause(tmp_path: Path) -> None:
    """The same by the program that runs next to runners."""
    with running(Replay.load(RIGHTS, {"main": False})) as url:
        verdicts = judged(attic_bench(tmp_path, f"{url}/main", **OWNED), None)
    assert {verdict.outcome for verdict in verdicts.values()} == {Outcome.KEPT}, verdicts


@pytest.mark.parametrize(
    ("mutation", "visibility", "clause", "observation"),
    [
        ("silent-drop", "public", "writer", "upload returned 200 Uploaded, but is absent: narinfo 404"),
        ("without-content", "private", "writer", "but is absent: narinfo 200, missing by its own list: no, nar 404"),
        ("other-content", "private", "writer", "not sha256:"),
        ("unchecked-hash", "public", "writer", "upload with a wrong hash returned 200"),
        ("anonymous-push", "public", "anonymous", "upload returned 200 Uploaded but was written"),
        ("anonymous-push", "private", "anonymous", "upload returned 200 Uploaded but was written"),
        ("forged-token", "private", "anonymous", "upload with a forged token returned 200"),
        ("open-reads", "private", "anonymous", "read was accepted: 200"),
        ("reader-push", "private", "reader", "upload returned 200 Uploaded but was written"),
        ("reader-configures", "public", "reader", "configure was accepted: 200"),
        ("reader-destroys", "private", "reader", "delete: existing content is gone: configuration 404"),
    ],
)  # fmt: skip
def test_mutation_breaks_exactly_its_clause(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    mutation: str,
    visibility: str,
    clause: str,
    observation: str,
) -> None:
    tokens = OWNED if mutation == "reader-destroys" else READ_WRITE
    with running(Replay.load(RIGHTS, KINDS[visibility], mutation)) as url:
        bench = attic_bench(tmp_path, f"{url}/main", **tokens)
        in_this_process(monkeypatch, bench)
        verdicts = judged(bench, None)
    assert {name for name, verdict in verdicts.items() if verdict.outcome is Outcome.BROKEN} == {clause}
    assert observation in verdicts[clause].observation


def test_open_puts_break_both_refused_identities(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with running(Replay.load(RIGHTS, {"main": True}, "put-accepted")) as url:
        bench = attic_bench(tmp_path, f"{url}/main", **READ_WRITE)
        in_this_process(monkeypatch, bench)
        verdicts = judged(bench, None)
    assert [verdicts[name].outcome for name in ("anonymous", "reader", "writer")] == [
        Outcome.BROKEN, Outcome.BROKEN, Outcome.KEPT,
    ]  # fmt: skip
    assert "put narinfo was accepted: 201" in verdicts["reader"].observation


@pytest.mark.parametrize(
    ("tokens", "outcomes", "words"),
    [
        # Without a token nothing was written that could be read back.
        ({"reader": TOKENS["reader"]}, "unproven unproven unproven", "no writer credentials"),
        ({"writer": TOKENS["writer"]}, "kept unproven kept", "no reader credentials"),
        # A token that the server does not know is nobody's.
        ({**READ_WRITE, "reader": "a.b.c"}, "kept unproven kept", "reader's credentials are not known"),
        ({**READ_WRITE, "writer": "a.b.c"}, "unproven unproven unproven", "writer's credentials are not known"),
        ({**READ_WRITE, "writer": TOKENS["reader"]}, "unproven unproven broken", "for the writer: 403"),
        ({**READ_WRITE, "reader": TOKENS["writer"]}, "kept broken kept", "but was written"),
    ],
)  # fmt: skip
def test_tokens_decide_the_verdicts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tokens: dict[str, str], outcomes: str, words: str
) -> None:
    with running(Replay.load(RIGHTS, {"main": False})) as url:
        bench = attic_bench(tmp_path, f"{url}/main", **tokens)
        in_this_process(monkeypatch, bench)
        verdicts = judged(bench, None)
    assert [verdict.outcome.value for verdict in verdicts.values()] == outcomes.split()
    assert any(words in verdict.observation for verdict in verdicts.values()), verdicts


@pytest.mark.parametrize("owner", [TOKENS["writer"], "a.b.c"])
def test_owner_without_the_right_stops_before_any_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, owner: str
) -> None:
    replay = Replay.load(RIGHTS, {"main": False})
    with running(replay) as url:
        bench = attic_bench(tmp_path, f"{url}/main", **{**OWNED, "owner": owner})
        in_this_process(monkeypatch, bench)
        with pytest.raises(Exception, match=r"creating the cache proof-.* as the owner: 40[13]"):
            judged(bench, None)
    assert replay.caches["main"].held == {}


def test_writer_without_right_to_proof_caches_leaves_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replay = Replay.load(RIGHTS, {"main": False})
    with running(replay) as url:
        bench = attic_bench(tmp_path, f"{url}/main", **{**OWNED, "writer": TOKENS["other"]})
        in_this_process(monkeypatch, bench)
        with pytest.raises(Exception, match="writer's right to push to proof-"):
            judged(bench, None)
    assert set(replay.caches) == {"main"}


def test_what_stays_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    replay = Replay.load(RIGHTS, {"main": True})
    with running(replay) as url:
        bench = attic_bench(tmp_path, f"{url}/main", **READ_WRITE)
        in_this_process(monkeypatch, bench)
        attempts = experiment.prove(bench, "nix", None)  # type: ignore[arg-type] # as above
    writer = attempts["writer"]
    assert isinstance(writer, PublishAttempt)
    assert all(f"/nix/store/{part}-proof" in writer.leftovers for part in replay.caches["main"].held)
    assert writer.leftovers.endswith(" in main, from which Attic deletes no path")


@pytest.mark.parametrize("answered", [False, True], ids=["request", "answer"])
def test_lost_round_leaves_no_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answered: bool) -> None:
    """Each round of requests is lost once, before the server gets it or before its answer arrives."""
    rounds = 0
    while True:
        replay = Replay.load(RIGHTS, {"main": False})
        with running(replay) as url:
            bench = attic_bench(tmp_path, f"{url}/main", **OWNED)
            in_this_process(monkeypatch, bench)
            counted = losing(monkeypatch, bench, rounds, answered=answered)
            verdicts: dict[str, Assessment] = {}
            with contextlib.suppress(StepFailed):
                verdicts = judged(bench, None)
        if rounds >= len(counted):
            break
        assert set(replay.caches) == {"main"}, rounds
        assert Outcome.BROKEN not in {verdict.outcome for verdict in verdicts.values()}
        rounds += 1
    assert rounds > 8


def losing(monkeypatch: pytest.MonkeyPatch, bench: LocalTestbed, lost: int, *, answered: bool) -> list[None]:
    """Lose one round that is no removal; the rounds so far."""
    send, rounds = bench.send, list[None]()

    def lossy(requests: str, *, beside: ProofJob | None, undo: bool) -> CompletedCommand:
        if undo:
            return send(requests, beside=beside, undo=undo)
        rounds.append(None)
        if len(rounds) - 1 != lost:
            return send(requests, beside=beside, undo=undo)
        if answered:
            send(requests, beside=beside, undo=undo)
        return CompletedCommand(None, b"", b"", "gone")

    monkeypatch.setattr(bench, "send", lossy)
    return rounds
