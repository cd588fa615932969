"""builder-contracts facts and diff: observe a runner, and compare two observations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import click

from builder_contracts.cli.options import table_options
from builder_contracts.contract import schemas
from builder_contracts.contract.files import current_directory
from builder_contracts.contract.loading import load_all
from builder_contracts.contract.model import Contract
from builder_contracts.draft.listing import listing
from builder_contracts.draft.survey import survey
from builder_contracts.errors import EngineError, ExitCode, InputError, printable
from builder_contracts.facts import json_codec
from builder_contracts.facts.model import Facts, StartFacts, Unseen
from builder_contracts.run.exit_status import after_removal
from builder_contracts.run.inputs import contract_files, unknown
from builder_contracts.run.options import DIFF, FACTS, RunOptions, kind_of, parse, usage_error
from builder_contracts.run.saved_facts import save_text
from builder_contracts.run.single_observation import observe
from builder_contracts.runner.leftovers import Leftovers

_Change = tuple[str | None, str | None]
_OF_A_PRESENT_TOOL = ("status", "output", "work", "features")


@click.command()
@table_options(FACTS)
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), metavar="FILE",
    help="Write to FILE instead of standard output.",
)  # fmt: skip
def facts(
    facts_image: str | None, output: Path | None, form: str | None, no_contract: bool, **values: Any
) -> None:
    """Observe a runner once and print all facts, with a contract or without one.

    A contract decides which facts are collected: that of CLASS, the one whose image or name is REF, or the only one.
    Without a contract, or with --no-contract, every known tool is looked for and everything that is known is asked.
    Values that look like secrets are redacted; variables that an environment file reserves for proofs are omitted.

    \b
    Examples:
      builder-contracts facts --image debian:stable-slim --no-contract
      builder-contracts facts --image tinyland-nix | jq .tools.xz
      builder-contracts facts --image ghcr.io/me/runner:1 --builder tinyland-nix --pull -o today.json
      builder-contracts facts --runner local --builder tinyland-docker
      builder-contracts facts --runner ssh://runner@build-host
    """
    image = facts_image
    if image is not None and not schemas.is_image(image):
        raise click.BadParameter(
            f"{image!r} is not an image reference such as ghcr.io/me/runner:1", param_hint="--image"
        )
    options = parse(FACTS, values, cwd=current_directory())
    if no_contract and (options.paths or options.builders):
        raise usage_error("--no-contract conflicts with --contracts and --builder", "leave out one of them")
    contract = None if no_contract else _contract(options, image)
    form = form or ("json" if contract is not None or output is not None else "text")
    if contract is None and image is None and kind_of(options.runner) not in ("local", "ssh"):
        raise usage_error("no contract says which image to start", "pass --image REF, or --contracts PATH")
    asked = contract or survey(image or "")
    observed, left = observe(options, asked, image)
    require_image(observed)
    text = json_codec.to_json(observed) + "\n" if form == "json" else listing(observed, asked)
    if output is None:
        click.echo(text, nl=False)
    else:
        save_text(output, text)
    finish(ExitCode.KEPT, left)


def finish(code: ExitCode, left: Leftovers) -> NoReturn:
    """End a command that observed: name what remains, and exit with the code for it."""
    for line in left.lines:
        click.echo(f"error: {line}", err=True)
    raise click.exceptions.Exit(after_removal(code, left))


def require_image(observed: Facts) -> None:
    """Raises EngineError where nothing could be started, and InputError where the image is not there."""
    if isinstance(observed.start, Unseen) and observed.start.provable_here:
        raise EngineError(observed.start.reason)
    if isinstance(observed.start, StartFacts) and not observed.start.exists:
        raise usage_error(observed.start.output, "build the image, or pass --pull")


def _contract(options: RunOptions, image: str | None) -> Contract | None:
    """The contract that decides, or None where nobody named one and none is about the image."""
    named = bool(options.paths or options.builders)
    if not named and not Path("contracts").exists():
        return None
    contracts = load_all(contract_files(options.paths), options.settings)
    return _choose(contracts, options.builders, image)


def _choose(contracts: list[Contract], builders: tuple[str, ...], image: str | None) -> Contract:
    names = [contract.name for contract in contracts]
    if problems := list(unknown("--builder", builders, contracts)):
        raise InputError(problems)
    if builders:
        chosen = [contract for contract in contracts if contract.name in builders]
    elif len(contracts) == 1:
        chosen = contracts
    else:
        meant = {image, (image or "").partition(":")[0]}
        chosen = [contract for contract in contracts if {contract.name, contract.image} & meant]
    if len(chosen) != 1:
        raise usage_error(
            "cannot tell which contract to use",
            f"choose a class with --builder: {', '.join(names)}; or ask for everything with --no-contract",
        )
    return chosen[0]


@click.command()
@click.argument("before", type=click.Path(path_type=Path))
@click.argument("after", type=click.Path(path_type=Path))
@table_options(DIFF)
def diff(before: Path, after: Path, form: str) -> None:
    """Show what changed between two saved fact files.

    Ignores times, durations, host names and addresses. Exits with 0 if nothing changed, 1 otherwise.

    \b
    Example:
      builder-contracts facts --image tinyland-nix -o a.json
      builder-contracts facts --image tinyland-nix:next --builder tinyland-nix -o b.json
      builder-contracts diff a.json b.json
    """
    changed = changes(before, after)
    if form == "json":
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
            click.echo("no differences")
    if changed:
        raise click.exceptions.Exit(ExitCode.BROKEN)


def changes(before: Path, after: Path) -> dict[str, _Change]:
    """The facts that differ between two saved files: before and after, None where there is none. Raises InputError.

    A change that only repeats or follows from another one is left out.
    """
    old, new = (_flat(path) for path in (before, after))
    changed = {
        key: (old.get(key), new.get(key))
        for key in sorted(old.keys() | new.keys())
        if old.get(key) != new.get(key)
    }
    moved = [
        key.removesuffix("path")
        for key, paths in changed.items()
        if key.startswith("tools.") and key.endswith(".path") and "null" in paths
    ]
    return {key: change for key, change in changed.items() if not _is_repeated(key, change, changed, moved)}


def _is_repeated(key: str, change: _Change, changed: Mapping[str, _Change], moved: Sequence[str]) -> bool:
    """Whether the inside witness saw the same change, or a tool that came or went (``moved``) explains it."""
    inside = key.removeprefix("outside.")
    if inside != key and changed.get(inside) == change:
        return True
    step, _, name = key.rpartition(".tools.")
    if step.startswith("steps."):
        # A step's shell returns nothing for what it does not find.
        return changed.get(f"tools.{name}.path") == tuple(
            "null" if value == '""' else value for value in change
        )
    return any(
        inside.startswith(tool) and inside.removeprefix(tool).partition(".")[0] in _OF_A_PRESENT_TOOL
        for tool in moved
    )


def _flat(path: Path) -> dict[str, str]:
    flat = json_codec.flatten(json_codec.load_facts(path))
    passing = ("asked", "taken", "seconds", "daemon.ready_after", "daemon.id")
    lasting = {}
    for key, value in flat.items():
        name = key.removeprefix("outside.")
        of_this_run = (
            name.startswith("kernel.namespaces.")
            or (name.startswith("paths.") and name.endswith(".free"))
            or name.endswith("env.HOSTNAME")
        )
        if name not in passing and not of_this_run:
            lasting[key] = _lasting(name, value)
    return lasting


def _lasting(key: str, value: str) -> str:
    """The lasting part of a fact, as a person writes it: addresses change with every run, modes are octal."""
    if key.startswith("network.resolve.") and value.startswith('["'):
        return '"an address"'
    if key.startswith("paths.") and key.endswith(".mode") and value.isdecimal():
        return f"{int(value):04o}"
    return value
