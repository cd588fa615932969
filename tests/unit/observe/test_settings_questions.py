"""The probe's questions about sockets, responses, Nix and a daemon, in the shells that images have."""

from __future__ import annotations

import http.server
import shutil
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from builder_contracts.facts.model import (
    DaemonSettingsFacts,
    NixSettingFacts,
    ResponseFacts,
    Unseen,
)
from builder_contracts.observe.inside import answers as read
from tests.unit.observe.shells import SYSTEM, Shell, links, program, shells

each_shell = pytest.mark.parametrize("shell", shells())


@each_shell
def test_listening_sockets_have_address_and_protocol(shell: Shell) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as tcp,
        socket.create_server(("::1", 0), family=socket.AF_INET6) as tcp6,
        socket.socket(type=socket.SOCK_DGRAM) as udp,
        socket.socket(type=socket.SOCK_DGRAM) as peer,
    ):
        udp.bind(("127.0.0.2", 0))
        peer.connect(udp.getsockname()[:2])
        numbers = [server.getsockname()[1] for server in (tcp, tcp6, udp, peer)]
        ports = read.ports(shell.ask(("listening",)))
    assert isinstance(ports, dict)
    assert ports[f"{numbers[0]}/tcp"] == ["127.0.0.1"]
    assert ports[f"{numbers[1]}/tcp"] == ["::1"]
    assert ports[f"{numbers[2]}/udp"] == ["127.0.0.2"]
    assert f"{numbers[3]}/udp" not in ports


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers with the status that the path names."""

    def do_GET(self) -> None:  # the name is the library's
        status = int(self.path[1:])
        self.send_response(status)
        if status == 302:
            self.send_header("Location", "/200")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def url() -> Iterator[str]:
    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@each_shell
@pytest.mark.parametrize("client", ["curl", "wget"])
def test_status_is_that_of_the_first_response(shell: Shell, client: str, url: str, tmp_path: Path) -> None:
    if shutil.which(client) is None:
        pytest.skip(f"no {client} here: apt-get install {client}")
    statuses = (200, 404, 302)
    answers = shell.ask(
        *(("request", f"{url}/{status}") for status in statuses),
        ("request", "http://no-such-name.invalid/"),
        ("request", "http://127.0.0.1:9/"),
        path=links(tmp_path / "bin", client, "timeout", "mkdir", "rm", "head"),
    )
    for status in statuses:
        response = read.response(answers, f"{url}/{status}")
        assert isinstance(response, ResponseFacts)
        assert (response.outcome, response.status) == ("connected", status)
    for other, outcome in (
        ("http://no-such-name.invalid/", "unresolved"),
        ("http://127.0.0.1:9/", "refused"),
    ):
        response = read.response(answers, other)
        assert isinstance(response, ResponseFacts)
        assert (response.outcome, response.status) == (outcome, 0)


@each_shell
def test_request_without_client_is_unseen(shell: Shell, tmp_path: Path) -> None:
    answers = shell.ask(("request", "http://127.0.0.1:9/"), path=links(tmp_path / "bin", "timeout"))
    response = read.response(answers, "http://127.0.0.1:9/")
    assert isinstance(response, Unseen)
    assert "neither curl nor wget" in response.reason


NIX = """case "$*" in
  *'config show') printf 'sandbox = true\\nexperimental-features = flakes\\nsubstituters = \\nsystem-features = a b\\n' ;;
  *) exit 9 ;;
esac"""
OLD_NIX = """case "$*" in
  *show-config) printf 'sandbox = true\\n' ;;
  *) echo "error: 'config' is not a recognised command" >&2; exit 1 ;;
esac"""
WITHOUT_FEATURE = """case "$*" in
  '--extra-experimental-features nix-command config show') printf 'experimental-features = flakes nix-command\\n' ;;
  *) echo "error: experimental Nix feature 'nix-command' is disabled" >&2; exit 1 ;;
esac"""


@each_shell
def test_nix_settings_have_value_and_source(shell: Shell, tmp_path: Path) -> None:
    program(tmp_path, "nix", NIX)
    home = tmp_path / "home"
    (home / ".config" / "nix").mkdir(parents=True)
    (home / ".config" / "nix" / "nix.conf").write_text("# sandbox = false\nsandbox = true\nsubstituters =\n")
    (tmp_path / "nix.conf").write_text("sandbox = false\nextra-system-features = b")
    names = ("sandbox", "experimental-features", "substituters", "system-features", "no-such")
    environment = {
        "HOME": str(home),
        "NIX_CONF_DIR": str(tmp_path),
        "NIX_CONFIG": "max-jobs = 1\nexperimental-features = flakes\n",
    }
    answers = shell.ask(("nix", *names), path=f"{tmp_path}:{SYSTEM}", environment=environment)
    settings = {name: read.nix_setting(answers, name) for name in names}
    user = str(home / ".config" / "nix" / "nix.conf")
    assert settings == {
        "sandbox": NixSettingFacts("true", user),
        "experimental-features": NixSettingFacts("flakes", "NIX_CONFIG"),
        "substituters": NixSettingFacts("", user),
        "system-features": NixSettingFacts("a b", str(tmp_path / "nix.conf")),
        "no-such": NixSettingFacts(None),
    }


@each_shell
@pytest.mark.parametrize(
    ("nix", "name", "value"),
    [(OLD_NIX, "sandbox", "true"), (WITHOUT_FEATURE, "experimental-features", " flakes ")],
)
def test_older_or_closed_nix_is_asked_otherwise(
    shell: Shell, nix: str, name: str, value: str, tmp_path: Path
) -> None:
    program(tmp_path, "nix", nix)
    answers = shell.ask(("nix", name), path=f"{tmp_path}:{SYSTEM}")
    setting = read.nix_setting(answers, name)
    assert isinstance(setting, NixSettingFacts)
    assert (setting.value or "").split() == value.split()


@each_shell
def test_nix_that_is_absent_or_broken_is_unseen(shell: Shell, tmp_path: Path) -> None:
    absent = read.nix_setting(shell.ask(("nix", "sandbox"), path="/nonexistent"), "sandbox")
    assert isinstance(absent, Unseen)
    assert "no nix on PATH" in absent.reason
    program(tmp_path, "nix", "echo 'error: bad file' >&2; exit 3")
    broken = read.nix_setting(shell.ask(("nix", "sandbox"), path=f"{tmp_path}:{SYSTEM}"), "sandbox")
    assert isinstance(broken, Unseen)
    assert "nix exited with status 3: error: bad file" in broken.reason


DOCKER = """case "$1 $2" in
  'info --format') printf 'overlay2\\n127.0.0.0/8 r.example:5000 \\n' ;;
  'network ls') printf 'bridge\\nhost\\nnone\\n' ;;
  'network inspect') echo '1450' ;;
esac"""


@each_shell
def test_daemon_settings_are_read_by_the_client(shell: Shell, tmp_path: Path) -> None:
    program(tmp_path, "docker", DOCKER)
    settings = read.daemon_settings(shell.ask(("daemon_settings",), path=f"{tmp_path}:{SYSTEM}"))
    assert settings == DaemonSettingsFacts(
        "overlay2", ["127.0.0.0/8", "r.example:5000"], 1450, ["bridge", "host", "none"]
    )


@each_shell
def test_silent_daemon_has_no_settings(shell: Shell, tmp_path: Path) -> None:
    program(tmp_path, "docker", "echo 'Cannot connect to the Docker daemon' >&2; exit 1")
    settings = read.daemon_settings(shell.ask(("daemon_settings",), path=f"{tmp_path}:{SYSTEM}"))
    assert isinstance(settings, Unseen)
    assert "Cannot connect to the Docker daemon" in settings.reason
