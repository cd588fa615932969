"""GitHub Actions: annotations and the job summary."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder_contracts.errors import Location
from builder_contracts.reporting import github
from builder_contracts.reporting.github import SUMMARY_LIMIT, GitHubAnnotations, annotate, command
from builder_contracts.reporting.stream import RunInfo
from builder_contracts.verdict import Outcome, Verdict
from tests.unit.reporting.samples import (
    CONTRADICTED,
    INFO,
    KEPT,
    SAMPLE,
    SUMMARY,
    UNPROVEN,
    VERDICTS,
    recorded,
)

# As GitHub's runner reads a line: https://docs.github.com/actions/reference/workflow-commands-for-github-actions
COMMAND = re.compile(r"::(?P<name>[a-z-]+) (?P<properties>.*?)::(?P<data>.*)")


def parse(line: str) -> tuple[str, dict[str, str], str]:
    """A workflow command as the runner takes it: split at commas and the first ``=``, then unescaped."""
    match = COMMAND.fullmatch(line)
    assert match is not None
    pairs = (pair.partition("=") for pair in match["properties"].split(",") if pair)
    properties = {key: _unescape(value, property_=True) for key, _, value in pairs}
    return match["name"], properties, _unescape(match["data"], property_=False)


def _unescape(text: str, *, property_: bool) -> str:
    text = text.replace("%0D", "\r").replace("%0A", "\n")
    if property_:
        text = text.replace("%3A", ":").replace("%2C", ",")
    return text.replace("%25", "%")


def annotated(*verdicts: Verdict, root: Path) -> list[tuple[str, dict[str, str], str]]:
    return [parse(line) for verdict in verdicts for line in annotate(verdict, root)]


def test_documented_form_of_a_command() -> None:
    assert command("error", "Missing semicolon", file="app.js", line="1", title="") == (
        "::error file=app.js,line=1::Missing semicolon"
    )


@given(st.text(), st.text())
def test_text_cannot_end_or_begin_a_command(message: str, value: str) -> None:
    line = command("error", message, title=value or "x")
    assert "\n" not in line
    assert "\r" not in line
    assert parse(line.replace("%25", "%25")) == ("error", {"title": value or "x"}, message)


@given(VERDICTS)
def test_every_annotation_is_one_line_that_parses(verdict: Verdict) -> None:
    for line in annotate(verdict, Path("/repo")):
        assert parse(line)[0] in ("error", "warning")


def test_broken_clause_is_an_error_at_its_contract(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sub").mkdir()
    monkeypatch.chdir(tmp_path / "sub")
    ((level, properties, text),) = annotated(SAMPLE, root=tmp_path)
    assert level == "error"
    assert properties == {
        "file": "sub/contracts/tinyland-nix.yaml",
        "line": "21",
        "title": "tinyland-nix/toolchain/xz is broken",
    }
    assert text == (
        "promised xz on the job's PATH; observed not found in /usr/local/bin:/usr/bin:/bin\n"
        "fix: the image lacks the package xz-utils"
    )


def test_contradiction_is_an_error_at_its_line(tmp_path: Path) -> None:
    ((level, properties, text),) = annotated(CONTRADICTED, root=tmp_path)
    assert (level, properties["file"], properties["line"]) == ("error", "flake.nix", "7")
    assert text == "cache = old; retired; now new\nfix: use new"


def test_place_outside_of_the_repository_has_no_file(tmp_path: Path) -> None:
    outside = replace(SAMPLE, location=Location("/elsewhere/c.yaml", 3))
    ((_, properties, _),) = annotated(outside, root=tmp_path)
    assert properties.keys() == {"title"}


def test_only_what_could_be_proven_is_a_warning(tmp_path: Path) -> None:
    limit = replace(UNPROVEN, provable_here=False)
    levels = [
        level
        for level, _, _ in annotated(
            UNPROVEN, limit, KEPT, replace(KEPT, outcome=Outcome.WAIVED), root=tmp_path
        )
    ]
    assert levels == ["warning"]


def written(tmp_path: Path, *verdicts: Verdict) -> tuple[str, str]:
    stream, summary = io.StringIO(), tmp_path / "summary.md"
    report = GitHubAnnotations(stream, summary)
    report.begin(RunInfo("id", "check", tmp_path, INFO.started))
    for verdict in verdicts:
        report.add(verdict)
    report.end(SUMMARY)
    return stream.getvalue(), summary.read_text("utf-8")


def test_one_cause_is_one_warning(tmp_path: Path) -> None:
    stream, _ = written(tmp_path, UNPROVEN, replace(UNPROVEN, clause="tinyland-nix/toolchain/jq"))
    assert stream.count("::warning ") == 1


def test_summary_joins_what_the_step_wrote_before(tmp_path: Path) -> None:
    (tmp_path / "summary.md").write_text("# Before\n")
    _, summary = written(tmp_path, SAMPLE, KEPT)
    assert summary.startswith("# Before\n### builder-contracts check: 1 kept, 1 broken, 0 unproven\n")


def test_summary_above_the_limit_is_left_out(tmp_path: Path) -> None:
    before = "x" * (SUMMARY_LIMIT - 100)
    (tmp_path / "summary.md").write_text(before)
    assert written(tmp_path, SAMPLE)[1] == before


def test_summary_of_many_broken_clauses_stays_below_the_limit(tmp_path: Path) -> None:
    many = tuple(replace(CONTRADICTED.contradictions[0], text="x" * 1000) for _ in range(50))
    broken = [replace(CONTRADICTED, clause=f"platform/area{n}/x", contradictions=many) for n in range(100)]
    reasons = [replace(UNPROVEN, clause=f"b{n}/x/y", observation=f"{n}" * 1000) for n in range(1000)]
    _, summary = written(tmp_path, *broken, *reasons)
    assert 0 < len(summary.encode()) < SUMMARY_LIMIT


def test_annotations_as_a_file() -> None:
    text = github.render(recorded(SAMPLE, KEPT, UNPROVEN))
    assert [line.partition(" ")[0] for line in text.splitlines()] == ["::error", "::warning"]
