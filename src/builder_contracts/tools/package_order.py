"""The order in which dpkg, rpm and apk put versions of packages, and ranges in that order. Pure."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

MANAGERS = ("dpkg", "rpm", "apk")
"""Package managers whose order is implemented."""

_Parts = Sequence[tuple[Any, ...]]

_OPERATORS: dict[str, Callable[[int, int], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    "<": operator.lt,
}
_BOUND = re.compile(r"\s*(>=|<=|==|!=|>|<)\s*([0-9A-Za-z][0-9A-Za-z.+~^:_-]*)\s*")

# What stands for the end of a version when the other one goes on.
_DEB_END = ((0,), 0)
_RPM_END = (1, 0, "")
_APK_END = (-7,)

# The ranks of apk's parts. The one that comes later in a version is the lower, and a pre-release is below the end.
_APK = re.compile(
    r"(?P<first>[0-9]+)(?P<numbers>(?:\.[0-9]+)*)(?P<letter>[a-z]?)"
    r"(?P<suffixes>(?:_(?:alpha|beta|pre|rc|cvs|svn|git|hg|p)[0-9]*)*)(?:~(?P<hash>[0-9a-f]+))?(?:-r(?P<revision>[0-9]+))?"
)
_BEFORE = ("alpha", "beta", "pre", "rc")
_AFTER = ("cvs", "svn", "git", "hg", "p")


class UnorderedVersion(ValueError):
    """A text that the package manager does not accept as a version."""


def compare(manager: str, left: str, right: str) -> int:
    """Below, at or above 0 as ``left`` is older than, as old as or newer than ``right``. Raises UnorderedVersion.

    >>> compare("dpkg", "3.0.15-1~deb12u1", "3.0.15-1")
    -1
    >>> compare("rpm", "1:1.0-1.fc41", "2.0-1.fc41"), compare("apk", "1.2_rc1-r0", "1.2-r0")
    (1, -1)
    """
    if manager == "apk":
        return _compare(_apk(left), _apk(right), _APK_END)
    parts, end = (_deb, _DEB_END) if manager == "dpkg" else (_rpm, _RPM_END)
    pairs = list(zip(_split(left), _split(right), strict=True))
    if manager == "rpm" and not all(pairs[2]):
        # A bound without a release holds for every release. Source: rpmverOverlap in rpm's rpmio/rpmver.cc.
        pairs.pop()
    return next((order for a, b in pairs if (order := _compare(parts(a), parts(b), end))), 0)


def _compare(left: _Parts, right: _Parts, end: tuple[Any, ...]) -> int:
    for a, b in zip_longest(left, right, fillvalue=end):
        if a != b:
            return 1 if a > b else -1
    return 0


def _split(version: str) -> tuple[str, str, str]:
    """Epoch, version and Debian's revision or rpm's release; the epoch is 0 where the text has none."""
    epoch, colon, rest = version.partition(":")
    if not colon:
        epoch, rest = "0", version
    upstream, dash, revision = rest.rpartition("-")
    return (epoch, upstream, revision) if dash else (epoch, rest, "")


def _deb(text: str) -> _Parts:
    """Pairs of other characters and a number. Source: deb-version(7), "Sorting algorithm"."""
    return [
        # Letters sort before all other characters, the end before both, and a tilde before the end.
        ((*(-1 if c == "~" else ord(c) + 256 * (not c.isalpha()) for c in others), 0), int(digits or 0))
        for others, digits in re.findall(r"([^0-9]*)([0-9]*)", text)
    ]


def _rpm(text: str) -> _Parts:
    """Runs of letters and of digits; others only separate. Source: rpm's rpmio/rpmvercmp.cc."""
    ranks = {"~": (0, 0, ""), "^": (2, 0, "")}
    return [
        ranks.get(run) or ((4, int(run), "") if run.isdigit() else (3, 0, run))
        for run in re.findall(r"[0-9]+|[A-Za-z]+|[~^]", text)
    ]


def _apk(text: str) -> _Parts:
    """The parts of a version by rank. Source: token_cmp and apk_version_compare in apk-tools' src/version.c."""
    match = _APK.fullmatch(text)
    if match is None:
        raise UnorderedVersion(f"apk does not accept the version {text!r}")
    parts: list[tuple[Any, ...]] = [(0, int(match["first"]))]
    # Digits with a leading zero are compared as text.
    parts += [
        (-1, 0, 0, digits) if digits[0] == "0" else (-1, 1, int(digits), "")
        for digits in match["numbers"].split(".")[1:]
    ]
    if match["letter"]:
        parts.append((-2, match["letter"]))
    for name, number in re.findall(r"_([a-z]+)([0-9]*)", match["suffixes"]):
        parts.append((-99, _BEFORE.index(name)) if name in _BEFORE else (-3, _AFTER.index(name)))
        if number:
            parts.append((-4, int(number)))
    if match["hash"]:
        parts.append((-5, match["hash"]))
    if match["revision"]:
        parts.append((-6, int(match["revision"])))
    return parts


@dataclass(frozen=True)
class PackageRange:
    """Comparisons that all must hold, such as ``>=3.0.15-1,<4``. Raises ValueError for other text."""

    text: str

    def __post_init__(self) -> None:
        if not all(map(_BOUND.fullmatch, self.text.split(","))):
            raise ValueError(f"{self.text!r} is not a range of package versions")

    @property
    def _bounds(self) -> list[tuple[str, str]]:
        return [(match[1], match[2]) for match in map(_BOUND.fullmatch, self.text.split(",")) if match]

    def holds(self, manager: str, version: str) -> bool:
        """Whether an installed version lies in the range. Raises UnorderedVersion."""
        return all(_OPERATORS[sign](compare(manager, version, bound), 0) for sign, bound in self._bounds)

    def is_empty(self) -> bool:
        """Whether no version can lie in the range, in the order of any manager."""
        return all(map(self._is_empty, MANAGERS))

    def _is_empty(self, manager: str) -> bool:
        lower = [(sign, bound) for sign, bound in self._bounds if sign in (">", ">=", "==")]
        upper = [(sign, bound) for sign, bound in self._bounds if sign in ("<", "<=", "==")]
        try:
            orders = [(compare(manager, a, b), first, last) for first, a in lower for last, b in upper]
        except UnorderedVersion:
            return True
        return any(order > 0 or (order == 0 and {first, last} & {">", "<"}) for order, first, last in orders)
