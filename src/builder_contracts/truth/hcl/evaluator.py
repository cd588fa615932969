"""Evaluate HCL expressions as far as the text of a checkout determines them.

A value that depends on a run (attributes of resources, functions that read external data, variables without a value)
is Unknown, with its reason; nothing is guessed. ``yamlencode`` and ``jsonencode`` return the structure of their
argument, because readers need that structure and its line numbers, not a string.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from tree_sitter import Node

from builder_contracts.errors import Location
from builder_contracts.truth.hcl.functions import FUNCTIONS
from builder_contracts.truth.hcl.syntax import Expression
from builder_contracts.truth.value import Known, Unknown, Value, get, text

_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", '"': '"', "\\": "\\"}
_ESCAPE = re.compile(r"\\([ntr\"\\])|\\u([0-9a-fA-F]{4})|\$(\$)\{|%(%)\{")


class Names(Protocol):
    """Resolves ``var.x``, ``local.x``, ``module.x.y``, ``path.x`` and resources."""

    def resolve(self, path: Sequence[str], at: Location) -> tuple[Value, int]:
        """The value of the longest known beginning of the path, and how many steps that took."""
        ...

    def function(self, name: str, arguments: Sequence[Value], at: Location) -> Value | None:
        """A function of this place, such as ``file``; None for a name that is not one."""
        ...


@dataclass(frozen=True)
class Scope:
    """Names plus what for-expressions, ``each`` and dynamic blocks bind. ``lenient`` is for looking at the shape
    of a template only: unknown parts become ``0`` and unknown conditions true. With ``every_switch``, all are true."""

    names: Names
    bound: dict[str, Value] = field(default_factory=dict)
    lenient: bool = False
    every_switch: bool = False

    def bind(self, **values: Value) -> Scope:
        return replace(self, bound={**self.bound, **values})


def evaluate(expression: Expression, scope: Scope) -> Value:
    """The value of an expression. Never raises."""
    try:
        return _Evaluation(scope, expression.file).node(expression.node)
    except RecursionError:
        return Unknown("expression is nested too deeply", expression.at)


def render(expression: Expression, scope: Scope) -> str | None:
    """The shape of a template with its unknown parts replaced: for looking at structure, never at values."""
    value = evaluate(expression, replace(scope, lenient=True))
    return text(value)


@dataclass(frozen=True)
class _Evaluation:
    scope: Scope
    file: str

    def at(self, node: Node) -> Location:
        return Location(self.file, node.start_point.row + 1, node.start_point.column + 1)

    def unknown(self, node: Node, reason: str) -> Unknown:
        return Unknown(reason, self.at(node))

    def node(self, node: Node) -> Value:
        handler: Callable[[_Evaluation, Node], Value] | None = _HANDLERS.get(node.type)
        if handler is None:
            return self.unknown(node, f"{node.type} expressions are not evaluated")
        return handler(self, node)

    def expression(self, node: Node) -> Value:
        return self.chain([child for child in node.children if child.type != "comment"], node)

    def chain(self, parts: list[Node], whole: Node) -> Value:
        """A primary followed by attribute accesses, indices and splats."""
        if parts and parts[0].type == "(" and len(parts) >= 3:
            inner = self.node(parts[1])
            return self.postfix(inner, parts[3:])
        if not parts:
            return self.unknown(whole, "invalid expression")
        if parts[0].type != "variable_expr":
            return self.postfix(self.node(parts[0]), parts[1:])
        path, rest = [_text(parts[0])], parts[1:]
        if path[0] in self.scope.bound:
            return self.postfix(self.scope.bound[path[0]], rest)
        if path[0] == "module" and len(rest) > 1 and _text(rest[1]) == "[0]":
            del rest[1]  # A call with ``count``: its first instance represents all.
        for part in rest:
            if part.type != "get_attr":
                break
            path.append(_text(part.named_children[0]))
        value, used = self.scope.names.resolve(path, self.at(whole))
        return self.postfix(value, rest[used - 1 :])

    def postfix(self, value: Value, parts: list[Node]) -> Value:
        for index, part in enumerate(parts):
            if isinstance(value, Unknown):
                return value
            if part.type == "get_attr":
                value = self._step(value, _text(part.named_children[0]), part)
            elif part.type == "index":
                value = self._index(value, part)
            elif part.type == "splat":
                inner = list(part.named_children[0].named_children) + parts[index + 1 :]
                elements = value.data if isinstance(value.data, list) else [value]
                return Known([self.postfix(element, inner) for element in elements], value.at)
        return value

    def _index(self, value: Known, part: Node) -> Value:
        inner = part.named_children[0]
        if inner.type == "legacy_index":
            return self._step(value, int(_text(inner).lstrip(".")), part)
        key = self.node(next(child for child in inner.named_children))
        if isinstance(key, Unknown):
            return key
        return self._step(value, int(key.data) if isinstance(key.data, float) else key.data, part)

    def _step(self, value: Known, key: Any, part: Node) -> Value:
        if isinstance(value.data, list) and isinstance(key, str) and key.isdecimal():
            key = int(key)
        element = get(value, key) if isinstance(key, str | int) else None
        if element is None:
            data = value.data
            if isinstance(data, dict) and key in data:
                present: Value = data[key]
                return present
            return self.unknown(part, f"{value.at} does not set {key!r}, so it is known only at run time")
        return element

    def literal(self, node: Node) -> Value:
        child = node.named_children[0] if node.named_children else node
        match child.type:
            case "string_lit":
                inner = "".join(_text(part) for part in child.children if part.type == "template_literal")
                return Known(_unescape(inner), self.at(node))
            case "numeric_lit":
                written = _text(child)
                try:
                    return Known(int(written) if written.isdecimal() else float(written), self.at(node))
                except ValueError:
                    return self.unknown(node, f"{written} is not a number")
            case "bool_lit":
                return Known(_text(child) == "true", self.at(node))
            case _:
                return Known(None, self.at(node))

    def template(self, node: Node) -> Value:
        inner = node.named_children[0]
        heredoc = inner.type == "heredoc_template"
        children = list(inner.children)
        if heredoc:
            start = children[0]
            opening = children[1]
            closing = children[-1]
            raw = self._pieces(children[2:-1], opening.end_byte, closing.start_byte, inner)
            if isinstance(raw, Unknown):
                return raw
            body = raw.split("\n", 1)[1] if "\n" in raw else ""
            body = body.rpartition("\n")[0] + "\n" if "\n" in body else ""
            if _text(start).endswith("-"):
                body = _dedent(body)
            return Known(body, self.at(node))
        # A template that is one interpolation has that value, not its text.
        parts = [
            child for child in children if child.is_named and not child.type.startswith("quoted_template_")
        ]
        if len(parts) == 1 and parts[0].type == "template_interpolation" and not self.scope.lenient:
            return self._interpolated(parts[0])
        begin = children[0].end_byte if children else node.start_byte
        end = children[-1].start_byte if children else node.end_byte
        raw = self._pieces(parts, begin, end, inner)
        return raw if isinstance(raw, Unknown) else Known(raw, self.at(node))

    def _interpolated(self, node: Node) -> Value:
        expression = next((child for child in node.named_children if child.type == "expression"), None)
        return self.node(expression) if expression else self.unknown(node, "an empty interpolation")

    def _pieces(self, children: list[Node], begin: int, end: int, whole: Node) -> str | Unknown:
        """The text of template parts; the white space between nodes is part of it."""
        source = whole.text or b""
        out: list[str] = []
        cursor = begin
        for child in children:
            out.append(_raw(source, whole, cursor, child.start_byte))
            cursor = child.end_byte
            piece = self._piece(child)
            if isinstance(piece, Unknown):
                return piece
            out.append(piece)
        out.append(_raw(source, whole, cursor, end))
        return "".join(out)

    def _piece(self, child: Node) -> str | Unknown:
        if child.type == "template_literal":
            return _unescape(_text(child))
        if child.type == "template_interpolation":
            value = self._interpolated(child)
            written = text(value)
            if written is not None:
                return written
            if self.scope.lenient:
                return "0"
            return (
                value if isinstance(value, Unknown) else self.unknown(child, "a list or mapping inside text")
            )
        if child.type == "template_directive":
            return self._directive(child.named_children[0])
        return _text(child)

    def _directive(self, node: Node) -> str | Unknown:
        children = list(node.children)
        if node.type != "template_if":
            if self.scope.lenient:
                return "\n"
            return self.unknown(node, "%{for} directives are not evaluated")
        arms: list[list[Node]] = [[]]
        markers = [children[0]]
        for child in children[1:]:
            if child.type in ("template_else_intro", "template_if_end"):
                markers.append(child)
                arms.append([])
            else:
                arms[-1].append(child)
        condition = self.node(
            next(child for child in markers[0].named_children if child.type == "expression")
        )
        if self.scope.every_switch:
            taken = 0
        elif isinstance(condition, Unknown):
            if not self.scope.lenient:
                return condition
            taken = 0
        else:
            taken = 0 if condition.data is True else 1
        if taken >= len(markers) - 1:
            return ""
        return self._pieces(arms[taken], markers[taken].end_byte, markers[taken + 1].start_byte, node)

    def collection(self, node: Node) -> Value:
        inner = node.named_children[0]
        if inner.type == "tuple":
            return Known(
                [self.node(child) for child in inner.named_children if child.type == "expression"],
                self.at(node),
            )
        mapping: dict[str, Value] = {}
        for element in inner.named_children:
            if element.type != "object_elem" or element.named_child_count < 2:
                continue
            key_node, value_node = element.named_children[0], element.named_children[-1]
            key = self._key(key_node)
            if isinstance(key, Unknown):
                return key
            mapping[key] = self.node(value_node)
        return Known(mapping, self.at(node))

    def _key(self, node: Node) -> str | Unknown:
        # A bare word is the key itself; only brackets make it a reference.
        if (
            node.named_child_count == 1
            and node.named_children[0].type == "variable_expr"
            and node.child_count == 1
        ):
            return _text(node.named_children[0])
        value = self.node(node)
        written = text(value)
        if written is None:
            return value if isinstance(value, Unknown) else self.unknown(node, "a key that is not text")
        return written

    def conditional(self, node: Node) -> Value:
        condition, yes, no = [child for child in node.named_children if child.type != "comment"][:3]
        value = self.node(condition)
        if isinstance(value, Unknown):
            return value
        return self.node(yes if value.data is True or value.data == "true" else no)

    def call(self, node: Node) -> Value:
        name = _text(node.named_children[0])
        arguments: list[Value] = []
        spread = False
        for child in node.named_children[1].children if node.named_child_count > 1 else []:
            if child.type == "expression":
                arguments.append(self.node(child))
            elif child.type == "ellipsis":
                spread = True
        if spread and arguments and isinstance(arguments[-1], Known) and isinstance(arguments[-1].data, list):
            arguments[-1:] = arguments[-1].data
        return self._apply(name, arguments, node)

    def _apply(self, name: str, arguments: list[Value], node: Node) -> Value:
        special = self.scope.names.function(name, arguments, self.at(node))
        if special is not None:
            return special
        function = FUNCTIONS.get(name)
        if function is None:
            return self.unknown(node, f"function {name}() is not evaluated")
        try:
            return function(arguments, self.at(node))
        except (LookupError, ValueError, TypeError, ArithmeticError) as error:
            unknown = next((argument for argument in arguments if isinstance(argument, Unknown)), None)
            return unknown or self.unknown(node, f"{name}() cannot be evaluated: {error}")

    def operation(self, node: Node) -> Value:
        inner = node.named_children[0]
        children = [child for child in inner.children if child.type != "comment"]
        if inner.type == "unary_operation":
            value = self.chain(children[1:], inner)
            if isinstance(value, Unknown):
                return value
            try:
                return Known(not value.data if children[0].type == "!" else -value.data, self.at(node))
            except TypeError:
                return self.unknown(node, "an operand of the wrong type")
        place = next((i for i, child in enumerate(children) if child.type in _OPERATORS), None)
        if place is None:
            return self.unknown(node, "invalid operation")
        return self._binary(children[:place], children[place].type, children[place + 1 :], node)

    def _binary(self, left: list[Node], operator: str, right: list[Node], node: Node) -> Value:
        first = self.chain(left, node)
        if operator in ("&&", "||") and isinstance(first, Known) and bool(first.data) is (operator == "||"):
            return Known(bool(first.data), first.at)
        second = self.chain(right, node)
        for value in (first, second):
            if isinstance(value, Unknown):
                # false && x and true || x are determined whatever x is.
                other = second if value is first else first
                if (
                    operator in ("&&", "||")
                    and isinstance(other, Known)
                    and bool(other.data) is (operator == "||")
                ):
                    return Known(bool(other.data), other.at)
                return value
        assert isinstance(first, Known)
        assert isinstance(second, Known)
        # The first did not decide it.
        place = second.at if operator in ("&&", "||") else self.at(node)
        try:
            return Known(_OPERATORS[operator](_bare(first), _bare(second)), place)
        except (TypeError, ArithmeticError, LookupError) as error:
            return self.unknown(node, f"cannot be calculated: {error}")

    def loop(self, node: Node) -> Value:
        inner = node.named_children[0]
        intro = next(child for child in inner.named_children if child.type == "for_intro")
        names = [_text(child) for child in intro.named_children if child.type == "identifier"]
        source = self.node(next(child for child in intro.named_children if child.type == "expression"))
        if isinstance(source, Unknown):
            return source
        bodies = [child for child in inner.named_children if child.type == "expression"]
        condition = next((child for child in inner.named_children if child.type == "for_cond"), None)
        pairs: list[tuple[Value, Value]]
        if isinstance(source.data, dict):
            pairs = [(Known(key, value.at), value) for key, value in source.data.items()]
        elif isinstance(source.data, list):
            pairs = [(Known(index, value.at), value) for index, value in enumerate(source.data)]
        else:
            return self.unknown(node, "a loop over something that is not a collection")
        results: list[tuple[Value, Value]] = []
        for key, value in pairs:
            bound = {names[0]: value} if len(names) == 1 else {names[0]: key, names[1]: value}
            inside = _Evaluation(self.scope.bind(**bound), self.file)
            if condition is not None:
                kept = inside.node(
                    next(child for child in condition.named_children if child.type == "expression")
                )
                if isinstance(kept, Unknown):
                    return kept
                if kept.data is not True:
                    continue
            results.append((inside.node(bodies[0]), inside.node(bodies[-1])))
        if inner.type == "for_tuple_expr":
            return Known([value for _, value in results], self.at(node))
        mapping: dict[str, Value] = {}
        for key, value in results:
            written = text(key)
            if written is None:
                return key if isinstance(key, Unknown) else self.unknown(node, "a key that is not text")
            mapping[written] = value
        return Known(mapping, self.at(node))


def _bare(value: Known) -> Any:
    from builder_contracts.truth.value import plain

    return plain(value)


def _equal(a: Any, b: Any) -> bool:
    return bool(a == b and isinstance(a, bool) == isinstance(b, bool))


_OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "==": _equal,
    "!=": lambda a, b: not _equal(a, b),
    "<": lambda a, b: a < b,
    ">": lambda a, b: a > b,
    "<=": lambda a, b: a <= b,
    ">=": lambda a, b: a >= b,
    "&&": lambda a, b: bool(a) and bool(b),
    "||": lambda a, b: bool(a) or bool(b),
    "+": lambda a, b: _add(a, b, 1),
    "-": lambda a, b: _add(a, b, -1),
    "*": lambda a, b: a * b if not isinstance(a, str) and not isinstance(b, str) else _no(a, b),
    "/": lambda a, b: a / b,
    "%": lambda a, b: a % b if not isinstance(a, str) else _no(a, b),
}

_HANDLERS: dict[str, Callable[[_Evaluation, Node], Value]] = {
    "expression": _Evaluation.expression,
    "literal_value": _Evaluation.literal,
    "template_expr": _Evaluation.template,
    "collection_value": _Evaluation.collection,
    "conditional": _Evaluation.conditional,
    "function_call": _Evaluation.call,
    "operation": _Evaluation.operation,
    "for_expr": _Evaluation.loop,
}


def _add(a: Any, b: Any, sign: int) -> Any:
    if isinstance(a, str) or isinstance(b, str):
        return _no(a, b)
    return a + sign * b


def _no(a: Any, b: Any) -> Any:
    raise TypeError(f"{a!r} and {b!r} are not both numbers")


def _text(node: Node) -> str:
    return (node.text or b"").decode("utf-8", "replace")


def _raw(source: bytes, whole: Node, begin: int, end: int) -> str:
    offset = whole.start_byte
    return source[max(begin - offset, 0) : max(end - offset, 0)].decode("utf-8", "replace")


def _unescape(written: str) -> str:
    if "\\" not in written and "$$" not in written and "%%" not in written:
        return written
    return _ESCAPE.sub(
        lambda m: _ESCAPES[m[1]] if m[1] else chr(int(m[2], 16)) if m[2] else ("${" if m[3] else "%{"),
        written,
    )


def _dedent(body: str) -> str:
    lines = body.split("\n")
    margin = min((len(line) - len(line.lstrip(" ")) for line in lines if line.strip()), default=0)
    return "\n".join(line[margin:] if line.strip() else "" for line in lines)
