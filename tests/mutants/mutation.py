"""The mutants of a module: copies of its source with a single change in the body of a function."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import libcst as cst
from libcst.metadata import CodeRange, MetadataWrapper, PositionProvider, WhitespaceInclusivePositionProvider
from mutmut.mutation.file_mutation import MutationVisitor
from mutmut.mutation.mutators import (
    OPERATORS_TYPE,
    mutation_operators,
    operator_arg_removal,
    operator_assignment,
    operator_string,
)
from mutmut.mutation.pragma_handling import IgnoredCode


@dataclass(frozen=True)
class Mutant:
    """A change of a function: the lines before and after it, and the source of the module that has it."""

    module: str
    """Path below src/builder_contracts."""
    function: str
    line: int
    last_line: int
    statement_line: int
    before: str
    after: str
    number: int
    """Counts equal changes of a function, from 0."""
    source: str

    @property
    def identity(self) -> str:
        return "\n".join((self.module, self.function, self.before, self.after, str(self.number)))

    def __str__(self) -> str:
        return f"{self.module}:{self.line} {self.function}\n  - {self.before}\n  + {self.after}"


def _word(node: cst.BaseString) -> Iterable[cst.BaseString]:
    """Another word in the place of a string. A text with spaces is wording, and its letters' case is no other mutant."""
    if isinstance(node, cst.SimpleString) and " " not in node.value:
        yield from list(operator_string(node))[:1]


def _without_argument(node: cst.Call) -> Iterable[cst.Call]:
    """The call without an argument by keyword, or without its last: a default may take its place."""
    for number, argument in enumerate(node.args):
        if argument.keyword is not None or number == len(node.args) - 1:
            rest = [*node.args[:number], *node.args[number + 1 :]]
            yield node.with_changes(args=rest)


def _negated(node: cst.If | cst.CompIf | cst.While) -> Iterable[cst.CSTNode]:
    """The other branch, where no operator of the condition has a mutant."""
    if isinstance(node.test, cst.Name | cst.Attribute | cst.Call | cst.NamedExpr | cst.Subscript):
        condition = node.test
        if isinstance(condition, cst.NamedExpr):
            condition = condition.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()])
        yield node.with_changes(test=cst.UnaryOperation(cst.Not(), condition))


# None in the place of a value, and a call without an argument that it needs, are mypy's to notice.
_REPLACED = (operator_string, operator_arg_removal, operator_assignment)
_OPERATORS: OPERATORS_TYPE = [
    *(pair for pair in mutation_operators if pair[1] not in _REPLACED),
    (cst.BaseString, _word),
    (cst.Call, _without_argument),
    (cst.If, _negated),
    (cst.CompIf, _negated),
    (cst.While, _negated),
]


def mutants(module: str, source: str) -> Iterator[Mutant]:
    """Every mutant in the body of a function or a method, in the order of the source."""
    wrapper = MetadataWrapper(cst.parse_module(source))
    visitor = MutationVisitor(_OPERATORS, IgnoredCode(set(), set(), set()))
    wrapper.visit(visitor)
    positions = wrapper.resolve(PositionProvider)
    spans = wrapper.resolve(WhitespaceInclusivePositionProvider)
    outlines = _Outlines(positions)
    wrapper.module.visit(outlines)
    lines = source.splitlines(keepends=True)
    numbers: dict[tuple[str, str, str], int] = {}
    for mutation in visitor.mutations:
        node = mutation.original_node
        function = outlines.functions.get(node, "")
        if not function:
            continue
        statement = outlines.statements[node]
        position = positions.get(node, statement)
        assert isinstance(position, CodeRange)
        mutated = _spliced(wrapper.module, lines, spans.get(node), node, mutation.mutated_node)
        before, after = _difference(lines, mutated.splitlines(keepends=True))
        change = (function, before, after)
        numbers[change] = numbers.get(change, -1) + 1
        yield Mutant(
            module,
            function,
            position.start.line,
            position.end.line,
            statement.start.line,
            before,
            after,
            numbers[change],
            mutated,
        )


def _spliced(
    module: cst.Module, lines: list[str], span: object, node: cst.CSTNode, replacement: cst.CSTNode | object
) -> str:
    """The module's source with another node. Generating all of it again is right for every node, and slow."""
    assert isinstance(replacement, cst.CSTNode)
    if isinstance(span, CodeRange):
        start, end = span.start, span.end
        head = "".join(lines[: start.line - 1]) + lines[start.line - 1][: start.column]
        tail = "".join(lines[end.line - 1 :])[end.column :]
        if head + module.code_for_node(node) + tail == "".join(lines):
            return head + module.code_for_node(replacement) + tail
    mutated = module.deep_replace(node, replacement)
    assert isinstance(mutated, cst.Module)
    return mutated.code


def _difference(before: list[str], after: list[str]) -> tuple[str, str]:
    """The lines that differ, each side in one line."""
    shorter = min(len(before), len(after))
    first = next((number for number in range(shorter) if before[number] != after[number]), shorter)
    last = next(
        (number for number in range(shorter - first) if before[-1 - number] != after[-1 - number]),
        shorter - first,
    )
    old, new = (
        " ".join(line.strip() for line in lines[first : len(lines) - last]) for lines in (before, after)
    )
    return old, new


class _Outlines(cst.CSTVisitor):
    """The statement and the function around every node in the body of a function."""

    def __init__(self, positions: object) -> None:
        super().__init__()
        self._positions = positions
        self._names: list[str] = []
        self._bodies: set[cst.CSTNode] = set()
        self._depth = 0
        self._statements: list[CodeRange] = []
        self.functions: dict[cst.CSTNode, str] = {}
        self.statements: dict[cst.CSTNode, CodeRange] = {}

    def on_visit(self, node: cst.CSTNode) -> bool:
        if isinstance(node, cst.FunctionDef | cst.ClassDef):
            self._names.append(node.name.value)
        if isinstance(node, cst.BaseSmallStatement | cst.BaseCompoundStatement | cst.MatchCase):
            self._statements.append(self._positions[node])  # type: ignore[index]
        if self._statements:
            self.statements[node] = self._statements[-1]
            self.functions[node] = ".".join(self._names) if self._depth else ""
        # Decorators and defaults run when the module is imported, before a mutant is put in.
        if isinstance(node, cst.FunctionDef):
            self._bodies.add(node.body)
        if node in self._bodies:
            self._depth += 1
        return True

    def on_leave(self, original_node: cst.CSTNode) -> None:
        if isinstance(original_node, cst.FunctionDef | cst.ClassDef):
            self._names.pop()
        if isinstance(original_node, cst.BaseSmallStatement | cst.BaseCompoundStatement | cst.MatchCase):
            self._statements.pop()
        if original_node in self._bodies:
            self._depth -= 1
