"""builder-contracts doctor: report what this machine needs to check contracts."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import click

from builder_contracts.cli.options import table_options
from builder_contracts.contract.loading import load_all
from builder_contracts.contract.model import Contract
from builder_contracts.contract.promises import ProofPromise
from builder_contracts.contract.promises.canaries import CanaryProof
from builder_contracts.contract.promises.network import Denied, Reaches, Resolves, Responds
from builder_contracts.errors import ExitCode, InputError
from builder_contracts.run.inputs import contract_files
from builder_contracts.run.options import DOCTOR, settings_of
from builder_contracts.runner.docker.network import SERVICES_IMAGE


@dataclass(frozen=True)
class DoctorCheck:
    """One thing that checking needs. ``fix`` is the command that brings it, if it is missing."""

    what: str
    good: bool
    seen: str
    fix: str = ""
    needed: bool = True


@click.command()
@table_options(DOCTOR)
def doctor(settings: tuple[str, ...], form: str) -> None:
    """Report what this machine needs to check contracts, and how to install it.

    Checks Python, the Docker Engine, CPUs, memory, free disk, jq, and whether the engine has the images that ./contracts
    need. Changes nothing. What is MISSING stops a check; a note may leave clauses unproven. Exits with 0 if nothing is
    missing, 4 otherwise.

    \b
    Examples:
      builder-contracts doctor
      builder-contracts doctor --format json
    """
    checks = list(_checks(settings_of(DOCTOR, settings)))
    if form == "json":
        click.echo(json.dumps([asdict(check) for check in checks], indent=2))
    else:
        for check in checks:
            mark = "ok  " if check.good else ("MISSING" if check.needed else "note")
            click.secho(
                f"{mark:8}{check.what}: {check.seen}",
                fg=None if check.good else "red" if check.needed else "yellow",
            )
            if not check.good and check.fix:
                click.echo(f"        {check.fix}")
    if any(check.needed and not check.good for check in checks):
        raise click.exceptions.Exit(ExitCode.CANNOT_RUN)


def _checks(settings: Mapping[str, str]) -> Iterator[DoctorCheck]:
    version = ".".join(map(str, sys.version_info[:3]))
    yield DoctorCheck("Python 3.11 or newer", sys.version_info >= (3, 11), version, "apt-get install python3")
    contracts: list[Contract] = []
    try:
        files = contract_files(())
    except InputError as error:
        what = error.problems[0].message
        yield DoctorCheck(
            "contracts",
            False,
            what,
            "run from the directory that contains contracts/, or write one with 'builder-contracts init'",
            needed=False,
        )
    else:
        try:
            contracts = load_all(files, settings)
            yield DoctorCheck("contracts", True, ", ".join(contract.name for contract in contracts))
        except InputError as error:
            yield DoctorCheck("contracts", False, str(error))
    yield from _engine(contracts)
    free = shutil.disk_usage(Path.cwd()).free
    yield DoctorCheck(
        "10 GiB of disk",
        free > 10 * 2**30,
        f"{free / 2**30:.0f} GiB free",
        "free some disk space",
        needed=False,
    )
    jq = shutil.which("jq")
    yield DoctorCheck(
        "jq",
        jq is not None,
        jq or "not on PATH",
        "the commands after 'try' need it: apt-get install jq",
        needed=False,
    )


def _engine(contracts: list[Contract]) -> Iterator[DoctorCheck]:
    from builder_contracts.runner.docker import engine
    from builder_contracts.runner.docker.runner import describe_engine

    try:
        client = engine.connect()
    except engine.EngineNotFound as error:
        yield DoctorCheck("Docker Engine", False, f"not reachable ({error.why})", error.fix or start())
        return
    try:
        about = describe_engine(client)
        images = {image: engine.describe_image(client, image) for image in _images(contracts)}
    except engine.LOST as error:
        seen = f"reachable, but requests fail ({engine.reason(error)})"
        yield DoctorCheck("Docker Engine", False, seen, "check its log, then restart it")
        return
    finally:
        client.close()
    yield DoctorCheck("Docker Engine", True, f"{about.engine} on {about.host}")
    cpus = f"{about.cpus} CPUs, {about.memory / 2**30:.0f} GiB"
    yield DoctorCheck(
        "4 CPUs and 8 GiB",
        about.cpus >= 4 and about.memory >= 8 * 2**30,
        cpus,
        "limits above the host's capacity stay unproven",
        needed=False,
    )
    for image, facts in images.items():
        seen = facts.digest[:19] if facts else "not present in the engine"
        yield DoctorCheck(f"image {image}", facts is not None, seen, _bring(image))


def start() -> str:
    """The action that makes an engine respond."""
    from builder_contracts.runner.docker import engine

    if host := os.environ.get("DOCKER_HOST"):
        return f"DOCKER_HOST is {host}: start an engine there, or unset it"
    if context := os.environ.get("DOCKER_CONTEXT"):
        return f"DOCKER_CONTEXT is {context}: pick one from 'docker context ls', or unset it"
    if (context := engine.context()) != "default":
        return f"the current docker context is {context}: if unintended, run 'docker context use default'"
    if Path("script/engine").is_file():
        return "script/engine --yes"
    if shutil.which("dockerd"):
        return "installed but not running: run 'systemctl start docker' and add the user to the docker group"
    return "apt-get install docker.io, or see https://docs.docker.com/engine/install/"


def _images(contracts: list[Contract]) -> list[str]:
    """The images that the contracts need in the engine: their own, and those of services and stand-ins."""
    from builder_contracts.prove.canary.definition import folder_of
    from builder_contracts.prove.kernel.tiers import BOOT_IMAGE

    images = [contract.image for contract in contracts]
    beside = (Resolves, Reaches, Responds, Denied, ProofPromise)
    if any(isinstance(clause.promise, beside) for contract in contracts for clause in contract.clauses):
        images.append(SERVICES_IMAGE)
    if any(
        (folder_of(contract.source.file) / canary.canary / "kernel.yaml").is_file()
        for contract in contracts
        for canary in contract.promised(CanaryProof)
    ):
        images.append(BOOT_IMAGE)
    return list(dict.fromkeys(images))


def _bring(image: str) -> str:
    """The command that puts an image into the engine."""
    name = image.removeprefix("builder-contracts/").removesuffix(":latest")
    if Path("builders", name, "Dockerfile").is_file() and Path("script/images").is_file():
        return f"script/images {name}"
    if image.startswith("builder-contracts/"):
        return f"run script/images {name} in a builder-contracts checkout"
    return f"docker build --tag {image} DIR, or docker pull {image} (or use check --pull)"
