"""The command line: help that teaches, exit codes that are an API, output for people and for programs."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import click
import pytest
from click.shell_completion import ShellComplete
from click.testing import CliRunner

from builder_contracts.cli import COMMANDS, group
from builder_contracts.contract import schemas
from builder_contracts.errors import ExitCode
from builder_contracts.facts.json_codec import to_json
from builder_contracts.facts.model import PathFacts, StepFacts, ToolFacts, Unseen
from tests.cli.terminal import COMMAND, run, run_on_terminal
from tests.plugin.conftest import NO_ENGINE, OTHER, SAMPLE
from tests.unit.judge.observed import facts


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_that_teaches(name: str) -> None:
    for option in ("--help", "-h"):
        result = CliRunner().invoke(group, [name, option])
        assert result.exit_code == 0
        assert result.output.startswith(f"Usage: {group.name} {name}") or "Usage:" in result.output
        assert len(result.output) > 200


def test_help_lists_every_command_and_exit_code() -> None:
    result = CliRunner().invoke(group, ["--help"], terminal_width=200)
    for name in COMMANDS:
        assert f"\n  {name} " in result.output
    codes = " ".join(result.output.partition("Exit codes:")[2].split())
    for code in ExitCode:
        assert f" {code.value} " in f" {codes}"


def test_the_version_is_told(tmp_path: Path) -> None:
    from builder_contracts import __version__

    assert run("--version", cwd=tmp_path).out == f"builder-contracts, version {__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "code", "expected"),
    [
        (
            ["check", "--runner", "local", "-k", "shell or labels"],
            ExitCode.KEPT,
            "  2 kept (2 declared)   0 broken",
        ),
        (["check", "--runner", "local", "contracts/there.yaml"], ExitCode.KEPT, "1 unproven"),
        (["check", "--runner", "local"], ExitCode.BROKEN, "toolchain/no-such-tool  BROKEN"),
        (["check", "--runner", "local", "-k", "localhost"], ExitCode.UNPROVEN, "UNPROVEN"),
        (["check", "--runner", "local", "contracts/there.yaml", "--strict"], ExitCode.UNPROVEN, "1 unproven"),
        (["check", "--runner", "local", "-k", "("], ExitCode.BAD_INPUT, ""),
        (["check", "--runner", "local", "--builder", "hre"], ExitCode.BAD_INPUT, "did you mean here?"),
        (["check", "--image", "x"], ExitCode.BAD_INPUT, "use CLASS=REF"),
        (["check", "--runner", "ssh"], ExitCode.BAD_INPUT, "--runner ssh: 'ssh' is not one of docker, local"),
        (["check", "nowhere"], ExitCode.BAD_INPUT, "nowhere:1: no such file or directory"),
        (["check", "bin"], ExitCode.BAD_INPUT, "bin:1: no contracts found"),
        (
            ["check", "--runner", "local", "-k", "nothing-has-this-name"],
            ExitCode.NOTHING_SELECTED,
            "-k 'nothing-has-this-name' deselected all 10 clauses",
        ),
        (
            ["check", "--environment", "nope"],
            ExitCode.BAD_INPUT,
            "--environment nope: no such file, and no such name",
        ),
        (
            ["check", "--junitxml", "/proc/x/y.xml"],
            ExitCode.BAD_INPUT,
            "--junitxml: cannot write /proc/x/y.xml",
        ),
        (
            ["check", "--evidence", "/proc/x"],
            ExitCode.BAD_INPUT,
            "--evidence: cannot write /proc/x/evidence.jsonl",
        ),
        (
            ["check", "--allow-writes", "nonsense"],
            ExitCode.BAD_INPUT,
            "'nonsense' is not one of nix, bazel-grpc",
        ),
        (
            ["check", "--linux-xr-source", "nowhere"],
            ExitCode.BAD_INPUT,
            "--linux-xr-source nowhere: no such file or directory",
        ),
        (["check", "--deadline", "-1"], ExitCode.BAD_INPUT, "deadline"),
        (["check", "--deadline", "nan"], ExitCode.BAD_INPUT, "deadline"),
        (["check", "--no-such-option"], ExitCode.BAD_INPUT, "--no-such-option"),
        (["chekc"], ExitCode.BAD_INPUT, "Did you mean 'check'?"),
        (["check", "--formt", "json"], ExitCode.BAD_INPUT, "--format"),
        (["check", "--format", "jsn"], ExitCode.BAD_INPUT, "did you mean json?"),
        (["doctor", "--format", "jsno"], ExitCode.BAD_INPUT, "did you mean json?"),
        (["validate"], ExitCode.KEPT, "contracts/here.yaml: here, 7 clauses, sha256:"),
        (["validate", "contracts/here.yaml", "contracts"], ExitCode.KEPT, "there, 3 clauses"),
        (["validate", "nowhere"], ExitCode.BAD_INPUT, "no such file"),
        (["check", "bin/sh"], ExitCode.BAD_INPUT, "bin/sh:1: "),
        (["validate", os.devnull], ExitCode.BAD_INPUT, "expected a file or directory, found a device"),
        (["validate", "bin/sh/deeper"], ExitCode.BAD_INPUT, ": Not a directory"),
        (["schema", "nonsense"], ExitCode.BAD_INPUT, "unknown schema 'nonsense'"),
        (["explain", "here/toolchain/sh"], ExitCode.KEPT, "sh on the job's PATH"),
        (["explain", "here/toolchain/hs"], ExitCode.BAD_INPUT, "did you mean here/toolchain/sh?"),
        (["explain", "toolchain/sh"], ExitCode.BAD_INPUT, "toolchain/sh is ambiguous: 2 classes"),
        (["explain", "toolchain"], ExitCode.KEPT, "toolchain"),
        (
            ["facts", "--builder", "hre"],
            ExitCode.BAD_INPUT,
            "--builder hre: no contract declares this class",
        ),
        (["facts", "--image", "", "--builder", "here"], ExitCode.BAD_INPUT, "'' is not an image"),
        (["facts", "--image", "a\nb", "--builder", "here"], ExitCode.BAD_INPUT, "'a\\nb' is not an image"),
        (["check", "--image", "here=a\nb"], ExitCode.BAD_INPUT, "use CLASS=REF"),
        (["facts", "--runner", "local"], ExitCode.BAD_INPUT, "choose a class with --builder: here, there"),
        (
            ["facts", "--runner", "local", "--builder", "there", "--environment", "nope"],
            ExitCode.BAD_INPUT,
            "--environment nope: no such file, and no such name",
        ),
        (["diff", "a.json", "b.json"], ExitCode.BAD_INPUT, "a.json: cannot read: No such file"),
        (["diff", ".", "b.json"], ExitCode.BAD_INPUT, ".: cannot read: Is a directory\n"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_exit_code_says_how_it_ended_and_text_says_why(
    folder: Path, arguments: list[str], code: ExitCode, expected: str
) -> None:
    ended = run(*arguments, cwd=folder)
    text = ended.out + ended.err
    assert ended.status == code, text
    assert expected in text
    assert "Traceback" not in text
    assert "INTERNALERROR" not in text


@pytest.mark.parametrize(
    "arguments", [["facts", "--builder", "there"], ["check"], ["check", "--strict"]], ids=" ".join
)
def test_without_an_engine_nothing_runs_and_doctor_is_named(folder: Path, arguments: list[str]) -> None:
    ended = run(*arguments, cwd=folder)
    text = ended.out + ended.err
    assert ended.status == ExitCode.CANNOT_RUN
    assert NO_ENGINE in text
    assert "run 'builder-contracts doctor'" in text
    assert "Traceback" not in text


@pytest.mark.parametrize("ci", ["", "true"], ids=["by hand", "where CI runs"])
def test_without_an_engine_clauses_are_unproven_not_broken(folder: Path, ci: str) -> None:
    ended = run("check", "contracts/there.yaml", "--evidence", "out", cwd=folder, environment={"CI": ci})
    records = [json.loads(line) for line in (folder / "out" / "evidence.jsonl").read_text().splitlines()]
    assert [(record["clause"], record["outcome"]) for record in records] == [
        ("there/labels/there", "kept"),
        ("there/image/reference", "unproven"),
        ("there/toolchain/sh", "unproven"),
    ]
    assert ended.out.count(f"  reason          {NO_ENGINE}") == 1


def test_without_an_engine_what_only_declares_is_judged(folder: Path) -> None:
    assert run("check", "-k", "labels", cwd=folder).status == ExitCode.KEPT


@pytest.mark.parametrize(
    "arguments",
    [
        ["validate"],
        ["facts", "--runner", "local", "--builder", "there"],
        ["--help"],
        ["check", "--runner", "local", "contracts/there.yaml"],
    ],
    ids=" ".join,
)
def test_output_that_cannot_be_written_is_told_in_one_line(folder: Path, arguments: list[str]) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*COMMAND, *arguments], cwd=folder, stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode == ExitCode.CANNOT_RUN
    assert re.fullmatch("error: cannot write (standard )?output: No space left on device\n", done.stderr)


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        (["schema", "builder-"], ["builder-base", "builder-class"]),
        (["check", "--builder", "t"], ["there"]),
        (["facts", "--builder", ""], ["here", "there"]),
        (["facts", "--contract", "contracts/here.yaml", "--builder", ""], ["here"]),
        (["check", "--allow-writes", "bazel"], ["bazel-grpc", "bazel-http"]),
        (["explain", "tool"], ["toolchain", "toolchain/sh", "toolchain/no-such-tool", "toolchain/forgotten"]),
        (["explain", "here/ide"], ["here/identity/shell"]),
    ],
    ids=lambda words: " ".join(words),
)
def test_the_shell_completes_what_can_be_named(
    folder: Path, monkeypatch: pytest.MonkeyPatch, typed: list[str], offered: list[str]
) -> None:
    monkeypatch.chdir(folder)
    *before, last = typed
    completion = ShellComplete(group, {}, "builder-contracts", "_BUILDER_CONTRACTS_COMPLETE")
    assert [item.value for item in completion.get_completions(before, last)] == offered


def test_bad_input_is_told_once_with_line_and_mend(folder: Path) -> None:
    (folder / "contracts" / "here.yaml").write_text(SAMPLE.replace("toolchain:", "toolchian:"))
    for command in ("validate", "check"):
        ended = run(command, cwd=folder)
        text = ended.out + ended.err
        assert ended.status == ExitCode.BAD_INPUT
        assert text.count('contracts/here.yaml:7: unknown field "toolchian"') == 1
        assert "did you mean 'toolchain'?" in text


def test_expired_waiver_fails_validate_and_breaks_its_clause(folder: Path) -> None:
    file = folder / "contracts" / "here.yaml"
    file.write_text(file.read_text().replace("2999-12-31", "2020-01-01"))
    ended = run("validate", cwd=folder)
    assert (ended.status, ended.out) == (ExitCode.BAD_INPUT, "")
    assert "contracts/here.yaml:14: waiver for here/toolchain/forgotten expired on 2020-01-01" in ended.err
    checked = run("check", "--runner", "local", "-k", "forgotten", cwd=folder)
    assert checked.status == ExitCode.BROKEN
    assert "waiver expired on 2020-01-01" in checked.out


def test_validate_lists_clauses_for_people_and_for_programs(folder: Path) -> None:
    listed = run("validate", "--list", "contracts/there.yaml", cwd=folder).out.splitlines()
    assert [line.split()[0] for line in listed[1:]] == ["labels/there", "image/reference", "toolchain/sh"]
    output = run("validate", "--json", "contracts/there.yaml", cwd=folder).out.splitlines()
    assert json.loads(output[2]) == {
        "clause": "there/toolchain/sh",
        "promised": "sh on the job's PATH",
        "source": "contracts/there.yaml:6",
    }


def test_reports_are_written_where_they_are_wanted(folder: Path) -> None:
    run(
        "check", "--runner", "local", "contracts/there.yaml", "--junitxml", "out/junit.xml", "--evidence", "out",
        cwd=folder,
    )  # fmt: skip
    assert 'name="clause" value="there/toolchain/sh"' in (folder / "out" / "junit.xml").read_text()
    assert len((folder / "out" / "evidence.jsonl").read_text().splitlines()) == 3


def test_clauses_of_contracts_elsewhere_have_ids_of_their_own(folder: Path) -> None:
    (folder / "below").mkdir()
    run("check", "--runner", "local", "../contracts", "--junitxml", "x.xml", "-k", "sh", cwd=folder / "below")
    named = (folder / "below" / "x.xml").read_text()
    assert 'name="clause" value="here/toolchain/sh"' in named
    assert 'name="clause" value="there/toolchain/sh"' in named


def test_a_report_is_also_written_into_a_pipe(folder: Path) -> None:
    reader, writer = os.pipe()
    done = subprocess.run(
        [*COMMAND, "check", "--runner", "local", "contracts/there.yaml", "--junitxml", f"/dev/fd/{writer}"],
        cwd=folder, pass_fds=[writer], capture_output=True, text=True, check=False,
    )  # fmt: skip
    os.close(writer)
    with os.fdopen(reader) as report:
        assert 'value="there/toolchain/sh"' in report.read()
    assert (done.returncode, done.stderr) == (ExitCode.KEPT, "")


def test_the_settings_of_a_project_around_are_not_ours(folder: Path) -> None:
    (folder / "pytest.ini").write_text("[pytest]\naddopts = --no-such-option\n")
    (folder / "conftest.py").write_text("raise SystemExit('not ours')\n")
    assert run("check", "--runner", "local", "contracts/there.yaml", cwd=folder).status == ExitCode.KEPT


def test_a_schema_is_printed_as_it_is() -> None:
    for name in schemas.names():
        assert json.loads(CliRunner().invoke(group, ["schema", name]).output) == schemas.load(name)


def test_facts_are_printed_or_saved_and_can_be_compared(folder: Path) -> None:
    arguments = ("facts", "--runner", "local", "--builder", "there")
    printed = json.loads(run(*arguments, cwd=folder).out)
    assert printed["tools"]["sh"]["path"] == str(folder / "bin" / "sh")
    assert run(*arguments, "-o", "a.json", cwd=folder).status == 0
    # A second observation of this machine could differ: other tests start containers, whose mounts it shows.
    saved = json.loads((folder / "a.json").read_text("utf-8"))
    later = {**saved, "taken": printed["taken"], "seconds": saved["seconds"] + 1}
    (folder / "b.json").write_text(json.dumps(later), "utf-8")
    same = run("diff", "a.json", "b.json", cwd=folder)
    assert (same.status, same.out) == (ExitCode.KEPT, "no differences\n")


def test_facts_without_a_contract_list_what_there_is(folder: Path) -> None:
    listed = run("facts", "--runner", "local", "--no-contract", cwd=folder)
    assert listed.status == ExitCode.KEPT
    assert re.search(
        rf"^ +sh +\S+ +works +{re.escape(str(folder / 'bin' / 'sh'))}$", listed.out, re.MULTILINE
    )
    arguments = ("facts", "--runner", "local", "--format", "json")
    (folder / "contracts").rename(folder / "elsewhere")
    assert json.loads(run(*arguments, cwd=folder).out)["tools"]["git"]["path"] is None


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--no-contract"], "no contract says which image to start"),
        (["--no-contract", "--builder", "here"], "--no-contract conflicts with"),
        (["--no-contract", "--image", "Not An Image"], "is not an image reference"),
    ],
    ids=["no image", "both", "no reference"],
)
def test_facts_without_a_contract_need_an_image(folder: Path, arguments: list[str], expected: str) -> None:
    ended = run("facts", *arguments, cwd=folder)
    assert ended.status == ExitCode.BAD_INPUT
    assert expected in ended.err


def test_facts_that_cannot_be_saved_are_told_and_leave_nothing(folder: Path) -> None:
    for target in ("nowhere/a.json", "contracts", "."):
        ended = run("facts", "--runner", "local", "--builder", "there", "-o", target, cwd=folder)
        assert ended.status == ExitCode.BAD_INPUT
        assert f"cannot write {target}" in ended.err
        assert "Traceback" not in ended.err
    assert sorted(path.name for path in folder.iterdir()) == ["bin", "contracts"]


@pytest.fixture
def saved(folder: Path) -> Path:
    before = facts(paths={"/nix": PathFacts("directory", mode=0o755)}, env={"A": "1", "MY_TOKEN": "hunter2"})
    after = facts(paths={"/nix": PathFacts("directory", mode=0o777)}, env={"B": "1", "MY_TOKEN": "hunter3"})
    (folder / "a.json").write_text(to_json(before))
    (folder / "b.json").write_text(to_json(after))
    return folder


def test_diff_tells_what_changed(saved: Path) -> None:
    ended = run("diff", "a.json", "b.json", cwd=saved)
    assert ended.status == ExitCode.BROKEN
    assert ended.out == 'env.A\n  - "1"\nenv.B\n  + "1"\npaths./nix.mode\n  - 0755\n  + 0777\n'
    output = json.loads(run("diff", "--json", "a.json", "b.json", cwd=saved).out)
    assert output["paths./nix.mode"] == {"before": "0755", "after": "0777"}
    assert "hunter" not in str(output)


def test_diff_ignores_free_space_but_no_variable_of_that_name(saved: Path) -> None:
    for name, free in (("a.json", 1), ("b.json", 2)):
        observed = facts(paths={"/": PathFacts("directory", free=free)}, env={"memory.free": str(free)})
        (saved / name).write_text(to_json(observed))
    assert run("diff", "a.json", "b.json", cwd=saved).out == 'env.memory.free\n  - "1"\n  + "2"\n'


def test_diff_tells_of_a_removed_tool_once(saved: Path) -> None:
    there = ToolFacts("/bin/xz", 0, "xz 5.8")
    for name, xz, path in (("a.json", there, "/bin/xz"), ("b.json", ToolFacts(None), "")):
        step = StepFacts(env={"HOSTNAME": name}, tools={"xz": path})
        observed = facts(tools={"xz": xz, "xz.2": replace(there, output=name)}, steps={"bash -e": step})
        (saved / name).write_text(to_json(replace(observed, outside=facts(tools={"xz": xz}))))
    assert run("diff", "a.json", "b.json", cwd=saved).out == (
        'tools.xz.2.output\n  - "a.json"\n  + "b.json"\ntools.xz.path\n  - "/bin/xz"\n  + null\n'
    )


def test_no_fact_acts_on_the_terminal_or_forges_a_line(saved: Path) -> None:
    hostile = facts(env={"A\n  + forged": "\u202e\x9b31m"}, identity=Unseen("\x1b]0;title\x07\nenv.B"))
    (saved / "b.json").write_text(to_json(hostile))
    lines = run("diff", "a.json", "b.json", cwd=saved).out.splitlines()
    assert all(line.isprintable() for line in lines)
    assert "env.A\\n  + forged" in lines
    assert "  + not observed: \\x1b]0;title\\x07\\nenv.B" in lines


def test_no_word_of_a_contract_acts_on_the_terminal(folder: Path) -> None:
    file = folder / "contracts" / "here.yaml"
    file.write_text(
        file.read_text() + 'responsibilities:\n  works: {promise: "a\u202eb", shown_by: [toolchain/sh]}\n'
    )
    clause = "responsibilities/works"
    for arguments in (
        ["validate", "--list"],
        ["validate", "--json"],
        ["explain", clause],
        ["explain", clause, "--json"],
    ):
        assert "a\\u202eb" in run(*arguments, cwd=folder).out
    file.write_text(file.read_text() + '"\\e]0;title\\a\\u202e": 1\n')
    output = run("validate", cwd=folder).err
    assert "unknown field" in output
    assert all(line.isprintable() for line in output.splitlines())


def test_diff_refuses_what_is_no_facts(saved: Path) -> None:
    (saved / "b.json").write_text("{}")
    ended = run("diff", "a.json", "b.json", cwd=saved)
    assert ended.status == ExitCode.BAD_INPUT
    assert "b.json: not facts" in ended.err


def test_colour_is_for_terminals_only_and_no_color_is_honoured(saved: Path) -> None:
    arguments = ("diff", "a.json", "b.json")
    assert "\x1b[" not in run(*arguments, cwd=saved).out
    assert "\x1b[31m" in run_on_terminal(*arguments, cwd=saved).out
    assert "\x1b[" not in run_on_terminal(*arguments, cwd=saved, environment={"NO_COLOR": "1"}).out


def test_errors_have_colour_on_terminals_only(folder: Path) -> None:
    assert "\x1b[" not in run("validate", "nowhere", cwd=folder).err
    assert "\x1b[31merror" in run_on_terminal("validate", "nowhere", cwd=folder).out
    plain = run_on_terminal("validate", "nowhere", cwd=folder, environment={"NO_COLOR": "1"})
    assert "\x1b[" not in plain.out
    assert "error: nowhere:1: " in plain.out


def test_check_has_no_colour_where_none_is_wanted(folder: Path) -> None:
    arguments = ("check", "--runner", "local", "contracts/there.yaml")
    assert "\x1b[" not in run(*arguments, cwd=folder).out
    assert "\x1b[" not in run_on_terminal(*arguments, cwd=folder, environment={"NO_COLOR": "1"}).out


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["schema"], ExitCode.KEPT),
        # What was cut short did not find all kept.
        (["check", "--runner", "local", "contracts/there.yaml"], ExitCode.CANNOT_RUN),
        (["select", "--needs", "sh"], ExitCode.CANNOT_RUN),
    ],
    ids=["schema", "check", "select"],
)
def test_a_reader_that_has_seen_enough_is_no_error(
    folder: Path, arguments: list[str], code: ExitCode
) -> None:
    first = subprocess.Popen(
        [*COMMAND, *arguments], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert first.stdout is not None
    assert first.stderr is not None
    first.stdout.close()
    errors = first.stderr.read()
    first.stderr.close()
    assert (first.wait(timeout=60), errors) == (code, b"")


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, ExitCode.INTERRUPTED), (signal.SIGTERM, ExitCode.TERMINATED)]
)
def test_signal_ends_with_its_code_and_verdicts_so_far(
    folder: Path, number: signal.Signals, code: ExitCode
) -> None:
    marker = folder / "started"
    (folder / "bin" / "hangs").write_text(f"#!/bin/sh\necho $$ >{marker}\nexec /bin/sleep 100\n")
    (folder / "bin" / "hangs").chmod(0o755)
    contract = folder / "contracts" / "there.yaml"
    contract.write_text(OTHER.replace("sh: present", "hangs: {version: '>=1'}"))
    process = subprocess.Popen(
        [*COMMAND, "check", "--runner", "local", "contracts/there.yaml", "--deadline", "300"],
        cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    until = time.monotonic() + 60
    while not marker.exists() and time.monotonic() < until:
        time.sleep(0.05)
    process.send_signal(number)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == code, out
    assert "Traceback" not in out
    assert f"{code.name.lower()}: judged 0 clauses" in out
    hanging = int(marker.read_text())
    until = time.monotonic() + 5
    while Path(f"/proc/{hanging}").exists() and time.monotonic() < until:
        time.sleep(0.05)
    assert not Path(f"/proc/{hanging}").exists()


def test_a_command_loads_only_what_it_needs(tmp_path: Path) -> None:
    script = (
        "import sys\nfrom builder_contracts.cli import group\n"
        "group.main(['schema'], standalone_mode=False)\n"
        "print(sorted({'pytest', 'docker', 'rich', 'builder_contracts.cli.check'} & sys.modules.keys()))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
        env=os.environ,
    )
    assert done.stdout.splitlines()[-1] == "[]"


def test_environment_secrets_are_hidden_from_facts_and_check(folder: Path) -> None:
    """Whichever environment is in use: a deployment's credentials are no job's."""
    (folder / "contracts" / "environments").mkdir()
    (folder / "contracts" / "environments" / "own.yaml").write_text(
        "apiVersion: builder-contracts/v1\nkind: Environment\n"
        "metadata: {name: own, summary: A cache of my own}\n"
        "roles:\n  nix: {url: 'http://cache.example/main', writer: OWN_WRITER}\n"
    )
    contract = folder / "contracts" / "there.yaml"
    contract.write_text(
        contract.read_text() + "\nenvironment:\n  variables:\n    OWN_WRITER: absent\n    SHOWN: present\n"
    )
    variables = {"OWN_WRITER": "writer:hunter2", "SHOWN": "shown"}

    seen = run("facts", "--runner", "local", "--builder", "there", cwd=folder, environment=variables)
    judged = [
        run("check", "--runner", "local", *more, "contracts/there.yaml", cwd=folder, environment=variables)
        for more in ([], ["-k", "OWN_WRITER or SHOWN"], ["-k", "OWN_WRITER or SHOWN", "--environment", "own"])
    ]  # fmt: skip

    assert "hunter2" not in str([seen, *judged])
    assert json.loads(seen.out)["env"]["SHOWN"] == "shown"
    assert {ended.status for ended in judged} == {ExitCode.KEPT}, judged


def test_listed_help_is_that_of_the_command() -> None:
    for name, listed in COMMANDS.items():
        command = group.get_command(click.Context(group), name)
        assert command is not None
        assert (command.help or "").strip().partition("\n\n")[0].split() == listed.help.split(), name


def test_help_imports_no_command(tmp_path: Path) -> None:
    script = (
        "import sys\nfrom builder_contracts.cli import group\n"
        "group.main(['--help'], standalone_mode=False)\n"
        "print([name for name in sys.modules if name.startswith('builder_contracts.cli.')])\n"
    )
    completed = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert completed.stdout.splitlines()[-1] == "[]"


def test_package_runs_as_a_module(folder: Path) -> None:
    completed = subprocess.run(
        [sys.executable, "-m", "builder_contracts", "validate"],
        cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (completed.returncode, completed.stderr) == (ExitCode.KEPT, "")


@pytest.mark.parametrize(
    "arguments", [["check", "--runner", "local"], ["validate"], ["--help"]], ids=" ".join
)
def test_closed_standard_output_is_an_error_on_one_line(folder: Path, arguments: list[str]) -> None:
    script = 'exec "$@" >&-'
    completed = subprocess.run(
        ["/bin/sh", "-c", script, "sh", *COMMAND, *arguments],
        cwd=folder, stderr=subprocess.PIPE, text=True, check=False,
    )  # fmt: skip
    assert completed.returncode == ExitCode.CANNOT_RUN
    assert completed.stderr == "error: cannot write output: standard output is closed\n"
