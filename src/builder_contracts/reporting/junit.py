"""JUnit XML: a suite per run, a test case per clause, the verdict in its properties."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from builder_contracts.reporting.tally import runner_suffix, several_runners
from builder_contracts.reporting.terminal import format_verdict
from builder_contracts.reporting.verdict_data import to_properties
from builder_contracts.reporting.whole_file import RunRecord
from builder_contracts.verdict import Outcome, Verdict

# What XML 1.0 cannot hold.
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def render(record: RunRecord) -> str:
    """The same properties as the pytest face writes."""
    verdicts = record.verdicts
    suites = ElementTree.Element("testsuites")
    suite = ElementTree.SubElement(
        suites,
        "testsuite",
        name=record.info.command,
        time=f"{record.summary.seconds:.3f}",
        tests=str(len(verdicts)),
        failures=str(sum(verdict.outcome is Outcome.BROKEN for verdict in verdicts)),
        errors=str(sum(_is_error(verdict) for verdict in verdicts)),
        skipped=str(sum(_is_skip(verdict) for verdict in verdicts)),
    )
    if record.info.started:
        suite.set("timestamp", record.info.started)
    several = several_runners(verdicts)
    for verdict in verdicts:
        _case(suite, verdict, runner_suffix(verdict) if several else "")
    ElementTree.indent(suites)
    return f'<?xml version="1.0" encoding="utf-8"?>\n{ElementTree.tostring(suites, encoding="unicode")}\n'


def _case(suite: ElementTree.Element, verdict: Verdict, runner: str) -> None:
    case = ElementTree.SubElement(
        suite,
        "testcase",
        classname=_xml(verdict.builder),
        name=_xml(f"{verdict.local_id}{runner}"),
        time=f"{verdict.origin.seconds:.3f}",
    )
    properties = ElementTree.SubElement(case, "properties")
    for name, value in to_properties(verdict):
        ElementTree.SubElement(properties, "property", name=_xml(name), value=_xml(value))
    message = _xml(verdict.observation)
    if verdict.outcome is Outcome.BROKEN:
        ElementTree.SubElement(case, "failure", message=message).text = _xml(format_verdict(verdict))
    elif _is_error(verdict):
        ElementTree.SubElement(case, "error", message=message).text = _xml(format_verdict(verdict))
    elif _is_skip(verdict):
        ElementTree.SubElement(case, "skipped", message=f"{verdict.outcome.value}: {message}")


def _is_error(verdict: Verdict) -> bool:
    return verdict.outcome is Outcome.UNPROVEN and verdict.provable_here


def _is_skip(verdict: Verdict) -> bool:
    return verdict.outcome is Outcome.WAIVED or (
        verdict.outcome is Outcome.UNPROVEN and not verdict.provable_here
    )


def _xml(text: str) -> str:
    return _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text)
