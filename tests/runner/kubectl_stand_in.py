"""A kubectl that replays recorded answers, and runs commands of pods on this host."""

from __future__ import annotations

import json
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

_PROGRAM = r"""#!/bin/sh
folder=$(dirname "$0")/answers
printf '%s\n' "$*" >>"$folder/calls"
while case $1 in --context=* | --namespace=*) true ;; *) false ;; esac; do shift; done
verb=$1
if [ "$verb" = exec ]; then
  [ ! -e "$folder/exec.error" ] || { cat "$folder/exec.error" >&2; exit 1; }
  while [ "$1" != -- ]; do
    [ "$1" != --stdin ] || stdin=yes
    shift
  done
  shift
  if ! command -v "$1" >/dev/null; then
    # As kubectl 1.32 prints it, of containerd 1.7 and runc 1.1.
    printf 'error: Internal error occurred: Internal error occurred: error executing command in container: failed to exec in container: failed to start exec "1": OCI runtime exec failed: exec failed: unable to start container process: exec: "%s": stat %s: no such file or directory: unknown\n' "$1" "$1" >&2
    exit 1
  fi
  if [ -n "$stdin" ]; then "$@"; else "$@" </dev/null; fi
  status=$?
  [ $status = 0 ] || printf 'command terminated with exit code %s\n' $status >&2
  exit $status
fi
[ "$verb" != create ] || cat >"$folder/created"
[ "$verb $2" != "get pods" ] || verb=list
[ "$verb $2" != "get events" ] || verb=events
# The next answer to this verb; the last one is repeated.
count=$(($(cat "$folder/$verb.count" 2>/dev/null || echo 0) + 1))
[ -e "$folder/$verb.$count" ] || [ -e "$folder/$verb.$count.error" ] || count=$((count - 1))
echo $count >"$folder/$verb.count"
if [ -e "$folder/$verb.$count.error" ]; then
  cat "$folder/$verb.$count.error" >&2
  exit 1
fi
cat "$folder/$verb.$count"
"""

RUNNING: dict[str, Any] = {
    "metadata": {"name": "run", "namespace": "arc"},
    "spec": {"nodeName": "node-1", "containers": [{"name": "runner", "image": "tinyland-nix:latest"}]},
    "status": {
        "phase": "Running",
        "containerStatuses": [
            {
                "name": "runner",
                "state": {"running": {}},
                "image": "docker.io/library/tinyland-nix:latest",
                "imageID": "sha256:" + "ab" * 32,
            }
        ],
    },
}
"""What the API returns of a pod that runs, as far as anything here reads it."""


@dataclass(frozen=True)
class KubectlStandIn:
    """The answers of a kubectl, by verb, in the order in which they are given."""

    folder: Path

    def answer(self, verb: str, *answers: dict[str, Any] | str) -> None:
        """Replace the answers to a verb: objects, or texts of errors."""
        for old in self.folder.glob(f"{verb}.*"):
            old.unlink()
        for number, answer in enumerate(answers, 1):
            if isinstance(answer, str):
                (self.folder / f"{verb}.{number}.error").write_text(answer, "utf-8")
            else:
                (self.folder / f"{verb}.{number}").write_text(json.dumps(answer), "utf-8")

    def refuse_exec(self, message: str) -> None:
        (self.folder / "exec.error").write_text(message, "utf-8")

    @property
    def created(self) -> dict[str, Any]:
        """The pod that was sent to the cluster."""
        pod = json.loads((self.folder / "created").read_text("utf-8"))
        assert isinstance(pod, dict)
        return pod

    def calls(self, verb: str) -> list[str]:
        lines = (self.folder / "calls").read_text("utf-8").splitlines()
        return [line for line in lines if verb in line.split()]


def install(folder: Path, monkeypatch: pytest.MonkeyPatch) -> KubectlStandIn:
    """Put the stand-in first on PATH, with the answers of a cluster where all goes well."""
    answers = folder / "answers"
    answers.mkdir(parents=True)
    program = folder / "kubectl"
    program.write_text(_PROGRAM, "utf-8")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(folder), prepend=":")
    stand_in = KubectlStandIn(answers)
    stand_in.answer("version", {"serverVersion": {"gitVersion": "v1.34.4"}})
    stand_in.answer("create", RUNNING)
    stand_in.answer("get", RUNNING)
    stand_in.answer("list", {"items": []})
    stand_in.answer("events", {"items": []})
    stand_in.answer("delete", {})
    return stand_in
