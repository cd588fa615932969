"""Contracts to start from: they are valid, hold what the checkout deploys, and find a real contradiction."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from builder_contracts.cli import group
from builder_contracts.contract.version_ranges import VersionRange
from builder_contracts.errors import InputError
from builder_contracts.truth.builder_selection import parse
from builder_contracts.truth.session import load
from tests.truth.miniature import Tree, write
from tests.truth.test_helm_releases import FLUX, OCI

CONTROLLER = """\
apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata: {name: arc}
spec:
  chart: {spec: {chart: gha-runner-scale-set-controller, version: %s}}
"""
SETS = FLUX.replace("    maxRunners", "    scaleSetLabels: [gpu]\n    maxRunners")


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(group, [str(argument) for argument in arguments])


def cluster(tmp_path: Path, version: str) -> Path:
    tree: Tree = {"arc.yaml": CONTROLLER % version, "sets.yaml": SETS, "chart.yaml": OCI}
    return write(tmp_path / "cluster", tree)


@pytest.mark.parametrize(("version", "code"), [("0.14.2", 0), ("0.13.0", 1)])
def test_started_platform_judges_its_cluster(tmp_path: Path, version: str, code: int) -> None:
    repo, folder = cluster(tmp_path, version), tmp_path / "contracts"
    assert run("init", "--platform", folder, "--repo", repo).exit_code == 0
    platform, classes = load(folder)
    assert [contract.labels for contract in classes] == [("builders", "gpu")]
    assert platform.area("enrolment").get("scopes") == ["https://github.com/o"]
    result = run("truth", "--repo", repo, "--contracts", folder)
    assert result.exit_code == code, result.output
    assert ("controller from chart 0.13.0" in result.output) is bool(code)


def test_start_keeps_existing_files(tmp_path: Path) -> None:
    folder = write(tmp_path / "contracts", {"builders.yaml": "mine\n"})
    result = run("init", "--platform", folder, "--repo", cluster(tmp_path, "0.14.2"))
    assert "kept     " in result.output
    assert (folder / "builders.yaml").read_text() == "mine\n"


def test_start_without_scale_sets_is_a_valid_class(tmp_path: Path) -> None:
    repo = write(tmp_path / "empty", {"README.md": "# Nothing\n"})
    assert run("init", "--platform", tmp_path / "contracts", "--repo", repo).exit_code == 0
    assert [contract.name for contract in load(tmp_path / "contracts")[1]] == ["my-runner"]


def test_start_keeps_to_what_all_scale_sets_of_a_label_give(tmp_path: Path) -> None:
    daemon = "template: {spec: {containers: [{name: runner, image: r}], initContainers: [{name: dind}]}}\n"
    values = "githubConfigUrl: https://github.com/o/%s\nrunnerScaleSetName: 'on'\n"
    repo = write(tmp_path / "repo", {"a.yaml": values % "a" + daemon, "b.yaml": values % "b" + daemon})
    assert run("init", "--platform", tmp_path / "both", "--repo", repo).exit_code == 0
    result = run("truth", "--repo", repo, "--contracts", tmp_path / "both")
    assert (result.exit_code, "0 broken" in result.output) == (0, True), result.output
    write(repo, {"b.yaml": values % "b"})
    run("init", "--platform", tmp_path / "differing", "--repo", repo)
    assert "docker_daemon: absent" in (tmp_path / "differing/on.yaml").read_text()


def test_start_names_scale_sets_without_a_known_label(tmp_path: Path) -> None:
    repo = write(
        tmp_path / "repo", {"sets.yaml": SETS.replace("name: builders", "name: '${A}'"), "c.yaml": OCI}
    )
    assert run("init", "--platform", tmp_path / "contracts", "--repo", repo).exit_code == 0
    assert "# sets.yaml:7: ${A} is substituted" in (tmp_path / "contracts/my-runner.yaml").read_text()


@pytest.mark.parametrize(
    ("needs", "code", "words"),
    [
        ("git,identity/user", 0, "runs-on: builders"),
        ("git>=2.20,<3,identity/user=runner,identity/uid=1001", 0, "runs-on: builders"),
        ("environment/CI=true,environment/HOME", 0, "runs-on: builders"),
        ("terraform", 1, "terraform is not promised"),
        ("git>=2.40", 1, "git is promised >=2.30,<3, needs >=2.40"),
        ("jq>=1.6", 1, "jq is promised in no version, needs >=1.6"),
        ("terraform>=1", 1, "terraform is not promised"),
        ("network/egress", 1, "promises no default route, so no external access, needs network/egress"),
        ("environment/CI=false", 1, "promises CI is 'true', needs environment/CI=false"),
        ("environment/HOME=/root", 1, "promises HOME is set, needs environment/HOME=/root"),
        ("environment/LD_PRELOAD", 1, "promises LD_PRELOAD is not set"),
        ("identity/user=root", 1, "promises jobs run as user runner"),
        ("isolation/docker-socket", 1, "promises no Docker socket"),
        ("caches/nix", 1, "no promise caches/nix"),
        ("trust/certificates", 1, "no promise trust/certificates"),
    ],
)
def test_needs_are_compared_with_promises(tmp_path: Path, needs: str, code: int, words: str) -> None:
    contract = (
        "apiVersion: builder-contracts/v1\nkind: BuilderClass\n"
        "metadata: {name: builders, summary: A class of runners, owner: me}\nlabels: [builders]\n"
        "image: {reference: runner}\nidentity: {user: runner, uid: 1001}\n"
        "toolchain: {git: {version: '>=2.30,<3'}, jq: present}\n"
        "environment: {variables: {CI: {equals: 'true'}, HOME: present, LD_PRELOAD: absent}}\n"
        "network: {egress: none}\nisolation: {docker_socket: absent}\n"
    )
    folder = write(tmp_path / "contracts", {"builders.yaml": contract})
    result = run("select", "--contracts", folder, "--needs", needs)
    assert result.exit_code == code, result.output
    assert words in result.output


@pytest.mark.parametrize(
    ("needs", "words"),
    [
        ("git>=", "'>=' is not a version range"),
        ("gti>=2", "did you mean git?"),
        ("network/egress=yes", "unknown need 'network/egress'"),
        ("git,,memory=x", "memory=x"),
    ],
)
def test_need_that_means_nothing_is_bad_input(needs: str, words: str) -> None:
    with pytest.raises(InputError, match=re.escape(words)):
        parse(needs, [])


@pytest.mark.parametrize(
    ("promised", "needed", "implied"),
    [
        (">=2.18", ">=2.18", True),
        (">=2.18", ">=2.20", False),
        (">=2.18", "<3", False),
        (">=2.18,<2.30", ">=2,<3", True),
        ("<4", "<3", False),
        (">2", ">=2.0.1", False),
        ("==2.*", "<3", True),
        ("==2.*", "<2.5", False),
        (">=2,<3", "==2.*", True),
        (">=2,<3", "!=2.5", False),
        ("~=2.3", ">=2.3,<3", True),
    ],
)
def test_range_implies_those_that_hold_all_of_it(promised: str, needed: str, implied: bool) -> None:
    assert VersionRange(promised).implies(VersionRange(needed)) is implied
