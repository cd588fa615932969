"""What several commands take: contracts and where they are looked for, classes, seconds."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import click

from builder_contracts import begin
from builder_contracts.contract import files
from builder_contracts.contract.load import is_contract, load_all
from builder_contracts.errors import InputError, Problem, Source


def seconds(text: str | float) -> float:
    """A deadline of the command line. Raises click.BadParameter for what is no time to wait."""
    try:
        return begin.seconds(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def classes(context: click.Context, _: click.Parameter, typed: str) -> list[str]:
    """Names of classes for the shell's completion; nothing where the contracts cannot be read."""
    path = context.params.get("path")
    try:
        known = [contract.name for contract in load_all(contract_files((path,) if path else ()))]
    except InputError:
        known = []
    return [name for name in known if name.startswith(typed)]


def contract_files(named: tuple[Path, ...]) -> list[Path]:
    """The contract files that are named, or that stand in the named folders, or in ./contracts.

    Raises InputError for a path that cannot be looked at or is no file, and for folders without any contract.
    """
    wanted = list(named) or [Path("contracts")]
    found: list[Path] = []
    for path in wanted:
        try:
            mode = path.stat().st_mode
        except FileNotFoundError:
            raise _refusal(path, "there is no such file or folder") from None
        except OSError as error:
            raise files.refusal(path, error) from None
        if stat.S_ISDIR(mode):
            # An emptied contract would vanish without a word; elsewhere below, an empty file is somebody else's.
            found += sorted(
                file
                for file in _yaml_in(path)
                if is_contract(file) or (file.parent == path and files.is_empty(file))
            )
        elif stat.S_ISREG(mode):
            found.append(path)
        else:
            raise _refusal(
                path, f"{_OTHERS.get(stat.S_IFMT(mode), 'something')} that is neither a file nor a folder"
            )
    if not found:
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
    return list({os.path.realpath(file): file for file in found}.values())


_OTHERS = {
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def _refusal(path: Path, what: str) -> InputError:
    return InputError(
        [Problem(Source(str(path), 1), what, "name a contract file or a folder that holds some")]
    )


def _yaml_in(folder: Path) -> Iterator[Path]:
    """The YAML and JSON files below a folder. Raises InputError for a folder in it that may not be read."""

    def refuse(error: OSError) -> None:
        raise files.refusal(error.filename, error)

    for here, _, names in os.walk(folder, onerror=refuse):
        yield from (Path(here, name) for name in names if name.endswith(files.SUFFIXES))
