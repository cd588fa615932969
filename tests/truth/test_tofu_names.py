"""Names and types of OpenTofu's modules, in files that no plan has seen."""

from __future__ import annotations

from pathlib import Path

import pytest

from builder_contracts.truth.hcl.conditionals import agrees
from builder_contracts.truth.hcl.syntax import parse
from tests.truth.conftest import Judge, contradicted

MODULE = """\
variable "name" { type = string }
variable "issuer" {
  type    = string
  default = "staging"
}
output "whole" { value = "${var.name}-${var.issuer}" }
"""
CALL = 'module "a" {\n  source = "../m"\n  name = "a"\n}\n'


@pytest.mark.parametrize(
    ("stack", "expected"),
    [
        (CALL, []),
        (CALL + 'output "x" { value = var.missing }\n', ["var.missing"]),
        (CALL + 'output "x" { value = "${local.missing}" }\n', ["local.missing"]),
        (CALL + 'output "x" { value = module.b.whole }\n', ["module.b"]),
        (CALL + 'output "x" { value = [for var in [1] : var] }\n', []),
        (CALL + 'output "x" { value = "text about var.missing" }\n', []),
        (CALL + "moved {\n  from = module.old\n  to = module.a\n}\n", []),
        (CALL.replace("name =", "nmae ="), ["module a sets nmae", "module a does not set name"]),
        (CALL.replace("../m", "registry/m"), []),
    ],
)
def test_names_are_declared(judged: Judge, stack: str, expected: list[str]) -> None:
    assert contradicted(judged, {"m/main.tf": MODULE, "s/main.tf": stack}, "names-declared") == expected


@pytest.mark.parametrize("other", ["s/b.tf.json", "s/broken.tf"])
def test_names_of_an_unread_file_are_not_missed(judged: Judge, other: str) -> None:
    tree = {"s/main.tf": 'output "x" { value = local.y }\n', other: "{"}
    assert contradicted(judged, tree, "names-declared") == []


@pytest.mark.parametrize(
    ("target", "expected"),
    [("../shared.tf", []), ("../other.tf", ["local.y"]), ("../../elsewhere.tf", [])],
)
def test_linked_file_is_part_of_its_module(
    judged: Judge, tmp_path: Path, target: str, expected: list[str]
) -> None:
    tree = {
        "s/main.tf": 'output "x" { value = local.y }\n',
        "shared.tf": "locals { y = 1 }\n",
        "other.tf": "",
    }
    (tmp_path / "repo0/s").mkdir(parents=True)
    (tmp_path / "repo0/s/linked.tf").symlink_to(target)
    assert contradicted(judged, tree, "names-declared") == expected


@pytest.mark.parametrize(
    ("ignored", "expected"),
    [
        ("s/made.tf\n", []),
        ("*/made.tf\n", []),
        ("made.tf\n", []),
        ("t/made.tf\n", ["local.y"]),
        ("*_override.tf\n", ["local.y"]),
        ("# made.tf\n", ["local.y"]),
    ],
)
def test_names_of_a_file_that_is_made_later_are_not_missed(
    judged: Judge, ignored: str, expected: list[str]
) -> None:
    tree = {"s/main.tf": 'output "x" { value = local.y }\n', ".gitignore": ignored}
    assert contradicted(judged, tree, "names-declared") == expected


STACK = """\
variable "issuer" { default = "staging" }
module "web" {
  source = "../web"
  name   = "web"
  issuer = var.issuer
}
"""


@pytest.mark.parametrize(
    ("passed", "source", "lost"),
    [("", "../cache", True), ("issuer = var.issuer", "../cache", False), ("", "../web", False)],
)
def test_variable_reaches_its_namesake(judged: Judge, passed: str, source: str, lost: bool) -> None:
    """Commit 3b49750: one module of a stack keeps its own issuer. A second call of one module may differ."""
    call = f'module "cache" {{\n  source = "{source}"\n  name = "cache"\n  {passed}\n}}\n'
    tree = {
        "README.md": "# GloriousFlywheel\n",
        "web/main.tf": MODULE,
        "cache/main.tf": MODULE,
        "s/main.tf": STACK + call,
    }
    says = ["module cache does not get issuer, and takes its own default"]
    assert contradicted(judged, tree, "values-reach") == says * lost


def test_argument_that_a_module_ignores_is_named(judged: Judge) -> None:
    ignoring = MODULE.replace("-${var.issuer}", "")
    stack = CALL.replace('name = "a"', 'name = "a"\n  issuer = "x"')
    tree = {"README.md": "# GloriousFlywheel\n", "m/main.tf": ignoring, "s/main.tf": stack}
    assert contradicted(judged, tree, "values-reach") == ["module a sets issuer"]


@pytest.mark.parametrize(
    ("results", "expected"),
    [
        ("{ a = 1 } : {}", True),
        ('{ a = 1, b = "x" } : {}', True),
        ("{ a = { k = 1 }, b = { l = { m = 1 } } } : {}", False),
        ("{ a = { k = 1 }, b = [1] } : {}", False),
        ("{ a = 1 } : { a = { k = 1 } }", False),
        ("{ a = 1 } : []", False),
        ('[1] : ["a", "b"]', True),
        ("[1] : [{ a = 1 }, { a = 2 }]", False),
        ("{ a = var.y, b = { k = 1 } } : {}", True),
        ("{ a = 1, (var.y) = {} } : {}", None),
        ("{ a = {}, b = [] } : null", None),
        ("{ a = 1 } : local.b", None),
        ("1 : 2", None),
    ],
)
def test_results_of_a_conditional_have_one_type(results: str, expected: bool | None) -> None:
    """Commit ddcdae1: OpenTofu rejects a conditional whose empty result is no map of the other."""
    root = parse(f"x = var.on ? {results}\n".encode(), "a.tf").root
    assert agrees(root.attributes["x"].node.named_children[0]) is expected


SWITCH = """\
variable "spread" { default = false }
resource "helm_release" "runner" {
  name      = "runner"
  chart     = "gitlab-runner"
  namespace = "arc-runners"
  values = [yamlencode(merge(
    { gitlabUrl = "https://gitlab.com" },
    var.spread ? { affinity = { labelSelector = { matchLabels = { "LABEL" = "runner" } } } } : {}
  ))]
}
"""


@pytest.mark.parametrize(("label", "wrong"), [("release", False), ("app.kubernetes.io/name", True)])
def test_selector_behind_a_switch_is_judged(judged: Judge, label: str, wrong: bool) -> None:
    """Commit ce1e5c6: the affinity is wrong once somebody turns the switch on."""
    found = contradicted(judged, {"s/main.tf": SWITCH.replace("LABEL", label)}, "deployment/selectors")
    assert [says.startswith("affinity (switched off by default)") for says in found] == [True] * wrong
