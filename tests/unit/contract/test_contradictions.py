"""Promises of two sections that no runner can keep together are rejected, with both places."""

from __future__ import annotations

from pathlib import Path

import pytest

from builder_contracts.contract.loading import load
from builder_contracts.errors import InputError

HEAD = """apiVersion: builder-contracts/v1
kind: BuilderClass
metadata: {name: sample, summary: a class for a single test, owner: tests}
labels: [sample]
image: {reference: sample}
"""
DAEMON = "daemon: {endpoint: 'tcp://localhost:2375', ready_within: 9}\n"


def rejection(folder: Path, sections: str) -> str:
    path = folder / "sample.yaml"
    path.write_text(HEAD + sections, "utf-8")
    with pytest.raises(InputError) as rejected:
        load(path)
    return str(rejected.value)


@pytest.mark.parametrize(
    ("sections", "lines"),
    [
        ("isolation:\n  docker_daemon: absent\n" + DAEMON, (7, 8)),
        ("isolation:\n  no_new_privileges: true\nprivileges:\n  sudo: passwordless\n", (9, 7)),
        ("environment:\n  proxy: absent\n  variables: {http_proxy: present}\n", (8, 7)),
        ("environment:\n  proxy: absent\n  variables:\n    A: present\n    http_proxy: present\n", (10, 7)),
        (
            "environment:\n  proxy: {http_proxy: 'http://p'}\n  variables:\n    http_proxy: absent\n",
            (9, 7),
        ),
        (
            "environment:\n  proxy: {http_proxy: 'http://p'}\n  variables:\n    https_proxy: present\n",
            (9, 7),
        ),
        ("identity:\n  groups:\n    allow: [a]\n    forbid: [a]\n", (8, 9)),
        ("process:\n  ulimits:\n    nofile:\n      at_least: 9\n      at_most: 8\n", (9, 10)),
    ],
)
def test_contradiction_names_both_lines(tmp_path: Path, sections: str, lines: tuple[int, int]) -> None:
    text = rejection(tmp_path, sections)
    assert f"sample.yaml:{lines[0]}" in text
    assert f"sample.yaml:{lines[1]}" in text


@pytest.mark.parametrize(
    ("sections", "clause"),
    [
        (
            "isolation: {docker_daemon: reachable, no_new_privileges: true}\nprivileges: {sudo: absent}\n"
            + DAEMON,
            "privileges/sudo",
        ),
        ("environment: {proxy: absent, variables: {A: present, http_proxy: absent}}\n", "environment/A"),
        (
            "environment: {proxy: {http_proxy: 'http://p'}, variables: {http_proxy: present}}\n",
            "environment/http_proxy",
        ),
        ("environment: {variables: {http_proxy: present}}\n", "environment/http_proxy"),
    ],
)
def test_sections_that_agree_load(tmp_path: Path, sections: str, clause: str) -> None:
    path = tmp_path / "sample.yaml"
    path.write_text(HEAD + sections, "utf-8")
    assert load(path).clause(clause)
