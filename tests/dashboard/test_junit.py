"""JUnit of many tools is read; JUnit that is made to do harm is refused; nothing unseen counts as kept."""

from __future__ import annotations

import io
import subprocess
import sys
import tracemalloc
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder_contracts.dashboard.history import junit_reader
from builder_contracts.dashboard.history.result import ONE_WITNESS, MeasurementRow, Result
from builder_contracts.errors import InputError, Location, Problem
from builder_contracts.reporting.verdict_data import to_properties
from builder_contracts.verdict import Origin, Outcome, Rung, Verdict
from tests.dashboard.reports import case, suite

RECORDED = Path(__file__).parent / "junit"
KEPT, BROKEN, UNPROVEN, WAIVED = Outcome.KEPT, Outcome.BROKEN, Outcome.UNPROVEN, Outcome.WAIVED


def read(
    content: bytes,
    name: str = "report.xml",
    builder: str = "",
    flag: Callable[[Problem], None] = lambda _: None,
) -> list[Result]:
    return junit_reader.read(io.BytesIO(content), name, builder=builder, flag=flag)


def only(content: bytes) -> Result:
    (result,) = read(content)
    return result


# --- ours ------------------------------------------------------------------------------------------


def test_own_clause_is_read_with_all_its_properties() -> None:
    verdict = Verdict(
        clause="tinyland-nix/filesystem/nix/store",
        outcome=BROKEN,
        rung=Rung.LIVE,
        promise="/nix/store is writable",
        observation="read-only",
        location=Location("contracts/tinyland-nix.yaml", 40),
        cause="mounted read-only",
        fix="mount it writable",
        inspect="builder-contracts facts",
        why="builds write there",
        origin=Origin(
            image="tinyland-nix",
            image_digest="sha256:4f1c",
            contract_digest="sha256:c0de",
            engine="Docker Engine 26.1",
            host="honey",
            runner="local",
            attribution="runner honey-3",
            environment="tinyland",
            started="2026-03-12T02:00:11Z",
            seconds=0.25,
        ),
        witnesses=("client: EROFS", "server: none"),
        one_witness=True,
    )
    properties = dict(to_properties(verdict))
    clause = properties.pop("clause")
    witness = "".join(
        f'<properties><property name="witness" value="{one}"/></properties>' for one in verdict.witnesses
    )
    del properties["witness"]

    result = only(suite(case(clause, ending=f'{witness}<failure message="x"/>', **properties)))

    assert result == Result(
        environment="tinyland",
        builder="tinyland-nix",
        kind="filesystem",
        name="nix/store",
        verdict=BROKEN,
        rung=Rung.LIVE,
        started=1773280811000,
        seconds=0.25,
        promised="/nix/store is writable",
        seen="read-only",
        source="contracts/tinyland-nix.yaml:40",
        likely="mounted read-only; mount it writable",
        look="builder-contracts facts",
        why="builds write there",
        image="tinyland-nix",
        image_digest="sha256:4f1c",
        contract_digest="sha256:c0de",
        engine="Docker Engine 26.1",
        host="honey",
        runner="local",
        identity="runner honey-3",
        witnesses=("client: EROFS", "server: none", ONE_WITNESS),
    )


def test_measurements_carry_their_budget() -> None:
    result = only(
        suite(
            case(measured__cold_seconds="96.2", budget__cold_seconds="240", measured__cache_hit_ratio="0.98")
        )
    )

    assert result.measurements == (
        MeasurementRow("cold_seconds", 96.2, 240.0),
        MeasurementRow("cache_hit_ratio", 0.98, None),
    )


@pytest.mark.parametrize(
    ("stated", "ending", "verdict"),
    [
        ("kept", "", KEPT),
        ("kept", '<failure message="teardown"/>', BROKEN),
        ("kept", '<error message="teardown"/>', UNPROVEN),
        ("broken", "", BROKEN),
        ("broken", "<error/>", BROKEN),
        ("unproven", "<skipped/>", UNPROVEN),
        ("unproven", "", UNPROVEN),
        ("waived", "<skipped/>", WAIVED),
        ("waived", "<failure/>", BROKEN),
        ("", "", KEPT),
        ("", "<skipped/>", UNPROVEN),
        ("", "<error/>", UNPROVEN),
        ("", "<failure/>", BROKEN),
        ("", "<error/><failure/>", BROKEN),
        ("", "<failure/><error/>", BROKEN),
    ],
)
def test_worse_of_property_and_status_counts(stated: str, ending: str, verdict: Outcome) -> None:
    assert only(suite(case(verdict=stated, ending=ending))).verdict is verdict


def test_no_rung_is_claimed_for_what_was_not_seen() -> None:
    assert only(suite(case(rung="C3"))).rung is Rung.LIVE
    assert only(suite(case(rung="C3", ending="<error/>"))).rung is None


def test_a_suite_property_speaks_for_its_cases_only() -> None:
    inside = '<properties><property name="simulated" value="true"/></properties>'
    content = (
        f"<testsuites><testsuite name='a'>{inside}{case()}</testsuite>"
        f"<testsuite name='b'>{case()}</testsuite></testsuites>"
    )

    assert [result.simulated for result in read(content.encode())] == [True, False]


# --- other tools -------------------------------------------------------------------------------------

TOOLS = {
    "bats-1.8.xml": (1, 1, 1),
    "gotestsum-1.13.xml": (1, 4, 1),
    "jest-29.7-jest-junit-16.0.xml": (2, 1, 1),
    "mocha-10.8-xunit-reporter.xml": (1, 2, 1),
    "playwright-1.65.xml": (2, 1, 1),
    "surefire-3.2.xml": (2, 1, 2),
    "cargo-nextest-0.9.xml": (2, 1, 0),
    "ctest-3.25.xml": (1, 1, 3),
    "googletest-1.12.xml": (1, 1, 2),
    "goss-0.4.9.xml": (2, 1, 1),
    "mocha-10.8-mocha-junit-reporter-2.2.xml": (1, 1, 1),
    "node-20.20-test-runner.xml": (2, 1, 2),
    "robotframework-7.5.xml": (1, 1, 1),
    "vitest-5.1.xml": (1, 1, 1),
}


def test_every_recorded_report_is_expected_here() -> None:
    assert {path.name for path in RECORDED.glob("*.xml")} == set(TOOLS)


@pytest.mark.parametrize("name", TOOLS)
def test_reads_what_other_tools_really_wrote(name: str) -> None:
    flags: list[Problem] = []
    results = read((RECORDED / name).read_bytes(), name, flag=flags.append)

    # Jest's todo looks like a test that passed; only its suite's count tells.
    assert len(flags) == name.startswith("jest"), flags
    verdicts = Counter(result.verdict for result in results)
    assert (verdicts[KEPT], verdicts[BROKEN], verdicts[UNPROVEN]) == TOOLS[name]
    assert all(result.rung is None for result in results), "no other tool's test shows a rung"
    assert {result.kind for result in results} == {"test"}
    assert len({result.name for result in results}) == len(results)
    if name not in ("node-20.20-test-runner.xml", "surefire-3.2.xml"):
        assert all(result.started and result.started > 1.7e12 for result in results)
    assert all(result.seen for result in results if result.verdict is BROKEN and name != "ctest-3.25.xml")


def test_case_not_run_by_status_alone_is_not_kept() -> None:
    for name, test in (("ctest-3.25.xml", "off"), ("googletest-1.12.xml", "Cache::DISABLED_Off")):
        found = {result.name: result for result in read((RECORDED / name).read_bytes(), name)}
        assert found[test].verdict is UNPROVEN
        assert "did not run" in found[test].seen


@pytest.mark.parametrize("family", ["xunit1", "xunit2"])
def test_reads_what_pytest_writes_in_both_of_its_families(family: str, tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(
        "import pytest\n"
        "@pytest.fixture\n"
        "def gone(): raise OSError('no cache')\n"
        "def test_kept(): pass\n"
        "def test_broken(): assert 1 == 2, 'seen a miss'\n"
        "def test_unproven(gone): pass\n"
        "@pytest.mark.skip(reason='not here')\n"
        "def test_skipped(): pass\n"
        "@pytest.mark.parametrize('text', ['<script>alert(1)</script>'])\n"
        "def test_hostile(text): pass\n"
    )
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "no:cacheprovider",
        "-c",
        "/dev/null",
        "--rootdir",
        str(tmp_path),
    ]
    subprocess.run(
        [*command, "-o", f"junit_family={family}", "--junitxml", "out.xml", "-q", "test_it.py"],
        cwd=tmp_path,
        check=False,
        capture_output=True,
        timeout=120,
    )

    results = {result.name: result for result in read((tmp_path / "out.xml").read_bytes())}

    assert {name: result.verdict for name, result in results.items()} == {
        "test_it::test_kept": KEPT,
        "test_it::test_broken": BROKEN,
        "test_it::test_unproven": UNPROVEN,
        "test_it::test_skipped": UNPROVEN,
        "test_it::test_hostile[<script>alert(1)</script>]": KEPT,
    }
    assert "seen a miss" in results["test_it::test_broken"].seen
    assert all(result.started for result in results.values())


def test_names_that_the_file_does_not_give_come_from_the_caller() -> None:
    content = b"<testsuite><testcase name='a'/></testsuite>"

    assert read(content, "reports/night.xml")[0].builder == "night"
    assert read(content, builder="tinyland-nix")[0].builder == "tinyland-nix"


def test_a_time_without_an_offset_is_utc() -> None:
    assert junit_reader.moment("2026-03-12T02:00:11") == junit_reader.moment("2026-03-12T02:00:11Z")
    assert junit_reader.moment("2026-03-12T03:00:11+01:00") == junit_reader.moment("2026-03-12T02:00:11Z")


# --- hostile and broken ------------------------------------------------------------------------------

XXE = b"""<?xml version="1.0"?><!DOCTYPE t [<!ENTITY x SYSTEM "file:///etc/passwd">]>
<testsuite><testcase name="a"><failure message="&x;"/></testcase></testsuite>"""
LAUGHS = b"""<?xml version="1.0"?><!DOCTYPE t [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;">]>
<testsuite><testcase name="&c;"/></testsuite>"""

REFUSED = {
    "an external entity": (XXE, "declares a document type"),
    "entities that multiply": (LAUGHS, "declares a document type"),
    "an external document type": (
        b'<!DOCTYPE t SYSTEM "http://127.0.0.1:9/x"><testsuite/>',
        "declares a document type",
    ),
    "an entity that nobody declared": (b"<testsuite><testcase name='&x;'/></testsuite>", "undefined entity"),
    "a file cut short": (suite(case())[:-30], "not well-formed"),
    "no XML": (b"\x89PNG\r\n", "not well-formed"),
    "an empty file": (b"", "not well-formed"),
    "a character that XML has not": (
        "<testsuite><testcase name='\uffff'/></testsuite>".encode(),
        "not well-formed",
    ),
    "an encoding of several bytes a character": (
        "<?xml version='1.0' encoding='shift_jis'?><testsuite name='\u30cb'/>".encode("shift_jis"),
        "cannot decode",
    ),
    "an encoding with a state": (
        b"<?xml version='1.0' encoding='utf-7'?><testsuite name='+MMs-'/>",
        "cannot decode",
    ),
    "an encoding that nobody knows": (
        b"<?xml version='1.0' encoding='klingon'?><testsuite/>",
        "cannot decode: unknown encoding: klingon",
    ),
    "another format": (b"<html></html>", "not JUnit: root element is <html>"),
    "an unknown verdict": (suite(case(verdict="great")), "outcome is 'great'"),
    "an unknown rung": (suite(case(rung="C9")), "rung is 'C9'"),
    "a clause without a kind": (
        suite("<testcase name='a'><properties><property name='clause' value='x'/></properties></testcase>"),
        "clause is 'x'",
    ),
    "deep nesting": (b"<testsuite>" * 100 + b"</testsuite>" * 100, "nests elements deeper than 64 levels"),
    "deep nesting inside a case": (
        b"<testsuite><testcase>" + b"<a>" * 100 + b"</a>" * 100 + b"</testcase></testsuite>",
        "nests elements deeper than 64 levels",
    ),
    "endless properties": (
        suite(case(ending="<property name='a' value='b'/>" * 10_001)),
        "more than 10,000 properties",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_refuses_with_file_line_and_reason(what: str) -> None:
    content, reason = REFUSED[what]

    with pytest.raises(InputError) as refused:
        read(content, "evil.xml")

    (problem,) = refused.value.problems
    assert problem.source.file == "evil.xml"
    assert problem.source.line >= 1
    assert reason in problem.message
    assert problem.fix


ESCAPE = b"\x1b[31m"
FLAGGED = {
    "a time that is none": (suite(case(started="yesterday")), "'yesterday' is not an ISO 8601 timestamp"),
    "seconds that are none": (suite(case(seconds="nan")), "time is 'nan'"),
    "negative seconds": (suite(case(seconds="-1")), "time is '-1'"),
    "seconds that no clock ever counted": (suite(case(seconds="1.79e308")), "time is '1.79e308'"),
    "a comma before decimals": (suite(case(seconds="1,5")), "time is '1,5'"),
    "a measurement that is none": (
        suite(case(measured__cold_seconds="fast")),
        "measured.cold_seconds is 'fast'",
    ),
    "an infinite budget": (
        suite(case(measured__cold_seconds="1", budget__cold_seconds="inf")),
        "budget.cold_seconds is 'inf'",
    ),
    "a negative count": (suite(case(), attributes="tests='-1'"), "tests is '-1'"),
    "the colours of a terminal": (
        suite(case(seen="red")).replace(b"red", ESCAPE + b"red"),
        "control characters",
    ),
    "a reference to a control character": (
        suite(case(seen="red")).replace(b"red", b"&#x1b;[31mred&#27;"),
        "control characters",
    ),
}


@pytest.mark.parametrize("what", FLAGGED)
def test_bad_value_is_flagged_and_its_verdict_kept(what: str) -> None:
    content, reason = FLAGGED[what]
    for size in (junit_reader.CHUNK, 7):
        flags: list[Problem] = []
        stream = io.BytesIO(content)
        stream_of_size = SimpleNamespace(read=lambda _, stream=stream, size=size: stream.read(size))

        (result,) = junit_reader.read(stream_of_size, "odd.xml", flag=flags.append)

        assert result.verdict is KEPT
        assert result.started == junit_reader.moment("2026-03-12T02:00:11Z") or "yesterday" in reason
        (problem,) = {flagged.message: flagged for flagged in flags}.values()
        assert problem.source == Location("odd.xml", 1)
        assert reason in problem.message
        assert problem.fix


def test_flag_names_the_line_of_a_control_character() -> None:
    flags: list[Problem] = []

    read(b"<testsuite>\n\n<testcase name='a\x07'/></testsuite>", flag=flags.append)

    assert [problem.source.line for problem in flags] == [3]


def test_only_the_first_bad_values_are_told_one_by_one() -> None:
    flags: list[Problem] = []

    read(b"<testsuite>" + b"<testcase name='a' time='-1'/>" * 500 + b"</testsuite>", flag=flags.append)

    assert len(flags) == junit_reader.MAX_FLAGS + 1
    assert flags[-1].message == "and 490 more such values"


@pytest.mark.parametrize(
    "content", [b"<testsuites/>", b"<testsuite tests='0'/>", b"<testsuite><properties/></testsuite>"]
)
def test_report_without_a_test_is_flagged(content: bytes) -> None:
    flags: list[Problem] = []

    assert read(content, flag=flags.append) == []
    assert [problem.message for problem in flags] == ["lists no test, so nothing was judged"]


GREEN = "<testcase name='a'/><testcase name='b'/>"
DISAGREEING = [
    ("tests='2' failures='1'", GREEN, BROKEN, "the suite declares 1 failures and 0 errors, and lists none"),
    ("errors='2'", GREEN, UNPROVEN, "the suite declares 0 failures and 2 errors, and lists none"),
    ("tests='5'", GREEN, UNPROVEN, "the suite declares 5 tests, and lists 2"),
    ("tests='5' failures='1'", "", BROKEN, "the suite declares 1 failures and 0 errors, and lists none"),
    ("failures='1'", "<testcase name='a'><skipped/></testcase>", BROKEN, "declares 1 failures"),
]


@pytest.mark.parametrize(("counts", "cases", "verdict", "seen"), DISAGREEING)
def test_counts_of_a_suite_contradict_a_green_list(
    counts: str, cases: str, verdict: Outcome, seen: str
) -> None:
    inner = f"<testsuite name='s' timestamp='2026-03-12T02:00:11' {counts}>{cases}</testsuite>"
    # All counts are at the root too, as most tools repeat them: that is one contradiction and not two.
    results = read(f"<testsuites {counts}>{inner}</testsuites>".encode())

    (suite_result,) = [result for result in results if result.name == "suite s"]
    assert (suite_result.verdict, suite_result.kind) == (verdict, "test")
    assert suite_result.started == junit_reader.moment("2026-03-12T02:00:11Z")
    assert seen in suite_result.seen
    assert len(results) == cases.count("<testcase") + 1


@pytest.mark.parametrize(
    ("counts", "cases"),
    [
        ("tests='2'", GREEN),
        ("tests='1'", GREEN),
        ("tests='2' failures='0' errors='1'", "<testcase name='a'/><testcase name='b'><failure/></testcase>"),
        ("", GREEN),
    ],
)
def test_counts_that_agree_are_no_result(counts: str, cases: str) -> None:
    assert len(read(f"<testsuite {counts}>{cases}</testsuite>".encode())) == 2


@pytest.mark.parametrize(
    ("what", "cut"),
    [
        ("a file cut short", True),
        ("an empty file", True),
        ("an entity that nobody declared", False),
        ("a character that XML has not", False),
        ("no XML", False),
    ],
)
def test_only_a_file_that_ends_early_is_said_to_be_cut_short(what: str, cut: bool) -> None:
    with pytest.raises(InputError) as refused:
        read(REFUSED[what][0])

    assert ("truncated" in refused.value.problems[0].fix) is cut


@pytest.mark.parametrize(("text", "seconds"), [("1,234.5", 1234.5), ("1,234,567", 1234567), ("1.5e3", 1500)])
def test_commas_group_thousands(text: str, seconds: float) -> None:
    assert only(suite(case(seconds=text))).seconds == seconds


def test_a_time_of_a_clock_that_was_never_set_counts_as_none() -> None:
    unset = "1970-01-01T00:00:41Z"

    assert only(suite(case(started=unset), attributes="")).started is None
    assert only(suite(case(started=unset))).started == junit_reader.moment("2026-03-12T02:00:09Z")


class Endless:
    """A stream of one attribute without an end, and how much of it was taken."""

    def __init__(self, head: bytes, size: int) -> None:
        self.left = size
        self.head = head
        self.taken = 0

    def read(self, size: int, /) -> bytes:
        self.taken += size
        if self.head:
            head, self.head = self.head, b""
            return head
        self.left -= size
        return b"a" * size if self.left > 0 else b""


@pytest.mark.parametrize(
    "head",
    [b'<testsuite><testcase name="', b"<testsuite><testcase ", b"<testsuite><!-- ", b"<testsuite><?x "],
)
def test_a_hundred_megabytes_in_one_token_are_refused_after_one(head: bytes) -> None:
    stream = Endless(head, 100 << 20)
    tracemalloc.start()
    with pytest.raises(InputError, match="exceeds 1024 KiB"):
        junit_reader.read(stream, "big.xml")

    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert stream.taken < 4 << 20
    assert peak < 16 << 20


def test_long_output_of_a_test_is_passed_over_without_being_kept() -> None:
    tail = case(ending=f"<system-out>{'x' * (3 << 20)}</system-out>")

    assert only(suite(tail)).verdict is KEPT


def test_long_texts_are_shortened_and_say_so() -> None:
    seen = only(suite(case(seen="s" * 100_000))).seen

    assert len(seen) <= junit_reader.MAX_TEXT
    assert seen.endswith("… (100,000 characters in total)")


def test_what_a_failure_says_is_kept_no_longer_than_it_is_shown() -> None:
    lines = "line of a log\n" * 1_000_000
    content = suite(case(verdict="", seen="", ending=f"<failure>{lines}</failure>"))
    tracemalloc.start()

    seen = only(content).seen

    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4 << 20
    assert seen.startswith("line of a log\nline")
    assert seen.endswith("… (14,000,000 characters in total)")


def test_script_in_names_is_text_like_any_other() -> None:
    result = only(suite(case("c</script>/k<b>/n&\"'<img src=x onerror=alert(1)>")))

    assert (result.builder, result.kind) == ("c<", "script>")
    result = only(suite(case("c/k/n&\"'<img src=x onerror=alert(1)>")))
    assert result.name == "n&\"'<img src=x onerror=alert(1)>"


@given(st.binary(max_size=300))
def test_any_bytes_are_results_or_a_refusal(content: bytes) -> None:
    for data in (content, b"<testsuite>" + content, b"<testsuite><testcase name='" + content):
        with suppress(InputError):
            assert all(result.verdict in Outcome for result in read(data))


@given(
    st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs"), exclude_characters="\ufffe\uffff"))
)
def test_any_text_comes_back_as_it_was_written(text: str) -> None:
    expected = " ".join(text.split("\n")) if text else "xz 5.4.1 at /usr/bin/xz"
    result = only(suite(case(seen=text or "xz 5.4.1 at /usr/bin/xz")))
    assert result.seen == expected
