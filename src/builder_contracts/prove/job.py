"""A job in a runner: copy files in, run commands, copy artifacts out. It passes arguments, never a shell string."""

from __future__ import annotations

import base64
import dataclasses
import io
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from builder_contracts.prove.unavailable import Unavailable
from builder_contracts.runner.file_archive import pack
from builder_contracts.runner.protocol import MOST_OUTPUT, CompletedCommand, Runner

# Linux refuses single arguments of 128 KiB (MAX_ARG_STRLEN); base64 of this much stays below.
_CHUNK = 90_000


class StepFailed(Exception):
    """A step that an experiment cannot do without did not succeed; the text says which, and why.

    ``exited`` False: the step has no exit status, so that it says nothing about the class.
    """

    def __init__(self, step: str, reason: str, *, provable_here: bool = True, exited: bool = True) -> None:
        super().__init__(f"{step}: {reason}")
        self.lost, self.exited = Unavailable(f"{step}: {reason}", provable_here), exited

    @classmethod
    def of(cls, lost: Unavailable) -> StepFailed:
        """For a reason that speaks for itself."""
        failed = cls("", "", provable_here=lost.provable_here)
        failed.args, failed.lost = (lost.reason,), lost
        return failed


@dataclass(frozen=True)
class ProofJob:
    """A job on a runner: its working folder and the environment that its commands get besides the runner's own.

    ``address`` is what servers see of it, ``container`` where it and ``daemon`` where its Docker daemon runs, all empty
    on a machine. ``shared``: others use the machine as well, so what is fresh by itself on a fresh one is kept apart in
    a home of the job's own, which holds the folder; ``true_home`` is then that of its user, ``without`` are variables of
    the runner that it does not get, and ``last_runner`` works even after the end of the run.
    """

    runner: Runner
    folder: str
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    address: str = ""
    container: str = ""
    daemon: str = ""
    shared: bool = False
    true_home: str = ""
    without: tuple[str, ...] = ()
    last_runner: Runner | None = None

    @property
    def last(self) -> ProofJob:
        """The job that restores what it has changed outside its folder, even after the end of the run."""
        return dataclasses.replace(self, runner=self.last_runner or self.runner)

    @property
    def home(self) -> str:
        """The folder that the working folder is in."""
        return self.folder.rpartition("/")[0]

    def run(
        self,
        arguments: Sequence[str],
        *,
        deadline: float,
        env: Mapping[str, str] | None = None,
        folder: str = "",
    ) -> CompletedCommand:
        """Run a program in the working folder (or ``folder``) for at most ``deadline`` seconds."""
        unset = [word for name in self.without for word in ("-u", name)]
        values = [f"{name}={value}" for name, value in {**self.env, **(env or {})}.items()]
        line = ["env", "-C", folder or self.folder, *unset, *values, *arguments]
        return self.runner.execute(line, deadline=deadline)

    def must(
        self,
        step: str,
        arguments: Sequence[str],
        *,
        deadline: float = 60,
        env: Mapping[str, str] | None = None,
    ) -> CompletedCommand:
        """Run a step that has to succeed. Raises Failed."""
        completed = self.run(arguments, deadline=deadline, env=env)
        if completed.status != 0:
            raise StepFailed(step, format_completed(completed), exited=completed.status is not None)
        if completed.cut:
            raise StepFailed(
                step, f"it printed more than the {MOST_OUTPUT} bytes that are kept", exited=False
            )
        return completed

    def write(self, path: str, content: bytes, *, mode: str = "0600") -> None:
        """Write a file; its folders are made. Raises Failed."""
        create = 'mkdir -p "$(dirname "$1")" && : >"$1" && chmod "$2" "$1"'
        self._must_write(path, ["sh", "-c", create, "sh", path, mode])
        for start in range(0, len(content), _CHUNK):
            chunk = base64.b64encode(content[start : start + _CHUNK]).decode()
            self._must_write(path, ["sh", "-c", 'printf %s "$2" | base64 -d >>"$1"', "sh", path, chunk])

    def stage(self, source: Path, inputs: Sequence[str], files: Mapping[str, bytes]) -> None:
        """Copy the inputs in a folder into the working folder, with ``files`` over them. Raises Failed."""
        self.runner.execute(["mkdir", "-p", self.folder], deadline=20)
        packed = f"{self.folder}/.staged.tar"
        self.write(packed, archive(source, inputs, files))
        self.must("copying the canary", ["tar", "-xof", packed], deadline=60)
        self.must("copying the canary", ["rm", "-f", packed])

    def take(self, paths: Sequence[str]) -> dict[str, tarfile.TarInfo | bytes]:
        """Files of the working folder as they would leave it: content of files, the entry of anything else.

        Raises Failed.
        """
        completed = self.must("copying out the artifacts", ["tar", "-cf", "-", "--", *paths], deadline=60)
        artifacts: dict[str, tarfile.TarInfo | bytes] = {}
        with tarfile.open(fileobj=io.BytesIO(completed.stdout)) as packed:
            for entry in packed:
                stream = packed.extractfile(entry) if entry.isfile() else None
                artifacts[entry.name] = stream.read() if stream is not None else entry
        return artifacts

    def _must_write(self, path: str, arguments: list[str]) -> None:
        completed = self.runner.execute(arguments, deadline=30)
        if completed.status != 0:
            raise StepFailed(
                f"writing {path}", format_completed(completed), exited=completed.status is not None
            )


def format_completed(completed: CompletedCommand) -> str:
    """Format how a command ended, in one line."""
    output = (completed.stderr or completed.stdout).decode("utf-8", "replace")
    text = " | ".join(output.split("\n")[-6:]).strip(" |")
    ended = completed.ended or f"status {completed.status}"
    return f"{ended}: {text[:500]}" if text else ended


def archive(source: Path, inputs: Sequence[str], files: Mapping[str, bytes]) -> bytes:
    """Pack the inputs of a folder as a tar archive, the same bytes for the same content; ``files`` replace its own."""
    candidates = [path for name in inputs for path in (source / name, *(source / name).rglob("*"))]
    paths = {path.relative_to(source).as_posix(): path for path in candidates if path.is_file()}
    contents = {
        name: files[name] if name in files else paths[name].read_bytes() for name in sorted({*paths, *files})
    }
    executable = {name for name, path in paths.items() if path.stat().st_mode & 0o100}
    return pack(contents, mode=lambda name: 0o755 if name in executable else 0o644)
