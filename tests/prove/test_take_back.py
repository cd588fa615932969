"""What a proof wrote into a deployment is removed from it again: that, all of it, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from builder_contracts.contract.load import load
from builder_contracts.prove import nix, registry_tags
from builder_contracts.prove.bad_caches import hash_part
from builder_contracts.prove.experiments import Experiments
from builder_contracts.prove.job import Failed
from builder_contracts.prove.machine import MachineBench
from builder_contracts.prove.nix import Published
from builder_contracts.prove.publish_attempt import Attempt
from builder_contracts.prove.unavailable import Lost
from builder_contracts.runner.protocol import Completed
from tests.prove.conftest import GIVEN, ROOT, machine_bench
from tests.prove.stub import Answer, Asked, Files, stub

GLIBC, REPORT, PROBE = (f"/nix/store/{name}" for name in ("aaaa-glibc", "bbbb-report", "cccc-probe"))


def put(files: Files, path: str) -> None:
    """As Nix puts a path into a cache."""
    part = hash_part(path)
    files.held[f"/{part}.narinfo"] = f"StorePath: {path}\nURL: nar/{part}.nar\n".encode()
    files.held[f"/nar/{part}.nar"] = b"content"


def published(mine: MachineBench, files: Files) -> Published:
    """A build with a dependency, published after a look at what is there."""
    before = nix.query_paths(mine, [GLIBC, REPORT])
    for path in (GLIBC, REPORT, PROBE):
        put(files, path)
    return Published(REPORT, (GLIBC, REPORT), "key", "hash", before, tried=[PROBE, REPORT])


def test_a_dependency_that_the_cache_had_before_stays(tmp_path: Path) -> None:
    files = Files()
    put(files, GLIBC)
    had = dict(files.held)
    with stub(files) as server:
        mine = machine_bench(tmp_path, nix=server.url)
        assert nix.take_back(mine, published(mine, files)) == ()
    assert files.held == had
    assert all(each.shown == GIVEN.writer.authorization for each in server.asked)


def test_a_dependency_that_came_with_the_proof_goes_with_it(tmp_path: Path) -> None:
    files = Files()
    with stub(files) as server:
        mine = machine_bench(tmp_path, nix=server.url)
        assert nix.take_back(mine, published(mine, files)) == ()
    assert files.held == {}


def test_of_what_nobody_can_say_whose_it_is_the_witness_is_told(tmp_path: Path) -> None:
    """A cache that does not say of the dependency whether it has it."""
    files = Files()

    def closed(asked: Asked) -> Answer:
        return Answer(403) if asked.path == "/aaaa.narinfo" else files(asked)

    with stub(closed) as server:
        mine = machine_bench(tmp_path, nix=server.url)
        assert nix.take_back(mine, published(mine, files)) == ("aaaa.narinfo",)
    assert "/nar/aaaa.nar" in files.held
    assert ("DELETE", "/aaaa.narinfo") not in [(each.method, each.path) for each in server.asked]


@pytest.mark.parametrize("page", [b"<html>Sign in, please: it is free</html>", b"\xff\xfe"])
def test_a_server_that_answers_whatever_is_asked_with_a_page_has_nothing_removed(
    tmp_path: Path, page: bytes
) -> None:
    with stub(lambda _: Answer(200, page)) as server:
        mine = machine_bench(tmp_path, nix=server.url)
        left = nix.take_back(mine, published(mine, Files()))
    assert {"bbbb.narinfo", "cccc.narinfo", "the NAR that the unreadable bbbb.narinfo refers to"} < {*left}
    assert not any("aaaa" in each for each in left)


def test_tags_are_removed_by_their_digest_and_looked_for_by_their_name(tmp_path: Path) -> None:
    held = {"/v2/proof/a/manifests/proof", "/v2/proof/a/manifests/sha256:1"}

    def registry(asked: Asked) -> Answer:
        if asked.path not in held:
            return Answer(404)
        if asked.method == "DELETE":
            held.clear()
            return Answer(202)
        return Answer(200, headers={"Docker-Content-Digest": "sha256:1"})

    with stub(registry) as server:
        said = registry_tags.remove_tags(machine_bench(tmp_path, registry=server.url), ["proof/a", "proof/b"])
    assert said == "written data removed"
    deleted = [each.path for each in server.asked if each.method == "DELETE"]
    assert deleted == ["/v2/proof/a/manifests/sha256:1"]


@pytest.mark.parametrize(("status", "said"), [(404, "nothing to remove"), (401, "not cleaned up: ")])
def test_nothing_is_called_removed_that_was_not_there_or_cannot_be_seen(
    tmp_path: Path, status: int, said: str
) -> None:
    with stub(lambda _: Answer(status)) as server:
        assert registry_tags.remove_tags(
            machine_bench(tmp_path, registry=server.url), ["proof/a"]
        ).startswith(said)
    assert ("DELETE" in server.methods) is (status == 401)


def test_what_nobody_could_ask_for_is_told_beside_what_the_attempts_showed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = machine_bench(tmp_path, registry="https://registry.example")
    monkeypatch.setattr(mine, "send", lambda *_, **__: Completed(None, b"", b"", "no client"))
    left = registry_tags.remove_tags(mine, ["proof/a"])
    assert left.startswith("not cleaned up: anything written, which could not be checked (")
    assert "no client" in left


def test_what_a_proof_that_failed_left_is_told_by_its_attempts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cache that takes everything and gives nothing up, and a proof that ends after publishing."""

    def publish(_: object, __: object, published: Published) -> None:
        published.attempts["writer"] = Attempt("writer", {"nix copy": "OK"}, {}, {}, logged=False)

    def fail(*_: object) -> None:
        raise Failed("preparing the cache unsigned", "the disk is full")

    for name, instead in (
        ("seed", lambda *_: Published(REPORT, (REPORT,), "key", "hash", {REPORT: "404"})),
        ("publish", publish), ("make_bad", fail), ("delete_from_store", lambda *_, **__: None),
    ):  # fmt: skip
        monkeypatch.setattr(nix, name, instead)
    monkeypatch.setattr(Experiments, "_flake", lambda *_: None)
    contract = load(ROOT / "contracts/tinyland-nix.yaml")
    wanted = [clause for clause in contract.clauses if clause.local_id == "publication/nix-writer"]
    with stub(lambda _: Answer(200, b"URL: nar/bbbb.nar\n")) as server:
        records = Experiments(contract, wanted, machine_bench(tmp_path, nix=server.url), {}).carry_out()
    assert isinstance(records.nix, Lost)
    assert "the disk is full" in records.nix.reason
    attempt = records.attempts["nix", "writer"]
    assert isinstance(attempt, Attempt)
    assert attempt.leftovers == "not cleaned up: bbbb.narinfo, nar/bbbb.nar"
