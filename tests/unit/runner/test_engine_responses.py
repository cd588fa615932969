"""An engine that responds nonsense: everything is unproven for one reason, and nothing raises."""

from __future__ import annotations

import contextlib
import dataclasses
import gc
import grp
import json
import os
import pwd
import socket
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from builder_contracts.contract.loading import load
from builder_contracts.facts.model import Facts, Unseen
from builder_contracts.run.observer import Observer, ObserverOptions
from builder_contracts.runner.docker import engine
from tests.unit.runner.fake_engine import SOUND, Failure, FakeEngine, route

CONTRACT = """\
apiVersion: builder-contracts/v1
kind: BuilderClass
metadata: {name: sample, summary: A sample of a builder class, owner: me}
labels: [sample]
image: {reference: sample}
toolchain: {sh: present}
isolation: {privileged: false}
"""


@pytest.fixture
def contract_file(tmp_path: Path) -> Path:
    path = tmp_path / "sample.yaml"
    path.write_text(CONTRACT)
    return path


@pytest.fixture
def replaced() -> dict[str, Any]:
    return {}


@pytest.fixture
def fake(tmp_path: Path, replaced: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeEngine]:
    server = FakeEngine(tmp_path / "engine.sock", replaced)
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/engine.sock")
    yield server
    server.server_close()


def observe(contract_file: Path) -> Facts:
    observer = Observer(ObserverOptions())
    try:
        return observer.facts(load(contract_file))
    finally:
        observer.close()


def reasons(value: object) -> set[str]:
    """The reasons of all unseen facts that could have been seen."""
    if isinstance(value, Unseen):
        return {value.reason} if value.provable_here else set()
    if dataclasses.is_dataclass(value):
        value = {name.name: getattr(value, name.name) for name in dataclasses.fields(value)}
    if isinstance(value, dict):
        return set().union(*map(reasons, value.values()))
    return set()


@pytest.mark.parametrize(
    ("path", "call"),
    [
        ("/v1.44/info", "GET /info"),
        ("/v1.44/images/sample:latest/json", "GET /images/json"),
        ("/v1.44/containers/c1/json?size=1", "GET /containers/json"),
        ("/v1.44/containers/json?all=1", "GET /containers"),
        ("/v1.44/networks", "GET /networks"),
    ],
)
def test_fake_engine_names_calls(path: str, call: str) -> None:
    assert route("GET", path) == call


def test_sound_engine_is_observed(fake: FakeEngine, contract_file: Path) -> None:
    facts = observe(contract_file)

    assert not isinstance(facts.runner, Unseen)
    assert not isinstance(facts.image, Unseen)
    assert facts.isolation.privileged is False
    assert set(SOUND) <= set(fake.calls) | {"GET /version"}


NEEDED = {
    "GET /version",
    "GET /info",
    "GET /images/json",
    "POST /containers/create",
    "GET /containers/json",
    "POST /containers/exec",
    "GET /exec/json",
}
"""The calls without whose response nothing inside the runner can be observed."""


RESPONSES: tuple[Any, ...] = ([], {}, "text", 5, None, True, b"no JSON", b"")
WRONG_RESPONSES = [
    pytest.param(call, response, id=f"{call} {response!r}")
    for call in sorted(SOUND)
    for response in RESPONSES
    # Every field of the engine's description is optional.
    if (call, response) != ("GET /info", {})
]


@pytest.mark.parametrize(("call", "response"), WRONG_RESPONSES)
def test_response_of_wrong_shape_has_one_reason(
    fake: FakeEngine, replaced: dict[str, Any], contract_file: Path, call: str, response: object
) -> None:
    replaced[call] = response

    facts = observe(contract_file)

    if call in NEEDED:
        assert isinstance(facts.tools["sh"], Unseen)
        assert len(reasons(facts.tools) | reasons(facts.isolation)) == 1, reasons(facts)
    else:
        assert not isinstance(facts.runner, Unseen)


@pytest.mark.parametrize(
    ("call", "path", "value"),
    [
        ("GET /info", "NCPU", "four"),
        ("GET /info", "NCPU", [4]),
        ("GET /info", "MemTotal", True),
        ("GET /info", "ServerVersion", {}),
        ("GET /images/json", "Id", 5),
        ("GET /images/json", "Config", []),
        ("GET /images/json", "Size", "large"),
        ("POST /containers/create", "Id", {}),
        ("GET /containers/json", "State", "running"),
        ("GET /containers/json", "HostConfig", None),
        ("POST /containers/exec", "Id", 7),
        ("GET /exec/json", "ExitCode", "zero"),
    ],
)
def test_field_of_wrong_type_is_named(
    fake: FakeEngine, replaced: dict[str, Any], contract_file: Path, call: str, path: str, value: object
) -> None:
    replaced[call] = {**SOUND[call], path: value}
    if path == "State":
        replaced["GET /exec/json"] = {"Running": False, "ExitCode": 3}

    facts = observe(contract_file)

    texts = reasons(facts)
    assert any(f"unexpected engine response: {path}" in text for text in texts), texts


def test_failure_of_wrong_shape_is_an_unexpected_response(fake: FakeEngine, replaced: dict[str, Any]) -> None:
    replaced["GET /version"] = {"ApiVersion": 5}
    with pytest.raises(engine.EngineNotFound, match="Version"):
        engine.connect()


@pytest.fixture
def guarded_socket(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A socket that this process may see and not use, as a user without privileges."""
    folder = Path(tempfile.mkdtemp(prefix="builder-contracts-test-"))
    folder.chmod(0o755)
    path = folder / "docker.sock"
    monkeypatch.setenv("DOCKER_HOST", f"unix://{path}")
    with contextlib.suppress(engine.EngineNotFound):
        engine.connect()  # imports everything, which an unprivileged user of this file system may not
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()
        path.chmod(0o060)
        was = os.geteuid()
        if was == 0:
            os.chown(path, 0, 4242)  # a group that this process is not in
            os.seteuid(pwd.getpwnam("nobody").pw_uid)
        try:
            yield path
        finally:
            os.seteuid(was)
            path.unlink()
            folder.rmdir()
    with warnings.catch_warnings(action="ignore", category=ResourceWarning):
        # The SDK leaves the socket of a connection that failed to the collector.
        gc.collect()


def group(name: str, gid: int, *members: str) -> grp.struct_group:
    return grp.struct_group((name, "x", gid, list(members)))


def test_socket_without_permission_names_group_and_command(
    guarded_socket: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("grp.getgrgid", lambda _gid: group("docker", 999, "alex"))
    user = pwd.getpwuid(os.geteuid()).pw_name

    with pytest.raises(engine.EngineNotFound) as failure:
        engine.connect()

    assert failure.value.why == f"permission denied: {guarded_socket}"
    assert failure.value.fix == (
        f"join its group: 'sudo usermod --append --groups docker {user}', then log in again"
    )
    assert "permission denied" in str(failure.value)
    assert "usermod" in str(failure.value)


def test_socket_permission_of_a_later_login(guarded_socket: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    user = pwd.getpwuid(os.geteuid()).pw_name
    monkeypatch.setattr("grp.getgrgid", lambda _gid: group("docker", 999, user))

    with pytest.raises(engine.EngineNotFound, match="log in again, or run 'newgrp docker'"):
        engine.connect()


def test_socket_of_root_alone(guarded_socket: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("grp.getgrgid", lambda _gid: group("root", 0))

    with pytest.raises(engine.EngineNotFound, match="only root may use it"):
        engine.connect()


def docker_config(folder: Path, **settings: object) -> str:
    (folder / "config.json").write_text(json.dumps(settings))
    return str(folder)


def test_proxies_of_the_docker_client_reach_no_runner(
    fake: FakeEngine, contract_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxies = {"default": {"httpProxy": "http://proxy.example:3128"}}
    monkeypatch.setenv("DOCKER_CONFIG", docker_config(contract_file.parent, proxies=proxies))

    observe(contract_file)

    assert fake.bodies["POST /containers/create"]["Image"] == "sha256:1"
    assert "proxy.example" not in json.dumps(fake.bodies)


def test_missing_credential_helper_is_one_reason(
    fake: FakeEngine, replaced: dict[str, Any], contract_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replaced["GET /images/json"] = Failure(404, "no such image")
    monkeypatch.setenv("DOCKER_CONFIG", docker_config(contract_file.parent, credsStore="nowhere"))

    observer = Observer(ObserverOptions(pull=True))
    try:
        image = observer.facts(load(contract_file)).image
    finally:
        observer.close()

    assert isinstance(image, Unseen)
    assert image.reason.startswith("cannot pull sample: the docker client's credential helper fails")
