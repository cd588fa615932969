"""Start services of the embedded environment manually: ``python -m builder_contracts.services nix-cache registry``.

The command prints how to reach them, waits for an interrupt, then removes them.
"""

from __future__ import annotations

import argparse
import sys
import threading
from collections.abc import Sequence

from builder_contracts.errors import EngineError
from builder_contracts.runner import interrupts
from builder_contracts.runner.docker import engine
from builder_contracts.runner.docker.cleanup import RunLabels, close, sweep
from builder_contracts.services.catalog import SERVICES
from builder_contracts.services.principals import Credentials
from builder_contracts.services.stack import ServiceDown, ServiceStack


def main(arguments: Sequence[str] | None = None) -> int:
    """Start the named services, and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m builder_contracts.services", description=__doc__)
    parser.add_argument(
        "services", nargs="+", choices=list(SERVICES), metavar="SERVICE", help=", ".join(SERVICES)
    )
    chosen = parser.parse_args(arguments).services
    try:
        client = engine.connect()
    except EngineError as error:
        print(error, file=sys.stderr)
        return 4
    run, credentials = RunLabels(), Credentials.random()
    host = ServiceStack(client, run)
    try:
        sweep(client)
        host.start(SERVICES[name](f"{name}.example", credentials) for name in chosen)
        for name in chosen:
            started = host.up(name)
            print(f"{name}: {name}.example at {started.address}, on the network {host.network}")
            print(f"  log: docker logs -f {started.containers[0][:12]}")
        for identity in (credentials.reader, credentials.writer):
            print(f"{identity.name}: password {identity.secret}")
        # A shell lets programs in the background ignore Ctrl-C.
        interrupts.end_in_order(unignore=True)
        print("Ctrl-C removes them.", flush=True)
        threading.Event().wait()
    except ServiceDown as down:
        print(down, file=sys.stderr)
        return 4
    except engine.LOST as error:
        print(f"lost connection to the Docker Engine: {engine.reason(error)}", file=sys.stderr)
        return 4
    except KeyboardInterrupt:
        pass
    finally:
        with interrupts.ignored():
            host.close()
            left = close(client, run)
            client.close()
        for line in left.lines:
            print(line, file=sys.stderr)
    return 6 if left.lines else 0


if __name__ == "__main__":
    raise SystemExit(main())
