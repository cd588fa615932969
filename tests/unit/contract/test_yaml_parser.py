"""The composer below both readers of YAML: what it allows, where it stops, and at which line."""

from __future__ import annotations

import pytest

from builder_contracts.contract.yaml_parser import Alias, Limits, NotYaml, compose, plain

LIMITS = Limits(depth=4, nodes=50)


def error_of(text: str) -> NotYaml:
    with pytest.raises(NotYaml) as caught:
        compose(text, LIMITS)
    return caught.value


def test_an_anchor_may_be_defined_again() -> None:
    (root,) = compose("[&a 1, *a, &a 2, *a]", LIMITS)
    aliases = [node.target.value for node in root.value if isinstance(node, Alias)]
    assert aliases == ["1", "2"]


def test_an_alias_stands_at_its_own_line() -> None:
    (root,) = compose("a: &x 1\nb: *x\n", LIMITS)
    assert root.value[1][1].start_mark.line == 1


def test_every_document_of_a_text_is_composed() -> None:
    assert len(compose("a: 1\n---\n---\n- 2\n", LIMITS)) == 3
    assert compose("# nothing\n", LIMITS) == []


def test_an_anchor_ends_with_its_document() -> None:
    assert error_of("a: &x 1\n---\nb: *x\n").line == 3


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("a:\n [[[[[]]]]]", 2, "nesting exceeds 4 levels"),
        ("[" * 100_000, 1, "nesting exceeds 4 levels"),
        ("\n" + "- 1\n" * 60, 51, "document has more than 50 nodes"),
        ("a: [\n", 2, "invalid YAML: did not find expected node content"),
        ("a: 1\nb: \a", 2, "invalid YAML: control character U+0007"),
        ("a: \ud800", 1, "invalid YAML: "),
        ("a: *x", 1, "alias *x refers to an undefined or incomplete anchor"),
    ],
)
def test_an_error_has_line_message_and_fix(text: str, line: int, message: str) -> None:
    error = error_of(text)
    assert str(error).startswith(message)
    assert error.line == line
    assert error.fix


def test_an_alias_of_what_it_stands_in_ends() -> None:
    (root,) = compose("&x [*x]", LIMITS)
    assert root.value[0].target is root


@pytest.mark.parametrize(("text", "value"), [("1_000", "1_000"), ("0o17", 15), ("No", "No"), ("4.0", 4)])
def test_plain_follows_the_core_schema(text: str, value: object) -> None:
    assert plain(text) == value
