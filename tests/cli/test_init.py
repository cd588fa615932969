"""A first contract of this machine, from the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from builder_contracts.errors import ExitCode
from tests.cli.terminal import run

LOCAL = ("init", "--runner", "local", "--name", "host", "--level", "minimal")


def test_a_first_contract_of_this_machine_is_kept(folder: Path) -> None:
    started = run(*LOCAL, cwd=folder)
    assert started.status == ExitCode.KEPT, started.err
    assert started.out.startswith("written  contracts/host.yaml: ")
    checked = run("check", "--runner", "local", "contracts/host.yaml", cwd=folder)
    assert checked.status == ExitCode.KEPT, checked.out


def test_an_existing_file_is_replaced_only_by_force(folder: Path) -> None:
    file = folder / "mine.yaml"
    file.write_text("# by hand\n")
    refused = run(*LOCAL, "--output", "mine.yaml", cwd=folder)
    assert refused.status == ExitCode.BAD_INPUT
    assert "mine.yaml exists" in refused.err
    assert file.read_text() == "# by hand\n"
    assert run(*LOCAL, "--output", "mine.yaml", "--force", cwd=folder).status == ExitCode.KEPT
    assert "kind: BuilderClass" in file.read_text()


def test_tests_of_another_tool_are_converted_and_checked(folder: Path) -> None:
    gossfile = "command: {exit 3: {exit-status: 3}}\nfile: {/: {exists: true}}\nmount: {/: {exists: true}}\n"
    (folder / "goss.yaml").write_text(gossfile)
    started = run("init", "--from", "goss.yaml", "--name", "host", cwd=folder)
    assert started.status == ExitCode.KEPT, started.err
    assert "contracts/host.yaml: 2 promises; not converted, with the reason: 1\n" in started.out
    checked = run("check", "--runner", "local", "contracts/host.yaml", cwd=folder)
    assert checked.status == ExitCode.KEPT, checked.out
    assert "3 kept" in checked.out


@pytest.mark.parametrize(
    ("arguments", "code", "expected"),
    [
        ([], ExitCode.BAD_INPUT, "pass --image REF"),
        (["--image", "Not An Image"], ExitCode.BAD_INPUT, "not an image reference"),
        (["--image", "sample:1"], ExitCode.CANNOT_RUN, "cannot reach a Docker Engine"),
        (["--runner", "local", "--name", "Not A Class"], ExitCode.BAD_INPUT, "--name Not A Class"),
        (["--platform", "x", "--image", "y"], ExitCode.BAD_INPUT, "--platform conflicts with"),
        (["--repo", "."], ExitCode.BAD_INPUT, "add --platform"),
        (["--runner", "local", "--like", "ubuntu-1"], ExitCode.BAD_INPUT, "use ubuntu-24.04"),
        (["--from", "x", "--like", "ubuntu-24.04"], ExitCode.BAD_INPUT, "--like conflicts with --from"),
        (["--from", "absent.yaml"], ExitCode.BAD_INPUT, "absent.yaml: cannot read"),
    ],
    ids=[
        "nothing",
        "reference",
        "engine",
        "name",
        "both",
        "repository",
        "unknown label",
        "label and source",
        "source",
    ],
)
def test_init_says_what_it_lacks_and_writes_nothing(
    folder: Path, arguments: list[str], code: ExitCode, expected: str
) -> None:
    before = sorted(folder.rglob("*.yaml"))
    ended = run("init", *arguments, cwd=folder)
    assert ended.status == code, ended.err
    assert expected in ended.err
    assert "Traceback" not in ended.err
    assert sorted(folder.rglob("*.yaml")) == before
