"""Every service of the embedded environment as data: its containers, their files, and its readiness URLs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from builder_contracts.services import nginx, upstreams
from builder_contracts.services.principals import Credentials

CONF, DATA = "/srv/conf", "/srv/data"
NGINX = ("nginx", "-c", f"{CONF}/nginx.conf")

NIX_PORT, BAZEL_GRPC_PORT, BAZEL_HTTP_PORT, OBJECTS_PORT = 80, 9092, 8080, 9000


@dataclass(frozen=True)
class ServiceContainer:
    """One container of a service: its command, and the files that are put into it before it starts."""

    name: str
    command: tuple[str, ...]
    files: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class ServiceSpec:
    """A server and the nginx in front of it.

    The first part owns the network and responds under ``alias``; the others share its network and listen on
    loopback. ``ready`` are URLs inside that network, one per part, that return 2xx (tcp: accept a connection) once
    the whole service works.
    """

    name: str
    alias: str
    parts: tuple[ServiceContainer, ...]
    ready: tuple[str, ...]


def nix_cache(alias: str, credentials: Credentials) -> ServiceSpec:
    """A Nix binary cache as many run it in production: static files behind nginx, uploads by PUT."""
    # The operator writes the cache's own description; clients do not upload it.
    prepare = (
        'mkdir -p "$1/main" && printf "StoreDir: /nix/store\\nWantMassQuery: 1\\nPriority: 40\\n" '
        '>"$1/main/nix-cache-info" && shift && exec "$@"'
    )
    conf = nginx.files(credentials, port=NIX_PORT, folder=f"{DATA}/nix")
    command = ("sh", "-c", prepare, "sh", f"{DATA}/nix", *NGINX)
    return ServiceSpec(
        "nix-cache",
        alias,
        (ServiceContainer("nginx", command, {"nginx.conf": conf}),),
        (f"http://127.0.0.1:{NIX_PORT}/main/nix-cache-info",),
    )


def bazel_http(alias: str, credentials: Credentials) -> ServiceSpec:
    """A Bazel HTTP cache: nginx with WebDAV's PUT over a folder."""
    conf = nginx.files(credentials, port=BAZEL_HTTP_PORT, folder=f"{DATA}/bazel")
    command = ("sh", "-c", 'mkdir -p "$1" && shift && exec "$@"', "sh", f"{DATA}/bazel", *NGINX)
    return ServiceSpec(
        "bazel-http",
        alias,
        (ServiceContainer("nginx", command, {"nginx.conf": conf}),),
        (f"http://127.0.0.1:{BAZEL_HTTP_PORT}/.health",),
    )


def bazel_grpc(alias: str, credentials: Credentials) -> ServiceSpec:
    """A Bazel gRPC cache: BuildGrid, whose log names action digests, behind nginx, which knows identities."""
    backend = 50051
    return ServiceSpec(
        "bazel-grpc",
        alias,
        (
            ServiceContainer(
                "nginx",
                NGINX,
                {"nginx.conf": nginx.bazel_grpc(credentials, port=BAZEL_GRPC_PORT, backend=backend)},
            ),
            ServiceContainer(
                "buildgrid",
                ("bgd", "server", "start", "--json-logs", "-vv", f"{CONF}/buildgrid.yml"),
                {"buildgrid.yml": upstreams.buildgrid(port=backend, folder=f"{DATA}/cas")},
            ),
        ),
        (f"tcp://127.0.0.1:{BAZEL_GRPC_PORT}", f"tcp://127.0.0.1:{backend}"),
    )


def registry(alias: str, credentials: Credentials) -> ServiceSpec:
    """An OCI registry with a certificate made for the run; the key never leaves its container."""
    backend = 5001
    certify = (
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj '/CN=registry' "
        '-addext "subjectAltName=DNS:$1" -keyout "$2/key.pem" -out "$2/certificate.pem" 2>/dev/null '
        '&& shift 2 && exec "$@"'
    )
    return ServiceSpec(
        "registry",
        alias,
        (
            ServiceContainer(
                "nginx",
                ("sh", "-c", certify, "sh", alias, CONF, *NGINX),
                {"nginx.conf": nginx.registry(credentials, backend=backend)},
            ),
            ServiceContainer(
                "distribution",
                ("docker-registry", "serve", f"{CONF}/registry.yml"),
                {"registry.yml": upstreams.registry(port=backend, folder=f"{DATA}/registry")},
            ),
        ),
        ("http://127.0.0.1/.health", f"http://127.0.0.1:{backend}/v2/"),
    )


def objects(alias: str, credentials: Credentials) -> ServiceSpec:
    """An S3 object store: SeaweedFS instead of RustFS, which speaks the same protocol."""
    backend = 8333
    weed = (
        "sh", "-c", 'mkdir -p "$1" && shift && exec "$@"', "sh", f"{DATA}/objects",
        "weed", "-v=0", "server", f"-dir={DATA}/objects", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-s3",
        f"-s3.port={backend}", f"-s3.config={CONF}/s3.json", "-volume.max=0", "-master.volumeSizeLimitMB=64",
    )  # fmt: skip
    return ServiceSpec(
        "objects",
        alias,
        (
            ServiceContainer(
                "nginx", NGINX, {"nginx.conf": nginx.objects(port=OBJECTS_PORT, backend=backend)}
            ),
            ServiceContainer("seaweedfs", weed, {"s3.json": upstreams.seaweedfs(credentials)}),
        ),
        (f"http://127.0.0.1:{OBJECTS_PORT}/.health", f"http://127.0.0.1:{backend}/healthz"),
    )


SERVICES: Mapping[str, Callable[[str, Credentials], ServiceSpec]] = {
    "nix-cache": nix_cache,
    "bazel-grpc": bazel_grpc,
    "bazel-http": bazel_http,
    "registry": registry,
    "objects": objects,
}
"""The services that an environment file can ask for, by the name it uses."""
