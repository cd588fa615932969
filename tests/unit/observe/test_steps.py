"""What steps see in real shells of this host."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from builder_contracts.contract.loading import load
from builder_contracts.contract.model import Contract
from builder_contracts.facts.model import Seen, StepFacts, Unseen
from builder_contracts.observe.inside import steps
from builder_contracts.runner import process
from builder_contracts.runner.protocol import CompletedCommand, OutsideView, UnavailableRunner
from tests.unit.observe.shells import SYSTEM

HEAD = """\
apiVersion: builder-contracts/v1
kind: BuilderClass
metadata: {name: sample, summary: A class for the tests, owner: platform}
labels: [sample]
image: {reference: sample}
"""
TOOLS = "toolchain: {ls: present, no-such-tool: absent}\n"


@dataclass
class Host:
    """This host as a runner, in an environment of the test's own."""

    env: dict[str, str]
    setting: OutsideView = field(default_factory=lambda: UnavailableRunner("a test").setting)

    def execute(
        self, arguments: Sequence[str], *, deadline: float, last_line: bytes = b""
    ) -> CompletedCommand:
        # Popen looks a program up in the PATH of the child.
        return process.run(arguments, deadline=deadline, environment=self.env, last_line=last_line)


WriteContract = Callable[[str], Contract]


@pytest.fixture
def write(tmp_path: Path) -> WriteContract:
    def write(body: str) -> Contract:
        path = tmp_path / "sample.yaml"
        path.write_text(HEAD + body)
        return load(path)

    return write


def step(seen: dict[str, Seen[StepFacts]], shell: str) -> StepFacts:
    facts = seen[shell]
    assert isinstance(facts, StepFacts), facts
    return facts


def test_bash_env_reaches_steps_and_is_named(tmp_path: Path, write: WriteContract) -> None:
    startup = tmp_path / "be.sh"
    startup.write_text("export DOCKER_HOST=tcp://10.0.0.1:2375\nexport PATH=/nowhere\n")
    host = Host({"PATH": SYSTEM, "HOME": str(tmp_path), "BASH_ENV": str(startup), "QUOTED": "it's \n'\"$x"})
    facts = step(steps.observe(write(TOOLS), host, deadline=30), "bash -e")
    assert facts.env["DOCKER_HOST"] == "tcp://10.0.0.1:2375"
    assert facts.env["PATH"] == "/nowhere"
    assert facts.env["QUOTED"] == "it's \n'\"$x"
    assert facts.tools == {"ls": "", "no-such-tool": ""}
    assert facts.startup["DOCKER_HOST"] == facts.startup["PATH"][-1:] == [str(startup)]


def test_a_function_or_an_alias_hides_a_tool(tmp_path: Path, write: WriteContract) -> None:
    startup = tmp_path / "be.sh"
    startup.write_text("shopt -s expand_aliases\nalias ls=false\n")
    host = Host({"PATH": SYSTEM, "BASH_ENV": str(startup), "BASH_FUNC_cat%%": "() { :; }"})
    contract = write("toolchain: {ls: present, cat: present, printf: present}\n")
    tools = step(steps.observe(contract, host, deadline=30), "bash -e").tools
    assert tools == {"ls": "alias ls", "cat": "function cat", "printf": "printf"}


def test_login_shell_names_the_file_of_the_job_user(tmp_path: Path, write: WriteContract) -> None:
    (tmp_path / ".bash_profile").write_text("export ADDED=1\n")
    host = Host({"PATH": SYSTEM, "HOME": str(tmp_path)})
    seen = steps.observe(write("job: {shells: [sh -e, bash -l]}\n"), host, deadline=30)
    assert list(seen) == ["sh -e", "bash -l"]
    assert "ADDED" not in step(seen, "sh -e").env
    login = step(seen, "bash -l")
    assert (login.env["ADDED"], login.startup["ADDED"]) == ("1", [f"{tmp_path}/.bash_profile"])


def test_job_without_bash_gets_sh(tmp_path: Path, write: WriteContract) -> None:
    (tmp_path / "sh").symlink_to(os.path.realpath(shutil.which("dash", path=SYSTEM) or "/bin/sh"))
    seen = steps.observe(write(TOOLS), Host({"PATH": str(tmp_path)}), deadline=30)
    assert list(seen) == ["sh -e"]
    assert step(seen, "sh -e").tools == {"ls": "", "no-such-tool": ""}


def test_startup_file_that_fails_is_a_failure(tmp_path: Path, write: WriteContract) -> None:
    startup = tmp_path / "be.sh"
    startup.write_text("echo boom >&2; exit 3\n")
    seen = steps.observe(write(TOOLS), Host({"PATH": SYSTEM, "BASH_ENV": str(startup)}), deadline=30)
    facts = step(seen, "bash -e")
    assert (facts.failure, facts.missing) == ("exited with status 3: boom", False)


def test_shell_that_hangs_is_unseen(tmp_path: Path, write: WriteContract) -> None:
    startup = tmp_path / "be.sh"
    startup.write_text("sleep 60\n")
    seen = steps.observe(write(TOOLS), Host({"PATH": SYSTEM, "BASH_ENV": str(startup)}), deadline=1)
    assert isinstance(seen["bash -e"], Unseen)
    assert "did not exit within" in seen["bash -e"].reason


def test_contract_without_use_for_steps_starts_no_shell(write: WriteContract) -> None:
    assert steps.observe(write("filesystem: {/: present}\n"), Host({"PATH": "/nowhere"}), deadline=1) == {}


def test_powershell_is_asked_in_its_own_language(tmp_path: Path, write: WriteContract) -> None:
    fake = tmp_path / "pwsh"
    fake.write_text(
        "#!/bin/sh\n[ \"$1 $2\" = '-NonInteractive -Command' ] || exit 9\n"
        "nonce=$(printf '%s' \"$3\" | /bin/sed -n \"s/.* '\\([0-9a-f]*\\) env'.*/\\1/p\")\n"
        'printf \'\\n%s env\\n{"ADDED":"x"}\\n\\n%s tools\\nls=/bin/ls\\n\\n%s process\\n\\n%s startup\\n\\n%s end\\n\' '
        '"$nonce" "$nonce" "$nonce" "$nonce" "$nonce"\n'
    )
    fake.chmod(0o755)
    host = Host({"PATH": f"{tmp_path}:{SYSTEM}"})
    seen = steps.observe(write(f"job: {{shells: [pwsh]}}\n{TOOLS}"), host, deadline=30)
    assert seen == {"pwsh": StepFacts({"ADDED": "x"}, {"ls": "/bin/ls"})}


@pytest.mark.parametrize(
    "output",
    [b"", b"\nother env\nA=b\n\nother tools\n\nother startup\n\nother end\n", b"\nN env\nexport A='b'\n"],
    ids=["nothing", "another nonce", "no end"],
)
def test_output_without_the_nonce_is_a_failure(output: bytes) -> None:
    facts = steps.parse(CompletedCommand(0, output, b""), "N", "bash -e")
    assert isinstance(facts, StepFacts)
    assert facts.failure.startswith("exited with status 0")


def test_invalid_variables_are_unseen() -> None:
    output = b"\nN env\nexport A='b\n\nN tools\n\nN process\n\nN startup\n\nN end\n"
    assert isinstance(steps.parse(CompletedCommand(0, output, b""), "N", "bash -e"), Unseen)


def test_a_step_shows_what_its_processes_inherit(tmp_path: Path, write: WriteContract) -> None:
    startup = tmp_path / "be.sh"
    startup.write_text("umask 027; ulimit -S -n 99; cd /; set +e\n")
    facts = step(
        steps.observe(write(TOOLS), Host({"PATH": SYSTEM, "BASH_ENV": str(startup)}), deadline=30), "bash -e"
    )
    assert (facts.umask, facts.ulimits["nofile"], facts.directory) == (0o27, 99, "/")
    assert "e" not in facts.options
