"""Console, progress, ladder and recipe."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import pytest

from builder_contracts.contract.promises.canaries import SHOWS
from builder_contracts.errors import InputError
from builder_contracts.prove.access_log import AccessLogLine
from builder_contracts.prove.canary import definition as canary
from builder_contracts.prove.kernel import claims, recipe
from builder_contracts.prove.kernel import judge as tiers
from builder_contracts.prove.kernel.boot_console import parse_console
from builder_contracts.prove.kernel.progress import Objects, silent
from builder_contracts.prove.kernel.record import Boot, TierStep
from builder_contracts.prove.kernel.tiers import build_environment, canary_files, count_requests
from builder_contracts.prove.unavailable import Unavailable

from . import records

CANARY = Path(__file__).parents[2] / "canaries" / "linux-xr"


def test_console_ignores_lines_with_another_nonce() -> None:
    console = parse_console("LINUX-XR old release 1\r\nLINUX-XR new release 2\r\n", "new")
    assert console.lines == {"release": ("2",)}


def test_panic_is_found_behind_timestamp_and_colors() -> None:
    assert (
        parse_console("\x1b[31m[ 0.7] Kernel panic - not syncing: no init\x1b[0m", "n").panic
        == "Kernel panic - not syncing: no init"
    )


def test_objects_are_counted_across_pieces() -> None:
    lines: list[str] = []
    objects = Objects("build", lines.append)
    objects(b'{"objects":4}\n  CC      a.o\n  AS ')
    objects(b"     b.o\n  LD      c.o\n  CC [M]  d.o\n")
    assert (objects.done, objects.total) == (3, 4)
    assert lines[-1] == "build: 3 of 4 objects"


def test_objects_beyond_the_plan_raise_the_total() -> None:
    objects = Objects("build", silent, total=1)
    objects(b"  CC a.o\n  CC b.o\n")
    assert (objects.done, objects.total) == (2, 2)


@pytest.mark.parametrize(
    ("console", "claim"),
    [
        (records.CONSOLE, claims.KernelClaim.REALTIME),
        (records.CONSOLE.replace("SMP PREEMPT_RT", "SMP"), claims.KernelClaim.PACKAGED),
        ("Kernel panic - not syncing: x", claims.KernelClaim.PACKAGED),
    ],
)
def test_claim_is_the_highest_that_is_proved(console: str, claim: claims.KernelClaim) -> None:
    record = dataclasses.replace(
        records.good(), boot=Boot(TierStep("boot", 0, console, "", 1, 9), records.NONCE, "the package")
    )
    assert claims.highest_claim(tiers.judge(record)).claim is claim


def test_boot_without_a_package_claims_nothing() -> None:
    record = dataclasses.replace(records.good(), package=Unavailable("not reached"))
    reached = claims.highest_claim(tiers.judge(record))
    assert reached.claim is claims.KernelClaim.NONE
    assert "linux-xr-package is unproven" in reached.missing


def test_host_is_never_claimed_to_be_validated() -> None:
    assert str(claims.highest_claim(tiers.judge(records.good()))).endswith(
        "not C2: no host configuration was validated"
    )


def test_own_canary_is_complete() -> None:
    assert canary.load(CANARY).tool == "make"
    files = canary_files(recipe.load(CANARY))
    named = [
        line
        for line in files["canary/patches/series"].decode().splitlines()
        if line and not line.startswith("#")
    ]
    assert named
    assert all(f"canary/patches/{name}" in files for name in named)


def test_build_host_has_the_nonce() -> None:
    environment = build_environment(recipe.load(CANARY), "abc", "/build")
    assert environment["KBUILD_BUILD_HOST"] == "builder-abc"
    assert "CCACHE_CONFIGPATH" in environment
    assert not any("http" in value for value in environment.values())


def test_own_source_gets_no_patches_of_the_canary(tmp_path: Path) -> None:
    (tmp_path / "Kbuild").touch()
    recipe_found = recipe.load(CANARY, source=tmp_path)
    assert recipe_found.patches is None
    assert recipe_found.quirk == ""


def test_config_replaces_the_base_and_extends_budgets(tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text("CONFIG_64BIT=y\n")
    recipe_found, own = recipe.load(CANARY, config=config), recipe.load(CANARY)
    assert recipe_found.base == config
    assert recipe_found.budget["build"] == recipe.OWN_BUDGET * own.budget["build"]


@pytest.mark.parametrize("option", ["source", "config"])
def test_missing_option_path_is_an_input_error(option: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"--linux-xr-{option} .*/nowhere is"):
        recipe.load(CANARY, **{option: tmp_path / "nowhere"})


def test_folder_without_a_kernel_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no Kbuild"):
        recipe.load(CANARY, source=tmp_path)


def _kernel_yaml(folder: Path, old: str, new: str) -> None:
    text = (CANARY / "kernel.yaml").read_text()
    assert old in text
    (folder / "kernel.yaml").write_text(text.replace(old, new))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("base: tinyconfig", "base: tinyconfig; rm -rf /", r"kernel.yaml:\d+"),
        ("config/rt.config", "config/../../rt.config", r"kernel.yaml:\d+"),
        ("config/rt.config", "config/none.config", "config/none.config does not exist"),
        ("release: 1.xr.el10", "release: 1.xr.el10 $(id)", r"kernel.yaml:\d+"),
        ("version: 7.2.13-1", "version: -o=x", r"kernel.yaml:\d+"),
        ("boot: 120", "boot: 0", r"kernel.yaml:\d+"),
    ],
)
def test_bad_kernel_yaml_names_the_line(old: str, new: str, message: str, tmp_path: Path) -> None:
    for name in ("config", "patches"):
        shutil.copytree(CANARY / name, tmp_path / name)
    _kernel_yaml(tmp_path, old, new)
    with pytest.raises(InputError, match=message):
        recipe.load(tmp_path)


def test_requests_are_counted_by_identity() -> None:
    cold = [
        AccessLogLine("writer", "x", "PUT", "/a", 201),
        AccessLogLine("anonymous", "x", "PUT", "/b", 401),
        AccessLogLine("writer", "x", "GET", "/a", 404),
    ]
    warm = [
        AccessLogLine("reader", "x", "GET", "/a", 200),
        AccessLogLine("reader", "x", "GET", "/b", 404),
        AccessLogLine("writer", "x", "GET", "/a", 200),
    ]
    counted = count_requests(cold, warm)
    assert (counted.accepted, counted.served, counted.rejected) == (1, 1, 1)


def test_every_tier_clause_can_be_promised() -> None:
    assert set(tiers.SHOWS) <= set(SHOWS)
