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
def test_own_source_and_config_are_built_with_progress(tmp_path: Path) -> None:
    configuration = tmp_path / "config-1.2.3"
    configuration.write_text("CONFIG_FROM_A_DISTRIBUTION=y\n")
    source = toy.tree(tmp_path / "source", options="CONFIG_FROM_A_DISTRIBUTION=y\nCONFIG_A=y\n")
    completed = check("--linux-xr-source", source, "--linux-xr-config", configuration)
    assert completed.returncode == 0, completed.stdout
    assert "5 kept" in completed.stdout
    assert "  build: 2 of 2 objects\n" in completed.stderr


@pytest.mark.docker
@pytest.mark.xdist_group("kernel-toy")
def test_own_source_that_drops_an_option_breaks_configure(tmp_path: Path) -> None:
    source = toy.tree(tmp_path / "source", options="CONFIG_DREAM=y\n")
    completed = check("--linux-xr-source", source)
    assert completed.returncode == 1
    assert "canaries/linux-xr-configure  BROKEN" in completed.stdout
    assert "CONFIG_DREAM=y (toy.config) resolved to absent" in completed.stdout
    assert "4 kept" in completed.stdout
    assert "1 broken" in completed.stdout


@pytest.mark.parametrize("option", ["--linux-xr-source", "--linux-xr-config"])
def test_missing_path_is_reported_before_the_build(option: str) -> None:
    completed = check(option, "/nowhere", selected="linux-xr-build")
    assert completed.returncode == 3
    assert f"{option} /nowhere: no such file or directory" in completed.stdout + completed.stderr
    assert "Traceback" not in completed.stdout + completed.stderr
