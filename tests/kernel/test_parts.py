"""Console, progress, ladder and recipe."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import pytest

from builder_contracts.contract.promises.canaries import SHOWS
from builder_contracts.errors import InputError
from builder_contracts.prove import canary
from builder_contracts.prove.access_log import Served
from builder_contracts.prove.kernel import ladder, recipe, tiers
from builder_contracts.prove.kernel.console import parse_console
from builder_contracts.prove.kernel.progress import Objects, silent
from builder_contracts.prove.kernel.record import Boot, Step
from builder_contracts.prove.kernel.workshop import build_environment, canary_files, count_requests
from builder_contracts.prove.unavailable import Lost

from . import records

CANARY = Path(__file__).parents[2] / "canaries" / "linux-xr"


def test_console_lines_count_only_with_the_nonce_of_the_run() -> None:
    console = parse_console("LINUX-XR old release 1\r\nLINUX-XR new release 2\r\n", "new")
    assert console.lines == {"release": ("2",)}


def test_a_panic_is_found_behind_its_timestamp_and_colours() -> None:
    assert (
        parse_console("\x1b[31m[ 0.7] Kernel panic - not syncing: no init\x1b[0m", "n").panic
        == "Kernel panic - not syncing: no init"
    )


def test_objects_are_counted_across_pieces_and_told_with_their_total() -> None:
    told: list[str] = []
    objects = Objects("build", told.append)
    objects(b'{"objects":4}\n  CC      a.o\n  AS ')
    objects(b"     b.o\n  LD      c.o\n  CC [M]  d.o\n")
    assert (objects.done, objects.total) == (3, 4)
    assert told[-1] == "build: 3 of 4 objects"


def test_objects_beyond_the_plan_raise_the_total() -> None:
    objects = Objects("build", silent, total=1)
    objects(b"  CC a.o\n  CC b.o\n")
    assert (objects.done, objects.total) == (2, 2)


@pytest.mark.parametrize(
    ("console", "claim"),
    [
        (records.CONSOLE, ladder.Claim.REALTIME),
        (records.CONSOLE.replace("SMP PREEMPT_RT", "SMP"), ladder.Claim.PACKAGED),
        ("Kernel panic - not syncing: x", ladder.Claim.PACKAGED),
    ],
)
def test_packaged_is_not_booted_and_booted_is_not_realtime(console: str, claim: ladder.Claim) -> None:
    record = dataclasses.replace(
        records.good(), boot=Boot(Step("boot", 0, console, "", 1, 9), records.NONCE, "the package")
    )
    assert ladder.highest_claim(tiers.judge(record)).claim is claim


def test_no_rung_is_claimed_on_the_evidence_of_another() -> None:
    record = dataclasses.replace(records.good(), package=Lost("not reached"))
    reached = ladder.highest_claim(tiers.judge(record))
    assert reached.claim is ladder.Claim.NONE
    assert "linux-xr-package is unproven" in reached.missing


def test_a_host_is_never_claimed_to_be_validated() -> None:
    assert str(ladder.highest_claim(tiers.judge(records.good()))).endswith(
        "not C2: no host configuration was validated"
    )


def test_the_canary_of_this_repository_is_complete() -> None:
    assert canary.load(CANARY).tool == "make"
    files = canary_files(recipe.load(CANARY))
    named = [
        line
        for line in files["canary/patches/series"].decode().splitlines()
        if line and not line.startswith("#")
    ]
    assert named
    assert all(f"canary/patches/{name}" in files for name in named)


def test_the_build_host_carries_the_nonce() -> None:
    environment = build_environment(recipe.load(CANARY), "abc", "/build")
    assert environment["KBUILD_BUILD_HOST"] == "builder-abc"
    assert "CCACHE_CONFIGPATH" in environment
    assert not any("http" in value for value in environment.values())


def test_another_source_gets_none_of_our_patches(tmp_path: Path) -> None:
    (tmp_path / "Kbuild").touch()
    found = recipe.load(CANARY, source=tmp_path)
    assert found.patches is None
    assert found.quirk == ""


def test_a_distribution_configuration_replaces_the_base_and_gets_more_time(tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text("CONFIG_64BIT=y\n")
    found, own = recipe.load(CANARY, config=config), recipe.load(CANARY)
    assert found.base == config
    assert found.budget["build"] == recipe.OWN_BUDGET * own.budget["build"]


@pytest.mark.parametrize("option", ["source", "config"])
def test_an_option_that_leads_nowhere_is_an_input_error(option: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"--linux-xr-{option} .*/nowhere is"):
        recipe.load(CANARY, **{option: tmp_path / "nowhere"})


def test_a_folder_without_a_kernel_is_an_input_error(tmp_path: Path) -> None:
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
def test_a_bad_kernel_yaml_names_the_line(old: str, new: str, message: str, tmp_path: Path) -> None:
    for name in ("config", "patches"):
        shutil.copytree(CANARY / name, tmp_path / name)
    _kernel_yaml(tmp_path, old, new)
    with pytest.raises(InputError, match=message):
        recipe.load(tmp_path)


def test_the_server_is_asked_who_wrote_and_who_read() -> None:
    cold = [
        Served("writer", "x", "PUT", "/a", 201),
        Served("anonymous", "x", "PUT", "/b", 401),
        Served("writer", "x", "GET", "/a", 404),
    ]
    warm = [
        Served("reader", "x", "GET", "/a", 200),
        Served("reader", "x", "GET", "/b", 404),
        Served("writer", "x", "GET", "/a", 200),
    ]
    counted = count_requests(cold, warm)
    assert (counted.accepted, counted.served, counted.rejected) == (1, 1, 1)


def test_whatever_a_tier_shows_can_be_promised() -> None:
    assert set(tiers.SHOWS) <= set(SHOWS)
