"""The JSON Schemas themselves: valid, complete, explained, and in step with the code that reads contracts."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from builder_contracts.contract import schemas
from builder_contracts.contract.document import read
from builder_contracts.contract.promises import READERS
from builder_contracts.contract.validation import problems
from builder_contracts.judge import find
from builder_contracts.judge.isolation import CAPABILITIES

ROOT = Path(__file__).parents[3]
CONTRACTS = ROOT / "contracts"
BASE_URL = "https://builder-contracts.dev/schema/v1"

# Parts of a schema by the keyword that holds them: one, many in a list, many by name.
ONE = ("additionalProperties", "items", "propertyNames", "contains", "not", "if", "then", "else")
LISTED = ("anyOf", "oneOf", "allOf", "prefixItems")
NAMED = ("properties", "$defs", "patternProperties")


def parts(part: Any, at: str = "#") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every subschema with its place."""
    if not isinstance(part, dict):
        return
    yield at, part
    for keyword in ONE:
        yield from parts(part.get(keyword), f"{at}/{keyword}")
    for keyword in LISTED:
        for index, inner in enumerate(part.get(keyword, [])):
            yield from parts(inner, f"{at}/{keyword}/{index}")
    for keyword in NAMED:
        for name, inner in part.get(keyword, {}).items():
            yield from parts(inner, f"{at}/{keyword}/{name}")


def fields(part: dict[str, Any], at: str = "#") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every subschema that stands for a field or a name: what an editor completes and explains."""
    for place, inner in parts(part, at):
        last = place.rpartition("/")[0].rpartition("/")[2]
        if last == "properties" or place.endswith(("/additionalProperties", "/items", "/propertyNames")):
            yield place, inner


@pytest.mark.parametrize("name", schemas.names())
def test_a_schema_is_valid_draft_2020_12(name: str) -> None:
    loaded = schemas.load(name)
    assert loaded["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert loaded["$id"] == f"{BASE_URL}/{name}.json"
    Draft202012Validator.check_schema(loaded)


@pytest.mark.parametrize("name", schemas.names())
def test_every_field_has_a_title_and_a_description(name: str) -> None:
    loaded = schemas.load(name)
    assert loaded["title"]
    assert loaded["description"]
    bare = [
        f"{place} lacks {word}"
        for place, part in fields(loaded)
        for word in ("title", "description")
        if len(schemas.resolve(part, name).get(word, "")) < 2
    ]
    assert not bare


@pytest.mark.parametrize("name", schemas.names())
def test_every_reference_leads_somewhere(name: str) -> None:
    for _, part in parts(schemas.load(name)):
        if "$ref" in part:
            assert schemas.resolve(part, name)


@pytest.mark.parametrize("name", schemas.names())
def test_every_mapping_says_what_else_may_be_in_it(name: str) -> None:
    for place, part in parts(schemas.load(name)):
        if "properties" in part and part.get("type") == "object":
            assert "additionalProperties" in part, place


@pytest.mark.parametrize("name", ["builder-class", "builder-base"])
def test_every_pattern_is_anchored_and_matches_its_examples(name: str) -> None:
    for place, part in parts(schemas.load(name)):
        if "pattern" not in part:
            continue
        pattern = part["pattern"]
        assert pattern.startswith("^"), place
        assert pattern.endswith("$"), place
        assert part.get("examples"), f"{place} has no example"
        for example in part["examples"]:
            assert re.search(pattern, example), f"{place}: {example}"


TYPE_OF = {
    **dict.fromkeys(("pattern", "format", "minLength", "maxLength"), ("string",)),
    **dict.fromkeys(("minimum", "maximum", "exclusiveMinimum"), ("integer", "number")),
    **dict.fromkeys(("items", "minItems", "maxItems", "uniqueItems"), ("array",)),
    **dict.fromkeys(("properties", "additionalProperties", "minProperties"), ("object",)),
}


@pytest.mark.parametrize("name", schemas.names())
def test_every_constraint_has_the_type_that_it_constrains(name: str) -> None:
    # A pattern says nothing of a list: without a type, what reads the value meets one.
    bare = [
        f"{place}: {keyword} without type"
        for place, part in parts(schemas.load(name))
        for keyword in TYPE_OF.keys() & part.keys()
        if not place.endswith("/propertyNames") and part.get("type") not in TYPE_OF[keyword]
    ]
    assert not bare


NO_CLAUSES = {"apiVersion", "kind", "extends", "vars", "metadata", "waivers", "why"}


def test_every_section_of_a_contract_is_read_and_judged() -> None:
    sections = schemas.load("builder-class")["properties"].keys() - NO_CLAUSES
    assert sections == READERS.keys()


def test_a_base_has_the_sections_of_a_class_but_name_and_labels() -> None:
    base, full = (schemas.load(name)["properties"] for name in ("builder-base", "builder-class"))
    assert full.keys() - base.keys() == {"metadata", "labels"}
    assert base.keys() < full.keys()
    for section in base.keys() - {"kind"}:
        assert base[section]["$ref"] == f"builder-class.json#/$defs/{section}"


def test_each_judge_has_the_name_of_its_promises_module() -> None:
    declared = {"labels", "responsibilities"}
    proved = {"caches", "publication", "canaries"}
    for kind in READERS.keys() - declared - proved:
        importlib.import_module(f"builder_contracts.contract.promises.{kind}")
        assert importlib.import_module(f"builder_contracts.judge.{kind}").judge
    assert callable(find)


def test_schema_and_judge_know_the_same_capabilities() -> None:
    # A misspelt name under "forbid" would be kept by every runner.
    assert schemas.load("builder-class")["$defs"]["capability"]["enum"] == ["ALL", *CAPABILITIES]


def test_the_package_carries_the_schemas_of_the_repository() -> None:
    assert (ROOT / "src/builder_contracts/contract/schema").resolve() == CONTRACTS / "schema"


def documents() -> list[Path]:
    return sorted(CONTRACTS.rglob("*.yaml"))


@pytest.mark.parametrize("path", documents(), ids=lambda path: str(path.relative_to(CONTRACTS)))
def test_a_document_names_its_schema_for_editors_and_keeps_to_it(path: Path) -> None:
    first = path.read_text("utf-8").split("\n", 1)[0]
    modeline = re.fullmatch(r"# yaml-language-server: \$schema=(\S+)", first)
    assert modeline, f"{path} begins with {first!r}"
    target = (path.parent / modeline[1]).resolve()
    assert target.parent == CONTRACTS / "schema"
    assert target.is_file()
    document = read(path)
    kind = document.data.get("kind")
    assert schemas.load(target.stem)["properties"]["kind"]["const"] == kind
    if kind != "BuilderClass":  # a class is whole only with its base
        assert problems(target.stem, document) == []
