"""Evaluate expressions of GitHub Actions to the values that they can have at run time.

Language: https://docs.github.com/en/actions/reference/workflows-and-actions/expressions. Only the parts that decide labels are
evaluated: literals, ``matrix``, ``inputs`` with a default, comparisons, ``&&``, ``||``, ``!``, fromJSON() and format().
Everything else is UNKNOWN, or both true and false if it is a condition.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_TOKEN = re.compile(
    r"\s*(?:(?P<text>'(?:[^']|'')*')|(?P<word>[A-Za-z_][\w-]*(?:\.[\w*-]+)*)|(?P<number>-?\d+(?:\.\d+)?)"
    r"|(?P<sign>&&|\|\||[=!<>]=|[<>!(),\[\]]))"
)
_CONDITIONS = frozenset({"always", "cancelled", "contains", "endswith", "failure", "startswith", "success"})
_LITERALS: Mapping[str, Any] = {"true": True, "false": False, "null": None}
MOST = 64
"""More values than a job can have labels: from there on an expression counts as unknown."""


class _RunTimeValue:
    """A value that is known only at run time."""

    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN = _RunTimeValue()


class _NotAnExpression(Exception):
    """Text that is not an expression as far as this module reads them."""


def possible_values(expression: str, names: Mapping[str, Sequence[Any]]) -> list[Any]:
    """Every value that an expression can have, UNKNOWN included; ``names`` has those of ``matrix.x`` and ``inputs.x``."""
    try:
        parser = _ExpressionParser(list(_tokens(expression)), names)
        values = parser.alternatives()
        return values if parser.at_end and len(values) <= MOST else [UNKNOWN]
    except (_NotAnExpression, RecursionError):
        return [UNKNOWN]


def _tokens(expression: str) -> Iterator[tuple[str, str]]:
    place, expression = 0, expression.rstrip()
    while place < len(expression):
        match = _TOKEN.match(expression, place)
        if match is None or match.lastgroup is None:
            raise _NotAnExpression(expression)
        yield match.lastgroup, match[match.lastgroup]
        place = match.end()


def _distinct(values: Iterator[Any]) -> list[Any]:
    return list({repr(value): value for value in values}.values())


@dataclass
class _ExpressionParser:
    """Recursive descent over the tokens; every method returns the possible values of what it read."""

    tokens: list[tuple[str, str]]
    names: Mapping[str, Sequence[Any]]
    place: int = 0

    @property
    def at_end(self) -> bool:
        return self.place == len(self.tokens)

    def accepts(self, *signs: str) -> str | None:
        if not self.at_end and self.tokens[self.place][0] == "sign" and self.tokens[self.place][1] in signs:
            self.place += 1
            return self.tokens[self.place - 1][1]
        return None

    def alternatives(self) -> list[Any]:
        values = self.conjunction()
        while self.accepts("||"):
            right = self.conjunction()
            values = _distinct(
                value
                for left in values
                for value in ([left, *right] if left is UNKNOWN else [left] if left else right)
            )
        return values

    def conjunction(self) -> list[Any]:
        values = self.comparison()
        while self.accepts("&&"):
            right = self.comparison()
            # An unknown condition may be false, and then it is not the value of a label.
            values = _distinct(
                value
                for left in values
                for value in ([False, *right] if left is UNKNOWN else right if left else [left])
            )
        return values

    def comparison(self) -> list[Any]:
        values = self.operand()
        while sign := self.accepts("==", "!=", "<", "<=", ">", ">="):
            right = self.operand()
            values = _distinct(
                value for left in values for other in right for value in _compare(left, sign, other)
            )
        return values

    def operand(self) -> list[Any]:
        if self.accepts("!"):
            return _distinct(
                value
                for inner in self.operand()
                for value in ([True, False] if inner is UNKNOWN else [not inner])
            )
        if self.accepts("("):
            values = self.alternatives()
            if not self.accepts(")"):
                raise _NotAnExpression
            return values
        if self.at_end:
            raise _NotAnExpression
        kind, written = self.tokens[self.place]
        self.place += 1
        if kind == "text":
            return [written[1:-1].replace("''", "'")]
        if kind == "number":
            return [float(written) if "." in written else int(written)]
        if kind != "word":
            raise _NotAnExpression
        if self.accepts("("):
            return self._call(written.lower())
        if written.lower() in _LITERALS:
            return [_LITERALS[written.lower()]]
        return list(self.names.get(written, [UNKNOWN]))

    def _call(self, function: str) -> list[Any]:
        arguments: list[list[Any]] = []
        while not self.accepts(")"):
            if arguments and not self.accepts(","):
                raise _NotAnExpression
            arguments.append(self.alternatives())
        if function in _CONDITIONS:
            return [True, False]
        if function == "fromjson" and len(arguments) == 1:
            return _distinct(_decoded(value) for value in arguments[0])
        if function == "format" and arguments and all(len(values) == 1 for values in arguments):
            first, *rest = (values[0] for values in arguments)
            if isinstance(first, str) and UNKNOWN not in rest:
                return [re.sub(r"\{(\d+)\}", lambda use: _filled(use[1], rest), first)]
        return [UNKNOWN]


def _filled(index: str, arguments: Sequence[Any]) -> str:
    return str(arguments[int(index)]) if int(index) < len(arguments) else ""


def _decoded(value: Any) -> Any:
    if not isinstance(value, str):
        return UNKNOWN
    try:
        decoded = json.loads(value)
    except (ValueError, RecursionError):
        return UNKNOWN
    scalars = decoded if isinstance(decoded, list) else [decoded]
    return decoded if all(isinstance(scalar, str | int | float) for scalar in scalars) else UNKNOWN


def _compare(left: Any, sign: str, right: Any) -> list[bool]:
    if left is UNKNOWN or right is UNKNOWN or sign not in ("==", "!=") or type(left) is not type(right):
        return [True, False]
    # GitHub compares text without case.
    equal = left.lower() == right.lower() if isinstance(left, str) else left == right
    return [bool(equal == (sign == "=="))]
