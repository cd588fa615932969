"""The tiers in a real runner of the class, with a real compiler cache, on a source that builds in a second.

Each defect is a real one: it is built in the runner, and just its tier goes red. A toy does not boot: that
tier is in test_canary.py.
"""

from __future__ import annotations

import dataclasses
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from builder_contracts.contract import loading
from builder_contracts.prove.check_result import CheckResult
from builder_contracts.prove.container_testbed import ContainerTestbed
from builder_contracts.prove.job import StepFailed
from builder_contracts.prove.kernel import judge as tiers
from builder_contracts.prove.kernel import recipe
from builder_contracts.prove.kernel import standalone as alone
from builder_contracts.prove.kernel import tiers as workshop
from builder_contracts.prove.kernel.record import KernelBuild, KernelRecord, TierStep
from builder_contracts.prove.unavailable import Unavailable
from builder_contracts.runner.shutdown import ENDED
from builder_contracts.services.principals import Credentials, Principal

from . import toy

ROOT = Path(__file__).parents[2]
OF_A_KERNEL = set(tiers.TIERS["boot"])

pytestmark = [pytest.mark.docker, pytest.mark.xdist_group("kernel-toy")]


@pytest.fixture
def bench() -> Iterator[ContainerTestbed]:
    with alone.bench(loading.load(ROOT / "contracts" / "tinyland-docker.yaml")) as standalone:
        yield standalone


def build(bench: ContainerTestbed, tree: Path, **budget: float) -> KernelRecord:
    kernel = recipe.load(ROOT / "canaries" / "linux-xr", source=tree)
    return workshop.run(bench, dataclasses.replace(kernel, budget={**kernel.budget, **budget}), jobs=1)


def broken(record: KernelRecord) -> dict[str, str]:
    return {
        name: results.observed
        for name, results in tiers.judge(record).items()
        if name not in OF_A_KERNEL and isinstance(results, CheckResult) and not results.good
    }


# Two files compile as fast as they are fetched: only a kernel shows that a rebuild is faster.
def apart_from_time(results: dict[str, str]) -> dict[str, str]:
    return {name: lines for name, lines in results.items() if name != "rebuild-time"}


def test_good_source_passes_every_tier(bench: ContainerTestbed, tmp_path: Path) -> None:
    lines: list[str] = []
    kernel = recipe.load(ROOT / "canaries" / "linux-xr", source=toy.tree(tmp_path))
    record = workshop.run(bench, kernel, jobs=1, say=lines.append)
    results = tiers.judge(record)
    assert not apart_from_time(broken(record))
    for name in set(tiers.SHOWS) - OF_A_KERNEL:
        assert isinstance(results[name], CheckResult), results[name]
    # What does not boot was not shown to be broken by an emulator that refuses it.
    assert isinstance(results["boot"], Unavailable)
    assert "build: 2 of 2 objects" in lines


def test_cold_only_build_uses_no_cache(bench: ContainerTestbed, tmp_path: Path) -> None:
    kernel = recipe.load(ROOT / "canaries" / "linux-xr", source=toy.tree(tmp_path))
    record = workshop.run(bench, kernel, jobs=1, cold_only=True)
    assert isinstance(record.cold, KernelBuild)
    assert record.cold.step.worked
    assert record.cold.cache.get("remote_storage_miss", 0) == 0
    assert isinstance(record.warm, Unavailable)


def test_stopped_run_starts_no_step(bench: ContainerTestbed, tmp_path: Path) -> None:
    def say(text: str) -> None:
        if text.startswith("configure: "):
            bench.ending.end(lambda: None)

    kernel = recipe.load(ROOT / "canaries" / "linux-xr", source=toy.tree(tmp_path))
    record = workshop.run(bench, kernel, jobs=1, say=say)
    assert isinstance(record.configure, TierStep)
    assert record.configure.ended == ENDED
    assert isinstance(record.cold, Unavailable)
    with pytest.raises(StepFailed, match=ENDED), bench.runner("another"):
        pass


def test_tarball_has_its_own_patches_and_fragments(bench: ContainerTestbed, tmp_path: Path) -> None:
    toy.tree(tmp_path / "linux-xr-1.2.3", options="CONFIG_A=y\nCONFIG_DREAM=y\n")
    tarball = tmp_path / "linux-xr.tar.gz"
    with tarfile.open(tarball, "w:gz") as packed:
        packed.add(tmp_path / "linux-xr-1.2.3", "linux-xr-1.2.3")
    kernel = recipe.load(ROOT / "canaries" / "linux-xr", source=tarball)
    record = workshop.run(bench, kernel, jobs=1, cold_only=True)
    results = tiers.judge(record)
    assert isinstance(results["patches"], CheckResult)
    assert results["patches"].good
    assert broken(record) == {"configure": "CONFIG_DREAM=y (toy.config) resolved to absent"}


def test_source_without_patches_is_built(bench: ContainerTestbed, tmp_path: Path) -> None:
    tree = toy.tree(tmp_path)
    (tree / "xr/patches/series").unlink()
    record = workshop.run(
        bench, recipe.load(ROOT / "canaries" / "linux-xr", source=tree), jobs=1, cold_only=True
    )
    assert not broken(record)
    assert record.patches is None


def test_dropped_option_is_named(bench: ContainerTestbed, tmp_path: Path) -> None:
    record = build(bench, toy.tree(tmp_path, options="CONFIG_A=y\nCONFIG_DREAM=y\n"))
    assert apart_from_time(broken(record)) == {"configure": "CONFIG_DREAM=y (toy.config) resolved to absent"}


def test_failing_patch_is_named(bench: ContainerTestbed, tmp_path: Path) -> None:
    record = build(bench, toy.tree(tmp_path, patch=toy.PATCH.replace("int one = 1;", "int one = 7;")))
    assert broken(record).keys() == {"patches"}
    assert "patch 1 of the series, 0001-toy.patch, does not apply" in broken(record)["patches"]


def test_patch_that_needs_fuzz_does_not_apply(bench: ContainerTestbed, tmp_path: Path) -> None:
    record = build(
        bench, toy.tree(tmp_path, patch=toy.PATCH.replace(" int a(void);\n", " int another(void);\n"))
    )
    assert broken(record).keys() == {"patches"}


def test_missing_program_is_named(bench: ContainerTestbed, tmp_path: Path) -> None:
    record = build(bench, toy.tree(tmp_path, extra="flex-of-old --version"))
    assert broken(record).keys() == {"build"}
    assert "flex-of-old is not in the image" in broken(record)["build"]


def test_low_memory_limit_kills_and_is_named(bench: ContainerTestbed, tmp_path: Path) -> None:
    bench.plan = dataclasses.replace(bench.plan, memory_limit=96 * 2**20, memory_request=None)
    hungry = (
        """python3 -c "import time; x = bytearray(90 << 20); time.sleep(0.5); y = bytearray(200 << 20)" """
    )
    record = build(bench, toy.tree(tmp_path, extra=hungry))
    results = broken(record)
    assert results.keys() == {"build", "memory"}
    assert "at the memory limit of 96Mi, peak " in results["build"]
    assert "killed at the limit of 96Mi, peak " in results["memory"]


def test_cache_without_hits_breaks_rebuild_hits(bench: ContainerTestbed, tmp_path: Path) -> None:
    record = build(bench, toy.tree(tmp_path, flags="-O1 -frandom-seed=$$(date +%s%N)"))
    results = apart_from_time(broken(record))
    assert results == {"rebuild-hits": "0 of 2 compilations came from the cache, 0%, promised 95%"}


def test_cache_that_stores_nothing_breaks_rebuild_hits(bench: ContainerTestbed, tmp_path: Path) -> None:
    good = bench.credentials
    bench.host.start([workshop.compiler_cache(good)])
    bench.credentials = Credentials(good.reader, Principal("writer", "not-the-secret"))
    record = build(bench, toy.tree(tmp_path))
    results = apart_from_time(broken(record))
    assert results.keys() == {"rebuild-hits"}
    assert "the cache stored nothing from the cold build" in results["rebuild-hits"]


def test_build_that_writes_outside_its_tree_is_broken(bench: ContainerTestbed, tmp_path: Path) -> None:
    record = build(bench, toy.tree(tmp_path, extra="touch $$HOME/stray"))
    assert apart_from_time(broken(record)) == {"build-confined": "wrote /home/runner/stray"}


def test_build_that_writes_into_the_source_is_broken(bench: ContainerTestbed, tmp_path: Path) -> None:
    record = build(bench, toy.tree(tmp_path, extra="touch generated.h"))
    results = apart_from_time(broken(record))
    assert results.keys() == {"build-confined"}
    assert "/tree/generated.h" in results["build-confined"]


def test_rpm_with_the_wrong_name_is_broken(bench: ContainerTestbed, tmp_path: Path) -> None:
    # As the kernel's own packaging names it without patch 0003.
    spec = toy.SPEC.replace("Version: 1.2.3", "Version: 1.2.3_1.xr.el10").replace(
        "Release: 1.xr.el10", "Release: 1"
    )
    results = apart_from_time(broken(build(bench, toy.tree(tmp_path, spec=spec))))
    assert results.keys() == {"package"}
    assert results["package"].startswith("kernel-1.2.3_1.xr.el10-1.x86_64.rpm")


def test_rpm_that_contains_builder_paths_is_broken(bench: ContainerTestbed, tmp_path: Path) -> None:
    spec = toy.SPEC.replace("echo MAP >", "echo OUT/vmlinux >").replace(
        "cp OUT/image", "ln -s OUT/none debug; cp OUT/image"
    )
    results = apart_from_time(broken(build(bench, toy.tree(tmp_path, spec=spec))))
    assert results.keys() == {"package-complete"}
    assert "System.map" in results["package-complete"]
    assert "debug -> " in results["package-complete"]


def test_endless_build_stops_at_its_budget(bench: ContainerTestbed, tmp_path: Path) -> None:
    record = build(bench, toy.tree(tmp_path, extra="sleep 600"), build=8)
    assert broken(record).keys() == {"build"}
    assert "exceeded its budget of 8 s" in broken(record)["build"]


def test_secrets_are_not_in_build_outputs(bench: ContainerTestbed, tmp_path: Path) -> None:
    build(bench, toy.tree(tmp_path))
    assert bench.outputs
    assert not [output for output in bench.outputs if bench.token.encode() in output]
    assert not [output for output in bench.outputs if bench.credentials.writer.secret.encode() in output]
