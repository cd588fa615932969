"""The runs of one command: one for each ``--runner``, or one on saved facts. They take place one after the other."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from builder_contracts.errors import ExitCode
from builder_contracts.run.exit_status import exit_code
from builder_contracts.run.inputs import Inputs
from builder_contracts.run.options import RunOptions, usage_error
from builder_contracts.run.progress import Progress
from builder_contracts.run.saved_facts import SavedRun, load, load_proofs, save
from builder_contracts.run.selection import Selected
from builder_contracts.runner.leftovers import Leftovers
from builder_contracts.verdict import Verdict

if TYPE_CHECKING:
    from builder_contracts.run.run import Run


class Vantages:
    """Nothing starts before the first verdict is asked for; closing them removes what they made.

    Raises InputError for options that contradict each other, and for facts that cannot be read.
    """

    def __init__(
        self, options: RunOptions, inputs: Inputs, selection: Sequence[Selected], progress: Progress
    ) -> None:
        self._runs: dict[str, Run | SavedRun]
        self._selection = selection
        self._folder = _made(options) if options.save else None
        if options.saved_facts is None:
            if options.max_age is not None:
                raise usage_error(
                    "--max-age without --facts", "add --facts PATH, or see 'verify' for an attestation"
                )
            # It imports what observes, which facts that are saved have no need of.
            from builder_contracts.run.run import Run

            self._runs = {
                runner: Run(dataclasses.replace(options, runners=(runner,)), inputs, selection, progress)
                for runner in options.runners
            }
        else:
            if len(options.runners) > 1:
                raise usage_error(
                    "--facts with several --runner", "leave --runner out: saved facts have their own"
                )
            facts = load(options.cwd / options.saved_facts, [selected.contract for selected in selection])
            environment = inputs.bindings.environment
            saved = SavedRun(
                facts,
                selection,
                proofs=load_proofs(options.cwd / options.saved_facts, facts),
                max_age=options.max_age,
                environment=environment,
            )
            self._runs = {options.runner: saved}

    @property
    def id(self) -> str:
        """The ID of the first run."""
        return next(iter(self._runs.values())).id

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader of any report must know of the runs."""
        return tuple(note for run in self._runs.values() if isinstance(run, SavedRun) for note in run.notes)

    def verdicts(self) -> Iterator[Verdict]:
        """The verdicts of one run after the other, each with the ID of its run: a history keeps them apart."""
        for run in self._runs.values():
            for verdict in run.verdicts():
                yield dataclasses.replace(verdict, origin=dataclasses.replace(verdict.origin, run=run.id))
            if self._folder is not None and not isinstance(run, SavedRun):
                for selected in self._selection:
                    save(self._folder, selected.contract.name, *run.evidence(selected))
            run.close()

    def by_runner(self, verdicts: Sequence[Verdict]) -> dict[str, list[Verdict]]:
        """The verdicts of each run, by its runner."""
        return {
            runner: [verdict for verdict in verdicts if verdict.origin.run == run.id]
            for runner, run in self._runs.items()
        }

    def close(self) -> Leftovers:
        """End what runs and remove everything that was created; what remains."""
        return sum((run.close() for run in self._runs.values()), Leftovers())


def _made(options: RunOptions) -> Path:
    """The folder that --save names, made before anything is observed for it. Raises InputError."""
    if options.saved_facts is not None or len(options.runners) > 1:
        raise usage_error("--save with --facts or several --runner", "save what one runner shows")
    folder = options.cwd / str(options.save)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise usage_error(
            f"--save: cannot make {folder}: {error.strerror}", "choose another folder"
        ) from None
    return folder


def worst_code(judged: Mapping[str, Sequence[Verdict]], *, strict: bool) -> ExitCode:
    """The exit code of all runs together. A vantage that could not be had is no success of another one."""
    codes = [exit_code(verdicts, strict=strict) for verdicts in judged.values()]
    order = (ExitCode.BROKEN, ExitCode.CANNOT_RUN, ExitCode.UNPROVEN, ExitCode.NOTHING_SELECTED)
    return next((code for code in order if code in codes), ExitCode.KEPT)
