"""JUnit XML."""

from __future__ import annotations

import io
from dataclasses import replace
from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from builder_contracts.dashboard.history.junit_reader import read
from builder_contracts.reporting import junit
from builder_contracts.reporting.verdict_data import to_properties
from builder_contracts.verdict import Outcome, Verdict
from tests.unit.reporting.samples import KEPT, SAMPLE, UNPROVEN, VERDICTS, recorded

LIMIT = replace(UNPROVEN, provable_here=False)
WAIVED = replace(KEPT, outcome=Outcome.WAIVED)


def suite(*verdicts: Verdict) -> ElementTree.Element:
    found = ElementTree.fromstring(junit.render(recorded(*verdicts))).find("testsuite")  # noqa: S314 # our own
    assert found is not None
    return found


def test_counts_are_those_of_the_cases() -> None:
    element = suite(SAMPLE, KEPT, UNPROVEN, LIMIT, WAIVED)
    counts = {name: element.get(name) for name in ("name", "tests", "failures", "errors", "skipped")}
    assert counts == {"name": "check", "tests": "5", "failures": "1", "errors": "1", "skipped": "2"}
    assert len(element.findall("testcase/failure")) == len(element.findall("testcase/error")) == 1
    assert [skip.get("message") for skip in element.findall("testcase/skipped")] == [
        "unproven: no engine",
        "waived: /usr/bin/xz",
    ]


def test_case_is_the_clause_with_its_verdict() -> None:
    (case,) = suite(SAMPLE).findall("testcase")
    assert (case.get("classname"), case.get("name")) == ("tinyland-nix", "toolchain/xz")
    pairs = [(item.get("name"), item.get("value")) for item in case.findall("properties/property")]
    assert pairs == to_properties(SAMPLE)
    failure = case.find("failure")
    assert failure is not None
    assert "likely cause    the image lacks" in (failure.text or "")


def test_cases_of_compared_runners_have_different_names() -> None:
    runners = [replace(SAMPLE, origin=replace(SAMPLE.origin, runner=name)) for name in ("docker", "local")]
    names = [case.get("name") for case in suite(*runners).findall("testcase")]
    assert names == ["toolchain/xz (docker)", "toolchain/xz (local)"]


@given(st.lists(VERDICTS, max_size=3))
def test_any_text_is_well_formed_xml(verdicts: list[Verdict]) -> None:
    assert len(suite(*verdicts).findall("testcase")) == len(verdicts)


def test_history_reads_the_report() -> None:
    started = "2026-03-12T02:00:11Z"
    verdicts = [
        replace(verdict, origin=replace(verdict.origin, started=started))
        for verdict in (SAMPLE, KEPT, UNPROVEN, WAIVED)
    ]
    results = read(io.BytesIO(junit.render(recorded(*verdicts)).encode()), "junit.xml")
    assert [result.verdict for result in results] == [verdict.outcome for verdict in verdicts]
    assert results[0].promised == SAMPLE.promise
    assert results[0].seen == SAMPLE.observation
    assert results[0].likely == SAMPLE.cause
    assert results[0].look == SAMPLE.inspect
    assert results[0].source == str(SAMPLE.location)
