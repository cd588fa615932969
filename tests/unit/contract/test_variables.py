"""Variables of contracts: what replaces them, what is refused, and on which line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder_contracts.contract.document import Document, parse
from builder_contracts.contract.loading import load, load_all
from builder_contracts.contract.variables import fill, values_of
from builder_contracts.errors import InputError, Location

HEAD = """apiVersion: builder-contracts/v1
kind: BuilderClass
metadata: {name: sample, summary: a class for a single test, owner: tests}
labels: [sample]
"""


def filled(text: str, **settings: str) -> Any:
    document = parse(text.encode(), "sample.yaml")
    return fill(document, values_of(document, settings)).data


@pytest.mark.parametrize(
    ("text", "settings", "expected"),
    [
        ("vars: {A: x}\nb: ${A}", {}, "x"),
        ("vars: {A: x}\nb: pre-${A}-${A}", {}, "pre-x-x"),
        ("vars: {A: 7}\nb: ${A}", {}, 7),
        ("vars: {A: 7}\nb: v${A}", {}, "v7"),
        ("vars: {A: true}\nb: ${A}", {}, True),
        ("vars: {A: true}\nb: is ${A}", {}, "is true"),
        ("vars: {A: 7}\nb: ${A}", {"A": "8"}, 8),
        ("vars: {A: '7'}\nb: ${A}", {"A": "8"}, "8"),
        ("vars: {A: null}\nb: ${A}", {"A": "8"}, 8),
        ("vars: {A: null}\nb: ${A}", {"A": "false"}, False),
        ("vars: {A: null}\nb: ${A}", {"A": ""}, ""),
        ("vars: {A: x}\nb: [1, {c: '${A}'}]", {}, [1, {"c": "x"}]),
        ("b: $${A}", {}, "${A}"),
        ("b: $A ${A-1} ${ A } $", {}, "$A ${A-1} ${ A } $"),
        # What a variable holds is data: it is no reference of its own.
        ("vars: {A: '${B}', B: x}\nb: ${A}${B}", {}, "${B}x"),
        ("vars: {A: x}\nb: ${A}", {"A": "$${A} ${A} $(id) `id`"}, "$${A} ${A} $(id) `id`"),
    ],
)
def test_reference_becomes_value(text: str, settings: dict[str, str], expected: Any) -> None:
    result = filled(text, **settings)["b"]
    assert (result, type(result)) == (expected, type(expected))


@pytest.mark.parametrize(
    ("text", "settings", "line", "message", "fix"),
    [
        ("b: ${A}", {}, 1, "variable A is not defined", "declare it under 'vars'"),
        ("vars: {NIX: x}\nc: ${NIX}\nb:\n  - ${NIY}", {}, 4, "variable NIY is not defined", "did you mean NIX?"),
        ("b: 1\nvars:\n  A: x", {}, 3, "variable A is not used", "write ${A} where it belongs"),
        ("vars:\n  A: null\nb: ${A}", {}, 2, "variable A has no value", "pass --set A=VALUE"),
        ("vars: {A: 7}\nb: ${A}", {"A": "x"}, 1, "--set A=x: the default 7 is a number", "set a value of that type"),
        ("vars: {A: true}\nb: ${A}", {"A": "1"}, 1, "is a truth value", "set a value of that type"),
        ("vars: {A: false}\nb: ${A}", {"A": "1"}, 1, "is a truth value", "set a value of that type"),
        ("vars: {A: x}\nb: ${A}\nc:\n  d${A}: 1", {}, 4, "variable in the key 'd${A}'", "use variables in values only"),
        ("vars: {A: x}\nb: ${A}\nc:\n- e:\n    d${A}: 1", {}, 5, "variable in the key 'd${A}'", "use variables"),
    ],
)  # fmt: skip
def test_wrong_variable_is_an_error_on_its_line(
    text: str, settings: dict[str, str], line: int, message: str, fix: str
) -> None:
    with pytest.raises(InputError) as raised:
        filled(text, **settings)
    (problem,) = raised.value.problems
    assert (problem.source.file, problem.source.line) == ("sample.yaml", line)
    assert message in problem.message
    assert problem.fix.startswith(fix)


def test_each_wrong_variable_is_named() -> None:
    with pytest.raises(InputError) as raised:
        filled("vars: {A: 7, B: null}\nb: ${A}${B}", A="x")
    messages = [problem.message for problem in raised.value.problems]
    assert messages == ["--set A=x: the default 7 is a number", "variable B has no value"]


@pytest.mark.parametrize(
    ("data", "values", "expected"),
    [
        ({"vars": {"A": "${B}", "C": [1]}}, {"A": "x"}, {"vars": {"A": "x", "C": [1]}}),
        ({"vars": {"A": "${B}"}}, {}, {"vars": {"A": "${B}"}}),
        ({"vars": ["A"]}, {}, {"vars": ["A"]}),
        ({"b": "${A}"}, {"A": "x"}, {"b": "x"}),
    ],
)
def test_the_section_itself_has_the_values_set(data: Any, values: dict[str, str], expected: Any) -> None:
    assert fill(Document(data, {(): Location("sample.yaml")}), values).data == expected


@given(st.text(st.characters(codec="utf-8")))
def test_any_text_is_put_in_as_it_is(text: str) -> None:
    document = Document({"vars": {"A": text}, "b": ["${A}", "<${A}>"]}, {(): Location("sample.yaml")})
    assert fill(document, {"A": text}).data["b"] == [text, f"<{text}>"]


@given(st.text(st.sampled_from("$A{}b")))
def test_doubled_dollar_sign_protects_any_text(text: str) -> None:
    document = Document({"b": text.replace("${", "$${")}, {(): Location("sample.yaml")})
    assert fill(document, {}).data == {"b": text}


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, "utf-8")
    return path


BASE = """apiVersion: builder-contracts/v1
kind: BuilderBase
vars: {UID: 1001, SPARE: x}
identity: {uid: "${UID}"}
"""


def test_base_is_filled_with_variables_of_the_class(tmp_path: Path) -> None:
    write(tmp_path, "base.yaml", BASE)
    first = write(tmp_path, "first.yaml", f"{HEAD}extends: base.yaml\nimage: {{reference: one}}\n")
    second = write(
        tmp_path,
        "second.yaml",
        f"{HEAD}extends: base.yaml\nvars: {{UID: 7}}\nimage: {{reference: two}}\n".replace("sample", "other"),
    )
    contracts = load_all([first, second])
    assert [contract.document["identity"]["uid"] for contract in contracts] == [1001, 7]
    assert [contract.promised(object)[-1].uid for contract in contracts] == [1001, 7]


def test_setting_selects_the_image_of_a_matrix(tmp_path: Path) -> None:
    path = write(
        tmp_path, "sample.yaml", f"{HEAD}vars: {{TAG: '1'}}\nimage: {{reference: 'runner:${{TAG}}'}}\n"
    )
    default, other = load(path), load(path, settings={"TAG": "2", "UNRELATED": "x"})
    assert (default.image, other.image) == ("runner:1", "runner:2")
    assert default.digest != other.digest
    assert other.settings == {"TAG": "2"}


def test_setting_that_does_not_fit_is_refused_at_its_place(tmp_path: Path) -> None:
    path = write(
        tmp_path, "sample.yaml", f"{HEAD}vars: {{TAG: '1'}}\nimage:\n  reference: 'runner:${{TAG}}'\n"
    )
    with pytest.raises(InputError) as raised:
        load(path, settings={"TAG": "$(reboot)"})
    assert raised.value.problems[0].source.line == 7


def test_setting_of_no_contract_is_refused(tmp_path: Path) -> None:
    path = write(
        tmp_path, "sample.yaml", f"{HEAD}vars: {{TAG: '1'}}\nimage: {{reference: 'runner:${{TAG}}'}}\n"
    )
    with pytest.raises(InputError, match="--set TAC: no contract declares this variable") as raised:
        load_all([path], {"TAC": "2"})
    assert raised.value.problems[0].fix == "did you mean TAG?"
