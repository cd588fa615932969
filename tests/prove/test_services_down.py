"""A server that is off, or dies in the middle, makes exactly its clauses unproven, in its own last words."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from builder_contracts.contract.model import Clause
from builder_contracts.prove.backends import DockerBackend
from builder_contracts.run.prover import Prover
from builder_contracts.services.catalog import SERVICES, ServiceContainer, ServiceSpec
from builder_contracts.services.principals import Credentials
from builder_contracts.services.stack import ServiceDown
from tests.prove.conftest import Spec, Worlds

pytestmark = [pytest.mark.docker, pytest.mark.slow]

CLASSES = ("tinyland-dind", "tinyland-docker", "tinyland-nix")
ROLES = {"nix-cache": "nix"}
LAST_WORDS = "the disk is full"


def uses(local_id: str, service: str) -> bool:
    """Whether a clause cannot be shown without the service. What was published there cannot be searched either."""
    role = ROLES.get(service, service)
    return local_id == "publication/no-secrets" or local_id.startswith(
        (f"caches/{role}-", f"publication/{role}-")
    )


def off(name: str) -> Spec:
    """A service whose front says why it cannot go on, and ends."""

    def spec(alias: str, credentials: Credentials) -> ServiceSpec:
        whole = SERVICES[name](alias, credentials)
        front = whole.parts[0]
        dead = ServiceContainer(front.name, ("sh", "-c", f"echo {LAST_WORDS} >&2; exit 1"), front.files)
        return ServiceSpec(whole.name, whole.alias, (dead, *whole.parts[1:]), whole.ready)

    return spec


def killer(service: str, requests: int) -> Callable[[Prover], None]:
    """Kills a service once its log has so many requests of the writer, which is in the middle of a proof."""

    def wait(session: Prover) -> None:
        end, was_up = time.monotonic() + 300, False
        place = session.place()
        assert isinstance(place, DockerBackend)
        host = place.host
        while time.monotonic() < end:
            time.sleep(0.1)
            try:
                lines = host.log(service)
            except ServiceDown:
                if was_up:
                    return
                continue
            was_up = True
            if sum(line.get("identity") == "writer" for line in lines) >= requests:
                host.stop(service)
                return

    return lambda session: threading.Thread(target=wait, args=(session,), daemon=True).start()


def light(clause: Clause) -> bool:
    """What no build by Bazel is needed for."""
    return not clause.local_id.startswith(("caches/bazel", "canaries/bzlmod")) and (
        clause.local_id != "publication/no-secrets"
    )


def everything(_: Clause) -> bool:
    return True


# One that needs no build by Bazel stands for the others in every run.
@pytest.mark.parametrize(
    ("service", "select"),
    [
        ("registry", light),
        *(pytest.param(name, everything, marks=pytest.mark.long) for name in SERVICES),
    ],
    ids=lambda value: value if isinstance(value, str) else value.__name__,
)
def test_server_that_is_off_from_the_start(
    worlds: Worlds, service: str, select: Callable[[Clause], bool]
) -> None:
    proved = worlds.prove_all(CLASSES, select, specs={service: off(service)})
    assert proved.broken == set()
    expected = {name for name in proved.verdicts if uses(name.partition("/")[2], service)}
    assert proved.unproven == expected
    assert {name.partition("/")[0] for name in expected} == set(CLASSES)
    assert {name for name in expected if LAST_WORDS not in proved.verdicts[name].observation} == set()


@pytest.mark.long
@pytest.mark.parametrize(
    ("service", "requests", "classes", "select"),
    [
        ("nix-cache", 2, CLASSES, light),
        ("registry", 2, CLASSES, light),
        ("objects", 8, CLASSES, light),
        ("bazel-grpc", 5, ("tinyland-docker",), lambda clause: not light(clause)),
        ("bazel-http", 5, ("tinyland-docker",), lambda clause: not light(clause)),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_server_that_dies_in_the_middle(
    worlds: Worlds, service: str, requests: int, classes: tuple[str, ...], select: Callable[[Clause], bool]
) -> None:
    proved = worlds.prove_all(classes, select, meanwhile=killer(service, requests))
    assert proved.broken == set()
    expected = {name for name in proved.verdicts if uses(name.partition("/")[2], service)}
    assert proved.unproven == expected
    assert {name.partition("/")[0] for name in expected} == set(classes)
    for name in expected:
        assert f"{service} died: " in proved.verdicts[name].observation
        assert "end of its log: " in proved.verdicts[name].observation
