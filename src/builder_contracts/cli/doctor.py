"""builder-contracts doctor: is this machine able to run the job?"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import click

from builder_contracts.cli.paths import contract_files
from builder_contracts.contract.load import load_all
from builder_contracts.errors import BuilderContractsError, ExitCode, InputError
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
    try:
        contracts = load_all(contract_files(()))
        yield Answer("contracts", True, ", ".join(contract.name for contract in contracts))
    except InputError as error:
        contracts = []
        yield Answer(
            "contracts",
            False,
            error.problems[0].what,
            "run this in a checkout, or validate PATH",
            needed=False,
        )
    yield from _engine([contract.image for contract in contracts])
    free = shutil.disk_usage(Path.cwd()).free
    yield Answer(
        "10 GiB of disk",
        free > 10 * 2**30,
        f"{free / 2**30:.0f} GiB free",
        "remove what is not needed",
        needed=False,
    )


def _engine(images: list[str]) -> Iterator[Answer]:
    from builder_contracts.runner import engine
    from builder_contracts.runner.docker import describe_engine

    try:
        client = engine.connect()
        about = describe_engine(client)
    except BuilderContractsError as error:
        yield Answer("Docker Engine", False, str(error), "script/engine --yes")
        return
    yield Answer("Docker Engine", True, f"{about.engine} on {about.host}")
    cpus = f"{about.cpus} CPUs, {about.memory / 2**30:.0f} GiB"
    yield Answer(
        "4 CPUs and 8 GiB",
        about.cpus >= 4 and about.memory >= 8 * 2**30,
        cpus,
        "limits above the host's capacity are reported unproven",
        needed=False,
    )
    for image in [*images, SERVICES_IMAGE]:
        found = engine.describe_image(client, image)
        yield Answer(
            f"image {image}",
            found is not None,
            found.digest[:19] if found else "not in the engine",
            "script/images",
        )
