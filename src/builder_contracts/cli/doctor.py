"""builder-contracts doctor: is this machine able to run the job?"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import click

from builder_contracts.cli.paths import contract_files
from builder_contracts.contract.load import load_all
from builder_contracts.contract.model import Contract
from builder_contracts.contract.promises import ProofPromise
from builder_contracts.contract.promises.canaries import CanaryProof
from builder_contracts.contract.promises.network import Denied, Reaches, Resolves
from builder_contracts.errors import ExitCode, InputError
from builder_contracts.runner.network import SERVICES_IMAGE


@dataclass(frozen=True)
class Answer:
    """One thing that the job needs. ``mend`` is the command that brings it, where it is missing."""

    what: str
    good: bool
    seen: str
    mend: str = ""
    needed: bool = True


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print the answers as JSON.")
def doctor(as_json: bool) -> None:
    """Say what this machine lacks to check contracts, and the command that mends it.

    Exits with 0 when everything needed is there, 4 otherwise.
    """
    answers = list(_answers())
    if as_json:
        click.echo(json.dumps([asdict(answer) for answer in answers], indent=2))
    else:
        for answer in answers:
            mark = "ok  " if answer.good else ("MISSING" if answer.needed else "note")
            click.secho(
                f"{mark:8}{answer.what}: {answer.seen}",
                fg=None if answer.good else "red" if answer.needed else "yellow",
            )
            if not answer.good and answer.mend:
                click.echo(f"        {answer.mend}")
    if any(answer.needed and not answer.good for answer in answers):
        raise click.exceptions.Exit(ExitCode.CANNOT_RUN)


def _answers() -> Iterator[Answer]:
    version = ".".join(map(str, sys.version_info[:3]))
    yield Answer("Python 3.11 or newer", sys.version_info >= (3, 11), version, "apt-get install python3")
    contracts: list[Contract] = []
    try:
        files = contract_files(())
    except InputError as error:
        what = error.problems[0].message
        yield Answer("contracts", False, what, "go to the folder that holds contracts/", needed=False)
    else:
        try:
            contracts = load_all(files)
            yield Answer("contracts", True, ", ".join(contract.name for contract in contracts))
        except InputError as error:
            yield Answer("contracts", False, str(error))
    yield from _engine(contracts)
    free = shutil.disk_usage(Path.cwd()).free
    yield Answer(
        "10 GiB of disk",
        free > 10 * 2**30,
        f"{free / 2**30:.0f} GiB free",
        "remove what is not needed",
        needed=False,
    )


def _engine(contracts: list[Contract]) -> Iterator[Answer]:
    from builder_contracts.runner import engine
    from builder_contracts.runner.docker import describe_engine

    try:
        client = engine.connect()
    except engine.NoEngine as error:
        yield Answer("Docker Engine", False, f"none answers ({error.why})", error.fix or start())
        return
    try:
        about = describe_engine(client)
        found = {image: engine.describe_image(client, image) for image in _images(contracts)}
    except engine.LOST as error:
        seen = f"it answers, but not to what is asked ({engine.reason(error)})"
        yield Answer("Docker Engine", False, seen, "look into its log, and restart it")
        return
    finally:
        client.close()
    yield Answer("Docker Engine", True, f"{about.engine} on {about.host}")
    cpus = f"{about.cpus} CPUs, {about.memory / 2**30:.0f} GiB"
    yield Answer(
        "4 CPUs and 8 GiB",
        about.cpus >= 4 and about.memory >= 8 * 2**30,
        cpus,
        "limits above the host's capacity are reported unproven",
        needed=False,
    )
    for image, known in found.items():
        seen = known.digest[:19] if known else "not in the engine"
        yield Answer(f"image {image}", known is not None, seen, _bring(image))


def start() -> str:
    """What makes an engine answer, where none does."""
    from builder_contracts.runner import engine

    if host := os.environ.get("DOCKER_HOST"):
        return f"DOCKER_HOST names {host}: start the engine there, or unset it"
    if context := os.environ.get("DOCKER_CONTEXT"):
        return f"DOCKER_CONTEXT names {context}: 'docker context ls' lists what there is; correct or unset it"
    if (context := engine.context()) != "default":
        return f"the docker context in use is {context}: 'docker context use default' leaves it, where that is not meant"
    if Path("script/engine").is_file():
        return "script/engine --yes"
    if shutil.which("dockerd"):
        return "it is installed: 'systemctl start docker' starts it, the group docker may use it"
    return "apt-get install docker.io, or see https://docs.docker.com/engine/install/"


def _images(contracts: list[Contract]) -> list[str]:
    """The images that the contracts need in the engine: their own, and those of what the run starts beside them."""
    from builder_contracts.prove.canary import folder_of
    from builder_contracts.prove.kernel.workshop import BOOT_IMAGE

    images = [contract.image for contract in contracts]
    beside = (Resolves, Reaches, Denied, ProofPromise)
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
    """What brings an image into the engine."""
    name = image.removeprefix("builder-contracts/").removesuffix(":latest")
    if Path("builders", name, "Dockerfile").is_file() and Path("script/images").is_file():
        return f"script/images {name}"
    if image.startswith("builder-contracts/"):
        return f"script/images {name}, in a checkout of builder-contracts"
    return f"docker build --tag {image} FOLDER, or docker pull {image} (check --pull does)"
