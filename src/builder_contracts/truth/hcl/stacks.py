"""Stacks: root modules with their variables, followed through module calls into resources."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from builder_contracts.errors import Location
from builder_contracts.truth.hcl.evaluator import Scope, evaluate
from builder_contracts.truth.hcl.syntax import Block, Expression, parse_template
from builder_contracts.truth.value import Known, Unknown, Value, fields, get

_MAX_DEPTH = 8
# Attributes of the block itself, not of what it creates.
_META = ("count", "for_each", "depends_on", "provider", "providers", "lifecycle")
# A variable of a template by itself.
_VARIABLE = re.compile(r"(?<!\$)\$\{\s*([A-Za-z_][\w-]*)\s*\}")
UNFILLED = "${"
"""Begins what stays of a template where its variable is known only at run time."""


@dataclass
class Folder:
    """The blocks of all .tf files of one folder: what OpenTofu calls a module. ``broken``: a part could not be read."""

    path: str
    variables: dict[str, Block] = field(default_factory=dict)
    locals: dict[str, Expression] = field(default_factory=dict)
    outputs: dict[str, Block] = field(default_factory=dict)
    calls: dict[str, Block] = field(default_factory=dict)
    resources: list[Block] = field(default_factory=list)
    terraform: list[Block] = field(default_factory=list)
    providers: list[Block] = field(default_factory=list)
    roots: list[Block] = field(default_factory=list)
    broken: bool = False

    def add(self, root: Block) -> None:
        self.roots.append(root)
        for block in root.blocks:
            label = block.labels[0] if block.labels else ""
            match block.kind:
                case "variable":
                    self.variables[label] = block
                case "locals":
                    self.locals |= block.attributes
                case "output":
                    self.outputs[label] = block
                case "module":
                    self.calls[label] = block
                case "resource" if len(block.labels) >= 2:
                    self.resources.append(block)
                case "terraform":
                    self.terraform.append(block)
                case "provider":
                    self.providers.append(block)
                case _:
                    pass

    def called_folder(self, call: Block) -> str | None:
        """The folder that a call's relative ``source`` names, from the root of the checkout."""
        source = call.attributes.get("source")
        written = source.text.strip().strip('"') if source else ""
        return (
            posixpath.normpath(posixpath.join(self.path, written))
            if written.startswith(("./", "../"))
            else None
        )


@dataclass(frozen=True)
class TofuResource:
    """A resource of a stack after its module calls were followed.

    ``deployed`` is false if a count or a toggle leaves it out, Unknown if that is not decidable.
    """

    block: Block
    scope: Scope
    deployed: Value
    address: str

    @property
    def type(self) -> str:
        return self.block.labels[0]

    @property
    def at(self) -> Location:
        return self.block.at


@dataclass
class Instance:
    """A module with the values of its variables: the names that its expressions see.

    With ``every_switch``, a variable that is false because nobody sets it is true: its callers may choose so.
    """

    folder: Folder
    folders: Mapping[str, Folder]
    files: Callable[[str], str | None]
    inputs: Mapping[str, Value]
    bound: dict[str, Value] = field(default_factory=dict)
    depth: int = 0
    every_switch: bool = False
    _known: dict[tuple[str, str], Value | None] = field(default_factory=dict)

    @property
    def scope(self) -> Scope:
        return Scope(self, self.bound)

    def resolve(self, path: Sequence[str], at: Location) -> tuple[Value, int]:
        kind, name = path[0], path[1] if len(path) > 1 else ""
        match kind:
            case "var":
                return self._once(kind, name, at), 2
            case "local":
                return self._once(kind, name, at), 2
            case "module" if len(path) > 2:
                return self._output(name, path[2], at), 3
            case "path":
                return Known(self.folder.path if name != "root" else ".", at), 2
            case "terraform":
                return Unknown("the workspace is known only at run time", at), len(path)
            case "data":
                return Unknown(f"data.{'.'.join(path[1:3])} is resolved at run time", at), len(path)
            case _ if self._block(kind, name) is not None:
                return self._once(kind, name, at), 2
            case _:
                return Unknown(f"{'.'.join(path[:2])} is known only after it is created", at), len(path)

    def _block(self, kind: str, name: str) -> Block | None:
        return next((block for block in self.folder.resources if block.labels[:2] == (kind, name)), None)

    def _resource(self, kind: str, name: str, at: Location) -> Value:
        """The attributes that a resource sets, its name for example; the others are known after it is created."""
        block = self._block(kind, name)
        if block is None or "for_each" in block.attributes:
            return Unknown(f"{kind}.{name} is known only after it is created", at)
        written = structure(block, self.scope)
        return Known([written], block.at) if "count" in block.attributes else written

    def _once(self, kind: str, name: str, at: Location) -> Value:
        key = (kind, name)
        if key in self._known:
            cached = self._known[key]
            return cached if cached is not None else Unknown(f"{kind}.{name} refers to itself", at)
        self._known[key] = None
        match kind:
            case "var":
                value = self._variable(name, at)
            case "local":
                value = self._local(name, at)
            case _:
                value = self._resource(kind, name, at)
        self._known[key] = value
        return value

    def _variable(self, name: str, at: Location) -> Value:
        if name in self.inputs and not (
            isinstance(self.inputs[name], Known) and get(self.inputs[name]) is None
        ):
            return self._with_defaults(name, self.inputs[name])
        block = self.folder.variables.get(name)
        if block is None:
            return Unknown(f"no variable {name!r} in {self.folder.path}", at)
        if "default" not in block.attributes:
            return Unknown(f"the variable {name!r} has no default and no .tfvars file sets it", block.at)
        value = evaluate(block.attributes["default"], Scope(self))
        if self.every_switch and isinstance(value, Known) and value.data is False:
            return Known(True, value.at)
        return value

    def _with_defaults(self, name: str, value: Value) -> Value:
        """Fill the ``optional(type, default)`` attributes of a map of objects, as OpenTofu does."""
        block = self.folder.variables.get(name)
        kind = block.attributes.get("type") if block else None
        if kind is None or "optional(" not in kind.text:
            return value
        defaults = {key: evaluate(default, Scope(self)) for key, default in _optional(kind)}
        if not isinstance(value, Known) or not isinstance(value.data, dict):
            return value

        def filled(item: Value) -> Value:
            if isinstance(item, Known) and isinstance(item.data, dict):
                return Known({**defaults, **item.data}, item.at)
            return item

        if kind.text.lstrip().startswith("map("):
            return Known({key: filled(item) for key, item in value.data.items()}, value.at)
        return filled(value)

    def _local(self, name: str, at: Location) -> Value:
        expression = self.folder.locals.get(name)
        return evaluate(expression, Scope(self)) if expression else Unknown(f"no local value {name!r}", at)

    def _output(self, call: str, name: str, at: Location) -> Value:
        for _, instance, _ in self._instances(call):
            output = instance.folder.outputs.get(name)
            if output and "value" in output.attributes:
                return evaluate(output.attributes["value"], instance.scope)
        return Unknown(f"the output {name!r} of module {call!r} is not in this checkout", at)

    def function(self, name: str, arguments: Sequence[Value], at: Location) -> Value | None:
        if name not in ("file", "templatefile") or not arguments:
            return None
        if not isinstance(arguments[0], Known):
            return arguments[0]
        path = posixpath.normpath(str(arguments[0].data))
        content = self.files(path)
        if content is None:
            return Unknown(f"the file {path} is not in this checkout", at)
        if name == "file":
            return Known(content, Location(path, 1))
        return _filled_in(content, path, arguments[1] if len(arguments) > 1 else Known({}, at))

    def all(self) -> Iterator[Instance]:
        """This module and those that it calls, except the ones that a toggle leaves out."""
        yield self
        for name in self.folder.calls:
            for _, instance, present in self._instances(name):
                if not (isinstance(present, Known) and present.data is False):
                    yield from instance.all()

    def resources(self) -> Iterator[TofuResource]:
        """Every resource of this module and of those it calls."""
        yield from self._resources(Known(True, Location(self.folder.path, 1)), "")

    def _resources(self, deployed: Value, prefix: str) -> Iterator[TofuResource]:
        for block in self.folder.resources:
            for bound, present in self._repeat(block):
                scope = Scope(self, {**self.bound, **bound})
                yield TofuResource(
                    block, scope, _both(deployed, present), prefix + ".".join(block.labels[:2])
                )
        for name in self.folder.calls:
            for _, instance, present in self._instances(name):
                yield from instance._resources(_both(deployed, present), f"{prefix}module.{name}.")

    def _instances(self, name: str) -> Iterator[tuple[Block, Instance, Value]]:
        call = self.folder.calls.get(name)
        target = self.folders.get(self.folder.called_folder(call) or "") if call else None
        if call is None or target is None or self.depth >= _MAX_DEPTH:
            return
        for bound, present in self._repeat(call):
            scope = Scope(self, {**self.bound, **bound})
            inputs = {
                key: evaluate(expression, scope)
                for key, expression in call.attributes.items()
                if key not in ("source", "version", "count", "for_each", "depends_on", "providers")
            }
            instance = Instance(
                target, self.folders, self.files, inputs, {}, self.depth + 1, self.every_switch
            )
            yield call, instance, present

    def _repeat(self, block: Block) -> Iterator[tuple[dict[str, Value], Value]]:
        """The instances that ``count`` and ``for_each`` create: bindings, and whether the instance exists."""
        if "count" in block.attributes:
            count = evaluate(block.attributes["count"], self.scope)
            if isinstance(count, Unknown):
                yield {}, count
            else:
                # One instance represents all, because they differ only in their number.
                present = isinstance(count.data, int | float) and count.data > 0
                decided_at = _switch_at(block.attributes["count"], self.scope) or count.at
                yield {"count": Known({"index": Known(0, count.at)}, count.at)}, Known(present, decided_at)
        elif "for_each" in block.attributes:
            over = evaluate(block.attributes["for_each"], self.scope)
            if isinstance(over, Unknown):
                yield {}, over
            for key, value in _pairs(over):
                yield {"each": Known({"key": key, "value": value}, value.at)}, Known(True, value.at)
        else:
            yield {}, Known(True, block.at)


def _filled_in(template: str, path: str, variables: Value) -> Value:
    """A template with its variables; what is known only at run time stays as it is written."""
    at = Location(path, 1)
    if isinstance(variables, Unknown):
        return Unknown(f"the variables of template {path} are known only at run time", at)
    by_name = fields(variables)

    def use(match: re.Match[str]) -> str:
        return f"${match[0]}" if isinstance(by_name.get(match[1]), Unknown) else match[0]

    expression = parse_template(_VARIABLE.sub(use, template), path)
    if expression is None:
        return Unknown(f"the template {path} cannot be read", at)
    nothing = Instance(Folder(posixpath.dirname(path)), {}, no_file, {})
    filled = evaluate(expression, Scope(nothing, by_name))
    return Known(filled.data, at) if isinstance(filled, Known) else filled


def no_file(_: str) -> None:
    """The file of a path where files are not looked at."""


def _switch_at(count: Expression, scope: Scope) -> Location | None:
    """Where the switch of ``count = SWITCH ? 1 : 0`` has its value."""
    node = next(iter(count.node.named_children), None)
    if node is None or node.type != "conditional":
        return None
    return evaluate(count.on(node.named_children[0]), scope).at


def _both(outer: Value, inner: Value) -> Value:
    for value in (outer, inner):
        if isinstance(value, Known) and value.data is False:
            return value
    return outer if isinstance(outer, Unknown) else inner


def _pairs(over: Value) -> list[tuple[Value, Value]]:
    if isinstance(over, Known) and isinstance(over.data, dict):
        return [(Known(key, value.at), value) for key, value in over.data.items()]
    if isinstance(over, Known) and isinstance(over.data, list):
        return [(value, value) for value in over.data]
    return []


def _optional(kind: Expression) -> Iterator[tuple[str, Expression]]:
    """The attributes of a type expression that have a default, with it."""
    pending = [kind.node]
    while pending:
        node = pending.pop()
        if node.type == "object_elem":
            key, value = node.named_children[0], node.named_children[-1]
            call = value.named_children[0] if value.named_children else None
            if (
                call is not None
                and call.type == "function_call"
                and (call.named_children[0].text or b"") == b"optional"
            ):
                arguments = [
                    child for child in call.named_children[1].named_children if child.type == "expression"
                ]
                if len(arguments) == 2:
                    yield (key.text or b"").decode(), kind.on(arguments[1])
                continue
        pending.extend(node.named_children)


def dynamic(block: Block, scope: Scope, kind: str) -> Iterator[tuple[Block, Scope]]:
    """The inner blocks of a kind, those that ``dynamic`` makes included, with what they see."""
    for inner in block.blocks:
        if inner.kind == kind:
            yield inner, scope
        elif inner.kind == "dynamic" and inner.labels[:1] == (kind,) and "for_each" in inner.attributes:
            over = evaluate(inner.attributes["for_each"], scope)
            iterator = inner.attributes["iterator"].text if "iterator" in inner.attributes else kind
            for content in inner.all("content"):
                for key, value in _pairs(over):
                    yield content, scope.bind(**{iterator: Known({"key": key, "value": value}, value.at)})


def structure(block: Block, scope: Scope) -> Value:
    """A block with all it holds as one value; blocks become lists of mappings, an empty one where none is made."""
    mapping: dict[str, Value] = {
        name: evaluate(expression, scope)
        for name, expression in block.attributes.items()
        if name not in _META
    }
    kinds = dict.fromkeys(
        inner.labels[0] if inner.kind == "dynamic" and inner.labels else inner.kind for inner in block.blocks
    )
    for kind in kinds:
        blocks = [structure(inner, inner_scope) for inner, inner_scope in dynamic(block, scope, kind)]
        mapping[kind] = Known(blocks, blocks[0].at if blocks else block.at)
    return Known(mapping, block.at)
