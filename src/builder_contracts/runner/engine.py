"""The Docker Engine: finding it, asking it about itself and about images, running commands in containers.

Any engine that speaks Docker's API will do; DOCKER_HOST and the current docker context's usual variables
are honoured by the SDK.
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import docker
import docker.errors
import requests.exceptions
from docker.context import ContextAPI
from docker.context.config import get_current_context_name
from docker.utils.socket import SocketError

from builder_contracts.errors import EngineError
from builder_contracts.facts.model import Image
from builder_contracts.runner.protocol import Completed

# Seconds for one answer of the engine's API; pulling and executing have deadlines of their own.
API_TIMEOUT = 60

SILENCE = 1.0
"""Seconds without output after which the engine is asked whether a program still runs."""

KILLED = 137
"""The status of what was ended with SIGKILL, as shells and the engine tell it."""

LOST = (docker.errors.APIError, requests.exceptions.RequestException, SocketError, OSError)
"""What the SDK raises when the engine refuses, dies, or stops answering."""


class NoEngine(EngineError):
    """No engine answers; ``why`` is the reason alone."""

    def __init__(self, why: str) -> None:
        self.why = why
        super().__init__(f"cannot reach a Docker Engine ({why}); run 'builder-contracts doctor'")


def context() -> str:
    """The name of the docker client's context that is in use, which may not exist."""
    return os.environ.get("DOCKER_CONTEXT") or get_current_context_name()


def connect() -> docker.DockerClient:
    """A client of the engine that answers. Raises NoEngine where none does."""
    try:
        # The SDK would take the default engine in its place, the docker client refuses.
        if not os.environ.get("DOCKER_HOST") and ContextAPI.get_context(context()) is None:
            raise NoEngine(f"no such docker context: {context()!r}")
        # Asks for the version of the engine's API, so that what comes back has answered.
        return docker.from_env(timeout=API_TIMEOUT)
    except NoEngine:
        raise
    except (
        docker.errors.DockerException,
        requests.exceptions.RequestException,
        OSError,
        ValueError,
    ) as error:
        # The SDK's optional parts are names that it does not have.
        lacks = isinstance(error.__cause__, NameError)
        raise NoEngine(
            "ssh:// needs the package paramiko: pip install 'docker[ssh]'" if lacks else reason(error)
        ) from None
    except Exception as error:  # the SDK reads the client's files as if they were never damaged
        what = f"{type(error).__name__}: {error}"
        raise NoEngine(f"invalid docker client configuration: {what}") from None


def reason(error: BaseException) -> str:
    """What an error of the SDK says, without the layers of wrapping."""
    if isinstance(error, docker.errors.APIError) and error.explanation:
        text = str(error.explanation)
    else:
        inner: BaseException = error
        while inner.__cause__ is not None or inner.__context__ is not None:
            inner = inner.__cause__ or inner.__context__ or inner
        text = str(inner) or type(inner).__name__
    return " ".join(text.split())[:300]


def absent(image: str) -> str:
    """What is said where an image that the run itself needs is missing."""
    return f"image {image} is not in the engine; run 'builder-contracts doctor'"


def describe_image(client: docker.DockerClient, reference: str) -> Image | None:
    """The image as the engine has it, or None where it does not. Raises what LOST lists."""
    try:
        api: Any = client.api
        found = api.inspect_image(reference)
    except docker.errors.ImageNotFound:
        return None
    except docker.errors.NullResource:
        return None
    config = found.get("Config") or {}
    variant = f"/{found['Variant']}" if found.get("Variant") else ""
    return Image(
        reference=reference,
        digest=found["Id"],
        platform=f"{found.get('Os', '')}/{found.get('Architecture', '')}{variant}",
        labels=dict(config.get("Labels") or {}),
        entrypoint=list(config.get("Entrypoint") or []),
        size=int(found.get("Size") or 0),
    )


def execute(
    client: docker.DockerClient,
    container: str,
    arguments: Sequence[str],
    *,
    deadline: float,
    user: str = "",
    privileged: bool = False,
    environment: dict[str, str] | None = None,
    listen: Callable[[bytes], None] | None = None,
) -> Completed:
    """Run a program in a container for at most ``deadline`` seconds.

    ``listen`` is given each piece of its error output as it comes: how long work shows its progress.

    At the deadline the answer holds what was printed until then. The process itself is not killed here
    (the engine has no call for it): whoever owns the container removes it.
    """
    api: Any = client.api
    stdout, stderr = bytearray(), bytearray()
    status: int | None = None
    try:
        created = api.exec_create(
            container, list(arguments), user=user, privileged=privileged, environment=environment
        )
        raw = api.exec_start(created["Id"], socket=True)
        running = partial(_running, api, created["Id"])
        if _copy(raw, stdout, stderr, time.monotonic() + deadline, running, listen):
            ended = f"no exit within {deadline:.3g} s"
        else:
            status = api.exec_inspect(created["Id"])["ExitCode"]
            ended = "" if status == 0 else death(client, container)
            # The engine tells of a program's end before that of the container that it died with.
            for _ in range(10 if status == KILLED else 0):
                if ended:
                    break
                time.sleep(0.1)
                ended = death(client, container)
    except LOST as error:
        ended = f"lost the command in the engine: {reason(error)}"
        with contextlib.suppress(*LOST):
            ended = death(client, container) or ended
    return Completed(None if ended else status, bytes(stdout), bytes(stderr), ended)


def _running(api: Any, execution: str, seconds: float) -> bool:
    """Whether a program still runs; an engine that does not say within some seconds is not asked for longer."""
    # The SDK's own call waits for API_TIMEOUT, whatever the deadline is.
    address = f"{api.base_url}/v{api.api_version}/exec/{execution}/json"
    try:
        return bool(api.get(address, timeout=seconds).json()["Running"])
    except (requests.exceptions.Timeout, ValueError, KeyError):
        return True


def death(client: docker.DockerClient, container: str) -> str:
    """How a container died, with the last line of its log; empty while it runs. Raises what LOST lists."""
    state = client.api.inspect_container(container)["State"]
    if state["Running"]:
        return ""
    killed = " (out of memory)" if state.get("OOMKilled") else ""
    log = client.api.logs(container, tail=1).decode("utf-8", errors="replace").strip()
    return f"container exited with status {state['ExitCode']}{killed}" + (f": {log[:300]}" if log else "")


def _copy(
    raw: Any,
    stdout: bytearray,
    stderr: bytearray,
    until: float,
    running: Callable[[float], bool],
    listen: Callable[[bytes], None] | None = None,
) -> bool:
    """Copy the engine's multiplexed stream; True when the deadline came first.

    The stream stays open after the program's end while a child that it left behind holds it, and now and
    then for no reason (moby issues 41052 and 36048). So in silence the engine is asked, and a second silence
    after the end is the end.

    Each frame has a header of eight bytes: stream number, three zeros, length. Source: the Docker Engine
    API reference, "Attach to a container", stream format.
    """
    # SocketIO of a plain connection wraps the socket whose time-out counts.
    connection: socket.socket = getattr(raw, "_sock", raw)
    response = getattr(raw, "_response", None)
    buffer = bytearray()
    over = False
    try:
        early = _read_with_the_head(response, connection)
        while True:
            left = until - time.monotonic()
            if left <= 0:
                return True
            connection.settimeout(min(left, SILENCE))
            try:
                chunk, early = early or connection.recv(65536), b""
            except TimeoutError:
                if over:
                    return False
                over = not running(max(left - SILENCE, 0.1))
                continue
            if not chunk:
                return False
            buffer += chunk
            while len(buffer) >= 8:
                stream, length = struct.unpack(">BxxxL", buffer[:8])
                if len(buffer) < 8 + length:
                    break
                (stderr if stream == 2 else stdout).extend(buffer[8 : 8 + length])
                if listen is not None and stream == 2:
                    listen(bytes(buffer[8 : 8 + length]))
                del buffer[: 8 + length]
    finally:
        # From the outside in: a response whose socket is closed under it raises when it is collected, which
        # Python 3.13 and later say aloud.
        if response is not None:
            response.close()
        raw.close()
        connection.close()


def _read_with_the_head(response: Any, connection: socket.socket) -> bytes:
    """What the HTTP client read along with the head of the answer, and keeps in a buffer that the socket lacks.

    A program that is quick, or a harness that gets little of the processor, has said something by then.
    """
    if response is None:
        return b""
    connection.setblocking(False)
    # Where nothing is buffered it looks at the connection, once, and finds what has come or nothing.
    with contextlib.suppress(OSError):
        return bytes(response.raw._fp.fp.read1() or b"")
    return b""
