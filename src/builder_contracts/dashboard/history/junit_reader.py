"""Read JUnit XML of any tool as an untrusted stream.

A report can come from anywhere, so the reader rejects document types (hence entities), tokens above a megabyte and
deep nesting, and keeps no tree in memory.
The dialects have no common specification. The reader accepts the output of pytest (xunit1 and xunit2), Surefire,
CTest, GoogleTest, Node.js, Mocha, Jest, Playwright, Vitest, gotestsum, cargo-nextest, Bats, goss and Robot Framework.

A value that cannot be read, such as a negative time, costs that value and not its verdict: it is flagged. What
a suite declares of itself is compared with the cases that it lists; where it declares failures and lists none, or more
tests than it lists, that is a result of its own, so that a green list alone never stands for the suite.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import PurePath
from typing import NoReturn, Protocol
from xml.parsers import expat

from builder_contracts.dashboard.history import repeated_cases
from builder_contracts.dashboard.history.result import OLDEST, ONE_WITNESS, SEVERITY, MeasurementRow, Result
from builder_contracts.errors import InputError, Location, Problem
from builder_contracts.verdict import Outcome, Rung

CHUNK = 1 << 16
MAX_TOKEN = 1 << 20
MAX_DEPTH = 64
MAX_RESULTS = 1_000_000
MAX_PROPERTIES = 10_000
MAX_TEXT = 16_000
MAX_FLAGS = 10
MAX_NUMBER = 1e15
"""Bytes read at once; bytes of a tag with its attributes; open elements; results a file; properties a case;
characters kept of a text; values flagged one by one; where numbers end (in seconds 30 million years, in bytes a petabyte)."""

_NO_TOOL = "do not trust this file; no test tool writes such XML"
_RERUN = "flaky: an earlier attempt failed"
_OUTCOMES = {outcome.value: outcome for outcome in Outcome}
_RUNGS = {rung.value: rung for rung in Rung}
# A skip shows nothing, and an error is a failure to look.
_ENDINGS = {"failure": Outcome.BROKEN, "error": Outcome.UNPROVEN, "skipped": Outcome.UNPROVEN}
_NOT_RUN = frozenset({"notrun", "disabled"})
# A file ends so when its writer was killed; whatever else is wrong was written like that.
_CUT_SHORT = frozenset(
    expat.errors.codes[reason]
    for reason in (
        expat.errors.XML_ERROR_NO_ELEMENTS,
        expat.errors.XML_ERROR_PARTIAL_CHAR,
        expat.errors.XML_ERROR_UNCLOSED_CDATA_SECTION,
        expat.errors.XML_ERROR_UNCLOSED_TOKEN,
    )
)
# Some tools group thousands; a comma anywhere else can mean anything.
_GROUPED = re.compile(r"\d{1,3}(,\d{3})+(\.\d*)?")
# Mocha's own reporter writes Date.toUTCString().
_RFC_2822 = re.compile(r"[A-Z][a-z]{2}, \d{1,2} [A-Z][a-z]{2} \d{4} ")
# XML 1.0 has no control characters but tab and line ends, also not as references; Surefire writes those.
_CONTROLS = bytes(set(range(32)) - set(b"\t\n\r"))
_CONTROL = re.compile(b"[%b]" % re.escape(_CONTROLS))
_CONTROL_REFERENCES = re.compile(
    rb"&#(?:0*(?:[0-8]|1[124-9]|2\d|3[01])|x0*(?:[0-8bcef]|1[\da-f]|d[89a-f][\da-f]{2}|fff[ef]));",
    re.IGNORECASE,
)
_ATTEMPTS = frozenset({"flakyFailure", "flakyError", "rerunFailure", "rerunError"})
TEXTS: Mapping[str, tuple[str, ...]] = {
    "promised": ("promise", "promised"),
    "seen": ("observation", "seen"),
    "source": ("location", "source"),
    "look": ("inspect", "look"),
    "why": ("why",),
    "image": ("image",),
    "image_digest": ("image_digest",),
    "contract_digest": ("contract_digest",),
    "engine": ("engine",),
    "host": ("host",),
    "runner": ("runner",),
    "identity": ("attribution", "identity"),
}
"""The texts of a result, and the names that files have for each: today's, and that of files written before."""


class Readable(Protocol):
    """The part of a binary stream that is used here."""

    def read(self, size: int, /) -> bytes: ...


def read(
    stream: Readable,
    name: str,
    *,
    environment: str = "default",
    builder: str = "",
    flag: Callable[[Problem], None] = lambda _: None,
) -> list[Result]:
    """All results of a stream of bytes that is called ``name`` in messages.

    ``environment`` and ``builder`` name what the file itself does not. ``flag`` gets what is odd in the file and costs no
    verdict. Raises InputError when it is not JUnit or is made to do harm; OSError.
    """
    reader = _Reader(name, environment, builder, flag)
    while chunk := stream.read(CHUNK):
        reader.feed(chunk)
    return reader.finish()


def moment(text: str) -> int:
    """Milliseconds since 1970 of an ISO 8601 time; a time without an offset is taken as UTC.

    Raises ValueError for text that is not a time.
    """
    when = datetime.fromisoformat(text)
    if when.tzinfo is None:
        when = when.replace(tzinfo=UTC)
    return round(when.timestamp() * 1000)


def stated(text: str) -> int | None:
    """The ``moment`` of a time, or None for that of a clock that was never set. Raises ValueError."""
    if _RFC_2822.match(text):
        text = parsedate_to_datetime(text).isoformat()
    when = moment(text)
    return when if when >= OLDEST else None


def number(text: str) -> float:
    """A number from zero up to MAX_NUMBER, which no plot and no sum gets lost in. Raises ValueError."""
    value = float(text.replace(",", "") if _GROUPED.fullmatch(text) else text)
    if not 0 <= value <= MAX_NUMBER:
        raise ValueError(f"{text} is not between 0 and {MAX_NUMBER:g}")
    return value


def parts(clause: str) -> tuple[str, str, str]:
    """Class, kind and name of a clause ID. Raises ValueError for text that is not a clause ID."""
    builder, kind, name = clause.split("/", 2)
    if not (builder and kind and name):
        raise ValueError(f"incomplete clause ID {clause}")
    return shorten(builder, 200), shorten(kind, 200), shorten(name, 500)


def first_of(texts: Mapping[str, str], names: Iterable[str]) -> str:
    """The first of these texts that is given; empty if none is."""
    return next((text for name in names if (text := texts.get(name))), "")


def cause_and_fix(texts: Mapping[str, str]) -> str:
    """The likely cause and what to do about it, as one text."""
    return "; ".join(filter(None, (first_of(texts, ("cause", "likely")), texts.get("fix", ""))))


def shorten(text: str, most: int = MAX_TEXT, of: int = 0) -> str:
    """At most so many characters of a text that was ``of`` characters long, where more than these are known of."""
    if (whole := max(len(text), of)) <= most:
        return text
    return f"{text[: most - 40]}… ({whole:,} characters in total)"


class _Case:
    """A testcase while it is being read."""

    __slots__ = (
        "attempts",
        "attributes",
        "ending",
        "heard",
        "line",
        "message",
        "properties",
        "skipped",
        "text",
    )

    def __init__(self, attributes: dict[str, str], line: int) -> None:
        self.attributes = attributes
        self.line = line
        self.properties: list[tuple[str, str]] = []
        self.ending: Outcome | None = None
        self.message = ""
        self.text: list[str] = []
        self.heard = 0
        self.attempts = 0
        self.skipped = False

    def end(self, ending: Outcome, message: str) -> None:
        """End it in another way than it seemed; what was heard of the other ending is forgotten."""
        self.ending, self.message = ending, message
        self.text.clear()
        self.heard = 0

    def hear(self, text: str) -> None:
        """More of the text of its ending: counted in full, and kept as far as it will be shown."""
        if self.heard <= MAX_TEXT:
            self.text.append(text)
        self.heard += len(text)

    def said(self) -> str:
        """The text of a test's ending: the message, or otherwise the content."""
        text = "".join(self.text)
        # gotestsum has this message for every failure.
        message = "" if self.message == "Failed" else self.message
        return shorten(message) or shorten(text.strip(), of=self.heard if self.heard > len(text) else 0)


class _Suite:
    """What a suite declares of itself, and what was found in it."""

    __slots__ = ("cases", "declared", "line", "name", "not_kept", "passed")

    def __init__(self, name: str, declared: Mapping[str, float], line: int) -> None:
        self.name, self.declared, self.line = name, declared, line
        self.cases = self.not_kept = self.passed = 0

    def contradiction(self) -> tuple[Outcome, str] | None:
        """What its list of cases hides, and how that counts; None if they agree."""
        failures, errors = self.declared.get("failures", 0), self.declared.get("errors", 0)
        tests = self.declared.get("tests", 0)
        if failures + errors and not self.not_kept:
            seen = f"the suite declares {failures:g} failures and {errors:g} errors, and lists none"
            return Outcome.BROKEN if failures else Outcome.UNPROVEN, seen
        if tests > self.cases:
            return Outcome.UNPROVEN, f"the suite declares {tests:g} tests, and lists {self.cases}"
        return None

    def may_be_passed(self) -> float | None:
        """How many cases passed by its own count, None if it does not count them."""
        if "tests" not in self.declared:
            return None
        others = ("failures", "errors", "skipped", "disabled")
        return self.declared["tests"] - sum(self.declared.get(name, 0) for name in others)

    def include(self, inner: _Suite) -> None:
        """Count what was found in a suite within this one."""
        self.cases += inner.cases
        self.not_kept += inner.not_kept
        self.passed += inner.passed


class _Reader:
    def __init__(self, file: str, environment: str, builder: str, flag: Callable[[Problem], None]) -> None:
        self._file = file
        self._flag_problem = flag
        self._flags = 0
        self._lines = 0
        self._odd_bytes: bool | None = None
        self._rest = b""
        self._held: bytes | None = None
        self._comparable = False
        self._repeated: list[tuple[Result, repeated_cases.TimedCase]] = []
        self._finished: tuple[_Case, Result] | None = None
        self._stem = PurePath(file).stem
        self._environment = environment
        self._builder = builder
        self._results: list[Result] = []
        self._fed = 0
        self._depth = 0
        self._case: _Case | None = None
        self._root_name = ""
        self._passes_flagged = False
        self._suites: list[dict[str, str]] = []
        self._tallies: list[_Suite] = []
        self._times: dict[str, int | None] = {}
        parser = expat.ParserCreate()
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.StartDoctypeDeclHandler = self._doctype
        self._parser = parser

    def feed(self, chunk: bytes) -> None:
        chunk = self._replace_repeated(self._clean(chunk))
        self._parse(chunk, last=False)
        # Expat keeps a token until it is whole: without this a huge attribute would fill the memory.
        if self._fed - max(self._parser.CurrentByteIndex, 0) > MAX_TOKEN:
            self._refuse(
                f"a tag or attribute exceeds {MAX_TOKEN // 1024} KiB",
                "write long output to a separate file",
            )

    def finish(self) -> list[Result]:
        self._parse((self._held or b"") + self._rest, last=True)
        while self._tallies:
            self._close_suite()
        if not self._results:
            self._flag(
                "lists no test, so nothing was judged", "see whether the run that wrote it found its tests", 1
            )
        if (more := self._flags - MAX_FLAGS) > 0:
            problem = Problem(
                Location(self._file, 1), f"and {more:,} more such values", "see the lines before"
            )
            self._flag_problem(problem)
        return self._results

    def _clean(self, chunk: bytes) -> bytes:
        """The bytes without what no XML can hold, such as the colours of a terminal: a question mark stands there.

        A reference is kept back until it is whole. Encodings of two bytes a character are left as they are.
        """
        if self._odd_bytes is None:
            self._odd_bytes = chunk[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\0" in chunk[:4]
        if self._odd_bytes:
            return chunk
        chunk = self._rest + chunk
        cut = chunk.rfind(b"&", -16)
        self._rest = chunk[cut:] if cut >= 0 and b";" not in chunk[cut:] else b""
        chunk = chunk[: len(chunk) - len(self._rest)]
        # Much quicker than to search for one of them.
        if len(chunk.translate(None, _CONTROLS)) != len(chunk):
            chunk = self._without(_CONTROL, chunk)
        if b"&#" in chunk:
            chunk = self._without(_CONTROL_REFERENCES, chunk)
        self._lines += chunk.count(b"\n")
        return chunk

    def _without(self, pattern: re.Pattern[bytes], chunk: bytes) -> bytes:
        if odd := pattern.search(chunk):
            line = self._lines + chunk.count(b"\n", 0, odd.start()) + 1
            fix = "have the tool that wrote it leave control characters out"
            self._flag("holds control characters, shown as question marks", fix, line)
        return pattern.sub(b"?", chunk)

    def _replace_repeated(self, chunk: bytes) -> bytes:
        """The bytes with an empty element in place of each testcase whose result is known.

        One that is not is read by itself, so that its result can be remembered.
        """
        if self._held is None:
            self._held = b""
            self._comparable = repeated_cases.may_repeat(chunk)
        if not self._comparable:
            return chunk
        *pieces, rest = (self._held + chunk).split(repeated_cases.END)
        cut = rest.rfind(repeated_cases.BEGIN)
        self._held = rest[cut:] if cut >= 0 and len(rest) - cut <= CHUNK else b""
        ready: list[bytes] = []
        for piece in pieces:
            at = 0 if repeated_cases.is_alone(piece) else piece.rfind(repeated_cases.BEGIN)
            timed = repeated_cases.take_times(piece[at:]) if at >= 0 else None
            if timed is None:
                ready += (piece, repeated_cases.END)
            elif result := repeated_cases.find(timed):
                ready.append(
                    b'%b<testcase %b="%d"/>' % (piece[:at], repeated_cases.MARK.encode(), len(self._repeated))
                )
                self._repeated.append((result, timed))
            else:
                self._parse(b"".join((*ready, piece[:at])), last=False)
                ready.clear()
                self._finished = None
                self._parse(piece[at:] + repeated_cases.END, last=False)
                self._remember(timed)
        ready.append(rest[: len(rest) - len(self._held)])
        return b"".join(ready)

    def _remember(self, timed: repeated_cases.TimedCase) -> None:
        """Remember the result that was just read, if nothing but its own bytes decided it."""
        if self._finished is None:
            return
        case, result = self._finished
        properties = dict(case.properties)
        names = ("image_digest", "contract_digest", "started", "seconds")
        changing = (case.attributes.get("time"), *map(properties.get, names))
        if (
            changing == tuple(text.decode() for text in timed[1:])
            and result.verdict is Outcome.KEPT
            and case.ending is None
            and not case.attempts
            and not result.measurements
            and "timestamp" not in case.attributes
            and "simulated" not in properties
            and properties.get("clause")
            and properties.get("environment")
        ):
            repeated_cases.remember(timed, result)

    def _recall(self, result: Result, timed: repeated_cases.TimedCase) -> None:
        """Take the result of a testcase that says the same at another time."""
        suite, line = self._suites[-1], self._parser.CurrentLineNumber
        self._results.append(
            result._replace(
                started=self._first_moment((timed.started.decode(), suite.get("timestamp")), line),
                seconds=self._number(timed.seconds.decode(), "time", line) or 0,
                simulated=suite.get("property:simulated") == "true",
                image_digest=timed.image_digest.decode(),
                contract_digest=timed.contract_digest.decode(),
            )
        )
        self._tallies[-1].cases += 1
        self._tallies[-1].passed += 1

    def _flag(self, what: str, fix: str, line: int) -> None:
        """Report what is odd and costs no verdict; after the first few they are only counted."""
        self._flags += 1
        if self._flags <= MAX_FLAGS:
            self._flag_problem(Problem(Location(self._file, max(line, 1)), what, fix))

    def _parse(self, chunk: bytes, *, last: bool) -> None:
        self._fed += len(chunk)
        try:
            self._parser.Parse(chunk, last)
        except expat.ExpatError as error:
            fix = "skip the file, or fix the tool that wrote it; it is not XML 1.0"
            if error.code in _CUT_SHORT:
                fix = "repeat the run, or skip the file; it may be truncated by a killed run"
            self._refuse(f"is not well-formed XML: {expat.ErrorString(error.code)}", fix, line=error.lineno)
        except (LookupError, ValueError) as error:
            # Python's expat reports unknown and unusable encodings in this way.
            self._refuse(f"cannot decode: {error}", "write it in UTF-8")

    def _refuse(self, what: str, fix: str, *, line: int | None = None) -> NoReturn:
        place = line if line is not None else self._parser.CurrentLineNumber
        raise InputError([Problem(Location(self._file, max(place, 1)), what, fix)])

    def _doctype(self, *_: object) -> None:
        self._refuse(
            "declares a document type, which can define malicious entities",
            "remove the DOCTYPE, or do not trust the file",
        )

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        case = self._case
        # Nine elements of ten are properties of a case, so they come first and do the least.
        if name == "property":
            if case is None:
                self._suite_property(attributes)
            else:
                value = attributes.get("value", "")
                short = value if len(value) <= MAX_TEXT else shorten(value)
                case.properties.append((attributes.get("name", ""), short))
                if len(case.properties) > MAX_PROPERTIES:
                    self._refuse(f"testcase has more than {MAX_PROPERTIES:,} properties", _NO_TOOL)
            return
        self._depth += 1
        if self._depth > MAX_DEPTH:
            self._refuse(f"nests elements deeper than {MAX_DEPTH} levels", _NO_TOOL)
        if case is not None:
            self._within(case, name, attributes)
        elif self._depth == 1:
            self._first(name, attributes)
        elif name == "testsuite":
            self._suites.append({**self._suites[-1], **attributes, "suite": attributes.get("name", "")})
            self._open_suite(attributes)
        elif name == "testcase":
            if len(self._results) >= MAX_RESULTS:
                self._refuse(f"contains more than {MAX_RESULTS:,} results", "split the report")
            if mark := attributes.get(repeated_cases.MARK):
                self._recall(*self._repeated[int(mark)])
            else:
                self._case = _Case(attributes, self._parser.CurrentLineNumber)

    def _first(self, name: str, attributes: dict[str, str]) -> None:
        if name not in ("testsuites", "testsuite"):
            fix = "pass a JUnit file; its root is <testsuites> or <testsuite>"
            self._refuse(f"not JUnit: root element is <{name[:60]}>", fix)
        self._root_name = attributes.get("name", "")
        self._suites.append(dict(attributes))
        self._open_suite(attributes)

    def _open_suite(self, attributes: dict[str, str]) -> None:
        declared = {}
        line = self._parser.CurrentLineNumber
        for name in ("tests", "failures", "errors", "skipped", "disabled"):
            if text := attributes.get(name):
                try:
                    declared[name] = number(text)
                except ValueError:
                    self._flag(f"{name} is {text[:40]!r}", "use a number from 0; it is left out", line)
        self._tallies.append(_Suite(attributes.get("name", ""), declared, line))

    def _close_suite(self) -> None:
        suite = self._tallies.pop()
        passed = suite.may_be_passed()
        if contradiction := suite.contradiction():
            verdict, seen = contradiction
            self._results.append(self._result_of_suite(suite, verdict, seen))
            suite.not_kept += 1
            suite.cases = max(suite.cases, int(suite.declared.get("tests", 0)))
        elif passed is not None and 0 <= passed < suite.passed and not self._passes_flagged:
            what = f"lists {suite.passed} tests that seem to have passed, and declares {passed:g}"
            fix = "see whether one of them did not run, such as a todo: nothing in the file marks it"
            self._flag(what, fix, suite.line)
            self._passes_flagged = True
        if self._tallies:
            self._tallies[-1].include(suite)

    def _result_of_suite(self, suite: _Suite, verdict: Outcome, seen: str) -> Result:
        attributes = self._suites[-1]
        latest = self._results[-1].started if self._results else None
        return Result(
            environment=shorten(attributes.get("property:environment") or self._environment, 200),
            builder=self._builder_of(attributes),
            kind="test",
            name=shorten(f"suite {suite.name}".strip(), 500),
            verdict=verdict,
            rung=None,
            started=self._first_moment((attributes.get("timestamp"),), suite.line) or latest,
            seconds=0,
            seen=seen,
        )

    def _suite_property(self, attributes: dict[str, str]) -> None:
        """Known to all cases that follow in this suite; "property:" keeps them apart from attributes."""
        if not self._suites:
            self._first("property", attributes)
        self._suites[-1][f"property:{attributes.get('name', '')}"] = attributes.get("value", "")
        if len(self._suites[-1]) > MAX_PROPERTIES:
            self._refuse(f"suite has more than {MAX_PROPERTIES:,} properties", _NO_TOOL)

    def _within(self, case: _Case, name: str, attributes: dict[str, str]) -> None:
        if name in _ENDINGS:
            ending = _ENDINGS[name]
            if case.ending is None or SEVERITY[ending] > SEVERITY[case.ending]:
                case.skipped = name == "skipped"
                case.end(ending, attributes.get("message", ""))
                self._parser.CharacterDataHandler = case.hear
        elif name in _ATTEMPTS:
            case.attempts += 1

    def _end(self, name: str) -> None:
        if name == "property":
            return
        self._depth -= 1
        if name == "testcase" and self._case is not None:
            result = self._result(self._case)
            self._results.append(result)
            self._finished = self._case, result
            tally = self._tallies[-1]
            tally.cases += 1
            tally.not_kept += self._case.ending is not None and not self._case.skipped
            # A test that passed after a failure is counted by some tools and not by others.
            tally.passed += (
                self._case.ending is None and result.verdict is Outcome.KEPT and not self._case.attempts
            )
            self._case = None
        elif name in _ENDINGS:
            self._parser.CharacterDataHandler = None
        elif name == "testsuite" and len(self._suites) > 1:
            self._close_suite()
            self._suites.pop()

    def _result(self, case: _Case) -> Result:
        suite = self._suites[-1]
        properties = dict(case.properties)
        builder, kind, name = self._identify(case, properties, suite)
        verdict = self._verdict(case, properties)
        stated_outcome = properties.get("outcome", properties.get("verdict"))
        texts = {field: text for field, names in TEXTS.items() if (text := first_of(properties, names))}
        if cause := cause_and_fix(properties):
            texts["likely"] = cause
        if case.ending is not None and _OUTCOMES.get(stated_outcome or "") is not verdict:
            texts["seen"] = case.said()
        elif case.ending is None and verdict is Outcome.UNPROVEN and stated_outcome is None:
            texts["seen"] = f"did not run ({case.attributes['status']})"
        if case.attempts and not texts.get("seen"):
            texts["seen"] = _RERUN
        rung = properties.get("rung", "")
        if rung and rung not in _RUNGS:
            self._refuse(f"rung is {rung[:40]!r}", f"use one of {', '.join(_RUNGS)}", line=case.line)
        environment = properties.get("environment") or suite.get("property:environment") or self._environment
        seconds = properties.get("seconds") or case.attributes.get("time") or "0"
        return Result(
            environment=shorten(environment, 200),
            builder=builder,
            kind=kind,
            name=name,
            verdict=verdict,
            # A rung is never claimed for what was not seen.
            rung=_RUNGS[rung] if rung and verdict is not Outcome.UNPROVEN else None,
            host_limit=verdict is Outcome.UNPROVEN and properties.get("provable_here") == "no",
            started=self._started(case, properties, suite),
            seconds=self._number(seconds, "time", case.line) or 0,
            simulated=(properties.get("simulated") or suite.get("property:simulated", "")) == "true",
            witnesses=self._witnesses(case, properties),
            measurements=self._measurements(case, properties),
            **texts,
        )

    def _identify(
        self, case: _Case, properties: dict[str, str], suite: dict[str, str]
    ) -> tuple[str, str, str]:
        clause = properties.get("clause")
        if clause is None:
            return self._builder_of(suite), "test", shorten(_name(case, suite), 500)
        try:
            return parts(clause)
        except ValueError:
            self._refuse(f"clause is {clause[:80]!r}", "use CLASS/KIND/NAME", line=case.line)

    def _builder_of(self, suite: dict[str, str]) -> str:
        return shorten(self._builder or suite.get("property:builder") or self._root_name or self._stem, 200)

    def _verdict(self, case: _Case, properties: dict[str, str]) -> Outcome:
        """The worse of what the property says and what the test's ending says; a skip may be a waiver."""
        ending = case.ending or Outcome.KEPT
        # CTest and GoogleTest list tests that never ran without any other sign of it.
        if case.ending is None and case.attributes.get("status") in _NOT_RUN:
            ending = Outcome.UNPROVEN
        text = properties.get("outcome", properties.get("verdict"))
        if text is None:
            return ending
        if text not in _OUTCOMES:
            self._refuse(f"outcome is {text[:40]!r}", f"use one of {', '.join(_OUTCOMES)}", line=case.line)
        verdict = _OUTCOMES[text]
        if verdict is Outcome.WAIVED and ending is Outcome.UNPROVEN:
            return verdict
        return max(verdict, ending, key=SEVERITY.__getitem__)

    def _started(self, case: _Case, properties: dict[str, str], suite: dict[str, str]) -> int | None:
        texts = (properties.get("started"), case.attributes.get("timestamp"), suite.get("timestamp"))
        return self._first_moment(texts, case.line)

    def _first_moment(self, texts: Iterable[str | None], line: int) -> int | None:
        for text in texts:
            # GoogleTest dates what did not run to 1970, as does a machine whose clock was never set.
            if text and (started := self._moment(text, line)) is not None:
                return started
        return None

    def _moment(self, text: str, line: int) -> int | None:
        if text not in self._times:
            try:
                self._times[text] = stated(text)
            except (ValueError, OverflowError):
                fix = "use a form such as 2026-03-12T02:00:11Z; it counts as no time"
                self._flag(f"{text[:40]!r} is not an ISO 8601 timestamp", fix, line)
                self._times[text] = None
        return self._times[text]

    def _number(self, text: str, what: str, line: int) -> float | None:
        try:
            return number(text)
        except ValueError:
            fix = f"use a number from 0 to {MAX_NUMBER:g} with a decimal point; it is left out"
            self._flag(f"{what[:40]} is {text[:40]!r}", fix, line)
            return None

    def _witnesses(self, case: _Case, properties: dict[str, str]) -> tuple[str, ...]:
        if "witness" not in properties:
            return ()
        witnesses = [value for name, value in case.properties if name == "witness"]
        return (*witnesses, *([ONE_WITNESS] if properties.get("one_witness") == "yes" else ()))

    def _measurements(self, case: _Case, properties: dict[str, str]) -> tuple[MeasurementRow, ...]:
        rows = []
        for name, text in properties.items():
            if name.startswith("measured."):
                quantity = name.removeprefix("measured.")
                limit = properties.get(f"budget.{quantity}")
                value = self._number(text, name, case.line)
                budget = None if limit is None else self._number(limit, f"budget.{quantity}", case.line)
                if value is not None:
                    rows.append(MeasurementRow(shorten(quantity, 100), value, budget))
        return tuple(rows)


def _name(case: _Case, suite: dict[str, str]) -> str:
    """The name of a test, unique in its file: tools put the parts of the name in different places."""
    name, where = case.attributes.get("name", ""), case.attributes.get("classname", "")
    parts = [name] if where in name else [where, name]
    within = suite.get("suite", "")
    if within not in ("", "pytest") and not any(within in part for part in parts):
        parts.insert(0, within)
    return "::".join(filter(None, parts)) or "unnamed"
