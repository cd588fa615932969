"""The machine that the harness runs on, as a CI job sees its runner."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence

from builder_contracts.facts.model import Runner as RunnerFacts
from builder_contracts.facts.model import Start, Unseen
from builder_contracts.runner import process
from builder_contracts.runner.identity import identify, this_machine
from builder_contracts.runner.protocol import Completed, Setting


class LocalRunner:
    """This machine and this user, in the environment of this process."""

    def __init__(self, labels: Sequence[str] = ()) -> None:
        """``labels`` are the ``runs-on`` labels of the class that this machine claims to be a runner of."""
        who = identify(labels, this_machine())
        self.setting = Setting(
            runner=RunnerFacts(
                kind="local",
                engine="",
                host=f"{platform.node()} ({platform.system()} {platform.release()})",
                cpus=len(os.sched_getaffinity(0)),
                memory=os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"),
                identity=str(who),
                live=who.live,
            ),
            image=Unseen("the local runner has no image to look at: use --runner docker", here=False),
            start=Unseen("the local runner starts no image: use --runner docker", here=False),
        )

    def execute(self, arguments: Sequence[str], *, deadline: float) -> Completed:
        return process.run(arguments, deadline=deadline)
