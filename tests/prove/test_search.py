"""The search for secrets is unproven where something that left a builder could not be searched."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from builder_contracts.contract.load import load
from builder_contracts.evidence.verdict import Outcome
from builder_contracts.prove import judge_secrets, products
from builder_contracts.prove.canary import load as load_canary
from builder_contracts.prove.experiments import Experiments
from builder_contracts.prove.job import Failed
from builder_contracts.prove.machine import MachineBench
from builder_contracts.prove.record_secrets import Scan
from builder_contracts.prove.search import search_published
from builder_contracts.prove.unavailable import Lost
from builder_contracts.runner.protocol import Completed
from tests.prove.conftest import ROOT, machine_bench


@pytest.fixture
def bench(tmp_path: Path) -> MachineBench:
    return machine_bench(tmp_path)


def test_secret_in_an_artifact_is_found_and_a_clean_one_is_kept(bench: MachineBench) -> None:
    clean = search_published(bench, [], {"out/a": b"words"}, b"records")
    assert isinstance(clean, Scan)
    assert clean.missed == ()
    assert judge_secrets.judge(clean)[0].outcome is Outcome.KEPT
    leaky = search_published(bench, [], {"out/a": bench.token.encode()}, b"records")
    assert isinstance(leaky, Scan)
    assert [(leak.place, leak.encoding) for leak in leaky.leaks] == [("artifact out/a", "plain")]
    assert judge_secrets.judge(leaky)[0].outcome is Outcome.BROKEN


def test_output_that_was_not_copied_out_is_unproven(bench: MachineBench) -> None:
    bench.unsearched.append("the packages of linux-xr")
    scan = search_published(bench, [], {"out/a": b"words"}, b"records")
    assert isinstance(scan, Lost)
    assert scan.reason == "the search is incomplete: cannot copy out the packages of linux-xr"


@pytest.mark.parametrize(
    ("exited", "unsearched"), [(False, ["the artifacts of flake"]), (True, [])], ids=["lost", "no artifacts"]
)
def test_lost_artifacts_are_unsearched(
    bench: MachineBench, monkeypatch: pytest.MonkeyPatch, exited: bool, unsearched: list[str]
) -> None:
    def take(*_: object) -> None:
        raise Failed("copying out the artifacts", "gone", exited=exited)

    canary = dataclasses.replace(load_canary(ROOT / "canaries" / "flake"), run=())
    contract = load(ROOT / "contracts/tinyland-nix.yaml")
    with bench.fresh("build") as job:
        monkeypatch.setattr(type(job), "take", take)
        monkeypatch.setattr(type(job), "run", lambda *_, **__: Completed(0, b"", b""))
        product = products.collect(job, canary, "nonce", 1.0)
    experiments = Experiments(contract, [], bench, {})
    experiments._check(canary, product, {}, 0, "")
    assert bench.unsearched == unsearched
