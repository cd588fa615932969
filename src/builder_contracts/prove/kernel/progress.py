"""Progress of a kernel build for a person who waits: the tier, and the share of objects that are built."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field

ProgressListener = Callable[[str], None]
"""Takes one line for the person who waits; may be called from any thread."""

# What make prints for an object that it compiles.
_OBJECT = re.compile(rb"^ +(?:CC|AS) +(?:\[M\] +)?\S+\.o\s*$", re.MULTILINE)
STEPS = 20
"""Lines of progress that a whole build prints."""


def silent(line: str) -> None:
    """Reports to nobody."""


@dataclass
class Objects:
    """Counts objects in make's output as it comes, and reports them a few times per build.

    ``total`` is what make planned, 0 while that is not known yet.
    """

    name: str
    say: ProgressListener
    total: int = 0
    done: int = 0
    _rest: bytes = b""
    _reported: int = field(default=0)

    def __call__(self, piece: bytes) -> None:
        text = self._rest + piece
        whole, newline, self._rest = text.rpartition(b"\n")
        for line in (whole + newline).splitlines(keepends=True):
            if line.startswith(b'{"objects":'):
                self.total = int(json.loads(line)["objects"])
            elif _OBJECT.match(line):
                self.done += 1
        # Where make underestimated, the total grows with what is done: never more than all of it.
        self.total = max(self.total, self.done) if self.total else 0
        step = self.done * STEPS // self.total if self.total else 0
        if step > self._reported:
            self._reported = step
            self.say(f"{self.name}: {self.done} of {self.total} objects")
