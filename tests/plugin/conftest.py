"""A contract about this machine, so that the plugin is tested on a real runner without Docker."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

# pytester forgets what was first imported in a run of its own, and requests does not work when it is imported twice.
from builder_contracts.runner.docker import engine

NO_ENGINE = str(engine.EngineNotFound("")).partition("(")[0].strip()
"""What is said where no engine answers."""

SAMPLE = """\
apiVersion: builder-contracts/v1
kind: BuilderClass
metadata: {name: here, summary: The machine that the tests run on, owner: nobody}
labels: [here]
image: {reference: here}
identity: {shell: /bin/sh}
toolchain:
  sh: present
  no-such-tool: present
  forgotten: present
network:
  resolve: [localhost]
waivers:
  toolchain/forgotten: {reason: it comes with the next release, until: 2999-12-31}
why:
  toolchain/no-such-tool: nothing works without it
"""

OTHER = """\
apiVersion: builder-contracts/v1
kind: BuilderClass
metadata: {name: there, summary: The same machine by another name, owner: nobody}
labels: [there]
image: {reference: there}
toolchain: {sh: present}
"""


@pytest.fixture
def contracts(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with nothing but two contracts, on a machine whose PATH has a shell and two programs more.

    Of "here" 3 clauses are kept (label, shell, sh), 1 is broken (no-such-tool), 1 waived (forgotten), 1
    unproven although it could have been shown (resolve: no getent), 1 unproven because a machine has no
    image to look at. Of "there" 2 are kept and 1 is unproven for lack of an image.
    """
    folder = pytester.path / "contracts"
    folder.mkdir()
    (folder / "here.yaml").write_text(SAMPLE)
    (folder / "there.yaml").write_text(OTHER)
    monkeypatch.setenv("PATH", str(few_programs(pytester.path)))
    return folder


def few_programs(folder: Path) -> Path:
    """A directory with a shell, and what the probe needs for a scratch folder in which the shell does its work."""
    programs = folder / "bin"
    programs.mkdir()
    for name in ("sh", "mkdir", "rm"):
        program = shutil.which(name)
        assert program is not None
        (programs / name).symlink_to(Path(program).resolve())
    return programs
