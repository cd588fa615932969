"""The canary itself: minutes. Real kernels, real packages, real boots, and the defects that need them.

The main job builds the same kernel; here its boots are broken, too. script/test --long runs it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest

from builder_contracts.contract import loading
from builder_contracts.prove.check_result import CheckResult
from builder_contracts.prove.container_testbed import ContainerTestbed
from builder_contracts.prove.kernel import claims, recipe
from builder_contracts.prove.kernel import judge as tiers
from builder_contracts.prove.kernel import standalone as alone
from builder_contracts.prove.kernel import tiers as workshop
from builder_contracts.prove.kernel.record import Boot, KernelRecord

ROOT = Path(__file__).parents[2]
CANARY = ROOT / "canaries" / "linux-xr"

pytestmark = [pytest.mark.docker, pytest.mark.slow, pytest.mark.long, pytest.mark.xdist_group("kernel")]


@pytest.fixture(scope="module")
def bench() -> Iterator[ContainerTestbed]:
    with alone.bench(loading.load(ROOT / "contracts" / "tinyland-docker.yaml")) as standalone:
        yield standalone


@pytest.fixture(scope="module")
def record(bench: ContainerTestbed) -> KernelRecord:
    return workshop.run(bench, recipe.load(CANARY), say=print)


@pytest.fixture(scope="module")
def image(bench: ContainerTestbed, record: KernelRecord) -> bytes:
    """The image that the canary packaged, out of what it handed on."""
    return workshop.image_in(next(out for out in bench.outputs if out[257:262] == b"ustar"), "vmlinuz")


def broken(record: KernelRecord) -> dict[str, str]:
    return {
        name: results.observed if isinstance(results, CheckResult) else results.reason
        for name, results in tiers.judge(record).items()
        if not isinstance(results, CheckResult) or not results.good
    }


def rebooted(
    bench: ContainerTestbed, record: KernelRecord, image: bytes, *arguments: str, seconds: float = 60
) -> KernelRecord:
    kernel = recipe.load(CANARY)
    kernel = dataclasses.replace(kernel, budget={**kernel.budget, "boot": seconds})
    assert isinstance(record.boot, Boot)
    booted = workshop.boot(
        bench, kernel, image, nonce=record.boot.nonce, origin="a test", arguments=arguments
    )
    return dataclasses.replace(record, boot=booted)


def test_canary_keeps_every_clause_and_claims_realtime(record: KernelRecord) -> None:
    results = tiers.judge(record)
    assert broken(record) == {}
    assert claims.highest_claim(results).claim is claims.KernelClaim.REALTIME


BUSYBOX = "rdinit=/bin/busybox"


@pytest.mark.parametrize(
    ("arguments", "observed"),
    [
        (["rdinit=/nowhere"], "panic: Kernel panic - not syncing: "),
        ([BUSYBOX, "--", "sleep", "1000"], "hung: still running after 30 s; last output: "),
        (
            [BUSYBOX, "--", "reboot", "-f"],
            "no marker: the machine shut down before init finished",
        ),
    ],
    ids=["panics", "hangs", "never-speaks"],
)
def test_failed_boots_have_different_causes(
    bench: ContainerTestbed, record: KernelRecord, image: bytes, arguments: list[str], observed: str
) -> None:
    results = tiers.judge(rebooted(bench, record, image, *arguments, seconds=30))["boot"]
    assert isinstance(results, CheckResult)
    assert not results.good
    assert results.observed.startswith(observed)


def test_kernel_of_another_release_breaks_boot_release(record: KernelRecord) -> None:
    assert (
        "promised 7.2.13-2.xr.el10"
        in broken(dataclasses.replace(record, release="2.xr.el10"))["boot-release"]
    )
