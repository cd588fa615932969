"""Judges promises about the environment variables of a job."""

from __future__ import annotations

from typing import assert_never

from builder_contracts.contract.promises.environment import EnvironmentPromise, ForbiddenValue, Variable
from builder_contracts.contract.promises.patterns import TooSlow, found_in
from builder_contracts.evidence.verdict import Finding, broken, kept, unproven
from builder_contracts.facts.model import Facts, Unseen
from builder_contracts.judge.unseen import unproven_because
from builder_contracts.redaction import hide_forms, is_secret_name


def judge(promise: EnvironmentPromise, facts: Facts) -> Finding:
    env = facts.env
    if isinstance(env, Unseen):
        return unproven_because(env, ".env")
    try:
        match promise:
            case Variable():
                return _variable(promise, env)
            case ForbiddenValue():
                return _forbidden(promise, env)
            case _:
                assert_never(promise)
    except TooSlow as slow:
        return unproven(str(slow), look=f".env.{slow.name}")


def _variable(promise: Variable, env: dict[str, str]) -> Finding:
    look = f".env.{promise.name}"
    value = env.get(promise.name)
    if not promise.present:
        if value is None:
            return kept("not set", look=look)
        return broken(
            _show(promise.name, value),
            "an ENV line or the pool's template sets it; remove it there",
            look=look,
        )
    if value is None:
        return broken("not set", "no ENV line or pool template sets it", look=look)
    likely = "the ENV line or the pool's template sets a different value"
    wrong = (
        (promise.equals is not None and value != promise.equals)
        or (promise.contains is not None and promise.contains not in value)
        or (promise.matches is not None and not found_in({promise.name: value}, promise.matches))
    )
    return (
        broken(_show(promise.name, value), likely, look=look)
        if wrong
        else kept(_show(promise.name, value), look=look)
    )


def _forbidden(promise: ForbiddenValue, env: dict[str, str]) -> Finding:
    names = sorted(found_in(env, promise.pattern))
    if not names:
        return kept(f"none of {len(env)} variables matches", look=".env")
    # Which variable it is, and never the value: what a contract forbids may be a token.
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    seen = f"{', '.join(names[:3])}{more} {'matches' if len(names) == 1 else 'match'} (value hidden)"
    return broken(seen, "an ENV line or the pool's template still contains the forbidden value", look=".env")


def _show(name: str, value: str) -> str:
    if is_secret_name(name):
        return f"{name} is set (value hidden)"
    return f"{name}={hide_forms(value)[:200]!r}"
