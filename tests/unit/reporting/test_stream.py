"""Reports listen to one stream; one that fails is named, and the others go on."""

from __future__ import annotations

import errno
import io
from dataclasses import replace
from pathlib import Path

import pytest

from builder_contracts.errors import ExitCode
from builder_contracts.redaction import learn_secrets
from builder_contracts.reporting import json_document
from builder_contracts.reporting.registry import FORMATS, ReportRequest, open_reports
from builder_contracts.reporting.stream import STANDARD_OUTPUT, Reports, RunInfo, RunSummary, Skipped
from builder_contracts.reporting.whole_file import WholeFile, to_file
from builder_contracts.verdict import Verdict
from tests.unit.reporting.samples import CONTRADICTED, INFO, KEPT, SAMPLE, SUMMARY


class Recorder:
    """A report that keeps what it is given, and fails where it is asked to."""

    def __init__(self, fails: str = "", error: OSError | None = None) -> None:
        self.calls: list[str] = []
        self.verdicts: list[Verdict] = []
        self._fails = fails
        self._error = error or OSError(errno.ENOSPC, "No space left on device")

    def _call(self, name: str) -> None:
        self.calls.append(name)
        if name == self._fails:
            raise self._error

    def begin(self, _: RunInfo, /) -> None:
        self._call("begin")

    def add(self, verdict: Verdict) -> None:
        self._call("add")
        self.verdicts.append(verdict)

    def end(self, _: RunSummary, /) -> None:
        self._call("end")

    def abandon(self) -> None:
        self.calls.append("abandon")


def run(reports: Reports) -> ExitCode:
    with reports:
        reports.begin(INFO)
        reports.add(SAMPLE)
        reports.add(KEPT)
        return reports.end(SUMMARY)


def test_every_report_hears_the_whole_run() -> None:
    first, second = Recorder(), Recorder()
    assert run(Reports([("a", first), ("b", second)])) is ExitCode.BROKEN
    assert first.calls == second.calls == ["begin", "add", "add", "end"]


def test_verdicts_carry_the_id_of_the_run() -> None:
    recorder = Recorder()
    run(Reports([("a", recorder)]))
    assert [verdict.origin.run for verdict in recorder.verdicts] == ["abc123", "abc123"]


def test_verdict_keeps_the_run_that_it_came_from() -> None:
    recorder = Recorder()
    reports = Reports([("a", recorder)])
    reports.begin(INFO)
    other = replace(SAMPLE, origin=replace(SAMPLE.origin, run="other"))
    assert reports.add(other) == other == recorder.verdicts[0]


@pytest.mark.parametrize("moment", ["begin", "add", "end"])
def test_failed_report_is_named_and_others_go_on(moment: str) -> None:
    broken, whole = Recorder(moment), Recorder()
    reports = Reports([("junit.xml", broken), ("b", whole)])
    assert run(reports) is ExitCode.CANNOT_RUN
    assert [str(failure) for failure in reports.failures] == [
        "cannot write junit.xml: No space left on device"
    ]
    assert broken.calls[-2:] == [moment, "abandon"]
    assert whole.calls == ["begin", "add", "add", "end"]


@pytest.mark.parametrize("error", [BrokenPipeError(), OSError(errno.ENOSPC, "No space left on device")])
def test_output_that_takes_no_more_ends_the_run(error: OSError) -> None:
    recorder = Recorder("add", error)
    reports = Reports([(STANDARD_OUTPUT, recorder)])
    with pytest.raises(type(error)):
        run(reports)
    assert recorder.calls == ["begin", "add", "abandon"]


def test_files_are_completed_before_the_output_error() -> None:
    recorder = Recorder()
    reports = Reports([(STANDARD_OUTPUT, Recorder("add", BrokenPipeError())), ("a", recorder)])
    with pytest.raises(BrokenPipeError):
        run(reports)
    assert recorder.calls == ["begin", "add", "add", "end"]
    assert reports.failures == []


TOKEN = "aB3dE5gH7jK9mN2pQ4rS"


@pytest.mark.parametrize("form", FORMATS)
def test_no_report_has_a_secret_that_was_learnt(tmp_path: Path, form: str) -> None:
    learn_secrets(TOKEN)
    leaky = replace(
        SAMPLE,
        observation=f"DOCKER_HOST=tcp://u:{TOKEN}@h",
        cause=f"cut {TOKEN[:-3]}",
        observed={"how": [TOKEN]},
        expected={TOKEN: 1},
        witnesses=(f"proxy: {TOKEN}",),
    )
    contradicted = replace(
        CONTRADICTED, contradictions=(replace(CONTRADICTED.contradictions[0], text=f"token = {TOKEN}"),)
    )
    summary = replace(
        SUMMARY, skipped=(Skipped("a.yaml", TOKEN),), notes=(TOKEN,), details={"findings": [{"says": TOKEN}]}
    )
    stdout = io.StringIO()
    path = tmp_path / "report"
    request = ReportRequest(form, path, form)
    with open_reports([request], stdout=stdout, stderr=stdout, env={"GITHUB_ACTIONS": "true"}) as reports:
        reports.begin(replace(INFO, root=Path.cwd()))
        # An attestation is about one class.
        for verdict in (leaky,) if form == "attestation" else (leaky, contradicted):
            reports.add(verdict)
        reports.end(summary)
    text = path.read_text("utf-8") + stdout.getvalue()
    assert "toolchain/xz" in text
    assert TOKEN[:12] not in text


def whole_file(path: Path) -> Reports:
    return Reports([(str(path), WholeFile(json_document.render, to_file(path)))])


def test_run_that_does_not_end_leaves_no_file(tmp_path: Path) -> None:
    def killed() -> None:
        with whole_file(tmp_path / "report.json") as reports:
            reports.begin(INFO)
            reports.add(SAMPLE)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        killed()
    assert list(tmp_path.iterdir()) == []


def test_full_disk_keeps_the_report_of_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "report.json"
    assert run(whole_file(path)) is ExitCode.BROKEN
    before = path.read_bytes()

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    reports = whole_file(path)
    assert run(reports) is ExitCode.CANNOT_RUN
    assert [failure.name for failure in reports.failures] == [str(path)]
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["report.json"]


def test_real_full_device_is_named() -> None:
    reports = whole_file(Path("/dev/full"))
    assert run(reports) is ExitCode.CANNOT_RUN
    assert [str(failure) for failure in reports.failures] == [
        "cannot write /dev/full: No space left on device"
    ]


def test_folder_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    reports = whole_file(tmp_path / "file" / "report.json")
    assert run(reports) is ExitCode.CANNOT_RUN
    assert "cannot write" in str(reports.failures[0])
