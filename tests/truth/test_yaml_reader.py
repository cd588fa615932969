"""The tolerant reader of YAML: what checkouts hold and contracts must not."""

from __future__ import annotations

import pytest

from builder_contracts.truth.readers import yaml
from builder_contracts.truth.value import get, plain, text


def test_an_anchor_used_twice_is_read() -> None:
    (document,) = yaml.read("a: &x 1\nb: *x\nc: &x {d: 2}\ne: *x\n", "f.yaml")
    assert plain(document) == {"a": 1, "b": 1, "c": {"d": 2}, "e": {"d": 2}}


def test_merge_keys_give_way_to_own_keys() -> None:
    (document,) = yaml.read("a: &x {k: 1, l: 2}\nb: {l: 3, <<: *x}\n", "f.yaml")
    assert plain(get(document, "b")) == {"k": 1, "l": 3}


def test_the_last_of_two_equal_keys_wins() -> None:
    (document,) = yaml.read("a: 1\na: 2\n", "f.yaml")
    assert plain(document) == {"a": 2}


@pytest.mark.parametrize("written", ["1.20", "0x1f", "1e3", "yes", "2026-03-15", "12:30", "07", "!own 3"])
def test_a_scalar_keeps_its_spelling(written: str) -> None:
    (document,) = yaml.read(f"a: {written}", "f.yaml")
    expected = {"07": "7", "!own 3": "3"}.get(written, written)
    assert text(get(document, "a")) == expected


def test_lines_count_from_the_first_line_of_the_text() -> None:
    (document,) = yaml.read("a:\n  b: 1\n", "f.tf", 10)
    inner = get(document, "a", "b")
    assert inner is not None
    assert str(inner.at) == "f.tf:11"
    with pytest.raises(yaml.NotYaml) as caught:
        yaml.read("a: [\n", "f.tf", 10)
    assert caught.value.line == 11


def test_aliases_that_multiply_are_stopped() -> None:
    lines = ["a0: &a0 x"] + [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 30)]
    with pytest.raises(yaml.NotYaml, match="too many values after resolving aliases"):
        yaml.read("\n".join(lines), "f.yaml")
