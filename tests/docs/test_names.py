"""The names that docs/glossary.md asks for, held against the code."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted((ROOT / "src").rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("test_*.py"))

VAGUE = {"one", "said", "told", "found", "mine", "wanted", "known", "here", "there", "each"}
"""Words that say nothing about what a variable holds."""

LONGEST_TEST_NAME = 60


def bindings(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Every variable and parameter that the code binds, with its line.

    The fields of a class are not among them: saved facts and reports have the same names.
    """
    fields = {
        id(statement.target)
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
        for statement in node.body
        if isinstance(statement, ast.AnnAssign)
    }
    for node in ast.walk(tree):
        if id(node) in fields:
            continue
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id, node.lineno
        elif isinstance(node, ast.arg):
            yield node.arg, node.lineno
        elif isinstance(node, ast.MatchAs | ast.MatchStar) and node.name:
            yield node.name, node.lineno


def parsed(file: Path) -> ast.Module:
    return ast.parse(file.read_text("utf-8"))


def relative(file: Path) -> str:
    return str(file.relative_to(ROOT))


def vague(tree: ast.AST) -> list[str]:
    return [f"{name} (line {line})" for name, line in bindings(tree) if name.lstrip("_") in VAGUE]


@pytest.mark.parametrize("file", SOURCES, ids=relative)
def test_no_variable_has_a_vague_name(file: Path) -> None:
    assert vague(parsed(file)) == []


def test_a_vague_name_is_reported() -> None:
    assert vague(ast.parse("def f(one):\n    return [each for each in one]\n")) == [
        "one (line 1)",
        "each (line 2)",
    ]


def test_no_class_name_occurs_twice() -> None:
    places = defaultdict(list)
    for file in SOURCES:
        for node in ast.walk(parsed(file)):
            if isinstance(node, ast.ClassDef):
                places[node.name.lstrip("_").lower()].append(f"{relative(file)}:{node.lineno}")
    assert {name: files for name, files in places.items() if len(files) > 1} == {}


@pytest.mark.parametrize("file", TESTS, ids=relative)
def test_names_of_tests_are_short(file: Path) -> None:
    names = [node.name for node in ast.walk(parsed(file)) if isinstance(node, ast.FunctionDef)]
    tests = [name for name in names if name.startswith("test_")]
    assert [name for name in tests if len(name) > LONGEST_TEST_NAME] == []
