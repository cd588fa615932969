"""What the words of a command line mean, whichever face took them; importing this loads next to nothing."""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from builder_contracts.contract import schemas
from builder_contracts.contract.files import yaml_in
from builder_contracts.contract.loading import load_environment
from builder_contracts.errors import InputError, Location, Problem
from builder_contracts.services.environment import NOTHING, Environment

if TYPE_CHECKING:
    from builder_contracts.observe.survey import Observer

WRITABLE = ("nix", "bazel-grpc", "bazel-http", "registry", "objects")
"""The roles of environments that can be written to at all."""


def wrong(what: str, mend: str) -> InputError:
    """Words of the command line that cannot be used."""
    return InputError([Problem(Location("command line", 1), what, mend)])


def seconds(text: str | float) -> float:
    """A deadline. Raises ValueError for what is no time to wait."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 < number < math.inf:
        raise ValueError(f"{text!r} is not a number of seconds above 0")
    return number


def present(option: str, named: str, here: Path) -> None:
    """See that something stands at the path that an option names, relative to ``here``. Raises InputError."""
    try:
        (here / named).stat()
    except (FileNotFoundError, NotADirectoryError):
        raise wrong(f"{option} {named}: there is no such file or folder", "correct the path") from None
    except OSError as error:
        what = f"{option} {named} cannot be looked at: {error.strerror}"
        raise wrong(what, "check the path and its permissions") from None


def writable(option: str, file: Path) -> None:
    """See that a report and the folders on its way can be made; nothing is. Raises InputError."""
    try:
        if file.is_file() or file.is_dir():
            file.open("ab").close()
        # What is there and neither, such as /dev/stdout and >(command), takes what it is given.
        elif not file.exists():
            folder = next(folder for folder in file.parents if folder.exists())
            # Asking for permission is not enough: root has it also where nothing can be written.
            tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        what = f"{option} {file} cannot be written: {error.strerror}"
        raise wrong(what, "name a place where files can be made") from None


def environment(wanted: str | None, folders: Iterable[Path], here: Path) -> Any:
    """The Environment document that is wanted as plain data, or None where none is and there is none.

    ``folders`` hold the contracts; a file is meant relative to ``here``. Raises InputError.
    """
    beside = [folder / "environments" for folder in sorted(set(folders))]
    candidates = [folder / f"{wanted or 'embedded'}.yaml" for folder in beside]
    if wanted:
        candidates.insert(0, here / wanted)
    found = next((path for path in candidates if os.path.isfile(path)), None)  # noqa: PTH113 # never raises
    if found is not None:
        return load_environment(found).data
    if wanted:
        known = sorted(file.stem for folder in beside for file in folder.glob("*.yaml"))
        guess = schemas.nearest(wanted, known)
        named = f"they are {', '.join(known)}" if known else "there are none"
        raise wrong(
            f"--environment {wanted}: neither a file nor a name in environments/ beside the contracts",
            f"did you mean {guess}?" if guess else f"name a file, or one of those ({named})",
        )
    return None


def bindings(document: Any) -> Environment:
    """What an Environment document binds; nothing where there is none."""
    return Environment.from_document(document) if document else NOTHING


def hidden(runner: str, document: Any, folders: Iterable[Path]) -> frozenset[str]:
    """The variables that are none of a job's on this machine: what that document, or any environment file beside the
    contracts, names as secrets. Raises InputError.

    A deployment's credentials are no less secret while another environment is in use.
    """
    if runner != "local":
        return frozenset()
    files = [file for folder in sorted(set(folders)) for file in yaml_in(folder / "environments")]
    documents = [document, *(load_environment(file).data for file in files)]
    return frozenset[str]().union(*(bindings(each).secrets for each in documents))


def survey(
    document: Any,
    *,
    images: Mapping[str, str],
    runner: str,
    pull: bool,
    deadline: float,
    hidden: frozenset[str],
) -> Observer:
    """A survey in the environment of that document, in which nothing is looked at yet."""
    from builder_contracts.observe.survey import Observer, ObserverOptions
    from builder_contracts.runner.docker.network import EMPTY, NetworkPlan

    return Observer(
        ObserverOptions(
            images=images,
            runner=runner,
            surroundings=NetworkPlan.from_document(document) if document else EMPTY,
            pull=pull,
            deadline=deadline,
            hidden=hidden,
        )
    )
