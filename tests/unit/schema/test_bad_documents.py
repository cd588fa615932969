"""Whatever stands in a document of any schema, loading it succeeds or reports file, line, problem and fix."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builder_contracts.contract import schemas, validity
from builder_contracts.contract.document import Pointer, parse, read
from builder_contracts.contract.loading import load, load_all, load_environment
from builder_contracts.errors import InputError
from builder_contracts.prove.canary import definition as canary
from builder_contracts.prove.kernel import recipe
from builder_contracts.runner.docker.network_plan import NetworkPlan
from builder_contracts.services import role_checks
from builder_contracts.services.environment import Environment
from builder_contracts.truth import platform
from builder_contracts.truth.verdicts import CONSUMER

ROOT = Path(__file__).parents[3]
CONTRACTS = ROOT / "contracts"


def load_platform(path: Path) -> None:
    platform.load(path.parent)
    role_checks.check(path.parents[1], CLASSES)


def load_bindings(path: Path) -> None:
    data = load_environment(path).data
    bindings = Environment.from_document(data)
    assert all(isinstance(role.host, str) for role in bindings.roles.values())
    assert bindings.secrets is not None
    assert NetworkPlan.from_document(data).name
    role_checks.check(path.parents[1], CLASSES)


def load_base(path: Path) -> None:
    validity.check("builder-base", read(path))


def load_waivers(path: Path) -> None:
    platform.with_waivers(platform.load(CONTRACTS / "platform"), path, CONSUMER)


def load_canary(path: Path) -> None:
    assert canary.load(path.parent).shows


CLASSES = load_all(sorted(CONTRACTS.glob("*.yaml")))
LOADERS: dict[str, Callable[[Path], object]] = {
    "BuilderClass": load,
    "BuilderBase": load_base,
    "Environment": load_bindings,
    "Canary": load_canary,
    "Waivers": load_waivers,
    "Kernel": lambda path: recipe.load(path.parent),
    **dict.fromkeys(("PlatformContract", "ExitCriteria", "Grounding", "CacheRoles"), load_platform),
}


@dataclass(frozen=True)
class Case:
    """A valid document of the repository and the schema that it keeps to."""

    path: Path
    schema: str
    data: Any

    def load(self, text: str, folder: Path) -> InputError | None:
        """Load the document with this text in its place, beside all the others; what it is rejected with."""
        path = folder / self.path
        before = path.read_bytes()
        path.write_text(text)
        try:
            LOADERS[self.data.get("kind", "Kernel")](path)
        except InputError as error:
            for problem in error.problems:
                lines = Path(problem.source.file).read_bytes().count(b"\n") + 1
                assert 1 <= problem.source.line <= lines
                assert problem.message
                assert problem.fix
            return error
        finally:
            path.write_bytes(before)
        return None


def cases() -> Iterator[Case]:
    for path in sorted(
        [*CONTRACTS.rglob("*.yaml"), *ROOT.glob("canaries/*/*.yaml"), ROOT / "docs/examples/waivers.yaml"]
    ):
        data = read(path).data
        if data.get("kind") == "BuilderClass":
            data = {key: value for key, value in load(path).document.items() if key != "extends"}
        target = path.read_text().split("\n", 1)[0].rpartition("/")[2]
        yield Case(path.relative_to(ROOT), target.removesuffix(".json"), data)


CASES = list(cases())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of all documents."""
    copy = tmp_path_factory.mktemp("documents")
    for name in ("contracts", "canaries", "docs/examples"):
        shutil.copytree(ROOT / name, copy / name)
    return copy


def pointers(data: Any, at: Pointer = ()) -> Iterator[Pointer]:
    """The path of every value."""
    yield at
    for key, value in (
        data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    ):
        yield from pointers(value, (*at, key))


def value_at(data: Any, pointer: Pointer) -> Any:
    for step in pointer:
        data = data[step]
    return data


def changed(data: Any, pointer: Pointer, change: Callable[[Any, Any], None]) -> str:
    """The document as text after the change of the value at this path: called with its parent and its key."""
    root = {"": json.loads(json.dumps(data))}
    steps = ("", *pointer)
    change(value_at(root, steps[:-1]), steps[-1])
    return json.dumps(root[""], indent=1)


def required(name: str, data: Any, at: Pointer = ()) -> Iterator[Pointer]:
    """The path of every field that a schema requires of this document, alternatives left out."""
    yield from _required(name, schemas.load(name), data, at)


def _required(name: str, part: dict[str, Any], data: Any, at: Pointer) -> Iterator[Pointer]:
    while "$ref" in part:
        name, part = schemas.follow(part["$ref"], name)
    yield from ((*at, field) for field in part.get("required", []))
    if isinstance(data, dict):
        for key, value in data.items():
            inner = part.get("properties", {}).get(key, part.get("additionalProperties"))
            if isinstance(inner, dict):
                yield from _required(name, inner, value, (*at, key))
    if isinstance(data, list) and isinstance(part.get("items"), dict):
        for index, value in enumerate(data):
            yield from _required(name, part["items"], value, (*at, index))


def test_every_schema_of_a_document_has_a_case() -> None:
    outputs = {"answer", "evidence", "verdict"}
    assert {case.schema for case in CASES} == set(schemas.names()) - outputs


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case.path))
def test_a_valid_document_loads(case: Case, folder: Path) -> None:
    assert case.load(json.dumps(case.data, indent=1), folder) is None


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case.path))
def test_a_missing_required_field_is_named(case: Case) -> None:
    for pointer in dict.fromkeys(required(case.schema, case.data)):
        text = changed(case.data, pointer, lambda parent, key: parent.pop(key))
        with pytest.raises(InputError, match=f"is missing required field '{pointer[-1]}'\n +fix: add "):
            validity.check(case.schema, parse(text.encode(), "f.yaml"))


VALUES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(["", "x", "\n", "::", "http://[::1", "http://h:99999", "*", "(", "a/b", "x" * 3000])
    | st.text(max_size=20)
)
NESTED = st.recursive(
    VALUES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_any_value_in_any_place_loads_or_is_reported(folder: Path, data: st.DataObject) -> None:
    case = data.draw(st.sampled_from(CASES))
    pointer = data.draw(st.sampled_from(list(pointers(case.data))))
    value = data.draw(NESTED)
    case.load(changed(case.data, pointer, lambda parent, key: parent.__setitem__(key, value)), folder)


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case.path))
@pytest.mark.parametrize("depth", [40, 100_000])
def test_deep_nesting_is_reported_with_its_line(case: Case, depth: int, folder: Path) -> None:
    error = case.load('{"kind":\n' + "[" * depth, folder)
    assert error is not None
    assert f"{case.path}:2: nesting exceeds 32 levels" in str(error)
