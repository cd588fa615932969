"""``pytest -m truth --repo PATH``, in a session of its own."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.truth.conftest import CONTRACTS
from tests.truth.miniature import Edit, changed, write

STALE = Edit("flake.nix", "nix-cache.tinyland.dev", "nix-cache.fuzzy-dev.tinyland.dev")


def session(pytester: pytest.Pytester, *arguments: str | Path) -> pytest.RunResult:
    return pytester.runpytest_subprocess(
        "-p", "no:cacheprovider", str(CONTRACTS), "-m", "truth", *map(str, arguments)
    )


def test_a_broken_clause_fails_with_both_sides_and_no_traceback(
    pytester: pytest.Pytester, tmp_path: Path
) -> None:
    repo = write(tmp_path / "repo", changed(STALE))
    report = tmp_path / "junit.xml"
    result = session(pytester, "--repo", repo, "--junitxml", report)
    assert result.parseoutcomes()["failed"] == 1
    result.stdout.fnmatch_lines(
        ["*flake.nix:7  endpoints/retired-hosts  BROKEN", "  conflicts with  retired, replaced by https://*"]
    )
    result.stdout.no_fnmatch_line("*Traceback*")
    cases = ElementTree.parse(report).iter("testcase")  # noqa: S314 # our own report
    (case,) = [item for item in cases if item.find("failure") is not None]
    properties = {item.get("name"): item.get("value") for item in case.iter("property")}
    assert properties["clause"] == "platform/endpoints/retired-hosts"
    assert properties["outcome"] == "broken"


def test_clean_miniature_passes_and_undecidable_is_skipped(pytester: pytest.Pytester, tmp_path: Path) -> None:
    result = session(pytester, "--repo", write(tmp_path / "repo"), "-n", "2")
    outcomes = result.parseoutcomes()
    assert "failed" not in outcomes
    assert "errors" not in outcomes
    assert outcomes["passed"] > 60


def test_nothing_is_collected_without_checkout_or_marker(pytester: pytest.Pytester) -> None:
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider", "--collect-only", "-q", str(CONTRACTS))
    result.stdout.no_fnmatch_line("*contracts/platform/*")


def test_a_checkout_that_is_not_there_is_said_plainly(pytester: pytest.Pytester) -> None:
    result = session(pytester, "--repo", "gone")
    assert result.ret != 0
    result.stdout.fnmatch_lines(["*gone:1: does not exist*"])
