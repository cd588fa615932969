"""The Docker client's own configuration changes no verdict; where it prevents looking, one line says so."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from builder_contracts.errors import ExitCode
from tests.cli.terminal import run

IMAGE = "tinyland-nix"
CONTRACT = """\
apiVersion: builder-contracts/v1
kind: BuilderClass
metadata: {name: own, summary: A class for the client's settings, owner: nobody}
labels: [own]
image: {reference: IMAGE}
environment:
  variables: {HTTP_PROXY: absent, http_proxy: absent}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "client").mkdir()
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "client"))
    (tmp_path / "contracts").mkdir()
    return tmp_path


def configure(folder: Path, **settings: object) -> None:
    (folder / "client" / "config.json").write_text(json.dumps(settings))


@pytest.mark.docker
def test_client_proxies_do_not_reach_the_runner(folder: Path) -> None:
    configure(folder, proxies={"default": {"httpProxy": "http://proxy.invalid:3128"}})
    (folder / "contracts" / "own.yaml").write_text(CONTRACT.replace("IMAGE", IMAGE))
    ended = run("check", "-k", "variables or environment", cwd=folder)
    assert ended.status == ExitCode.KEPT, ended.out + ended.err


@pytest.mark.docker
def test_missing_credential_helper_is_unproven_in_one_line(folder: Path) -> None:
    configure(folder, credsStore="no-such-helper")
    (folder / "contracts" / "own.yaml").write_text(CONTRACT.replace("IMAGE", "registry.invalid/own:1"))
    ended = run("check", "--pull", cwd=folder)
    assert ended.status == ExitCode.UNPROVEN, ended.out + ended.err
    assert ended.out.count("credential helper") == 2  # in full, and in the summary
    assert "docker-credential-no-such-helper" in ended.out
    assert "Traceback" not in ended.out + ended.err
