"""OpenTofu's language: values, their places, and what stays unknown."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder_contracts.errors import Location
from builder_contracts.truth.hcl.evaluator import evaluate, render
from builder_contracts.truth.hcl.stacks import Folder, Instance
from builder_contracts.truth.hcl.syntax import parse
from builder_contracts.truth.value import Known, Unknown, Value, plain

FILES = {
    "m/values.yaml": "a: 1\n",
    "m/t.yaml": "a: ${name}\nb: '${unset}'\n%{ if name == \"n\" ~}\nc: $${d}\n%{ endif ~}\n",
    "m/loop.yaml": "%{ for x in list ~}\n- ${x}\n%{ endfor ~}\n",
    "m/broken.yaml": "a: ${\n",
}


def module(text: str, inputs: dict[str, Value] | None = None) -> Instance:
    folder = Folder("m")
    folder.add(parse(text.encode(), "m/x.tf").root)
    return Instance(folder, {"m": folder}, FILES.get, inputs or {})


def value(expression: str, rest: str = "") -> Value:
    instance = module(f"locals {{\n  x = {expression}\n}}\n{rest}")
    return evaluate(instance.folder.locals["x"], instance.scope)


PREAMBLE = """
variable "name" { default = "nix" }
variable "on" { default = true }
variable "count" { default = 3 }
variable "unset" { type = string }
locals {
  list = [{ n = "a", v = 1 }, { n = "b", v = 2 }]
  map  = { one = { v = 1 }, two = { v = 2 } }
}
resource "kubernetes_namespace" "ns" {
  count = 1
  metadata {
    name = var.name
  }
  depends_on = [kubernetes_namespace.ns]
}
resource "kubernetes_namespace" "one" {
  metadata {
    labels = { a = "b" }
  }
}
"""


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("1 + 2 * 3", 7),
        ("(1 + 2) * 3", 9),
        ("-var.count", -3),
        ('"a-${var.name}-b"', "a-nix-b"),
        ('"${var.count}"', 3),
        ('"\\"q\\" \\n"', '"q" \n'),
        ('"$${literal}"', "${literal}"),
        ('var.on ? "yes" : var.unset', "yes"),
        ("var.on || var.unset", True),
        ("!var.on && var.unset", False),
        ("local.list[1].n", "b"),
        ("local.list[*].v", [1, 2]),
        ("local.list.*.v", [1, 2]),
        ('local.map["two"].v', 2),
        ("[for k, v in local.map : k]", ["one", "two"]),
        ("[for e in local.list : e.n if e.v > 1]", ["b"]),
        ("{ for k, v in local.map : upper(k) => v.v }", {"ONE": 1, "TWO": 2}),
        ("{ (var.name) = 1, plain = 2 }", {"nix": 1, "plain": 2}),
        ("merge({ a = 1 }, { a = 2, b = 3 })", {"a": 2, "b": 3}),
        ("concat([1], [2, 3])", [1, 2, 3]),
        ('contains(["a"], "a")', True),
        ("length(local.list)", 2),
        ('lookup(local.map, "zero", 0)', 0),
        ('coalesce("", "b")', "b"),
        ('try(local.nothing.at.all, "fallback")', "fallback"),
        ('join(",", split("-", "a-b"))', "a,b"),
        ('replace("http://h:1", "http://", "")', "h:1"),
        ('format("%s:%d", "h", 80)', "h:80"),
        ("tostring(5)", "5"),
        ('tonumber("5")', 5),
        ("flatten([[1], [[2]]])", [1, 2]),
        ("max([1, 2]...)", 2),
        ("yamlencode({ a = [1] })", {"a": [1]}),
        ('file("${path.module}/values.yaml")', "a: 1\n"),
        ("null", None),
        ("kubernetes_namespace.ns[0].metadata[0].name", "nix"),
        ("kubernetes_namespace.one.metadata[0].labels", {"a": "b"}),
    ],
)
def test_determined_expression_is_known(expression: str, expected: Any) -> None:
    assert plain(value(expression, PREAMBLE)) == expected


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("var.unset", "no default"),
        ("var.nowhere", "no variable"),
        ("aws_instance.x.id", "only after it is created"),
        ("data.http.x.body", "resolved at run time"),
        ("terraform.workspace", "known only at run time"),
        ("timestamp()", "not evaluated"),
        ("local.x", "refers to itself"),
        ('"a" + 1', "not both numbers"),
        ("local.list[7]", "m/x.tf:10 does not set 7"),
        ("module.gone.output", "not in this checkout"),
        ('file("../../etc/passwd")', "not in this checkout"),
        ("1 / 0", "cannot be calculated"),
        ("kubernetes_namespace.ns[0].id", "known only at run time"),
    ],
)
def test_undetermined_expression_is_unknown_with_a_reason(expression: str, reason: str) -> None:
    unknown = value(expression, PREAMBLE)
    assert isinstance(unknown, Unknown)
    assert reason in unknown.reason


def test_value_keeps_its_line_through_variables() -> None:
    instance = module('variable "m" {\n  default = "8Gi"\n}\nlocals {\n  x = var.m\n  y = [local.x]\n}\n')
    result = evaluate(instance.folder.locals["y"], instance.scope)
    assert isinstance(result, Known)
    assert result.data[0] == Known("8Gi", Location("m/x.tf", 2, 13))


def test_heredoc_loses_its_margin_and_keeps_its_shape() -> None:
    result = value(
        "<<-EOT\n    a ${var.name}\n      b\n    %{if var.on~}\n    c\n    %{endif~}\n  EOT\n", PREAMBLE
    )
    assert [line.strip() for line in plain(result).splitlines() if line.strip()] == ["a nix", "b", "c"]


def test_template_with_unknown_parts_keeps_its_shape() -> None:
    instance = module(
        "locals {\n  x = <<-T\n    [a]\n    n = ${var.u}\n    %{if var.u == 1~}\n    [a.b]\n    %{endif~}\n  T\n}\n"
    )
    shape = render(instance.folder.locals["x"], instance.scope)
    assert shape is not None
    assert [line.strip() for line in shape.splitlines() if line.strip()] == ["[a]", "n = 0", "[a.b]"]


def test_optional_attributes_of_objects_get_defaults() -> None:
    kind = 'variable "s" {\n  type = map(object({ l = string, m = optional(string, "8Gi") }))\n}\n'
    at = Location("t.tfvars", 1)
    given_value = Known({"a": Known({"l": Known("x", at)}, at)}, at)
    result, _ = module(kind, {"s": given_value}).resolve(["var", "s"], at)
    assert plain(result) == {"a": {"l": "x", "m": "8Gi"}}


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        ('"t.yaml", { name = "n", unset = var.unset }', "a: n\nb: '${unset}'\nc: ${d}\n"),
        ('"t.yaml", { name = "m", unset = 1 }', "a: m\nb: '1'\n"),
        ('"t.yaml", { name = var.unset, unset = 1 }', None),
        ('"t.yaml", var.unset', None),
        ('"loop.yaml", { list = [1] }', None),
        ('"broken.yaml", {}', None),
        ('"missing.yaml", {}', None),
    ],
)
def test_template_is_filled_in_with_what_is_known(call: str, expected: str | None) -> None:
    result = value(f"templatefile({call.replace(chr(34), chr(34) + '${path.module}/', 1)})", PREAMBLE)
    written = result.data.replace("\n\n", "\n") if isinstance(result, Known) else None
    assert written == expected


def test_broken_hcl_file_is_partly_read_and_lists_its_lines() -> None:
    parsed = parse(
        b'variable "a" {\n  default = 1\n}\n\nresource "x" "y" {{{\n\nvariable "b" {\n  default = 2\n}\n',
        "x.tf",
    )
    assert parsed.broken
    assert any(block.labels == ("a",) for block in parsed.root.blocks)


def as_hcl(data: Any) -> str:
    """Data in the syntax of HCL, which for these types is that of JSON apart from templates."""
    return json.dumps(data, ensure_ascii=False).replace("${", "$${").replace("%{", "%%{")


scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(10**9), 10**9)
    | st.text(
        st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zl", "Zp"), exclude_characters="\\"),
        max_size=12,
    )
)
data = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
    st.text("abcdefgh_", min_size=1, max_size=5), inner, max_size=3), max_leaves=12)  # fmt: skip


@given(data)
def test_data_written_as_hcl_is_read_back(written: Any) -> None:
    assert plain(value(as_hcl(written))) == written


@given(st.text(max_size=200))
def test_no_text_makes_the_reader_fail(text: str) -> None:
    instance = module(text)
    for expression in instance.folder.locals.values():
        evaluate(expression, instance.scope)
    list(instance.resources())


@given(st.sampled_from(["var.a", "local.list", "{", "}", "[", "]", "(", ")", "?", ":", "for", "in", '"${', '}"', "+", "==",
                        "concat(", "...", "\n", "x = ", "locals {", "=>", "<<-E", "E"]).map(str), st.data())  # fmt: skip
def test_no_sequence_of_hcl_tokens_makes_it_fail(first: str, draw: st.DataObject) -> None:
    words = [first, *draw.draw(st.lists(st.sampled_from(["var.a", "{", "}", "[", "]", "(", ")", "?", ":", "for", "in",
             '"${', '}"', "+", "==", "concat(", "...", "\n", "x = ", "=>", "[*]", ".b"]), max_size=15))]  # fmt: skip
    instance = module("locals {\n x = " + " ".join(words) + "\n}\n" + PREAMBLE)
    for expression in instance.folder.locals.values():
        evaluate(expression, instance.scope)
