"""What a person reads."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given

from builder_contracts.errors import Location
from builder_contracts.reporting import terminal
from builder_contracts.reporting.stream import RunSummary, Skipped
from builder_contracts.reporting.terminal import Terminal, format_verdict
from builder_contracts.verdict import Outcome, Verdict
from tests.unit.reporting.samples import (
    CONTRADICTED,
    INFO,
    KEPT,
    SAMPLE,
    SUMMARY,
    UNPROVEN,
    VERDICTS,
    clauses,
    recorded,
)

BLOCK = """\
contracts/tinyland-nix.yaml:21  toolchain/xz  BROKEN
  promised        xz on the job's PATH
  observed        not found in /usr/local/bin:/usr/bin:/bin   (image tinyland-nix@sha256:4f1c00000000…, 0.08 s)
  likely cause    the image lacks the package xz-utils
  try             builder-contracts facts --image tinyland-nix | jq .tools.xz"""


def printed(*verdicts: Verdict, summary: RunSummary = SUMMARY, **options: Any) -> str:
    stream = io.StringIO()
    report = Terminal(stream, **options)
    report.begin(INFO)
    for verdict in verdicts:
        report.add(verdict)
    report.end(summary)
    return stream.getvalue()


def test_broken_promise_reads_like_this() -> None:
    assert format_verdict(SAMPLE) == BLOCK


def test_unproven_promise_gives_a_reason_and_witnesses() -> None:
    verdict = replace(
        UNPROVEN, observation="no stat(1)", why="it\n matters", fix="install stat", witnesses=("client", "server"),
        origin=replace(SAMPLE.origin, image=""),
    )  # fmt: skip
    assert format_verdict(verdict) == (
        "contracts/tinyland-nix.yaml:21  toolchain/xz  UNPROVEN\n"
        "  promised        xz on the job's PATH\n"
        "  reason          no stat(1)\n"
        "  witness         client\n"
        "  witness         server\n"
        "  why it matters  it matters\n"
        "  fix             install stat\n"
        "  try             builder-contracts facts --image tinyland-nix | jq .tools.xz"
    )


def test_contradiction_names_both_places() -> None:
    assert format_verdict(CONTRADICTED) == (
        "flake.nix:7  endpoints/retired-hosts  BROKEN\n"
        "  promised        xz on the job's PATH\n"
        "  observed        cache = old\n"
        "  conflicts with  retired; now new   (contracts/platform/endpoints.yaml:12)\n"
        "  fix             use new"
    )


@given(VERDICTS)
def test_no_runner_text_acts_on_the_terminal(verdict: Verdict) -> None:
    text = format_verdict(verdict)
    assert all(line.isprintable() for line in text.split("\n"))
    labels = (
        r"promised|observed|reason|witness|likely cause|why it matters|fix|try|conflicts with|also on lines"
    )
    for line in "\n".join(text.split("\n\n")).split("\n")[1:]:
        assert re.match(rf"  ({labels})( +|$)", line) or re.search(r"  (BROKEN|KEPT|UNPROVEN|WAIVED)$", line)


def test_broken_clauses_are_printed_as_they_come() -> None:
    stream = io.StringIO()
    report = Terminal(stream)
    report.begin(INFO)
    report.add(SAMPLE)
    assert stream.getvalue() == BLOCK + "\n\n"
    report.add(KEPT)
    assert stream.getvalue() == BLOCK + "\n\n"


def test_one_cause_is_printed_in_full_once() -> None:
    lost = clauses(Outcome.UNPROVEN, ["nix/toolchain/xz", "dind/toolchain/xz"], "no engine")
    text = printed(*lost)
    assert text.count("reason          no engine") == 1
    assert "unproven  toolchain/xz: no engine" in text


def test_limits_of_the_host_are_a_line_in_the_summary() -> None:
    limit = replace(UNPROVEN, provable_here=False, observation="the host has 2 CPUs")
    assert "UNPROVEN" not in printed(limit)
    assert "unproven  toolchain/xz: the host has 2 CPUs" in printed(limit)
    assert "the host has 2 CPUs" not in printed(limit, limits=False)
    assert "UNPROVEN  tinyland-nix/toolchain/xz: the host has 2 CPUs" in printed(
        limit, limits=False, verbose=True
    )


def test_verbose_prints_one_line_per_kept_clause() -> None:
    assert "KEPT      tinyland-nix/toolchain/xz: /usr/bin/xz" in printed(KEPT, verbose=True)
    assert "KEPT" not in printed(KEPT)


def test_skipped_inputs_are_listed_and_cut() -> None:
    summary = replace(SUMMARY, skipped=tuple(Skipped(f"f{n}", "not\x1b YAML") for n in range(12)))
    text = printed(summary=summary)
    assert "skipped (12):\n  f0: not\\x1b YAML\n" in text
    assert "  … and 2 more (--verbose)\n" in text
    assert "f11" in printed(summary=summary, verbose=True)


def test_notes_are_printed_before_the_counts() -> None:
    text = printed(KEPT, summary=replace(SUMMARY, notes=("3 files in 0.1 s",)))
    assert text.index("3 files") < text.index("1 kept")


def test_summary_is_colored_by_the_worst_outcome() -> None:
    def paint(text: str, color: str) -> str:
        return f"<{color}>{text}</>"

    colors = {
        SAMPLE: "<red>tinyland-nix     0 kept   1 broken",
        UNPROVEN: "<yellow>tinyland-nix     0 kept   0 broken   1 unproven",
        replace(
            KEPT, outcome=Outcome.WAIVED
        ): "<yellow>tinyland-nix     0 kept   0 broken   0 unproven   1 waived",
        KEPT: "<green>tinyland-nix     1 kept (1 observed)   0 broken   0 unproven",
    }
    for verdict, line in colors.items():
        assert line in "\n".join(terminal.format_summary([verdict], paint))


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("stream", "env", "colored"),
    [
        (Screen(), {}, True),
        (Screen(), {"NO_COLOR": ""}, True),
        (Screen(), {"NO_COLOR": "1"}, False),
        (io.StringIO(), {}, False),
    ],
)
def test_color_is_for_terminals_without_no_color(
    stream: io.StringIO, env: dict[str, str], colored: bool
) -> None:
    assert (terminal.painter(stream, env)("x", "red") != "x") is colored


def test_file_report_has_no_color_and_the_same_text() -> None:
    assert terminal.render(recorded(SAMPLE, KEPT)) == printed(SAMPLE, KEPT)


def test_nothing_judged_prints_no_summary() -> None:
    assert printed() == ""


def test_hostile_file_name_stays_on_its_line() -> None:
    verdict = replace(SAMPLE, location=Location("a\nb\x1b[2J.yaml", 3))
    assert format_verdict(verdict).startswith("a\\nb\\x1b[2J.yaml:3  toolchain/xz  BROKEN\n")
