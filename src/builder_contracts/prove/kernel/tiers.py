"""Perform the tiers of a kernel canary in runners of the class, and record their results."""

from __future__ import annotations

import contextlib
import io
import tarfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import docker.errors

from builder_contracts.contract.quantities import human_bytes
from builder_contracts.prove.access_log import AccessLogLine
from builder_contracts.prove.container_testbed import ContainerTestbed
from builder_contracts.prove.job import StepFailed, format_completed
from builder_contracts.prove.kernel import source
from builder_contracts.prove.kernel.progress import Objects, ProgressListener, silent
from builder_contracts.prove.kernel.recipe import Recipe
from builder_contracts.prove.kernel.record import Boot, CacheServer, KernelBuild, KernelRecord, TierStep
from builder_contracts.prove.unavailable import Unavailable
from builder_contracts.runner.docker import engine
from builder_contracts.runner.docker.cleanup import remove_container
from builder_contracts.runner.docker.runner import DockerRunner
from builder_contracts.runner.file_archive import pack
from builder_contracts.services import nginx
from builder_contracts.services.catalog import DATA, NGINX, ServiceContainer, ServiceSpec
from builder_contracts.services.principals import Credentials, Principal
from builder_contracts.services.stack import ServiceDown

BOOT_IMAGE = "builder-contracts/linux-xr-boot:latest"
"""QEMU and busybox: not in the class's image, because the class does not promise an emulator."""
CACHE = "compiler-cache"
CACHE_ALIAS = "compiler-cache.linux-xr.svc.cluster.local"
_MAX_STDERR = 200_000
_TIERS = ("unpack", "patches", "configure", "cold", "warm", "server", "package", "boot")


def compiler_cache(credentials: Credentials) -> ServiceSpec:
    """A server for ccache's HTTP storage: a folder that everybody reads and the writer PUTs into."""
    prepare = 'mkdir -p "$1" && shift && exec "$@"'
    return ServiceSpec(
        CACHE,
        CACHE_ALIAS,
        (
            ServiceContainer(
                "nginx",
                ("sh", "-c", prepare, "sh", f"{DATA}/objects", *NGINX),
                {"nginx.conf": nginx.files(credentials, port=8080, folder=f"{DATA}/objects")},
            ),
        ),
        ("http://127.0.0.1:8080/.health",),
    )


@dataclass
class KernelSite:
    """A runner in which a kernel is built: its folders, and the environment of its steps."""

    bench: ContainerTestbed
    runner: DockerRunner
    recipe: Recipe
    nonce: str
    say: ProgressListener
    tarball: str = ""
    patches: str = ""
    fragments: tuple[str, ...] = ()
    env: dict[str, str] = field(default_factory=dict, repr=False)

    @property
    def folder(self) -> str:
        return f"{self.bench.home}/linux-xr"

    @property
    def tree(self) -> str:
        return f"{self.folder}/tree"

    @property
    def build(self) -> str:
        return f"{self.folder}/build"

    def step(
        self, name: str, arguments: Sequence[str], *, tier: str, listen: Objects | None = None
    ) -> TierStep:
        """Run a step of the canary by its name and arguments, within the budget of its tier."""
        budget = self.recipe.budget[tier]
        started_at = time.monotonic()
        completed = self.bench.ending.run(
            lambda: engine.execute(
                self.bench.engine_client,
                self.runner.container,
                [f"{self.folder}/canary/steps/{name}.sh", *arguments],
                deadline=budget,
                environment=self.env,
                listen=listen,
            )
        )
        seconds = time.monotonic() - started_at
        self.bench.outputs.append(completed.stdout + completed.stderr)
        return TierStep(
            name,
            completed.status,
            completed.stdout.decode("utf-8", "replace"),
            completed.stderr[-_MAX_STDERR:].decode("utf-8", "replace"),
            seconds,
            budget,
            completed.ended,
            completed.status != 0 and _oom_killed(self.bench, self.runner.container),
        )


def run(
    bench: ContainerTestbed,
    recipe: Recipe,
    *,
    jobs: int | None = None,
    say: ProgressListener = silent,
    cold_only: bool = False,
) -> KernelRecord:
    """Build, rebuild, package and boot the kernel of the recipe in runners of the bench's class.

    ``jobs`` run in parallel; by default as many as the class has CPUs. ``cold_only`` ends after the cold
    build, which then has no compiler cache: what a benchmark compares with plain commands. Raises nothing for what happens in
    a runner or a service: see KernelRecord.
    """
    nonce = bench.nonce()[:16]
    if jobs is None:
        jobs = max(1, (bench.plan.cpu_limit or bench.about.cpus * 1000) // 1000)
    log = _Story(bench, recipe, nonce, jobs, say, "gcc" if cold_only else "ccache gcc")
    started_at = time.monotonic()
    log.run_tiers(cold_only=cold_only)
    say(f"linux-xr: finished in {time.monotonic() - started_at:.0f} s")
    return log.record()


class _Story:
    """One run of the canary, tier by tier. What was not reached is unavailable for the reason that ended the run."""

    def __init__(
        self,
        bench: ContainerTestbed,
        recipe: Recipe,
        nonce: str,
        jobs: int,
        say: ProgressListener,
        compiler: str,
    ) -> None:
        self.compiler = compiler
        self.bench, self.recipe, self.nonce, self.jobs, self.say = bench, recipe, nonce, jobs, say
        self.tiers: dict[str, Any] = {}
        self.lost = Unavailable("the step was not reached")

    def record(self) -> KernelRecord:
        bench, recipe = self.bench, self.recipe
        limit = bench.plan.memory_limit
        return KernelRecord(
            release=recipe.release,
            quirk=recipe.quirk,
            devices=recipe.devices,
            folder=f"{bench.home}/linux-xr",
            limit=limit,
            capacity=f": the host has {human_bytes(bench.about.memory)}"
            if limit and limit >= bench.about.memory
            else "",
            **{name: self.tiers.get(name, self.lost) for name in _TIERS},
        )

    def run_tiers(self, *, cold_only: bool) -> None:
        """Perform the tiers until one fails that the others need."""
        try:
            if not cold_only:
                self.bench.host.start([compiler_cache(self.bench.credentials)])
            with self._site("linux-xr-cold", self.bench.credentials.writer) as site:
                self._prepare(site)
                cold = self.tiers["cold"] = self._build(site, "build")
                _go_on(cold.step, "the cold build failed (see linux-xr-build)")
                if cold_only:
                    return
                package = self.tiers["package"] = self._package(site)
                self.tiers["boot"] = self._boot(site, cold, packaged=package.worked)
            # The first runner is gone by now: the rebuild has the machine for itself, as the cold build had.
            self._rebuild()
        except StepFailed as failed:
            self.lost = failed.lost

    @contextlib.contextmanager
    def _site(self, purpose: str, identity: Principal) -> Iterator[KernelSite]:
        """A fresh runner with the source, the steps and the credentials of an identity in it. Raises Failed."""
        with self.bench.runner(purpose) as runner:
            site = KernelSite(self.bench, runner, self.recipe, self.nonce, self.say)
            created = runner.execute(["mkdir", "-p", site.folder, site.tree, site.build], deadline=30)
            owner = runner.execute(["id", "-u"], deadline=30)
            for completed in (created, owner):
                if completed.status != 0:
                    raise StepFailed("creating the build directories", format_completed(completed))
            self._send(runner.container, site.folder, canary_files(self.recipe), int(owner.stdout))
            site.tarball = source.deliver(
                self.bench, self.recipe, runner.container, site.folder, int(owner.stdout), self.say
            )
            # The secret that jobs see here: nothing that the build hands on may hold it.
            secret = {"CI_PROOF_SECRET": self.bench.token}
            site.env = build_environment(self.recipe, self.nonce, site.build) | secret
            self._send(
                runner.container,
                site.build,
                {".ccache.conf": self._cache_config(identity).encode()},
                int(owner.stdout),
            )
            yield site

    def _send(self, container: str, folder: str, files: Mapping[str, bytes], owner: int) -> None:
        try:
            self.bench.engine_client.api.put_archive(container, folder, pack(files, owner=owner, mode=_mode))
        except engine.LOST as error:
            raise StepFailed("copying the canary into the runner", engine.reason(error)) from None

    def _cache_config(self, identity: Principal) -> str:
        """ccache's own configuration: the credential is in a file that only the job reads, not in a command."""
        only = "|read-only" if identity is self.bench.credentials.reader else ""
        return (
            f"remote_storage = http://{identity.name}:{identity.secret}@{CACHE_ALIAS}:8080/{only}\n"
            "remote_only = true\n"
        )

    def _prepare(self, site: KernelSite) -> None:
        """Source, patches, configuration. Raises StepFailed if there is nothing to build then."""
        self.say("patches: unpacking the source")
        unpack = self._unpacked(site)
        _go_on(unpack, f"cannot unpack the source: {unpack.ended or unpack.end}")
        self.tiers |= {"unpack": unpack, "patches": None}
        if site.patches:
            self.say("patches: applying the series")
            self.tiers["patches"] = site.step("patch", [site.tree, site.patches], tier="patches")
            _go_on(self.tiers["patches"], "the patch series does not apply (see linux-xr-patches)")
        self.say("configure: merging the fragments")
        self.tiers["configure"] = self._configured(site)
        _go_on(self.tiers["configure"], "the kernel configuration failed (see linux-xr-configure)")

    def _unpacked(self, site: KernelSite) -> TierStep:
        """Unpack the source, and find out what it brings for itself if it is not the canary's own."""
        if site.tarball:
            step = site.step("unpack", [site.tarball, site.tree], tier="patches")
        else:
            step = site.step("version", [site.tree], tier="patches")
        canary = f"{site.folder}/canary"
        site.patches = f"{canary}/patches" if self.recipe.patches else ""
        site.fragments = tuple(f"{canary}/config/{fragment.name}" for fragment in self.recipe.fragments)
        if isinstance(self.recipe.source, Path):
            if step.flag("series"):
                site.patches = f"{site.tree}/xr/patches"
            own = tuple(f"{site.tree}/xr/config/{name}" for name in step.texts("fragments"))
            site.fragments = own or site.fragments
        return step

    def _configured(self, site: KernelSite) -> TierStep:
        canary = f"{site.folder}/canary"
        base = self.recipe.base
        return site.step(
            "configure",
            [
                site.tree, site.build, self.recipe.localversion,
                base if isinstance(base, str) else f"{canary}/base.config",
                *site.fragments,
            ],
            tier="configure",
        )  # fmt: skip

    def _build(self, site: KernelSite, tier: str) -> KernelBuild:
        self.say(f"{tier}: {self.compiler}, {self.jobs} jobs")
        before = _changed_paths(self.bench, site.runner.container, site.folder)
        step = site.step(
            "compile",
            [site.tree, site.build, self.recipe.localversion, str(self.jobs), self.compiler],
            tier=tier,
            listen=Objects(tier, self.say),
        )
        after = _changed_paths(self.bench, site.runner.container, site.folder)
        touched = [f"{site.tree}/{name}" for name in step.texts("touched")]
        if step.worked and not step.has("touched"):
            return KernelBuild(
                step, Unavailable("the build did not report which files of its source changed")
            )
        if isinstance(before, Unavailable):
            return KernelBuild(step, before)
        if isinstance(after, Unavailable):
            return KernelBuild(step, after)
        return KernelBuild(step, (*sorted(after - before), *touched))

    def _package(self, site: KernelSite) -> TierStep:
        self.say("package: building RPMs")
        arguments = [site.tree, site.build, self.recipe.localversion, self.compiler, f"{site.folder}/out"]
        step = site.step("package", arguments, tier="package")
        if step.worked:
            packages = self._taken(site, f"{site.folder}/out")
            if packages:
                self.bench.outputs.append(packages)
            else:
                self.bench.unsearched.append("the packages of linux-xr")
        return step

    def _boot(self, site: KernelSite, cold: KernelBuild, *, packaged: bool) -> Boot | Unavailable:
        image = next((name for name in cold.images if name != "vmlinux"), "")
        path = f"{site.folder}/out/vmlinuz" if packaged else f"{site.build}/{image}"
        content = self._taken(site, path)
        if not content:
            return Unavailable(f"cannot copy {path} out of the runner")
        self.say("boot: in an emulated PC")
        origin = "the package" if packaged else "the build"
        return boot(self.bench, self.recipe, image_in(content), nonce=self.nonce, origin=origin)

    def _taken(self, site: KernelSite, path: str) -> bytes:
        """A file or folder of the runner as a tar archive; empty when it cannot be had."""
        api: Any = self.bench.engine_client.api
        try:
            stream, _ = api.get_archive(site.runner.container, path)
            return b"".join(stream)
        except engine.LOST:
            return b""

    def _rebuild(self) -> None:
        reader = self.bench.credentials.reader
        try:
            written = self.bench.access_log(CACHE)
            with self._site("linux-xr-warm", reader) as site:
                self._rebuild_in_fresh_runner(site)
                self.say("rebuild: in a fresh runner, from the compiler cache")
                warm = self._build(site, "rebuild")
            server = count_requests(written, self.bench.access_log(CACHE, since=len(written)))
        except ServiceDown as down:
            raise StepFailed.of(Unavailable(str(down))) from None
        self.tiers |= {"warm": warm, "server": server}

    def _rebuild_in_fresh_runner(self, site: KernelSite) -> None:
        """The same source and configuration in the fresh runner. Raises Failed."""
        steps = [self._unpacked(site)]
        if site.patches:
            steps.append(site.step("patch", [site.tree, site.patches], tier="patches"))
        for step in [*steps, self._configured(site)]:
            if not step.worked:
                raise StepFailed(f"preparing the rebuild ({step.name})", step.ended or step.end)


def _go_on(step: TierStep, reason: str) -> None:
    """Go on if the step worked. Raises StepFailed with the reason for which later tiers have nothing to work on."""
    if not step.worked:
        raise StepFailed.of(Unavailable(reason))


def build_environment(recipe: Recipe, nonce: str, build: str) -> dict[str, str]:
    """Return the variables of a reproducible build; the build host carries the nonce of the run."""
    return {
        "KBUILD_BUILD_TIMESTAMP": "2026-01-01T00:00:00Z",
        "KBUILD_BUILD_USER": "runner",
        "KBUILD_BUILD_HOST": f"builder-{nonce}",
        "KBUILD_BUILD_VERSION": recipe.release,
        "CCACHE_CONFIGPATH": f"{build}/.ccache.conf",
        "CCACHE_DIR": f"{build}/.ccache",
    }


def canary_files(recipe: Recipe) -> dict[str, bytes]:
    """Return the files that a build reads besides the source, by their path in the runner's folder."""
    files = {
        f"canary/steps/{path.name}": path.read_bytes() for path in sorted((recipe.folder / "steps").iterdir())
    }
    files |= {f"canary/config/{path.name}": path.read_bytes() for path in recipe.fragments}
    if recipe.patches is not None:
        files |= {
            f"canary/patches/{path.relative_to(recipe.patches)}": path.read_bytes()
            for path in sorted(recipe.patches.rglob("*"))
            if path.is_file()
        }
    if isinstance(recipe.base, Path):
        files["canary/base.config"] = recipe.base.read_bytes()
    return files


def _mode(name: str) -> int:
    """Everybody reads and runs a file, but for those that begin with a dot."""
    return 0o600 if name.rpartition("/")[2].startswith(".") else 0o755


def image_in(archive: bytes, name: str = "") -> bytes:
    """The first file of that name in a tar archive, or the first at all; nothing if there is none."""
    with tarfile.open(fileobj=io.BytesIO(archive)) as unpacked:
        for entry in unpacked:
            if entry.isfile() and (not name or entry.name.rpartition("/")[2] == name):
                stream = unpacked.extractfile(entry)
                return stream.read() if stream is not None else b""
    return b""


def boot(
    bench: ContainerTestbed,
    recipe: Recipe,
    image: bytes,
    *,
    nonce: str,
    origin: str,
    arguments: Sequence[str] = (),
) -> Boot | Unavailable:
    """Boot an image in the emulator, without any network, as nobody; ``arguments`` are the kernel's."""
    api: Any = bench.engine_client.api
    steps = recipe.folder / "steps"
    files = {"vmlinuz": image} | {
        f"steps/{name}": (steps / name).read_bytes() for name in ("boot.sh", "init")
    }
    budget = recipe.budget["boot"]
    line = ["/srv/steps/boot.sh", "/srv/vmlinuz", "/srv/steps/init", nonce, str(int(budget)), *arguments]
    created: str | None = None
    try:
        created = container = api.create_container(
            BOOT_IMAGE,
            ["sleep", str(int(budget) + 60)],
            name=bench.run.name(f"linux-xr-boot-{bench.nonce()[:6]}"),
            labels=bench.run.labels,
            user="65534:65534",
            environment={"HOME": "/tmp"},  # noqa: S108 # inside the container
            host_config=api.create_host_config(
                network_mode="none",
                cap_drop=["ALL"],
                security_opt=["no-new-privileges"],
                pids_limit=64,
                mem_limit="1g",
            ),
        )["Id"]
        api.put_archive(created, "/srv", pack(files, mode=_mode))
        api.start(created)
        started_at = time.monotonic()
        completed = bench.ending.run(
            lambda: engine.execute(bench.engine_client, container, line, deadline=budget + 20)
        )
        seconds = time.monotonic() - started_at
    except docker.errors.ImageNotFound:
        return Unavailable(engine.absent(BOOT_IMAGE))
    except engine.LOST as error:
        return Unavailable(f"cannot start the emulator: {engine.reason(error)}")
    finally:
        if created is not None:
            remove_container(bench.engine_client, created)
    step = TierStep(
        "boot", completed.status, completed.stdout.decode("utf-8", "replace"),
        completed.stderr.decode("utf-8", "replace"), seconds, budget, completed.ended,
    )  # fmt: skip
    return Boot(step, nonce, origin)


def count_requests(cold: Sequence[AccessLogLine], warm: Sequence[AccessLogLine]) -> CacheServer:
    """Count the requests of the two builds in the server's own log."""
    return CacheServer(
        accepted=sum(
            line.method == "PUT" and line.identity == "writer" and line.status in (200, 201, 204)
            for line in cold
        ),
        served=sum(
            line.method == "GET" and line.identity == "reader" and line.status == 200 for line in warm
        ),
        rejected=sum(line.method == "PUT" and line.status in (401, 403) for line in cold),
    )


def _changed_paths(bench: ContainerTestbed, container: str, folder: str) -> set[str] | Unavailable:
    """Paths outside of the folder that a container has and its image has not, by the engine's comparison.

    Folders that hold one of them are left out, and so is /tmp itself: it is made to be written into, and
    what stays in it is named.
    """
    api: Any = bench.engine_client.api
    try:
        changes = [change["Path"] for change in api.diff(container) or []]
    except engine.LOST as error:
        return Unavailable(f"the engine did not compare the container with its image: {engine.reason(error)}")
    paths = {path for path in changes if path != folder and not path.startswith(f"{folder}/")}
    above = {path for path in paths if any(other.startswith(f"{path}/") for other in changes)}
    return paths - above - {"/tmp"}  # noqa: S108 # a path in the container


def _oom_killed(bench: ContainerTestbed, container: str) -> bool:
    try:
        return bool(bench.engine_client.api.inspect_container(container)["State"].get("OOMKilled"))
    except engine.LOST:
        return False
