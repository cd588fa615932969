"""A testcase that is known to the byte is not read again, and its result is what reading it would give."""

from __future__ import annotations

import io
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from builder_contracts.dashboard.history import junit_reader, repeated_cases
from builder_contracts.dashboard.history.result import Result
from builder_contracts.errors import InputError
from tests.dashboard.reports import case, suite


@pytest.fixture(autouse=True)
def _forget() -> Iterator[None]:
    repeated_cases._results.clear()
    yield
    repeated_cases._results.clear()


def read(content: bytes, size: int = junit_reader.CHUNK) -> list[Result]:
    stream = io.BytesIO(content)
    return junit_reader.read(SimpleNamespace(read=lambda _: stream.read(size)), "report.xml")


def night(day: int, *clauses: str, **rest: str) -> str:
    """Cases of one night; every night has its own times and its own image."""
    about = {"image_digest": f"sha256:{day}", "started": f"2026-03-{day:02}T02:00:11Z", "seconds": f"0.{day}"}
    return "".join(case(clause, **{**about, **rest}) for clause in clauses).replace(
        "time='0.01'", f'time="0.{day}"'
    )


XZ, GIT = "tinyland-nix/toolchain/xz", "tinyland-nix/toolchain/git"


@pytest.mark.parametrize("size", [junit_reader.CHUNK, 700, 7])
def test_repeated_case_is_what_reading_it_would_give(size: int) -> None:
    first = suite(night(1, XZ, GIT))
    simulated = night(2, XZ).encode()
    later = suite(night(2, XZ, GIT, seen="6.0"), night(3, XZ), night(3, GIT, rung="C3")) + b"\n"
    later = later.replace(
        b"</testsuites>", b"<testsuite><properties><property name='simulated' value='true'/>"
    )
    later += b"</properties>" + simulated + b"</testsuite></testsuites>"
    alone = read(later)
    repeated_cases._results.clear()

    read(first)
    assert len(repeated_cases._results) == 2
    assert read(later, size) == alone
    assert [result.simulated for result in alone] == [False] * 4 + [True]
    assert read(later, size) == alone


@pytest.mark.parametrize(
    ("before", "after"),
    [("<!--", "-->"), ("<system-out><![CDATA[", "]]></system-out>"), ("<?note ", "?>")],
)
def test_known_case_that_is_commented_out_is_not_a_result(before: str, after: str) -> None:
    read(suite(night(1, XZ)))

    (result,) = read(suite(night(2, GIT), before, night(2, XZ), after))

    assert result.name == "git"


@pytest.mark.parametrize("content", [b'<testsuite name="', b"<testsuite><testcase name='"])
def test_known_case_in_malformed_xml_is_refused(content: bytes) -> None:
    read(suite(night(1, XZ)))

    with pytest.raises(InputError, match="not well-formed"):
        read(content + night(2, XZ).encode() + b'"/></testsuite>')


@pytest.mark.parametrize(
    "one_case",
    [
        night(1, XZ, verdict="broken"),
        night(1, XZ, ending="<skipped/>"),
        night(1, XZ, environment=""),
        night(1, XZ, measured__cold_seconds="1"),
        night(1, XZ, simulated="true"),
        night(1, XZ).replace("<properties>", "\n<properties>"),
        night(1, XZ, seen="é"),
        night(1, XZ, started="yesterday"),
        '<testcase name="other" time="0.1"/>',
    ],
)
def test_only_kept_cases_that_stand_for_themselves_are_known(one_case: str) -> None:
    assert read(suite(one_case))

    assert repeated_cases._results == {}


def test_a_bad_time_of_a_known_case_is_flagged_as_ever() -> None:
    read(suite(night(1, XZ)))
    flags: list[object] = []
    content = suite(night(2, XZ, started="2026-99-99T02:00:11Z"))

    (result,) = junit_reader.read(io.BytesIO(content), "report.xml", flag=flags.append)

    assert len(flags) == 1
    assert result.started == junit_reader.moment("2026-03-12T02:00:09Z")
