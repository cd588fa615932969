"""Perform the Bazel proofs over one protocol: upload, hit, miss, rejection, and false results for the client."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from builder_contracts.prove import lookup_identity
from builder_contracts.prove.access_log import AccessLogLine
from builder_contracts.prove.bazel import log as bazel_log
from builder_contracts.prove.bazel.record import PLAIN, BazelRecord, BazelRun
from builder_contracts.prove.bazel.user_rc import UserRc
from builder_contracts.prove.canary.definition import Canary
from builder_contracts.prove.class_settings import ClassSetting
from builder_contracts.prove.endpoints import Endpoint
from builder_contracts.prove.job import ProofJob, StepFailed, format_completed
from builder_contracts.prove.store_lookup import StoreLookup
from builder_contracts.prove.testbed import Testbed, encode_body
from builder_contracts.prove.unavailable import Unavailable
from builder_contracts.runner.protocol import CompletedCommand
from builder_contracts.services.catalog import DATA
from builder_contracts.services.principals import ANONYMOUS, WRITER

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
    *,
    uploads: bool,
) -> BazelRecord:
    """The proof of one role, bazel-grpc or bazel-http. Raises Failed.

    A build that the class's jobs write is plain at first: its own settings alone say what it does with the cache. Where
    that fails it is done again with the settings forced. ``uploads``: jobs of the class may write to the cache.
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
        builds.enter(job)
        budget, started_at = canary.budget.seconds, time.monotonic()
        # A job of a class that only reads uploads nothing: then this build is only to fill the cache.
        cold = builds.run("cold", WRITER, plain=uploads, deadline=budget, command=canary.command)
        seconds = time.monotonic() - started_at
        after_upload = plain_upload = _look(bench, role, looker.name, cold, every=True)
        if uploads and (after_upload.present is False or not cold.actions) and cold.status is not None:
            started_at = time.monotonic()
            cold = builds.force("cold", WRITER, deadline=budget, command=canary.command)
            seconds = time.monotonic() - started_at
            after_upload = _look(bench, role, looker.name, cold, every=True)
        # By the forced build if there is one: with a cache that is off a plain one may not even begin.
        after_cold_build(job, first, cold, seconds)
        job.write(f"{job.folder}/{canary.nonce}", f"{second}\n".encode(), mode="0644")
        builds.run("miss", looker.name)
    with bench.fresh(f"{role}-hit") as job:
        job.stage(canary.folder, canary.inputs, {canary.nonce: f"{first}\n".encode()})
        # One server whatever USER says, by whose name Bazel calls the folder of its output bases otherwise.
        builds.startup = (f"--output_user_root={job.folder}.bazel",)
        builds.enter(job)
        hit = builds.run("hit", looker.name, plain=True)
        if hit.status is not None and (
            hit.status != 0 or not hit.actions or not all(spawn.hit for spawn in hit.actions)
        ):
            builds.force("hit", looker.name)
        builds.clean()
        builds.run("environment", looker.name, env=OTHER_ENVIRONMENT)
        builds.clean()
        # Looked up before anything false is put there.
        after_refusal = _look(bench, role, looker.name, builds.runs["miss"], every=False)
        poisoned = corrupted = ""
        not_lied: Unavailable | None = None
        try:
            poisoned, corrupted = _falsify(bench, role, builds.runs["cold"].spawns)
            builds.run("lied-to", looker.name)
            builds.clean()
        except StepFailed as failed:
            not_lied = failed.lost
        # Last, because a build that still gets something from a cache then gets the false results.
        builds.run("without", "", plain=True)
    return BazelRecord(
        protocol=role.removeprefix("bazel-"),
        url=endpoint.url,
        runs=builds.runs,
        asked={name: builds.requested_digests(name) for name in builds.runs},
        served=builds.served,
        after_upload=after_upload,
        plain_upload=plain_upload,
        settings=builds.settings,
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
    settings: tuple[ClassSetting, ...] = ()
    _named: bool | None = None

    @property
    def service(self) -> str:
        return self.bench.endpoints[self.role].service

    def enter(self, job: ProofJob) -> None:
        """Go on in this job. A class whose own settings name a cache of this protocol is not given the address."""
        self._job, self._rc = job, UserRc.of(job)
        if self._named is None:
            self._rc.write()
            scheme = f"--remote_cache={urlsplit(self.bench.endpoints[self.role].url).scheme}:"
            self._named = any(
                # What the workspace says is the job's, not the class's.
                setting.text.startswith(scheme) and not setting.source.startswith(f"{job.folder}/")
                for setting in self._read_settings("info")
            )

    def run(
        self,
        name: str,
        identity: str,
        *,
        plain: bool = False,
        deadline: float = DEADLINE,
        command: Sequence[str] = (),
        env: Mapping[str, str] | None = None,
    ) -> BazelRun:
        """Build as an identity; without one, without the cache. ``plain``: by the class's own settings."""
        log_start = len(self.bench.access_log(self.service))
        invocation = str(uuid.uuid4())
        # Beside the working folder: inside it they would be inputs.
        logs = f"{self._job.folder}-{invocation[:8]}"
        options = _logging(invocation, logs)
        if not self.service:
            # Without the server's log Bazel has to report why a write failed, which it does with its stack only.
            options.append("--verbose_failures")
        if not plain:
            options += _forced(self.bench.endpoints[self.role])
        elif not identity and self._named:
            options.append("--remote_cache=")
        self._rc.write(self._lines(identity) if identity else ())
        # A canary's own command names its targets.
        line = [*command, *options] if command else ["bazel", *self.startup, "test", *options, "//..."]
        built = self._job.run(line, deadline=deadline, env=env)
        self.bench.outputs.append(built.stdout + built.stderr)
        self.runs[name] = _read_run(self._job, built, invocation, logs)
        self.served[name] = self.bench.access_log_of(self._job.address, self.service, since=log_start)
        return self.runs[name]

    def force(
        self, name: str, identity: str, *, deadline: float = DEADLINE, command: Sequence[str] = ()
    ) -> BazelRun:
        """Do a build again whose settings did not do it, with the settings forced."""
        self.runs[PLAIN + name], self.served[PLAIN + name] = self.runs[name], self.served[name]
        if not self.settings:
            self._rc.write()
            self.settings = differing(self._read_settings("test"), self.bench.endpoints[self.role])
        self.clean()
        return self.run(name, identity, deadline=deadline, command=command)

    def clean(self) -> None:
        """Delete outputs and the local action cache, which hides actions, but keep the server that is warm."""
        self._job.must("cleaning", ["bazel", *self.startup, "clean"], deadline=60)

    def _lines(self, identity: str) -> list[str]:
        """What a pool puts into the rc file of its jobs: whom Bazel shows itself as, and where the cache is."""
        endpoint = self.bench.endpoints[self.role]
        headers = self.bench.headers(self.role, identity).items()
        lines = [f'build "--remote_header={name.lower()}={value}"' for name, value in headers]
        if not self._named:
            lines.append(f"build --remote_cache={endpoint.url}")
        if endpoint.instance:
            lines.append(f"build --remote_instance_name={endpoint.instance}")
        if endpoint.authority:
            lines.append(f'build "--tls_certificate={endpoint.authority}"')
        if certificate := self.bench.client_certificate(self.role, identity):
            # Bazel takes the part that it needs of each file.
            lines += [f'build "--tls_client_{part}={certificate}"' for part in ("certificate", "key")]
        return lines

    def _read_settings(self, command: str) -> tuple[ClassSetting, ...]:
        """The options that the class's own rc files give a command, by Bazel's own word."""
        asked = (
            ["--announce_rc"]
            if command == "info"
            else ["--announce_rc", "--remote_cache=", "--nobuild", "//..."]
        )
        announced = self._job.run(["bazel", *self.startup, command, *asked], deadline=60)
        return bazel_log.parse_settings(announced.stderr.decode("utf-8", "replace"))

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


def _logging(invocation: str, logs: str) -> list[str]:
    """Return the options by which a build is watched, which change nothing that it does."""
    return [
        f"--invocation_id={invocation}", "--color=no", "--curses=no",
        f"--execution_log_json_file={logs}.exec.json", f"--build_event_json_file={logs}.bep.json",
        "--experimental_build_event_upload_strategy=local",
    ]  # fmt: skip


def _forced(endpoint: Endpoint) -> list[str]:
    """Return the options that use one cache for everything, whatever the class's own settings are.

    Uploads are enabled for every identity, because the server must decide what an identity may do.
    """
    return [
        f"--remote_cache={endpoint.url}", "--remote_accept_cached=true", "--remote_upload_local_results=true", "--disk_cache=",
        "--modify_execution_info=", "--remote_timeout=20", "--remote_retries=0", "--remote_local_fallback=true",
        # The lookups ask under this name, so the job's own settings must not give another.
        f"--remote_instance_name={endpoint.instance}",
        *([f"--tls_certificate={endpoint.authority}"] if endpoint.authority else []),
    ]  # fmt: skip


def differing(settings: Sequence[ClassSetting], endpoint: Endpoint) -> tuple[ClassSetting, ...]:
    """Return the settings in force that the forced options overrule."""
    forced = dict(bazel_log.parse_option(option, ()) for option in _forced(endpoint))
    in_force = {bazel_log.parse_option(setting.text, forced)[0]: setting for setting in settings}
    return tuple(
        setting
        for name, setting in in_force.items()
        if name in forced and bazel_log.parse_option(setting.text, forced)[1] != forced[name]
    )


def settle(job: ProofJob) -> None:
    """Give a home of a job's own the settings that the machine's user has. Raises Failed."""
    UserRc.of(job).write()


def _read_run(job: ProofJob, built: CompletedCommand, invocation: str, logs: str) -> BazelRun:
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
    if not all(spawn.digest for spawn in actions):
        # Bazel computes the key of an action for a cache only.
        return StoreLookup(False, "Bazel used no cache, so none of its results can be in the store")
    if role == "bazel-http":
        # The run's own cache permits anonymous reads, which are more independent of a build than its reader.
        reader = ANONYMOUS if bench.endpoints[role].service else looker
        requests = [
            bench.http_request(role, reader, f"ac/{spawn.digest}", method="HEAD") for spawn in actions
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
