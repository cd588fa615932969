"""Select the clauses that a run checks: by class, by words and globs of their IDs, or by their last failure."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from builder_contracts.contract.model import Clause, Contract
from builder_contracts.contract.promises import ProofPromise
from builder_contracts.errors import BuilderContractsError, ExitCode
from builder_contracts.run.inputs import Inputs
from builder_contracts.run.options import RunOptions, usage_error


class NothingSelected(BuilderContractsError):
    """No clause is left to check; the text says what left them out."""

    exit_code = ExitCode.NOTHING_SELECTED


@dataclass(frozen=True)
class Selected:
    """The clauses of one class that a run checks, in the order of its contract."""

    contract: Contract
    clauses: tuple[Clause, ...]

    @property
    def proved(self) -> list[Clause]:
        """Those that are proved by experiments, not judged by facts."""
        return [clause for clause in self.clauses if isinstance(clause.promise, ProofPromise)]


def select(inputs: Inputs, options: RunOptions, last_failed: Collection[str] = ()) -> list[Selected]:
    """The clauses to check. Raises InputError for a wrong expression, NothingSelected if none is left."""
    matches = matcher(options.keyword)
    contracts = inputs.named(options.builders)
    of_classes = [clause for contract in contracts for clause in contract.clauses]
    clauses = [clause for clause in of_classes if matches(clause)]
    if options.last_failed:
        # As with pytest: if nothing failed last, everything is checked.
        clauses = [clause for clause in clauses if clause.id in last_failed] or clauses
    if not clauses:
        raise NothingSelected(nothing_left(len(of_classes), options.keyword))
    chosen = set(map(id, clauses))
    selected = (
        Selected(contract, tuple(clause for clause in contract.clauses if id(clause) in chosen))
        for contract in contracts
    )
    return [of_class for of_class in selected if of_class.clauses]


def nothing_left(deselected: int, expression: str) -> str:
    """The message of a run without a clause to check."""
    number = f"{deselected} clause{'' if deselected == 1 else 's'}"
    by = f"-k {expression!r} deselected" if expression else "deselected"
    return (
        f"no clause selected: {by} {'all ' if deselected > 1 else ''}{number}\n"
        "    fix: run 'builder-contracts validate --list' to list all IDs"
    )


_TOKEN = re.compile(r"\s*([()]|[^\s()]+)")


def matcher(expression: str) -> Callable[[Clause], bool]:
    """Whether a clause matches words and globs that are combined by 'and', 'or', 'not' and brackets.

    A word matches a part of a clause's ID or contract file, in any case; a glob matches a whole ID, with or without
    its class. Raises InputError for anything that is not such an expression.
    """
    if not expression.strip():
        return lambda _: True
    tokens = _TOKEN.findall(expression)
    parsed, rest = _either(tokens)
    if parsed is None or rest:
        at = f"at {rest[0]!r}" if rest else "at its end"
        raise usage_error(
            f"-k {expression!r}: not an expression, {at}",
            "combine words and globs by 'and', 'or', 'not' and brackets",
        )
    return parsed


Matches = Callable[[Clause], bool]


def _either(tokens: Sequence[str]) -> tuple[Matches | None, Sequence[str]]:
    left, rest = _both(tokens)
    while left is not None and rest and rest[0] == "or":
        right, rest = _both(rest[1:])
        left = right and _combined(any, left, right)
    return left, rest


def _both(tokens: Sequence[str]) -> tuple[Matches | None, Sequence[str]]:
    left, rest = _single(tokens)
    while left is not None and rest and rest[0] == "and":
        right, rest = _single(rest[1:])
        left = right and _combined(all, left, right)
    return left, rest


def _single(tokens: Sequence[str]) -> tuple[Matches | None, Sequence[str]]:
    if not tokens or tokens[0] in (")", "and", "or"):
        return None, tokens
    first, rest = tokens[0], tokens[1:]
    if first == "not":
        inner, rest = _single(rest)
        return inner and _negated(inner), rest
    if first == "(":
        inner, rest = _either(rest)
        return (inner, rest[1:]) if rest and rest[0] == ")" else (None, rest)
    return _word(first), rest


def _combined(how: Callable[[Iterator[bool]], bool], *parts: Matches) -> Matches:
    return lambda clause: how(part(clause) for part in parts)


def _negated(part: Matches) -> Matches:
    return lambda clause: not part(clause)


def _word(word: str) -> Matches:
    lower = word.lower()
    if any(char in word for char in "*?["):
        return lambda clause: any(
            fnmatchcase(text, lower) for text in (clause.id.lower(), clause.local_id.lower())
        )
    return lambda clause: any(lower in text for text in _texts(clause))


def _texts(clause: Clause) -> tuple[str, ...]:
    """The texts that a word is matched with, as in pytest: the ID, the marks and the file."""
    proof = ("proof",) if isinstance(clause.promise, ProofPromise) else ()
    return clause.id.lower(), clause.source.file.lower(), "contract", *proof
