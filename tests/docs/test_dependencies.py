"""docs/dependencies.md, held against the files that name dependencies."""

from __future__ import annotations

import ast
import importlib.metadata
import re
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from builder_contracts.extras import EXTRAS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "dependencies.md").read_text("utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]


def section(title: str) -> str:
    return PAGE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def justified(text: str) -> set[str]:
    """The names in the tables of one dependency a line, which have two columns."""
    rows = re.findall(r"^\| ([A-Za-z0-9._-]+) \| [^|]{5,} \|$", text, re.MULTILINE)
    return {str(canonicalize_name(name)) for name in rows} - {"dependency", "program"}


def names(requirements: list[str]) -> set[str]:
    return {str(canonicalize_name(Requirement(text).name)) for text in requirements}


def test_every_dependency_of_the_package_has_its_line() -> None:
    assert justified(section("The package")) == names(PROJECT["dependencies"])


def test_the_core_needs_ten_packages_at_most() -> None:
    # A backport of the standard library goes with the last Python that needs it.
    assert len([text for text in PROJECT["dependencies"] if Requirement(text).marker is None]) <= 10


@pytest.mark.parametrize("extra", EXTRAS)
def test_every_dependency_of_an_extra_has_its_line(extra: str) -> None:
    assert justified(section(f"The extra `{extra}`")) == names(PROJECT["optional-dependencies"][extra])


def test_all_is_every_extra() -> None:
    (everything,) = map(Requirement, PROJECT["optional-dependencies"]["all"])
    assert everything.extras == set(EXTRAS)
    assert set(PROJECT["optional-dependencies"]) == {*EXTRAS, "all", "dev"}


def test_every_development_tool_has_its_line_and_no_other_has() -> None:
    assert justified(section("Development")) == names(PROJECT["optional-dependencies"]["dev"])


def test_every_python_package_of_the_services_image_has_its_line() -> None:
    lines = (ROOT / "builders" / "services" / "requirements.txt").read_text("utf-8").splitlines()
    python_packages = names([line for line in lines if line and not line.startswith("#")])
    assert python_packages <= justified(section("In the images"))


def test_every_dependency_has_a_range() -> None:
    extras = PROJECT["optional-dependencies"]
    texts = [*PROJECT["dependencies"], *(text for extra in ("dev", *EXTRAS) for text in extras[extra])]
    requirements = [Requirement(text) for text in texts]
    unbounded = {
        requirement.name
        for requirement in requirements
        if "<" not in {bound.operator for bound in requirement.specifier}
    }
    assert {name for name in unbounded if not name.startswith("types-")} <= {"packaging", "regex"}


# Sent into the services image and run there, on what that image has.
ELSEWHERE = {"prove/protocol_client.py"}
# Of the standard library in newer releases only.
NEWER = {"compression"}


def imported() -> set[str]:
    """The top-level modules that the package imports from outside."""
    modules: set[str] = set()
    package = ROOT / "src" / "builder_contracts"
    for file in package.rglob("*.py"):
        if str(file.relative_to(package)) in ELSEWHERE:
            continue
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                modules |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                modules.add(node.module.partition(".")[0])
    return modules - set(sys.stdlib_module_names) - NEWER - {"builder_contracts"}


def test_what_the_package_imports_is_declared_and_used() -> None:
    owners = importlib.metadata.packages_distributions()
    used = {canonicalize_name(owner) for module in imported() for owner in owners.get(module, [module])}
    extras = {name for extra in EXTRAS for name in names(PROJECT["optional-dependencies"][extra])}
    # pytest-xdist is used by its options, not by an import; outsider.py runs in a process of its own.
    assert used | {"pytest-xdist", "boto3", "grpcio", "protobuf"} == names(PROJECT["dependencies"]) | extras


def test_the_modules_of_each_extra_are_those_that_it_brings() -> None:
    owners = importlib.metadata.packages_distributions()
    for extra, modules in EXTRAS.items():
        brought = {canonicalize_name(owner) for module in modules for owner in owners[module]}
        # What the core brings anyway, by the docker library, needs no name.
        assert names(PROJECT["optional-dependencies"][extra]) - {"requests", "urllib3"} <= brought
