"""The run's own networks: an internal network for runners, and stand-ins for hosts that must be out of reach.

Nothing on the internal network has a default route. A stand-in has its own network without a route outside, to which
the class's runner is never attached. The forbidden address is its second address, because a Docker network with that
subnet would add a route on the host, which may have a real metadata service at the same address, and because two runs
could not have that network at the same time.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any

import docker
import docker.errors
from docker.types import EndpointConfig, IPAMConfig, IPAMPool

from builder_contracts.facts.model import ConnectionFacts, Seen, Unseen
from builder_contracts.runner.docker import engine, tls_servers
from builder_contracts.runner.docker.cleanup import RunLabels
from builder_contracts.runner.docker.network_plan import ForbiddenHost, NetworkPlan
from builder_contracts.runner.protocol import StandIn

SERVICES_IMAGE = "builder-contracts/services"

# A network without an address on the host's side of the bridge: its default route ends there, so nothing
# leaves it. An internal network would filter the stand-in's address, which is not of its subnet.
_DEAD_END = {
    "com.docker.network.bridge.inhibit_ipv4": "true",
    "com.docker.network.bridge.enable_ip_masquerade": "false",
}

# nginx as an unprivileged listener: it accepts on every port and returns one line.
_LISTENER = """
pid /tmp/nginx.pid;
error_log stderr;
daemon off;
events {}
http {
  access_log off;
  client_body_temp_path /tmp/body;
  proxy_temp_path /tmp/proxy;
  fastcgi_temp_path /tmp/fastcgi;
  uwsgi_temp_path /tmp/uwsgi;
  scgi_temp_path /tmp/scgi;
  server { LISTEN return 200 "stand-in\\n"; }
}
"""


class RunNetwork:
    """The networks of one run, created when they are first needed and removed with the run."""

    def __init__(self, client: docker.DockerClient, run: RunLabels, surroundings: NetworkPlan) -> None:
        self._client = client
        self._run = run
        self._surroundings = surroundings
        self._lock = threading.Lock()
        self._making = threading.Lock()
        self._networks: dict[str, str] = {}
        self._hosts: list[Future[None]] | None = None
        self._tls_servers: Future[Seen[tls_servers.TlsServers]] | None = None
        self._stand_ins: dict[str, Future[Seen[StandIn]]] = {}
        self._pool = ThreadPoolExecutor(max_workers=8, thread_name_prefix="run-network")

    def close(self) -> None:
        """Wait for pending starts, so that nothing appears after the run was cleaned up."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def attach(self, kind: str) -> str:
        """The name of the network of that kind (internal, routed), created if missing."""
        with self._making:
            if kind not in self._networks:
                self._networks[kind] = self._create(kind, internal=kind == "internal")
            return self._networks[kind]

    def hosts(self) -> list[Future[None]]:
        """The hosts of the environment, started in the background at the first call."""
        with self._lock:
            if self._hosts is None:
                self._hosts = [
                    self._pool.submit(self._listen, host, ports)
                    for host, ports in self._surroundings.hosts.items()
                ]
            return self._hosts

    def hosts_failure(self) -> str:
        """The reasons why hosts of the environment did not start, or an empty text; waits for their start."""
        reasons = [engine.reason(error) for start in self.hosts() if (error := start.exception())]
        return "; ".join(dict.fromkeys(reasons))

    def unreachable(self, names: Iterable[str], network: str) -> dict[str, Unseen]:
        """Those of the hosts that a runner on that kind of network cannot be asked about, with the reason.

        A name in a domain of the environment's hosts is the environment's: where no such host is, the name is wrong.
        A name elsewhere is of a host outside, to which only a network with a way out leads.
        """
        names = list(names)
        if not names:
            return {}
        if failure := self.hosts_failure():
            return dict.fromkeys(names, Unseen(failure))
        domains = {host.partition(".")[2] for host in self._surroundings.hosts}
        reason = f"the run's network has no way out, and environment {self._surroundings.name} has no host in this domain"
        outside = Unseen(reason, provable_here=False)
        return {
            name: outside
            for name in names
            if network != "routed" and (domain := name.partition(".")[2]) and domain not in domains
        }

    def await_tls(self) -> Seen[tls_servers.TlsServers]:
        """The TLS servers of the run, started at the first call; waits until they answer."""
        with self._lock:
            if self._tls_servers is None:
                self._tls_servers = self._pool.submit(self._start_tls)
        return self._tls_servers.result()

    def _start_tls(self) -> Seen[tls_servers.TlsServers]:
        try:
            container = self._start(self.attach("internal"), "tls", tls_servers.COMMAND, tls_servers.ENDPOINT)
            return tls_servers.await_ready(self._client, container)
        except engine.LOST as error:
            return Unseen(f"cannot start the run's TLS servers: {engine.reason(error)}")

    def stand_in(self, name: str) -> Future[Seen[StandIn]]:
        """The stand-in of a forbidden host, started in the background at the first call."""
        with self._lock:
            if name not in self._stand_ins:
                host = next((host for host in self._surroundings.forbidden if host.name == name), None)
                start = partial(self._stand_in, host) if host else partial(self._unknown, name)
                self._stand_ins[name] = self._pool.submit(start)
            return self._stand_ins[name]

    def _unknown(self, name: str) -> Seen[StandIn]:
        return Unseen(f"environment {self._surroundings.name} defines no forbidden host {name!r}")

    def _create(
        self, what: str, *, internal: bool, options: dict[str, str] | None = None, ipv6: bool = False
    ) -> str:
        name = self._run.name(what)
        # Engines have no pool of IPv6 networks by default. A random one: section 3.2 of RFC 4193.
        digits = secrets.token_hex(5)
        subnet = f"fd{digits[:2]}:{digits[2:6]}:{digits[6:]}::/64"
        ipam = IPAMConfig(pool_configs=[IPAMPool(subnet=subnet)]) if ipv6 else None
        self._client.api.create_network(
            name,
            driver="bridge",
            internal=internal,
            labels=self._run.labels,
            options=options,
            ipam=ipam,
            enable_ipv6=ipv6,
        )
        return name

    def _listen(self, host: str, ports: tuple[int, ...]) -> None:
        endpoint = EndpointConfig("1.44", aliases=[host])
        self._serve(self.attach("internal"), f"host-{host}", map(str, ports), endpoint)

    def _serve(self, network: str, what: str, listens: Iterable[str], endpoint: EndpointConfig | None) -> str:
        listen = " ".join(f"listen {address};" for address in listens)
        # The configuration is an argument, not a file: nothing of the host is mounted.
        command = ["sh", "-c", 'printf %s "$1" >/tmp/nginx.conf && exec nginx -c /tmp/nginx.conf', "sh"]
        return self._start(network, what, [*command, _LISTENER.replace("LISTEN", listen)], endpoint)

    def _start(self, network: str, what: str, command: list[str], endpoint: EndpointConfig | None) -> str:
        api: Any = self._client.api
        try:
            created = api.create_container(
                SERVICES_IMAGE,
                command,
                name=self._run.name(what),
                labels=self._run.labels,
                host_config=api.create_host_config(
                    network_mode=network,
                    cap_drop=["ALL"],
                    security_opt=["no-new-privileges"],
                    pids_limit=100,
                    mem_limit="256m",
                ),
                networking_config=api.create_networking_config({network: endpoint}) if endpoint else None,
            )
        except docker.errors.ImageNotFound:
            raise docker.errors.ImageNotFound(engine.absent(SERVICES_IMAGE)) from None
        container = engine.field(created, "Id", of=str)
        api.start(container)
        return container

    def _stand_in(self, host: ForbiddenHost) -> Seen[StandIn]:
        try:
            network = self._create(
                f"forbidden-{host.name}", internal=False, options=_DEAD_END, ipv6=host.ipv6
            )
            neighbour = self._pool.submit(
                self._start, network, f"control-{host.name}", ["sleep", "300"], None
            )
            listen = f"[::]:{host.port}" if host.ipv6 else str(host.port)
            stand_in = self._serve(network, f"stand-in-{host.name}", [listen], None)
            alone = f"{host.address}/{128 if host.ipv6 else 32}"
            self._ip(stand_in, ["addr", "add", alone, "dev", "eth0"])
            self._ip(neighbour.result(), ["route", "add", alone, "dev", "eth0"])
            control = self._control(neighbour.result(), host)
        except engine.LOST as error:
            return Unseen(f"cannot start the stand-in for {host.name}: {engine.reason(error)}")
        return StandIn(host.address, host.port, control)

    def _ip(self, container: str, arguments: list[str]) -> None:
        """Run ip(8) in a container's network with the privilege that this one command needs."""
        completed = engine.execute(
            self._client, container, ["ip", *arguments], deadline=10, user="root", privileged=True
        )
        if completed.status != 0:
            output = completed.ended or completed.stderr.decode("utf-8", errors="replace").strip()
            raise docker.errors.APIError(f"ip {' '.join(arguments)}: {output}")

    def _control(self, neighbour: str, host: ForbiddenHost) -> Seen[ConnectionFacts]:
        """A connection to the stand-in from a neighbour on its network, retried while its server starts."""
        name = f"[{host.address}]" if host.ipv6 else host.address
        url = f"http://{name}:{host.port}/"
        until = time.monotonic() + 10
        while True:
            completed = engine.execute(
                self._client,
                neighbour,
                ["curl", "--silent", "--max-time", "2", "--noproxy", "*", url],
                deadline=5,
            )
            if completed.status == 0:
                return ConnectionFacts("connected", f"a neighbour on its network can read {url}")
            if time.monotonic() > until:
                message = completed.ended or f"curl exited with status {completed.status}"
                return ConnectionFacts("failed", f"{message} at {url}")
            time.sleep(0.05)
