"""One observation of one class, for commands that judge nothing."""

from __future__ import annotations

import dataclasses
from contextlib import closing

from builder_contracts.contract.model import Contract
from builder_contracts.facts.model import Facts
from builder_contracts.run.inputs import with_contracts
from builder_contracts.run.options import RunOptions
from builder_contracts.run.progress import Progress
from builder_contracts.run.run import Run
from builder_contracts.runner.leftovers import Leftovers


def observe(options: RunOptions, contract: Contract, image: str | None) -> tuple[Facts, Leftovers]:
    """The facts that the contract asks for, of this image instead of its own if one is given.

    Also what the run could not remove.
    """
    options = dataclasses.replace(options, images={contract.name: image} if image else {}, builders=())
    inputs = with_contracts(options, [contract])
    with closing(Run(options, inputs, [], Progress(lambda _: None))) as run:
        return run.facts(inputs.contracts[0]), run.close()
