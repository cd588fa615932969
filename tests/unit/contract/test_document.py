"""YAML to plain data: values, positions, and limits against hostile input."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import assume, given
from hypothesis import strategies as st

from builder_contracts.contract.document import MAX_BYTES, MAX_WEIGHT, Document, Pointer, parse, read
from builder_contracts.errors import InputError, Location
from tests.unit.contract.growth import calls


def parsed(text: str) -> Document:
    return parse(text.encode(), "f.yaml")


def refusal(text: str | bytes) -> str:
    with pytest.raises(InputError) as caught:
        parse(text if isinstance(text, bytes) else text.encode(), "f.yaml")
    return str(caught.value)


# Line breaks that only YAML 1.1 knows are refused in files; escapes cannot be had from the plain styles.
TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0\x85\u2028\u2029"))
SCALAR = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT
DATA = st.recursive(
    SCALAR,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=20,
)


class Quoting(yaml.SafeDumper):
    """Dumps texts in quotes: plain ones are read by the rules of YAML 1.2, not of the dumper's 1.1."""


def _quoted(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style='"')


Quoting.add_representer(str, _quoted)


@given(DATA)
def test_any_data_survives_a_dump_in_block_style(data: Any) -> None:
    assert parsed(yaml.dump(data, Dumper=Quoting, allow_unicode=True)).data == data


@given(DATA)
def test_any_data_survives_a_dump_in_flow_style(data: Any) -> None:
    assert parsed(yaml.dump(data, Dumper=Quoting, default_flow_style=True, width=10**6)).data == data


@given(DATA)
def test_json_is_yaml(data: Any) -> None:
    # Except for characters that JSON writes as they are and YAML does not call printable.
    assume(not re.search("[\x7f-\x9f\ufffe\uffff]", json.dumps(data, ensure_ascii=False)))
    assert parsed(json.dumps(data, ensure_ascii=False)).data == data


def pointers(data: Any, at: Pointer = ()) -> list[Pointer]:
    below: list[Pointer] = []
    if isinstance(data, dict):
        below = [pointer for key in data for pointer in pointers(data[key], (*at, key))]
    if isinstance(data, list):
        below = [pointer for index, item in enumerate(data) for pointer in pointers(item, (*at, index))]
    return [at, *below]


@given(DATA)
def test_every_value_has_a_position_in_the_file(data: Any) -> None:
    text = yaml.dump(data, Dumper=Quoting, allow_unicode=True)
    document = parsed(text)
    lines = text.split("\n")
    for pointer in pointers(data):
        source = document.positions[pointer]
        assert source.file == "f.yaml"
        assert 1 <= source.line <= len(lines)
        assert 1 <= source.column <= len(lines[source.line - 1]) + 1


@given(st.dictionaries(st.from_regex(r"[a-z]{1,8}", fullmatch=True), SCALAR, min_size=1))
def test_the_position_of_a_value_is_that_of_its_key(data: dict[str, Any]) -> None:
    text = yaml.dump({"outer": data}, Dumper=yaml.SafeDumper, allow_unicode=True)
    document = parsed(text)
    for key in data:
        source = document.positions[("outer", key)]
        assert text.split("\n")[source.line - 1][source.column - 1 :].lstrip("'\"").startswith(key)


def test_the_position_of_a_list_item_is_its_own() -> None:
    document = parsed("labels:\n- one\n- two\n")
    assert document.positions[("labels", 1)] == Location("f.yaml", 3, 3)


def test_a_value_below_an_alias_has_the_position_of_the_alias() -> None:
    document = parsed("a: &x {b: {c: 1}}\n\nd: *x\n")
    assert document.data["d"]["b"]["c"] == 1
    assert document.source(("d", "b", "c")).line == 3
    assert document.source(("nowhere",)).line == 1


@pytest.mark.parametrize(
    "text",
    [
        "2026-03-15",
        "2026-03-15T12:00:00Z",
        "12:30:45",
        "22:22",
        "yes",
        "No",
        "on",
        "OFF",
        "y",
        "tRue",
        "1_000",
        "0b1",
        "=",
        ".inf",
        "-.INF",
        ".nan",
        "1e999",
        "0x",
        "1" + "0" * 5000,
    ],
)
def test_what_only_yaml_1_1_or_json_would_not_take_stays_text(text: str) -> None:
    assert parsed(f"a: {text}").data == {"a": text}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0755", 755),
        ("0o17", 15),
        ("0xff", 255),
        ("-7", -7),
        ("+7", 7),
        ("1e3", 1000),
        ("2.30", 2.3),
        (".5", 0.5),
        ("true", True),
        ("FALSE", False),
        ("~", None),
        ("", None),
        ("NULL", None),
    ],
)
def test_plain_scalars_follow_the_core_schema_and_are_spelled(text: str, value: Any) -> None:
    document = parsed(f"a: {text}")
    assert document.data == {"a": value}
    assert document.spellings == {("a",): text}


def test_a_whole_number_is_an_integer_however_it_is_spelled() -> None:
    assert [type(number) for number in parsed("[4, 4.0, 0.4e1]").data] == [int, int, int]


def test_quotes_and_the_tag_of_strings_make_text() -> None:
    assert parsed("[\"1\", '2', !!str 3, ! 4]").data == ["1", "2", "3", "4"]


def test_an_alias_repeats_the_value() -> None:
    assert parsed("a: &x [1, {b: 2}]\nc: *x\nd: &y 5\ne: *y").data == {
        "a": [1, {"b": 2}],
        "c": [1, {"b": 2}],
        "d": 5,
        "e": 5,
    }


def test_the_mark_that_windows_editors_put_first_is_skipped() -> None:
    assert parse(b"\xef\xbb\xbfa: 1\r\nb: 2\r\n", "f.yaml").data == {"a": 1, "b": 2}


def test_aliases_that_multiply_values_are_stopped_early() -> None:
    lines = ["a0: &a0 x"] + [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 60)]
    text = "\n".join(lines)
    assert f"more than {MAX_WEIGHT:,} values after resolving aliases" in refusal(text)
    # A level costs nine times the one before where it is not stopped.
    assert calls(lambda: refusal(text)) < MAX_WEIGHT


def test_aliases_that_multiply_a_long_text_are_stopped_early() -> None:
    bomb = b"a: &a " + b"x" * 900_000 + b"\nb: [" + b"*a, " * 20_000 + b"]"
    assert "after resolving aliases" in refusal(bomb)


def test_keys_count_as_well() -> None:
    bomb = b"a: &a {" + b"k" * 900 + b": 1}\nb: [" + b"*a, " * 20_000 + b"]"
    assert "after resolving aliases" in refusal(bomb)


def test_a_long_file_is_not_read() -> None:
    assert f"file exceeds {MAX_BYTES:,} bytes" in refusal(b"#" * (MAX_BYTES + 1))
    assert parse(b"a: " + b"x" * (MAX_BYTES - 3), "f.yaml").data["a"][:3] == "xxx"


@pytest.mark.parametrize("opening", ["[", "{a: ", "- ", "? "])
def test_deep_nesting_is_refused_before_it_can_exhaust_the_stack(opening: str) -> None:
    message = refusal(opening * 200_000 if len(opening) < 4 else opening * 100_000)
    assert message.startswith("f.yaml:1: ")
    assert "nesting exceeds 32 levels" in message or "key must be a plain string" in message


@pytest.mark.parametrize(
    "tag",
    [
        "!!python/object/apply:os.system [id]",
        "!!python/name:os.system",
        "!!binary aGk=",
        "!!timestamp 2026-01-01",
        "!!set {a}",
        "!own x",
        "!!int 3",
        "!<tag:yaml.org,2002:python/module:os> x",
    ],
)
def test_tags_are_refused_whatever_they_would_do(tag: str) -> None:
    assert "is not allowed" in refusal(f"a: {tag}")


def test_a_file_that_cannot_be_read_says_why(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot read: No such file or directory"):
        read(tmp_path / "nowhere.yaml")
    with pytest.raises(InputError, match="cannot read: Is a directory"):
        read(tmp_path)


@given(st.binary(max_size=300))
def test_any_bytes_parse_or_are_reported(raw: bytes) -> None:
    try:
        message = str(parse(raw, "f.yaml").positions[()])
    except InputError as error:
        message = str(error)
    assert message.startswith("f.yaml:")


@given(st.text(st.sampled_from("ab:-[]{}&*!|>'\"%@`#,? \n\t\\1.~<"), max_size=60))
def test_any_text_of_indicators_parses_or_is_reported(text: str) -> None:
    try:
        parse(text.encode(), "f.yaml")
    except InputError as error:
        problem = error.problems[0]
        assert 0 <= problem.source.line <= text.count("\n") + 2
        assert problem.fix
