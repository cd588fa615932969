"""What real canaries report becomes plots with budgets: their own words, a recorded run, and a run of now."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from builder_contracts.cli import group
from builder_contracts.contract.load import load_all
from builder_contracts.dashboard import stated
from builder_contracts.dashboard.budgets import of_canaries
from builder_contracts.dashboard.model import Measurement
from builder_contracts.errors import EngineError
from builder_contracts.prove.canary import completeness, load
from builder_contracts.prove.kernel import tiers
from builder_contracts.prove.kernel.record import Build, KernelRecord
from builder_contracts.prove.products import Products, judge_builds
from builder_contracts.prove.records import Finding
from builder_contracts.runner import engine
from tests.kernel import records

ROOT = Path(__file__).parents[2]
RUNS = Path(__file__).parent / "runs"
MIB = 2.0**20


def spent(seconds: float, memory: int, disk: int) -> str:
    """What the judge says of a cold build of the flake canary."""
    products = Products(seconds, memory, disk, {}, None, "nonce")
    found = judge_builds(load(ROOT / "canaries" / "flake"), products, 0, "")
    assert isinstance(found, Finding)
    return found.said


def kernel(show: str, record: KernelRecord | None = None) -> tuple[Measurement, ...]:
    found = tiers.judge(record or records.good())[show]
    assert isinstance(found, Finding)
    return stated.measurements("canaries", f"linux-xr-{show}", found.said)


def test_the_words_of_a_build_within_its_budget_hold_its_cost() -> None:
    said = spent(1.84, 11 * 2**20, 48 * 2**10)

    assert stated.measurements("canaries", "flake-builds", said) == (
        Measurement("cold_seconds", 1.8),
        Measurement("peak_memory_bytes", 11 * MIB),
        Measurement("disk_bytes", 48 * 1024.0),
    )


def test_the_words_of_a_build_over_its_budget_hold_what_was_too_much_and_the_budget() -> None:
    said = spent(72.4, 2 * 2**30, 300 * 2**20)

    assert stated.measurements("canaries", "flake-builds", said) == (
        Measurement("cold_seconds", 72.0, 60.0),
        Measurement("peak_memory_bytes", 2048 * MIB, 1024 * MIB),
        Measurement("disk_bytes", 300 * MIB, 200 * MIB),
    )


def test_the_words_on_artifacts_hold_their_size() -> None:
    said = completeness({"out/a": b"12345", "out/b": b"678"}, ("out",), ("/nix/store",)).said

    assert stated.measurements("canaries", "flake-artifacts", said) == (Measurement("artifact_bytes", 8.0),)


def test_the_words_of_the_kernel_canary_hold_times_hit_rate_and_memory() -> None:
    assert kernel("build") == (Measurement("cold_seconds", 150.0),)
    assert kernel("rebuild-time") == (Measurement("warm_seconds", 40.0),)
    assert kernel("rebuild-hits") == (Measurement("cache_hit_ratio", pytest.approx(0.998)),)  # type: ignore[arg-type]
    assert kernel("memory") == (Measurement("peak_memory_bytes", 300 * MIB, 4096 * MIB),)
    assert kernel("memory-link") == (Measurement("link_memory_bytes", 300 * MIB, 4096 * MIB),)


def test_the_words_of_a_broken_kernel_canary_hold_them_too() -> None:
    good = records.good()
    assert isinstance(good.warm, Build)
    cold_again = dataclasses.replace(
        good,
        warm=Build(
            records.step(
                "compile",
                *[one for one in good.warm.step.objects() if "cache" not in one],
                records.cache(cache_miss=500, remote_storage_hit=500),
                seconds=140.0,
            )
        ),
    )

    assert kernel("rebuild-hits", cold_again) == (Measurement("cache_hit_ratio", 0.5, 0.95),)
    assert kernel("rebuild-time", cold_again) == (Measurement("warm_seconds", 140.0),)


@pytest.mark.parametrize(
    ("kind", "name", "seen"),
    [
        ("toolchain", "flake-builds", "built in 1.8 s with 1Mi of memory and 1Mi of disk, within its budget"),
        ("canaries", "flake-builds", "the canary was not built"),
        ("canaries", "flake-builds", "built in 1.8.8.8 s with"),
        ("canaries", "flake-rebuild", "4 outputs were built again and are the same bit for bit"),
        ("canaries", "linux-xr-build", "did not end within its budget of 2400 s: it said nothing"),
    ],
)
def test_other_words_hold_nothing(kind: str, name: str, seen: str) -> None:
    assert stated.measurements(kind, name, seen) == ()


def test_budgets_are_those_of_the_canaries_own_files() -> None:
    contracts = load_all(sorted((ROOT / "contracts").glob("*.yaml")))

    found = of_canaries(contracts)

    assert found["tinyland-nix", "flake"] == {
        "cold_seconds": 60.0,
        "peak_memory_bytes": 1024 * MIB,
        "disk_bytes": 200 * MIB,
    }
    assert {name for _, name in found} >= {"flake", "bzlmod", "image"}


def site(tmp_path: Path, *reports: Path, contracts: Path | None = None) -> dict[str, Any]:
    """The data of the page Canaries of a site made of the reports."""
    history, out = tmp_path / "history.db", tmp_path / "site"
    run = CliRunner().invoke(group, ["history", "add", "--history", str(history), *map(str, reports)])
    assert run.exit_code == 0, run.output
    more = ["--contracts", str(contracts)] if contracts else []
    run = CliRunner().invoke(
        group, ["dashboard", "build", "--history", str(history), "--out", str(out), *more]
    )
    assert run.exit_code == 0, run.output
    page = (out / "canaries.html").read_text("utf-8")
    assert page.count('class="plot"') == page.count("<figure")
    found: dict[str, Any] = json.loads((out / "canaries.json").read_text("utf-8"))
    return found


def measured(page: dict[str, Any]) -> dict[tuple[str, str], tuple[float, float | None]]:
    return {
        (clause["local_id"], each["quantity"]): (each["last"], each["budget"])
        for group in page["groups"]
        for clause in group["clauses"]
        for each in clause["measured"]
    }


def test_a_recorded_run_of_two_canaries_is_plotted_with_its_budgets(tmp_path: Path) -> None:
    found = measured(site(tmp_path, RUNS / "canaries.xml", contracts=ROOT / "contracts"))

    assert found["canaries/flake-builds", "cold_seconds"] == (1.8, 60.0)
    assert found["canaries/flake-builds", "disk_bytes"][1] == 200 * MIB
    assert found["canaries/image-builds", "peak_memory_bytes"] == (30.19 * MIB, 1024 * MIB)
    assert found["canaries/image-artifacts", "artifact_bytes"] == (2401792.0, None)


def test_without_contracts_values_are_plotted_and_no_budget_is_made_up(tmp_path: Path) -> None:
    found = measured(site(tmp_path, RUNS / "canaries.xml"))

    assert found["canaries/flake-builds", "cold_seconds"] == (1.8, None)


@pytest.mark.docker
@pytest.mark.slow
def test_a_run_of_now_is_plotted_with_its_budgets(tmp_path: Path) -> None:
    try:
        client = engine.connect()
    except EngineError as error:
        pytest.skip(f"needs a Docker Engine: {error}")
    with contextlib.closing(client):
        if engine.describe_image(client, "tinyland-nix") is None:
            pytest.skip("needs the image tinyland-nix: script/images builds it")
    report = tmp_path / "junit.xml"
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"),
            *("-m", "contract", "-k", "flake-builds or flake-artifacts"),
            *("--builder", "tinyland-nix", f"--junitxml={report}", "contracts"),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr

    found = measured(site(tmp_path, report, contracts=ROOT / "contracts"))

    seconds, budget = found["canaries/flake-builds", "cold_seconds"]
    assert 0 < seconds <= 60
    assert budget == 60
    assert found["canaries/flake-builds", "peak_memory_bytes"][0] > 0
    assert found["canaries/flake-artifacts", "artifact_bytes"][0] > 0
