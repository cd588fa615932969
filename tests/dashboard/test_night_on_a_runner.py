"""The check's own steps on a runner of the class, beside a deployment's cache that wants credentials."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from builder_contracts.errors import EngineError
from builder_contracts.runner.docker import engine
from builder_contracts.services.catalog import SERVICES
from builder_contracts.services.principals import Credentials
from tests.prove.pool import CONTRACTS, JOB, Machine, Pool, pool

pytestmark = [pytest.mark.docker, pytest.mark.slow]

ROOT = Path(__file__).parents[2]
NIX = "tinyland-nix"
RUN = "/tmp/action/run"
ENVIRONMENT = """
apiVersion: builder-contracts/v1
kind: Environment
metadata: {name: theirs, summary: What the pool itself has}
roles: {nix: {url: "http://nix.example/main", writer: THEIR_WRITER, reader: THEIR_READER}}
"""


@pytest.fixture
def runners(tmp_path: Path) -> Iterator[Pool]:
    try:
        client = engine.connect()
    except EngineError as error:
        pytest.skip(f"needs a Docker Engine: {error}")
    missing = [
        name for name in (NIX, "builder-contracts/services") if not engine.describe_image(client, name)
    ]
    client.close()
    if missing:
        pytest.skip(f"needs {', '.join(missing)}: script/images builds them")
    with pool(tmp_path) as made:
        yield made


def proofs(machine: Machine, **variables: str) -> tuple[str, str]:
    """Run the step *Proofs* as the job's user: what it said, and its JUnit file."""
    done = machine.run(
        "bash", RUN, "check", "proofs",
        environment={
            **JOB, "RUNNER_NAME": machine.name, "RUNNER_TEMP": "/tmp/temp", "RUNNER_KIND": "local", "BUILDER": NIX,
            "CONTRACTS": str(CONTRACTS), "ENVIRONMENT": "/world/theirs.yaml", "REPORTS": "/tmp/reports", **variables,
        },
    )  # fmt: skip
    report = machine.run("cat", "/tmp/reports/proofs.xml").stdout.decode()
    return (done.stdout + done.stderr).decode(), report


def verdict(report: str, clause: str) -> str:
    """The verdict on a clause, from the properties of its case."""
    _, _, case = report.partition(f'name="{clause}"')
    return case.partition('name="outcome" value="')[2].partition('"')[0]


def test_deployment_is_written_only_with_credentials_and_leave(
    runners: Pool,
) -> None:
    credentials = Credentials.random()
    runners.host.start([SERVICES["nix-cache"]("nix.example", credentials)])
    runners.host.up("nix-cache")
    (runners.folder / "theirs.yaml").write_text(ENVIRONMENT)
    machine = runners.runner(NIX)
    machine.put(RUN, (ROOT / ".github" / "actions" / "check-contracts" / "run").read_text("utf-8"))
    machine.run("sh", "-c", "mkdir /tmp/temp && ln -s /opt/venv /tmp/temp/builder-contracts-venv")
    lines = "".join(
        f"THEIR_{who.name.upper()}={who.name}:{who.secret}\r\n"
        for who in (credentials.writer, credentials.reader)
    )
    clauses = ("caches/nix-substituted", "publication/nix-reader", "publication/nix-writer")
    before = len(runners.host.log("nix-cache"))

    log, report = proofs(machine, CREDENTIALS=lines)
    assert [verdict(report, clause) for clause in clauses] == ["unproven"] * 3, log
    assert "requires --allow-writes nix" in log
    assert len(runners.host.log("nix-cache")) == before

    log, report = proofs(machine, CREDENTIALS=lines, ALLOW_WRITES="nix")
    assert [verdict(report, clause) for clause in clauses] == ["kept"] * 3, log
    for secret in (who.secret for who in (credentials.writer, credentials.reader)):
        assert secret not in log + report
