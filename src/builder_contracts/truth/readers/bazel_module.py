"""MODULE.bazel to the modules that it depends on and the Python toolchains that it declares."""

from __future__ import annotations

import ast

from builder_contracts.errors import Location
from builder_contracts.truth.checkout import TOO_DEEP, File
from builder_contracts.truth.model import BazelDependency, BazelModule, PythonToolchain


class NotStarlark(Exception):
    """A module file that does not parse; carries what the parser said."""


def parse_starlark(file: File) -> ast.Module:
    """MODULE.bazel is Starlark, whose syntax is a part of Python's. Raises NotStarlark."""
    try:
        return ast.parse(file.text())
    except (SyntaxError, ValueError) as error:
        raise NotStarlark(f"not Starlark: {error}") from None
    except (RecursionError, MemoryError):
        raise NotStarlark(TOO_DEEP) from None


def read_bazel_module(file: File) -> BazelModule:
    """The dependencies and Python toolchains of a module. Raises NotStarlark."""
    dependencies: list[BazelDependency] = []
    toolchains: list[PythonToolchain] = []
    for node in ast.walk(parse_starlark(file)):
        if not isinstance(node, ast.Call):
            continue
        arguments = {
            keyword.arg: keyword.value.value
            for keyword in node.keywords
            if isinstance(keyword.value, ast.Constant)
        }
        at = Location(file.path, node.lineno)
        if isinstance(node.func, ast.Name) and node.func.id == "bazel_dep":
            dependencies.append(
                BazelDependency(str(arguments.get("name", "")), str(arguments.get("version", "")), at)
            )
        elif (
            isinstance(node.func, ast.Attribute)
            and node.func.attr == "toolchain"
            and any(keyword.arg == "python_version" for keyword in node.keywords)
        ):
            toolchains.append(PythonToolchain(arguments.get("ignore_root_user_error") is True, at))
    return BazelModule(tuple(dependencies), tuple(toolchains))
