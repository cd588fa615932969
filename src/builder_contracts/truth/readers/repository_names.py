"""Read a repository's names: titles, module and flake names, package metadata, workflow names."""

from __future__ import annotations

import ast
import json
import re
import tomllib
from collections.abc import Callable, Iterator

from builder_contracts.errors import Location
from builder_contracts.truth.checkout import TOO_DEEP, File
from builder_contracts.truth.model import NameField
from builder_contracts.truth.readers.bazel_module import NotStarlark, parse_starlark


class NotReadable(Exception):
    """A metadata file that does not parse; carries what the parser said."""


def _module(file: File) -> Iterator[NameField]:
    """The description and the name in a MODULE.bazel."""
    try:
        tree = parse_starlark(file)
    except NotStarlark as error:
        raise NotReadable(str(error)) from None
    if docstring := ast.get_docstring(tree):
        yield NameField("MODULE.bazel description", docstring.splitlines()[0], False, Location(file.path, 1))
    for node in tree.body:
        call = node.value if isinstance(node, ast.Expr) else None
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "module":
            for keyword in call.keywords:
                if keyword.arg == "name" and isinstance(keyword.value, ast.Constant):
                    yield NameField(
                        "Bazel module",
                        str(keyword.value.value),
                        True,
                        Location(file.path, keyword.value.lineno),
                    )


def _flake(file: File) -> Iterator[NameField]:
    """The flake's description and the names that its shells carry."""
    import tree_sitter
    import tree_sitter_nix

    tree = tree_sitter.Parser(tree_sitter.Language(tree_sitter_nix.language())).parse(file.raw)
    pending = [tree.root_node]
    while pending:
        node = pending.pop()
        pending.extend(reversed(node.named_children))
        if node.type != "binding" or node.named_child_count < 2:
            continue
        key, value = node.named_children[0], node.named_children[-1]
        if value.type != "string_expression" or (key.text or b"") not in (b"description", b"name"):
            continue
        written = (value.text or b"").decode("utf-8", "replace").strip('"')
        at = Location(file.path, value.start_point.row + 1)
        if key.text == b"description" and _depth(node) <= 1:
            yield NameField("flake description", written, False, at)
        elif key.text == b"name" and _within(node, b"mkShell"):
            yield NameField("flake shell name", written, False, at)


def _depth(node: object) -> int:
    depth, parent = 0, getattr(node, "parent", None)
    while parent is not None:
        depth += parent.type == "binding"
        parent = parent.parent
    return depth


def _within(node: object, function: bytes) -> bool:
    parent = getattr(node, "parent", None)
    while parent is not None:
        if parent.type == "apply_expression":
            return function in (parent.named_children[0].text or b"")
        parent = parent.parent
    return False


def _package_json(file: File) -> Iterator[NameField]:
    try:
        data = json.loads(file.text())
    except ValueError as error:
        raise NotReadable(f"not JSON: {error}") from None
    except RecursionError:
        raise NotReadable(TOO_DEEP) from None
    if file.path != "package.json" or not isinstance(data, dict):
        return
    for field, exact in (("name", True), ("description", False)):
        if isinstance(data.get(field), str):
            yield NameField(
                f"package {field}", data[field], exact, Location(file.path, _line(file, f'"{field}"'))
            )


def _pyproject(file: File) -> Iterator[NameField]:
    try:
        project = tomllib.loads(file.text()).get("project", {})
    except tomllib.TOMLDecodeError as error:
        raise NotReadable(f"not TOML: {error}") from None
    except RecursionError:
        raise NotReadable(TOO_DEEP) from None
    for field, exact in (("name", True), ("description", False)):
        if isinstance(project, dict) and isinstance(project.get(field), str):
            yield NameField(
                f"package {field}", project[field], exact, Location(file.path, _line(file, f"{field} ="))
            )


def _line(file: File, words: str) -> int:
    place = file.raw.find(words.encode())
    return file.line_of(place) if place >= 0 else 1


def _title(file: File) -> Iterator[NameField]:
    """The first heading of a page."""
    for number, line in enumerate(file.text().splitlines(), 1):
        if line.startswith("# "):
            yield NameField(f"{file.name} title", line[2:].strip(), False, Location(file.path, number))
            return


def _header(file: File) -> Iterator[NameField]:
    """The comment at the top of a Justfile or Makefile."""
    for number, line in enumerate(file.text().splitlines(), 1):
        words = line.lstrip("# ").strip(" =-")
        if not line.startswith("#"):
            return
        if words:
            yield NameField(f"{file.name} header", words, False, Location(file.path, number))
            return


SURFACES: dict[str, Callable[[File], Iterator[NameField]]] = {
    "MODULE.bazel": _module,
    "flake.nix": _flake,
    "package.json": _package_json,
    "pyproject.toml": _pyproject,
    "README.md": _title,
    "CONTRIBUTING.md": _title,
    "docs/index.md": _title,
    "Justfile": _header,
    "justfile": _header,
    "Makefile": _header,
}
"""Files at their usual places and who reads them."""

WORKFLOW_NAME = re.compile(r"^name:\s*(.+?)\s*$", re.MULTILINE)
