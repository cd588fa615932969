"""Promises of different sections that no runner can keep together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from builder_contracts.contract.promises.environment import PROXY_VARIABLES
from builder_contracts.contract.promises.named_promise import PromiseError


def contradictions(data: Mapping[str, Any]) -> Iterator[PromiseError]:
    """Each pair of fields of a valid contract that contradict each other."""
    isolation = data.get("isolation", {})
    if isolation.get("docker_daemon") == "absent" and "daemon" in data:
        yield PromiseError(
            ("isolation", "docker_daemon"),
            "docker_daemon: absent conflicts with the section 'daemon'",
            "set docker_daemon: reachable, or remove the section",
            against=("daemon",),
        )
    if data.get("privileges", {}).get("sudo") == "passwordless" and isolation.get("no_new_privileges"):
        yield PromiseError(
            ("privileges", "sudo"),
            "sudo: passwordless conflicts with no_new_privileges: true, under which sudo cannot work",
            "remove one of them",
            against=("isolation", "no_new_privileges"),
        )
    environment = data.get("environment", {})
    proxy = environment.get("proxy")
    for name, value in environment.get("variables", {}).items():
        if proxy is None or name.lower() not in PROXY_VARIABLES:
            continue
        allowed = isinstance(proxy, dict) and name in proxy
        if allowed != (value != "absent"):
            yield PromiseError(
                ("environment", "variables", name),
                f"{name} conflicts with environment.proxy",
                "state proxy variables in one of the two places",
                against=("environment", "proxy"),
            )
