"""Judges promises about the environment variables of a job."""

from __future__ import annotations

from typing import assert_never

from builder_contracts.contract.promises.environment import (
    EnvironmentPromise,
    EnvironmentVariable,
    ForbiddenValue,
)
from builder_contracts.contract.value_patterns import PatternTimeout, found_in
from builder_contracts.facts.model import Facts, Unseen
from builder_contracts.facts.secret import SECRET_NAME, visible
from builder_contracts.judge.unproven import unproven_because
from builder_contracts.verdict import Assessment, broken, kept, unproven


def judge(promise: EnvironmentPromise, facts: Facts) -> Assessment:
    env = facts.env
    if isinstance(env, Unseen):
        return unproven_because(env, ".env")
    try:
        match promise:
            case EnvironmentVariable():
                return _variable(promise, env)
            case ForbiddenValue():
                return _forbidden(promise, env)
            case _:
                assert_never(promise)
    except PatternTimeout as slow:
        return unproven(str(slow), look=f".env.{slow.name}")


def _variable(promise: EnvironmentVariable, env: dict[str, str]) -> Assessment:
    look = f".env.{promise.name}"
    value = env.get(promise.name)
    if not promise.present:
        if value is None:
            return kept("not set", look=look)
        return broken(
            _show(promise.name, value),
            "an ENV line or the pool's template sets it: remove it there",
            look=look,
        )
    if value is None:
        return broken(
            "not set", "the ENV line, or the pool's template that injects it, is missing", look=look
        )
    likely = "the ENV line or the pool's template has another value"
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


def _forbidden(promise: ForbiddenValue, env: dict[str, str]) -> Assessment:
    guilty = sorted(found_in(env, promise.pattern))
    if not guilty:
        return kept(f"none of {len(env)} variables", look=".env")
    seen = ", ".join(_show(name, env[name]) for name in guilty[:3])
    return broken(seen, "an ENV line, or the pool's template, still carries the forbidden value", look=".env")


def _show(name: str, value: str) -> str:
    if SECRET_NAME.search(name):
        return f"{name} is set (value not shown)"
    return f"{name}={visible(name, value)[:200]!r}"
