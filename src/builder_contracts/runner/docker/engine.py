"""The Docker Engine: connect, read its responses, describe images, run commands in containers.

Any engine that speaks Docker's API works; the SDK honors DOCKER_HOST, the docker context and their variables.
Responses are untrusted data: a response that does not have the documented form is an UnexpectedResponse, never a
TypeError of the code that reads it.
"""

from __future__ import annotations

import contextlib
import functools
import grp
import json
import os
import pwd
import socket
import struct
import time
from collections.abc import Callable, Sequence
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Any, TypeVar, cast

import docker
import docker.errors
import requests.exceptions
from docker.context import ContextAPI
from docker.context.config import get_current_context_name
from docker.utils.proxy import ProxyConfig
from docker.utils.socket import SocketError

from builder_contracts.errors import EngineError
from builder_contracts.facts.model import ImageFacts, Seen, Unseen
from builder_contracts.runner.protocol import MOST_OUTPUT, CompletedCommand, TimeLimit, ends_with_line

# Seconds for one response of the engine's API; pulling and executing have their own deadlines.
API_TIMEOUT = 60

# Seconds for one response when a command is over its time: it may be the engine that hangs.
_RESPONSE_WITHIN = 10

SILENCE = 1.0
"""Seconds without output after which the engine is queried whether a program still runs."""

KILLED = 137
"""The exit status that shells and the engine report after SIGKILL."""

T = TypeVar("T", str, int, bool, dict[str, Any], list[Any])


class UnexpectedResponse(docker.errors.DockerException):
    """A response of another form than the engine's API documents."""


LOST = (
    docker.errors.APIError,
    requests.exceptions.RequestException,
    SocketError,
    OSError,
    UnexpectedResponse,
)
"""Everything that a call raises when the engine rejects it, dies, does not respond, or responds nonsense."""


class EngineNotFound(EngineError):
    """No engine responds. ``why`` is the reason alone; ``fix`` says what to do, if the reason shows it."""

    def __init__(self, why: str, fix: str = "") -> None:
        self.why = why
        self.fix = fix
        super().__init__(
            f"cannot reach a Docker Engine ({why}); run 'builder-contracts doctor'"
            if not fix
            else f"cannot reach a Docker Engine ({why}); {fix}"
        )


class _CheckedApi:
    """The SDK's client of the engine. The SDK trusts responses; this checks their form."""

    # The calls whose JSON is used. Every other call returns no JSON, or only its success counts.
    _LISTINGS = ("containers", "networks")
    _OBJECTS = (
        "create_container",
        "exec_create",
        "exec_inspect",
        "info",
        "inspect_container",
        "inspect_image",
        "inspect_network",
        "volumes",
    )

    def __init__(self, api: docker.APIClient) -> None:
        self._api = api

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self._api, name)
        if not callable(attribute):
            return attribute

        @functools.wraps(attribute)
        def call(*arguments: Any, **options: Any) -> Any:
            try:
                response = attribute(*arguments, **options)
            except docker.errors.DockerException:
                raise
            except requests.exceptions.JSONDecodeError as error:
                raise UnexpectedResponse(f"unexpected engine response to {name}: not JSON") from error
            except (KeyError, IndexError, TypeError, AttributeError) as error:
                # The SDK itself reads some responses, including those of failures.
                failure = f"{type(error).__name__}: {error}"
                raise UnexpectedResponse(f"unexpected engine response to {name}: {failure}") from error
            if name in self._LISTINGS:
                entries = _expect(response, list, f"response to {name}")
                return [_Response(_expect(entry, dict, f"entry of {name}")) for entry in entries]
            if name in self._OBJECTS:
                return _Response(_expect(response, dict, f"response to {name}"))
            return response

        return call


class _Response(dict[str, Any]):
    """An object of a response. Reading a missing field raises UnexpectedResponse."""

    def __missing__(self, name: str) -> Any:
        raise UnexpectedResponse(f"unexpected engine response: no {name}")


def field(response: object, *path: str, of: type[T], default: T | None = None) -> T:
    """A field of the engine's JSON. Raises UnexpectedResponse if it is of another type.

    ``default`` replaces a field that is missing or null.
    """
    value = response
    for depth, name in enumerate(path):
        value = _expect(value, dict, ".".join(path[:depth]) or "the response").get(name)
    if value is None and default is not None:
        return default
    return _expect(value, of, ".".join(path))


def _expect(value: object, of: type[T], name: str) -> T:
    # To Python a truth value is a number, and to Docker it is not.
    if isinstance(value, of) and isinstance(value, bool) == (of is bool):
        return value
    shown = json.dumps(value, default=repr)[:60]
    raise UnexpectedResponse(f"unexpected engine response: {name} is {shown}, expected {_TYPE_NAMES[of]}")


_TYPE_NAMES: dict[type, str] = {
    str: "a text",
    int: "a number",
    bool: "true or false",
    dict: "an object",
    list: "a list",
}


def context() -> str:
    """The name of the docker client's current context, which may not exist."""
    return os.environ.get("DOCKER_CONTEXT") or get_current_context_name()


def connect() -> docker.DockerClient:
    """A client of the engine. Raises NoEngine if none responds."""
    try:
        # The SDK would use the default engine instead; the docker client rejects the context.
        if not os.environ.get("DOCKER_HOST") and ContextAPI.get_context(context()) is None:
            raise EngineNotFound(f"no such docker context: {context()!r}")
        # This queries the API version, so an engine has responded when it returns.
        client = docker.from_env(timeout=API_TIMEOUT)
        # The SDK would put the proxies of its user into every container, and so into the facts.
        vars(client.api)["_proxy_configs"] = ProxyConfig()
        client.api = cast(docker.APIClient, _CheckedApi(client.api))
        return client
    except EngineNotFound:
        raise
    except (
        docker.errors.DockerException,
        requests.exceptions.RequestException,
        OSError,
        ValueError,
    ) as error:
        if isinstance(error.__cause__, NameError):
            # The SDK's optional parts are names that it does not have.
            raise EngineNotFound("ssh:// needs the package paramiko: pip install 'docker[ssh]'") from None
        if isinstance(_layers(error)[-1], PermissionError) and (path := _socket_path()):
            raise EngineNotFound(f"permission denied: {path}", _permission_fix(path)) from None
        raise EngineNotFound(reason(error)) from None
    except Exception as error:  # the SDK does not expect corrupt files of the client
        raise EngineNotFound(
            f"invalid docker client configuration: {type(error).__name__}: {error}"
        ) from None


def _socket_path() -> Path | None:
    """The socket by which the client reaches its engine, or None if it uses the network."""
    host = os.environ.get("DOCKER_HOST") or ContextAPI.get_context(context()).Host or ""
    return Path(host.removeprefix("unix://")) if host.startswith("unix://") else None


def _permission_fix(path: Path) -> str:
    """The fix for a user without access to the engine's socket."""
    try:
        user = pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:  # a container's user needs no entry
        user = str(os.geteuid())
    try:
        status = path.stat()
    except OSError:
        return f"make {path.parent} searchable for user {user}, or set DOCKER_HOST to an engine of this user"
    try:
        group = grp.getgrgid(status.st_gid)
    except KeyError:
        group = None
    if group is None or group.gr_gid == 0 or not status.st_mode & 0o020:
        return f"only root may use it; run as root, or set DOCKER_HOST to an engine of user {user}"
    if user in group.gr_mem:
        return f"user {user} is in its group {group.gr_name} since a later login; log in again, or run 'newgrp {group.gr_name}'"
    return f"join its group: 'sudo usermod --append --groups {group.gr_name} {user}', then log in again"


def reason(error: BaseException) -> str:
    """The text of an error of the SDK, without the layers of wrapping."""
    if isinstance(error, docker.errors.APIError) and error.explanation:
        text = str(error.explanation)
    elif isinstance(error, UnexpectedResponse):
        text = str(error)
    else:
        layers = _layers(error)
        inner = layers[-1]
        text = str(inner) or type(inner).__name__
        if any(isinstance(layer, json.JSONDecodeError) for layer in layers):
            text = "unexpected engine response: not JSON"
        elif isinstance(inner, (KeyError, TypeError, AttributeError)):
            # Raised by the SDK itself, which could not read a response.
            text = f"unexpected engine response: {type(inner).__name__}: {text}"
    return " ".join(text.split())[:300]


def _layers(error: BaseException) -> list[BaseException]:
    """The error and those behind it, the first cause last."""
    layers = [error]
    while cause := layers[-1].__cause__ or layers[-1].__context__:
        layers.append(cause)
    return layers


def absent(image: str) -> str:
    """The message about a missing image that the run itself needs."""
    return f"image {image} is not in the engine; run 'builder-contracts doctor'"


def describe_image(client: docker.DockerClient, reference: str) -> ImageFacts | None:
    """The image in the engine, or None without it. Raises what LOST lists."""
    try:
        api: Any = client.api
        image = api.inspect_image(reference)
    except docker.errors.ImageNotFound:
        return None
    except docker.errors.NullResource:
        return None
    config = field(image, "Config", of=dict, default={})
    system, architecture, variant = (
        field(image, name, of=str, default="") for name in ("Os", "Architecture", "Variant")
    )
    return ImageFacts(
        reference=reference,
        digest=field(image, "Id", of=str),
        platform=f"{system}/{architecture}" + (f"/{variant}" if variant else ""),
        labels={
            str(name): str(value) for name, value in field(config, "Labels", of=dict, default={}).items()
        },
        entrypoint=[str(word) for word in field(config, "Entrypoint", of=list, default=[])],
        size=field(image, "Size", of=int, default=0),
        env={name: value for name, _, value in (word.partition("=") for word in _words(config, "Env"))},
        cmd=_words(config, "Cmd"),
        volumes=sorted(map(str, field(config, "Volumes", of=dict, default={}))),
        exposed=sorted(map(str, field(config, "ExposedPorts", of=dict, default={}))),
        healthcheck=_words(field(config, "Healthcheck", of=dict, default={}), "Test"),
        workdir=field(config, "WorkingDir", of=str, default=""),
        user=field(config, "User", of=str, default=""),
        stop_signal=field(config, "StopSignal", of=str, default=""),
    )


def image_digests(client: docker.DockerClient, reference: str) -> frozenset[str]:
    """The content ID of the image and the digests under which registries know it; none without it. Raises what LOST lists."""
    try:
        api: Any = client.api
        image = api.inspect_image(reference)
    except (docker.errors.ImageNotFound, docker.errors.NullResource):
        return frozenset()
    pinned = (str(name).rpartition("@")[2] for name in field(image, "RepoDigests", of=list, default=[]))
    return frozenset([field(image, "Id", of=str), *pinned])


def _words(config: dict[str, Any], name: str) -> list[str]:
    return [str(word) for word in field(config, name, of=list, default=[])]


def image_history(client: docker.DockerClient, reference: str) -> Seen[list[str]]:
    """The commands that built the image's layers, the last one first."""
    api: Any = client.api
    try:
        layers = _expect(api.history(reference), list, "the response")
        return [field(layer, "CreatedBy", of=str, default="") for layer in layers]
    except LOST as error:
        return Unseen(f"the engine has no history of the image: {reason(error)}")


def execute(
    client: docker.DockerClient,
    container: str,
    arguments: Sequence[str],
    *,
    deadline: float,
    user: str = "",
    privileged: bool = False,
    environment: dict[str, str] | None = None,
    directory: str = "",
    listen: Callable[[bytes], None] | None = None,
    last_line: bytes = b"",
) -> CompletedCommand:
    """Run a program in a container for at most ``deadline`` seconds.

    ``listen`` gets each piece of the error output when it arrives, so that long work can show its progress.
    A program that has printed ``last_line`` has succeeded; its deadline counts from its latest output.

    At the deadline the result holds the output until then. The process itself is not killed here (the
    engine has no call for it): the owner of the container removes it.
    """
    api: Any = client.api
    stdout, stderr = _Kept(), _Kept()
    status: int | None = None
    try:
        created = api.exec_create(
            container,
            list(arguments),
            user=user,
            privileged=privileged,
            environment=environment,
            workdir=directory or None,
        )
        execution = field(created, "Id", of=str)
        raw = api.exec_start(execution, socket=True)
        running = partial(_running, api, execution)
        limit = TimeLimit(deadline, by_output=bool(last_line))
        copied = _copy(raw, stdout, stderr, limit, running, listen, last_line)
        if copied is _Copied.LAST_LINE:
            return CompletedCommand(0, bytes(stdout), bytes(stderr), cut=stdout.cut or stderr.cut)
        if copied is _Copied.DEADLINE:
            ended = _hindrance(client, container) or f"no exit within {limit.granted:.3g} s"
        else:
            inspected = api.exec_inspect(execution)
            if inspected.get("ExitCode") is None:
                return CompletedCommand(
                    None, bytes(stdout), bytes(stderr), "the engine reports no exit status"
                )
            status = field(inspected, "ExitCode", of=int)
            ended = "" if status == 0 else death(client, container)
            # The engine reports the program's exit before that of the container that it died with.
            for _ in range(10 if status == KILLED else 0):
                if ended:
                    break
                time.sleep(0.1)
                ended = death(client, container)
    except LOST as error:
        ended = f"lost the command in the engine: {reason(error)}"
        with contextlib.suppress(*LOST):
            ended = death(client, container) or ended
    cut = stdout.cut or stderr.cut
    return CompletedCommand(None if ended else status, bytes(stdout), bytes(stderr), ended, cut)


class _Kept(bytearray):
    """The beginning of a stream; ``cut`` says that it was longer."""

    cut = False

    def add(self, frame: bytes | bytearray) -> None:
        room = max(0, MOST_OUTPUT - len(self))
        self += frame[:room]
        self.cut = self.cut or len(frame) > room


def _hindrance(client: docker.DockerClient, container: str) -> str:
    """Why a program could not end that did not end in time, or an empty text. Raises what LOST lists."""
    api: Any = client.api
    try:
        # The SDK's own call would wait for a minute.
        response = api.get(
            f"{api.base_url}/v{api.api_version}/containers/{container}/json", timeout=_RESPONSE_WITHIN
        )
    except requests.exceptions.Timeout:
        return f"lost the command in the engine: no response within {_RESPONSE_WITHIN} s"
    paused = field(response.json(), "State", of=dict).get("Paused") is True
    return "lost the command in the engine: the container is paused" if paused else ""


class _Copied(Enum):
    """What ended the copy of a command's output."""

    WHOLE = "the end of the output"
    LAST_LINE = "its last line"
    DEADLINE = "the deadline"


def _running(api: Any, execution: str, seconds: float) -> bool:
    """True while a program runs, and if the engine does not respond within some seconds."""
    # The SDK's own call waits for API_TIMEOUT, whatever the deadline is.
    address = f"{api.base_url}/v{api.api_version}/exec/{execution}/json"
    try:
        return field(api.get(address, timeout=seconds).json(), "Running", of=bool)
    except (requests.exceptions.Timeout, ValueError, UnexpectedResponse):
        return True


def death(client: docker.DockerClient, container: str) -> str:
    """The exit of a container, with the last line of its log; empty while it runs. Raises the exceptions in LOST."""
    state = field(client.api.inspect_container(container), "State", of=dict)
    if field(state, "Running", of=bool):
        return ""
    killed = " (out of memory)" if state.get("OOMKilled") else ""
    status = field(state, "ExitCode", of=int)
    log = ""
    # The engine reports an exit before it has copied the last lines of the log.
    for pause in (0, 0.1, 0.4) if status else (0,):
        time.sleep(pause)
        if log := client.api.logs(container, tail=1).decode("utf-8", errors="replace").strip():
            break
    return f"container exited with status {status}{killed}" + (f": {log[:300]}" if log else "")


def _copy(
    raw: Any,
    stdout: _Kept,
    stderr: _Kept,
    limit: TimeLimit,
    running: Callable[[float], bool],
    listen: Callable[[bytes], None] | None = None,
    last_line: bytes = b"",
) -> _Copied:
    """Copy the engine's multiplexed stream; what ended the copy.

    The stream stays open after the program's exit while a child holds it, and now and then for no reason
    (moby issues 41052 and 36048). So the engine is queried after a silence, and a second silence after the
    exit ends the copy.

    Each frame has a header of eight bytes: stream number, three zeros, length. Source: the Docker Engine
    API reference, "Attach to a container", stream format.
    """
    # SocketIO of a plain connection wraps the socket whose timeout counts.
    connection: socket.socket = getattr(raw, "_sock", raw)
    response = getattr(raw, "_response", None)
    buffer = bytearray()
    over = False
    try:
        early = _read_with_the_head(response, connection)
        while True:
            remaining = limit.remaining
            if remaining <= 0:
                return _Copied.DEADLINE
            connection.settimeout(min(remaining, SILENCE))
            try:
                chunk, early = early or connection.recv(65536), b""
            except TimeoutError:
                if over:
                    return _Copied.WHOLE
                over = not running(max(remaining - SILENCE, 0.1))
                continue
            if not chunk:
                if buffer:
                    raise ConnectionError("the connection closed in the middle of the output")
                return _Copied.WHOLE
            buffer += chunk
            while len(buffer) >= 8:
                stream, length = struct.unpack(">BxxxL", buffer[:8])
                if len(buffer) < 8 + length:
                    break
                target = stderr if stream == 2 else stdout
                target.add(buffer[8 : 8 + length])
                if last_line and not target.cut:
                    limit.note_output()
                if last_line and stream != 2 and ends_with_line(stdout, last_line, length):
                    return _Copied.LAST_LINE
                if listen is not None and stream == 2:
                    listen(bytes(buffer[8 : 8 + length]))
                del buffer[: 8 + length]
    finally:
        # From the outside in: a response whose socket closes first raises when it is collected, and
        # Python 3.13 and later print that.
        if response is not None:
            response.close()
        raw.close()
        connection.close()


def _read_with_the_head(response: Any, connection: socket.socket) -> bytes:
    """Output that the HTTP client read along with the head of the response, and that the socket lacks.

    A quick program has printed something by then, and so has any program on a busy host.
    """
    if response is None:
        return b""
    connection.setblocking(False)
    # With an empty buffer it reads the connection once, without waiting.
    with contextlib.suppress(OSError):
        return bytes(response.raw._fp.fp.read1() or b"")
    return b""
