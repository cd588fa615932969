"""builder-contracts facts and diff: what is so in a runner, and what has changed."""

from __future__ import annotations

from pathlib import Path

import click

from builder_contracts import begin
from builder_contracts.cli.paths import classes, contract_files, seconds
from builder_contracts.contract import schema
from builder_contracts.contract.files import write
from builder_contracts.contract.load import load_all
from builder_contracts.contract.model import Contract
from builder_contracts.errors import EngineError, ExitCode, InputError, Problem, Source, printable
from builder_contracts.facts import codec
from builder_contracts.facts.model import Start, Unseen


@click.command()
@click.option("--image", metavar="REF", help="The image to start; the contract's own when left out.")
@click.option(
    "--builder", metavar="CLASS", shell_complete=classes, help="Ask the questions of this class's contract."
)
@click.option(
    "--contract",
    "path",
    type=click.Path(path_type=Path),
    help="Contract file or folder (default: ./contracts).",
)
@click.option("--runner", type=click.Choice(["docker", "local"]), default="docker", show_default=True)
@click.option("--environment", metavar="NAME_OR_FILE", help="Environment that binds names to services.")
@click.option("--pull", is_flag=True, help="Allow to download the image.")
@click.option(
    "--deadline", type=seconds, default=60.0, show_default=True, help="Seconds for the observation."
)
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="Write to this file instead of the terminal."
)
def facts(
    image: str | None,
    builder: str | None,
    path: Path | None,
    runner: str,
    environment: str | None,
    pull: bool,
    deadline: float,
    output: Path | None,
) -> None:
    """Print everything that one observation of a runner finds, as JSON.

    The questions come from a contract: that of CLASS, or the one whose image or name is REF, or the only
    one there is. Values of variables that look like secrets are redacted; those that an environment file names
    for proofs are left out.

    \b
    Examples:
      builder-contracts facts --image tinyland-nix | jq .tools.xz
      builder-contracts facts --image ghcr.io/me/runner:1 --builder tinyland-nix --pull -o today.json
      builder-contracts facts --runner local --builder tinyland-docker
    """
    if image is not None and not schema.is_image(image):
        raise click.BadParameter(
            f"{image!r} is not an image, such as ghcr.io/me/runner:1", param_hint="--image"
        )
    files = contract_files((path,) if path else ())
    contract = _choose(load_all(files), builder, image)
    folders = [Path(contract.source.file).parent]
    document = begin.environment(environment, folders, Path.cwd())
    survey = begin.survey(
        document,
        images={contract.name: image} if image else {},
        runner=runner,
        pull=pull,
        deadline=deadline,
        hidden=begin.hidden(runner, document, folders),
    )
    try:
        seen = survey.facts(contract)
    finally:
        survey.close()
    if isinstance(seen.start, Unseen) and seen.start.here:
        raise EngineError(seen.start.unseen)
    if isinstance(seen.start, Start) and not seen.start.exists:
        raise InputError([Problem(Source("command line", 1), seen.start.said, "build it, or allow --pull")])
    text = codec.to_json(seen) + "\n"
    if output is None:
        click.echo(text, nl=False)
    else:
        _save(text, output)


def _save(text: str, output: Path) -> None:
    try:
        write(output, text.encode())
    except OSError as error:
        what = f"{output} cannot be written: {error.strerror}"
        mend = "name a file in a folder that is there"
        raise InputError([Problem(Source("command line", 1), what, mend)]) from None


def _choose(contracts: list[Contract], builder: str | None, image: str | None) -> Contract:
    known = [contract.name for contract in contracts]
    if builder is not None and builder not in known:
        guess = schema.nearest(builder, known)
        mend = f"did you mean {guess}?" if guess else f"classes are {', '.join(known)}"
        what = f"--builder names the class {builder}, which no contract declares"
        raise InputError([Problem(Source("command line", 1), what, mend)])
    if builder is not None:
        chosen = [contract for contract in contracts if contract.name == builder]
    elif len(contracts) == 1:
        chosen = contracts
    else:
        names = {image, (image or "").partition(":")[0]}
        chosen = [contract for contract in contracts if {contract.name, contract.image} & names]
    if len(chosen) != 1:
        raise InputError(
            [
                Problem(
                    Source("command line", 1),
                    "it is not clear which class's questions to ask",
                    f"name one with --builder: {', '.join(known)}",
                )
            ]
        )
    return chosen[0]


@click.command()
@click.argument("before", type=click.Path(path_type=Path))
@click.argument("after", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print the differences as JSON.")
def diff(before: Path, after: Path, as_json: bool) -> None:
    """Compare two saved facts: what changed between BEFORE and AFTER.

    Times, durations, host names and addresses are left out. Exits with 0 when nothing changed, 1 when something did.

    \b
    Example:
      builder-contracts facts --image tinyland-nix -o a.json
      builder-contracts facts --image tinyland-nix:next --builder tinyland-nix -o b.json
      builder-contracts diff a.json b.json
    """
    old, new = (_flat(path) for path in (before, after))
    changed = {
        key: (old.get(key), new.get(key))
        for key in sorted(old.keys() | new.keys())
        if old.get(key) != new.get(key)
    }
    if as_json:
        import json

        click.echo(json.dumps({key: {"before": a, "after": b} for key, (a, b) in changed.items()}, indent=2))
    else:
        for key, (a, b) in changed.items():
            click.echo(printable(key))
            if a is not None:
                click.secho(printable(f"  - {a}"), fg="red")
            if b is not None:
                click.secho(printable(f"  + {b}"), fg="green")
        if not changed:
            click.echo("no difference")
    if changed:
        raise click.exceptions.Exit(ExitCode.BROKEN)


def _flat(path: Path) -> dict[str, str]:
    flat = codec.flatten(codec.load_facts(path))
    passing = ("taken", "seconds", "daemon.ready_after", "daemon.id", "env.HOSTNAME")
    return {
        key: _lasting(key, value)
        for key, value in flat.items()
        if key not in passing and not (key.startswith("paths.") and key.endswith(".free"))
    }


def _lasting(key: str, value: str) -> str:
    """What lasts of a fact, as a person writes it: addresses are dealt anew for every run, modes are octal."""
    if key.startswith("network.resolve.") and value.startswith('["'):
        return '"an address"'
    if key.startswith("paths.") and key.endswith(".mode") and value.isdecimal():
        return f"{int(value):04o}"
    return value
