"""Perform the Bazel proofs over one protocol: upload, hit, miss, rejection, and false results for the client."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from builder_contracts.prove import lookup_identity
from builder_contracts.prove.access_log import AccessLogLine
from builder_contracts.prove.bazel import log as bazel_log
from builder_contracts.prove.bazel.record import BazelRecord, BazelRun
from builder_contracts.prove.canary.definition import Canary
from builder_contracts.prove.job import ProofJob, StepFailed, format_completed
from builder_contracts.prove.store_lookup import StoreLookup
from builder_contracts.prove.testbed import Testbed, encode_body
from builder_contracts.prove.unavailable import Unavailable
from builder_contracts.services.catalog import DATA
from builder_contracts.services.principals import WRITER

DEADLINE = 180
POISON = b"poisoned: nobody built this\n"
# A leaf of the graph for each false result, so that neither changes the key of another action.
POISONED, CORRUPTED = "//:seal", "//:hello"

# What differs between two machines and must not reach an action.
OTHER_ENVIRONMENT = {
    "PATH": "/home/runner/.local/bin:/usr/local/bin:/usr/bin:/bin:/opt/bin",
    "LD_LIBRARY_PATH": "/opt/lib",
    "LANG": "C.UTF-8",
    "TZ": "Asia/Tokyo",
    "USER": "somebody-else",
    "EDITOR": "ed",
}


def prove(
    bench: Testbed,
    canary: Canary,
    role: str,
    after_cold_build: Callable[[ProofJob, str, BazelRun, float], None],
) -> BazelRecord:
    """The proof of one role, bazel-grpc or bazel-http. Raises Failed.

    ``after_cold_build`` gets the job of the cold build as it ends, its nonce, the build and its seconds: what it made
    is somebody else's to look at.
    """
    endpoint = bench.endpoints[role]
    # A cache without a writer is open to everybody; a cache with a writer is proved only with its credentials.
    if WRITER in endpoint.variables and (lost := endpoint.lacks(WRITER)):
        raise StepFailed.of(lost)
    bench.ready(role)
    looker = lookup_identity.choose(bench, role)
    first, second = bench.nonce(), bench.nonce()
    builds = _Builds(bench, role)
    with bench.fresh(f"{role}-build") as job:
        job.stage(canary.folder, canary.inputs, {canary.nonce: f"{first}\n".encode()})
        started_at = time.monotonic()
        builds.run("cold", job, WRITER, deadline=canary.budget.seconds, command=canary.command)
        after_cold_build(job, first, builds.runs["cold"], time.monotonic() - started_at)
        job.write(f"{job.folder}/{canary.nonce}", f"{second}\n".encode(), mode="0644")
        builds.run("miss", job, looker.name)
    with bench.fresh(f"{role}-hit") as job:
        job.stage(canary.folder, canary.inputs, {canary.nonce: f"{first}\n".encode()})
        # One server whatever USER says, by whose name Bazel calls the folder of its output bases otherwise.
        builds.startup = (f"--output_user_root={job.folder}.bazel",)
        builds.run("hit", job, looker.name)
        builds.clean(job)
        builds.run("environment", job, looker.name, env=OTHER_ENVIRONMENT)
        builds.clean(job)
        # Looked up before anything false is put there.
        after_upload = _look(bench, role, looker.name, builds.runs["cold"], every=True)
        after_refusal = _look(bench, role, looker.name, builds.runs["miss"], every=False)
        poisoned = corrupted = ""
        not_lied: Unavailable | None = None
        try:
            poisoned, corrupted = _falsify(bench, role, builds.runs["cold"].spawns)
            builds.run("lied-to", job, looker.name)
            builds.clean(job)
        except StepFailed as failed:
            not_lied = failed.lost
        # Last, because a build that still gets something from a cache then gets the false results.
        builds.run("without", job, "")
    return BazelRecord(
        protocol=role.removeprefix("bazel-"),
        url=endpoint.url,
        runs=builds.runs,
        asked={name: builds.requested_digests(name) for name in builds.runs},
        served=builds.served,
        after_upload=after_upload,
        after_refusal=after_refusal,
        poisoned=poisoned,
        corrupted=corrupted,
        not_lied=not_lied,
        no_reader=looker.no_reader,
        fetcher=looker.name,
        logged=bool(endpoint.service),
        reader=bench.reader_description(role, looker.name),
        mnemonics=canary.mnemonics,
    )


@dataclass
class _Builds:
    """The builds of one proof, each with the lines that the server logged meanwhile.

    ``startup`` are options of Bazel's own server.
    """

    bench: Testbed
    role: str
    runs: dict[str, BazelRun] = field(default_factory=dict)
    served: dict[str, tuple[AccessLogLine, ...]] = field(default_factory=dict)
    startup: tuple[str, ...] = ()

    @property
    def service(self) -> str:
        return self.bench.endpoints[self.role].service

    def run(
        self,
        name: str,
        job: ProofJob,
        identity: str,
        *,
        deadline: float = DEADLINE,
        command: Sequence[str] = (),
        env: Mapping[str, str] | None = None,
    ) -> None:
        """Build as an identity; without one, without the cache."""
        log_start = len(self.bench.access_log(self.service))
        role = self.role if identity else ""
        self.runs[name] = _run(
            self.bench, job, role, identity, deadline=deadline, env=env,
            command=command or ("bazel", *self.startup, "test"), targets=not command,
        )  # fmt: skip
        self.served[name] = self.bench.access_log_of(job.address, self.service, since=log_start)

    def clean(self, job: ProofJob) -> None:
        """Delete outputs and the local action cache, which hides actions, but keep the server that is warm."""
        job.must("cleaning", ["bazel", *self.startup, "clean"], deadline=60)

    def requested_digests(self, name: str) -> frozenset[str]:
        """Return the action digests that this build requested, by the server's own log."""
        if self.role == "bazel-http":
            lines = [line for line in self.served[name] if line.method == "GET" and line.status == 200]
            return frozenset(line.uri.rpartition("/")[2] for line in lines if "/ac/" in line.uri)
        invocation = self.runs[name].invocation
        return frozenset(
            str(line.get("action_id"))
            for line in self.bench.log(self.service)
            if line.get("tool_invocation_id") == invocation and line.get("method") == "GetActionResult"
        )


def _options(bench: Testbed, role: str, invocation: str, logs: str) -> list[str]:
    """Return the options of a build: where its logs go, and at most one cache, uploads included."""
    options = [
        f"--invocation_id={invocation}", "--color=no", "--curses=no", "--disk_cache=",
        f"--execution_log_json_file={logs}.exec.json", f"--build_event_json_file={logs}.bep.json",
        "--experimental_build_event_upload_strategy=local",
    ]  # fmt: skip
    if role:
        # Uploads are enabled for every identity, because the server must decide what an identity may do.
        options += [
            f"--remote_cache={bench.endpoints[role].url}", "--remote_timeout=20", "--remote_retries=0",
            "--remote_upload_local_results=true", "--remote_local_fallback=true",
            # The lookups ask under this name, so the job's own settings must not give another.
            f"--remote_instance_name={bench.endpoints[role].instance}",
            *([f"--tls_certificate={authority}"] if (authority := bench.endpoints[role].authority) else []),
        ]  # fmt: skip
        if not bench.endpoints[role].service:
            # Without the server's log Bazel has to report why a write failed, which it does with its stack only.
            options.append("--verbose_failures")
    return options


def _credentials(job: ProofJob, headers: Mapping[str, str]) -> list[str]:
    """The option by which Bazel shows who it is. On a machine, where others can list the arguments of processes, it
    goes into a file of the job's own instead. Raises Failed."""
    # There is at most one.
    option = next((f"--remote_header={name.lower()}={value}" for name, value in headers.items()), "")
    if not job.shared:
        return [option] if option else []
    settle(job, option)
    return []


def settle(job: ProofJob, option: str = "") -> None:
    """Give a home of a job's own the settings that the machine's user has, and an option besides. Raises Failed."""
    lines = [f"try-import {job.true_home}/.bazelrc", f'build "{option}"' if option else ""]
    job.write(f"{job.home}/.bazelrc", "\n".join(lines).encode() + b"\n")


def _run(
    bench: Testbed,
    job: ProofJob,
    role: str,
    identity: str,
    *,
    deadline: float,
    command: Sequence[str],
    targets: bool,
    env: Mapping[str, str] | None = None,
) -> BazelRun:
    invocation = str(uuid.uuid4())
    # Beside the working folder: inside it they would be inputs.
    logs = f"{job.folder}-{invocation[:8]}"
    options = _options(bench, role, invocation, logs)
    if role:
        options += _credentials(job, bench.headers(role, identity))
    # A canary's own command names its targets.
    arguments = [*command, *options, *(["//..."] if targets else [])]
    built = job.run(arguments, deadline=deadline, env=env)
    bench.outputs.append(built.stdout + built.stderr)
    text = built.stderr.decode("utf-8", "replace") + built.stdout.decode("utf-8", "replace")
    warnings = bazel_log.parse_warnings(text)
    if built.status is None:
        return BazelRun(None, warnings=warnings, invocation=invocation, ended=built.ended)
    execution_log, events = (job.run(["cat", f"{logs}.{kind}.json"], deadline=30) for kind in ("exec", "bep"))
    for log in (execution_log, events):
        if log.status is None:
            # An empty log would mean that a local cache served everything.
            return BazelRun(
                None, warnings=warnings, invocation=invocation, ended=f"cannot read its logs: {log.ended}"
            )
        if log.status != 0:
            return BazelRun(
                built.status, warnings=(*warnings, format_completed(built)), invocation=invocation
            )
    try:
        spawns = bazel_log.parse_spawns(execution_log.stdout)
    except ValueError as error:
        raise StepFailed("reading Bazel's execution log", str(error)) from None
    return BazelRun(built.status, spawns, bazel_log.parse_runner_count(events.stdout), invocation, warnings)


def _look(bench: Testbed, role: str, looker: str, run: BazelRun, *, every: bool) -> StoreLookup:
    """Look up as an identity whether the store has every, or any, result of the actions that a build ran."""
    actions = [spawn for spawn in run.spawns if spawn.cacheable and not spawn.hit]
    if not actions:
        return StoreLookup(None, "no action ran, so there is nothing to check")
    url = bench.endpoints[role].url
    if role == "bazel-http":
        # The run's own cache permits anonymous reads, which are more independent of a build than its reader.
        headers = {} if bench.endpoints[role].service else bench.headers(role, looker)
        requests: list[dict[str, object]] = [
            {
                "kind": "http",
                "method": "HEAD",
                "url": f"{url}/ac/{spawn.digest}",
                "headers": headers,
                "trust": bench.certificate(role),
            }
            for spawn in actions
        ]
        present_statuses, absent_statuses = {"200"}, {"404"}
    else:
        call = bench.grpc_call(role, looker)
        requests = [
            {**call, "call": "GetActionResult", "hash": spawn.digest, "size": spawn.size} for spawn in actions
        ]
        present_statuses, absent_statuses = {"OK"}, {"NOT_FOUND"}
    answers = bench.ask(requests)
    present = sum(answer["status"] in present_statuses for answer in answers)
    absent = sum(answer["status"] in absent_statuses for answer in answers)
    if present + absent < len(answers):
        readable = present_statuses | absent_statuses
        lost = next(answer for answer in answers if answer["status"] not in readable)
        return StoreLookup(None, f"cannot read the store: {lost['status']} {lost['detail']}")
    return StoreLookup(
        absent == 0 if every else present > 0,
        f"{present} of {len(actions)} results of this build are in the store",
    )


def _falsify(bench: Testbed, role: str, spawns: Iterable[bazel_log.Spawn]) -> tuple[str, str]:
    """Put a false result of one action into the cache and corrupt the blob of another; their output digests."""
    services, service = bench.services, bench.endpoints[role].service
    if services is None or not service:
        raise StepFailed(
            "preparing a false result",
            "false results are never written to a shared cache",
            provable_here=False,
        )
    by_target = {
        spawn.target: spawn for spawn in spawns if spawn.cacheable and spawn.mnemonic in ("Stamp", "CppLink")
    }
    missing = {POISONED, CORRUPTED} - by_target.keys()
    if missing:
        raise StepFailed("preparing a false result", f"the build has no {', '.join(sorted(missing))} action")
    stamp, link = by_target[POISONED], by_target[CORRUPTED]
    url, writer = bench.endpoints[role].url, bench.credentials.writer.authorization
    if role == "bazel-http":
        request: dict[str, object] = {"kind": "poison-http", "url": url, "headers": {"Authorization": writer}}
    else:
        request = {**bench.grpc_call(role, WRITER), "call": "Poison"}
    answer = bench.ask([{**request, "hash": stamp.digest, "size": stamp.size, "body": encode_body(POISON)}])[
        0
    ]
    if answer["status"] != "OK":
        raise StepFailed("preparing a false result", f"{answer['status']} {answer['detail']}")
    blob = next(iter(link.outputs.values()))
    folder = f"{DATA}/bazel/cas" if role == "bazel-http" else f"{DATA}/cas"
    script = (
        'file=$(find "$1" -name "*$2*" -type f -size +0 | head -n 1) && chmod u+w "$file" '
        '&& printf X | dd of="$file" bs=1 seek=100 conv=notrunc status=none'
    )
    # BuildGrid keeps a blob under the rest of its digest, in a folder named by the first two digits.
    name = blob if role == "bazel-http" else blob[2:]
    damaged = services.execute(service, ["sh", "-c", script, "sh", folder, name])
    if damaged.status != 0:
        raise StepFailed("corrupting a blob", format_completed(damaged))
    return str(answer["detail"]), blob
