"""A host counts by its use: as the address of a cache, not as a site, a path, an annotation or a memory."""

from __future__ import annotations

from pathlib import Path

import pytest

from builder_contracts.contract.model import Contract
from builder_contracts.truth.placeholders import is_placeholder
from builder_contracts.truth.platform import Platform
from builder_contracts.truth.verdicts import CONSUMER, judge
from tests.truth.miniature import write

Loaded = tuple[Platform, list[Contract]]


def hosts(tmp_path: Path, contracts: Loaded, file: str, text: str) -> list[str]:
    report = judge(write(tmp_path / "app", {file: text}), *contracts, only=CONSUMER)
    return [finding.clause for finding in report.findings if "endpoints" in finding.clause]


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("ci.env", "ATTIC_SERVER=https://caches.tinyland.dev\n"),
        ("flake.nix", '{ substituters = [\n    "https://caches.tinyland.dev/main"\n  ]; }\n'),
        ("nix/attic.nix", '{ server = "https://cache.tinyland.dev"; }\n'),
        (".bazelrc", "build --remote_cache=grpc://bazel.taila4c78d.ts.net:9092\n"),
        ("docs/cache.md", "Log in to Attic with `attic login ci https://attic.tinyland.dev`.\n"),
    ],
)
def test_unknown_address_of_a_cache_is_a_finding(
    tmp_path: Path, contracts: Loaded, file: str, text: str
) -> None:
    assert hosts(tmp_path, contracts, file, text) == ["platform/endpoints/known-hosts"]


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("src/site.ts", "const SITE_URL = 'https://brand.tinyland.dev';\n"),
        ("package.json", '{"homepage": "https://github.com/tinyland-inc/brand.tinyland.dev"}\n'),
        ("Justfile", "open:\n    gh repo view tinyland-inc/brand.tinyland.dev --web\n"),
        ("README.md", "# brand.tinyland.dev\n\nIts Bazel build.\n"),
        ("deploy.sh", "kubectl annotate deployment x ha.tinyland.dev/replicas=1\n"),
        ("portal.go", 'var u = "https://portal.taila4c78d.ts.net"\n'),
        (".lychee.toml", 'exclude = ["^https://nix-cache.fuzzy-dev.tinyland.dev"]\n'),
    ],
)
def test_host_that_is_no_cache_address_is_ignored(
    tmp_path: Path, contracts: Loaded, file: str, text: str
) -> None:
    assert hosts(tmp_path, contracts, file, text) == []


def test_fix_is_proposed_only_for_a_name_alike(tmp_path: Path, contracts: Loaded) -> None:
    tree = {"a.env": "ATTIC_SERVER=https://attic.tinyland.dev\nNIX_CACHE=https://cache.tinyland.dev\n"}
    report = judge(write(tmp_path / "app", tree), *contracts, only=CONSUMER)
    fixes = {finding.actual.at.line: finding.fix for finding in report.findings}
    assert fixes[1].endswith("use a declared endpoint, or declare this one")
    assert fixes[2].endswith("use nix-cache.tinyland.dev")


@pytest.mark.parametrize(
    ("name", "stands_for_another"),
    [
        ("", True),
        ("${RUNNER_NAMESPACE}", True),
        ("nix-cache.example.com", True),
        ("service.namespace.svc.cluster.local", True),
        ("attic.nix-cache.svc.cluster.local", False),
        ("example-runners", False),
    ],
)
def test_placeholder_stands_for_another_name(name: str, stands_for_another: bool) -> None:
    assert is_placeholder(name) is stands_for_another
