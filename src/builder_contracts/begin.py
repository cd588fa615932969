"""The survey of a run from the words of its command line, whichever face took them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from builder_contracts.contract.load import load_environment
from builder_contracts.errors import BuilderContractsError
from builder_contracts.observe.survey import Options, Survey
from builder_contracts.runner.network import EMPTY, Surroundings
from builder_contracts.services.environment import NOTHING, Bindings


def environment(wanted: str | None, folders: Iterable[Path], here: Path) -> Any:
    """The Environment document that is wanted as plain data, or None where none is and there is none.

    ``folders`` hold the contracts; a file is meant relative to ``here``. Raises BuilderContractsError.
    """
    candidates = [folder / "environments" / f"{wanted or 'embedded'}.yaml" for folder in sorted(set(folders))]
    if wanted:
        candidates.insert(0, here / wanted)
    found = next((path for path in candidates if path.is_file()), None)
    if found is None:
        if wanted:
            raise BuilderContractsError(
                f"--environment {wanted}: neither a file nor a name in environments/ beside the contracts"
            )
        return None
    return load_environment(found).data


def bindings(document: Any) -> Bindings:
    """What an Environment document binds; nothing where there is none."""
    return Bindings.from_document(document) if document else NOTHING


def survey(
    document: Any,
    *,
    images: Mapping[str, str],
    runner: str,
    pull: bool,
    deadline: float,
    others: Iterable[Any] = (),
) -> Survey:
    """A survey in the environment of that document, in which nothing is looked at yet.

    Variables that it or one of the ``others`` names as secrets are kept from this machine's jobs.
    """
    return Survey(
        Options(
            images=images,
            runner=runner,
            surroundings=Surroundings.from_document(document) if document else EMPTY,
            pull=pull,
            deadline=deadline,
            hidden=frozenset[str]().union(*(bindings(each).secrets for each in (document, *others))),
        )
    )
