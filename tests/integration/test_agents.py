"""An agent's tool 'check' against an engine."""

from __future__ import annotations

from pathlib import Path

import anyio
import docker
import pytest

from builder_contracts.cli.mcp_tools import Workspace, call
from builder_contracts.errors import ExitCode
from tests.cli.test_mcp import no_progress

pytestmark = pytest.mark.docker

CONTRACT = """\
apiVersion: builder-contracts/v1
kind: BuilderClass
metadata: {name: sample, summary: Jobs that an agent asks about, owner: me}
labels: [sample]
image: {reference: tinyland-nix}
toolchain: {sh: present, no-such-tool: present}
"""


def test_an_agent_checks_an_image(
    client: docker.DockerClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    del client  # skips without an engine
    (tmp_path / "sample.yaml").write_text(CONTRACT)
    monkeypatch.chdir(tmp_path)
    arguments = {"class": "sample", "keyword": "toolchain/*"}
    data = anyio.run(
        call, Workspace(tmp_path, "sample.yaml", allow_run=True), "check", arguments, no_progress
    )
    assert (data["exit_code"], data["counts"]["kept"]) == (ExitCode.BROKEN, 1)
    (broken,) = data["verdicts"]
    assert (broken["clause"], broken["outcome"]) == ("sample/toolchain/no-such-tool", "broken")
    assert any("builder-contracts facts" in command for command in data["next"])
