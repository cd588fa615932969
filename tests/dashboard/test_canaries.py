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
from builder_contracts.prove.canary.definition import load
from builder_contracts.prove.canary.judge import check_completeness, judge_builds
from builder_contracts.prove.canary.record import CanaryProducts
from builder_contracts.prove.check_result import CheckResult
from builder_contracts.prove.kernel import judge as tiers
from builder_contracts.prove.kernel.record import KernelBuild, KernelRecord
from builder_contracts.prove.unavailable import Unavailable
from builder_contracts.runner.docker import engine
from builder_contracts.verdict import Measurement
from tests.kernel import records

ROOT = Path(__file__).parents[2]


def measures(result: CheckResult | Unavailable) -> tuple[Measurement, ...]:
    assert isinstance(result, CheckResult)
    return result.measures


def kernel(show: str, record: KernelRecord | None = None) -> tuple[Measurement, ...]:
    return measures(tiers.judge(record or records.good())[show])


@pytest.mark.parametrize(("seconds", "good"), [(1.84, True), (72.4, False)])
def test_a_build_is_measured_within_its_budget_and_over_it(seconds: float, good: bool) -> None:
    products = CanaryProducts(seconds, 11 * 2**20, 48 * 2**10, {}, None, "nonce")

    result = judge_builds(load(ROOT / "canaries" / "flake"), products, 0, "")

    assert isinstance(result, CheckResult)
    assert result.good is good
    assert result.measures == (
        Measurement("cold_seconds", seconds, 60.0),
        Measurement("peak_memory_bytes", 11 * 2**20, 2**30),
        Measurement("disk_bytes", 48 * 2**10, 200 * 2**20),
    )


def test_the_size_of_artifacts_is_measured() -> None:
    result = check_completeness({"out/a": b"12345", "out/b": b"678"}, ("out",), ("/nix/store",))

    assert result.measures == (Measurement("artifact_bytes", 8),)


def test_the_kernel_canary_measures_times_hit_rate_and_memory() -> None:
    assert kernel("build") == (Measurement("cold_seconds", 150.0, 100.0),)
    assert kernel("rebuild-time") == (Measurement("warm_seconds", 40.0, 50.0),)
    assert kernel("rebuild-hits") == (Measurement("cache_hit_ratio", 1008 / 1010, 0.95),)
    assert kernel("memory") == (Measurement("peak_memory_bytes", 300 * 2**20, 2**32),)
    assert kernel("memory-link") == (Measurement("link_memory_bytes", 300 * 2**20, 0.9 * 2**32),)


def test_a_broken_promise_of_the_kernel_canary_is_measured_too() -> None:
    good = records.good()
    assert isinstance(good.warm, KernelBuild)
    reused = [name for name in good.warm.step.objects() if "cache" not in name]
    counts = records.cache(cache_miss=500, remote_storage_hit=500)
    slow = dataclasses.replace(
        good, warm=KernelBuild(records.step("compile", *reused, counts, seconds=140.0))
    )

    assert kernel("rebuild-hits", slow) == (Measurement("cache_hit_ratio", 0.5, 0.95),)
    assert kernel("rebuild-time", slow) == (Measurement("warm_seconds", 140.0, 50.0),)


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
