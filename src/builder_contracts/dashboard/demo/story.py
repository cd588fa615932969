"""A seeded story of builder classes over sixty nights.

It contains the events of real pools: an image that loses a tool, a cache that is down, a clause that is kept on
some nights only, a build that becomes slower until it exceeds its budget, a class that stops reporting.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from builder_contracts.verdict import Outcome

_MIB = 1 << 20


_GIB = 1 << 30


@dataclass(frozen=True)
class SimulatedMeasurement:
    """A measured quantity: its first value, its drift per night, its scatter (a ratio), its budget."""

    quantity: str
    begins: float
    budget: float
    drift: float = 0.0
    scatter: float = 0.02

    def read(self, night: int, chance: random.Random) -> float:
        value = (self.begins + self.drift * night) * (1 + chance.gauss(0, self.scatter))
        return min(value, 1.0) if self.quantity.endswith("_ratio") else value


@dataclass(frozen=True)
class SimulatedClause:
    """A clause, and what is observed when it is kept. ``flaky``: the chance that a night breaks it."""

    id: str
    promised: str
    seen: str
    seconds: float = 0.05
    flaky: float = 0.0
    flaky_seen: str = ""
    gauges: tuple[SimulatedMeasurement, ...] = ()


@dataclass(frozen=True)
class SimulatedFault:
    """Clauses that are not kept from night ``first`` up to, not including, night ``until``."""

    first: int
    until: int
    clauses: Sequence[str]
    outcome: Outcome
    seen: str
    likely: str


@dataclass(frozen=True)
class SimulatedClass:
    """A builder class: its clauses, the nights on which image and contract change, its troubles, its gaps."""

    name: str
    clauses: Sequence[SimulatedClause]
    new_image: Sequence[int]
    new_contract: Sequence[int] = ()
    troubles: Sequence[SimulatedFault] = ()
    silent: Sequence[int] = field(default=())


def build_story() -> list[SimulatedClass]:
    """The classes of the demonstration, over sixty nights numbered from 0."""
    away = "attic.nix-cache.svc.cluster.local did not resolve: name or service not known"
    cache_away = SimulatedFault(21, 24, ("caches/",), Outcome.UNPROVEN, away, "")
    return [
        SimulatedClass(
            name="tinyland-nix",
            clauses=[*_BASE, *_NIX],
            new_image=(0, 8, 12, 15, 33, 47),
            new_contract=(0, 18),
            troubles=(
                SimulatedFault(
                    12,
                    15,
                    ("toolchain/xz",),
                    Outcome.BROKEN,
                    "not found in /usr/local/bin:/usr/bin:/bin",
                    "the image lacks the package xz-utils, which Nix installers need",
                ),
                SimulatedFault(
                    12,
                    15,
                    ("canaries/flake-builds",),
                    Outcome.BROKEN,
                    "error: cannot unpack nixpkgs.tar.xz: xz: command not found (exit status 1 after 4.1 s)",
                    "see toolchain/xz of the same run",
                ),
                cache_away,
                SimulatedFault(
                    55,
                    59,
                    ("caches/bazel-grpc-upload",),
                    Outcome.BROKEN,
                    "UNAVAILABLE: the upload was accepted, the read back found nothing",
                    "the cache drops writes silently: check its disk and eviction log",
                ),
            ),
        ),
        SimulatedClass(
            name="tinyland-docker",
            clauses=[*_BASE, *_DOCKER],
            new_image=(0, 10, 31, 44),
            new_contract=(0, 30),
            silent=(35,),
            troubles=(
                cache_away,
                SimulatedFault(
                    26,
                    30,
                    ("resources/memory-limit",),
                    Outcome.BROKEN,
                    "limit 4Gi, promised 2Gi",
                    "contract and deployment differ: the pool now has 4Gi",
                ),
                SimulatedFault(
                    41,
                    99,
                    ("publication/registry-anonymous",),
                    Outcome.BROKEN,
                    "201 Created: an anonymous client pushed sim-nonce-7f3a; it was read back from outside",
                    "the registry accepts writes from anybody: its htpasswd file is not mounted",
                ),
            ),
        ),
        SimulatedClass(
            name="tinyland-dind",
            clauses=[*_BASE, *_DIND],
            new_image=(0, 5, 28, 46, 59),
            new_contract=(0,),
            troubles=(
                cache_away,
                SimulatedFault(
                    40,
                    99,
                    ("isolation/seccomp",),
                    Outcome.WAIVED,
                    "seccomp is off",
                    "waived: the daemon's sidecar needs it until the rootless mode is in",
                ),
                SimulatedFault(
                    59,
                    99,
                    ("environment/DOCKER_HOST", "daemon/endpoint"),
                    Outcome.BROKEN,
                    "tcp://localhost:2375: connection refused; the daemon listens on /run/docker.sock only",
                    "the image's daemon no longer listens on TCP: start it with -H tcp://127.0.0.1:2375",
                ),
                SimulatedFault(
                    59,
                    99,
                    ("canaries/image-builds",),
                    Outcome.UNPROVEN,
                    "no daemon answered, so no image could be built",
                    "",
                ),
            ),
        ),
        SimulatedClass(
            name="linux-xr-docker",
            clauses=_BASE[:12],
            new_image=(0, 22),
            silent=tuple(range(49, 99)),
        ),
    ]


def _parse_clauses(text: str) -> list[SimulatedClause]:
    """One clause per line: id | promised | observed."""
    rows = [line.split(" | ") for line in text.strip().splitlines()]
    return [SimulatedClause(clause.strip(), promised, seen) for clause, promised, seen in rows]


_BASE: list[SimulatedClause] = _parse_clauses("""
    image/platform | platform linux/amd64 | linux/amd64
    identity/user | jobs run as runner | user runner
    identity/uid | uid 1001 | uid 1001
    identity/not-root | jobs never run as root | uid 1001
    identity/shell | /bin/sh runs | /bin/sh calculated 42
    toolchain/git | git >=2.30 in the job's PATH | git 2.47.2 at /usr/bin/git
    toolchain/curl | curl >=7.80 in the job's PATH | curl 8.12.1 at /usr/bin/curl
    toolchain/xz | xz in the job's PATH | xz 5.6.3 at /usr/bin/xz
    toolchain/jq | jq >=1.6 in the job's PATH | jq 1.7.1 at /usr/bin/jq
    environment/HOME | HOME is /home/runner | /home/runner
    environment/stale-cache-host | no value matches nix-cache\\.fuzzy-dev | 31 variables, none matches
    filesystem/tmp | /tmp is a directory of mode 1777 | directory, mode 1777
    filesystem/home | /home/runner is writable with 2Gi free | writable, 41Gi free
    isolation/privileged | the runner is not privileged | not privileged
    isolation/no-new-privileges | no new privileges | NoNewPrivs 1
    isolation/seccomp | system calls are filtered | seccomp mode 2
    isolation/mount | mount is denied | EPERM
    isolation/unshare | unshare is denied | EPERM
    network/egress | no default route | no default route
    network/deny-metadata | 169.254.169.254 cannot be reached | ENETUNREACH in 5 of 5 spellings
    network/resolve-cache | bazel-cache.nix-cache.svc.cluster.local resolves | 10.43.7.12
    resources/cpu-limit | at most 4 CPUs | 4 CPUs
    resources/memory-limit | at most the declared memory | as declared
    resources/pids-limit | at most 4096 processes | 4096
""")


_FLAKY_CACHE = replace(
    _parse_clauses(
        "caches/nix-substituted | a path is substituted, not built | activity 108 from attic, key main-1"
    )[0],
    seconds=0.9,
    flaky=0.06,
    flaky_seen="built locally: narinfo answered 404, then 200 two seconds later",
)


_NIX = [
    *_parse_clauses("""
    toolchain/nix | nix >=2.24,<3 with flakes | nix 2.34.8 at /usr/bin/nix
    environment/NIX_CONFIG | NIX_CONFIG enables flakes | experimental-features = nix-command flakes
    filesystem/nix/store | /nix/store is writable | writable
    isolation/docker-socket | no Docker socket | none of 3 paths is there
    caches/nix-unsigned | an unsigned path is refused | lacks a signature by a trusted key
    caches/bazel-grpc-upload | the gRPC cache keeps what is uploaded | 12 blobs read back
    publication/nix-reader | the Nix cache takes paths with the key only | accepted with the key, 401 without
    """),
    _FLAKY_CACHE,
    SimulatedClause(
        "canaries/flake-builds",
        "the flake builds from nothing in at most 240 s",
        "took 96 s",
        gauges=(
            SimulatedMeasurement("cold_seconds", 96, 240, scatter=0.05),
            SimulatedMeasurement("peak_memory_bytes", 1.1 * _GIB, 8 * _GIB),
            SimulatedMeasurement("artifact_bytes", 48 * _MIB, 128 * _MIB, drift=0.2 * _MIB, scatter=0.003),
        ),
    ),
    SimulatedClause(
        "canaries/flake-rebuild",
        "a second runner substitutes the flake in at most 30 s",
        "took 9 s",
        gauges=(
            SimulatedMeasurement("warm_seconds", 9, 30, scatter=0.1),
            SimulatedMeasurement("cache_hit_ratio", 0.985, 0.9, scatter=0.01),
        ),
    ),
]


_DOCKER = [
    *_parse_clauses("""
    toolchain/gcc | gcc >=12 in the job's PATH | gcc 15.1.0 at /usr/bin/gcc
    toolchain/make | make in the job's PATH | GNU Make 4.4.1 at /usr/bin/make
    toolchain/dockerd | dockerd is absent | not in PATH
    isolation/docker-socket | no Docker socket | none of 3 paths is there
    caches/bazel-grpc-hit | every action is a remote cache hit | 14 of 14 remote cache hits
    publication/registry-anonymous | an anonymous push is refused | 401, tag absent afterwards
    publication/objects-anonymous | no write to the object store | AccessDenied, key absent afterwards
    """),
    SimulatedClause(
        "canaries/linux-xr-build",
        "the kernel builds from nothing in at most 600 s",
        "took 430 s",
        gauges=(
            SimulatedMeasurement("cold_seconds", 428, 600, drift=3.2, scatter=0.006),
            SimulatedMeasurement("peak_memory_bytes", 1.9 * _GIB, 4 * _GIB, drift=0.006 * _GIB),
        ),
    ),
    SimulatedClause(
        "canaries/linux-xr-rebuild-hits",
        "a fresh runner rebuilds from the compiler cache in at most 200 s",
        "took 130 s",
        gauges=(
            SimulatedMeasurement("warm_seconds", 128, 200, drift=0.4),
            SimulatedMeasurement("cache_hit_ratio", 0.96, 0.85, scatter=0.012),
        ),
    ),
    SimulatedClause(
        "canaries/linux-xr-package",
        "the RPM is at most 24 MiB",
        "13 MiB",
        gauges=(
            SimulatedMeasurement("artifact_bytes", 13 * _MIB, 24 * _MIB, drift=0.05 * _MIB, scatter=0.004),
        ),
    ),
    *_parse_clauses("""
    canaries/linux-xr-boot | the kernel boots and says its own name | 6.19.5-1.xr.el10 on the console
    """),
]


_DIND = [
    *_parse_clauses("""
    environment/DOCKER_HOST | DOCKER_HOST names the class's own daemon | tcp://localhost:2375 answers
    daemon/endpoint | the daemon answers | Docker 28.5.1, id SIM1
    daemon/own | the daemon is not the host's | ids differ
    toolchain/docker | docker >=26 in the job's PATH | docker 28.5.1 at /usr/bin/docker
    publication/registry-writer | a push with the writer's credentials arrives | read back by digest
    """),
    SimulatedClause(
        "daemon/ready",
        "the daemon answers within 10 s of its start",
        "after 2.4 s",
        2.4,
        0.13,
        "no response within 10 s: waiting for containerd",
    ),
    SimulatedClause(
        "canaries/image-builds",
        "the sample image builds in at most 180 s",
        "took 71 s",
        gauges=(
            SimulatedMeasurement("cold_seconds", 71, 180, scatter=0.06),
            SimulatedMeasurement("artifact_bytes", 31 * _MIB, 64 * _MIB),
        ),
    ),
]
