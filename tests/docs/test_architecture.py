"""The rules of docs/architecture.md, held against the imports."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "builder_contracts"
PAGE = ROOT / "docs" / "architecture.md"


def imports(file: Path) -> Iterator[str]:
    """The dotted names that a file imports, wherever in the file it does so."""
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file} has a relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def layers() -> list[str]:
    """The layers in the order of the page."""
    table = PAGE.read_text("utf-8").partition("\n## Layers\n")[2].partition("\n## ")[0]
    return re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)


def layer_of(file: Path) -> str:
    return file.relative_to(PACKAGE).parts[0].removesuffix(".py")


def upward(file: Path) -> list[str]:
    """What a file imports from layers below its own."""
    order = layers()
    allowed = order[: order.index(layer_of(file)) + 1]
    used = {name.split(".")[1] for name in imports(file) if name.startswith("builder_contracts.")}
    return sorted(used - set(allowed) - {"__version__"})


def files(folder: str = "") -> list[Path]:
    return sorted(path for path in (PACKAGE / folder).rglob("*.py") if path != PACKAGE / "__init__.py")


def named(path: Path) -> str:
    return str(path.relative_to(PACKAGE))


def test_the_page_names_every_package_and_no_other() -> None:
    there = {layer_of(file) for file in files()}
    assert sorted(layers()) == sorted(there)


@pytest.mark.parametrize("file", files(), ids=named)
def test_a_module_uses_only_layers_above_its_own(file: Path) -> None:
    assert upward(file) == []


def test_an_import_against_the_order_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "facts").mkdir()
    guilty = tmp_path / "facts" / "model.py"
    guilty.write_text("def late():\n    from builder_contracts.runner import engine\n", "utf-8")
    monkeypatch.setattr("tests.docs.test_architecture.PACKAGE", tmp_path)
    assert upward(guilty) == ["runner"]


# What a pure module may import of the standard library: nothing that sees the world or the clock.
PURE = {
    "__future__",
    "collections",
    "dataclasses",
    "datetime",
    "enum",
    "functools",
    "itertools",
    "json",
    "math",
}
PURE |= {"re", "shlex", "typing"}


@pytest.mark.parametrize("file", files("judge"), ids=named)
def test_judging_is_pure(file: Path) -> None:
    outside = {name.partition(".")[0] for name in imports(file)} - {"builder_contracts"}
    assert outside <= PURE
    assert not re.search(r"\b(today|now|utcnow)\(\)", file.read_text("utf-8"))


STARTS = re.compile(
    r"^\s*(import|from) (subprocess|pty)\b|\bos\.(system|popen|exec|spawn|fork)", re.MULTILINE
)


def test_one_module_starts_programs() -> None:
    starters = [named(file) for file in files() if STARTS.search(file.read_text("utf-8"))]
    assert starters == ["runner/process.py"]
