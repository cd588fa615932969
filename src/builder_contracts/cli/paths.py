"""Where contracts are looked for when the command line names none."""

from __future__ import annotations

import math
from pathlib import Path

import click

from builder_contracts.contract.load import is_contract
from builder_contracts.errors import InputError, Problem, Source


def seconds(text: str | float) -> float:
    """A deadline of the command line. Raises click.BadParameter for what is no time to wait."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 < number < math.inf:
        raise click.BadParameter(f"{text!r} is not a number of seconds above 0")
    return number


def contract_files(named: tuple[Path, ...]) -> list[Path]:
    """The contract files that are named, or that stand in the named folders, or in ./contracts.

    Raises InputError for a path that is not there and for folders without any contract.
    """
    wanted = list(named) or [Path("contracts")]
    files: list[Path] = []
    for path in wanted:
        if path.is_dir():
            files += sorted(
                file for file in path.rglob("*") if file.suffix in (".yaml", ".yml") and is_contract(file)
            )
        elif path.is_file():
            files.append(path)
        else:
            mend = "name a contract file or a folder that holds some"
            raise InputError([Problem(Source(str(path), 1), "there is no such file or folder", mend)])
    if not files:
        raise InputError(
            [
                Problem(
                    Source(", ".join(map(str, wanted)), 1),
                    "no contract in here",
                    "a contract has apiVersion: builder-contracts/v1 and kind: BuilderClass",
                )
            ]
        )
    # One file may be named twice, or stand in a folder that is named as well.
    return list({file.resolve(): file for file in files}.values())
