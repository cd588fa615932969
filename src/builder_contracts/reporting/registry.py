"""The report formats, and the parsing of ``--report FORMAT[=FILE]``."""

from __future__ import annotations

import importlib
import os
import tempfile
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from builder_contracts.contract.schemas import nearest
from builder_contracts.errors import InputError, Location, Problem
from builder_contracts.extras import name_missing_extra
from builder_contracts.reporting.github import GitHubAnnotations
from builder_contracts.reporting.jsonl import FILE, JsonLines, PrintedLines
from builder_contracts.reporting.stream import STANDARD_OUTPUT, Report, Reports
from builder_contracts.reporting.terminal import Paint, Terminal, plain
from builder_contracts.reporting.whole_file import Render, WholeFile, to_file

FORMATS: Mapping[str, str] = {
    "terminal": "what is broken with its cause, and a count per builder class",
    "json": "one document: the run and its verdicts",
    "jsonl": "evidence: one verdict per line, appended as the run goes",
    "junit": "JUnit XML: one test case per clause",
    "sarif": "SARIF 2.1.0 for code scanning",
    "github": "GitHub Actions annotations and job summary",
    "gitlab": "GitLab code quality report",
    "markdown": "counts and broken clauses for a comment or a mail",
    "attestation": "in-toto statement about the image of one class, signed with `--sign-key`",
}
"""Every format, and what it holds."""

MODULES = {"json": "json_document"}


@dataclass(frozen=True)
class ReportRequest:
    """A report that the user asked for: ``path`` is None for standard output. ``option`` is how it was spelled."""

    format: str
    path: Path | None
    option: str

    def require_writable(self) -> None:
        """Check that the file can be made, before the work that it reports. Raises InputError."""
        path = self.path
        if path is None:
            return
        try:
            if path.is_file() or path.is_dir():
                path.open("ab").close()
            # What exists and is neither, such as /dev/stdout and >(command), takes what it is given.
            elif not path.exists():
                folder = next(folder for folder in path.parents if folder.exists())
                # The permission alone is not enough: root has it even if nothing can be written.
                tempfile.TemporaryFile(dir=folder).close()
        except OSError as error:
            message = f"{self.option}: cannot write {path}: {error.strerror}"
            raise _usage_error(message, "choose a path where files can be created") from None


def parse_report(text: str, cwd: Path) -> ReportRequest:
    """The report that ``--report FORMAT[=FILE]`` requests; ``-`` is standard output. Raises InputError."""
    name, equals, file = text.partition("=")
    if name not in FORMATS:
        guess = nearest(name, FORMATS)
        raise _usage_error(
            f"--report {text}: unknown format {name!r}",
            f"did you mean {guess}?" if guess else f"use one of {', '.join(FORMATS)}",
        )
    if equals and not file:
        raise _usage_error(
            f"--report {text}: no file after '='", f"use --report {name}=FILE, or --report {name}"
        )
    return ReportRequest(name, None if file in ("", "-") else cwd / file, f"--report {name}")


def report_requests(
    reports: Iterable[str],
    cwd: Path,
    *,
    form: str | None = None,
    evidence: str | os.PathLike[str] | None = None,
    junitxml: str | os.PathLike[str] | None = None,
) -> tuple[ReportRequest, ...]:
    """All reports of a command line, in every spelling. Raises InputError for a file that cannot be written."""
    requests = [parse_report(text, cwd) for text in reports]
    if form is not None:
        requests.append(ReportRequest(form, None, f"--format {form}"))
    if evidence is not None:
        requests.append(ReportRequest("jsonl", cwd / evidence / FILE, "--evidence"))
    if junitxml is not None:
        requests.append(ReportRequest("junit", cwd / junitxml, "--junitxml"))
    printed = [request.option for request in requests if request.path is None and request.format != "github"]
    if len(printed) > 1:
        raise _usage_error(
            f"{' and '.join(printed)} all write to standard output", "give all but one a file: FORMAT=FILE"
        )
    options: dict[Path, str] = {}
    for request in requests:
        if request.path is None:
            continue
        if request.path in options:
            message = f"{options[request.path]} and {request.option} both write {request.path}"
            raise _usage_error(message, "give each report a file of its own")
        options[request.path] = request.option
        request.require_writable()
    return tuple(requests)


def require_attestable(
    requests: Iterable[ReportRequest], classes: Collection[str], runners: Sequence[str]
) -> None:
    """Refuse before the run what no attestation can be made of; a checkout has no runner. Raises InputError."""
    option = next((request.option for request in requests if request.format == "attestation"), "")
    if not option:
        return
    if not runners:
        raise _usage_error(
            f"{option}: an attestation is about an image, and a checkout has none",
            "use it with 'check'",
        )
    if len(runners) > 1:
        raise _usage_error(
            f"{option}: an attestation is about one runner, and {len(runners)} are compared",
            "run once for each",
        )
    (runner,) = runners
    if runner == "local" or runner.startswith("ssh://"):
        raise _usage_error(
            f"{option}: an attestation is about an image, and --runner {runner} sees none",
            "use another runner",
        )
    if len(classes) > 1:
        raise _usage_error(
            f"{option}: an attestation is about one class, and {len(classes)} are selected",
            "select one with --builder, and run once for each",
        )


def signer(
    key: Path | None, requests: Iterable[ReportRequest], env: Mapping[str, str] = os.environ
) -> Callable[[str], str] | None:
    """The function that signs attestations with the key in a file, or None without one. Raises InputError."""
    if key is None:
        return None
    if not any(request.format == "attestation" for request in requests):
        raise _usage_error("--sign-key without an attestation", "add --report attestation=FILE")
    with name_missing_extra():
        from builder_contracts.attest import envelope

    loaded = envelope.load_private_key(key, env.get(envelope.PASSPHRASE, ""))
    return lambda statement: envelope.sign(statement.encode(), loaded)


def open_reports(
    requests: Sequence[ReportRequest],
    *,
    stdout: TextIO,
    stderr: TextIO,
    paint: Paint = plain,
    verbose: bool = False,
    limits: bool = True,
    terminal: bool = True,
    env: Mapping[str, str] = os.environ,
    sign: Callable[[str], str] | None = None,
) -> Reports:
    """Listeners for one run. Without a report on standard output the terminal's is printed there.

    ``limits`` False leaves reasons out of the summary that this host can never change, unless ``verbose``.
    ``terminal`` is False where another program, such as pytest, prints the verdicts. In GitHub Actions annotations
    and a job summary come by themselves. ``sign`` makes the signed form of an attestation.
    """
    reports: list[tuple[str, Report]] = []
    printed = any(
        request.path is None and request.format not in ("github", "terminal") for request in requests
    )
    if terminal and not printed:
        reports.append((STANDARD_OUTPUT, Terminal(stdout, paint=paint, verbose=verbose, limits=limits)))
    on_github = env.get("GITHUB_ACTIONS") == "true"
    if on_github or any(request.format == "github" and request.path is None for request in requests):
        summary = env.get("GITHUB_STEP_SUMMARY")
        # A runner reads commands from both streams; a document on standard output stays what it is.
        stream = stderr if printed or not terminal else stdout
        reports.append(("the job summary", GitHubAnnotations(stream, Path(summary) if summary else None)))
    reports += [
        (str(request.path or STANDARD_OUTPUT), _report(request, stdout, sign))
        for request in requests
        if not (request.path is None and request.format in ("github", "terminal"))
    ]
    return Reports(reports)


def _report(request: ReportRequest, stdout: TextIO, sign: Callable[[str], str] | None) -> Report:
    if request.format == "jsonl":
        return JsonLines(request.path) if request.path else PrintedLines(stdout)
    # A format is imported when it is used.
    module = importlib.import_module(
        f"builder_contracts.reporting.{MODULES.get(request.format, request.format)}"
    )
    render: Render = module.render
    if request.format == "attestation" and sign is not None:
        render = _signed(render, sign)
    return WholeFile(render, to_file(request.path) if request.path else _to_stream(stdout))


def _signed(render: Render, sign: Callable[[str], str]) -> Render:
    return lambda record: sign(render(record))


def _to_stream(stream: TextIO) -> Callable[[str], None]:
    def write(text: str) -> None:
        stream.write(text)
        stream.flush()

    return write


def _usage_error(message: str, fix: str) -> InputError:
    return InputError([Problem(Location("command line"), message, fix)])
