"""The server of agents: the tools and resources, over stdio or over HTTP on loopback."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import uvicorn
from mcp import types
from mcp.server.lowlevel import Server
from mcp.server.lowlevel.helper_types import ReadResourceContents
from mcp.server.stdio import stdio_server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.server.transport_security import TransportSecuritySettings
from pydantic import AnyUrl
from starlette.applications import Starlette
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from builder_contracts import __version__
from builder_contracts.cli.mcp_tools import TOOLS, Workspace, call, read_history, refusal
from builder_contracts.contract import files, schemas
from builder_contracts.errors import BuilderContractsError
from builder_contracts.redaction import redact
from builder_contracts.run.options import usage_error

_SCHEME = "builder-contracts://"
_LAST_NIGHT = f"{_SCHEME}last-night"
_LONGEST = 1_000_000
_INSTRUCTIONS = (
    "A contract states what a class of CI runners promises. A verdict is kept, broken or unproven; unproven means that "
    "nobody could look, and is never success. Read 'expected', 'observed', 'cause' and 'fix' of a verdict, then 'next'."
)


def build(workspace: Workspace) -> Server[Any, Any]:
    """The server with its tools and resources."""
    server: Server[Any, Any] = Server("builder-contracts", __version__, _INSTRUCTIONS)

    async def list_tools() -> list[types.Tool]:
        return [
            types.Tool(
                name=name,
                description=tool.description,
                inputSchema=tool.input_schema,
                outputSchema=tool.output_schema,
                annotations=types.ToolAnnotations(readOnlyHint=name != "check", openWorldHint=False),
            )
            for name, tool in TOOLS.items()
        ]

    async def call_tool(name: str, arguments: dict[str, Any]) -> Any:
        if name not in TOOLS:
            data = refusal(
                name, usage_error(f"no tool named {name[:200]!r}", f"use one of {', '.join(TOOLS)}")
            )
        else:
            data = await call(workspace, name, arguments, _teller(server))
        if "error" not in data:
            return data
        text = types.TextContent(type="text", text=json.dumps(data, indent=2))
        return types.CallToolResult(content=[text], structuredContent=data, isError=True)

    async def list_resources() -> list[types.Resource]:
        return [
            types.Resource(uri=AnyUrl(uri), name=uri.removeprefix(_SCHEME), mimeType=mime)
            for uri, (mime, _) in _resources(workspace).items()
        ]

    async def read_resource(uri: AnyUrl) -> list[ReadResourceContents]:
        mime, read = _resources(workspace).get(str(uri), ("", None))
        if read is None:
            raise ValueError(f"no resource {redact(str(uri))[:200]}: list the resources")
        return [ReadResourceContents(await anyio.to_thread.run_sync(read), mime)]

    # The SDK's decorators are not typed.
    server.list_tools()(list_tools)  # type: ignore[no-untyped-call]
    server.call_tool()(call_tool)
    server.list_resources()(list_resources)  # type: ignore[no-untyped-call]
    server.read_resource()(read_resource)  # type: ignore[no-untyped-call]
    return server


def _teller(server: Server[Any, Any]) -> Callable[[str], Any]:
    """Tells the client that waits for the present request that it is at work, if it wants to know."""
    context = server.request_context
    token = context.meta.progressToken if context.meta else None
    count = 0

    async def say(line: str) -> None:
        nonlocal count
        count += 1
        if token is not None:
            await context.session.send_progress_notification(
                token, count, message=redact(line), related_request_id=str(context.request_id)
            )

    return say


def _resources(workspace: Workspace) -> dict[str, tuple[str, Callable[[], str]]]:
    """The resources by their addresses: how each is written, and what reads it."""
    resources: dict[str, tuple[str, Callable[[], str]]] = {}
    try:
        contracts = workspace.load()
    except BuilderContractsError:
        # A contract that cannot be read has its message in the answer of every tool.
        contracts = []
    for contract in contracts:
        read = partial(_contract, workspace.root / contract.source.file)
        resources[f"{_SCHEME}contracts/{contract.name}"] = ("application/yaml", read)
    for name in schemas.names():
        resources[f"{_SCHEME}schemas/{name}"] = ("application/schema+json", partial(schemas.text, name))
    if workspace.history is not None:
        resources[_LAST_NIGHT] = ("application/json", partial(_last_night, workspace))
    return resources


def _contract(path: Path) -> str:
    return redact(files.read_text(path, _LONGEST))


def _last_night(workspace: Workspace) -> str:
    try:
        data = read_history(workspace, {})
    except BuilderContractsError as error:
        data = refusal("read_history", error)
    return json.dumps(data, indent=2)


def serve_stdio(workspace: Workspace) -> None:
    """Serve one client until it closes this process's standard input."""
    server = build(workspace)

    async def serve() -> None:
        async with stdio_server() as (incoming, outgoing):
            await server.run(incoming, outgoing, server.create_initialization_options())

    anyio.run(serve)


class _HttpEndpoint:
    """All methods of one path. Below a mount, its path without a slash would be redirected to any host."""

    def __init__(self, manager: StreamableHTTPSessionManager) -> None:
        self._manager = manager

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._manager.handle_request(scope, receive, send)


def serve_http(workspace: Workspace, host: str, port: int) -> None:
    """Serve clients on this host until a signal comes. A page in a browser is no client: its origin is refused."""
    named = f"[{host}]" if ":" in host else host
    manager = StreamableHTTPSessionManager(
        build(workspace),
        security_settings=TransportSecuritySettings(
            allowed_hosts=[f"{named}:{port}"], allowed_origins=[f"http://{named}:{port}"]
        ),
    )

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with manager.run():
            yield

    app = Starlette(routes=[Route("/mcp", _HttpEndpoint(manager))], lifespan=lifespan)
    uvicorn.run(app, host=host, port=port, log_level="warning")
