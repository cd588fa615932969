"""The view of a step in a shell: the variables, the tools, what its processes inherit, and the files that the shell
reads when it starts.

Each shell gets a program of its own, because it must start as a step's shell does, from the job's own environment.
"""

from __future__ import annotations

import json
import re
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise

from builder_contracts.contract.model import Contract
from builder_contracts.contract.promises.environment import EnvironmentVariable, ForbiddenValue
from builder_contracts.contract.promises.job import StepShell
from builder_contracts.contract.promises.toolchain import Tool
from builder_contracts.facts.model import Seen, StepFacts, Unseen
from builder_contracts.observe.inside.answers import exports
from builder_contracts.observe.inside.promised import soft_limits
from builder_contracts.runner.protocol import CompletedCommand, Runner

DEADLINE = 15.0
"""Seconds for one shell."""

_MOST_BYTES = 4_000_000

# Builtins only: a shell's startup file may have taken PATH away. $0 is the nonce of this observation, and the arguments
# are names of tools; a program that an alias or a function hides is said to be that. Of startup files it prints the names that they assign, and never a value.
_SCRIPT = r"""
printf '\n%s env\n' "$0"
export -p
printf '\n%s tools\n' "$0"
while [ $# -gt 0 ]; do
  path=$(command -v "$1") || true
  case $path in
    alias*) path="alias $1" ;;
    /* | '') ;;
    *) case $(unset -f "$1"; command -v "$1") in /*) path="function $1" ;; esac ;;
  esac
  printf '%s=%s\n' "$1" "$path"
  shift
done
printf '\n%s process\n' "$0"
umask
printf '%s\n' "$-" "$PWD"
if [ -r /proc/self/limits ]; then
  while IFS= read -r line; do printf '%s\n' "$line"; done </proc/self/limits
fi
printf '\n%s startup\n' "$0"
for file in /etc/environment /etc/profile /etc/profile.d/*.sh "$HOME/.bash_profile" "$HOME/.bash_login" \
  "$HOME/.profile" "$BASH_ENV"; do
  if [ -f "$file" ] && [ -r "$file" ]; then
    count=0
    while IFS= read -r line && [ $count -lt 500 ]; do
      count=$((count + 1))
      while case $line in *=*) true ;; *) false ;; esac; do
        name=${line%%=*}
        printf '%s\t%s\n' "${name##*[!A-Za-z0-9_]}" "$file"
        line=${line#*=}
      done
    done <"$file"
  fi
done
printf '\n%s end\n' "$0"
"""

# The same for PowerShell, whose variables come as JSON.
_PWSH_SCRIPT = """
Write-Output '' '{nonce} env' ([Environment]::GetEnvironmentVariables() | ConvertTo-Json -Compress) '' '{nonce} tools'
foreach ($name in @({tools})) {{
  $command = Get-Command -Name $name -CommandType Application -ErrorAction SilentlyContinue | Select-Object -First 1
  Write-Output "$name=$($command.Source)"
}}
Write-Output '' '{nonce} process' '' '{nonce} startup' '' '{nonce} end'
"""


def shells(contract: Contract) -> list[str]:
    """The shells of a contract's steps, or none where it lists none."""
    return [promise.shell for promise in contract.promised(StepShell)]


def observe(contract: Contract, runner: Runner, *, deadline: float) -> dict[str, Seen[StepFacts]]:
    """What steps see, by shell. Nothing that happens in the runner raises.

    A contract that lists no shell gets GitHub's own rule: bash where the job has it, else sh.
    """
    listed = shells(contract)
    if not listed and not any(
        contract.promised(kind) for kind in (Tool, EnvironmentVariable, ForbiddenValue)
    ):
        return {}
    tools = [tool.name for tool in contract.promised(Tool)]
    until = time.monotonic() + deadline

    def ask(shell: str) -> Seen[StepFacts]:
        nonce = secrets.token_hex(8)
        remaining = max(0.1, min(DEADLINE, until - time.monotonic()))
        return parse(runner.execute(_arguments(shell, nonce, tools), deadline=remaining), nonce, shell)

    if listed:
        return {shell: ask(shell) for shell in listed}
    step = ask("bash -e")
    return {"sh -e": ask("sh -e")} if isinstance(step, StepFacts) and step.missing else {"bash -e": step}


def _arguments(shell: str, nonce: str, tools: Sequence[str]) -> list[str]:
    if shell == "pwsh":
        names = ", ".join("'" + name.replace("'", "''") + "'" for name in tools)
        return ["pwsh", "-NonInteractive", "-Command", _PWSH_SCRIPT.format(nonce=nonce, tools=names)]
    return [*shell.split(), "-c", _SCRIPT, nonce, *tools]


def parse(completed: CompletedCommand, nonce: str, shell: str) -> Seen[StepFacts]:
    """The facts in the output of one shell. Pure; the output is untrusted."""
    if completed.ended:
        return Unseen(f"'{shell}' did not complete: {completed.ended}")
    text = completed.stdout[:_MOST_BYTES].decode("utf-8", errors="replace")
    parts = [
        _between(text, f"\n{nonce} {name}\n", f"\n{nonce} {following}\n")
        for name, following in pairwise(("env", "tools", "process", "startup", "end"))
    ]
    env_text, tools_text, process_text, startup_text = parts
    if env_text is None or tools_text is None or process_text is None or startup_text is None:
        output = (completed.stderr or completed.stdout).decode("utf-8", errors="replace").strip()
        return StepFacts(
            {},
            failure=f"exited with status {completed.status}: {output[-300:] or '(no output)'}",
            missing=completed.status in (126, 127),
        )
    read: Callable[[str], dict[str, str]] = _json_variables if shell == "pwsh" else exports
    try:
        env = read(env_text)
    except (ValueError, RecursionError):
        return Unseen(f"invalid output of '{shell}': {env_text[:60]!r}")
    tools = dict(line.split("=", 1) for line in tools_text.splitlines() if "=" in line)
    startup: dict[str, list[str]] = {}
    for line in startup_text.splitlines():
        name, tab, file = line.partition("\t")
        if name and tab and file not in startup.setdefault(name, []):
            startup[name].append(file)
    return _with_process(StepFacts(env, tools, startup), process_text)


def _with_process(facts: StepFacts, text: str) -> StepFacts:
    """The facts with the umask, the options, the directory and the limits, a line each, as the shell prints them."""
    umask, options, directory, limits = [*text.split("\n", 3), "", "", ""][:4]
    return replace(
        facts,
        umask=int(umask, 8) if re.fullmatch("[0-7]{1,4}", umask) else None,
        options=options,
        directory=directory,
        ulimits=soft_limits(limits),
    )


def _between(text: str, start: str, end: str) -> str | None:
    _, opened, rest = text.partition(start)
    inner, closed, _ = rest.partition(end)
    return inner if opened and closed else None


def _json_variables(text: str) -> dict[str, str]:
    data = json.loads(text)
    if not isinstance(data, dict):
        raise ValueError("not an object")
    return {str(name): str(value) for name, value in data.items()}
