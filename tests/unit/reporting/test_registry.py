"""What --report means, and which reports a run has."""

from __future__ import annotations

import importlib
import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from builder_contracts.errors import InputError
from builder_contracts.reporting import registry
from builder_contracts.reporting.registry import (
    FORMATS,
    ReportRequest,
    open_reports,
    parse_report,
    report_requests,
)
from tests.unit.reporting.samples import INFO, KEPT, SAMPLE, SUMMARY

CWD = Path("/work")


def streams(*requests: ReportRequest, env: dict[str, str] | None = None, **options: Any) -> tuple[str, str]:
    """What a run with these reports writes to standard output and standard error."""
    stdout, stderr = io.StringIO(), io.StringIO()
    with open_reports(requests, stdout=stdout, stderr=stderr, env=env or {}, **options) as reports:
        reports.begin(replace(INFO, root=Path.cwd()))
        reports.add(SAMPLE)
        reports.add(KEPT)
        reports.end(SUMMARY)
    assert reports.failures == []
    return stdout.getvalue(), stderr.getvalue()


@pytest.mark.parametrize(
    ("text", "request_"),
    [
        ("json", ReportRequest("json", None, "--report json")),
        ("json=-", ReportRequest("json", None, "--report json")),
        ("junit=out/j.xml", ReportRequest("junit", Path("/work/out/j.xml"), "--report junit")),
        ("sarif=/tmp/a=b.sarif", ReportRequest("sarif", Path("/tmp/a=b.sarif"), "--report sarif")),
    ],
)
def test_report_option_is_a_format_and_a_file(text: str, request_: ReportRequest) -> None:
    assert parse_report(text, CWD) == request_


@pytest.mark.parametrize(
    ("text", "message", "fix"),
    [
        ("sarf=x", "unknown format 'sarf'", "did you mean sarif?"),
        ("", "unknown format ''", "use one of terminal, json, jsonl"),
        ("json=", "no file after '='", "use --report json=FILE"),
    ],
)
def test_report_option_that_means_nothing(text: str, message: str, fix: str) -> None:
    with pytest.raises(InputError) as error:
        parse_report(text, CWD)
    assert message in str(error.value)
    assert fix in str(error.value)


def test_every_spelling_is_a_report(tmp_path: Path) -> None:
    requests = report_requests(["sarif=s.sarif"], tmp_path, form="json", evidence="e", junitxml=Path("j.xml"))
    assert [(request.format, request.path) for request in requests] == [
        ("sarif", tmp_path / "s.sarif"),
        ("json", None),
        ("jsonl", tmp_path / "e" / "evidence.jsonl"),
        ("junit", tmp_path / "j.xml"),
    ]
    assert list(tmp_path.iterdir()) == []


def test_two_documents_on_standard_output_are_refused() -> None:
    with pytest.raises(InputError, match="--report sarif and --format json all write to standard output"):
        report_requests(["sarif", "junit=/tmp/x"], CWD, form="json")


def test_two_reports_in_one_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--report json and --junitxml both write "):
        report_requests(["json=x"], tmp_path, junitxml="x")
    with pytest.raises(InputError, match="--report json and --report json both write "):
        report_requests(["json=x", "json=x"], tmp_path)


def test_annotations_do_not_count_as_a_document() -> None:
    assert len(report_requests(["github", "json"], CWD)) == 2


@pytest.mark.parametrize("place", ["file/report.json", "/proc/report.json"])
def test_file_that_cannot_be_made_is_refused_before(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"--report json: cannot write .*report\.json: "):
        report_requests([f"json={place}"], tmp_path)


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_writes_a_file(tmp_path: Path, name: str) -> None:
    request = parse_report(f"{name}={tmp_path / 'new' / 'report'}", CWD)
    stdout, _ = streams(request)
    assert "toolchain/xz" in (tmp_path / "new" / "report").read_text("utf-8")
    assert "BROKEN" in stdout, "the terminal stays"
    assert [entry.name for entry in (tmp_path / "new").iterdir()] == ["report"]


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_can_be_printed(name: str) -> None:
    stdout, stderr = streams(parse_report(name, CWD))
    assert "toolchain/xz" in stdout
    assert stderr == ""
    is_for_people = stdout.startswith("contracts/tinyland-nix.yaml:21  toolchain/xz  BROKEN")
    assert is_for_people is (name in ("terminal", "github"))


def test_document_on_standard_output_is_alone() -> None:
    stdout, _ = streams(parse_report("json", CWD))
    assert json.loads(stdout)["counts"]["broken"] == 1


def test_github_reports_come_by_themselves(tmp_path: Path) -> None:
    env = {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md")}
    stdout, _ = streams(env=env)
    assert "\n::error " in stdout
    assert "1 kept, 1 broken" in (tmp_path / "summary.md").read_text("utf-8")


@pytest.mark.parametrize("env", [{}, {"GITHUB_ACTIONS": "false"}])
def test_elsewhere_no_annotations_come(env: dict[str, str]) -> None:
    assert "::error" not in streams(env=env)[0]


def test_annotations_leave_a_printed_document_alone() -> None:
    stdout, stderr = streams(parse_report("json", CWD), env={"GITHUB_ACTIONS": "true"})
    assert json.loads(stdout)
    assert stderr.startswith("::error ")


def test_asked_for_annotations_come_once() -> None:
    stdout, _ = streams(parse_report("github", CWD), env={"GITHUB_ACTIONS": "true"})
    assert stdout.count("::error ") == 1


def test_other_program_prints_the_verdicts() -> None:
    assert streams(terminal=False) == ("", "")


def test_every_format_has_a_module_that_renders() -> None:
    for name in FORMATS.keys() - {"jsonl"}:
        module = registry.__package__ + "." + registry.MODULES.get(name, name)
        assert callable(importlib.import_module(module).render)


def test_the_page_on_reports_has_every_format() -> None:
    page = (Path(__file__).parents[3] / "docs/reference/reports.md").read_text("utf-8")
    for name, text in FORMATS.items():
        assert f"| `{name}` | {text} |" in page
