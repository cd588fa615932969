"""What a proof wrote into a deployment is removed from it again: that, all of it, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from builder_contracts.contract.loading import load
from builder_contracts.errors import ExitCode
from builder_contracts.prove import registry_tags
from builder_contracts.prove.job import StepFailed
from builder_contracts.prove.leftovers import NOTHING_TO_REMOVE
from builder_contracts.prove.local_testbed import LocalTestbed
from builder_contracts.prove.nix import experiment as nix
from builder_contracts.prove.nix.bad_caches import hash_part
from builder_contracts.prove.nix.experiment import Published
from builder_contracts.prove.publish_attempt import PublishAttempt
from builder_contracts.prove.schedule import ExperimentSchedule
from builder_contracts.prove.unavailable import Unavailable
from builder_contracts.run.exit_status import after_removal
from builder_contracts.runner.leftovers import Leftovers
from builder_contracts.runner.protocol import CompletedCommand
from tests.prove.conftest import GIVEN, ROOT, machine_bench
from tests.prove.stub import Answer, Asked, Files, stub

GLIBC, REPORT, PROBE = (f"/nix/store/{name}" for name in ("aaaa-glibc", "bbbb-report", "cccc-probe"))


def put(files: Files, path: str) -> None:
    """As Nix puts a path into a cache."""
    part = hash_part(path)
    files.held[f"/{part}.narinfo"] = f"StorePath: {path}\nURL: nar/{part}.nar\n".encode()
    files.held[f"/nar/{part}.nar"] = b"content"


def published(bench: LocalTestbed, files: Files) -> Published:
    """A build with a dependency, published after a look at what is there."""
    before = nix.query_paths(bench, [GLIBC, REPORT])
    for path in (GLIBC, REPORT, PROBE):
        put(files, path)
    return Published(REPORT, (GLIBC, REPORT), "key", "hash", before, tried=[PROBE, REPORT])


def test_dependency_that_the_cache_had_before_stays(tmp_path: Path) -> None:
    files = Files()
    put(files, GLIBC)
    had = dict(files.held)
    with stub(files) as server:
        bench = machine_bench(tmp_path, nix=server.url)
        assert nix.take_back(bench, published(bench, files)) == "written data removed"
    assert files.held == had
    assert all(request.authorization == GIVEN.writer.authorization for request in server.requests)


def test_dependency_that_came_with_the_proof_is_removed(tmp_path: Path) -> None:
    files = Files()
    with stub(files) as server:
        bench = machine_bench(tmp_path, nix=server.url)
        assert nix.take_back(bench, published(bench, files)) == "written data removed"
    assert files.held == {}


def test_refused_writer_leaves_nothing_to_remove(tmp_path: Path) -> None:
    with stub(lambda _: Answer(404)) as server:
        bench = machine_bench(tmp_path, nix=server.url)
        assert nix.take_back(bench, published(bench, Files())) == NOTHING_TO_REMOVE


def test_nar_that_was_put_by_hand_is_removed(tmp_path: Path) -> None:
    """A server that takes a NAR from anybody, but no description of it."""
    files = Files()
    with stub(files) as server:
        bench = machine_bench(tmp_path, nix=server.url)
        tried = Published(REPORT, (REPORT,), "key", "hash", {REPORT: "404"}, put=["nar/probe.nar"])
        files.held["/nar/probe.nar"] = b"content"
        assert nix.take_back(bench, tried) == "written data removed"
    assert files.held == {}


def test_nar_of_an_interrupted_copy_is_removed(tmp_path: Path) -> None:
    """A copy that was ended between the content of a path and its description, with the other path not begun."""
    files = Files()
    with stub(files) as server:
        bench = machine_bench(tmp_path, nix=server.url)
        names = {GLIBC: "nar/1.nar.xz", REPORT: "nar/2.nar.xz"}
        before = nix.query_paths(bench, [GLIBC, REPORT])
        cut = Published(REPORT, (GLIBC, REPORT), "key", "hash", before, tried=[REPORT], nars=names)
        files.held["/nar/1.nar.xz"] = b"content"
        assert nix.take_back(bench, cut) == "written data removed"
        assert files.held == {}
        assert nix.take_back(bench, cut) == NOTHING_TO_REMOVE


def test_path_of_unknown_owner_is_named_and_stays(tmp_path: Path) -> None:
    """A cache that does not say of the dependency whether it has it."""
    files = Files()

    def closed(request: Asked) -> Answer:
        return Answer(403) if request.path == "/aaaa.narinfo" else files(request)

    with stub(closed) as server:
        bench = machine_bench(tmp_path, nix=server.url)
        assert nix.take_back(bench, published(bench, files)) == "not cleaned up: aaaa.narinfo"
        # It may have been there before, so it is no leftover for certain.
        assert bench.left_behind == [Leftovers(unchecked=(f"aaaa.narinfo at {server.url}",))]
    assert "/nar/aaaa.nar" in files.held
    assert ("DELETE", "/aaaa.narinfo") not in [(request.method, request.path) for request in server.requests]


@pytest.mark.parametrize("page", [b"<html>Sign in, please: it is free</html>", b"\xff\xfe"])
def test_server_that_returns_pages_has_nothing_removed(tmp_path: Path, page: bytes) -> None:
    with stub(lambda _: Answer(200, page)) as server:
        bench = machine_bench(tmp_path, nix=server.url)
        leftovers = nix.take_back(bench, published(bench, Files()))
    for name in ("bbbb.narinfo", "cccc.narinfo", "the NAR that the unreadable bbbb.narinfo refers to"):
        assert name in leftovers
    assert "aaaa" not in leftovers


def test_tags_are_removed_by_digest(tmp_path: Path) -> None:
    held = {"/v2/proof/a/manifests/proof", "/v2/proof/a/manifests/sha256:1"}

    def registry(request: Asked) -> Answer:
        if request.path not in held:
            return Answer(404)
        if request.method == "DELETE":
            held.clear()
            return Answer(202)
        return Answer(200, headers={"Docker-Content-Digest": "sha256:1"})

    with stub(registry) as server:
        outcome = registry_tags.remove_tags(
            machine_bench(tmp_path, registry=server.url), ["proof/a", "proof/b"]
        )
    assert outcome == "written data removed"
    deleted = [request.path for request in server.requests if request.method == "DELETE"]
    assert deleted == ["/v2/proof/a/manifests/sha256:1"]


@pytest.mark.parametrize(("status", "outcome"), [(404, NOTHING_TO_REMOVE), (401, "not cleaned up: ")])
def test_unverified_removal_is_not_called_removed(tmp_path: Path, status: int, outcome: str) -> None:
    with stub(lambda _: Answer(status)) as server:
        assert registry_tags.remove_tags(
            machine_bench(tmp_path, registry=server.url), ["proof/a"]
        ).startswith(outcome)
    assert ("DELETE" in server.methods) is (status == 401)


def test_lost_cleanup_is_named_with_the_attempts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = machine_bench(tmp_path, registry="https://registry.example")
    monkeypatch.setattr(bench, "send", lambda *_, **__: CompletedCommand(None, b"", b"", "no client"))
    leftovers = registry_tags.remove_tags(bench, ["proof/a"])
    assert leftovers.startswith("not cleaned up: anything written, which could not be checked (")
    assert [left.refused for left in bench.left_behind] == [()]
    assert len(bench.left_behind[0].unchecked) == 1
    assert "no client" in leftovers


def test_leftovers_of_a_failed_proof_are_in_its_attempts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cache that takes everything and gives nothing up, and a proof that ends after publishing."""

    def publish(_: object, __: object, published: Published) -> None:
        published.attempts["writer"] = PublishAttempt("writer", {"nix copy": "OK"}, {}, {}, logged=False)

    def fail(*_: object) -> None:
        raise StepFailed("preparing the cache unsigned", "the disk is full")

    for name, instead in (
        ("seed", lambda *_: Published(REPORT, (REPORT,), "key", "hash", {REPORT: "404"})),
        ("publish", publish), ("make_bad", fail), ("delete_from_store", lambda *_, **__: None),
    ):  # fmt: skip
        monkeypatch.setattr(nix, name, instead)
    monkeypatch.setattr(ExperimentSchedule, "_flake", lambda *_: None)
    contract = load(ROOT / "contracts/tinyland-nix.yaml")
    clauses = [clause for clause in contract.clauses if clause.local_id == "publication/nix-writer"]
    with stub(lambda _: Answer(200, b"URL: nar/bbbb.nar\n")) as server:
        records = ExperimentSchedule(
            contract, clauses, machine_bench(tmp_path, nix=server.url), {}
        ).carry_out()
    assert isinstance(records.nix, Unavailable)
    assert "the disk is full" in records.nix.reason
    attempt = records.attempts["nix"]["writer"]
    assert isinstance(attempt, PublishAttempt)
    assert attempt.leftovers == "not cleaned up: bbbb.narinfo, nar/bbbb.nar"
    refused = tuple(f"{name} at {server.url}" for name in ("bbbb.narinfo", "nar/bbbb.nar"))
    assert records.leftovers == Leftovers(refused=refused)
    assert after_removal(ExitCode.KEPT, records.leftovers) is ExitCode.LEFT_BEHIND
