"""Give a job its Bazel cache as a pool does: by lines in the rc file of its user, below which the file's own follow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from builder_contracts.prove.job import ProofJob


@dataclass
class UserRc:
    """The rc file of a job's user. Bazel reads it after the system's and the workspace's, and of two values the later
    counts (https://bazel.build/run/bazelrc), so that what the image itself has in it stays in force."""

    job: ProofJob
    path: str
    own: str
    _lines: tuple[str, ...] | None = None

    @classmethod
    def of(cls, job: ProofJob) -> UserRc:
        """The file as it is. Raises Failed."""
        if job.shared:
            # The job's home is new; the settings of the machine's user are in his own.
            return cls(job, f"{job.home}/.bazelrc", f"try-import {job.true_home}/.bazelrc\n")
        script = 'printf "%s\\n" "$HOME" && if [ -e "$HOME/.bazelrc" ]; then cat "$HOME/.bazelrc"; fi'
        home, _, own = (
            job.must("reading the user's .bazelrc", ["sh", "-c", script]).stdout.decode().partition("\n")
        )
        return cls(job, f"{home}/.bazelrc", own, ())

    def write(self, lines: Sequence[str] = ()) -> None:
        """Put these lines before the file's own. Raises Failed."""
        if self._lines != (written := tuple(lines)):
            # Only its user may read it: the lines can have credentials.
            if not self.job.shared:
                # The image's file can be root's; the folder is the user's.
                self.job.run(["rm", "-f", self.path], deadline=30)
            self.job.write(self.path, "\n".join([*written, self.own]).encode())
            self._lines = written
