"""Changes by the shells of steps: variables and tools that differ from the job's own. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator

from builder_contracts.contract.promises.process import ProcessPromise, Ulimit, Umask, WorkingDirectory
from builder_contracts.contract.promises.toolchain import Tool
from builder_contracts.facts.model import ENTRYPOINT, Facts, StepFacts, Unseen
from builder_contracts.redaction import hide_forms
from builder_contracts.verdict import Assessment, Outcome, broken, unproven


def inspect_path(shell: str, *names: str) -> str:
    """Where the facts hold what a shell sees."""
    return f".steps[{json.dumps(shell)}]" + "".join(f".{name}" for name in names)


def label(shell: str) -> str:
    return "a job that ENTRYPOINT starts" if shell == ENTRYPOINT else f"'{shell}'"


def seen(facts: Facts) -> Iterator[tuple[str, StepFacts]]:
    """The shells in which steps ran."""
    for shell, step in facts.steps.items():
        if isinstance(step, StepFacts) and not step.failure:
            yield shell, step


def unresolved(facts: Facts) -> Assessment | None:
    """Unproven for the first shell that shows nothing of its steps, or None."""
    for shell, step in facts.steps.items():
        if isinstance(step, Unseen):
            return unproven(step.reason, provable_here=step.provable_here, inspect=inspect_path(shell))
        # A listed shell that the job lacks breaks its own clause.
        if step.failure and not step.missing:
            return unproven(f"no step runs in {label(shell)}: {step.failure}", inspect=inspect_path(shell))
    return None


def origin(shell: str, step: StepFacts, name: str = "") -> str:
    """The file that most probably sets a variable, or changes what is none, in this shell."""
    if shell == ENTRYPOINT:
        return "the program in ENTRYPOINT"
    bash_env = step.env.get("BASH_ENV", "") if shell.startswith("bash") else ""
    login = shell == "bash -l"
    files = [file for file in step.startup.get(name, []) if file == bash_env or login]
    if files:
        return " or ".join(f"{file} (BASH_ENV)" if file == bash_env else file for file in files[:4])
    if bash_env:
        return f"{hide_forms(bash_env)} (BASH_ENV)"
    return "a file that /etc/profile reads" if login else "a startup file of the shell"


def definer(facts: Facts, shell: str, step: StepFacts, name: str) -> str:
    """What most probably defines an alias or a function of this name: bash imports functions from variables."""
    exported = f"BASH_FUNC_{name}%%"
    if not isinstance(facts.env, Unseen) and exported in facts.env:
        return f"the variable {exported}"
    return origin(shell, step, name)


def hidden_tools(step: StepFacts) -> dict[str, str]:
    """What a shell runs by the name of a program instead: an alias or a function, by that name."""
    kinds = {"alias": "an alias", "function": "a function"}
    return {name: kinds[kind] for name, path in step.tools.items() if (kind := path.split(" ")[0]) in kinds}


def process(promise: ProcessPromise, facts: Facts, assessment: Assessment) -> Assessment:
    """The assessment of what a job's processes inherit, which a startup file must not change for steps."""
    if assessment.outcome is not Outcome.KEPT:
        return assessment
    for shell, step in seen(facts):
        match promise:
            case Umask() if step.umask is not None and step.umask != promise.mask:
                changed, field = f"umask {step.umask:04o}", "umask"
            case Ulimit(name=name) if name in step.ulimits and not promise.bounds.holds(step.ulimits[name]):
                limit = step.ulimits[name]
                changed, field = f"{name} {'unlimited' if limit is None else limit}", "ulimits"
            case WorkingDirectory() if step.directory and step.directory != promise.path:
                changed, field = f"steps start in {step.directory}", "directory"
            case _:
                continue
        return broken(
            f"{changed} in {label(shell)}",
            f"{origin(shell, step)} changes it for steps",
            inspect=inspect_path(shell, field),
        )
    return assessment


def tool(promise: Tool, facts: Facts, assessment: Assessment) -> Assessment:
    """The assessment of a tool, which a step must find as the job itself does."""
    if assessment.outcome is not Outcome.KEPT:
        return assessment
    for shell, step in seen(facts):
        if promise.name not in step.tools:
            continue
        path = step.tools[promise.name]
        if promise.present and (hidden := hidden_tools(step).get(promise.name)):
            return broken(
                f"{promise.name} is {hidden} in {label(shell)}",
                f"{definer(facts, shell, step, promise.name)} defines it for steps",
                inspect=inspect_path(shell, "tools"),
            )
        # A shell can name a builtin, which is no program of the image.
        if bool(path) if promise.present else not path.startswith("/"):
            continue
        search_path = hide_forms(step.env.get("PATH", ""))[:200]
        return broken(
            f"{path} in {label(shell)}"
            if path
            else f"not found in {label(shell)}, whose PATH is {search_path!r}",
            f"{origin(shell, step, 'PATH')} changes PATH for steps",
            inspect=inspect_path(shell, "tools"),
        )
    return assessment
