"""Which endpoints may be touched from where: decided before a single packet, with the reason for every other one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder_contracts.facts.model import RunnerFacts
from builder_contracts.prove import local_testbed
from builder_contracts.prove.endpoints import (
    Endpoint,
    from_container,
    from_machine,
    split_available,
)
from builder_contracts.prove.unavailable import Unavailable
from builder_contracts.services.environment import Environment, RoleBinding

ROLES = ("nix", "bazel-grpc", "bazel-http", "registry", "objects")
BUCKET: dict[str, Any] = {"objects": {"bucket": "tofu-state"}}
GIVEN = {"W": "me:its-secret", "R": "reader:another", "K": "main-1:key"}


def bindings(role: str, *, containers: bool = False, **settings: str) -> Environment:
    url = "grpc://cache.example:9092" if role == "bazel-grpc" else "https://cache.example"
    binding = RoleBinding(role, **{"url": url, "reader": "R", "writer": "W", **settings})
    return Environment("theirs", {role: binding}, containers)


def runner(*, live: bool) -> RunnerFacts:
    return RunnerFacts(
        "local", "", "host", 2, 2**30, identity="no runner: its host name is another", live=live
    )


def reached(
    environment: Environment,
    role: str,
    *,
    allow: bool = True,
    live: bool = True,
    env: Mapping[str, str] = GIVEN,
) -> Endpoint | Unavailable:
    return from_machine(role, environment, frozenset({role} if allow else ()), env, runner(live=live))


@pytest.mark.parametrize("role", ROLES)
def test_live_runner_reaches_permitted_endpoints(role: str) -> None:
    endpoint = reached(bindings(role, **BUCKET.get(role, {})), role)
    assert isinstance(endpoint, Endpoint)
    assert endpoint.credentials is not None
    assert endpoint.credentials.writer.secret == "its-secret"
    assert endpoint.lacks("writer") is endpoint.lacks("reader") is endpoint.lacks("anonymous") is None
    assert "its-secret" not in repr(endpoint)


@pytest.mark.parametrize(
    ("environment", "options", "reason"),
    [
        (bindings("nix"), {"allow": False}, "writing to theirs requires --allow-writes nix"),
        (bindings("nix"), {"live": False}, "only from real runners, and this machine is not one: no runner: its host"),
        (bindings("nix", not_working="moved"), {}, "known broken in theirs: moved"),
        (bindings("nix", service="nix-cache"), {}, "use --runner docker"),
        (bindings("objects"), {}, "set 'bucket' to an existing bucket"),
    ],
)  # fmt: skip
def test_endpoint_out_of_bounds_has_its_own_reason(
    environment: Environment, options: dict[str, bool], reason: str
) -> None:
    (role,) = environment.roles
    lost = reached(environment, role, **options)  # type: ignore[arg-type]
    assert isinstance(lost, Unavailable)
    assert reason in lost.reason
    assert not lost.provable_here


def test_touched_from_containers_permits_any_machine() -> None:
    assert isinstance(reached(bindings("nix", containers=True), "nix", live=False), Endpoint)


def test_role_without_an_endpoint_is_provable_here() -> None:
    lost = reached(Environment("theirs", {}), "nix")
    assert isinstance(lost, Unavailable)
    assert lost.provable_here


def test_missing_credentials_name_their_variable() -> None:
    endpoint = reached(bindings("nix"), "nix", env={"R": "reader:x"})
    assert isinstance(endpoint, Endpoint)
    lost = endpoint.lacks("writer")
    assert lost is not None
    assert "set W to NAME:SECRET" in lost.reason
    assert endpoint.credentials is not None
    assert endpoint.credentials.writer.authorization == ""
    open_to_all = reached(bindings("nix", writer=""), "nix")
    assert isinstance(open_to_all, Endpoint)
    missing = open_to_all.lacks("writer")
    assert missing is not None
    assert "set 'writer' to a variable name" in missing.reason


@given(
    st.sampled_from(ROLES),
    st.booleans(),
    st.booleans(),
    st.booleans(),
    st.booleans(),
    st.sampled_from(["", "broken"]),
)
def test_no_deployment_is_contacted_without_permission(
    role: str, allow: bool, live: bool, containers: bool, reads: bool, broken: str
) -> None:
    environment = bindings(role, containers=containers, not_working=broken)
    allowed = frozenset({role}) if allow else frozenset({"another"})
    on_host = from_machine(role, environment, allowed, GIVEN, runner(live=live))
    in_container = from_container(role, environment, allowed, GIVEN, reads=reads)
    if isinstance(on_host, Endpoint):
        assert allow
        assert live or containers
        assert not broken
    if isinstance(in_container, Endpoint):
        assert allow
        assert containers
        assert reads
        assert not broken
    bound, unbound = split_available({"here": on_host, "there": in_container})
    assert len(bound) + len(unbound) == 2


def test_missing_extra_names_its_install_command(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [role for role in ROLES if local_testbed.without_client(role)] == []
    monkeypatch.setattr(local_testbed, "_importable", lambda name: name != "grpc")
    assert [role for role in ROLES if local_testbed.without_client(role)] == ["bazel-grpc"]
    monkeypatch.setattr(local_testbed, "_importable", lambda name: name != "boto3")
    assert [role for role in ROLES if local_testbed.without_client(role)] == ["objects"]
    monkeypatch.setattr(local_testbed, "_importable", lambda name: name != "grpc")
    lost = local_testbed.without_client("bazel-grpc")
    assert lost is not None
    assert lost.provable_here
    assert "this Python lacks grpc; run " in lost.reason
    assert "-m pip install 'builder-contracts[live]'" in lost.reason
