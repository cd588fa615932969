"""The search for secrets is unproven where something that left a builder could not be searched."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from builder_contracts.contract.loading import load
from builder_contracts.prove.canary import products
from builder_contracts.prove.canary.definition import load as load_canary
from builder_contracts.prove.job import StepFailed
from builder_contracts.prove.local_testbed import LocalTestbed
from builder_contracts.prove.schedule import ExperimentSchedule
from builder_contracts.prove.secrets import judge as judge_secrets
from builder_contracts.prove.secrets.experiment import search_published
from builder_contracts.prove.secrets.record import Scan
from builder_contracts.prove.unavailable import Unavailable
from builder_contracts.runner.protocol import CompletedCommand
from builder_contracts.verdict import Outcome
from tests.prove.conftest import ROOT, machine_bench


@pytest.fixture
def bench(tmp_path: Path) -> LocalTestbed:
    return machine_bench(tmp_path)


def test_secret_in_an_artifact_is_found_and_a_clean_one_is_kept(bench: LocalTestbed) -> None:
    clean = search_published(bench, [], {"out/a": b"words"}, b"records")
    assert isinstance(clean, Scan)
    assert clean.missed == ()
    assert judge_secrets.judge(clean)[0].outcome is Outcome.KEPT
    leaky = search_published(bench, [], {"out/a": bench.token.encode()}, b"records")
    assert isinstance(leaky, Scan)
    assert [(leak.place, leak.encoding) for leak in leaky.leaks] == [("artifact out/a", "plain")]
    assert judge_secrets.judge(leaky)[0].outcome is Outcome.BROKEN


def test_output_that_was_not_copied_out_is_unproven(bench: LocalTestbed) -> None:
    bench.unsearched.append("the packages of linux-xr")
    scan = search_published(bench, [], {"out/a": b"words"}, b"records")
    assert isinstance(scan, Unavailable)
    assert scan.reason == "the search is incomplete: cannot copy out the packages of linux-xr"


@pytest.mark.parametrize(
    ("exited", "unsearched"), [(False, ["the artifacts of flake"]), (True, [])], ids=["lost", "no artifacts"]
)
def test_lost_artifacts_are_unsearched(
    bench: LocalTestbed, monkeypatch: pytest.MonkeyPatch, exited: bool, unsearched: list[str]
) -> None:
    def take(*_: object) -> None:
        raise StepFailed("copying out the artifacts", "gone", exited=exited)

    canary = dataclasses.replace(load_canary(ROOT / "canaries" / "flake"), run=())
    contract = load(ROOT / "contracts/tinyland-nix.yaml")
    with bench.fresh("build") as job:
        monkeypatch.setattr(type(job), "take", take)
        monkeypatch.setattr(type(job), "run", lambda *_, **__: CompletedCommand(0, b"", b""))
        product = products.collect(job, canary, "nonce", 1.0)
    experiments = ExperimentSchedule(contract, [], bench, {})
    experiments._check(canary, product, {}, 0, "")
    assert bench.unsearched == unsearched
