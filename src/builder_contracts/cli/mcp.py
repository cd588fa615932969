"""builder-contracts mcp: answer the questions of agents, over the Model Context Protocol."""

from __future__ import annotations

import ipaddress
import os
from pathlib import Path
from urllib.parse import urlsplit

import click

from builder_contracts.cli.history import Place
from builder_contracts.cli.options import table_options
from builder_contracts.dashboard.history.postgres import ServerAddress
from builder_contracts.run.options import MCP, seconds, settings_of, usage_error


@click.command()
@table_options(MCP)
@click.option(
    "--root", type=click.Path(path_type=Path, exists=True, file_okay=False), default=Path(), metavar="DIR",
    help="Read files only below this directory (default: the current one).",
)  # fmt: skip
@click.option(
    "--history", type=Place(), metavar="FILE",
    help="History below the root, or the URL of a PostgreSQL database, for what the last nights showed.",
)  # fmt: skip
@click.option("--allow-run", is_flag=True, help="Allow the tool 'check', which starts containers.")
@click.option("--timeout", default="600", metavar="SECONDS", help="Time limit for each tool (default: 600).")
@click.option(
    "--http", "address", is_flag=False, flag_value="127.0.0.1:8765", metavar="HOST:PORT",
    help="Serve streamable HTTP at /mcp of this loopback address (without one: 127.0.0.1:8765), instead of stdio.",
)  # fmt: skip
def mcp(
    contracts_directory: Path | None,
    settings: tuple[str, ...],
    root: Path,
    history: Path | ServerAddress | None,
    allow_run: bool,
    timeout: str,
    address: str | None,
) -> None:
    """Serve agents over the Model Context Protocol: list, explain, check, diff, select, judge, read the history.

    Reads only, unless --allow-run is given. Paths are relative to the root; what is outside is refused.

    \b
    Examples:
      builder-contracts mcp
      builder-contracts mcp --root ../platform --history history.db
      builder-contracts mcp --http 127.0.0.1:8765 --allow-run
    """
    from builder_contracts.cli.mcp_server import serve_http, serve_stdio
    from builder_contracts.cli.mcp_tools import Workspace

    settings_of(MCP, settings)
    try:
        limit = seconds(timeout)
    except ValueError as error:
        raise usage_error(f"--timeout: {error}", "pass --timeout SECONDS") from None
    where = loopback(address) if address is not None else None
    os.chdir(root)
    # The processes of tools start in that directory, which belongs to others: no module is taken from there.
    os.environ["PYTHONSAFEPATH"] = "1"
    workspace = Workspace(
        Path.cwd(),
        str(contracts_directory or "contracts"),
        settings,
        history,
        allow_run=allow_run,
        limit=limit,
    )
    # Everything is looked at before a client waits for its first answer.
    workspace.contracts_path()
    if isinstance(history, Path):
        workspace.inside(str(history))
    if where is None:
        serve_stdio(workspace)
    else:
        serve_http(workspace, *where)


def loopback(text: str) -> tuple[str, int]:
    """The host and the port of HOST:PORT. Raises InputError for a host that others can reach: nobody has to log in."""
    fix = "use a loopback address such as 127.0.0.1:8765 or [::1]:8765"
    try:
        parts = urlsplit(f"//{text}")
        host, port = parts.hostname or "", parts.port
        reachable = host != "localhost" and not ipaddress.ip_address(host).is_loopback
    except ValueError:
        raise usage_error(f"--http {text}: not an address and a port", fix) from None
    if port is None or parts.netloc != text or "@" in text:
        raise usage_error(f"--http {text}: not an address and a port", fix)
    if reachable:
        raise usage_error(f"--http {text}: others can reach {host}, and the server asks for no password", fix)
    return host, port
