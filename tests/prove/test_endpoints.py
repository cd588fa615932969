"""Which endpoints may be touched from where: decided before a single packet, with the reason for every other one."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder_contracts.facts.model import Runner
from builder_contracts.prove import machine
from builder_contracts.prove.endpoints import (
    FROM_MACHINES,
    Endpoint,
    from_container,
    from_machine,
    split_available,
)
from builder_contracts.prove.unavailable import Lost
from builder_contracts.services.environment import Binding, Bindings

ROLES = ("nix", "bazel-grpc", "bazel-http", "registry", "objects")
GIVEN = {"W": "me:its-secret", "R": "reader:another", "K": "main-1:key"}


def bindings(role: str, *, containers: bool = False, **settings: str) -> Bindings:
    url = "grpc://cache.example:9092" if role == "bazel-grpc" else "https://cache.example"
    binding = Binding(role, **{"url": url, "reader": "R", "writer": "W", **settings})
    return Bindings("theirs", {role: binding}, containers)


def runner(*, live: bool) -> Runner:
    return Runner("local", "", "host", 2, 2**30, identity="no runner: its host name is another", live=live)


def reached(
    found: Bindings, role: str, *, allow: bool = True, live: bool = True, given: Mapping[str, str] = GIVEN
) -> Endpoint | Lost:
    return from_machine(role, found, frozenset({role} if allow else ()), given, runner(live=live))


@pytest.mark.parametrize("role", FROM_MACHINES)
def test_a_live_runner_reaches_what_it_may_write_to(role: str) -> None:
    found = reached(bindings(role), role)
    assert isinstance(found, Endpoint)
    assert found.credentials is not None
    assert found.credentials.writer.secret == "its-secret"
    assert found.lacks("writer") is found.lacks("reader") is found.lacks("anonymous") is None
    assert "its-secret" not in repr(found)


@pytest.mark.parametrize(
    ("found", "options", "said"),
    [
        (bindings("nix"), {"allow": False}, "writing to theirs requires --allow-writes nix"),
        (bindings("nix"), {"live": False}, "only from real runners, and this machine is not one: no runner: its host"),
        (bindings("nix", not_working="moved"), {}, "known broken in theirs: moved"),
        (bindings("nix", service="nix-cache"), {}, "use --runner docker"),
        (bindings("objects"), {}, "creates its own bucket"),
    ],
)  # fmt: skip
def test_whatever_else_is_left_alone_for_its_own_reason(
    found: Bindings, options: dict[str, bool], said: str
) -> None:
    (role,) = found.roles
    lost = reached(found, role, **options)  # type: ignore[arg-type]
    assert isinstance(lost, Lost)
    assert said in lost.reason
    assert not lost.provable_here


def test_an_owner_may_let_any_machine_touch_what_is_its_own() -> None:
    assert isinstance(reached(bindings("nix", containers=True), "nix", live=False), Endpoint)


def test_a_role_that_is_bound_nowhere_is_a_mistake_to_mend() -> None:
    lost = reached(Bindings("theirs", {}), "nix")
    assert isinstance(lost, Lost)
    assert lost.provable_here


def test_missing_credentials_are_named_by_their_variable() -> None:
    found = reached(bindings("nix"), "nix", given={"R": "reader:x"})
    assert isinstance(found, Endpoint)
    lost = found.lacks("writer")
    assert lost is not None
    assert "set W to NAME:SECRET" in lost.reason
    assert found.credentials is not None
    assert found.credentials.writer.authorization == ""
    open_to_all = reached(bindings("nix", writer=""), "nix")
    assert isinstance(open_to_all, Endpoint)
    nobody = open_to_all.lacks("writer")
    assert nobody is not None
    assert "set 'writer' to a variable name" in nobody.reason


@given(
    st.sampled_from(ROLES),
    st.booleans(),
    st.booleans(),
    st.booleans(),
    st.booleans(),
    st.sampled_from(["", "broken"]),
)
def test_no_deployment_is_touched_without_leave(
    role: str, allow: bool, live: bool, containers: bool, reads: bool, broken: str
) -> None:
    found = bindings(role, containers=containers, not_working=broken)
    allowed = frozenset({role}) if allow else frozenset({"another"})
    here = from_machine(role, found, allowed, GIVEN, runner(live=live))
    there = from_container(role, found, allowed, GIVEN, reads=reads)
    if isinstance(here, Endpoint):
        assert allow
        assert live or containers
        assert not broken
    if isinstance(there, Endpoint):
        assert allow
        assert containers
        assert reads
        assert not broken
    bound, unbound = split_available({"here": here, "there": there})
    assert len(bound) + len(unbound) == 2


def test_without_the_extra_its_command_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [role for role in ROLES if machine.without_client(role)] == []
    monkeypatch.setattr(machine, "_importable", lambda name: name != "grpc")
    assert [role for role in ROLES if machine.without_client(role)] == ["bazel-grpc"]
    lost = machine.without_client("bazel-grpc")
    assert lost is not None
    assert lost.provable_here
    assert "this Python lacks grpc; run " in lost.reason
    assert "-m pip install 'builder-contracts[live]'" in lost.reason
