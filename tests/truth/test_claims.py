"""Sentences and values that only look like a claim about the platform, next to those that are one."""

from __future__ import annotations

import pytest

from builder_contracts.truth.rules.topology.transitional_provider import _CENTRE
from tests.truth.conftest import Judge
from tests.truth.miniature import CLEAN


@pytest.mark.parametrize(
    ("sentence", "central"),
    [
        ("Civo is the default target.", True),
        ("Our production cluster runs on Civo.", True),
        ("Civo remains the primary provider.", True),
        ("Civo provides a default storage class.", False),
        ("Civo clusters have public API endpoints by default.", False),
    ],
)
def test_default_of_a_provider_does_not_make_it_central(sentence: str, central: bool) -> None:
    assert bool(_CENTRE.search(sentence)) == central


@pytest.mark.parametrize(
    ("clause", "file", "text", "broken"),
    [
        ("endpoints/roles", "docs/a.md", "Attic is the state backend.\n", True),
        ("endpoints/roles", "docs/a.md", "The directory is named attic for state backend reasons.\n", False),
        ("endpoints/roles", "docs/a.md", "GitLab has the state backend, and Attic is here too.\n", False),
        ("workflows/substituters", "docs/a.md", "Runners are configured with it as a substituter.\n", True),
        ("workflows/substituters", "docs/a.md", "The example has it configured as a substituter.\n", False),
        ("deployment/images-pinned", "k8s/a.yaml", "registry.example.com/a:latest", False),
        ("deployment/images-pinned", "k8s/a.yaml", "registry.example.dev/a:latest", True),
    ],
)
def test_what_only_looks_like_a_claim_breaks_nothing(
    judged: Judge, clause: str, file: str, text: str, broken: bool
) -> None:
    pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {containers: [{name: a, image: 'IMAGE'}]}\n"
    written = pod.replace("IMAGE", text) if file.endswith(".yaml") else f"# Notes\n\n{text}"
    report = judged({**CLEAN, file: written})
    assert any(finding.clause == f"platform/{clause}" for finding in report.findings) == broken


def test_release_that_a_switch_leaves_out_uses_no_namespace(judged: Judge) -> None:
    release = (
        'resource "helm_release" "operator" {\n  count = COUNT\n  name = "o"\n  chart = "o"\n'
        '  namespace = "operators"\n}\n'
    )
    for count, broken in (("1", True), ("0", False)):
        report = judged({**CLEAN, "tofu/stacks/o/main.tf": release.replace("COUNT", count)})
        clauses = [finding.clause for finding in report.findings]
        assert ("platform/deployment/namespaces" in clauses) == broken
