"""Each service starts alone, answers, knows its identities, and its death is told with its last words."""

from __future__ import annotations

import json

import pytest

from builder_contracts.runner.docker import engine
from builder_contracts.services.catalog import NIX_PORT, SERVICES, ServiceContainer, ServiceSpec
from builder_contracts.services.principals import Principal
from builder_contracts.services.stack import ServiceDown
from tests.services.conftest import World

pytestmark = pytest.mark.docker


def status(world: World, name: str, method: str, url: str, identity: Principal, body: str = "x") -> int:
    """The HTTP status that an identity is answered inside the service's network."""
    command = [
        "curl",
        "--silent",
        "--output",
        "/dev/null",
        "--write-out",
        "%{http_code}",
        "--request",
        method,
    ]
    if identity.authorization:
        command += ["--header", f"Authorization: {identity.authorization}"]
    if method in ("PUT", "POST"):
        command += ["--data-binary", body]
    return int(world.host.execute(name, [*command, url], part=0).stdout)


def test_nix_cache_lets_everybody_read_and_only_the_writer_write(
    world: World, nix_cache: ServiceSpec
) -> None:
    credentials, url = world.credentials, f"http://127.0.0.1:{NIX_PORT}/main/x.narinfo"
    assert [
        status(world, "nix-cache", "PUT", url, identity)
        for identity in (credentials.anonymous, credentials.reader)
    ] == [
        401,
        403,
    ]
    assert status(world, "nix-cache", "GET", url, credentials.anonymous) == 404
    assert status(world, "nix-cache", "PUT", url, credentials.writer) == 201
    assert status(world, "nix-cache", "GET", url, credentials.anonymous) == 200


def test_a_wrong_password_is_nobody(world: World, nix_cache: ServiceSpec) -> None:
    guess = Principal("writer", "0" * 48)
    assert status(world, "nix-cache", "PUT", f"http://127.0.0.1:{NIX_PORT}/main/x", guess) == 401


def test_access_log_names_identity_method_and_status(world: World, bazel_http: ServiceSpec) -> None:
    status(world, "bazel-http", "PUT", "http://127.0.0.1:8080/ac/abc", world.credentials.reader)
    line = next(line for line in world.host.log("bazel-http") if line["uri"] == "/ac/abc")
    assert (line["identity"], line["method"], line["status"]) == ("reader", "PUT", 403)


def test_registry_hands_out_tokens_and_refuses_pushes(world: World, registry: ServiceSpec) -> None:
    credentials, url = world.credentials, "http://127.0.0.1/v2/x/blobs/uploads/"
    assert [
        status(world, "registry", "POST", url, identity)
        for identity in (credentials.anonymous, credentials.reader)
    ] == [
        401,
        403,
    ]
    assert status(world, "registry", "POST", url, credentials.writer) == 202
    assert status(world, "registry", "GET", "http://127.0.0.1/v2/", credentials.anonymous) == 401
    reply = world.host.execute("registry", ["curl", "--silent", "http://127.0.0.1/token"], part=0)
    assert json.loads(reply.stdout)["token"] == "anonymous"


def test_bazel_grpc_logs_requests_as_json(world: World, bazel_grpc: ServiceSpec) -> None:
    assert any(line["part"] == "buildgrid" for line in world.host.log("bazel-grpc"))


def test_objects_answers_s3_errors(world: World, objects: ServiceSpec) -> None:
    url = "http://127.0.0.1:9000/state/x"
    assert status(world, "objects", "PUT", url, world.credentials.anonymous) == 403


@pytest.mark.parametrize("name", SERVICES)
def test_no_secret_stands_in_a_repr(world: World, name: str) -> None:
    service = SERVICES[name]("alias", world.credentials)
    assert not any(secret in repr((service, world.credentials)) for secret in world.credentials.secrets)


def test_paused_service_is_down_at_once(world: World, bazel_http: ServiceSpec) -> None:
    running = world.host.up("bazel-http")
    assert world.host.silence("bazel-http") == ""
    world.host.client.api.pause(running.containers[0])
    try:
        with pytest.raises(ServiceDown, match="bazel-http is paused: nginx does not run"):
            world.host.up("bazel-http")
        assert world.host.silence("bazel-http") == "bazel-http is paused: nginx does not run"
    finally:
        world.host.client.api.unpause(running.containers[0])
    assert world.host.silence("bazel-http") == ""


def test_a_service_that_dies_is_down_with_its_last_words(world: World, bazel_http: ServiceSpec) -> None:
    world.host.stop("bazel-http")
    with pytest.raises(ServiceDown, match="bazel-http died: nginx exited with status 137"):
        world.host.up("bazel-http")


def test_a_service_that_cannot_start_says_why(world: World) -> None:
    broken = ServiceSpec(
        "broken",
        "broken.example",
        (ServiceContainer("nginx", ("sh", "-c", "echo no such luck >&2; exit 3")),),
        ("http://127.0.0.1:80/",),
    )
    world.host.start([broken])
    with pytest.raises(ServiceDown, match="no such luck"):
        world.host.up("broken")


def test_services_run_without_privileges_and_without_a_way_out(world: World, nix_cache: ServiceSpec) -> None:
    container = world.host.up("nix-cache").containers[0]
    inspected = world.host.client.api.inspect_container(container)
    assert inspected["HostConfig"]["CapDrop"] == ["ALL"]
    assert inspected["Config"]["User"] == "services"
    assert world.host.client.api.inspect_network(world.host.network)["Internal"] is True
    assert not inspected["HostConfig"]["PortBindings"]


def test_closing_leaves_nothing(world: World, objects: ServiceSpec) -> None:
    containers, network = world.host.up("objects").containers, world.host.network
    world.host.close()
    client = engine.connect()
    containers_after = {entry["Id"] for entry in client.api.containers(all=True)}
    assert not containers_after & set(containers)
    assert network not in {entry["Name"] for entry in client.api.networks()}
    client.close()
