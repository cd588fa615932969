"""Testcases that differ from one read before by their times and digests alone, as nearly all of a night do.

A year of nights says the same few thousand things, and reading XML in Python costs a call an element. What is known to
the byte is not read again: its place is taken by an empty element, so that all around it is read as ever.
"""

from __future__ import annotations

import re
import secrets
from typing import NamedTuple

from builder_contracts.dashboard.history.result import Result

BEGIN, END = b"<testcase ", b"</testcase>"
MARK = f"m{secrets.token_hex(16)}"
"""The attribute of an element that takes a place: no report can have it."""

_MOST = 20_000
_CHANGING = tuple(
    (mark, re.compile(value))
    for mark, value in (
        (b' time="', rb"\d+(\.\d+)?"),
        # A new image changes nothing else, most nights.
        (b'"image_digest" value="', rb"[0-9a-z:]*"),
        (b'"contract_digest" value="', rb"[0-9a-z:]*"),
        (b'"started" value="', rb"[\dT:.Z+-]+"),
        (b'"seconds" value="', rb"\d+(\.\d+)?"),
    )
)
# Other encodings give the same bytes another meaning.
_PLAIN = re.compile(rb"""(?:<\?xml [^>]*encoding=["']utf-8["'][^>]*\?>\s*)?<testsuite""", re.IGNORECASE)
_results: dict[bytes, Result] = {}


class TimedCase(NamedTuple):
    """The bytes of a testcase without its times and digests, and these as they stand there."""

    key: bytes
    time: bytes
    image_digest: bytes
    contract_digest: bytes
    started: bytes
    seconds: bytes


def may_repeat(head: bytes) -> bool:
    """Whether testcases of a file that begins so can be compared by their bytes."""
    return _PLAIN.match(head) is not None


def is_alone(piece: bytes) -> bool:
    """Whether the bytes are the beginning of one testcase, with nothing before it."""
    return piece.startswith(BEGIN) and piece.find(BEGIN, 1) < 0


def take_times(body: bytes) -> TimedCase | None:
    """A testcase of this product apart from its times and digests; None for any other."""
    pieces, values, at = [], [], 0
    for mark, pattern in _CHANGING:
        begin = body.find(mark, at) + len(mark)
        end = body.find(b'"', begin)
        if begin < len(mark) or end < 0 or not pattern.fullmatch(body, begin, end):
            return None
        pieces.append(body[at:begin])
        values.append(body[begin:end])
        at = end
    return TimedCase(b"".join((*pieces, body[at:])), *values)


def find(case: TimedCase) -> Result | None:
    """The result of a testcase that said the same on another night."""
    return _results.get(case.key)


def remember(case: TimedCase, result: Result) -> None:
    """Keep a result for the testcases that will say the same, if the empty element can take the place of them all."""
    # A line end would move the lines that follow, and these would end a comment around it.
    if not case.key.isascii() or any(mark in case.key for mark in (b"\n", b"-->", b"]]>", b"?>")):
        return
    if len(_results) >= _MOST:
        _results.clear()
    _results[case.key] = result
