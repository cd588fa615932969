"""Reads the version of a tool from the line that carries it, and puts versions in the tool's own order."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from string import ascii_lowercase, ascii_uppercase
from typing import TypeAlias

ORDERS = ("numbers", "letters", "date")
"""How a tool orders its versions.

``numbers``: by number, pre-releases before the release. ``letters``: a letter at the end counts on (1.1.1a before
1.1.1w). ``date``: 2024-03-01 and 20240301 are the same.
"""

# Colours and other sequences of a terminal; their numbers are no versions.
_ANSI = re.compile(r"\x1b(?:\[[ -?]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\^_])")
# The probe shows the escape character as a question mark.
_SHOWN_ANSI = re.compile(r"\?\[[0-9;.:]*[mKHJ]")

_NUMBERS = r"[0-9]{1,9}(?:\.[0-9]{1,9}){1,4}"
_WORDS = "alpha|beta|rc|preview|pre|ea|dev|snapshot|nightly|canary|milestone"
_PRE = (
    rf"(?:[.~_-]?(?:(?P<word>{_WORDS})(?:[._-]?(?P<count>[0-9]{{1,9}})|(?![a-z0-9]))"
    r"|(?P<short>[abcm])(?P<number>[0-9]{1,9})(?![a-z0-9])))?"
)
_VERSION = rf"(?P<numbers>{_NUMBERS}){_PRE}"
_READ = re.compile(rf"{_VERSION}(?P<letter>[a-z](?![a-z0-9]))?", re.IGNORECASE)
_WHOLE = re.compile(r"[0-9]{1,9}(?![0-9.]*[.][0-9])")
_DATE = re.compile(r"(?P<year>[0-9]{4})[-.]?(?P<month>[0-9]{2})[-.]?(?P<day>[0-9]{2})(?![0-9])")
_RANK = {"alpha": "a", "a": "a", "beta": "b", "b": "b", "m": "a", "milestone": "a"}
_UNFINISHED = ("dev", "snapshot", "nightly", "canary")

# A line that explains its number. What stands before and behind a tool's name is the same for all tools.
_NUMBER = rf"v?((?<![0-9.])(?:{_NUMBERS}|[0-9]{{1,9}}(?![\w.]))\S*)"
_BEFORE_NAME = re.compile(r"(?:[\w./]+ ){0,2}?[\w./+-]*(?<![a-z])", re.IGNORECASE)
_BEHIND_NAME = re.compile(
    r"(?:-?[0-9][0-9.]*)?(?:[\s,:/_-]*go|[\s,:/_-]+)(?:\(.*\)\s*)?"
    rf"(?:(?:version|release|v\.?|ver\.?)[\s:=]*(?:go)?)?{_NUMBER}",
    re.IGNORECASE,
)
_ALONE = re.compile(rf"^\s*{_NUMBER}\s*$", re.IGNORECASE)
_CALLED_VERSION = re.compile(rf"\b(?:version|release)[\s:=]+[\"']?{_NUMBER}", re.IGNORECASE)
_LOWER = str.maketrans(ascii_uppercase, ascii_lowercase)
_Search: TypeAlias = Callable[[str], "re.Match[str] | None"]


@dataclass(frozen=True)
class ToolVersion:
    """A version as its tool writes it, its sortable form (that of Python's packages), and the line that carries it."""

    text: str
    release: str
    line: str


def without_escapes(text: str) -> str:
    """Text as a terminal shows it.

    >>> without_escapes("\\x1b[38.5mgit version 1.8.3\\x1b[0m")
    'git version 1.8.3'
    """
    return _SHOWN_ANSI.sub("", _ANSI.sub("", text))


def version_in(output: str, name: str, pattern: str = "", order: str = "numbers") -> ToolVersion | None:
    """The version that ``output`` states for the tool ``name``; None if no line does.

    The tool's own pattern goes first, over all lines. Without a match counts, in this order: a line that names the
    tool right before a number, a line that is a version and nothing else, a line that says "version".

    >>> version_in("gcc (crosstool-NG 12.0 build) 9.4.0", "gcc").text
    '9.4.0'
    >>> version_in("Picked up JAVA_TOOL_OPTIONS: -XX:MaxRAMPercentage=75.0", "javac") is None
    True
    """
    lines = without_escapes(output).splitlines()
    searches: list[_Search] = [partial(_behind, _stem(name)), _ALONE.search, _CALLED_VERSION.search]
    if pattern:
        searches.insert(0, re.compile(pattern).search)
    for search in searches:
        for line in lines:
            match = search(line)
            if match and (version := _ordered(match[1], order)):
                return ToolVersion(*version, line.strip())
    return None


def _stem(name: str) -> str:
    """The name of a tool as its line may spell it: without the release that gcc-12 and python3.11 end with."""
    return (re.sub(r"-?[0-9]+(?:\.[0-9]+)*$", "", name) or name).translate(_LOWER)


def _behind(stem: str, line: str) -> re.Match[str] | None:
    """The number behind a name that begins a line, or follows up to two words; the fewest, then the last name counts."""
    text = line.translate(_LOWER)
    places = [place for place in range(len(text)) if text.startswith(stem, place)]
    for place in sorted(places, key=lambda place: (text.count(" ", 0, place), -place)):
        if _BEFORE_NAME.fullmatch(line, 0, place) and (number := _BEHIND_NAME.match(line, place + len(stem))):
            return number
    return None


def _ordered(text: str, order: str) -> tuple[str, str] | None:
    """What was written of the version, and its sortable form."""
    if order == "date" and (date := _DATE.search(text)):
        return date[0], ".".join(str(int(part)) for part in date.groups())
    match = _READ.search(text)
    if match is None:
        whole = _WHOLE.search(text)
        return (whole[0], whole[0]) if whole else None
    release = match["numbers"]
    if stage := match["word"] or match["short"]:
        word = stage.lower()
        count = int(match["count"] or match["number"] or 0)
        release += f".dev{count}" if word in _UNFINISHED else f"{_RANK.get(word, 'rc')}{count}"
        return match[0].removesuffix(match["letter"] or ""), release
    if match["letter"] and order == "letters":
        return match[0], f"{release}.{ord(match['letter'].lower()) - 96}"
    return release, release
