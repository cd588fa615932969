"""No proof imports another: what two proofs share has a module of the shared thing's name."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = "builder_contracts.prove"
FOLDER = Path(__file__).parents[2] / "src" / "builder_contracts" / "prove"
# The folder of each proof. The canaries, which several proofs build, are shared.
PROOFS = {
    name: {name} for name in ("nix", "bazel", "publication", "state", "http_state", "secrets", "kernel")
}
# Modules that put the proofs of a run together know all of them.
WIRING = {"records", "schedule", "backends", "verdicts"}
MODULES = {
    path: path.relative_to(FOLDER).parts[0].removesuffix(".py")
    for path in sorted(FOLDER.rglob("*.py"))
    if path.name != "__init__.py" or path.parent != FOLDER
}


def imports(source: str) -> set[str]:
    """The modules of this package that a source imports, by their first name."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.module == PACKAGE:
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            if node.module.startswith(f"{PACKAGE}."):
                names.add(node.module.removeprefix(f"{PACKAGE}.").partition(".")[0])
        elif isinstance(node, ast.Import):
            dotted = [alias.name for alias in node.names if alias.name.startswith(f"{PACKAGE}.")]
            names |= {name.removeprefix(f"{PACKAGE}.").partition(".")[0] for name in dotted}
    return names


def proof_of(module: str) -> str:
    """The proof that a module belongs to, empty for a shared one."""
    return next((proof for proof, modules in PROOFS.items() if module in modules), "")


@pytest.mark.parametrize(
    "path",
    [path for path, module in MODULES.items() if module not in WIRING],
    ids=lambda path: str(path.relative_to(FOLDER)),
)
def test_module_imports_no_other_proof(path: Path) -> None:
    proof = proof_of(MODULES[path])
    others = {name for name in imports(path.read_text("utf-8")) if proof_of(name) not in ("", proof)}
    assert others == set()


def test_every_named_module_exists() -> None:
    named = set().union(*PROOFS.values()) | WIRING
    assert named - set(MODULES.values()) == set()


@pytest.mark.parametrize(
    "source",
    [
        "from builder_contracts.prove.nix.judge import judge",
        "from builder_contracts.prove import nix, job",
        "import builder_contracts.prove.nix.log",
    ],
)
def test_every_form_of_an_import_is_found(source: str) -> None:
    assert {proof_of(name) for name in imports(source)} - {""} == {"nix"}
