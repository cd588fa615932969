"""The machine that the harness runs on, as a CI job sees its runner."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence

from builder_contracts.facts.model import Runner as RunnerFacts
from builder_contracts.facts.model import Unseen
from builder_contracts.runner.host import HostRunner
from builder_contracts.runner.identity import identify, this_machine
from builder_contracts.runner.protocol import Setting


def local_runner(labels: Sequence[str] = (), *, hidden: frozenset[str] = frozenset()) -> HostRunner:
    """This machine and this user, in the environment of this process.

    ``labels`` are the ``runs-on`` labels of the class that this machine claims to be a runner of; ``hidden`` are
    variables that are the harness's own, such as credentials for its proofs, and no job's.
    """
    who = identify(labels, this_machine())
    return HostRunner(
        "local://",
        Setting(
            runner=RunnerFacts(
                kind="local",
                engine="",
                host=f"{platform.node()} ({platform.system()} {platform.release()})",
                cpus=len(os.sched_getaffinity(0)),
                memory=os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"),
                identity=str(who),
                live=who.live,
            ),
            image=Unseen("the local runner has no image; use --runner docker", here=False),
            start=Unseen("the local runner does not start images; use --runner docker", here=False),
        ),
        hidden=hidden,
    )
