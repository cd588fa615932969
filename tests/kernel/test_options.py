"""The kernel canary as people start it: from the contract, by pytest, with a source of their own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from . import toy

ROOT = Path(__file__).parents[2]
BUILT = "linux-xr-patches or linux-xr-configure or linux-xr-build or linux-xr-rebuild-identical"


def check(*options: str | Path, selected: str = BUILT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "contracts/tinyland-docker.yaml",
            "-k", selected, *map(str, options),
        ],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip


@pytest.mark.docker
@pytest.mark.xdist_group("kernel-toy")
def test_an_own_source_and_configuration_are_built_and_progress_is_told(tmp_path: Path) -> None:
    configuration = tmp_path / "config-1.2.3"
    configuration.write_text("CONFIG_FROM_A_DISTRIBUTION=y\n")
    source = toy.tree(tmp_path / "source", options="CONFIG_FROM_A_DISTRIBUTION=y\nCONFIG_A=y\n")
    done = check("--linux-xr-source", source, "--linux-xr-config", configuration)
    assert done.returncode == 0, done.stdout
    assert "5 kept" in done.stdout
    assert "  build: 2 of 2 objects\n" in done.stderr


@pytest.mark.docker
@pytest.mark.xdist_group("kernel-toy")
def test_an_own_source_that_drops_an_option_breaks_just_that_clause(tmp_path: Path) -> None:
    source = toy.tree(tmp_path / "source", options="CONFIG_DREAM=y\n")
    done = check("--linux-xr-source", source)
    assert done.returncode == 1
    assert "canaries/linux-xr-configure  BROKEN" in done.stdout
    assert "CONFIG_DREAM=y (toy.config) resolved to absent" in done.stdout
    assert "4 kept" in done.stdout
    assert "1 broken" in done.stdout


@pytest.mark.parametrize("option", ["--linux-xr-source", "--linux-xr-config"])
def test_a_path_that_leads_nowhere_is_told_before_anything_is_built(option: str) -> None:
    done = check(option, "/nowhere", selected="linux-xr-build")
    assert done.returncode != 0
    assert f"{option} /nowhere: there is no such file or folder" in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
