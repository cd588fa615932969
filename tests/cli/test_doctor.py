"""doctor: what is missing here, and the fix that works in this very situation."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from builder_contracts.errors import ExitCode
from tests.cli.terminal import Ended, run
from tests.plugin.conftest import OTHER

NOWHERE = {"DOCKER_HOST": "tcp://127.0.0.1:9"}
META = f"contexts/meta/{hashlib.sha256(b'mine').hexdigest()}/meta.json"
"""Where the docker client keeps its context of the name 'mine'."""
INFO = {"ServerVersion": "1", "OperatingSystem": "Sample", "NCPU": 8, "MemTotal": 16 * 2**30}


class Engine(BaseHTTPRequestHandler):
    """An engine without any image. ``broken`` is the beginning of what it answers with an error of its own."""

    broken = "nothing"

    def do_GET(self) -> None:
        path = self.path.partition("/v1.44")[2] or self.path
        if path.startswith(self.broken):
            self._answer(500, {"message": "the disk is gone"})
        elif path.startswith("/version"):
            self._answer(200, {"ApiVersion": "1.44"})
        elif path.startswith("/info"):
            self._answer(200, INFO)
        else:
            self._answer(404, {"message": "no such image"})

    def _answer(self, status: int, body: object) -> None:
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: object) -> None:
        """Nothing on the test's own output."""


@pytest.fixture
def engine(request: pytest.FixtureRequest) -> Iterator[dict[str, str]]:
    broken = getattr(request, "param", Engine.broken)
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Sample", (Engine,), {"broken": broken}))
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield {"DOCKER_HOST": f"tcp://127.0.0.1:{server.server_port}"}
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "contracts").mkdir()
    (tmp_path / "contracts" / "there.yaml").write_text(OTHER)
    return tmp_path


def doctor(folder: Path, environment: dict[str, str]) -> Ended:
    ended = run("doctor", cwd=folder, environment=environment)
    assert "Traceback" not in ended.out + ended.err
    return ended


@pytest.mark.parametrize("engine", ["/info", "/images"], indirect=True)
def test_engine_that_fails_later_is_missing_with_its_reason(folder: Path, engine: dict[str, str]) -> None:
    ended = doctor(folder, engine)
    assert ended.status == ExitCode.CANNOT_RUN
    assert "MISSING Docker Engine: reachable, but requests fail (the disk is gone)" in ended.out


def test_own_image_is_built_or_pulled_and_no_other_is_needed(folder: Path, engine: dict[str, str]) -> None:
    ended = doctor(folder, engine)
    assert ended.status == ExitCode.CANNOT_RUN
    assert (
        "MISSING image there: not present in the engine\n        docker build --tag there DIR, or docker pull"
        in ended.out
    )
    assert ended.out.count("MISSING") == 1
    assert "script/" not in ended.out


@pytest.mark.parametrize(
    "promise",
    [
        "network: {deny: [metadata]}",
        "network: {resolve: [localhost]}",
        "canaries: {flake: [builds]}",
    ],
)
def test_services_image_is_needed_where_a_promise_needs_it(
    folder: Path, engine: dict[str, str], promise: str
) -> None:
    (folder / "contracts" / "there.yaml").write_text(f"{OTHER}{promise}\n")
    ended = doctor(folder, engine)
    assert "MISSING image builder-contracts/services: not present in the engine" in ended.out
    assert "linux-xr-boot" not in ended.out


def test_in_a_checkout_its_scripts_bring_what_is_missing(folder: Path, engine: dict[str, str]) -> None:
    (folder / "script").mkdir()
    (folder / "script" / "images").touch()
    (folder / "builders" / "there").mkdir(parents=True)
    (folder / "builders" / "there" / "Dockerfile").touch()
    (folder / "canaries" / "kernel").mkdir(parents=True)
    (folder / "canaries" / "kernel" / "kernel.yaml").touch()
    text = f"{OTHER}canaries: {{kernel: [builds]}}\n"
    (folder / "contracts" / "there.yaml").write_text(text)
    ended = doctor(folder, engine)
    assert "MISSING image there: not present in the engine\n        script/images there\n" in ended.out
    assert "MISSING image builder-contracts/linux-xr-boot:latest: not present in the engine" in ended.out


def test_without_an_engine_and_a_checkout_the_package_is_named(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "bin").mkdir()
    monkeypatch.setattr("shutil.which", lambda _: None)
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    monkeypatch.delenv("DOCKER_CONTEXT", raising=False)
    monkeypatch.setenv("DOCKER_CONFIG", str(folder))
    monkeypatch.chdir(folder)
    from builder_contracts.cli.doctor import start

    assert start().startswith("apt-get install docker.io")
    (folder / "script").mkdir()
    (folder / "script" / "engine").touch()
    assert start() == "script/engine --yes"


def test_an_engine_that_was_chosen_is_for_its_owner_to_start(folder: Path) -> None:
    ended = doctor(folder, NOWHERE)
    assert ended.status == ExitCode.CANNOT_RUN
    assert "MISSING Docker Engine: not reachable ([Errno 111] Connection refused)\n" in ended.out
    assert "        DOCKER_HOST is tcp://127.0.0.1:9: start an engine there, or unset it\n" in ended.out
    # Whoever reads this has asked doctor already.
    assert "builder-contracts doctor" not in ended.out


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"DOCKER_HOST": "", "DOCKER_CONTEXT": "nope"}, "not reachable (no such docker context: 'nope')"),
        (
            {"DOCKER_HOST": "ssh://nobody@127.0.0.1"},
            "ssh:// needs the package paramiko: pip install 'docker[ssh]'",
        ),
    ],
    ids=["context", "ssh"],
)
def test_engine_without_address_is_missing_and_says_why(
    folder: Path, environment: dict[str, str], expected: str
) -> None:
    ended = doctor(folder, environment)
    assert ended.status == ExitCode.CANNOT_RUN
    assert expected in ended.out


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (
            {"config.json": '{"currentContext": "gone"}'},
            "not reachable (no such docker context: 'gone')\n        the current docker context is gone: ",
        ),
        ({"config.json": "[]"}, "invalid docker client configuration"),
        ({"config.json": '{"currentContext": 5}'}, "invalid docker client configuration"),
        ({META: "{"}, "configuration: Exception: Detected corrupted meta file for context mine"),
        ({META: '{"Name": "mine"}'}, "configuration: KeyError: 'Endpoints'"),
    ],
    ids=["gone", "list", "number", "cut", "nowhere"],
)
def test_corrupt_docker_client_configuration_is_reported(
    folder: Path, files: dict[str, str], expected: str
) -> None:
    for name, text in ({"config.json": '{"currentContext": "mine"}'} | files).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    ended = doctor(folder, {"DOCKER_HOST": "", "DOCKER_CONTEXT": "", "DOCKER_CONFIG": str(folder)})
    assert ended.status == ExitCode.CANNOT_RUN
    assert expected in ended.out


def test_unreadable_contract_is_missing_with_its_problem(folder: Path) -> None:
    (folder / "contracts" / "there.yaml").write_text(OTHER.replace("toolchain:", "toolchian:"))
    ended = doctor(folder, NOWHERE)
    assert 'MISSING contracts: contracts/there.yaml:6: unknown field "toolchian"' in ended.out
    assert "did you mean 'toolchain'?" in ended.out


def test_a_folder_without_contracts_is_no_lack_of_this_machine(tmp_path: Path) -> None:
    ended = doctor(tmp_path, NOWHERE)
    assert "note    contracts: no such file or directory" in ended.out
    assert ended.out.count("MISSING") == 1
