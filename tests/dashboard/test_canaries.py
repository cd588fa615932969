"""What real canaries measure becomes plots with budgets: what their judges write, and a run of now."""

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
from builder_contracts.errors import EngineError
from builder_contracts.evidence.verdict import Measure
from builder_contracts.prove.canary import load
from builder_contracts.prove.check_result import Finding
from builder_contracts.prove.judge_canary import check_completeness, judge_builds
from builder_contracts.prove.kernel import tiers
from builder_contracts.prove.kernel.record import Build, KernelRecord
from builder_contracts.prove.record_canary import Products
from builder_contracts.prove.unavailable import Lost
from builder_contracts.runner import engine
from tests.kernel import records

ROOT = Path(__file__).parents[2]


def measures(result: Finding | Lost) -> tuple[Measure, ...]:
    assert isinstance(result, Finding)
    return result.measures


def kernel(show: str, record: KernelRecord | None = None) -> tuple[Measure, ...]:
    return measures(tiers.judge(record or records.good())[show])


@pytest.mark.parametrize(("seconds", "good"), [(1.84, True), (72.4, False)])
def test_a_build_is_measured_within_its_budget_and_over_it(seconds: float, good: bool) -> None:
    products = Products(seconds, 11 * 2**20, 48 * 2**10, {}, None, "nonce")

    result = judge_builds(load(ROOT / "canaries" / "flake"), products, 0, "")

    assert isinstance(result, Finding)
    assert result.good is good
    assert result.measures == (
        Measure("cold_seconds", seconds, 60.0),
        Measure("peak_memory_bytes", 11 * 2**20, 2**30),
        Measure("disk_bytes", 48 * 2**10, 200 * 2**20),
    )


def test_the_size_of_artifacts_is_measured() -> None:
    result = check_completeness({"out/a": b"12345", "out/b": b"678"}, ("out",), ("/nix/store",))

    assert result.measures == (Measure("artifact_bytes", 8),)


def test_the_kernel_canary_measures_times_hit_rate_and_memory() -> None:
    assert kernel("build") == (Measure("cold_seconds", 150.0, 100.0),)
    assert kernel("rebuild-time") == (Measure("warm_seconds", 40.0, 50.0),)
    assert kernel("rebuild-hits") == (Measure("cache_hit_ratio", 1008 / 1010, 0.95),)
    assert kernel("memory") == (Measure("peak_memory_bytes", 300 * 2**20, 2**32),)
    assert kernel("memory-link") == (Measure("link_memory_bytes", 300 * 2**20, 0.9 * 2**32),)


def test_a_broken_promise_of_the_kernel_canary_is_measured_too() -> None:
    good = records.good()
    assert isinstance(good.warm, Build)
    reused = [name for name in good.warm.step.objects() if "cache" not in name]
    counts = records.cache(cache_miss=500, remote_storage_hit=500)
    slow = dataclasses.replace(good, warm=Build(records.step("compile", *reused, counts, seconds=140.0)))

    assert kernel("rebuild-hits", slow) == (Measure("cache_hit_ratio", 0.5, 0.95),)
    assert kernel("rebuild-time", slow) == (Measure("warm_seconds", 140.0, 50.0),)


def site(tmp_path: Path, *reports: Path) -> dict[str, Any]:
    """The data of the page Canaries of a site made of the reports."""
    history, out = tmp_path / "history.db", tmp_path / "site"
    run = CliRunner().invoke(group, ["history", "add", "--history", str(history), *map(str, reports)])
    assert run.exit_code == 0, run.output
    run = CliRunner().invoke(group, ["dashboard", "build", "--history", str(history), "--out", str(out)])
    assert run.exit_code == 0, run.output
    page = (out / "canaries.html").read_text("utf-8")
    assert page.count('class="plot"') == page.count("<figure")
    data: dict[str, Any] = json.loads((out / "canaries.json").read_text("utf-8"))
    return data


def measured(page: dict[str, Any]) -> dict[tuple[str, str], tuple[float, float | None]]:
    return {
        (clause["local_id"], measurement["quantity"]): (measurement["last"], measurement["budget"])
        for group in page["groups"]
        for clause in group["clauses"]
        for measurement in clause["measured"]
    }


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

    measurements = measured(site(tmp_path, report))

    seconds, budget = measurements["canaries/flake-builds", "cold_seconds"]
    assert 0 < seconds <= 60
    assert budget == 60
    assert measurements["canaries/flake-builds", "peak_memory_bytes"][0] > 0
    assert measurements["canaries/flake-artifacts", "artifact_bytes"][0] > 0
