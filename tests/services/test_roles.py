"""Roles, environments and classes agree; each disagreement is reported with its place."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from builder_contracts.contract.loading import load_all
from builder_contracts.errors import InputError, Problem
from builder_contracts.services.role_checks import check

ROOT = Path(__file__).parents[2]
CLASSES = ("tinyland-nix", "tinyland-docker", "tinyland-dind")


@pytest.fixture
def changed(tmp_path: Path) -> Callable[..., list[Problem]]:
    """What is wrong with the project's own contracts after words in one file were replaced."""

    def change(file: str = "", old: str = "", new: str = "") -> list[Problem]:
        folder = tmp_path / "contracts"
        shutil.copytree(ROOT / "contracts", folder)
        if file:
            text = (folder / file).read_text("utf-8")
            assert old in text
            (folder / file).write_text(text.replace(old, new), "utf-8")
        return check(folder, load_all(folder / f"{name}.yaml" for name in CLASSES))

    return change


def test_role_check_without_roles_still_compares_hostnames(
    tmp_path: Path,
) -> None:
    (tmp_path / "environments").mkdir()
    environment = tmp_path / "environments" / "own.yaml"
    shutil.copy(ROOT / "contracts" / "environments" / "embedded.yaml", environment)
    (tmp_path / "own.yaml").write_text(
        "apiVersion: builder-contracts/v1\nkind: BuilderClass\n"
        "metadata: {name: own, summary: A class of my own, owner: me}\nlabels: [own]\nimage: {reference: own}\n"
        "network: {deny: [metadata, metdata]}\n"
    )
    contracts = load_all([tmp_path / "own.yaml"])
    (problem,) = check(tmp_path, contracts)
    assert str(problem) == (
        f"{tmp_path / 'own.yaml'}:6: denies host 'metdata', which no environment lists under 'forbidden'\n"
        "    fix: did you mean 'metadata'?"
    )
    environment.unlink()
    assert check(tmp_path, contracts) == []


def test_a_pipe_among_the_environments_is_reported(tmp_path: Path) -> None:
    (tmp_path / "environments").mkdir()
    os.mkfifo(tmp_path / "environments" / "pipe.yaml")
    with pytest.raises(InputError, match=r"pipe\.yaml: cannot read: not a regular file"):
        check(tmp_path, [])


def test_the_projects_own_files_agree(changed: Callable[..., list[Problem]]) -> None:
    assert changed() == []


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        (
            "platform/cache-roles.yaml",
            "results of Bazel actions for builds outside of the tailnet",
            "Results of Bazel actions inside the tailnet and the cluster",
            "roles bazel-grpc and bazel-http claim the same authority",
        ),
        (
            "platform/cache-roles.yaml",
            "https://flakehub.com",
            "https://nix-cache.tinyland.dev/main",
            "share endpoint https://nix-cache.tinyland.dev/main in tinyland",
        ),
        (
            "environments/tinyland.yaml",
            "https://nix-cache.tinyland.dev/main",
            "https://nix-cache.fuzzy-dev.tinyland.dev/main",
            "refers to the stale endpoint nix-cache.fuzzy-dev.tinyland.dev",
        ),
        (
            "environments/embedded.yaml",
            "http://attic.nix-cache.svc.cluster.local/main",
            "http://attic-api.nix-cache.svc.cluster.local:8080/main",
            "refers to the stale endpoint attic-api.nix-cache.svc",
        ),
        (
            "environments/embedded.yaml",
            "http://attic.nix-cache.svc.cluster.local/main",
            "http://attic.nix-cache.svc.cluster.local:8080/main",
            "but cache-roles.yaml has http://attic.nix-cache.svc.cluster.local/main",
        ),
        (
            "environments/embedded.yaml",
            "  objects: {",
            "  flakes: {",
            "uses role objects, which environment embedded does not define",
        ),
        (
            "environments/embedded.yaml",
            "  metadata: {address",
            "  metadat: {address",
            "denies host 'metadata', which no environment lists under 'forbidden'",
        ),
    ],
)
def test_what_does_not_agree_is_named(
    changed: Callable[..., list[Problem]], file: str, old: str, new: str, message: str
) -> None:
    problems = changed(file, old, new)
    assert len(set(problems)) == len(problems)
    assert any(message in problem.message for problem in problems), problems
    assert all(problem.fix and problem.source.line for problem in problems)
