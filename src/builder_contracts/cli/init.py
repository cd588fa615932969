"""builder-contracts init: write contracts to start from."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NoReturn

import click

from builder_contracts.cli.facts import finish, require_image
from builder_contracts.cli.options import table_options
from builder_contracts.contract import schemas
from builder_contracts.contract.files import current_directory, write
from builder_contracts.draft import hosted_images
from builder_contracts.draft.proposals import Level
from builder_contracts.errors import BuilderContractsError, ExitCode, printable
from builder_contracts.run.options import INIT, RunOptions, parse, usage_error


@click.command()
@table_options(INIT)
@click.option(
    "--from",
    "source",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Convert a gossfile, a container-structure-test file or a Dockerfile, and look at nothing.",
)
@click.option(
    "--like",
    metavar="LABEL",
    help="Promise the tools of a hosted image, such as ubuntu-24.04, for jobs that move from there.",
)
@click.option("--name", metavar="CLASS", help="Name of the class (default: the image's).")
@click.option(
    "--level",
    type=click.Choice([level.name.lower() for level in Level]),
    default="usual",
    show_default=True,
    help="How much to promise.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="File to write, - for standard output (default: contracts/CLASS.yaml).",
)
@click.option("--force", is_flag=True, help="Replace an existing file.")
@click.option(
    "--platform",
    "folder",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Write the contracts of a whole platform to DIR, from the repository that deploys it.",
)
@click.option(
    "--repo",
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="With --platform: the repository (default: current directory).",
)
def init(
    init_image: str | None,
    source: Path | None,
    like: str | None,
    name: str | None,
    level: str,
    output: Path | None,
    force: bool,
    folder: Path | None,
    repo: Path | None,
    **values: Any,
) -> None:
    """Write a first contract: what a runner provides today.

    Looks once at a container of image REF, or at this machine with --runner local. Every promise of the contract is
    kept then, and says why one would want it. What looks like a mistake, such as a secret in a variable, stands there
    as a comment. An existing file is replaced only with --force.

    With --like, also promises the tools of a hosted image. Those that the runner lacks are listed.

    With --from, converts the tests of another tool. A test without a counterpart is listed at the end of the file, with
    the reason.

    With --platform, reads the scale sets that a repository deploys. Writes a class for each of them and the facts that
    a checkout can be compared with. Existing files are kept.

    \b
    Examples:
      builder-contracts init --image debian:stable-slim
      builder-contracts init --runner local --name build-host --level minimal
      builder-contracts init --image my-runner --like ubuntu-24.04
      builder-contracts init --from goss.yaml --image my-runner
      builder-contracts init --platform contracts --repo ../cluster
    """
    options = parse(INIT, values, cwd=current_directory())
    if folder is not None:
        if init_image or source or name or output:
            raise usage_error(
                "--platform conflicts with --image, --from, --name and --output", "leave out one of them"
            )
        _platform(folder, repo or Path())
        return
    if repo is not None:
        raise usage_error("--repo is about --platform", "add --platform DIR, or leave it out")
    if init_image is None and source is None and options.runner == "docker":
        raise usage_error(
            "nothing to look at", "pass --image REF, --runner local, --from FILE, or --platform DIR"
        )
    if init_image is not None and not schemas.is_image(init_image):
        raise usage_error(
            f"--image {init_image}: not an image reference", "use a form such as ghcr.io/me/runner:1"
        )
    if name is not None and not schemas.is_class_name(name):
        raise usage_error(
            f"--name {name}: not a name of a class", "use lower-case letters, digits and hyphens"
        )
    if like is not None and like not in hosted_images.labels():
        raise usage_error(
            f"--like {like}: this image's software is not known", f"use {', '.join(hosted_images.labels())}"
        )
    if source is not None:
        if like is not None:
            raise usage_error("--like conflicts with --from", "leave out one of them")
        _converted(source, init_image, name, output, force=force)
        return
    _first(options, init_image, like, name, Level[level.upper()], output, force=force)


def _first(
    options: RunOptions,
    image: str | None,
    like: str | None,
    name: str | None,
    level: Level,
    output: Path | None,
    *,
    force: bool,
) -> NoReturn:
    from builder_contracts.draft.first_contract import class_name, first_contract
    from builder_contracts.draft.survey import survey
    from builder_contracts.facts.model import StartFacts
    from builder_contracts.run.single_observation import observe
    from builder_contracts.verdict import Outcome

    name = name or (class_name(image) if image else "this-machine")
    path = _target(output, name, force=force)
    facts, left = observe(options, survey(image or ""), image)
    require_image(facts)
    if isinstance(facts.start, StartFacts) and not facts.start.started:
        raise usage_error(f"no job runs in {image}: {facts.start.output}", "a runner's image needs /bin/sh")
    hosted = hosted_images.hosted_image(like) if like else None
    first = first_contract(facts, name=name, image=image or name, level=level, hosted=hosted)
    _write(path, first.text)
    if path != _STANDARD_OUTPUT:
        kept, broken, unproven = (
            first.counts[outcome] for outcome in (Outcome.KEPT, Outcome.BROKEN, Outcome.UNPROVEN)
        )
        shown = printable(str(path))
        click.echo(
            f"written  {shown}: {kept} promises kept; as comments {broken} broken, {unproven} unproven"
        )
        if like and first.broken_tools:
            click.echo(f"lacks    older than in {like}, or not there: {', '.join(first.broken_tools)}")
        where = " --runner local" if options.runner == "local" else ""
        click.echo(f"next     builder-contracts check{where} {shown}")
    finish(ExitCode.KEPT, left)


def _converted(
    source: Path, image: str | None, name: str | None, output: Path | None, *, force: bool
) -> None:
    from builder_contracts.contract.document import MAX_BYTES
    from builder_contracts.contract.files import read_bytes
    from builder_contracts.draft.first_contract import class_name
    from builder_contracts.draft.peers.contract import convert

    name = name or (class_name(image) if image else "my-runner")
    path = _target(output, name, force=force)
    converted = convert(read_bytes(source, MAX_BYTES), str(source), name=name, image=image or name)
    _write(path, converted.text)
    if path != _STANDARD_OUTPUT:
        shown = printable(str(path))
        click.echo(
            f"written  {shown}: {converted.promises} promises; not converted, with the reason: {len(converted.left_out)}"
        )
        if image is None:
            click.echo(f"image    the file names none: write yours into {shown}, or pass --image REF")
        click.echo(f"next     builder-contracts check {shown}")


_STANDARD_OUTPUT = Path("-")


def _target(output: Path | None, name: str, *, force: bool) -> Path:
    """The file to write. Raises InputError for one that is there already."""
    path = output or Path("contracts", f"{name}.yaml")
    if path != _STANDARD_OUTPUT and path.exists() and not force:
        raise usage_error(f"{path} exists", "pass --force to replace it, or --output FILE")
    return path


def _write(path: Path, text: str) -> None:
    if path == _STANDARD_OUTPUT:
        click.echo(text, nl=False)
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(path, text.encode())
    except OSError as error:
        raise BuilderContractsError(f"cannot write {path}: {error.strerror}") from None


def _platform(folder: Path, repo: Path) -> None:
    from builder_contracts.truth.platform_start import start_files

    for file, content in start_files(repo).items():
        path = folder / file
        if path.exists():
            click.echo(f"kept     {printable(str(path))}")
            continue
        _write(path, content)
        click.echo(f"written  {printable(str(path))}")
    click.echo(
        f"next: builder-contracts truth --repo {printable(str(repo))} --contracts {printable(str(folder))}"
    )
