"""Where contracts are looked for when the command line names none."""

from __future__ import annotations

from pathlib import Path

from builder_contracts.contract.load import is_contract
from builder_contracts.errors import InputError, Problem, Source


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
    return files
