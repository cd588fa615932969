"""Judge promises about the environment variables of a job."""

from __future__ import annotations

import dataclasses
import json
from typing import assert_never

from builder_contracts.contract.promises.environment import (
    PROXY_VARIABLES,
    EnvironmentPromise,
    EnvironmentVariable,
    ForbiddenValue,
    ProxyVariables,
)
from builder_contracts.contract.value_patterns import SECONDS, PatternTimeout, found_in
from builder_contracts.facts.model import Facts, Unseen
from builder_contracts.judge import step_differences
from builder_contracts.judge.explanation import RUNNER_LOST, Explanation
from builder_contracts.judge.step_differences import inspect_path
from builder_contracts.judge.unproven import unproven_because
from builder_contracts.redaction import hide_forms, is_secret_name
from builder_contracts.verdict import Assessment, Outcome, broken, kept, unproven


def judge(promise: EnvironmentPromise, facts: Facts) -> Assessment:
    env = facts.env
    if isinstance(env, Unseen):
        return unproven_because(env, ".env")
    assessment = _in_environment(promise, env)
    if assessment.outcome is not Outcome.KEPT:
        return assessment
    if isinstance(promise, EnvironmentVariable) and not promise.name.isidentifier():
        # A shell drops names that it cannot write, and programs of the job still get them.
        return assessment
    for shell, step in step_differences.seen(facts):
        in_step = _in_environment(promise, step.env, inspect_path(shell, "env"))
        if in_step.outcome is not Outcome.KEPT:
            name = promise.name if isinstance(promise, EnvironmentVariable) else ""
            return dataclasses.replace(
                in_step,
                observation=f"in {step_differences.label(shell)}: {in_step.observation}",
                cause=f"{step_differences.origin(shell, step, name)} changes it for steps"
                if in_step.outcome is Outcome.BROKEN
                else "",
            )
    return step_differences.unresolved(facts) or assessment


def _in_environment(promise: EnvironmentPromise, env: dict[str, str], inspect: str = ".env") -> Assessment:
    """The promise in the job's own environment, or in that of a step."""
    try:
        match promise:
            case EnvironmentVariable():
                return _variable(promise, env, _look(inspect, promise.name))
            case ForbiddenValue():
                return _forbidden(promise, env, inspect)
            case ProxyVariables():
                return _proxy(promise, env, inspect)
            case _:
                assert_never(promise)
    except PatternTimeout as slow:
        return unproven(str(slow), inspect=_look(inspect, slow.name))


def _look(inspect: str, name: str) -> str:
    return f"{inspect}.{name}" if name.isidentifier() else f"{inspect}[{json.dumps(name)}]"


def _variable(promise: EnvironmentVariable, env: dict[str, str], look: str) -> Assessment:
    value = env.get(promise.name)
    if not promise.present:
        if value is None:
            return kept("not set", inspect=look)
        return broken(
            _show(promise.name, value),
            "an ENV line or the pool's template sets it; remove it there",
            inspect=look,
        )
    if value is None:
        return broken("not set", "no ENV line or pool template sets it", inspect=look)
    likely = "the ENV line or the pool's template sets a different value"
    wrong = (
        (promise.equals is not None and value != promise.equals)
        or (promise.contains is not None and promise.contains not in _effective(value, promise.contains))
        or (promise.matches is not None and not found_in({promise.name: value}, promise.matches))
    )
    return (
        broken(_show(promise.name, value), likely, inspect=look)
        if wrong
        else kept(_show(promise.name, value), inspect=look)
    )


def _effective(value: str, part: str) -> str:
    """The value without the lines that configuration files treat as comments, unless the part is of a comment."""
    if "#" in part:
        return value
    return "\n".join(line for line in value.split("\n") if not line.lstrip().startswith("#"))


def _proxy(promise: ProxyVariables, env: dict[str, str], look: str) -> Assessment:
    promised = dict(promise.variables)
    seen = {name: value for name, value in env.items() if name.lower() in PROXY_VARIABLES and value}
    # Values can hold a password, so names stand for them.
    wrong = sorted(
        [f"{name} is set" for name in seen.keys() - promised.keys()]
        + [f"{name} is not set" for name in promised.keys() - seen.keys()]
        + [
            f"{name} has another value"
            for name in seen.keys() & promised.keys()
            if seen[name] != promised[name]
        ]
    )
    if wrong:
        return broken(
            ", ".join(wrong), "an ENV line, the pool's template or the engine's proxies setting", inspect=look
        )
    return kept(f"{', '.join(sorted(seen)) or 'no proxy variable'} set", inspect=look)


def _forbidden(promise: ForbiddenValue, env: dict[str, str], look: str) -> Assessment:
    names = sorted(found_in(env, promise.pattern))
    if not names:
        return kept(f"none of {len(env)} variables matches", inspect=look)
    # Which variable it is, and never the value: what a contract forbids may be a token.
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    seen = f"{', '.join(names[:3])}{more} {'matches' if len(names) == 1 else 'match'} (value hidden)"
    return broken(seen, "an ENV line or the pool's template still contains the forbidden value", inspect=look)


def _show(name: str, value: str) -> str:
    if is_secret_name(name):
        return f"{name} is set (value hidden)"
    return f"{name}={hide_forms(value)[:200]!r}"


def explain(promise: EnvironmentPromise) -> Explanation:
    match promise:
        case EnvironmentVariable() if not promise.present:
            return Explanation(
                how="Neither the environment of a job's first process nor that of a step's shell may contain this variable; "
                "an empty value counts as set.",
                unproven=RUNNER_LOST + ".",
                why="Tools react to the mere presence of a variable: DOCKER_HOST, LD_PRELOAD, a token.",
                breaks="An ENV line in the image or its base, or the pool's template.",
                fix=f"Remove {promise.name} from the Dockerfile or the pool's template.",
            )
        case EnvironmentVariable():
            return Explanation(
                how="The value in the environment of a job's first process, and in each shell of its steps, is compared. "
                "Values that look like secrets are compared but never printed.",
                unproven=f"{RUNNER_LOST}; or matching a pattern takes more than {SECONDS:g} s.",
                why="Jobs and their tools read cache addresses, features and limits from it.",
                breaks="An ENV line was lost, or a template injects a different value.",
                fix=f"Set {promise.name} in the image (ENV) or in the pool's template.",
            )
        case ProxyVariables():
            return Explanation(
                how="The proxy variables of a job's first process, in lower and upper case, compared with the promised ones. "
                "An empty value counts as not set, as programs treat it; values are compared but never printed.",
                unproven=RUNNER_LOST + ".",
                why="A proxy that a job does not expect sees its downloads, or blocks them.",
                breaks="An ENV line, a template, or 'proxies' in the engine's or client's configuration.",
                fix="Set or remove the variables named in the verdict.",
            )
        case ForbiddenValue():
            return Explanation(
                how="No variable in the environment of a job's first process, or of a step's shell, may have a value that matches the pattern.",
                unproven=f"{RUNNER_LOST}; or matching a pattern takes more than {SECONDS:g} s.",
                why="A retired address works nowhere, and each job finds out through a timeout.",
                breaks="An ENV line or a template still contains the old value.",
                fix="Correct the variables named in the verdict where they are set.",
            )
        case _:
            assert_never(promise)
