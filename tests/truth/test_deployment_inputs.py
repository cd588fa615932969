"""Rendered manifests and plans replace what the files of a checkout suggest."""

from __future__ import annotations

import dataclasses
import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from builder_contracts.cli import group
from builder_contracts.errors import InputError
from builder_contracts.truth.checkout_scan import SearchWords, scan_checkout
from builder_contracts.truth.deployment_inputs import add_deployment
from builder_contracts.truth.model import Model
from builder_contracts.truth.platform import PlatformWaiver, with_waivers
from builder_contracts.truth.session import load
from builder_contracts.truth.value import Unknown, get, text
from builder_contracts.truth.verdicts import CONSUMER
from tests.truth.conftest import CONTRACTS
from tests.truth.miniature import write

SET = "gha-runner-scale-set"
STACK = f"""\
variable "size" {{
  type = number
}}
resource "helm_release" "builders" {{
  name   = "builders"
  chart  = "{SET}"
  values = [yamlencode({{ maxRunners = var.size, githubConfigUrl = "https://github.com/o" }})]
}}
terraform {{
  backend "s3" {{}}
}}
"""
RENDERED = """\
apiVersion: actions.github.com/v1alpha1
kind: AutoscalingRunnerSet
metadata: {name: builders, namespace: ci, labels: {app.kubernetes.io/version: 0.14.2}}
spec: {githubConfigUrl: https://github.com/o, runnerScaleSetName: builders, maxRunners: 7}
---
{}
"""


def plan(after_unknown: dict[str, Any]) -> str:
    """A plan with a release in a module and a workload at the root."""
    release = {
        "address": "module.arc.helm_release.builders",
        "mode": "managed",
        "type": "helm_release",
        "values": {
            "name": "builders", "chart": SET, "version": "0.14.2", "namespace": "ci",
            "values": ["githubConfigUrl: https://github.com/o\nmaxRunners: 3\n"],
            "set": [{"name": "maxRunners", "value": "7"}],
        },
    }  # fmt: skip
    container = {"name": "cache", "image": "cache:1"}
    workload = {
        "address": "kubernetes_deployment_v1.cache",
        "mode": "managed",
        "type": "kubernetes_deployment_v1",
        "values": {
            "metadata": [{"name": "cache", "namespace": "ci"}],
            "spec": [{"template": [{"spec": [{"container": [container]}]}]}],
        },
    }
    change = {
        "address": release["address"],
        "change": {"actions": ["create"], "after_unknown": after_unknown},
    }
    root = {"resources": [workload], "child_modules": [{"resources": [release]}]}
    return json.dumps(
        {"format_version": "1.2", "planned_values": {"root_module": root}, "resource_changes": [change]}
    )


def model_of(tmp_path: Path) -> Model:
    return scan_checkout(write(tmp_path / "repo", {"stack/main.tf": STACK}), SearchWords())


def test_plan_replaces_what_the_stack_suggests(tmp_path: Path) -> None:
    model = model_of(tmp_path)
    (guessed,) = model.scale_sets
    assert isinstance(get(guessed.values, "maxRunners"), Unknown)
    path = tmp_path / "plan.json"
    path.write_text(plan({}))
    add_deployment(model, (), [path])
    (planned,) = model.scale_sets
    assert text(get(planned.values, "maxRunners")) == "7"
    assert (text(planned.chart_version), text(planned.namespace)) == ("0.14.2", "ci")
    assert planned.at.file == str(path)
    (workload,) = model.workloads
    assert [text(get(container, "image")) for container in workload.pod.containers] == ["cache:1"]


def test_what_only_the_apply_knows_is_unknown(tmp_path: Path) -> None:
    model, path = Model(), tmp_path / "plan.json"
    path.write_text(plan({"version": True, "values": [False]}))
    add_deployment(model, (), [path])
    assert isinstance(model.scale_sets[0].chart_version, Unknown)
    assert text(get(model.scale_sets[0].values, "maxRunners")) == "7"


def test_rendered_manifests_replace_what_the_stack_suggests(tmp_path: Path) -> None:
    model = model_of(tmp_path)
    folder = write(tmp_path / "rendered", {"set/templates/set.yaml": RENDERED})
    add_deployment(model, [folder], ())
    (scale_set,) = model.scale_sets
    assert text(get(scale_set.values, "maxRunners")) == "7"
    assert text(scale_set.chart_version) == "0.14.2"


def test_selectors_of_rendered_manifests_are_read(tmp_path: Path) -> None:
    budget = (
        "apiVersion: policy/v1\nkind: PodDisruptionBudget\nmetadata: {name: a}\n"
        "spec: {selector: {matchLabels: {app: a}}}\n"
    )
    model = Model()
    add_deployment(model, [write(tmp_path / "rendered", {"budget.yaml": budget})], ())
    (selector,) = model.selectors
    assert text(get(selector.labels, "app")) == "a"


@pytest.mark.parametrize("content", ["{}", "[1", '{"values": {}}'])
def test_file_that_is_no_plan_is_bad_input(tmp_path: Path, content: str) -> None:
    path = tmp_path / "plan.json"
    path.write_text(content)
    with pytest.raises(InputError, match=r"tofu show -json PLAN"):
        add_deployment(Model(), (), [path])


def test_rendered_directory_without_manifests_is_bad_input(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such directory"):
        add_deployment(Model(), [tmp_path / "none"], ())
    with pytest.raises(InputError, match="no manifests"):
        add_deployment(Model(), [tmp_path], ())


def test_example_of_variables_is_a_variant(tmp_path: Path) -> None:
    tree = {"stack/main.tf": STACK, "stack/terraform.tfvars.example": "size = 4\n"}
    (scale_set,) = scan_checkout(write(tmp_path / "repo", tree), SearchWords()).scale_sets
    assert text(get(scale_set.values, "maxRunners")) == "4"
    assert "terraform.tfvars.example" in scale_set.variant


CLASS = """\
apiVersion: builder-contracts/v1
kind: BuilderClass
metadata: {name: builders, summary: A class of runners, owner: me}
labels: [builders]
image: {reference: runner}
toolchain: {git: present, go: absent}
"""
WORKFLOW = "on: push\njobs:\n  build:\n    runs-on: builders\n    steps: [{run: %s}]\n"


def workflows(tmp_path: Path, command: str, *arguments: str | Path) -> Result:
    contracts = write(tmp_path / "contracts", {"builders.yaml": CLASS})
    repo = write(tmp_path / "repo", {".github/workflows/ci.yml": WORKFLOW % command})
    run = ["workflows", str(repo), "--contracts", str(contracts), *map(str, arguments)]
    return CliRunner().invoke(group, run)


@pytest.mark.parametrize(("command", "code"), [("git status", 0), ("go test ./...", 1)])
def test_contracts_of_classes_alone_judge_workflows(tmp_path: Path, command: str, code: int) -> None:
    result = workflows(tmp_path, command)
    assert result.exit_code == code, result.output
    assert ("builders does not promise go" in result.output) is bool(code)


def test_workflows_take_a_baseline_and_write_their_report(tmp_path: Path) -> None:
    known, report = tmp_path / "known.json", tmp_path / "report.json"
    assert workflows(tmp_path, "go test", "--baseline", known, "--write-baseline").exit_code == 0
    result = workflows(tmp_path, "go test", "--baseline", known, "--format", "json", "-o", report)
    assert result.exit_code == 0
    assert json.loads(report.read_text())["known"] == 1


WAIVERS = """\
apiVersion: builder-contracts/v1
kind: Waivers
waivers:
  workflows/needs: {reason: until the image has it, until: "2999-01-31"}
"""


@pytest.mark.parametrize(
    ("before", "after", "code", "says"),
    [
        ("", "", 0, "waived    workflows/needs"),
        ('"}', '", files: [.github/*]}', 0, "waived    workflows/needs"),
        ('"}', '", files: [ci/*]}', 1, "builders does not promise go"),
        ("2999", "2020", 1, "builders does not promise go"),
    ],
)
def test_workflows_take_waivers_of_their_own(
    tmp_path: Path, before: str, after: str, code: int, says: str
) -> None:
    write(tmp_path, {"w.yaml": WAIVERS.replace(before, after, 1)})
    result = workflows(tmp_path, "go test", "--waivers", tmp_path / "w.yaml")
    assert (result.exit_code, says in result.output) == (code, True), result.output


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        ("2999-01", "2999-13", "w.yaml:4: not a date"),
        ("/needs", "/neeeds", "did you mean 'workflows/needs'?"),
        ("/needs", "/scaling", "w.yaml:4: waiver for 'workflows/scaling', which is no clause"),
        ("reason", "cause", "w.yaml:4: "),
    ],
)
def test_waiver_that_waives_nothing_is_bad_input(tmp_path: Path, before: str, after: str, says: str) -> None:
    write(tmp_path, {"w.yaml": WAIVERS.replace(before, after)})
    with pytest.raises(InputError) as error:
        with_waivers(load(CONTRACTS)[0], tmp_path / "w.yaml", CONSUMER)
    assert says in str(error.value)


def test_clause_that_a_contract_waives_is_waived_once(tmp_path: Path) -> None:
    platform, _ = load(CONTRACTS)
    waiver = PlatformWaiver("a reason that is given", date(2999, 1, 1), (), platform.clauses[0].source)
    waived = dataclasses.replace(
        platform, clauses=tuple(dataclasses.replace(clause, waiver=waiver) for clause in platform.clauses)
    )
    write(tmp_path, {"w.yaml": WAIVERS})
    with pytest.raises(InputError, match="already waived at"):
        with_waivers(waived, tmp_path / "w.yaml", CONSUMER)


def test_clause_of_a_platform_needs_no_ground(tmp_path: Path) -> None:
    platform = (
        "apiVersion: builder-contracts/v1\nkind: PlatformContract\narea: workflows\n"
        "metadata: {summary: What jobs may expect, owner: me}\nfacts: {commands: {make: make}}\n"
        "clauses: {labels: {promise: Labels exist, why: a job waits for a day}}\n"
    )
    write(tmp_path / "contracts", {"platform/workflows.yaml": platform})
    result = workflows(tmp_path, "git status")
    assert result.exit_code == 0, result.output
    assert "1 kept" in result.output
